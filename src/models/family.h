// ModelFamily: what a kind of checkpoint is made of. One file each in families/; the registry is
// generated from that folder.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "io/checkpoint.h"
#include "models/unet.h"
#include "models/vae.h"

namespace dedit {

/// The network that a sampler calls: a U-Net today, a transformer later.
class Network {
 public:
  virtual ~Network() = default;
  /// x [B, H, W, C] or one row for several of the text states' [B, T, C], timesteps one for all
  /// rows or one each -> raw prediction [B, H, W, C'].
  virtual Tensor operator()(Ctx&, const Tensor& x, std::span<const double> timesteps,
                            const Conditioning&, const ControlResiduals*) const = 0;
};

/// The space that a network works in.
struct LatentSpec {
  int channels = 4;
  int factor = 8;  ///< pixels per cell
  double scale = 0.18215;
  double shift = 0;
};
LatentSpec latent_spec(const VaeConfig& config);

/// What a family's network takes and how large its pictures are.
struct NetworkSpec {
  int in_channels = 4;
  int context_width = 768;
  int native_cells = 64;  ///< latent rows and columns the model was made for
};

struct ModelFamily {
  std::string_view name;
  std::string_view summary;
  std::span<const std::string_view> text_encoders;  ///< component names, in order
  std::span<const Layout> layouts;                  ///< key layouts it is read from
  bool (*matches)(const Checkpoint&) = nullptr;
  /// Null where a family is recognised but cannot be run yet. With a Build that has no backend the
  /// call only asks for the tensors and returns null.
  std::unique_ptr<Network> (*make_network)(const Build&, const Weights&,
                                           const Component&) = nullptr;
  NetworkSpec (*network_spec)(const Component&) = nullptr;
};

/// All families, sorted by name (generated).
std::span<const ModelFamily* const> all_families();
/// Throws Error(kModel) if none matches, or the one that does cannot be run.
const ModelFamily& find_family(const Checkpoint& checkpoint);

/// Width of the text states that a U-Net's cross-attention takes; 0 if it has none.
int64_t cross_attention_width(const Checkpoint& checkpoint);

/// For the families whose network is a UNet2DConditionModel.
std::unique_ptr<Network> make_unet_network(const Build&, const Weights&, const Component&);
NetworkSpec unet_network_spec(const Component&);

}  // namespace dedit
