#include "pipeline/build_info.h"

#include <string>

#include "backend/devices.h"
#include "core/str.h"

#include "dedit/info.h"

namespace dedit {

std::vector<std::filesystem::path> default_model_folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (!ignored) folders.push_back(self.parent_path().parent_path() / "share/dedit/mini");
  folders.emplace_back(DEDIT_INSTALLED_MODEL);
  folders.emplace_back(DEDIT_SOURCE_MODEL);
  return folders;
}

std::string version_text() {
  std::string why;
  const DType dtype = cpu_auto_dtype(why);
  return str("dedit ", DEDIT_VERSION, "\n",                         //
             "oneDNN: ", DEDIT_ONEDNN, "\n",                        //
             "OpenCV: ", DEDIT_OPENCV, "\n",                        //
             "ONNX Runtime: ", DEDIT_BUILT_WITH_ONNXRUNTIME, "\n",  //
             "CUDA: ", DEDIT_BUILT_WITH_CUDA, "\n",                 //
             gpus_text(),                                           //
             "cpu: ", make_cpu_backend()->description(), "\n",      //
             "auto precision: ", name_of(dtype), " (", why, ")\n");
}

}  // namespace dedit
