// `init_control`: a ControlNet that changes nothing yet, ready to be trained.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>

#include "core/random.h"
#include "core/str.h"
#include "io/atomic_file.h"
#include "io/checkpoint.h"
#include "models/unet.h"
#include "pipeline/loaded_model.h"

#include "dedit/model.h"

namespace dedit {
namespace {

struct NewTensor {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

// As torch's default initialisation of a convolution: weight and bias uniform in
// +-1/sqrt(fan_in), weight first.
void add_drawn_conv(std::vector<NewTensor>& out, const std::string& name, int in, int channels,
                    TorchCpuGenerator& generator) {
  const float bound = 1.0f / std::sqrt(float(in * 9));
  for (const bool is_bias : {false, true}) {
    NewTensor t;
    t.name = name + (is_bias ? ".bias" : ".weight");
    t.shape = is_bias ? Shape{channels} : Shape{channels, in, 3, 3};
    t.values.resize(size_t(t.shape.numel()));
    generator.rand(t.values);
    for (float& v : t.values) v = (2 * v - 1) * bound;
    out.push_back(std::move(t));
  }
}

void add_zero_conv(std::vector<NewTensor>& out, const std::string& name, int in, int channels,
                   int kernel) {
  const Shape shape{channels, in, kernel, kernel};
  out.push_back({name + ".weight", shape, std::vector<float>(size_t(shape.numel()))});
  out.push_back({name + ".bias", {channels}, std::vector<float>(size_t(channels))});
}

std::vector<NewTensor> new_tensors(const UNetConfig& c, uint64_t seed) {
  std::vector<NewTensor> out;
  TorchCpuGenerator generator(seed);
  const std::string hint = "controlnet_cond_embedding.";
  add_drawn_conv(out, hint + "conv_in", 3, c.hint_channels[0], generator);
  for (size_t i = 0; i + 1 < c.hint_channels.size(); ++i) {
    const int in = c.hint_channels[i];
    add_drawn_conv(out, str(hint, "blocks.", 2 * i), in, in, generator);
    add_drawn_conv(out, str(hint, "blocks.", 2 * i + 1), in, c.hint_channels[i + 1], generator);
  }
  add_zero_conv(out, hint + "conv_out", c.hint_channels.back(), c.block_out_channels[0], 3);
  const auto skips = skip_channels(c);
  for (size_t i = 0; i < skips.size(); ++i) {
    const int n = skips[i].second;
    add_zero_conv(out, str("controlnet_down_blocks.", i), n, n, 1);
  }
  const int n = c.block_out_channels.back();
  add_zero_conv(out, "controlnet_mid_block", n, n, 1);
  return out;
}

bool is_encoder_tensor(std::string_view name) {
  for (const char* prefix : {"conv_in.", "time_embedding.", "down_blocks.", "mid_block."}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

void write_text(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

// One entry per level of the latent factor: the hint network shrinks as the autoencoder does.
std::vector<int> hint_channels(int factor) {
  std::vector<int> channels = {16, 32, 96, 256};  // Zhang et al. 2023, for a factor of 8
  while ((1 << (channels.size() - 1)) > factor) channels.pop_back();
  while ((1 << (channels.size() - 1)) < factor) channels.push_back(256);
  return channels;
}

}  // namespace

void init_control(const std::string& model_path, const std::string& out_dir, uint64_t seed) {
  const Checkpoint checkpoint = Checkpoint::open(resolve_model_path(model_path));
  const ModelFamily& family = find_family(checkpoint);
  const Component& unet = checkpoint.component("unet");
  UNetConfig config = unet_config(unet);
  {
    const Weights dry = unet.weights();
    family.make_network(Build{}, dry, unet);
    Component::check(dry, looks_like(unet));
  }
  config.hint_channels = hint_channels(latent_spec(vae_config(checkpoint.component("vae"))).factor);

  const std::vector<NewTensor> fresh = new_tensors(config, seed);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : unet.tensors) {
    if (is_encoder_tensor(name)) tensors.push_back({name, view.shape, view.dtype, view.data});
  }
  for (const NewTensor& t : fresh) {
    tensors.push_back({t.name, t.shape, DType::kF32, t.values.data()});
  }
  std::error_code error;
  std::filesystem::create_directories(out_dir, error);
  if (error) {
    throw Error(ErrorKind::kOutput, str("cannot make the folder ", out_dir, ": ", error.message()));
  }
  save_safetensors(out_dir + "/diffusion_pytorch_model.safetensors", tensors, {{"format", "pt"}});
  write_text(out_dir + "/config.json", control_config_json(config));
}

}  // namespace dedit
