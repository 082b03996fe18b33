// Embeds data/clip_merges.txt. The assembler finds it through the include path, so this needs no
// tool beside the compiler and works the same in the build tree and installed.
#include <string_view>

#include "models/clip_vocabulary.h"

asm(R"(
    .pushsection .rodata
    .global dedit_clip_merges_begin
    .global dedit_clip_merges_end
dedit_clip_merges_begin:
    .incbin "models/data/clip_merges.txt"
dedit_clip_merges_end:
    .popsection
)");

extern "C" const char dedit_clip_merges_begin[];
extern "C" const char dedit_clip_merges_end[];

namespace dedit {

std::string_view clip_merges_text() {
  return {dedit_clip_merges_begin, size_t(dedit_clip_merges_end - dedit_clip_merges_begin)};
}

}  // namespace dedit
