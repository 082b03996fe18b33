// Every scheduler against the ends of the reference's trajectories
// (tools/record_scheduler_goldens.py).
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "schedulers/testbed.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// Relative to the largest value, in f32.
double tolerance(const nlohmann::json& file, const nlohmann::json& run) {
  // From sigma 4096 of zero terminal SNR the reference takes euler_a's step from a difference of
  // squares in f32, which is mostly rounding; ours is exact.
  const bool is_far = run["config"].value("rescale_betas_zero_snr", false);
  return file["scheduler"] == "euler_a" && is_far && run["n"] == 3 ? 4e-4 : 1e-4;
}

std::vector<nlohmann::json> recorded_files() {
  std::vector<nlohmann::json> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(DEDIT_TEST_DATA "/schedulers/golden")) {
    std::ifstream file(entry.path());
    files.push_back(nlohmann::json::parse(file));
  }
  return files;
}

SolverOptions options_of_run(const nlohmann::json& file, const nlohmann::json& run) {
  nlohmann::json config = {{"beta_start", 0.00085},
                           {"beta_end", 0.012},
                           {"beta_schedule", "scaled_linear"},
                           {"steps_offset", 1}};
  config.update(run["config"]);
  config["_class_name"] = file["class"];
  SolverOptions options;
  options.steps = run["n"];
  options.config = parse_scheduler_config(config.dump(), "golden", ConfigUse::kScheduler);
  if (config.contains("eta")) options.params["eta"] = config["eta"];
  return options;
}

std::vector<float> last_sample(const Scheduler& scheduler, const SolverOptions& options,
                               const std::vector<float>& start) {
  Testbed bed;
  const auto solver = scheduler.make(options);
  TorchCpuGenerator generator(11);
  const Tensor noise = bed.tensor(start);
  Tensor x = ops::lincomb(bed.ctx, {{solver->initial_scale(), &noise}});
  for (int i = 0; i < int(solver->levels().size()); ++i) {
    x = run_step(bed, scheduler, *solver, i, x, options.config, recorded_network, &generator);
  }
  return bed.host(x);
}

/// Largest error over the largest value; negative where we refuse the run.
double relative_error(const Scheduler& scheduler, const SolverOptions& options,
                      const nlohmann::json& file, const nlohmann::json& run) {
  std::vector<float> x;
  try {
    x = last_sample(scheduler, options, file["start"]);
  } catch (const Error&) {
    return -1;
  }
  const auto expected = run["x"].get<std::vector<float>>();
  double most = 0, error = 0;
  for (size_t k = 0; k < expected.size(); ++k) {
    most = std::max(most, std::abs(double(expected[k])));
    error = std::max(error, std::abs(double(x[k]) - expected[k]));
  }
  return error / std::max(most, 1e-30);  // one run ends in zeros
}

TEST(Golden, EveryRunEndsWhereTheReferenceDoes) {
  for (const nlohmann::json& file : recorded_files()) {
    const Scheduler& scheduler = *find_scheduler(file["scheduler"].get<std::string>());
    double worst = 0;
    int runs = 0;
    for (const nlohmann::json& run : file["runs"]) {
      if (run.contains("undefined")) continue;
      const SolverOptions options = options_of_run(file, run);
      EXPECT_EQ(find_scheduler_class(options.config), &scheduler) << file["scheduler"] << run;
      const double error = relative_error(scheduler, options, file, run);
      EXPECT_GE(error, 0) << "refused " << file["scheduler"] << run["n"] << run["config"];
      EXPECT_LE(error, tolerance(file, run)) << file["scheduler"] << run["n"] << run["config"];
      worst = std::max(worst, error);
      ++runs;
    }
    char row[80];
    std::snprintf(row, sizeof row, "%d runs, %.1e", runs, worst);
    RecordProperty(std::string(scheduler.name), row);
  }
}

TEST(Golden, EverySchedulerIsRecorded) {
  std::set<std::string_view> recorded, registered;
  const auto files = recorded_files();
  for (const nlohmann::json& file : files) {
    recorded.insert(file["scheduler"].get_ref<const std::string&>());
  }
  for (const Scheduler* scheduler : all_schedulers()) registered.insert(scheduler->name);
  EXPECT_EQ(recorded, registered);
}

}  // namespace
}  // namespace dedit
