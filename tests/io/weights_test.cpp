#include <gtest/gtest.h>

#include "io/checkpoint.h"
#include "io/model_files.h"

namespace dedit {
namespace {

using testing::expect_error;

const float kNumbers[16] = {};

Component component(const std::map<std::string, Shape>& shapes) {
  Component c;
  c.name = "unet";
  c.source = "model/unet";
  for (const auto& [name, shape] : shapes) c.tensors[name] = {.data = kNumbers, .shape = shape};
  return c;
}

TEST(Weights, FindsTensorsByScope) {
  const Component c = component({{"down.0.conv.weight", {2, 2}}, {"down.0.conv.bias", {2}}});
  const Weights root = c.weights();
  const Weights conv = root / "down" / 0 / "conv";
  EXPECT_EQ(root.scope(), "");
  EXPECT_EQ(conv.scope(), "down.0.conv.");
  EXPECT_TRUE(conv.has("weight"));
  EXPECT_FALSE(conv.has("scale"));
  EXPECT_EQ(conv.get("weight", {2, 2}).data, kNumbers);
  EXPECT_TRUE(conv.get("bias", {2}));
  EXPECT_NO_THROW(Component::check(root, "anything"));
}

TEST(Weights, KeepsEachAccountApart) {
  const Component c = component({{"a", {2}}});
  static_cast<void>(c.weights().get("b", {2}));
  const Weights fresh = c.weights();
  static_cast<void>(fresh.get("a", {2}));
  EXPECT_NO_THROW(Component::check(fresh, ""));
}

TEST(Weights, OutlivesItsComponent) {
  Weights w = component({{"a", {2}}}).weights();
  EXPECT_TRUE(w.get("a", {2}));
}

TEST(Weights, ReportsEverythingAtOnceWithTheHint) {
  const Component c = component({{"a", {2}}, {"proj", {4, 4}}, {"extra", {1}}});
  const Weights root = c.weights();
  EXPECT_TRUE(root.get("a", {2}));
  EXPECT_FALSE(root.get("proj", {4, 4, 1, 1}));  // never squeezed silently
  EXPECT_FALSE((root / "mid").get("bias", {3}));
  EXPECT_FALSE((root / "mid").get("bias", {3}));  // counted once
  try {
    Component::check(root, "Stable Diffusion 2.x (cross-attention width 1024)");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kModel);
    EXPECT_STREQ(e.what(),
                 "model/unet: the tensors do not fit the unet: 1 missing ('mid.bias' [3]), 1 of "
                 "another shape ('proj' is [4, 4], expected [4, 4, 1, 1]), 1 unused ('extra')");
    EXPECT_EQ(e.hint(), "this looks like Stable Diffusion 2.x (cross-attention width 1024)");
  }
}

TEST(Weights, ListsFiveNamesAndTheCount) {
  std::map<std::string, Shape> shapes;
  for (const char* name : {"t1", "t2", "t3", "t4", "t5", "t6", "t7"}) shapes[name] = {1};
  const Component c = component(shapes);
  expect_error([&] { Component::check(c.weights(), ""); }, ErrorKind::kModel,
               "7 unused ('t1', 't2', 't3', 't4', 't5' ...)");
}

TEST(Component, DtypeIsThatOfMostElements) {
  Component c = component({{"big", {100}}, {"small", {1}}});
  c.tensors["big"].dtype = DType::kBF16;
  EXPECT_EQ(c.dtype(), DType::kBF16);
  EXPECT_EQ(c.n_parameters(), 101);
}

}  // namespace
}  // namespace dedit
