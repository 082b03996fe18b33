// What every scheduler's make() does with its options before it builds a table.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schedulers/scheduler.h"

namespace dedit {

/// Throws Error(kUsage) unless 1 <= steps <= the training steps, and for what the scheduler does
/// not know: a spread of sigmas, a list of timesteps or sigmas, a parameter.
void check_options(const Scheduler&, const SolverOptions&);

/// Throws Error(kUsage): the scheduler has no parameter `name`; the hint says which have.
[[noreturn]] void refuse_parameter(const Scheduler&, const std::string& name);

/// The option's spacing, else the checkpoint's, else the scheduler's own.
Spacing resolve_spacing(const Scheduler&, const SolverOptions&);

/// The option's spread of sigmas, else the checkpoint's; kDefault for schedulers without one.
Sigmas resolve_sigmas(const Scheduler&, const SolverOptions&);

/// A parameter's value: the option's, else the checkpoint's setting of that name, else its default.
/// Choices are indices; one that the checkpoint names and the scheduler lacks is the default.
/// Throws Error(kUsage) for a value outside the parameter's range.
double parameter(const Scheduler&, const SolverOptions&, std::string_view name);

/// A number or flag of the config's file; absent or false if it has none.
std::optional<double> number_setting(const SchedulerConfig&, std::string_view name);
bool flag_setting(const SchedulerConfig&, std::string_view name);

/// The training schedule; rescaled to zero terminal SNR only for schedulers that know it.
NoiseSchedule training_schedule(const Scheduler&, const SolverOptions&);

/// Whether the last steps lower their order.
bool lower_order_final(const SolverOptions&, bool own_rule);

}  // namespace dedit
