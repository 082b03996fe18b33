// Golden models: tiny checkpoints whose weights come from a rule (tools/golden_models.py states
// it), so that a golden file holds names, shapes and outputs only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dedit/tensor_value.h"

namespace dedit {

/// Values of the rule in [-1, 1) for the tensor of this canonical name.
std::vector<float> seeded_uniforms(const std::string& name, int64_t count, uint32_t seed);

/// The weight of a canonical name ("unet.conv_in.weight") and shape.
std::vector<float> seeded_weight(const std::string& name, const std::vector<int64_t>& shape,
                                 uint32_t seed);

/// A network input by the same rule: 1.5 times the uniforms.
std::vector<float> seeded_input(const std::string& name, int64_t count, uint32_t seed);

/// Writes the checkpoint that a golden description (tests/data/golden/<name>.json) states as
/// diffusers folders under `out_dir`: <name> with unet, vae, text_encoder and scheduler, and
/// beside it <name>-controlnet and <name>-controlnet-b. Returns the path of <name>.
std::string make_golden_checkpoint(const std::string& golden_json, const std::string& out_dir);

/// All tensors of a golden safetensors file.
std::map<std::string, TensorValue> load_golden(const std::string& path);

/// The file's metadata: "error:<tensor>" is the reference's own distance from float64.
std::map<std::string, std::string> golden_metadata(const std::string& path);

/// max |a - b| / max |b|; infinite if the sizes differ or a value is not finite.
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace dedit
