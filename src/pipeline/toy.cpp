// A scheduler's whole run without a model.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/random.h"
#include "core/str.h"
#include "nn/ops.h"
#include "pipeline/schedule.h"

#include "dedit/error.h"

namespace dedit {
namespace {

[[noreturn]] void usage(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::kUsage, message, hint);
}

void check_tensor(const char* name, const TensorValue& value) {
  int64_t count = value.shape.empty() ? 0 : 1;
  for (int64_t d : value.shape) count *= d;
  if (count < 1 || size_t(count) != value.values.size()) {
    usage(str("tensor ", name, " is empty"), "it needs at least one row and one number");
  }
}

Tensor rows(Ctx& ctx, const TensorValue& value) {
  const int64_t batch = value.shape[0];
  return ops::upload(ctx, value.values.data(), {batch, int64_t(value.values.size()) / batch},
                     DType::kF32);
}

/// The first call that is run, of the reference's `timesteps[t_start * order:]`.
int first_call(const ToyRequest& r, const Solver& solver, int steps) {
  int left_out = r.start_index;
  if (r.strength) {
    if (!(*r.strength >= 0 && *r.strength <= 1)) {
      usage(str("strength ", *r.strength, " is outside 0..1"));
    }
    left_out = steps - std::min(int(steps * *r.strength), steps);
  }
  if (left_out < 0 || left_out > steps) {
    usage(str("start index ", left_out, " is outside 0..", steps));
  }
  return std::min(left_out * solver.calls_per_step(), int(solver.levels().size()));
}

Tensor start_sample(Ctx& ctx, const ToyRequest& r, const Solver& solver, int begin) {
  const Tensor noise = rows(ctx, r.noise);
  if (r.start == ToyStart::kNoise) return ops::lincomb(ctx, {{solver.initial_scale(), &noise}});
  check_tensor("init_latents", r.init);
  if (r.init.shape != r.noise.shape) usage("latents and init_latents differ in shape");
  const Tensor init = rows(ctx, r.init);
  if (r.start == ToyStart::kInit || begin == int(solver.levels().size())) return init;
  return add_noise(ctx, init, noise, solver.noising_level(begin));
}

/// One call of the toy and the solver's step after it.
Tensor step(Ctx& ctx, const ToyRequest& r, const ScheduleChoice& choice, Solver& solver, int i,
            const Tensor& x, TorchCpuGenerator& generator) {
  const NoiseLevel& level = solver.levels()[size_t(i)];
  const double t = level.timestep;
  const double factor = t / (t + 1) * (r.scales_input ? solver.input_scale(i) : 1);
  const Tensor raw = ops::lincomb(ctx, {{factor, &x}});
  const SchedulerConfig& config = choice.options.config;
  Estimate estimate = to_estimate(ctx, x, raw, level, config.prediction);
  estimate.x0 = limit_x0(ctx, estimate.x0, config, *choice.scheduler);
  if (!solver.draws_noise(i)) return solver.step(ctx, i, x, estimate, nullptr);
  std::vector<float> draw(size_t(x.numel()));
  generator.randn(draw);
  const Tensor noise = ops::upload(ctx, draw.data(), x.shape(), DType::kF32);
  return solver.step(ctx, i, x, estimate, &noise);
}

}  // namespace

ToyResult run_toy(const ToyRequest& r) {
  check_tensor("latents", r.noise);
  const SchedulerConfig config =
      parse_scheduler_config(r.source.json, r.source.name,
                             r.source.as_pipeline ? ConfigUse::kPipeline : ConfigUse::kScheduler);
  const ScheduleChoice choice = choose_schedule(r.schedule, config, /*strict=*/true);
  const auto solver = choice.scheduler->make(choice.options);
  const auto backend = make_cpu_backend();
  Pool pool(backend->memory());
  Ctx ctx{.backend = *backend, .pool = pool};
  const int begin = first_call(r, *solver, choice.options.steps);
  Tensor x = start_sample(ctx, r, *solver, begin);
  TorchCpuGenerator generator(r.seed);
  for (int i = begin; i < int(solver->levels().size()); ++i) {
    x = step(ctx, r, choice, *solver, i, x, generator);
  }
  TensorValue latents{.shape = r.noise.shape, .values = ops::download(ctx, x)};
  for (float v : latents.values) {
    if (std::isfinite(v)) continue;
    usage(str("scheduler ", choice.scheduler->name, " ends in values that are not finite"),
          "this combination of settings has no result; the reference has none either");
  }
  return {.table = tabulate(choice, *solver), .latents = std::move(latents)};
}

}  // namespace dedit
