#include <algorithm>

#include "io/file_kind.h"

namespace dedit {
namespace {

enum class Match { kPrefix, kAnywhere };

struct Rule {
  std::string_view mark;
  Match match;
  WeightKind kind;
  const char* phrase;
};

/// The first rule that any tensor name satisfies decides: additions that borrow a network's names
/// come before the network. Marks: the published files of each kind.
constexpr Rule kRules[] = {
    {"lora_controlnet", Match::kPrefix, WeightKind::kAddition, "a Control-LoRA"},
    {"lllite_unet", Match::kPrefix, WeightKind::kAddition, "a ControlNet-LLLite"},
    {"ip_adapter.", Match::kPrefix, WeightKind::kAddition, "an IP-Adapter"},
    {"control_add_embedding.", Match::kPrefix, WeightKind::kAddition, "a ControlNet-Union"},
    {"ctrl_to_base_", Match::kAnywhere, WeightKind::kAddition, "a ControlNet-XS"},
    {"controlnet_cond_embedding.", Match::kPrefix, WeightKind::kControlNet, "a ControlNet"},
    {"control_model.", Match::kPrefix, WeightKind::kControlNet, "a ControlNet"},
    {"input_hint_block.", Match::kPrefix, WeightKind::kControlNet, "a ControlNet"},
    {".lora_down.", Match::kAnywhere, WeightKind::kAddition, "a LoRA"},
    {".lora.down.", Match::kAnywhere, WeightKind::kAddition, "a LoRA"},
    {"_lora.down.", Match::kAnywhere, WeightKind::kAddition, "a LoRA"},
    {".lora_A.", Match::kAnywhere, WeightKind::kAddition, "a LoRA"},
    {".hada_w1_a", Match::kAnywhere, WeightKind::kAddition, "a LoHa"},
    {".lokr_w1", Match::kAnywhere, WeightKind::kAddition, "a LoKr"},
    {"adapter.body.", Match::kPrefix, WeightKind::kAddition, "a T2I-Adapter"},
    {"body.0.", Match::kPrefix, WeightKind::kAddition, "a T2I-Adapter"},
    {"emb_params", Match::kPrefix, WeightKind::kAddition, "a textual inversion embedding"},
    {"clip_l", Match::kPrefix, WeightKind::kAddition, "a textual inversion embedding"},
    {"conditioner.embedders.1.", Match::kPrefix, WeightKind::kWhole, "Stable Diffusion XL"},
    {"conditioner.embedders.0.", Match::kPrefix, WeightKind::kWhole,
     "the Stable Diffusion XL refiner"},
    {"model.diffusion_model.joint_blocks.", Match::kPrefix, WeightKind::kWhole,
     "Stable Diffusion 3"},
    {"model.diffusion_model.double_blocks.", Match::kPrefix, WeightKind::kWhole, "Flux"},
    {"joint_blocks.", Match::kPrefix, WeightKind::kPart, "a Stable Diffusion 3 transformer"},
    {"double_blocks.", Match::kPrefix, WeightKind::kPart, "a Flux transformer"},
    {"cond_stage_model.model.", Match::kPrefix, WeightKind::kWhole, "Stable Diffusion 2.x"},
    {"model.diffusion_model.", Match::kPrefix, WeightKind::kStableDiffusion1,
     "Stable Diffusion 1.x"},
    {"first_stage_model.", Match::kPrefix, WeightKind::kPart, "a VAE alone"},
    {"decoder.conv_in.", Match::kPrefix, WeightKind::kPart, "a VAE alone"},
    {"text_model.", Match::kPrefix, WeightKind::kPart, "a text encoder alone"},
    {"embeddings.token_embedding.", Match::kPrefix, WeightKind::kPart, "a text encoder alone"},
    {"up_blocks.", Match::kPrefix, WeightKind::kPart, "a U-Net alone"},
    {"output_blocks.", Match::kPrefix, WeightKind::kPart, "a U-Net alone"},
};

bool has_match(const auto& names, const Rule& rule) {
  if (rule.match == Match::kPrefix) {
    const auto at = names.lower_bound(rule.mark);
    return at != names.end() && at->first.starts_with(rule.mark);
  }
  return std::ranges::any_of(
      names, [&](const auto& e) { return e.first.find(rule.mark) != e.first.npos; });
}

}  // namespace

NamedKind classify_weights(const WeightSet& weights) {
  for (const Rule& rule : kRules) {
    if (has_match(weights.tensors, rule) || has_match(weights.other, rule)) {
      return {rule.kind, rule.phrase};
    }
  }
  return {};
}

std::string not_what(const NamedKind& found, const std::string& wanted) {
  if (found.phrase.empty()) return "its tensors are those of no model that is known here";
  return "this is " + found.phrase + ", not " + wanted;
}

}  // namespace dedit
