#include "pipeline/layers.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "models/config_json.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTextTokens = 77;  // of one window
constexpr int kMaxLevels = 8, kMaxCells = 4096;
constexpr int kSizes[] = {256, 512, 768, 1024};

// The pictures and latents that a report is about; both square.
struct Frame {
  int cells = 64;
  int factor = 8;  // pixels per cell
  int pixels() const { return cells * factor; }
};

bool holds(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

int count(const Component& c, const std::string& prefix, const std::string& suffix) {
  int n = 0;
  while (c.tensors.count(str(prefix, n, suffix))) ++n;
  return n;
}

// Modules of diffusers' designs: "conv_in", "down_blocks.0", "encoder.up_blocks.1".
std::string level_of(std::string_view name) {
  const size_t half = name.starts_with("encoder.") || name.starts_with("decoder.") ? 8 : 0;
  size_t dot = name.find('.', half);
  if (dot != std::string_view::npos && dot + 1 < name.size() && name[dot + 1] >= '0' &&
      name[dot + 1] <= '9') {
    dot = name.find('.', dot + 1);
  }
  return std::string(name.substr(0, dot));
}

// Where a tensor's product runs: side of the level's maps, and how many positions it answers for.
struct Place {
  int64_t side = 1;
  int64_t positions = 1;
};

// The number after `prefix` in the name, below `limit`.
int index_after(const Component& c, std::string_view name, std::string_view prefix, int limit) {
  const std::string_view rest = name.substr(std::min(name.size(), prefix.size()));
  int index = -1;
  std::from_chars(rest.data(), rest.data() + rest.size(), index);
  if (index < 0 || index >= limit) {
    throw Error(ErrorKind::kModel, str(c.source, ": tensor ", name, " lies outside the ", limit,
                                       " levels of its network"));
  }
  return index;
}

int checked_levels(const Component& c, const std::string& prefix) {
  const int levels = count(c, prefix, ".resnets.0.conv1.weight");
  if (levels == 0 || levels > kMaxLevels) {
    throw Error(
        ErrorKind::kModel,
        str(c.source, ": its ", c.name, " has ", levels, " levels instead of 1 to ", kMaxLevels),
        "a model of Stable Diffusion's design is expected");
  }
  return levels;
}

// Maps of a UNet2DConditionModel or ControlNetModel.
class UNetMaps {
 public:
  UNetMaps(const Component& c, const Frame& frame)
      : component_(c), hint_side_(frame.pixels()), levels_(checked_levels(c, "down_blocks.")) {
    int64_t side = frame.cells;
    skips_.push_back(side);
    for (int i = 0; i < levels_; ++i) {
      sides_.push_back(side);
      const int resnets = count(c, str("down_blocks.", i, ".resnets."), ".conv1.weight");
      skips_.insert(skips_.end(), size_t(resnets), side);
      side = (side + 1) / 2;
      if (i + 1 < levels_) skips_.push_back(side);
    }
  }

  Place operator()(std::string_view name) const {
    if (name.starts_with("time_embedding.") || name.starts_with("add_embedding.")) return {};
    if (name.starts_with("controlnet_cond_embedding.")) return hint(name.substr(26));
    int64_t side = sides_[0], after = side;
    if (name.starts_with("down_blocks.")) {
      const int i = index_after(component_, name, "down_blocks.", levels_);
      side = sides_[size_t(i)];
      after = (side + 1) / 2;
    } else if (name.starts_with("up_blocks.")) {
      const int i = levels_ - 1 - index_after(component_, name, "up_blocks.", levels_);
      side = sides_[size_t(i)];
      after = sides_[size_t(std::max(0, i - 1))];
    } else if (name.starts_with("mid_block.") || name.starts_with("controlnet_mid_block.")) {
      side = sides_.back();
    } else if (name.starts_with("controlnet_down_blocks.")) {
      side = skips_[size_t(
          index_after(component_, name, "controlnet_down_blocks.", int(skips_.size())))];
    }
    if (holds(name, ".time_emb_proj.")) return {side, 1};
    if (holds(name, ".attn2.to_k.") || holds(name, ".attn2.to_v.")) return {side, kTextTokens};
    if (holds(name, ".downsamplers.") || holds(name, ".upsamplers.")) return {side, after * after};
    return {side, side * side};
  }

 private:
  // blocks.1, .3, .5 ... halve the map.
  Place hint(std::string_view leaf) const {
    const int blocks = count(component_, "controlnet_cond_embedding.blocks.", ".weight");
    int halvings = 0;
    if (leaf.starts_with("blocks.")) {
      halvings =
          (index_after(component_, leaf, "blocks.", std::min(blocks, 2 * kMaxLevels)) + 1) / 2;
    } else if (leaf.starts_with("conv_out.")) {
      halvings = std::min(blocks / 2, kMaxLevels);
    }
    const int64_t side = hint_side_ >> halvings;
    return {hint_side_, side * side};
  }

  const Component& component_;
  int64_t hint_side_;
  int levels_;
  std::vector<int64_t> sides_;  // by level
  std::vector<int64_t> skips_;  // of the encoder's outputs in order
};

// Maps of an AutoencoderKL.
class VaeMaps {
 public:
  VaeMaps(const Component& c, const Frame& frame)
      : component_(c),
        cells_(frame.cells),
        levels_(checked_levels(c, "encoder.down_blocks.")),
        pixels_(cells_ << (levels_ - 1)) {}

  Place operator()(std::string_view name) const {
    int64_t side = cells_, after = cells_;
    if (name.starts_with("encoder.down_blocks.")) {
      side = pixels_ >> index_after(component_, name, "encoder.down_blocks.", levels_);
      after = side / 2;
    } else if (name.starts_with("decoder.up_blocks.")) {
      side = cells_ << index_after(component_, name, "decoder.up_blocks.", levels_);
      after = side * 2;
    } else if (name.starts_with("encoder.conv_in.") || name.starts_with("decoder.conv_out.") ||
               name.starts_with("decoder.conv_norm_out.")) {
      side = pixels_;
    }
    if (holds(name, ".downsamplers.") || holds(name, ".upsamplers.")) return {side, after * after};
    return {side, side * side};
  }

 private:
  const Component& component_;
  int64_t cells_;
  int levels_;
  int64_t pixels_;
};

// Place in the order of a pass: a network's halves, and what comes first in each.
int rank_of(const std::string& level) {
  static constexpr std::string_view kOrder[] = {
      "time_embedding", "add_embedding", "controlnet_cond_embedding",
      "conv_in",        "down_blocks",   "mid_block",
      "up_blocks",      "conv_norm_out", "conv_out"};
  static constexpr std::string_view kDecoder[] = {"conv_in", "mid_block", "up_blocks",
                                                  "conv_norm_out", "conv_out"};
  const auto find = [](auto& order, std::string_view name) {
    const std::string_view module = name.substr(0, name.find('.'));
    return int(std::find(std::begin(order), std::end(order), module) - std::begin(order));
  };
  if (level.starts_with("encoder.")) return find(kOrder, level.substr(8));
  if (level == "quant_conv") return 20;
  if (level == "post_quant_conv") return 21;
  if (level.starts_with("decoder.")) return 22 + find(kDecoder, level.substr(8));
  return find(kOrder, level);
}

template <class Maps>
NetworkLayers network_layers(const std::string& name, const Component& c, const Maps& maps) {
  std::map<std::string, LayerLevel> by_name;
  for (const auto& [tensor, view] : c.tensors) {
    LayerLevel& level = by_name[level_of(tensor)];
    const Place place = maps(tensor);
    level.side = int(place.side);
    level.parameters += view.numel();
    level.bytes += view.numel() * int64_t(size_of(view.dtype));
    const bool is_product = tensor.ends_with(".weight") && view.shape.rank() >= 2;
    if (is_product) level.activations += view.shape[0] * place.positions;
  }
  NetworkLayers network;
  network.name = name;
  network.dtype = name_of(c.dtype());
  for (auto& [level_name, level] : by_name) {
    level.name = level_name;
    network.total.parameters += level.parameters;
    network.total.bytes += level.bytes;
    network.total.activations += level.activations;
    network.levels.push_back(level);
  }
  network.total.name = "total";
  const auto key = [](const LayerLevel& l) {
    const size_t dot = l.name.find_last_of('.');
    const bool numbered = dot != std::string::npos && l.name[dot + 1] <= '9';
    return std::tuple(rank_of(l.name), numbered ? l.name.substr(0, dot) : l.name,
                      numbered ? std::atoi(l.name.c_str() + dot + 1) : 0);
  };
  std::sort(network.levels.begin(), network.levels.end(),
            [&](const LayerLevel& a, const LayerLevel& b) { return key(a) < key(b); });
  return network;
}

// The networks of a report by name; the pointers are never null.
using Networks = std::vector<std::pair<std::string, const Component*>>;

std::vector<NetworkLayers> measure(const Networks& networks, const Frame& frame) {
  std::vector<NetworkLayers> out;
  for (const auto& [name, c] : networks) {
    out.push_back(c->name == "vae" ? network_layers(name, *c, VaeMaps(*c, frame))
                                   : network_layers(name, *c, UNetMaps(*c, frame)));
  }
  return out;
}

// Rows and columns of latents that the network was made for.
int native_cells(const Component& c) {
  if (c.config_json.empty()) return Frame{}.cells;
  const ConfigReader config(c.config_json, c.source);
  const int cells = config.integer("sample_size", Frame{}.cells);
  if (cells < 1 || cells > kMaxCells) {
    config.fail(str("field \"sample_size\" is ", cells, " instead of 1 to ", kMaxCells));
  }
  return cells;
}

LayerReport report(const Networks& networks, const Frame& frame, int latent_channels) {
  LayerReport r;
  r.size = frame.pixels();
  r.networks = measure(networks, frame);
  std::set<int> sizes(std::begin(kSizes), std::end(kSizes));
  sizes.insert(r.size);
  for (const int size : sizes) {
    if (size % frame.factor != 0) continue;
    const Frame at{.cells = size / frame.factor, .factor = frame.factor};
    SizeRow row;
    row.size = size;
    row.latent_side = at.cells;
    row.latent_channels = latent_channels;
    row.picture_values = 3 * int64_t(size) * size;
    row.latent_values = latent_channels * int64_t(at.cells) * at.cells;
    for (const NetworkLayers& network : measure(networks, at)) {
      row.activations.push_back(network.total.activations);
    }
    r.sizes.push_back(row);
  }
  return r;
}

// Output or input channels of a layer.
int channels_of(const Component& c, const std::string& name, int axis) {
  const auto it = c.tensors.find(name);
  if (it == c.tensors.end() || it->second.shape.rank() != 4) {
    throw Error(ErrorKind::kModel, str(c.source, ": its ", c.name, " has no convolution ", name));
  }
  return int(it->second.shape[axis]);
}

}  // namespace

LayerReport layer_report(const Checkpoint& checkpoint) {
  const Component& unet = checkpoint.component("unet");
  const Component& vae = checkpoint.component("vae");
  std::vector<std::pair<std::string, Component>> controls;
  if (fs::is_directory(checkpoint.path())) {
    for (const auto& entry : fs::directory_iterator(checkpoint.path())) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("controlnet-") || !entry.is_directory()) continue;
      controls.emplace_back(name, open_controlnet(entry.path().string()));
    }
  }
  std::sort(controls.begin(), controls.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Networks networks = {{"unet", &unet}};
  for (const auto& [name, component] : controls) networks.emplace_back(name, &component);
  networks.emplace_back("vae", &vae);
  const int levels = checked_levels(vae, "encoder.down_blocks.");
  return report(networks, {.cells = native_cells(unet), .factor = 1 << (levels - 1)},
                channels_of(vae, "decoder.conv_in.weight", 1));
}

LayerReport layer_report(const Component& controlnet) {
  return report({{"controlnet", &controlnet}}, {.cells = native_cells(controlnet)},
                channels_of(controlnet, "conv_in.weight", 1));
}

}  // namespace dedit
