#include "schedulers/testbed.h"

#include <cmath>
#include <fstream>

namespace dedit {

float recorded_network(float x, double t) {
  return 0.6f * x + 0.4f * std::cos(2 * x + float(t) / 100);
}

Tensor run_step(Testbed& bed, const Scheduler& scheduler, Solver& solver, int i, const Tensor& x,
                const SchedulerConfig& config, const Network& network,
                TorchCpuGenerator* generator) {
  const NoiseLevel level = solver.levels()[size_t(i)];
  const Tensor input = ops::lincomb(bed.ctx, {{solver.input_scale(i), &x}});
  std::vector<float> raw = bed.host(input);
  for (float& v : raw) v = network(v, level.timestep);
  Estimate estimate = to_estimate(bed.ctx, x, bed.tensor(raw), level, config.prediction);
  estimate.x0 = limit_x0(bed.ctx, estimate.x0, config, scheduler);
  if (!solver.draws_noise(i)) return solver.step(bed.ctx, i, x, estimate, nullptr);
  std::vector<float> draw(raw.size());
  generator->randn(draw);
  const Tensor noise = bed.tensor(draw);
  return solver.step(bed.ctx, i, x, estimate, &noise);
}

nlohmann::json read_json(const std::string& name) {
  std::ifstream file(DEDIT_TEST_DATA "/schedulers/" + name);
  return nlohmann::json::parse(file);
}

Spacing spacing_named(const std::string& name) {
  if (name == "leading") return Spacing::kLeading;
  if (name == "linspace") return Spacing::kLinspace;
  return name == "trailing" ? Spacing::kTrailing : Spacing::kDefault;
}

Prediction prediction_named(const std::string& name) {
  if (name == "v_prediction") return Prediction::kV;
  return name == "sample" ? Prediction::kSample : Prediction::kEpsilon;
}

SolverOptions options_of(const nlohmann::json& row) {
  SolverOptions o;
  o.steps = row["steps"];
  o.spacing = spacing_named(row.value("spacing", ""));
  if (row.value("karras", false)) o.sigmas = Sigmas::kKarras;
  o.config.prediction = prediction_named(row.value("prediction", ""));
  o.config.skip_prk_steps = row.value("skip_prk_steps", true);
  o.config.set_alpha_to_one = row.value("set_alpha_to_one", false);
  return o;
}

SolverOptions options_for(const Scheduler& scheduler) {
  SolverOptions options;
  if (scheduler.needs_flow) options.config.prediction = Prediction::kFlow;
  return options;
}

std::unique_ptr<Solver> make_solver(const std::string& name, const SolverOptions& options) {
  return find_scheduler(name)->make(options);
}

}  // namespace dedit
