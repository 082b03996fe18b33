#include "io/file_kind.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace dedit {
namespace {

constexpr const char* kConvert =
    "convert it to safetensors first; dedit does not run the code that pickles may hold";
constexpr const char* kLfs = "run 'git lfs pull' in its repository, or download the file itself";
constexpr const char* kPage = "the download went wrong: open its address in a browser to see why";

struct Magic {
  std::string_view start;
  const char* phrase;
  const char* hint;
};
constexpr Magic kMagics[] = {
    {"\x89PNG", "a PNG picture", ""},
    {"\xff\xd8\xff", "a JPEG picture", ""},
    {"GIF8", "a GIF picture", ""},
    {"RIFF", "a WebP picture or another RIFF file", ""},
    {"PK\x03\x04", "a PyTorch checkpoint or another zip archive", kConvert},
    {"\x80\x02", "a PyTorch pickle", kConvert},
    {"\x80\x04", "a Python pickle", kConvert},
    {"GGUF", "a GGUF file", "use the safetensors release of the model"},
    {"\x89HDF", "an HDF5 file", "use the safetensors release of the model"},
    {"\x1f\x8b", "a gzip archive", "unpack it first"},
    {"version https://git-lfs", "a Git LFS pointer, not the file it stands for", kLfs},
    {"<!DOCTYPE", "a web page", kPage},
    {"<!doctype", "a web page", kPage},
    {"<html", "a web page", kPage},
};

bool is_text(std::string_view head) {
  return !head.empty() && std::ranges::all_of(head, [](unsigned char c) {
    return c >= 0x80 || std::isprint(c) || std::isspace(c);
  });
}

}  // namespace

FileKind sniff_file_kind(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Magic& magic : kMagics) {
    if (text.starts_with(magic.start)) return {magic.phrase, magic.hint};
  }
  if (is_text(text.substr(0, 256))) return {"a text file", ""};
  return {};
}

}  // namespace dedit
