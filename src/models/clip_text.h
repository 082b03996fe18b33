// CLIPTextModel: token ids -> text states. Radford et al. 2021 (arXiv:2103.00020). Module names are
// transformers'.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nn/modules.h"

namespace dedit {

struct ClipTextConfig {
  int vocab_size = 49408;
  int max_positions = 77;
  int width = 768;
  int layers = 12;
  int heads = 12;
  int intermediate = 3072;
  Act act = Act::kQuickGelu;  ///< SD 1.x; SD 2.x has the exact gelu
  double eps = 1e-5;
};

ClipTextConfig parse_clip_text_config(const std::string& json, const std::string& source);
ClipTextConfig infer_clip_text_config(const Component& component);
/// The one that applies. Throws Error(kModel).
ClipTextConfig clip_text_config(const Component& component);

struct ClipEncoderLayer {
  ClipEncoderLayer(const Build&, const Weights&, const ClipTextConfig&);
  Tensor operator()(Ctx&, const Tensor& x) const;

  int heads;
  Act act;
  LayerNorm layer_norm1, layer_norm2;
  Linear qkv_proj, out_proj, fc1, fc2;
};

struct ClipTextModel {
  ClipTextModel(const Build&, const Weights&, const ClipTextConfig&);
  /// ids: batch rows of max_positions tokens (or fewer, all rows alike), padding included and
  /// attended to, as SD does -> last hidden state after the final norm [batch, T, width]. Throws
  /// Error(kModel) for ids outside the vocabulary.
  Tensor operator()(Ctx&, std::span<const int32_t> ids, int64_t batch) const;

  ClipTextConfig config;
  Tensor token_embedding;     // [vocab, width]
  Tensor position_embedding;  // [max_positions, width]
  std::vector<ClipEncoderLayer> layers;
  LayerNorm final_layer_norm;
};

}  // namespace dedit
