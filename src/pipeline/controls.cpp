#include "pipeline/controls.h"

#include <algorithm>
#include <cmath>

#include "core/assert.h"
#include "core/str.h"
#include "io/image_ops.h"
#include "pipeline/placement.h"

namespace dedit {
namespace {

/// From the shallowest residual to the middle block's.
std::vector<std::string> block_names(const ControlNetModel& net) {
  std::vector<std::string> names;
  for (const auto& [block, conv] : net.zero_convs) names.push_back(block);
  names.emplace_back("mid_block");
  return names;
}

std::vector<double> unit_layers(const ControlUnit& unit, const LoadedControl& control) {
  const size_t n = control.net->zero_convs.size() + 1;
  const std::string& name = control.name;
  if (unit.layers.empty() && unit.mode == ControlMode::kGuess && control.pools_residuals) {
    return {};  // diffusers pools instead of weighing
  }
  if (unit.layers.empty()) return layer_weights(unit.mode, int(n));
  if (unit.layers.size() == n) return unit.layers;
  throw Error(ErrorKind::kUsage,
              str("there are ", unit.layers.size(), " layer weights for ", name, ", which has ", n,
                  " residuals"),
              "one for each, from the shallowest to the middle block's");
}

bool is_black(const Image& mask8) {
  return std::all_of(mask8.data.begin(), mask8.data.end(),
                     [](std::byte b) { return b == std::byte{0}; });
}

std::vector<MaskLevel> unit_masks(const EditPlan& plan, const Model::Impl& model,
                                  const Image& mask8) {
  const auto make = plan.compat == Compat::kWebui ? sampled_mask_levels : mask_levels;
  return make(mask8, plan.padded_width, plan.padded_height, model.latent.factor,
              int(model.unet.block_out_channels.size()));
}

Tensor embed_hint(Ctx& ctx, const LoadedControl& control, const EditPlan& plan, const Image& hint) {
  std::vector<float> planes = to_planar_unit(hint, plan.padded_width, plan.padded_height);
  if (control.hint_is_bgr) {
    const auto plane = std::ptrdiff_t(planes.size() / 3);
    std::swap_ranges(planes.begin(), planes.begin() + plane, planes.begin() + 2 * plane);
  }
  const Tensor pixels = ops::upload_nchw(ctx, planes.data(),
                                         {1, plan.padded_height, plan.padded_width, 3}, ctx.dtype);
  return control.net->embed_hint(ctx, pixels);
}

Tensor zeros_like(Ctx& ctx, const Tensor& x) {
  return ops::lincomb(ctx, {{0, &x}});
}

const MaskLevel* mask_of(const ActiveControl& c, int64_t rows, int64_t columns) {
  for (const MaskLevel& level : c.masks) {
    if (level.rows == rows && level.columns == columns) return &level;
  }
  DEDIT_ASSERT(c.masks.empty());
  return nullptr;
}

/// What each control counts at every cell of a level.
class CellWeights {
 public:
  CellWeights(std::span<const ActiveControl> controls, std::vector<double> strengths,
              bool normalizes)
      : controls_(controls), strengths_(std::move(strengths)), normalizes_(normalizes) {
    for (size_t k = 0; k < controls.size(); ++k) {
      has_masks_ |= strengths_[k] != 0 && !controls[k].masks.empty();
      sum_ += std::abs(strengths_[k]);
    }
  }

  /// Control k's strength, the same in every cell; by_cell may say less.
  double of(size_t k) const {
    return normalizes_ && !has_masks_ ? strengths_[k] / std::max(1.0, sum_) : strengths_[k];
  }
  double strength(size_t k) const { return strengths_[k]; }

  /// f32 [1, h, w, 1], a factor on `of`; null where that is 1.
  Tensor by_cell(Ctx& ctx, size_t k, int64_t rows, int64_t columns) const {
    const MaskLevel* own = mask_of(controls_[k], rows, columns);
    const bool shares = normalizes_ && has_masks_;
    if (!own && !shares) return {};
    std::vector<float> values =
        own ? own->values : std::vector<float>(size_t(rows * columns), 1.0f);
    if (shares) {
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = float(values[i] / std::max(1.0, sum_at(rows, columns, i)));
      }
    }
    return ops::upload(ctx, values.data(), {1, rows, columns, 1}, DType::kF32);
  }

 private:
  double sum_at(int64_t rows, int64_t columns, size_t cell) const {
    double sum = 0;
    for (size_t k = 0; k < controls_.size(); ++k) {
      if (strengths_[k] == 0) continue;
      const MaskLevel* mask = mask_of(controls_[k], rows, columns);
      sum += std::abs(strengths_[k]) * (mask ? mask->values[cell] : 1.0);
    }
    return sum;
  }

  std::span<const ActiveControl> controls_;
  std::vector<double> strengths_;
  bool normalizes_;
  bool has_masks_ = false;
  double sum_ = 0;
};

/// The residuals of one control: on all rows, or on those past the negative branch.
ControlResiduals run_control(Ctx& ctx, const ActiveControl& c, const ControlCall& in, size_t k,
                             int64_t first_row) {
  Ctx own = ctx;
  std::unique_ptr<Observer> observer;
  if (in.trace && in.call == 0) {
    observer = in.trace(k == 0 ? "controlnet" : str("controlnet_", k));
    own.observer = observer.get();
  }
  const auto part = [&](const Tensor& t) {
    return first_row > 0 && t ? t.rows(first_row, t.dim(0) - first_row) : t;
  };
  Conditioning conditioning = in.conditioning;
  conditioning.context = part(conditioning.context);
  conditioning.pooled = part(conditioning.pooled);
  conditioning.ids = part(conditioning.ids);
  return (*c.model->net)(own, in.x, {&in.level.timestep, 1}, conditioning, c.hint_features);
}

/// Every cell the mean of its row's cells: such a control says what is in a picture, not where.
Tensor pooled(Ctx& ctx, const Tensor& x) {
  const int64_t cells = x.dim(1) * x.dim(2), channels = x.dim(3);
  std::vector<float> values = ops::download(ctx, x);
  std::vector<double> sums(static_cast<size_t>(channels));
  for (float* row = values.data(); row < values.data() + values.size(); row += cells * channels) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t i = 0; i < cells * channels; ++i) sums[size_t(i % channels)] += double(row[i]);
    for (int64_t i = 0; i < cells * channels; ++i) {
      row[i] = float(sums[size_t(i % channels)] / double(cells));
    }
  }
  return ops::upload(ctx, values.data(), x.shape(), x.dtype());
}

/// Without waiting for it: `n_sums` is how many there will be until settle_tallies().
void add_energy(Ctx& ctx, const Tensor& added, double factor, int64_t n_sums, ControlTally& tally) {
  if (!tally.pending) tally.pending = ctx.pool.make({n_sums}, DType::kF64);
  DEDIT_ASSERT(int64_t(tally.pending_factors.size()) < tally.pending.dim(0));
  Tensor sum = tally.pending.rows(int64_t(tally.pending_factors.size()), 1);
  ops::sum_of_squares(ctx, added, sum);
  tally.pending_factors.push_back(factor * factor);
  tally.n_values += double(added.numel());
}

void count_call(int call, ControlTally& tally) {
  if (call + 1 < tally.last_call) tally.n_calls = 0;  // the next picture's first
  if (tally.n_calls++ == 0) tally.first_call = call + 1;
  tally.last_call = call + 1;
}

}  // namespace

std::vector<double> layer_weights(ControlMode mode, int n) {
  std::vector<double> weights;
  for (int i = 0; i < n; ++i) {
    switch (mode) {
      case ControlMode::kBalanced:
      case ControlMode::kUnbalanced:
        return {};
      case ControlMode::kPrompt:
      case ControlMode::kControl:
        weights.push_back(std::pow(0.825, n - 1 - i));  // Zhang et al. 2023's guess mode
        break;
      case ControlMode::kGuess:
        weights.push_back(n == 1 ? 1.0 : std::pow(10.0, double(i - n + 1) / (n - 1)));
        break;
    }
  }
  return weights;
}

double curve_at(std::span<const CurvePoint> curve, double place) {
  if (curve.empty()) return 1;
  if (place <= curve.front().place) return curve.front().factor;
  for (size_t i = 1; i < curve.size(); ++i) {
    const CurvePoint &a = curve[i - 1], &b = curve[i];
    if (place > b.place) continue;
    return a.factor + (b.factor - a.factor) * (place - a.place) / (b.place - a.place);
  }
  return curve.back().factor;
}

double strength_at(const ActiveControl& c, const EditPlan& plan, int i, const NoiseLevel& level) {
  const int n = plan.n_calls;
  const double begin = double(i) / n;
  bool is_inside = !(begin < c.start || double(i + 1) / n > c.end);
  if (plan.compat == Compat::kWebui) is_inside = c.start <= begin && begin <= c.end;
  if (plan.compat == Compat::kComfy) {
    const double last = plan.solver_options.config.num_train_timesteps - 1;
    is_inside = level.timestep <= (1 - c.start) * last && level.timestep >= (1 - c.end) * last;
  }
  if (!is_inside) return 0;
  return c.scale * curve_at(c.curve, n > 1 ? double(i) / (n - 1) : 0);
}

std::vector<ActiveControl> load_controls(Ctx& ctx, Model::Impl& model, const EditPlan& plan,
                                         const EditRequest& r, EditReport& report) {
  std::vector<ActiveControl> active;
  for (const ControlUnit& unit : r.controls) {
    const PlacedControl placed =
        place_control(r, unit, plan.geometry, {plan.width, plan.height}, model.latent.factor);
    report.controls.push_back({.geometry = placed.geometry});
    ActiveControl c{
        .model = model.control(unit.model, unit.annotator),
        .scale = unit.scale,
        .start = unit.start,
        .end = unit.end,
        .curve = unit.curve,
        .skips_negative = unit.mode != ControlMode::kBalanced && unit.mode != ControlMode::kPrompt};
    c.skips_negative |= c.model->pools_residuals;  // as diffusers
    c.layers = unit_layers(unit, *c.model);
    if (placed.mask8) {
      c.masks = unit_masks(plan, model, *placed.mask8);
      if (is_black(*placed.mask8)) {
        c.scale = 0;
        report.warnings.push_back(
            str("the mask of control ", active.size() + 1, " is all black: it does nothing"));
      }
    }
    c.hint_features = embed_hint(ctx, *c.model, plan, placed.hint);
    active.push_back(std::move(c));
  }
  return active;
}

ControlResiduals sum_controls(Ctx& ctx, std::span<const ActiveControl> controls,
                              const ControlCall& in) {
  std::vector<double> strengths;
  for (const ActiveControl& c : controls) {
    strengths.push_back(strength_at(c, in.plan, in.call, in.level));
  }
  const CellWeights weights(controls, std::move(strengths), in.plan.normalizes_controls);
  ControlResiduals sum;
  for (size_t k = 0; k < controls.size(); ++k) {
    const ActiveControl& c = controls[k];
    if (weights.strength(k) == 0) continue;
    const int64_t first_row = c.skips_negative ? in.n_negative : 0;
    ControlResiduals own = run_control(ctx, c, in, k, first_row);
    ControlTally* tally = in.tallies ? &(*in.tallies)[k] : nullptr;
    if (tally) count_call(in.call, *tally);
    const std::vector<std::string> blocks = block_names(*c.model->net);
    for (size_t i = 0; i < blocks.size(); ++i) {
      Tensor& r = own.by_block.at(blocks[i]);
      const double factor = weights.of(k) * (c.layers.empty() ? 1 : c.layers[i]);
      if (c.model->pools_residuals) r = pooled(ctx, r);
      if (const Tensor cells = weights.by_cell(ctx, k, r.dim(1), r.dim(2))) {
        r = ops::blend(ctx, cells, r, zeros_like(ctx, r));
      }
      if (tally && in.plan.measures_controls) {
        add_energy(ctx, r, factor, int64_t(blocks.size()) * in.plan.n_calls, *tally);
      }
      if (first_row > 0) {
        r = ops::stack_rows(ctx, std::vector<Tensor>{zeros_like(ctx, r.rows(0, first_row)), r});
      }
      accumulate(ctx, blocks[i], r, factor, sum);
    }
  }
  return sum;
}

void settle_tallies(Ctx& ctx, std::span<ControlTally> tallies) {
  for (ControlTally& tally : tallies) {
    if (tally.pending_factors.empty()) continue;
    const auto n = int64_t(tally.pending_factors.size());
    const std::vector<float> sums = ops::download(ctx, tally.pending.rows(0, n));
    for (size_t i = 0; i < sums.size(); ++i) {
      tally.squares += double(sums[i]) * tally.pending_factors[i];
    }
    tally.pending_factors.clear();
  }
}

void add_tallies(std::span<const ControlTally> tallies, EditReport& report) {
  for (size_t k = 0; k < tallies.size(); ++k) {
    const ControlTally& t = tallies[k];
    ControlReport& control = report.controls[k];
    control.n_calls = t.n_calls;
    control.first_call = t.first_call;
    control.last_call = t.last_call;
    control.energy = t.n_values > 0 ? std::sqrt(t.squares / t.n_values) : 0;
  }
}

}  // namespace dedit
