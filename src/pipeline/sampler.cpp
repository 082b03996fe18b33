#include "pipeline/sampler.h"

namespace dedit {
namespace {

// x as the network takes it: one row for all branches, which differ in their text alone.
Tensor network_input(Ctx& ctx, const Tensor& x, double scale) {
  const Term scaled{scale, &x};
  return ops::lincomb(ctx, std::span(&scaled, 1), ctx.dtype);
}

// The step (1-based) that a call belongs to, of plan.steps_run; methods with several calls a step
// share it out evenly.
int step_of(const EditPlan& plan, int call) {
  return int(int64_t(call) * plan.steps_run / plan.n_calls) + 1;
}

Tensor predict(Ctx& ctx, const SamplerInput& in, int call, int level_index, const Tensor& x) {
  const NoiseLevel& level = in.solver.levels()[size_t(level_index)];
  const int step = step_of(in.plan, call);
  const StepGuidance guidance{.has_negative = in.guidance.is_guided(step, in.plan.steps_run),
                              .scale = in.guidance.at(step, in.plan.steps_run),
                              .pag = in.guidance.pag_at(level.timestep)};
  const size_t first = in.plan.guided && !guidance.has_negative ? 1 : 0;
  Conditioning conditioning;
  conditioning.context = in.text.context(ctx, step, first, guidance.pag > 0);
  if (guidance.pag > 0) conditioning.perturbed_rows = int64_t(in.guidance.weights.size());
  const Tensor input = network_input(ctx, x, in.solver.input_scale(level_index));
  const ControlResiduals residuals =
      sum_controls(ctx, in.controls,
                   {.plan = in.plan,
                    .call = call,
                    .level = level,
                    .x = input,
                    .conditioning = conditioning,
                    .n_negative = guidance.has_negative && in.plan.guided ? in.x.dim(0) : 0,
                    .trace = in.trace,
                    .tallies = in.tallies});
  Ctx own = ctx;
  std::unique_ptr<Observer> observer;
  if (in.trace && call == 0) {
    observer = in.trace("unet");
    own.observer = observer.get();
  }
  const Tensor raw = (*in.model.network)(own, input, {&level.timestep, 1}, conditioning,
                                         residuals.by_block.empty() ? nullptr : &residuals);
  return combine_branches(ctx, raw, guidance, in.guidance);
}

}  // namespace

Tensor sample(Ctx& outer, const SamplerInput& in) {
  TextProducts text;
  Ctx ctx = outer;
  ctx.text = &text;
  const auto& levels = in.solver.levels();
  Tensor x = in.x;
  for (int i = in.plan.begin; i < int(levels.size()); ++i) {
    const NoiseLevel& level = levels[size_t(i)];
    const int call = i - in.plan.begin;
    const Tensor raw = predict(ctx, in, call, i, x);
    const SchedulerConfig& config = in.plan.solver_options.config;
    Estimate estimate = to_estimate(ctx, x, raw, level, config.prediction);
    estimate.x0 = limit_x0(ctx, estimate.x0, config, *in.plan.scheduler);
    if (in.on_denoised) {
      estimate.x0 = in.on_denoised(step_of(in.plan, call), level, x, estimate.x0);
      estimate.eps =
          ops::lincomb(ctx, {{1 / level.sigma, &x}, {-level.alpha / level.sigma, &estimate.x0}});
    }
    const Tensor noise = in.solver.draws_noise(i) ? in.draw() : Tensor();
    x = in.solver.step(ctx, i, x, estimate, noise ? &noise : nullptr);
    if (in.kept) {
      const bool is_last = i + 1 == int(levels.size());
      const Tensor source =
          is_last ? in.kept->source
                  : add_noise(ctx, in.kept->source, in.kept->noise, in.solver.noising_level(i + 1));
      x = ops::blend(ctx, in.kept->mask, x, source);
    }
    ctx.backend.end_of_step();
    if (in.on_step) in.on_step(call + 1, level);
  }
  return x;
}

}  // namespace dedit
