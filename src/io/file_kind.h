// What a file is that turned up where a model was expected: to choose a reader, and for messages.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/weight_files.h"

namespace dedit {

struct FileKind {
  std::string phrase;  ///< "a PNG picture"; empty if not recognised
  std::string hint;    ///< what to do about it; may be empty
};

/// By the first bytes of a file that is not safetensors.
FileKind sniff_file_kind(std::span<const std::byte> head);

enum class WeightKind {
  kStableDiffusion1,  ///< a whole CompVis checkpoint of SD 1.x
  kWhole,             ///< a whole checkpoint of another family
  kControlNet,        ///< diffusers or ControlNet names, with or without prefix
  kPart,              ///< a U-Net, VAE or text encoder alone
  kAddition,          ///< LoRA, T2I-Adapter and the like
  kUnknown,
};

/// What the names of tensors say; `phrase` completes "this is ...".
struct NamedKind {
  WeightKind kind = WeightKind::kUnknown;
  std::string phrase;
};
NamedKind classify_weights(const WeightSet& weights);
/// "this is a LoRA, not a ControlNet".
std::string not_what(const NamedKind& found, const std::string& wanted);

}  // namespace dedit
