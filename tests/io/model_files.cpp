#include "io/model_files.h"

#include <atomic>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/str.h"

namespace dedit::testing {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  static std::atomic<int> counter{0};
  path_ = fs::temp_directory_path() / str("dedit-test-", ::getpid(), "-", counter++);
  fs::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempFolder::operator/(std::string_view name) const {
  const fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  return path.string();
}

size_t TempFolder::n_entries() const {
  return size_t(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
}

void write_file(const std::string& path, std::string_view bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string safetensors_bytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += char(uint64_t(header.size()) >> (8 * i));
  bytes += header;
  bytes += data;
  return bytes;
}

void expect_error(const std::function<void()>& action, ErrorKind kind, std::string_view message,
                  std::string_view hint) {
  try {
    action();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    EXPECT_NE(std::string_view(e.what()).find(message), std::string_view::npos)
        << "message: " << e.what() << "\nexpected: " << message;
    EXPECT_NE(e.hint().find(hint), std::string::npos)
        << "hint: " << e.hint() << "\nexpected: " << hint;
  }
}

void write_test_tensors(const std::string& path, const std::vector<TestTensor>& tensors,
                        DType dtype) {
  std::vector<std::string> bytes;
  std::vector<NamedTensor> named;
  for (const TestTensor& t : tensors) {
    uint32_t state = 2166136261u;  // FNV-1a of the name, then a linear congruential generator
    for (const char c : t.seed) state = (state ^ uint8_t(c)) * 16777619u;
    std::string& data = bytes.emplace_back();
    for (int64_t i = 0; i < t.shape.numel(); ++i) {  // small sixteenths: exact in every type
      state = state * 1664525u + 1013904223u;
      const float value = float(int(state >> 24) - 128) / 16;
      const uint16_t half = dtype == DType::kF16 ? to_half(value).bits : to_bfloat16(value).bits;
      if (dtype == DType::kF32) {
        data.append(reinterpret_cast<const char*>(&value), sizeof value);
      } else {
        data.append(reinterpret_cast<const char*>(&half), sizeof half);
      }
    }
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    named.push_back({tensors[i].name, tensors[i].shape, dtype, bytes[i].data()});
  }
  fs::create_directories(fs::path(path).parent_path());
  save_safetensors(path, named);
}

namespace {

/// Collects one network's tensors; a leaf has the same last name in both layouts.
class Builder {
 public:
  void conv(const std::string& compvis, const std::string& diffusers, int in, int out,
            int size = 3) {
    add(compvis + ".weight", diffusers + ".weight", {out, in, size, size});
    add(compvis + ".bias", diffusers + ".bias", {out});
  }
  void linear(const std::string& compvis, const std::string& diffusers, int in, int out,
              bool has_bias = true) {
    add(compvis + ".weight", diffusers + ".weight", {out, in});
    if (has_bias) add(compvis + ".bias", diffusers + ".bias", {out});
  }
  void norm(const std::string& compvis, const std::string& diffusers, int n) {
    add(compvis + ".weight", diffusers + ".weight", {n});
    add(compvis + ".bias", diffusers + ".bias", {n});
  }
  void conv1_as_linear(const std::string& compvis, const std::string& diffusers, int n) {
    tensors.push_back({compvis + ".weight", diffusers + ".weight", {n, n, 1, 1}, {n, n}});
    add(compvis + ".bias", diffusers + ".bias", {n});
  }
  void add(const std::string& compvis, const std::string& diffusers, const Shape& shape) {
    tensors.push_back({compvis, diffusers, shape, shape});
  }

  std::vector<TwoNames> tensors;
};

void unet_resnet(Builder& b, const std::string& c, const std::string& d, int in, int out,
                 int time) {
  b.norm(c + ".in_layers.0", d + ".norm1", in);
  b.conv(c + ".in_layers.2", d + ".conv1", in, out);
  b.linear(c + ".emb_layers.1", d + ".time_emb_proj", time, out);
  b.norm(c + ".out_layers.0", d + ".norm2", out);
  b.conv(c + ".out_layers.3", d + ".conv2", out, out);
  if (in != out) b.conv(c + ".skip_connection", d + ".conv_shortcut", in, out, 1);
}

void unet_attention(Builder& b, const std::string& c, const std::string& d, int n, int context) {
  b.norm(c + ".norm", d + ".norm", n);
  b.conv(c + ".proj_in", d + ".proj_in", n, n, 1);
  const std::string block = ".transformer_blocks.0";
  for (const std::string name : {".attn1", ".attn2"}) {
    const int keys = name == ".attn1" ? n : context;
    const std::string cc = c + block + name, dd = d + block + name;
    b.linear(cc + ".to_q", dd + ".to_q", n, n, false);
    b.linear(cc + ".to_k", dd + ".to_k", keys, n, false);
    b.linear(cc + ".to_v", dd + ".to_v", keys, n, false);
    b.linear(cc + ".to_out.0", dd + ".to_out.0", n, n);
  }
  for (const std::string name : {".norm1", ".norm2", ".norm3"}) {
    b.norm(c + block + name, d + block + name, n);
  }
  b.linear(c + block + ".ff.net.0.proj", d + block + ".ff.net.0.proj", n, 8 * n);
  b.linear(c + block + ".ff.net.2", d + block + ".ff.net.2", 4 * n, n);
  b.conv(c + ".proj_out", d + ".proj_out", n, n, 1);
}

/// What U-Net and ControlNet share. Returns the widths of the skip connections.
std::vector<int> unet_down_half(Builder& b, const TinySizes& s) {
  const int time = 4 * s.widths[0], last = int(s.widths.size()) - 1;
  b.linear("time_embed.0", "time_embedding.linear_1", s.widths[0], time);
  b.linear("time_embed.2", "time_embedding.linear_2", time, time);
  b.conv("input_blocks.0.0", "conv_in", s.in_channels, s.widths[0]);
  std::vector<int> skips = {s.widths[0]};
  int n = s.widths[0], index = 1;
  for (int level = 0; level <= last; ++level) {
    const int width = s.widths[size_t(level)];
    for (int layer = 0; layer < s.layers; ++layer, ++index) {
      const std::string c = str("input_blocks.", index), d = str("down_blocks.", level);
      unet_resnet(b, c + ".0", str(d, ".resnets.", layer), n, width, time);
      n = width;
      if (level != last) unet_attention(b, c + ".1", str(d, ".attentions.", layer), n, s.context);
      skips.push_back(n);
    }
    if (level == last) continue;
    b.conv(str("input_blocks.", index++, ".0.op"),
           str("down_blocks.", level, ".downsamplers.0.conv"), n, n);
    skips.push_back(n);
  }
  unet_resnet(b, "middle_block.0", "mid_block.resnets.0", n, n, time);
  unet_attention(b, "middle_block.1", "mid_block.attentions.0", n, s.context);
  unet_resnet(b, "middle_block.2", "mid_block.resnets.1", n, n, time);
  return skips;
}

void vae_resnet(Builder& b, const std::string& c, const std::string& d, int in, int out) {
  b.norm(c + ".norm1", d + ".norm1", in);
  b.conv(c + ".conv1", d + ".conv1", in, out);
  b.norm(c + ".norm2", d + ".norm2", out);
  b.conv(c + ".conv2", d + ".conv2", out, out);
  if (in != out) b.conv(c + ".nin_shortcut", d + ".conv_shortcut", in, out, 1);
}

void vae_middle(Builder& b, const std::string& side, int n) {
  const std::string c = side + ".mid", d = side + ".mid_block";
  vae_resnet(b, c + ".block_1", d + ".resnets.0", n, n);
  b.norm(c + ".attn_1.norm", d + ".attentions.0.group_norm", n);
  b.conv1_as_linear(c + ".attn_1.q", d + ".attentions.0.to_q", n);
  b.conv1_as_linear(c + ".attn_1.k", d + ".attentions.0.to_k", n);
  b.conv1_as_linear(c + ".attn_1.v", d + ".attentions.0.to_v", n);
  b.conv1_as_linear(c + ".attn_1.proj_out", d + ".attentions.0.to_out.0", n);
  vae_resnet(b, c + ".block_2", d + ".resnets.1", n, n);
}

}  // namespace

std::vector<TwoNames> tiny_unet(const TinySizes& s) {
  Builder b;
  std::vector<int> skips = unet_down_half(b, s);
  const int time = 4 * s.widths[0], last = int(s.widths.size()) - 1;
  int n = s.widths.back(), index = 0;
  for (int level = last; level >= 0; --level) {  // diffusers counts up blocks from the bottom
    const int width = s.widths[size_t(level)];
    for (int layer = 0; layer <= s.layers; ++layer, ++index) {
      const std::string c = str("output_blocks.", index), d = str("up_blocks.", last - level);
      unet_resnet(b, c + ".0", str(d, ".resnets.", layer), n + skips.back(), width, time);
      skips.pop_back();
      n = width;
      const bool has_attention = level != last;
      if (has_attention) unet_attention(b, c + ".1", str(d, ".attentions.", layer), n, s.context);
      if (level > 0 && layer == s.layers) {
        b.conv(c + (has_attention ? ".2.conv" : ".1.conv"), d + ".upsamplers.0.conv", n, n);
      }
    }
  }
  b.norm("out.0", "conv_norm_out", n);
  b.conv("out.2", "conv_out", n, 4);
  return b.tensors;
}

std::vector<TwoNames> tiny_controlnet(const TinySizes& s) {
  Builder b;
  const std::vector<int> skips = unet_down_half(b, s);
  const std::vector<int> widths = {4, 4, 6, 6, 8};  // convolutions 0, 2, 4, 6, 8
  b.conv("input_hint_block.0", "controlnet_cond_embedding.conv_in", 3, widths[0]);
  for (size_t i = 1; i < widths.size(); ++i) {
    b.conv(str("input_hint_block.", 2 * i), str("controlnet_cond_embedding.blocks.", i - 1),
           widths[i - 1], widths[i]);
  }
  b.conv(str("input_hint_block.", 2 * widths.size()), "controlnet_cond_embedding.conv_out",
         widths.back(), s.widths[0]);
  for (size_t i = 0; i < skips.size(); ++i) {
    b.conv(str("zero_convs.", i, ".0"), str("controlnet_down_blocks.", i), skips[i], skips[i], 1);
  }
  b.conv("middle_block_out.0", "controlnet_mid_block", s.widths.back(), s.widths.back(), 1);
  return b.tensors;
}

std::vector<TwoNames> tiny_vae(const TinySizes& s) {
  Builder b;
  const int last = int(s.widths.size()) - 1;
  int n = s.widths[0];
  b.conv("encoder.conv_in", "encoder.conv_in", 3, n);
  for (int level = 0; level <= last; ++level) {
    const std::string c = str("encoder.down.", level), d = str("encoder.down_blocks.", level);
    for (int layer = 0; layer < s.layers; ++layer) {
      vae_resnet(b, str(c, ".block.", layer), str(d, ".resnets.", layer), n,
                 s.widths[size_t(level)]);
      n = s.widths[size_t(level)];
    }
    if (level < last) b.conv(c + ".downsample.conv", d + ".downsamplers.0.conv", n, n);
  }
  vae_middle(b, "encoder", n);
  b.norm("encoder.norm_out", "encoder.conv_norm_out", n);
  b.conv("encoder.conv_out", "encoder.conv_out", n, 8);
  b.conv("quant_conv", "quant_conv", 8, 8, 1);
  b.conv("post_quant_conv", "post_quant_conv", 4, 4, 1);
  b.conv("decoder.conv_in", "decoder.conv_in", 4, n);
  vae_middle(b, "decoder", n);
  for (int level = last; level >= 0; --level) {
    const std::string c = str("decoder.up.", level), d = str("decoder.up_blocks.", last - level);
    for (int layer = 0; layer <= s.layers; ++layer) {
      vae_resnet(b, str(c, ".block.", layer), str(d, ".resnets.", layer), n,
                 s.widths[size_t(level)]);
      n = s.widths[size_t(level)];
    }
    if (level > 0) b.conv(c + ".upsample.conv", d + ".upsamplers.0.conv", n, n);
  }
  b.norm("decoder.norm_out", "decoder.conv_norm_out", n);
  b.conv("decoder.conv_out", "decoder.conv_out", n, 3);
  return b.tensors;
}

std::vector<TwoNames> tiny_text_encoder(const TinySizes& s) {
  Builder b;
  const int n = s.context;
  const std::string t = "text_model.";
  for (const std::string name : {"token_embedding", "position_embedding"}) {
    const std::string key = t + "embeddings." + name + ".weight";
    b.add(key, key, {20, n});
  }
  for (int i = 0; i < 2; ++i) {
    const std::string layer = str(t, "encoder.layers.", i, ".");
    for (const std::string name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      b.linear(layer + "self_attn." + name, layer + "self_attn." + name, n, n);
    }
    b.norm(layer + "layer_norm1", layer + "layer_norm1", n);
    b.norm(layer + "layer_norm2", layer + "layer_norm2", n);
    b.linear(layer + "mlp.fc1", layer + "mlp.fc1", n, 4 * n);
    b.linear(layer + "mlp.fc2", layer + "mlp.fc2", 4 * n, n);
  }
  b.norm(t + "final_layer_norm", t + "final_layer_norm", n);
  return b.tensors;
}

std::vector<TestTensor> compvis_tensors(const std::vector<TwoNames>& tensors,
                                        const std::string& prefix) {
  std::vector<TestTensor> list;
  for (const TwoNames& t : tensors) list.push_back({t.compvis, prefix + t.compvis, t.shape});
  return list;
}

std::vector<TestTensor> diffusers_tensors(const std::vector<TwoNames>& tensors) {
  std::vector<TestTensor> list;
  for (const TwoNames& t : tensors) list.push_back({t.compvis, t.diffusers, t.diffusers_shape});
  return list;
}

void write_tiny_diffusers(const std::string& folder, const TinySizes& sizes, DType dtype) {
  write_test_tensors(folder + "/unet/diffusion_pytorch_model.safetensors",
                     diffusers_tensors(tiny_unet(sizes)), dtype);
  write_test_tensors(folder + "/vae/diffusion_pytorch_model.safetensors",
                     diffusers_tensors(tiny_vae(sizes)), dtype);
  write_test_tensors(folder + "/text_encoder/model.safetensors",
                     diffusers_tensors(tiny_text_encoder(sizes)), dtype);
  write_file(folder + "/unet/config.json", R"({"_class_name": "UNet2DConditionModel"})");
  write_file(folder + "/scheduler/scheduler_config.json", R"({"_class_name": "DDIMScheduler"})");
  write_file(folder + "/model_index.json", R"({"_class_name": "StableDiffusionPipeline"})");
}

void write_tiny_compvis(const std::string& path, const TinySizes& sizes) {
  std::vector<TestTensor> all;
  const auto append = [&](const std::vector<TwoNames>& part, const std::string& prefix) {
    for (TestTensor& t : compvis_tensors(part, prefix)) all.push_back(std::move(t));
  };
  append(tiny_unet(sizes), "model.diffusion_model.");
  append(tiny_vae(sizes), "first_stage_model.");
  append(tiny_text_encoder(sizes), "cond_stage_model.transformer.");
  all.push_back({"betas", "betas", {10}});
  all.push_back({"ema", "model_ema.diffusion_modelinput_blocks00weight", {8, 4, 3, 3}});
  all.push_back(
      {"ids", "cond_stage_model.transformer.text_model.embeddings.position_ids", {1, 20}});
  write_test_tensors(path, all);
}

}  // namespace dedit::testing
