// Which device computes.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"

namespace dedit {

struct ChosenDevice {
  std::unique_ptr<Backend> backend;
  bool is_gpu = false;
  std::string why;  ///< for -v and the recipe's reader, one sentence
};

/// `name` is auto, cpu, cuda or cuda:N; empty asks DEDIT_DEVICE, then is auto: the first GPU where
/// the build and the machine have one, else the CPU. Throws Error(kUsage) where a GPU was asked for
/// that is not there.
ChosenDevice choose_device(const std::string& name, const BackendOptions& options = {});

/// The GPUs of this machine, a line each, or why there are none; for --version.
std::string gpus_text();

}  // namespace dedit
