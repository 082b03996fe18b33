#include <cmath>

#include "core/str.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler pndm;

namespace {

/// Linear multistep on the network's raw output (PLMS), with either start of the reference: one
/// repeated call (skip_prk_steps, Stable Diffusion's) or three Runge-Kutta steps of four calls.
///
/// Both starts count calls since the run began, not table indices. Begun inside the table
/// (img2img), the repeated call therefore meets another timestep and the run stays a step behind,
/// exactly as the reference does.
class Pndm : public Solver {
 public:
  explicit Pndm(const SolverOptions& o)
      : schedule_(training_schedule(pndm, o)),
        is_v_(o.config.prediction == Prediction::kV),
        ratio_(o.config.num_train_timesteps / o.steps) {
    final_alpha_bar_ = o.config.set_alpha_to_one.value_or(false) ? 1.0 : schedule_.alpha_bar(0);
    std::vector<double> t =
        spaced_timesteps(resolve_spacing(pndm, o), o.steps, o.config.num_train_timesteps,
                         o.config.steps_offset, /*fractional=*/false);
    if (o.config.skip_prk_steps) {
      if (t.size() > 1) t.insert(t.begin() + 1, t[1]);
    } else {
      t = with_runge_kutta_start(t);
    }
    for (double timestep : t) {
      const double alpha_bar = schedule_.alpha_bar(int(timestep));
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), timestep});
    }
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const Tensor raw = raw_output(ctx, levels_[size_t(i)], estimate);
    const int t = int(levels_[size_t(i)].timestep);
    const size_t call = n_calls_++;
    return call < prk_timesteps_.size() ? prk_step(ctx, call, t, x, raw)
                                        : plms_step(ctx, call, t, x, raw);
  }

 private:
  /// The first timesteps of `t` become four calls each: at it, twice half a step on, a step on.
  std::vector<double> with_runge_kutta_start(const std::vector<double>& t) {
    constexpr size_t kOrder = 4;
    if (t.size() < kOrder) {
      throw Error(ErrorKind::kUsage,
                  str("pndm: ", t.size(), " steps are fewer than the 4 of its Runge-Kutta start"),
                  "use at least 4 steps or --scheduler ddim");
    }
    for (size_t k = 0; k + 1 < kOrder; ++k) {
      const int middle = int(t[k + 1]) + ratio_ / 2;
      for (int timestep : {int(t[k]), middle, middle, int(t[k + 1])}) {
        prk_timesteps_.push_back(timestep);
      }
    }
    std::vector<double> all(prk_timesteps_.begin(), prk_timesteps_.end());
    all.insert(all.end(), t.begin() + kOrder - 1, t.end());
    return all;
  }

  /// The network's output as it was: the multistep sums are over it, not over eps.
  Tensor raw_output(Ctx& ctx, const NoiseLevel& level, const Estimate& estimate) const {
    if (!is_v_) return estimate.eps;
    return ops::lincomb(ctx, {{level.alpha, &estimate.eps}, {-level.sigma, &estimate.x0}});
  }

  double alpha_bar(int t) const { return t >= 0 ? schedule_.alpha_bar(t) : final_alpha_bar_; }

  /// x at timestep t and a combination of raw outputs -> x at t_next. Equation 11 of the paper.
  Tensor transfer(Ctx& ctx, const Tensor& x, int t, int t_next, std::vector<Term> raw) const {
    const double now = alpha_bar(t);
    const double next = alpha_bar(t_next);
    const double on_eps =
        -(next - now) / (now * std::sqrt(1 - next) + std::sqrt(now * (1 - now) * next));
    double on_x = std::sqrt(next / now);
    double on_raw = on_eps;
    if (is_v_) {  // eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x
      on_x += on_eps * std::sqrt(1 - now);
      on_raw *= std::sqrt(now);
    }
    for (Term& term : raw) term.a *= on_raw;
    raw.insert(raw.begin(), Term{on_x, &x});
    return ops::lincomb(ctx, raw, x.dtype());
  }

  Tensor prk_step(Ctx& ctx, size_t call, int t, const Tensor& x, const Tensor& raw) {
    const int t_next = call % 2 == 0 ? t - ratio_ / 2 : t;
    const int t_start = prk_timesteps_[call / 4 * 4];
    if (call % 4 == 0) {
      start_ = x;
      outputs_.push_back(raw);
      stages_.clear();
    }
    stages_.push_back(raw);
    if (call % 4 != 3) return transfer(ctx, start_, t_start, t_next, {{1.0, &raw}});
    return transfer(ctx, start_, t_start, t_next,
                    {{1.0 / 6, &stages_[0]},
                     {1.0 / 3, &stages_[1]},
                     {1.0 / 3, &stages_[2]},
                     {1.0 / 6, &stages_[3]}});
  }

  Tensor plms_step(Ctx& ctx, size_t call, int t, const Tensor& x, const Tensor& raw) {
    if (call == 1) {  // the repeated call: the first step again, with the mean of both outputs
      return transfer(ctx, start_, t + ratio_, t, {{0.5, &raw}, {0.5, &outputs_.back()}});
    }
    if (call == 0) start_ = x;
    if (outputs_.size() == 4) outputs_.erase(outputs_.begin());
    outputs_.push_back(raw);
    return transfer(ctx, x, t, t - ratio_, adams_bashforth());
  }

  /// Extrapolation from up to four outputs, newest last.
  std::vector<Term> adams_bashforth() const {
    const size_t n = outputs_.size();
    const auto back = [&](size_t k) { return &outputs_[n - 1 - k]; };
    if (n == 1) return {{1.0, back(0)}};
    if (n == 2) return {{3.0 / 2, back(0)}, {-1.0 / 2, back(1)}};
    if (n == 3) return {{23.0 / 12, back(0)}, {-16.0 / 12, back(1)}, {5.0 / 12, back(2)}};
    return {
        {55.0 / 24, back(0)}, {-59.0 / 24, back(1)}, {37.0 / 24, back(2)}, {-9.0 / 24, back(3)}};
  }

  NoiseSchedule schedule_;
  bool is_v_;
  int ratio_;  // timesteps per step
  double final_alpha_bar_ = 1;
  std::vector<int> prk_timesteps_;  // empty with the repeated start

  // State of the run.
  size_t n_calls_ = 0;
  Tensor start_;                 // x where the step in progress began
  std::vector<Tensor> outputs_;  // last raw outputs, at most four
  std::vector<Tensor> stages_;   // raw outputs of the Runge-Kutta step in progress
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(pndm, options);
  return std::make_unique<Pndm>(options);
}

}  // namespace

const Scheduler pndm = {
    .name = "pndm",
    .summary = "pseudo linear multistep, one network call per step and one more at the start",
    .paper = "Liu et al. 2022, arXiv:2202.09778",
    .diffusers_class = "PNDMScheduler",
    .aliases = "plms",
    .order = 2,
    .takes_sample = false,
    .default_spacing = Spacing::kLeading,
    .make = make,
};

}  // namespace dedit::schedulers
