// The sampling loop: latents in, latents out, with guidance, controls and a kept region.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/guidance.h"
#include "pipeline/plan.h"
#include "pipeline/text.h"

#include "dedit/model.h"

namespace dedit {

/// A control at work in one run.
struct ActiveControl {
  std::shared_ptr<const LoadedControl> model;
  Tensor hint_features;  // [1, h, w, c0], once per run
  double scale = 1;
  double start = 0;
  double end = 1;
};

/// What stays during inpainting.
struct KeptRegion {
  Tensor mask;    // f32 [1, h, w, 1], 1 = repaint
  Tensor source;  // f32 [B, h, w, C] clean latents
  Tensor noise;   // f32, the start noise: the same at every level, as the reference
};

struct SamplerInput {
  const Model::Impl& model;
  const EditPlan& plan;
  Solver& solver;  ///< fresh
  const Guidance& guidance;
  TextStates& text;
  Tensor x;  // f32 [B, h, w, C] at level plan.begin
  std::vector<ActiveControl> controls;
  const KeptRegion* kept = nullptr;
  std::function<Tensor()> draw;  ///< fresh noise of x's shape, for the steps that take one
  /// Called after each network call: calls done, of plan.n_calls, and the level it was at.
  std::function<void(int, const NoiseLevel&)> on_step;
  /// Changes the estimate of the clean latents; arguments: step, its level, sample, estimate.
  std::function<Tensor(int, const NoiseLevel&, const Tensor&, const Tensor&)> on_denoised;
  /// Makes the observer of a network in the first step, by its name ("unet", "controlnet").
  std::function<std::unique_ptr<Observer>(const std::string&)> trace;
};

/// Clean latents, f32 [B, h, w, C].
Tensor sample(Ctx& ctx, const SamplerInput& input);

/// Whether a control acts at call i of the plan's, at `level`: by the executed steps, or for
/// ComfyUI by the timestep.
bool is_active(const ActiveControl& control, const EditPlan& plan, int i, const NoiseLevel& level);

}  // namespace dedit
