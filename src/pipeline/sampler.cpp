#include "pipeline/sampler.h"

#include "core/str.h"

namespace dedit {
namespace {

// x once per branch, [branches * B, h, w, C], as the network takes it.
Tensor network_input(Ctx& ctx, const Tensor& x, double scale, bool guided) {
  const Term scaled{scale, &x};
  const Tensor one = ops::lincomb(ctx, std::span(&scaled, 1), ctx.dtype);
  if (!guided) return one;
  const Tensor branches[] = {one, one};
  return ops::stack_rows(ctx, branches);
}

ControlResiduals control_residuals(Ctx& ctx, const SamplerInput& in, int call, const Tensor& x,
                                   double timestep, const Conditioning& conditioning) {
  ControlResiduals sum;
  for (size_t k = 0; k < in.controls.size(); ++k) {
    const ActiveControl& c = in.controls[k];
    if (!is_active(c, call, in.plan.n_calls)) continue;
    Ctx own = ctx;
    std::unique_ptr<Observer> observer;
    if (in.trace && call == 0) {
      observer = in.trace(k == 0 ? "controlnet" : str("controlnet_", k));
      own.observer = observer.get();
    }
    const ControlResiduals r =
        (*c.model->net)(own, x, {&timestep, 1}, conditioning, c.hint_features);
    sum = accumulate(ctx, sum, r, c.scale);
  }
  return sum;
}

// Raw prediction in f32, the branches combined: u + g (c - u). Ho & Salimans 2022
// (arXiv:2207.12598).
Tensor guided_prediction(Ctx& ctx, const Tensor& raw, bool guided, double guidance) {
  const Tensor f = ops::convert(ctx, raw, DType::kF32);
  if (!guided) return f;
  const int64_t n = f.dim(0) / 2;
  const Tensor u = f.rows(0, n), c = f.rows(n, n);
  return ops::lincomb(ctx, {{1 - guidance, &u}, {guidance, &c}});
}

Tensor predict(Ctx& ctx, const SamplerInput& in, int call, int level_index, const Tensor& x) {
  const NoiseLevel& level = in.solver.levels()[size_t(level_index)];
  const Tensor input = network_input(ctx, x, in.solver.input_scale(level_index), in.plan.guided);
  Conditioning conditioning;
  conditioning.context = in.context;
  const ControlResiduals residuals =
      control_residuals(ctx, in, call, input, level.timestep, conditioning);
  Ctx own = ctx;
  std::unique_ptr<Observer> observer;
  if (in.trace && call == 0) {
    observer = in.trace("unet");
    own.observer = observer.get();
  }
  const Tensor raw = (*in.model.network)(own, input, {&level.timestep, 1}, conditioning,
                                         residuals.by_block.empty() ? nullptr : &residuals);
  return guided_prediction(ctx, raw, in.plan.guided, in.guidance);
}

}  // namespace

bool is_active(const ActiveControl& c, int i, int n) {
  return c.scale != 0 && !(double(i) / n < c.start || double(i + 1) / n > c.end);
}

Tensor sample(Ctx& ctx, const SamplerInput& in) {
  const auto& levels = in.solver.levels();
  Tensor x = in.x;
  for (int i = in.plan.begin; i < int(levels.size()); ++i) {
    const NoiseLevel& level = levels[size_t(i)];
    const int call = i - in.plan.begin;
    const Tensor raw = predict(ctx, in, call, i, x);
    const Estimate estimate =
        to_estimate(ctx, x, raw, level, in.plan.solver_options.config.prediction);
    x = in.solver.step(ctx, i, x, estimate, nullptr);
    if (in.kept) {
      const bool is_last = i + 1 == int(levels.size());
      const Tensor source =
          is_last ? in.kept->source
                  : add_noise(ctx, in.kept->source, in.kept->noise, levels[size_t(i + 1)]);
      x = ops::blend(ctx, in.kept->mask, x, source);
    }
    if (in.on_step) in.on_step(call + 1, level);
  }
  return x;
}

}  // namespace dedit
