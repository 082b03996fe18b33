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

/// Learned vectors in place of tokens.
struct TextInsertion {
  int64_t row = 0;
  int64_t position = 0;             ///< of the first vector
  const Tensor* vectors = nullptr;  ///< [n, width] of the text encoder's type
};

struct ClipTextOptions {
  /// The states after this many layers less one are left out: 1 takes the last layer's, 2 those
  /// before it, as web UIs count. The final norm follows in each case.
  int clip_skip = 1;
  std::span<const TextInsertion> insertions = {};  ///< by row, then position
};

struct ClipTextModel {
  ClipTextModel(const Build&, const Weights&, const ClipTextConfig&);
  /// ids: batch rows of max_positions tokens (or fewer, all rows alike), padding included and
  /// attended to, as SD does -> hidden state after the final norm [batch, T, width]. Throws
  /// Error(kModel) for ids outside the vocabulary and Error(kUsage) for a clip_skip outside the
  /// layers.
  Tensor operator()(Ctx&, std::span<const int32_t> ids, int64_t batch,
                    const ClipTextOptions& options = {}) const;

  ClipTextConfig config;
  Tensor token_embedding;     // [vocab, width]
  Tensor position_embedding;  // [max_positions, width]
  std::vector<ClipEncoderLayer> layers;
  LayerNorm final_layer_norm;

 private:
  Tensor insert(Ctx&, const Tensor& embedded, std::span<const TextInsertion>) const;
};

}  // namespace dedit
