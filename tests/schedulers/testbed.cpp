#include "schedulers/testbed.h"

#include <fstream>

namespace dedit {

Tensor run_step(Testbed& bed, Solver& solver, int i, const Tensor& x, Prediction prediction,
                const Network& network) {
  const NoiseLevel level = solver.levels()[size_t(i)];
  const Tensor input = ops::lincomb(bed.ctx, {{solver.input_scale(i), &x}});
  std::vector<float> raw = bed.host(input);
  for (float& v : raw) v = network(v, level.timestep);
  const Estimate estimate = to_estimate(bed.ctx, x, bed.tensor(raw), level, prediction);
  return solver.step(bed.ctx, i, x, estimate, nullptr);
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

std::unique_ptr<Solver> make_solver(const std::string& name, const SolverOptions& options) {
  return find_scheduler(name)->make(options);
}

}  // namespace dedit
