// The sampling loop: latents in, latents out, with guidance, controls and a kept region.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/controls.h"
#include "pipeline/guidance.h"
#include "pipeline/plan.h"
#include "pipeline/text.h"

#include "dedit/model.h"

namespace dedit {

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
  const std::vector<ActiveControl>& controls;
  std::vector<ControlTally>* tallies = nullptr;  ///< of the controls, to add to
  const KeptRegion* kept = nullptr;
  std::function<Tensor()> draw;  ///< fresh noise of x's shape, for the steps that take one
  /// Called after each network call: calls done, of plan.n_calls, and the level it was at.
  std::function<void(int, const NoiseLevel&)> on_step;
  /// Changes the estimate of the clean latents; arguments: step, its level, sample, estimate.
  std::function<Tensor(int, const NoiseLevel&, const Tensor&, const Tensor&)> on_denoised;
  /// Makes the observer of a network in the first step, by its name ("unet", "controlnet").
  MakeObserver trace;
};

/// Clean latents, f32 [B, h, w, C].
Tensor sample(Ctx& ctx, const SamplerInput& input);

}  // namespace dedit
