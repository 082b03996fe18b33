// Betas as the reference makes them: torch's f32 expressions with their roundings, Python's ones in
// double.
#include <cmath>
#include <numbers>

#include "schedulers/scheduler.h"

#include "dedit/error.h"

namespace dedit {

namespace {

/// alpha_bar at a share t of the training range. Nichol and Dhariwal 2021 (arXiv:2102.09672),
/// equation 17; Hang et al. 2024 (arXiv:2407.03297), the Laplace schedule.
double alpha_bar_of(const std::string& schedule, double t) {
  if (schedule == "exp") return std::exp(t * -12.0);
  if (schedule == "laplace") {
    const double side = std::copysign(1.0, 0.5 - t);
    const double lambda = -0.5 * side * std::log(1 - 2 * std::abs(0.5 - t) + 1e-6);
    const double snr = std::exp(lambda);
    return std::sqrt(snr / (1 + snr));
  }
  const double root = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
  return root * root;
}

float beta_at(const SchedulerConfig& c, int i) {
  const std::string& name = c.beta_schedule;
  const int n = c.num_train_timesteps;
  if (name == "linear") return torch_linspace(float(c.beta_start), float(c.beta_end), n, i);
  if (name == "scaled_linear") {
    const float root =
        torch_linspace(float(std::sqrt(c.beta_start)), float(std::sqrt(c.beta_end)), n, i);
    return root * root;
  }
  if (name == "sigmoid") {
    const float gate = 1 / (1 + std::exp(-torch_linspace(-6, 6, n, i)));
    return gate * float(c.beta_end - c.beta_start) + float(c.beta_start);
  }
  if (name == "squaredcos_cap_v2" || name == "laplace" || name == "exp") {
    const double next = alpha_bar_of(name, double(i + 1) / n);
    return float(std::min(1 - next / alpha_bar_of(name, double(i) / n), 0.999));
  }
  throw Error(ErrorKind::kModel, "beta schedule '" + name + "' is not known",
              "linear, scaled_linear, squaredcos_cap_v2, sigmoid, laplace and exp are");
}

std::vector<float> cumulative_product(const std::vector<float>& alphas) {
  std::vector<float> products;
  double product = 1;  // torch.cumprod of f32 accumulates in double
  for (float alpha : alphas) products.push_back(float(product *= alpha));
  return products;
}

/// Alphas whose product ends at exactly 0. Lin et al. 2023 (arXiv:2305.08891), Algorithm 1.
std::vector<float> rescaled_to_zero_snr(const std::vector<float>& alphas) {
  std::vector<float> roots = cumulative_product(alphas);
  for (float& v : roots) v = std::sqrt(v);
  const float first = roots.front(), last = roots.back();
  for (float& v : roots) v = (v - last) * (first / (first - last));
  std::vector<float> rescaled;
  for (size_t i = 0; i < roots.size(); ++i) {
    const float now = roots[i] * roots[i];
    const float alpha = i == 0 ? now : now / (roots[i - 1] * roots[i - 1]);
    rescaled.push_back(1 - (1 - alpha));  // the reference keeps betas, and rounds on the way
  }
  return rescaled;
}

}  // namespace

float torch_linspace(float start, float end, int n, int i) {
  if (n == 1) return start;
  const float step = (end - start) / float(n - 1);
  return i < n / 2 ? std::fma(step, float(i), start) : std::fma(-step, float(n - 1 - i), end);
}

NoiseSchedule::NoiseSchedule(const SchedulerConfig& config) {
  std::vector<float> alphas;
  for (double beta : config.trained_betas) alphas.push_back(1.0f - float(beta));
  if (alphas.empty()) {
    for (int i = 0; i < config.num_train_timesteps; ++i) {
      alphas.push_back(1.0f - beta_at(config, i));
    }
  }
  if (config.rescale_betas_zero_snr) alphas = rescaled_to_zero_snr(alphas);
  alphas_cumprod_ = cumulative_product(alphas);
}

}  // namespace dedit
