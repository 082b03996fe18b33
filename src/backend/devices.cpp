#include "backend/devices.h"

#include <charconv>
#include <cstdlib>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {

#if !defined(DEDIT_CUDA)
GpuList find_gpus() {
  return {.usable = {}, .problem = "this build has no CUDA"};
}
std::unique_ptr<Backend> make_cuda_backend(int, const BackendOptions&) {
  return nullptr;
}
#endif

namespace {

ChosenDevice cpu(const BackendOptions& options, std::string why) {
  return {make_cpu_backend(options), false, std::move(why)};
}

// What to do where a GPU is asked for and there is none.
std::string remedy() {
#if defined(DEDIT_CUDA)
  return "see nvidia-smi for the driver and its GPUs, or use --device cpu";
#else
  return "build where nvcc is (cmake --preset cuda), or use --device cpu";
#endif
}

/// The number behind "cuda:", 0 for "cuda" alone, -1 for another word.
int gpu_index(std::string_view name) {
  constexpr std::string_view kWord = "cuda";
  if (name == kWord) return 0;
  if (name.substr(0, kWord.size() + 1) != "cuda:") return -1;
  name.remove_prefix(kWord.size() + 1);
  int index = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  return error == std::errc() && end == name.data() + name.size() ? index : -1;
}

}  // namespace

ChosenDevice choose_device(const std::string& given, const BackendOptions& options) {
  std::string name = given, asked = "--device ";
  if (const char* env = std::getenv("DEDIT_DEVICE"); name.empty() && env && *env) {
    name = env;
    asked = "DEDIT_DEVICE=";
  }
  if (name == "cpu") return cpu(options, "asked for");
  const bool is_auto = name.empty() || name == "auto";
  const int index = is_auto ? 0 : gpu_index(name);
  if (index < 0) {
    throw Error(ErrorKind::kUsage, str(asked, name, " is unknown"),
                "one of auto, cpu, cuda, cuda:1 (the second GPU)");
  }
  const GpuList gpus = find_gpus();
  if (index < int(gpus.usable.size())) {
    return {make_cuda_backend(gpus.usable[size_t(index)].index, options), true,
            is_auto ? "the first GPU" : "asked for"};
  }
  if (is_auto) return cpu(options, gpus.problem);
  if (gpus.usable.empty())
    throw Error(ErrorKind::kUsage, str(asked, name, ": ", gpus.problem), remedy());
  throw Error(ErrorKind::kUsage,
              str(asked, name, ": the last GPU here is cuda:", gpus.usable.size() - 1), remedy());
}

std::string gpus_text() {
  const GpuList gpus = find_gpus();
  std::string text;
  for (size_t i = 0; i < gpus.usable.size(); ++i) {
    text += str("cuda:", i, ": ", gpus.usable[i].description, "\n");
  }
  return text.empty() ? str("GPU: none (", gpus.problem, ")\n") : text;
}

}  // namespace dedit
