// Levels of a flow x = (1 - sigma) x0 + sigma noise: Esser et al. 2024 (arXiv:2403.03206),
// section 5.3.2.
#pragma once

#include <optional>
#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

inline constexpr Param kFlowParams[] = {
    {.name = "shift",
     .value = 1,
     .min = 0.001,
     .max = 1000,
     .help = "moves the steps towards noise, for larger pictures"},
};

/// The shift of sigmas under use_dynamic_shifting: e^mu, or mu itself where time_shift_type is
/// linear. mu is given, or follows from image_seq_len, the number of the network's tokens, between
/// the config's two lengths (section 5.3.2, as Flux's pipelines do). None without use_dynamic_
/// shifting or mu. Throws Error(kUsage) for a mu that leaves no shift.
std::optional<double> dynamic_shift(const SchedulerConfig&);
/// Throws Error(kUsage) where use_dynamic_shifting lacks its mu, for classes that insist on one.
void require_mu(const Scheduler&, const SchedulerConfig&);

/// Sigmas stretched so that they end at the config's shift_terminal, where it has one.
void stretch_to_terminal(const SchedulerConfig&, std::vector<double>& sigmas);

/// One per nominal step. As the reference, the shift acts twice on the last sigma: its table of
/// training sigmas is shifted, and so are the N picked from it.
std::vector<NoiseLevel> flow_levels(const Scheduler&, const SolverOptions&);

}  // namespace dedit
