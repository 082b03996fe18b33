// Guidance: the branches' raw predictions to one.
#pragma once

#include <vector>

#include "nn/ops.h"

namespace dedit {

/// Classifier-free guidance of one run.
struct Guidance {
  double scale = 7.5;
  /// Replaces `scale`: values at equal distances from the first step to the last, straight lines
  /// between them.
  std::vector<double> schedule;
  double rescale = 0;                 ///< 0 to 1, see combine_branches
  std::vector<double> weights = {1};  ///< of the prompt's parts
  double pag = 0;                     ///< perturbed-attention guidance
  double pag_adaptive = 0;            ///< taken off it for every timestep below 1000

  /// At a step of `steps`, 1-based.
  double at(int step, int steps) const;
  /// Whether the step needs the negative branch: a scale over 1, or a composition.
  bool is_guided(int step, int steps) const;
  /// Perturbed-attention guidance at a timestep, at least 0.
  double pag_at(double timestep) const;
};

/// What one step takes from the branches.
struct StepGuidance {
  bool has_negative = true;
  double scale = 1;  ///< of guidance, where there is a negative branch
  double pag = 0;    ///< over 0: there is a perturbed branch for each part
};

/// raw [branches * B, h, w, C], branches [negative, part ..., perturbed part ...] -> f32
/// [B, h, w, C]: u + sum of scale * w_i * (c_i - u) + pag * w_i * (c_i - p_i), with c_1 for u where
/// there is no negative branch. Ahn et al. 2024 (arXiv:2403.17377); Ho & Salimans 2022
/// (arXiv:2207.12598); Liu et al. 2022 (arXiv:2206.01714). With `rescale`, each picture's deviation
/// is drawn by that share towards the conditional prediction's (not without a negative branch), Lin
/// et al. 2023 (arXiv:2305.08891), equation 16; a composition's is the mean of its parts' by
/// |weight|.
Tensor combine_branches(Ctx& ctx, const Tensor& raw, const StepGuidance& step,
                        const Guidance& guidance);

}  // namespace dedit
