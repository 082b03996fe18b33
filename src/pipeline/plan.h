// EditPlan: a request checked and resolved against a model: sizes, schedule, where it starts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/loaded_model.h"

#include "dedit/request.h"

namespace dedit {

enum class Job { kGenerate, kImg2img, kInpaint };

struct EditPlan {
  Job job = Job::kGenerate;
  int width = 0;  ///< of the result, pixels
  int height = 0;
  int padded_width = 0;  ///< multiples of the latent factor; edges repeat, cropped off afterwards
  int padded_height = 0;
  Shape latent_shape;  ///< of one picture, [1, h, w, C]
  const Scheduler* scheduler = nullptr;
  SolverOptions solver_options;
  int begin = 0;  ///< first level that is run
  Compat compat = Compat::kOwn;
  int n_calls = 0;                ///< levels that are run; 0: the result is a copy of the source
  int steps_run = 0;              ///< nominal steps that are run
  bool guided = false;            ///< there is a negative branch
  Geometry geometry;              ///< of the source; all 0 without one
  std::optional<Image> image;     ///< the source laid on the result; none if it is a frame only
  bool image_is_latents = false;  ///< its four channels are, under Compat::kDiffusers
  std::optional<Image> mask8;     ///< grey 8 bit, the result's size
  int encode_tile = 0, decode_tile = 0;  ///< pixels a side of the autoencoder's tiles; 0: whole
  bool normalizes_controls = false;
  bool measures_controls = false;
  bool has_wrapper = false;  ///< a function of the caller changes the estimates
  std::vector<std::string> warnings;
};

/// Throws Error(kUsage) for impossible values and inputs that do not fit each other.
EditPlan make_plan(const Model::Impl& model, const EditRequest& request);

/// Throws Error(kUsage) for a tile that the model's autoencoder cannot have.
void check_vae_tile(const Model::Impl& model, int tile);

std::string name_of(Job job);
std::string name_of(Spacing spacing);
std::string name_of(Sigmas sigmas);
std::string name_of(Compat compat);
std::string name_of(ControlMode mode);
std::string name_of(Prediction prediction);

}  // namespace dedit
