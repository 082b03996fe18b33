#include "models/clip_text.h"

#include <cmath>

#include "models/config_json.h"

namespace dedit {
namespace {

int64_t dim(const Component& c, const std::string& name, int i) {
  const auto it = c.tensors.find(name);
  return it == c.tensors.end() || it->second.shape.rank() <= i ? 0 : it->second.shape[i];
}

void check(const ClipTextConfig& c, const std::string& source) {
  if (c.width < 1 || c.layers < 1 || c.heads < 1 || c.width % c.heads != 0 || c.vocab_size < 1 ||
      c.max_positions < 3 || c.intermediate < 1) {
    throw Error(ErrorKind::kModel, str(source, ": the text encoder's sizes do not fit each other"));
  }
}

Tensor table(const Build& build, const Weights& w, int64_t rows, int64_t width) {
  const WeightView view = w.get("weight", {rows, width});
  return build.backend ? build.backend->constant(view) : Tensor{};
}

}  // namespace

ClipTextConfig parse_clip_text_config(const std::string& json, const std::string& source) {
  const ConfigReader config(json, source);
  ClipTextConfig c;
  c.vocab_size = config.integer("vocab_size", 49408);
  c.max_positions = config.integer("max_position_embeddings", 77);
  c.width = config.integer("hidden_size", 512);
  c.layers = config.integer("num_hidden_layers", 12);
  c.heads = config.integer("num_attention_heads", 8);
  c.intermediate = config.integer("intermediate_size", 2048);
  c.eps = config.real("layer_norm_eps", 1e-5);
  const std::string act = config.text("hidden_act", "quick_gelu");
  if (act != "quick_gelu" && act != "gelu") {
    config.fail(str("asks for the activation ", act, ", which is not supported"));
  }
  c.act = act == "gelu" ? Act::kGelu : Act::kQuickGelu;
  check(c, source);
  return c;
}

ClipTextConfig infer_clip_text_config(const Component& t) {
  ClipTextConfig c;
  const std::string root = "text_model.";
  c.vocab_size = int(dim(t, root + "embeddings.token_embedding.weight", 0));
  c.width = int(dim(t, root + "embeddings.token_embedding.weight", 1));
  c.max_positions = int(dim(t, root + "embeddings.position_embedding.weight", 0));
  c.intermediate = int(dim(t, root + "encoder.layers.0.mlp.fc1.weight", 0));
  c.heads = c.width / 64;  // every CLIP text encoder of the SD 1.x layout has heads 64 wide
  c.layers = 0;
  while (t.tensors.count(str(root, "encoder.layers.", c.layers, ".mlp.fc1.weight"))) ++c.layers;
  check(c, t.source);
  return c;
}

ClipTextConfig clip_text_config(const Component& component) {
  return component.config_json.empty()
             ? infer_clip_text_config(component)
             : parse_clip_text_config(component.config_json, component.source);
}

ClipEncoderLayer::ClipEncoderLayer(const Build& build, const Weights& w, const ClipTextConfig& c)
    : heads(c.heads),
      act(c.act),
      layer_norm1(build, w / "layer_norm1", c.width, float(c.eps)),
      layer_norm2(build, w / "layer_norm2", c.width, float(c.eps)),
      out_proj(build, w / "self_attn" / "out_proj", c.width, c.width),
      fc1(build, w / "mlp" / "fc1", c.width, c.intermediate),
      fc2(build, w / "mlp" / "fc2", c.intermediate, c.width) {
  const Weights a = w / "self_attn";
  const Weights parts[] = {a / "q_proj", a / "k_proj", a / "v_proj"};
  qkv_proj = Linear::stacked(build, parts, c.width, c.width, /*bias=*/true);
}

Tensor ClipEncoderLayer::operator()(Ctx& ctx, const Tensor& x) const {
  const int64_t n = x.dim(-1);
  const AttentionParams params{
      .heads = heads, .scale = 1.0f / std::sqrt(float(n / heads)), .causal = true};
  const Tensor qkv = qkv_proj(ctx, layer_norm1(ctx, x));  // [B, T, 3n]
  const Tensor mixed = ops::attention(ctx, {&qkv, 0, n}, {&qkv, n, n}, {&qkv, 2 * n, n}, params);
  const Tensor h = out_proj(ctx, mixed, {.residual = &x});
  return fc2(ctx, fc1(ctx, layer_norm2(ctx, h), {.act = act}), {.residual = &h});
}

ClipTextModel::ClipTextModel(const Build& build, const Weights& root, const ClipTextConfig& c)
    : config(c) {
  const Weights w = root / "text_model";
  token_embedding = table(build, w / "embeddings" / "token_embedding", c.vocab_size, c.width);
  position_embedding =
      table(build, w / "embeddings" / "position_embedding", c.max_positions, c.width);
  for (int i = 0; i < c.layers; ++i) layers.emplace_back(build, w / "encoder" / "layers" / i, c);
  final_layer_norm = LayerNorm(build, w / "final_layer_norm", c.width, float(c.eps));
}

// The vectors with their positions, between the rows of tokens around them.
Tensor ClipTextModel::insert(Ctx& ctx, const Tensor& embedded,
                             std::span<const TextInsertion> insertions) const {
  const int64_t tokens = embedded.dim(1);
  const Tensor flat = embedded.reshape({embedded.dim(0) * tokens, embedded.dim(2)});
  std::vector<Tensor> parts;
  int64_t done = 0;
  for (const TextInsertion& insertion : insertions) {
    const int64_t at = insertion.row * tokens + insertion.position, n = insertion.vectors->dim(0);
    DEDIT_ASSERT(at >= done && insertion.position + n <= tokens);
    if (at > done) parts.push_back(flat.rows(done, at - done));
    const Tensor positions = position_embedding.rows(insertion.position, n);
    parts.push_back(ops::lincomb(ctx, {{1, insertion.vectors}, {1, &positions}}));
    done = at + n;
  }
  if (done < flat.dim(0)) parts.push_back(flat.rows(done, flat.dim(0) - done));
  return ops::stack_rows(ctx, parts).reshape(embedded.shape());
}

Tensor ClipTextModel::operator()(Ctx& ctx, std::span<const int32_t> ids, int64_t batch,
                                 const ClipTextOptions& options) const {
  if (options.clip_skip < 1 || options.clip_skip > config.layers) {
    throw Error(ErrorKind::kUsage, str("clip skip ", options.clip_skip, " is outside 1..",
                                       config.layers, ", the text encoder's layers"));
  }
  Tensor h = ops::embed(ctx, ids, batch, token_embedding, position_embedding);
  if (!options.insertions.empty()) h = insert(ctx, h, options.insertions);
  const size_t n_layers = layers.size() - size_t(options.clip_skip - 1);
  for (size_t i = 0; i < n_layers; ++i) h = layers[i](ctx, h);
  h = final_layer_norm(ctx, h);
  observe(ctx, "last_hidden_state", h);
  return h;
}

}  // namespace dedit
