// LoadedModel: a checkpoint's networks, packed for one backend; immutable and shared.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "controlnet.h"
#include "models/clip_text.h"
#include "models/clip_tokenizer.h"
#include "models/family.h"
#include "models/vae.h"
#include "schedulers/scheduler.h"

#include "dedit/model.h"

namespace dedit {

/// A control network and where it came from.
struct LoadedControl {
  std::string name;  ///< folder or file name, for the recipe
  std::string fingerprint;
  bool hint_is_bgr = false;
  bool pools_residuals = false;
  std::unique_ptr<const ControlNetModel> net;
};

struct Model::Impl {
  std::string path;
  std::string name;  ///< folder or file name, for the recipe
  std::string fingerprint;
  const ModelFamily* family = nullptr;
  NetworkSpec network_spec;
  UNetConfig unet;  ///< for fitting control networks
  LatentSpec latent;
  SchedulerConfig scheduler;
  std::string dtype_name;
  std::string dtype_reason;
  std::string device_reason;
  DType dtype = DType::kF32;

  std::unique_ptr<Backend> backend;
  std::shared_ptr<const ClipTokenizer> tokenizer;
  std::unique_ptr<const ClipTextModel> text_encoder;  ///< always in f32: it runs once an edit
  std::unique_ptr<const Network> network;
  std::unique_ptr<const AutoencoderKL> vae;

  /// The control network at `given`, loaded once. An empty path is the checkpoint's own for
  /// `annotator`: the folder `controlnet-<annotator>` in it. Throws Error(kModel).
  std::shared_ptr<const LoadedControl> control(const std::string& given,
                                               const std::string& annotator);

 private:
  std::mutex control_mutex_;
  std::map<std::string, std::shared_ptr<const LoadedControl>> controls_;
};

/// Loads for `dtype` on the given backend; the tests pass their reference backend.
std::shared_ptr<Model::Impl> load_model(const std::string& path, std::unique_ptr<Backend> backend,
                                        DType dtype);

/// A path as given, else DEDIT_MODEL, else the model that ships. Throws Error(kModel) if there is
/// none.
std::string resolve_model_path(const std::string& path);

}  // namespace dedit
