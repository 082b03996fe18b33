// Controls at work in one run: how strong each is at a network call, and what all of them add.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/mask_levels.h"
#include "pipeline/plan.h"

namespace dedit {

/// A control at work in one run.
struct ActiveControl {
  std::shared_ptr<const LoadedControl> model = nullptr;
  Tensor hint_features = {};  // [1, h, w, c0], once per run
  double scale = 1;
  double start = 0;
  double end = 1;
  std::vector<CurvePoint> curve = {};
  std::vector<double> layers = {};    ///< what each residual counts; empty: 1
  bool skips_negative = false;        ///< the negative branch gets none of it
  std::vector<MaskLevel> masks = {};  ///< empty: everywhere
};

/// What a control did so far.
struct ControlTally {
  int n_calls = 0, first_call = 0, last_call = 0;  ///< of the last picture; 1-based
  double squares = 0;                              ///< sum over all values that it added
  double n_values = 0;

  /// Sums of squares that the device has yet to hand over, and what each counts.
  Tensor pending = {};  // [n] f64
  std::vector<double> pending_factors = {};
};

using MakeObserver = std::function<std::unique_ptr<Observer>(const std::string&)>;

/// One network call.
struct ControlCall {
  const EditPlan& plan;
  int call = 0;  ///< of plan.n_calls, from 0
  const NoiseLevel& level;
  const Tensor& x;  // [1, h, w, C] as the network sees it, for all rows of the conditioning
  const Conditioning& conditioning;
  int64_t n_negative = 0;     ///< first rows that belong to the negative branch
  const MakeObserver& trace;  ///< see SamplerInput
  std::vector<ControlTally>* tallies = nullptr;
};

/// What each of the `n` residuals counts, from the shallowest to the middle block's; empty: all 1.
std::vector<double> layer_weights(ControlMode mode, int n);

/// The curve's factor at a place from 0 to 1; 1 without a curve.
double curve_at(std::span<const CurvePoint> curve, double place);

/// Scale times curve at call i of the plan's, at `level`; 0 outside its window (by the calls that
/// run, or for ComfyUI by the timestep).
double strength_at(const ActiveControl& control, const EditPlan& plan, int i,
                   const NoiseLevel& level);

/// Loads the request's controls, lays their maps and masks, and reports their geometries and
/// warnings. Throws Error(kModel), or Error(kUsage) for layer weights that do not fit.
std::vector<ActiveControl> load_controls(Ctx&, Model::Impl& model, const EditPlan& plan,
                                         const EditRequest& request, EditReport& report);

/// Sum of what the controls add; empty where none acts.
ControlResiduals sum_controls(Ctx&, std::span<const ActiveControl> controls,
                              const ControlCall& call);

/// Adds what is pending in them. To be called after each picture's calls.
void settle_tallies(Ctx&, std::span<ControlTally> tallies);

/// Into the report, which has an entry for each control.
void add_tallies(std::span<const ControlTally> tallies, EditReport& report);

}  // namespace dedit
