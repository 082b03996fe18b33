// Model: weights ready to run, immutable and shared between threads. Session: one thread's work.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "dedit/cancel.h"
#include "dedit/image.h"
#include "dedit/request.h"
#include "dedit/tensor_value.h"

namespace dedit {

enum class Precision {
  kExact,  ///< f32
  kAuto,   ///< the fastest arithmetic whose error is no larger than bf16's
  kFast,   ///< may go further; today the same as kAuto
};

struct ModelOptions {
  Precision precision = Precision::kAuto;
  std::string dtype = {};  ///< "f32" or "bf16" overrides precision; "f16" needs a GPU
  /// "cpu", "cuda", "cuda:1"; "auto" is the first GPU where there is one, else the CPU; empty is
  /// what DEDIT_DEVICE says, else auto.
  std::string device = {};
  /// Weights take memory only while they are used. On the CPU they leave the process's memory after
  /// each operation and are taken from the file again; what oneDNN keeps in a layout of its own
  /// stays. On a GPU they lie in pinned host memory and are copied for each operation. Pictures are
  /// the same, to the bit.
  bool low_memory = false;
};

/// A cheap handle; copies share the weights.
class Model {
 public:
  /// Loads a diffusers folder or a single file. An empty path resolves to DEDIT_MODEL, then to the
  /// model that ships. Throws Error(kModel), Error(kUsage) for a device that is not there, or
  /// Error(kMemory).
  static Model load(const std::string& path, const ModelOptions& options = {});

  const std::string& path() const;
  std::string family() const;
  int native_size() const;                   ///< pixels per side the model was made for
  const std::string& dtype() const;          ///< of the arithmetic: "f32", "bf16", "f16"
  const std::string& dtype_reason() const;   ///< why, one sentence
  std::string backend() const;               ///< "cpu avx512", "cuda NVIDIA H100 ..."
  const std::string& device_reason() const;  ///< why that, half a sentence
  const std::string& fingerprint() const;    ///< hash of headers and sampled blocks of its files

  struct Impl;
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// One step done.
struct Progress {
  int step = 0;  ///< 1-based
  int steps = 0;
  double sigma = 0;
  double seconds = 0;  ///< since the run began
};

/// One network call, for a function that changes its outcome.
struct DenoiserCall {
  int step = 0;  ///< 1-based, of `steps` that are run
  int steps = 0;
  /// sample = alpha * clean + sigma * noise.
  double alpha = 1, sigma = 0;
  double timestep = 0;
  const TensorValue& sample;  ///< what the network saw before input scaling, NCHW
};

struct SessionOptions {
  int threads = 0;                      ///< < 1: all cores
  const CancelToken* cancel = nullptr;  ///< checked before every operation
  std::function<void(const Progress&)> on_step;
  /// Measures the energy of what controls add, which costs a pass over it each call.
  bool measure_controls = false;
  /// A wrapper of the denoiser: called after guidance with the estimate of the clean latents, which
  /// it may change in place; the noise estimate follows. Classifier guidance with scale s is
  /// denoised += s * sigma^2 / alpha * gradient of log p(y | sample) (Dhariwal & Nichol 2021,
  /// arXiv:2105.05233, in the form of its denoised estimate). Recipes say that there was one.
  std::function<void(const DenoiserCall&, TensorValue& denoised)> on_denoised;
  /// Called with the first step's module outputs, NCHW, rows [negative, positive].
  std::function<void(const std::string& module, const TensorValue&)> on_trace;
};

class Session {
 public:
  explicit Session(Model model, SessionOptions options = {});
  ~Session();

  /// Throws Error with the kind that fits.
  EditResult run(const EditRequest& request);

  /// Stages, for callers that cache. Latents are NCHW in network scale; `vae_tile` is
  /// EditRequest's, without its way out of a shortage of memory.
  TensorValue encode_text(const std::string& prompt);          ///< [1, 77 * chunks, C]
  TensorValue encode(const Image& image, int vae_tile = 0);    ///< mean of the posterior, scaled
  Image decode(const TensorValue& latents, int vae_tile = 0);  ///< first of the batch

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a new ControlNet in diffusers layout: a copy of the model's U-Net encoder with
/// zero-initialised convolutions and a hint embedding drawn from `seed` (its last convolution
/// zero). Throws Error(kOutput) or Error(kModel).
void init_control(const std::string& model_path, const std::string& out_dir, uint64_t seed);

}  // namespace dedit
