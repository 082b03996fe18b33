// The operations of a network's pass, read from bench/shapes/*.json (written by bench/shapes.py).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dedit::bench {

enum class Kind : uint8_t {
  kConv2d,
  kLinear,
  kAttention,
  kGroupNorm,
  kLayerNorm,
  kConcat,
  kLincomb
};

/// One op as src/nn/ops.h takes it. Fields that a kind does not have stay 0.
struct OpShape {
  Kind kind = Kind::kConv2d;
  std::string family;  ///< row of the table: "conv3x3", "attention d 40" ...
  int64_t batch = 1;
  int64_t height = 0, width = 0;  ///< of a map; its input where a convolution changes it
  int64_t in = 0, out = 0;        ///< channels; `out` of a concatenation's second part
  int kernel = 1, stride = 1;
  int pad_after = 0, pad_before = 0;
  bool norm = false;      ///< group norm and SiLU on the input
  bool upsample = false;  ///< the input is enlarged to twice the size first
  bool residual = false;
  bool row_bias = false;
  bool geglu = false;                        ///< ends the product, and halves its columns
  int64_t queries = 0, keys = 0, heads = 0;  ///< attention; a head has in / heads channels
  int count = 1;                             ///< times in a pass

  /// Of the plain algorithm, once: 2 per multiply-add of products and convolutions, else 0.
  double flops() const;
  /// Activations read and written once each, and weights, at `element_bytes` each.
  double bytes(double element_bytes) const;
  std::string text() const;
};

/// A pass: "unet" (a CFG step, two rows), "controlnet", "vae_decoder", "vae_encoder".
struct Pass {
  std::string name;
  std::vector<OpShape> ops;
};

/// Throws std::runtime_error naming the file on anything it does not know.
std::vector<Pass> read_passes(const std::string& path);

}  // namespace dedit::bench
