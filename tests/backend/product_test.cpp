// Convolutions and linear layers of the backends.
#include <functional>

#include "op_test.h"

#include "dedit/error.h"

namespace dedit {
namespace {

struct ConvCase {
  int64_t batch, height, width, in, out;
  Conv2dParams params;
  int row_bias = 0;  // rows
  bool residual = false;
  Act act = Act::kNone;
};

std::ostream& operator<<(std::ostream& s, const ConvCase& c) {
  return s << c.batch << "x" << c.height << "x" << c.width << "x" << c.in << " -> " << c.out
           << ", kernel " << c.params.kernel << ", stride " << c.params.stride << ", act "
           << int(c.act);
}

constexpr Conv2dParams kThree{};
constexpr Conv2dParams kOne{.kernel = 1, .stride = 1, .pad = {0, 0, 0, 0}};
constexpr Conv2dParams kDown{.kernel = 3, .stride = 2, .pad = {1, 1, 1, 1}};
constexpr Conv2dParams kVaeDown{.kernel = 3, .stride = 2, .pad = {0, 0, 1, 1}};

const ConvCase kConvCases[] = {
    {2, 8, 8, 32, 64, kThree},
    {1, 1, 1, 16, 8, kThree, 1, true},
    {1, 9, 11, 4, 20, kThree, 0, false, Act::kSilu},
    {1, 7, 5, 3, 16, kThree, 1},
    {2, 5, 6, 36, 5, kThree, 2, true},
    {1, 8, 6, 5, 36, kThree, 1, true, Act::kGelu},
    {3, 6, 6, 7, 3, kThree, 3, true, Act::kQuickGelu},
    {1, 1, 13, 17, 19, kThree},
    {2, 9, 7, 16, 24, kDown, 2},
    {1, 8, 8, 16, 16, kVaeDown, 0, true},
    {1, 9, 5, 12, 20, kVaeDown},
    {2, 6, 5, 24, 40, kOne, 2, true, Act::kSilu},
    {1, 4, 4, 8, 8, {.kernel = 1, .stride = 2, .pad = {0, 0, 0, 0}}},
    {1, 40, 33, 20, 12, kThree, 1, true},
    {2, 4, 4, 16, 1280, kThree, 2, true},
    {1, 16, 16, 640, 64, kThree, 1},
    {1, 7, 6, 20, 40, kThree, 1, true, Act::kSilu},
    {2, 17, 5, 70, 100, kThree, 2},
    {1, 3, 30, 530, 33, kThree, 0, true},
    {1, 33, 35, 16, 600, kThree},
    {2, 63, 65, 18, 65, kThree, 2, true},  // enough tiles to be taken one block after the other
    {1, 5, 5, 6, 10, {.kernel = 5, .stride = 1, .pad = {2, 2, 2, 2}}},
};

class ConvTest : public OpTest {
 protected:
  Weights3 pack(const std::vector<float>& w, const std::vector<float>& b, const ConvCase& c) {
    std::vector<float> wm(w), bm(b);
    for (float& v : wm) v = std::abs(v);
    for (float& v : bm) v = std::abs(v);
    const Shape shape{c.out, c.in, c.params.kernel, c.params.kernel};
    const WeightView weight = owning_view(w, shape), bias = owning_view(b, {c.out});
    return {
        own().pack_conv2d(weight, bias, c.params, dtype()),
        ref->pack_conv2d(weight, bias, c.params, DType::kF64),
        ref->pack_conv2d(owning_view(wm, shape), owning_view(bm, {c.out}), c.params, DType::kF64)};
  }
  Shape output_shape(const ConvCase& c) const {
    const auto size = [&](int64_t n, int before, int after) {
      return (n + before + after - c.params.kernel) / c.params.stride + 1;
    };
    const Conv2dParams::Pad& p = c.params.pad;
    return {c.batch, size(c.height, p.top, p.bottom), size(c.width, p.left, p.right), c.out};
  }
};

TEST_P(ConvTest, MatchesReferenceForAnyThreads) {
  for (const ConvCase& c : kConvCases) {
    SCOPED_TRACE(::testing::Message() << c);
    const int64_t k2 = c.params.kernel * c.params.kernel, terms = c.in * k2;
    if (takes_long(double(output_shape(c).numel() * terms))) continue;
    const auto weight = random(c.out * c.in * k2, dtype(), 0.1f, 1.0f / std::sqrt(float(terms)));
    const Weights3 w = pack(weight, random(c.out, DType::kF32), c);
    const Values x = random_values({c.batch, c.height, c.width, c.in}, dtype(), 0.2f);
    const Shape shape = output_shape(c);
    const Values residual = random_values(shape, dtype());
    const Values row_bias = random_values({std::max(c.row_bias, 1), c.out}, DType::kF32);
    const Values y = outputs(shape, dtype());
    const auto run = [&](Backend& backend, const PackedWeight& pw, Tensor Values::*side, Act act) {
      Tensor out = y.*side;
      Epilogue e{.act = act};
      if (c.row_bias) e.row_bias = &(row_bias.*side);
      if (c.residual) e.residual = &(residual.*side);
      backend.conv2d({.x = &(x.*side)}, pw, c.params, e, out);
    };
    run(*ref, *w.ref, &Values::ref, c.act);
    run(*ref, *w.mag, &Values::mag, Act::kNone);  // every activation's slope is below 1.2
    expect_same_for_any_threads(y.own, [&] { run(own(), *w.own, &Values::own, c.act); });
    EXPECT_CLOSE(floats(y.own), doubles(y.ref), doubles(y.mag), double(terms + 3), dtype());
  }
}

TEST_P(ConvTest, ResidualMayBeTheOutput) {
  const ConvCase c{1, 6, 7, 16, 80, kThree};
  const Weights3 w = pack(random(c.out * c.in * 9, dtype()), random(c.out, DType::kF32), c);
  const Values x = random_values({1, 6, 7, 16}, dtype());
  const Values residual = random_values({1, 6, 7, 80}, dtype());
  Tensor apart = own_pool().make({1, 6, 7, 80}, dtype());
  own().conv2d({.x = &x.own}, *w.own, c.params, {.residual = &residual.own}, apart);
  Tensor in_place = residual.own;
  own().conv2d({.x = &x.own}, *w.own, c.params, {.residual = &in_place}, in_place);
  EXPECT_TRUE(bytes(apart) == bytes(in_place));
}

/// What holds on CPUs: a GPU divides sums as the whole shape asks.
class CpuConvTest : public ConvTest {};

TEST_P(CpuConvTest, AnImageInABatchIsTheImageAloneToTheBit) {
  for (const Conv2dParams& params : {kThree, kOne, kDown}) {
    const ConvCase c{3, 10, 8, 32, 640, params};
    const int64_t k2 = params.kernel * params.kernel;
    const Weights3 w = pack(random(c.out * c.in * k2, dtype()), random(c.out, DType::kF32), c);
    const Values x = random_values({3, 10, 8, 32}, dtype());
    Shape shape = output_shape(c);
    Tensor batch = own_pool().make(shape, dtype());
    own().conv2d({.x = &x.own}, *w.own, params, {}, batch);
    shape.set(0, 1);
    for (int64_t b = 0; b < 3; ++b) {
      const Tensor image = x.own.rows(b, 1);
      Tensor y = own_pool().make(shape, dtype());
      own().conv2d({.x = &image}, *w.own, params, {}, y);
      EXPECT_TRUE(bytes(y) == bytes(batch.rows(b, 1))) << b;
    }
  }
}

TEST_P(CpuConvTest, RefusesFusionsItDoesNotClaim) {
  for (const int64_t out : {4, 64}) {
    const ConvCase c{1, 2, 2, 32, out, kThree};
    const Weights3 w = pack(random(c.out * c.in * 9, dtype()), random(c.out, DType::kF32), c);
    const Values x = random_values({1, 2, 2, 16}, dtype());
    Tensor y = own_pool().make({1, 2, 2, out}, dtype());
    ASSERT_FALSE(own().fuses(Fusion::kConvConcat, *w.own));
    EXPECT_THROW(own().conv2d({.x = &x.own, .concat = &x.own}, *w.own, c.params, {}, y), Error);
  }
}

// A norm and an enlargement inside the convolution against the same as ops of their own: the
// normalised input is not rounded to bf16 between them, so both are held against the reference.
TEST_P(CpuConvTest, FusedInputsMatchReferenceForAnyThreads) {
  for (const ConvCase& c : {ConvCase{2, 7, 9, 32, 40, kThree}, ConvCase{1, 92, 92, 16, 33, kThree},
                            ConvCase{2, 3, 5, 1030, 70, kThree}}) {
    for (const bool doubled : {false, true}) {
      if (doubled && c.height > 50) continue;  // as the others, but slow in double
      SCOPED_TRACE(::testing::Message() << c << (doubled ? " doubled" : ""));
      const auto weight = random(c.out * c.in * 9, dtype(), 0.1f, 1 / std::sqrt(9 * float(c.in)));
      const Weights3 w = pack(weight, random(c.out, DType::kF32), c);
      ASSERT_EQ(own().fuses(Fusion::kConvNorm, *w.own), !leaves_to_onednn());
      ASSERT_EQ(own().fuses(Fusion::kConvUpsample, *w.own), !leaves_to_onednn());
      if (leaves_to_onednn()) continue;  // src/nn/ops.cpp composes plain ops there
      const Values x = random_values({c.batch, c.height, c.width, c.in}, dtype(), 0.5f, 3);
      const Values gamma = random_values({c.in}, DType::kF32, 1);
      const Values beta = random_values({c.in}, DType::kF32);
      const int scale = doubled ? 2 : 1, groups = c.in % 8 == 0 ? 8 : 2;
      const Values y = outputs({c.batch, scale * c.height, scale * c.width, c.out}, dtype());
      const InputNorm of_ref{&gamma.ref, &beta.ref, groups}, of_own{&gamma.own, &beta.own, groups};
      Tensor normed = ref_pool.make(x.ref.shape(), DType::kF64);
      ref->group_norm(x.ref, of_ref, normed);
      Tensor input = ref_pool.make({c.batch, y.ref.dim(1), y.ref.dim(2), c.in}, DType::kF64);
      ref->upsample_nearest(normed, input);
      Tensor ref_y = y.ref, mag_y = y.mag, own_y = y.own;
      ref->conv2d({.x = &input}, *w.ref, c.params, {}, ref_y);
      for (int64_t i = 0; i < input.numel(); ++i) {
        input.data<double>()[i] = std::abs(input.data<double>()[i]);
      }
      ref->conv2d({.x = &input}, *w.mag, c.params, {}, mag_y);
      expect_same_for_any_threads(own_y, [&] {
        own().conv2d({.x = &x.own, .norm = &of_own, .upsample2x = doubled}, *w.own, c.params, {},
                     own_y);
      });
      // The norm's own roundings enter as one more in each of the terms.
      EXPECT_CLOSE(floats(own_y), doubles(ref_y), doubles(mag_y), double(9 * c.in + 12), dtype());
    }
  }
}

// Winograd's transforms make errors larger than those of a plain sum. The bound is that of exact
// precision: 2e-5 of the largest output, for any size of picture and any share of outliers.
TEST(Winograd, StaysWithinTwoInAHundredThousandOfTheLargestOutput) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  for (const kernels::IsaLevel level : levels_of_this_cpu()) {
    for (const int64_t in : {32, 320, 1280}) {
      cpu::CpuBackend cpu(level);
      const auto ref = make_reference_backend();
      Pool cpu_pool(cpu.memory()), ref_pool(ref->memory());
      const Shape shape{1, 11, 13, in}, out_shape{1, 11, 13, 64};
      std::vector<float> x(size_t(shape.numel())), weight(size_t(64 * in * 9)), bias(64);
      for (float& v : x) v = normal(engine) * (engine() % 64 == 0 ? 30.0f : 1.0f);
      for (float& v : weight) v = 0.02f + normal(engine) / std::sqrt(9 * float(in));
      const WeightView w = owning_view(weight, {64, in, 3, 3}), b = owning_view(bias, {64});
      Tensor cx = cpu_pool.make(shape, DType::kF32), rx = ref_pool.make(shape, DType::kF64);
      Tensor cy = cpu_pool.make(out_shape, DType::kF32), ry = ref_pool.make(out_shape, DType::kF64);
      cpu.upload(x.data(), cx);
      ref->upload(x.data(), rx);
      const auto packed = cpu.pack_conv2d(w, b, {}, DType::kF32);
      ASSERT_NE(dynamic_cast<const cpu::Winograd::Weight*>(packed.get()), nullptr);
      cpu.conv2d({.x = &cx}, *packed, {}, {}, cy);
      ref->conv2d({.x = &rx}, *ref->pack_conv2d(w, b, {}, DType::kF64), {}, {}, ry);
      double largest = 0, error = 0;
      for (int64_t i = 0; i < ry.numel(); ++i) {
        largest = std::max(largest, std::abs(ry.data<double>()[i]));
        error = std::max(error, std::abs(double(cy.data<float>()[i]) - ry.data<double>()[i]));
      }
      EXPECT_LT(error, 2e-5 * largest) << kernels::name_of(level) << ", " << in << " channels";
    }
  }
}

DEDIT_OP_TEST(ConvTest);
DEDIT_CPU_OP_TEST(CpuConvTest);

/// The fusions of the GPU's products.
class GpuConvTest : public ConvTest {};

TEST_P(GpuConvTest, ConcatAndEnlargementInsideMatchThoseApart) {
  for (const ConvCase& c : {ConvCase{2, 5, 7, 32, 24, kThree}, ConvCase{1, 3, 4, 21, 9, kThree},
                            ConvCase{2, 4, 4, 48, 40, kOne}}) {
    for (const bool is_doubled : {false, true}) {
      if (is_doubled && c.params.kernel == 1) continue;
      SCOPED_TRACE(::testing::Message() << c << (is_doubled ? " doubled" : ""));
      const int64_t k2 = c.params.kernel * c.params.kernel, scale = is_doubled ? 2 : 1;
      const int64_t first = c.in / 3, second = c.in - first;  // channels
      const Weights3 w = pack(random(c.out * c.in * k2, dtype(), 0.1f, 1 / std::sqrt(float(c.in))),
                              random(c.out, DType::kF32), c);
      ASSERT_TRUE(own().fuses(Fusion::kConvConcat, *w.own));
      ASSERT_TRUE(own().fuses(Fusion::kConvUpsample, *w.own));
      const Values a = random_values({c.batch, c.height, c.width, first}, dtype());
      const Values b = random_values({c.batch, c.height, c.width, second}, dtype());
      const Values y = outputs({c.batch, scale * c.height, scale * c.width, c.out}, dtype());
      const auto apart = [&](Tensor Values::*side, const PackedWeight& packed) {
        Tensor joined = ref_pool.make({c.batch, c.height, c.width, c.in}, DType::kF64);
        ref->concat(a.*side, b.*side, joined);
        Tensor input = ref_pool.make({c.batch, y.ref.dim(1), y.ref.dim(2), c.in}, DType::kF64);
        ref->upsample_nearest(joined, input);
        Tensor out = y.*side;
        ref->conv2d({.x = &input}, packed, c.params, {}, out);
      };
      apart(&Values::ref, *w.ref);
      apart(&Values::mag, *w.mag);
      Tensor own_y = y.own;
      expect_same_for_any_threads(own_y, [&] {
        own().conv2d({.x = &a.own, .concat = &b.own, .upsample2x = is_doubled}, *w.own, c.params,
                     {}, own_y);
      });
      EXPECT_CLOSE(floats(own_y), doubles(y.ref), doubles(y.mag), double(c.in * k2 + 3), dtype());
    }
  }
}

TEST_P(GpuConvTest, ANormInsideIsRefused) {
  const ConvCase c{1, 2, 2, 32, 8, kThree};
  const Weights3 w = pack(random(c.out * c.in * 9, dtype()), random(c.out, DType::kF32), c);
  const Values x = random_values({1, 2, 2, 32}, dtype());
  const Values gamma = random_values({32}, DType::kF32);
  const InputNorm norm{&gamma.own, &gamma.own, 8};
  Tensor y = own_pool().make({1, 2, 2, 8}, dtype());
  ASSERT_FALSE(own().fuses(Fusion::kConvNorm, *w.own));
  EXPECT_THROW(own().conv2d({.x = &x.own, .norm = &norm}, *w.own, c.params, {}, y), Error);
}

TEST_P(GpuConvTest, WeightsAreConvertedFromAnyStoredType) {
  const ConvCase c{1, 3, 3, 24, 20, kThree};
  for (const DType stored : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (stored == DType::kF16 && dtype() == DType::kBF16) continue;  // rounds
    std::vector<float> weight = random(c.out * c.in * 9, DType::kBF16);
    std::vector<uint16_t> small;
    for (float& v : weight) {
      v = rounded(v, stored);
      small.push_back(stored == DType::kF16 ? to_half(v).bits : to_bfloat16(v).bits);
    }
    const Shape shape{c.out, c.in, 3, 3};
    const WeightView view =
        stored == DType::kF32 ? owning_view(weight, shape) : owning_view(small, shape, stored);
    const Weights3 plain = pack(weight, std::vector<float>(size_t(c.out), 0.5f), c);
    const std::vector<float> bias(size_t(c.out), 0.5f);
    const auto packed = own().pack_conv2d(view, owning_view(bias, {c.out}), c.params, dtype());
    const Values x = random_values({1, 3, 3, 24}, dtype());
    Tensor y = own_pool().make({1, 3, 3, 20}, dtype()), z = own_pool().make({1, 3, 3, 20}, dtype());
    own().conv2d({.x = &x.own}, *plain.own, c.params, {}, y);
    own().conv2d({.x = &x.own}, *packed, c.params, {}, z);
    EXPECT_TRUE(bytes(y) == bytes(z)) << name_of(stored);
  }
}

DEDIT_GPU_OP_TEST(GpuConvTest);

struct LinearCase {
  Shape rows;  // of x, without its last dimension
  int64_t in;
  std::vector<int64_t> outs;  // stacked weights
  int row_bias = 0;
  bool residual = false;
  Act act = Act::kNone;
  bool bias = true;
};

const LinearCase kLinearCases[] = {
    {{2}, 320, {1280}, 0, false, Act::kSilu},
    {{1}, 5, {3}},
    {{1, 1}, 1, {1}, 1, true},
    {{2, 77}, 48, {64, 64, 64}, 0, false, Act::kNone, false},
    {{3, 50}, 33, {17, 5}, 3, true, Act::kQuickGelu},
    {{2, 129}, 64, {320}, 2, true, Act::kGelu},
    {{1, 300}, 40, {960}, 1},
    {{2, 7, 5}, 31, {100}, 1, true},
    {{1, 64}, 1280, {36}, 0, true},
    {{4, 3}, 16, {1000}, 4},
    {{2, 300}, 2600, {70}, 0, true},
    {{600}, 1290, {33, 40}, 0, true, Act::kSilu},
};

class LinearTest : public OpTest {
 protected:
  using Views = std::span<const WeightView>;
  using Pack = std::function<PackedWeightPtr(Views, Views, DType)>;
  using Linear = std::function<void(const Tensor&, const PackedWeight&, const Epilogue&, Tensor&)>;

  Weights3 pack(const LinearCase& c, DType stored = DType::kF32, const Pack& pack_own = {}) {
    Weights3 packed;
    std::vector<std::vector<float>> w, b, wm, bm;
    std::vector<WeightView> wv, bv, wmv, bmv;
    for (int64_t out : c.outs) {
      w.push_back(random(out * c.in, dtype(), 0.05f, 1.0f / std::sqrt(float(c.in))));
      b.push_back(random(out, DType::kF32));
    }
    for (size_t i = 0; i < w.size(); ++i) {
      WeightView view = owning_view(w[i], {c.outs[i], c.in});
      if (stored != DType::kF32) {
        std::vector<uint16_t> small;
        for (float& v : w[i]) {
          small.push_back(stored == DType::kF16 ? to_half(v).bits : to_bfloat16(v).bits);
          v = stored == DType::kF16 ? to_float(Half{small.back()})
                                    : to_float(BFloat16{small.back()});
        }
        view = owning_view(small, {c.outs[i], c.in}, stored);
      }
      wv.push_back(view);
      if (c.bias) bv.push_back(owning_view(b[i], {c.outs[i]}));
    }
    packed.own = pack_own ? pack_own(wv, bv, dtype()) : own().pack_linear(wv, bv, dtype());
    packed.ref = ref->pack_linear(wv, bv, DType::kF64);
    for (size_t i = 0; i < w.size(); ++i) {
      wm.push_back(w[i]);
      bm.push_back(b[i]);
      for (float& v : wm[i]) v = std::abs(v);
      for (float& v : bm[i]) v = std::abs(v);
      wmv.push_back({wm[i].data(), DType::kF32, {c.outs[i], c.in}});
      if (c.bias) bmv.push_back({bm[i].data(), DType::kF32, {c.outs[i]}});
    }
    packed.mag = ref->pack_linear(wmv, bmv, DType::kF64);
    return packed;
  }

  void expect_match(const LinearCase& c, const Weights3& w, DType x_type, DType y_type,
                    const Linear& linear_own = {}) {
    Shape xs = c.rows, ys = c.rows;
    xs.append(c.in);
    ys.append(w.own->out);
    const Values x = random_values(xs, x_type, 0.2f);
    const Values residual = random_values(ys, y_type);
    const Values row_bias = random_values({std::max(c.row_bias, 1), w.own->out}, DType::kF32);
    const Values y = outputs(ys, y_type);
    const auto run = [&](Backend& backend, const PackedWeight& pw, Tensor Values::*side, Act act) {
      Tensor out = y.*side;
      Epilogue e{.act = act};
      if (c.row_bias) e.row_bias = &(row_bias.*side);
      if (c.residual) e.residual = &(residual.*side);
      if (linear_own && &backend == &own()) return linear_own(x.*side, pw, e, out);
      backend.linear(x.*side, pw, e, out);
    };
    run(*ref, *w.ref, &Values::ref, c.act);
    run(*ref, *w.mag, &Values::mag, Act::kNone);
    expect_same_for_any_threads(y.own, [&] { run(own(), *w.own, &Values::own, c.act); });
    EXPECT_CLOSE(floats(y.own), doubles(y.ref), doubles(y.mag), double(c.in + 3), y_type);
  }
};

TEST_P(LinearTest, MatchesReferenceForAnyThreads) {
  for (const LinearCase& c : kLinearCases) {
    SCOPED_TRACE(::testing::Message() << c.rows.str() << " x " << c.in << " -> " << c.outs[0]);
    if (takes_long(double(c.rows.numel() * c.in * c.outs[0]) * double(c.outs.size()))) continue;
    expect_match(c, pack(c), dtype(), dtype());
  }
}

/// What holds on CPUs.
class CpuLinearTest : public LinearTest {};

// What AMX uses for bf16, at every level: oneDNN's products behind our epilogue.
TEST_P(CpuLinearTest, OneDnnProductsMatchReferenceForAnyThreads) {
  const kernels::IsaLevel level = *GetParam().level;
  cpu::Products products(kernels::kernel_table(level), cpu::has_bf16_products(level));
  for (const LinearCase& c : kLinearCases) {
    SCOPED_TRACE(::testing::Message() << c.rows.str() << " x " << c.in << " -> " << c.outs[0]);
    const Weights3 w = pack(c, DType::kF32, [&](auto weights, auto biases, DType compute) {
      return products.pack_linear(weights, biases, compute);
    });
    expect_match(c, w, dtype(), dtype(),
                 [&](const Tensor& x, const PackedWeight& packed, const Epilogue& e, Tensor& y) {
                   products.linear(x, packed, e, y);
                 });
  }
}

TEST_P(CpuLinearTest, ARowInABatchIsTheRowAloneToTheBit) {
  const LinearCase c{{3, 77}, 320, {320, 640}};
  const Weights3 w = pack(c);
  const Values x = random_values({3, 77, 320}, dtype());
  Tensor batch = own_pool().make({3, 77, 960}, dtype());
  own().linear(x.own, *w.own, {}, batch);
  for (int64_t b = 0; b < 3; ++b) {
    Tensor y = own_pool().make({1, 77, 960}, dtype());
    own().linear(x.own.rows(b, 1), *w.own, {}, y);
    EXPECT_TRUE(bytes(y) == bytes(batch.rows(b, 1))) << b;
  }
}

TEST_P(LinearTest, WeightsMayBeStoredInAnyType) {
  const LinearCase c{{2, 5}, 64, {128, 64}};
  for (DType stored : {DType::kF16, DType::kBF16}) {
    if (stored == DType::kF16 && dtype() == DType::kBF16) continue;  // f16 to bf16 rounds: below
    SCOPED_TRACE(name_of(stored));
    expect_match(c, pack(c, stored), dtype(), dtype());
  }
}

TEST_P(CpuLinearTest, HalfWeightsRoundAtMostToBf16) {
  const LinearCase c{{1, 2}, 8, {16}};
  const Weights3 w = pack(c, DType::kF16);
  const Values x = random_values({1, 2, 8}, DType::kBF16);
  const Values y = outputs({1, 2, 16}, DType::kF32);
  Tensor own_y = y.own, ref_y = y.ref, mag_y = y.mag;
  own().linear(x.own, *w.own, {}, own_y);
  ref->linear(x.ref, *w.ref, {}, ref_y);
  ref->linear(x.mag, *w.mag, {}, mag_y);
  const auto got = floats(own_y);
  const auto want = doubles(ref_y), mag = doubles(mag_y);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 0x1p-8 * mag[i]) << i;
}

TEST_P(CpuLinearTest, TypesOfInputAndOutputMayDifferFromTheWeights) {
  const LinearCase c{{2, 3}, 64, {128}, 2, true, Act::kSilu};
  const Weights3 w = pack(c);
  // Rounding x to bf16 is part of the product where the weights are bf16, so x is bf16 exactly.
  expect_match(c, w, DType::kBF16, DType::kF32);
  expect_match(c, w, DType::kBF16, DType::kBF16);
}

TEST_P(LinearTest, SplitRowsAreTheStackedWeightsInOrder) {
  const std::vector<float> a{1, 2}, b{3, 4, 5, 6}, bias_b{100, 200};
  const WeightView weights[] = {owning_view(a, {1, 2}), owning_view(b, {2, 2})};
  const WeightView biases[] = {{}, owning_view(bias_b, {2})};
  const auto w = own().pack_linear(weights, biases, dtype());
  EXPECT_EQ(w->in, 2);
  EXPECT_EQ(w->out, 3);
  EXPECT_GT(w->bytes, 0u);
  const Values x = values({1, 10}, {1, 2}, dtype());
  Tensor y = own_pool().make({1, 3}, dtype());
  own().linear(x.own, *w, {}, y);
  EXPECT_EQ(floats(y), (std::vector<float>{21, rounded(143, dtype()), rounded(265, dtype())}));
}

TEST_P(LinearTest, StackedWeightsMayBeStoredInDifferentTypes) {
  const std::vector<float> a{1, 2};
  const std::vector<uint16_t> b{to_half(3.0f).bits, to_half(-4.0f).bits};
  const WeightView weights[] = {owning_view(a, {1, 2}), owning_view(b, {1, 2}, DType::kF16)};
  const auto w = own().pack_linear(weights, {}, dtype());
  const Values x = values({1, 10}, {1, 2}, dtype());
  Tensor y = own_pool().make({1, 2}, dtype());
  own().linear(x.own, *w, {}, y);
  EXPECT_EQ(floats(y), (std::vector<float>{21, -37}));
}

TEST_P(LinearTest, FusedGeGluMatchesReferenceForAnyThreads) {
  for (const LinearCase& c : {LinearCase{{2, 70}, 96, {2 * 100}}, LinearCase{{5}, 1300, {64}},
                              LinearCase{{3, 9}, 32, {2 * 1}}, LinearCase{{530}, 40, {2 * 64}}}) {
    SCOPED_TRACE(::testing::Message() << c.rows.str() << " x " << c.in << " -> " << c.outs[0]);
    const Weights3 w = pack(c);
    ASSERT_EQ(own().fuses(Fusion::kGeGlu, *w.own), !leaves_to_onednn());
    if (takes_long(double(c.rows.numel() * c.in * c.outs[0]))) continue;
    if (leaves_to_onednn()) continue;  // src/nn/ops.cpp composes plain ops there
    Shape xs = c.rows, both = c.rows, ys = c.rows;
    xs.append(c.in);
    both.append(c.outs[0]);
    ys.append(c.outs[0] / 2);
    const Values x = random_values(xs, dtype(), 0.2f), y = outputs(ys, dtype());
    Tensor product = ref_pool.make(both, DType::kF64), magnitude = ref_pool.make(both, DType::kF64);
    Tensor ref_y = y.ref, own_y = y.own;
    ref->linear(x.ref, *w.ref, {}, product);
    ref->linear(x.mag, *w.mag, {}, magnitude);
    ref->geglu(product, ref_y);
    // d(v gelu(g)): |gelu'| is below 1.13 and |gelu(g)| at most |g|.
    const int64_t n = c.outs[0] / 2;
    for (int64_t i = 0; i < ref_y.numel(); ++i) {
      const int64_t at = i / n * 2 * n + i % n;
      const double v = std::abs(product.data<double>()[at]);
      const double g = std::abs(product.data<double>()[at + n]);
      y.mag.data<double>()[i] =
          g * magnitude.data<double>()[at] + 1.13 * v * magnitude.data<double>()[at + n];
    }
    expect_same_for_any_threads(own_y,
                                [&] { own().linear(x.own, *w.own, {.act = Act::kGeGlu}, own_y); });
    EXPECT_CLOSE(floats(own_y), doubles(ref_y), doubles(y.mag), double(c.in + 8), dtype());
  }
}

TEST_P(LinearTest, ActivationComesBeforeTheResidual) {
  const std::vector<float> identity{1};
  const WeightView w = owning_view(identity, {1, 1});
  const auto packed = own().pack_linear({&w, 1}, {}, dtype());
  const Values x = values({-40, 2}, {2, 1}, dtype()), residual = values({3, 5}, {2, 1}, dtype());
  Tensor y = own_pool().make({2, 1}, dtype());
  own().linear(x.own, *packed, {.residual = &residual.own, .act = Act::kSilu}, y);
  EXPECT_EQ(floats(y)[0], 3.0f);
  EXPECT_NEAR(floats(y)[1], 5 + 2 / (1 + std::exp(-2.0)), 0.02);
}

DEDIT_OP_TEST(LinearTest);
DEDIT_CPU_OP_TEST(CpuLinearTest);

}  // namespace
}  // namespace dedit
