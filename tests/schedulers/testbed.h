// What the scheduler tests share: a context on the double-precision backend and host values.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "nn/ops.h"
#include "schedulers/scheduler.h"
#include "support/reference_backend.h"

namespace dedit {

struct Testbed {
  std::unique_ptr<Backend> backend = make_reference_backend();
  Pool pool{backend->memory()};
  Ctx ctx{.backend = *backend, .pool = pool};

  Tensor tensor(const std::vector<float>& values) {
    return ops::upload(ctx, values.data(), {1, int64_t(values.size())}, DType::kF32);
  }
  std::vector<float> host(const Tensor& x) { return ops::download(ctx, x); }
};

/// Network output at a sample that was scaled for it.
using Network = std::function<float(float x, double timestep)>;

/// tools/record_schedulers.py and record_scheduler_goldens.py
float recorded_network(float x, double t);

/// One call and step, as the pipelines do it.
Tensor run_step(Testbed& bed, const Scheduler& scheduler, Solver& solver, int i, const Tensor& x,
                const SchedulerConfig& config, const Network& network,
                TorchCpuGenerator* generator = nullptr);

nlohmann::json read_json(const std::string& name);

Spacing spacing_named(const std::string& name);
Prediction prediction_named(const std::string& name);

/// Options of a row of the recorded data: "spacing", "karras", "prediction", "steps".
SolverOptions options_of(const nlohmann::json& row);
/// Of Stable Diffusion; for schedulers of flows a network that predicts the flow.
SolverOptions options_for(const Scheduler& scheduler);

std::unique_ptr<Solver> make_solver(const std::string& name, const SolverOptions& options);

}  // namespace dedit
