#include <memory>

#include <gtest/gtest.h>

#include "nn/modules.h"
#include "support/reference_backend.h"

namespace dedit {
namespace {

constexpr int kWidth = 4, kTextWidth = 6;

/// Cross-attention of one head whose weights are all alike.
class TextProductsTest : public ::testing::Test {
 protected:
  TextProductsTest() : ctx{.backend = *backend, .pool = pool, .dtype = DType::kF64} {
    const auto add = [&](const std::string& name, int64_t out, int64_t in) {
      component.tensors[name] = {values.data(), DType::kF32, {out, in}};
    };
    add("to_q.weight", kWidth, kWidth);
    add("to_k.weight", kWidth, kTextWidth);
    add("to_v.weight", kWidth, kTextWidth);
    add("to_out.0.weight", kWidth, kWidth);
    component.tensors["to_out.0.bias"] = {values.data(), DType::kF32, {kWidth}};
    attention = std::make_unique<Attention>(
        Build{backend.get(), DType::kF64}, component.weights(),
        Attention::Options{.width = kWidth, .context_width = kTextWidth});
  }

  Tensor filled(const Shape& shape, float value) {
    const std::vector<float> host(size_t(shape.numel()), value);
    return ops::upload(ctx, host.data(), shape, DType::kF64);
  }

  const std::vector<float> values = std::vector<float>(64, 0.5f);
  Component component;
  std::unique_ptr<Backend> backend = make_reference_backend();
  Pool pool{backend->memory()};
  Ctx ctx;
  std::unique_ptr<Attention> attention;
};

TEST_F(TextProductsTest, StayWhileTheTextDoes) {
  TextProducts text;
  const Tensor context = filled({1, 3, kTextWidth}, 1);
  const void* first = text.of(ctx, *attention, context).raw();
  EXPECT_EQ(text.of(ctx, *attention, context).raw(), first);
  EXPECT_EQ(text.of(ctx, *attention, context).data<double>()[0], 3);  // 6 times 0.5
}

TEST_F(TextProductsTest, AreMadeAgainForAnotherTextEvenWhereTheFirstWasFreed) {
  TextProducts text;
  {
    const Tensor context = filled({1, 3, kTextWidth}, 1);
    text.of(ctx, *attention, context);
  }
  const Tensor other = filled({1, 3, kTextWidth}, 2);
  EXPECT_EQ(text.of(ctx, *attention, other).data<double>()[0], 6);
  const Tensor rows = filled({2, 3, kTextWidth}, 1);
  EXPECT_EQ(text.of(ctx, *attention, rows).dim(0), 2);
  EXPECT_EQ(text.of(ctx, *attention, rows.rows(0, 1)).dim(0), 1);  // same address, another shape
}

TEST_F(TextProductsTest, ChangeNoResult) {
  TextProducts text;
  const Tensor x = filled({1, 2, kWidth}, 0.25f), context = filled({1, 3, kTextWidth}, 1);
  const Tensor plain = (*attention)(ctx, x, &context, x);
  Ctx keeping = ctx;
  keeping.text = &text;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ops::download(ctx, (*attention)(keeping, x, &context, x)), ops::download(ctx, plain));
  }
}

}  // namespace
}  // namespace dedit
