// EXPECT_CLOSE: computed tolerances instead of picked ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "core/dtype.h"
#include "core/str.h"

namespace dedit {

/// Largest relative error of rounding to a type.
inline double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 0x1p-24;
    case DType::kF16:
      return 0x1p-11;
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF64:
      return 0x1p-53;
  }
  return 0;
}

/// Whether each y is within 4 sqrt(K) u_acc mag + u_out |ref|: mag is the sum of the absolute
/// values of the K terms behind the result, summed in f32 (u_acc = 2^-24), and u_out the rounding
/// of the output type. A wrong or missing term fails; an output that is constant where the
/// reference is not fails too.
inline ::testing::AssertionResult close_to(std::span<const float> y, std::span<const double> ref,
                                           std::span<const double> mag, double terms, DType dtype) {
  if (y.size() != ref.size() || y.size() != mag.size()) {
    return ::testing::AssertionFailure() << str("sizes differ: y ", y.size(), ", reference ",
                                                ref.size(), ", magnitude ", mag.size());
  }
  size_t n_wrong = 0, worst = 0;
  double worst_ratio = -1;
  bool constant = true, ref_constant = true;
  const auto allowed = [&](size_t i) {
    const double subnormal = dtype == DType::kF16 ? 0x1p-25 : 0;  // half the least step of f16
    return 4 * std::sqrt(terms) * 0x1p-24 * mag[i] +
           std::max(unit_roundoff(dtype) * std::abs(ref[i]), subnormal);
  };
  for (size_t i = 0; i < y.size(); ++i) {
    constant = constant && y[i] == y[0];
    ref_constant = ref_constant && ref[i] == ref[0];
    const double error = std::abs(double(y[i]) - ref[i]);
    const double ratio = error == 0 ? 0 : error / allowed(i);
    if (ratio <= 1) continue;  // false for NaN too
    ++n_wrong;
    if (!(ratio <= worst_ratio)) {
      worst_ratio = ratio;
      worst = i;
    }
  }
  if (constant && !ref_constant) {
    return ::testing::AssertionFailure() << str("every output is ", y[0]);
  }
  if (n_wrong == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << str(n_wrong, " of ", y.size(), " differ too much; worst at ", worst, ": ", y[worst],
                " is not ", ref[worst], ", error ", std::abs(double(y[worst]) - ref[worst]),
                ", allowed ", allowed(worst), " (", worst_ratio, " times)");
}

}  // namespace dedit

/// y f32 values, ref and mag doubles of the same count, K the number of terms of a sum, dtype the
/// type y was rounded to.
#define EXPECT_CLOSE(y, ref, mag, K, dtype) EXPECT_TRUE(::dedit::close_to(y, ref, mag, K, dtype))
