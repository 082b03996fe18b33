#include "pipeline/guidance.h"

#include <algorithm>
#include <cmath>

#include "core/assert.h"

namespace dedit {
namespace {

// Standard deviation of all values of a picture, divided by n - 1 as the reference does.
double deviation(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (float v : values) sum += v;
  const double mean = sum / double(values.size());
  for (float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / double(values.size() - 1));
}

double deviation(Ctx& ctx, const Tensor& picture) {
  return deviation(ops::download(ctx, picture));
}

Tensor rescaled(Ctx& ctx, const Tensor& guided, const std::vector<Tensor>& parts,
                const Guidance& g) {
  std::vector<Tensor> pictures;
  for (int64_t i = 0; i < guided.dim(0); ++i) {
    const Tensor picture = guided.rows(i, 1);
    double wanted = 0, sum = 0;
    for (size_t k = 0; k < parts.size(); ++k) {
      wanted += std::abs(g.weights[k]) * deviation(ctx, parts[k].rows(i, 1));
      sum += std::abs(g.weights[k]);
    }
    const double have = deviation(ctx, picture);
    const bool has_target = sum > 0 && have > 0;
    const double factor = has_target ? g.rescale * (wanted / sum / have) + 1 - g.rescale : 1;
    pictures.push_back(ops::lincomb(ctx, {{factor, &picture}}));
  }
  return pictures.size() == 1 ? pictures[0] : ops::stack_rows(ctx, pictures);
}

}  // namespace

double Guidance::at(int step, int steps) const {
  if (schedule.empty()) return scale;
  if (schedule.size() == 1 || steps <= 1) return schedule.front();
  const double place = double(step - 1) * double(schedule.size() - 1) / double(steps - 1);
  const size_t left = std::min(size_t(place), schedule.size() - 2);
  const double share = place - double(left);
  return (1 - share) * schedule[left] + share * schedule[left + 1];
}

bool Guidance::is_guided(int step, int steps) const {
  return weights.size() > 1 || at(step, steps) > 1;
}

double Guidance::pag_at(double timestep) const {
  if (pag <= 0) return 0;
  return std::max(0.0, pag - pag_adaptive * (1000 - timestep));
}

Tensor combine_branches(Ctx& ctx, const Tensor& raw, const StepGuidance& step, const Guidance& g) {
  const Tensor f = ops::convert(ctx, raw, DType::kF32);
  const size_t n_parts = g.weights.size();
  DEDIT_ASSERT(step.has_negative || n_parts == 1);
  const int64_t branches = int64_t(n_parts) * (step.pag > 0 ? 2 : 1) + (step.has_negative ? 1 : 0);
  const int64_t n = f.dim(0) / branches;
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < branches; ++i) rows.push_back(f.rows(i * n, n));
  const size_t first = step.has_negative ? 1 : 0;
  std::vector<Term> terms;
  for (const Tensor& row : rows) terms.push_back({0, &row});
  terms[0].a = 1;
  for (size_t i = 0; i < n_parts; ++i) {
    if (step.has_negative) {
      terms[first + i].a += step.scale * g.weights[i];
      terms[0].a -= step.scale * g.weights[i];
    }
    if (step.pag > 0) {
      const double weight = step.has_negative ? g.weights[i] : 1;
      terms[first + i].a += step.pag * weight;
      terms[first + n_parts + i].a -= step.pag * weight;
    }
  }
  if (terms.size() == 1) return f;
  const Tensor guided = ops::lincomb(ctx, terms, DType::kF32);
  if (g.rescale <= 0 || !step.has_negative || n == 0) return guided;
  const std::vector<Tensor> parts(rows.begin() + 1, rows.begin() + 1 + long(n_parts));
  return rescaled(ctx, guided, parts, g);
}

}  // namespace dedit
