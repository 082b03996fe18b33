// A random product with its exact result, in double precision and by the definition.
#pragma once

#include <cmath>
#include <optional>
#include <string>

#include "cuda/product.h"
#include "kernel_test.h"

namespace dedit::cuda {

enum class Residual { kNone, kOwn, kInPlace };

struct ProductCase {
  int64_t batch = 1, height = 1, width = 1, channels = 8, channels2 = 0, out = 8;
  int kernel = 1, stride = 1, pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool upsample2x = false;
  bool bias = false;
  int row_biases = 0;  // 1: one row for all images, 2: one an image
  Activation activation = Activation::kNone;
  Residual residual = Residual::kNone;
  bool geglu = false;

  static ProductCase linear(int64_t tokens, int64_t in, int64_t out) {
    ProductCase c;
    c.width = tokens;
    c.channels = in;
    c.out = out;
    return c;
  }
  static ProductCase conv(int64_t height, int64_t width, int64_t in, int64_t out, int kernel = 3) {
    ProductCase c;
    c.height = height;
    c.width = width;
    c.channels = in;
    c.out = out;
    c.kernel = kernel;
    c.pad_top = c.pad_left = c.pad_bottom = c.pad_right = kernel / 2;
    return c;
  }
};

class ProductTest : public KernelTest {
 protected:
  /// Calls product(args) and compares y with the definition. `product` may run any kernel.
  template <class Product>
  void check(const ProductCase& c, const Product& product) {
    ProductArgs args = arguments(c);
    const int64_t pixels = args.out_height * args.out_width;
    const int64_t channels = c.channels + c.channels2, taps = int64_t(c.kernel) * c.kernel;
    Array x = random_array(GetParam(), c.batch * c.height * c.width * c.channels);
    Array x2 = random_array(GetParam(), c.batch * c.height * c.width * c.channels2);
    Array weights = random_array(GetParam(), c.out * taps * channels);
    Array bias = random_array(Type::kF32, c.out, 0, 3);
    Array row_bias = random_array(Type::kF32, c.batch * c.out, 0, 3);
    const int64_t columns = c.geglu ? c.out / 2 : c.out;
    Array residual = random_array(GetParam(), c.batch * pixels * columns, 0, 3);
    Array y =
        c.residual == Residual::kInPlace ? residual : Array(GetParam(), c.batch * pixels * columns);
    run(y, [&] {
      args.x = x.data();
      args.x2 = c.channels2 > 0 ? x2.data() : nullptr;
      args.weights = weights.data();
      args.bias = c.bias ? static_cast<const float*>(bias.data()) : nullptr;
      args.row_bias = c.row_biases > 0 ? static_cast<const float*>(row_bias.data()) : nullptr;
      args.row_bias_step = c.row_biases == 2 ? c.out : 0;
      args.y = y.data();
      args.residual = c.residual == Residual::kNone  ? nullptr
                      : c.residual == Residual::kOwn ? residual.data()
                                                     : args.y;
      product(args);
    });
    if (c.residual == Residual::kNone) residual = Array(GetParam(), 0);
    compare(c, args, {x, x2, weights, bias, row_bias, residual}, y);
  }

 private:
  struct Inputs {
    const Array &x, &x2, &weights, &bias, &row_bias, &residual;
  };
  // A sum before the activation, and what bounds its rounding: the sum of the terms' sizes.
  struct Sum {
    double value = 0, size = 0;
    void add(double term) {
      value += term;
      size += std::abs(term);
    }
  };

  ProductArgs arguments(const ProductCase& c) {
    ProductArgs a;
    a.batch = c.batch;
    a.height = c.height;
    a.width = c.width;
    a.channels = c.channels;
    a.channels2 = c.channels2;
    a.upsample2x = c.upsample2x;
    a.kernel = c.kernel;
    a.stride = c.stride;
    a.pad_top = c.pad_top;
    a.pad_left = c.pad_left;
    const int64_t enlarged = c.upsample2x ? 2 : 1;
    a.out_height = (c.height * enlarged + c.pad_top + c.pad_bottom - c.kernel) / c.stride + 1;
    a.out_width = (c.width * enlarged + c.pad_left + c.pad_right - c.kernel) / c.stride + 1;
    a.out = c.out;
    a.activation = c.activation;
    a.geglu = c.geglu;
    a.type = GetParam();
    return a;
  }

  static double exact_activation(double x, Activation activation) {
    switch (activation) {
      case Activation::kNone:
        return x;
      case Activation::kSilu:
        return x / (1 + std::exp(-x));
      case Activation::kGelu:
        return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
      case Activation::kQuickGelu:
        return x / (1 + std::exp(-1.702 * x));
    }
    return x;
  }

  static Sum exact_sum(const ProductCase& c, const Inputs& in, int64_t image, int64_t row,
                       int64_t column, int64_t out) {
    Sum sum;
    const int64_t channels = c.channels + c.channels2, enlarged = c.upsample2x ? 2 : 1;
    for (int64_t tap = 0; tap < int64_t(c.kernel) * c.kernel; ++tap) {
      const int64_t y = row * c.stride - c.pad_top + tap / c.kernel;
      const int64_t x = column * c.stride - c.pad_left + tap % c.kernel;
      if (y < 0 || y >= c.height * enlarged || x < 0 || x >= c.width * enlarged) continue;
      const int64_t pixel = (image * c.height + y / enlarged) * c.width + x / enlarged;
      for (int64_t i = 0; i < channels; ++i) {
        const bool first = i < c.channels;
        const double left = first ? in.x[size_t(pixel * c.channels + i)]
                                  : in.x2[size_t(pixel * c.channels2 + i - c.channels)];
        sum.add(left * in.weights[size_t((out * c.kernel * c.kernel + tap) * channels + i)]);
      }
    }
    if (c.bias) sum.add(in.bias[size_t(out)]);
    if (c.row_biases > 0)
      sum.add(in.row_bias[size_t(c.row_biases == 2 ? image * c.out + out : out)]);
    return sum;
  }

  // Sums of n terms in any order, each step rounded or truncated to f32: n 2^-23 times their size.
  // An activation's slope is at most 1.13; 2^-20 is for its own functions.
  void compare(const ProductCase& c, const ProductArgs& args, const Inputs& in, const Array& y) {
    const int64_t columns = c.geglu ? c.out / 2 : c.out;
    const double terms = double(c.kernel * c.kernel * (c.channels + c.channels2) + 3);
    const double rounding = 0x1p-23 * terms;
    int wrong = 0;
    for (int64_t m = 0; m < c.batch * args.out_height * args.out_width; ++m) {
      const int64_t row = m / args.out_width, image = row / args.out_height;
      for (int64_t n = 0; n < columns && wrong < 5; ++n) {
        const auto sum_of = [&](int64_t out) {
          return exact_sum(c, in, image, row % args.out_height, m % args.out_width, out);
        };
        const Sum sum = sum_of(n);
        double exact = exact_activation(sum.value, c.activation);
        double error = 1.13 * rounding * sum.size + 0x1p-20 * std::abs(exact);
        if (c.geglu) {
          const Sum gate = sum_of(n + columns);
          const double factor = exact_activation(gate.value, Activation::kGelu);
          exact = sum.value * factor;
          error = rounding * sum.size * std::abs(factor) +
                  (1.13 * rounding * gate.size + 0x1p-20 * std::abs(gate.value)) *
                      (std::abs(sum.value) + rounding * sum.size);
        }
        const size_t at = size_t(m * columns + n);
        if (in.residual.size() > 0) exact += in.residual[at];
        error += (std::abs(exact) + error) * (epsilon(GetParam()) / 2 + 0x1p-23);
        const bool close = std::abs(y[at] - exact) <= error + 0x1p-24;  // f16 below its normals
        EXPECT_TRUE(close) << "row " << m << " column " << n << ": " << y[at] << ", exactly "
                           << exact << " within " << error;
        wrong += !close;
      }
    }
  }
};

}  // namespace dedit::cuda
