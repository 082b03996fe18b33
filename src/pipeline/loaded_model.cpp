#include "pipeline/loaded_model.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "annotators/annotator.h"
#include "core/str.h"
#include "pipeline/build_info.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

std::string base_name(const std::string& path) {
  fs::path p(path);
  if (!p.has_filename()) p = p.parent_path();
  return p.filename().string();
}

// Asks for every tensor first, so that a wrong file is refused whole and at once, then packs.
template <class Module, class Config>
std::unique_ptr<const Module> build(const Build& target, const Component& component,
                                    const Config& config) {
  const Weights dry = component.weights();
  Module probe(Build{}, dry, config);
  Component::check(dry, looks_like(component));
  return std::make_unique<const Module>(target, component.weights(), config);
}

void check_fit(const Model::Impl& m, const ClipTextConfig& text, const VaeConfig& vae) {
  if (text.width != m.network_spec.context_width) {
    throw Error(ErrorKind::kModel, str(m.path, ": the text encoder is ", text.width,
                                       " wide, the network takes ", m.network_spec.context_width));
  }
  if (vae.latent_channels != m.network_spec.in_channels) {
    throw Error(ErrorKind::kModel,
                str(m.path, ": the network takes ", m.network_spec.in_channels,
                    " channels, the autoencoder makes ", vae.latent_channels),
                m.network_spec.in_channels == 2 * vae.latent_channels + 1
                    ? "inpainting checkpoints are not supported; any base model inpaints here"
                    : "");
  }
}

// The checkpoint's own control network for a kind of map, or "".
std::string own_control(const Model::Impl& m, const std::string& kind) {
  const Annotator* row = find_annotator(kind);
  std::vector<std::string> kinds = {kind};
  if (row != nullptr && !row->control.empty()) kinds.emplace_back(row->control);
  for (const std::string& name : kinds) {
    const fs::path own = fs::path(m.path) / ("controlnet-" + name);
    if (!kind.empty() && fs::is_directory(own)) return own.string();
  }
  return "";
}

bool is_kind(const std::string& name) {
  const auto rows = all_annotators();
  const auto takes = [&](const Annotator* row) { return row->control == name; };
  return find_annotator(name) != nullptr || std::any_of(rows.begin(), rows.end(), takes);
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const Annotator* row : all_annotators()) names.emplace_back(row->name);
  return names;
}

std::string control_path(const Model::Impl& m, const std::string& path,
                         const std::string& annotator) {
  if (path.empty() && annotator.empty()) {
    throw Error(ErrorKind::kModel, "a control map was given without a control model",
                "name one with --control-model");
  }
  std::error_code ignored;
  if (!path.empty() && fs::exists(path, ignored)) return path;
  const std::string& kind = path.empty() ? annotator : path;
  if (const std::string own = own_control(m, kind); !own.empty()) return own;
  const bool is_word = path.find_first_of("/.") == std::string::npos;
  if (!path.empty() && !is_kind(path) && !is_word) return path;  // what opens it says what is wrong
  if (!path.empty() && !is_kind(path)) {
    const std::string meant = nearest(path, kinds());
    throw Error(ErrorKind::kModel,
                str("no control model is named '", path, "', and there is no such file or folder"),
                meant.empty() ? "" : str("did you mean ", meant));
  }
  const Annotator* row = find_annotator(kind);
  const std::string name(row != nullptr && !row->control.empty() ? row->control : kind);
  throw Error(ErrorKind::kModel, str(m.path, " has no control model for ", kind),
              str("name one with --control-model, or put it at ",
                  (fs::path(m.path) / ("controlnet-" + name)).string()));
}

// A control network must have been made from this kind of U-Net.
void check_control(const UNetConfig& control, const UNetConfig& unet, const Component& component) {
  const bool fits = control.block_out_channels == unet.block_out_channels &&
                    control.layers_per_block == unet.layers_per_block &&
                    control.cross_attention_dim == unet.cross_attention_dim &&
                    control.in_channels == unet.in_channels;
  if (fits) return;
  throw Error(
      ErrorKind::kModel,
      str(component.source, ": this ControlNet does not fit the model: its text states are ",
          control.cross_attention_dim, " wide (the model's ", unet.cross_attention_dim,
          "), its first level has ", control.block_out_channels[0], " channels (the model's ",
          unet.block_out_channels[0], ")"),
      str("it looks made for ", looks_like(component)));
}

}  // namespace

std::shared_ptr<const LoadedControl> Model::Impl::control(const std::string& given,
                                                          const std::string& annotator) {
  const std::string where = control_path(*this, given, annotator);
  const std::lock_guard lock(control_mutex_);
  auto& slot = controls_[where];
  if (slot) return slot;
  const Component component = open_controlnet(where);
  const UNetConfig config = unet_config(component);
  check_control(config, unet, component);
  const int factor = 1 << (config.hint_channels.size() - 1);
  if (factor != latent.factor) {
    throw Error(ErrorKind::kModel, str(where, ": its hint network shrinks by ", factor,
                                       ", the model's latents by ", latent.factor));
  }
  auto loaded = std::make_shared<LoadedControl>();
  loaded->name = base_name(where);
  loaded->fingerprint = dedit::fingerprint(component);
  loaded->hint_is_bgr = config.hint_is_bgr;
  loaded->pools_residuals = config.pools_residuals;
  loaded->net = build<ControlNetModel>({backend.get(), dtype}, component, config);
  slot = loaded;
  return slot;
}

std::shared_ptr<Model::Impl> load_model(const std::string& path, std::unique_ptr<Backend> backend,
                                        DType dtype) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  auto m = std::make_shared<Model::Impl>();
  m->path = path;
  m->name = base_name(path);
  m->family = &find_family(checkpoint);
  m->scheduler = parse_scheduler_config(checkpoint.scheduler_json(), path);
  m->dtype = dtype;
  m->dtype_name = name_of(dtype);
  m->backend = std::move(backend);

  const Component& unet = checkpoint.component("unet");
  const Component& vae = checkpoint.component("vae");
  const Component& text = checkpoint.component(m->family->text_encoders[0]);
  m->unet = unet_config(unet);
  m->network_spec = m->family->network_spec(unet);
  const VaeConfig vae_conf = vae_config(vae);
  const ClipTextConfig text_conf = clip_text_config(text);
  m->latent = latent_spec(vae_conf);
  check_fit(*m, text_conf, vae_conf);
  m->tokenizer = checkpoint.tokenizer_dir().empty()
                     ? ClipTokenizer::builtin()
                     : ClipTokenizer::load(checkpoint.tokenizer_dir());

  const Build target{m->backend.get(), dtype};
  const DType text_dtype = dtype == DType::kF64 ? dtype : DType::kF32;
  m->text_encoder = build<ClipTextModel>({m->backend.get(), text_dtype}, text, text_conf);
  m->vae = build<AutoencoderKL>(target, vae, vae_conf);
  const Weights dry = unet.weights();
  m->family->make_network(Build{}, dry, unet);
  Component::check(dry, looks_like(unet));
  m->network = m->family->make_network(target, unet.weights(), unet);
  m->fingerprint = dedit::fingerprint(checkpoint);
  return m;
}

std::string resolve_model_path(const std::string& path) {
  if (!path.empty()) return path;
  if (const char* env = std::getenv("DEDIT_MODEL"); env && *env) return env;
  for (const fs::path& p : default_model_folders()) {
    if (fs::is_directory(p / "unet")) return p.string();
  }
  throw Error(ErrorKind::kModel, "no model was named and the one that ships was not found",
              "give --model DIR or set DEDIT_MODEL");
}

}  // namespace dedit
