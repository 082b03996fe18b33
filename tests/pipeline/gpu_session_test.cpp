// Whole edits on a GPU: the machine's, or an emulated one.
#include <algorithm>

#include <gtest/gtest.h>

#include "support/golden_model.h"
#include "support/gpu.h"

#include "dedit/dedit.h"
#include "dedit/model.h"

namespace dedit {
namespace {

class GpuSession : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!gpu_problem().empty()) GTEST_SKIP() << gpu_problem();
    set_emulated_gpus({{{0, "emulated"}}, ""});
  }
  void TearDown() override { set_emulated_gpus({{}, "the tests have none"}); }

  static EditRequest canny(int steps) {
    EditRequest r;
    r.prompt = "a cat";
    r.steps = steps;
    r.guidance = 1;  // one branch: less to emulate
    r.width = r.height = 16;
    r.scheduler = "ddim";
    ControlUnit unit;
    unit.model = golden_model() + "-controlnet";
    unit.hint = noise_image(16, 16);
    r.controls = {unit};
    return r;
  }
  static EditResult run(const EditRequest& r, const std::string& device, const char* dtype = "f32",
                        SessionOptions options = {}) {
    Session session(Model::load(golden_model(), {.dtype = dtype, .device = device}),
                    std::move(options));
    return session.run(r);
  }
  static double difference(const EditResult& a, const EditResult& b) {
    return relative_error(a.latents.values, b.latents.values);
  }
};

TEST_F(GpuSession, AgreesWithTheCpu) {
  const EditRequest r = canny(2);
  SessionOptions measuring;
  measuring.measure_controls = true;
  const EditResult cpu = run(r, "cpu", "f32", measuring), gpu = run(r, "cuda", "f32", measuring);
  EXPECT_LE(difference(gpu, cpu), 1e-4);
  EXPECT_NEAR(gpu.report.controls[0].energy, cpu.report.controls[0].energy,
              1e-4 * cpu.report.controls[0].energy);
}

TEST_F(GpuSession, Bf16StaysNearTheCpusF32) {
  const EditRequest r = canny(1);
  EXPECT_LE(difference(run(r, "cuda", "bf16"), run(r, "cpu")), 0.15);
}

TEST_F(GpuSession, InpaintingAgreesWithTheCpu) {
  EditRequest r = canny(2);
  r.controls.clear();
  r.image = noise_image(16, 16);
  r.width = r.height = 0;
  r.strength = 1;
  r.mask = Image(16, 16, 1);
  for (int y = 0; y < 8; ++y) std::fill_n(r.mask->row<uint8_t>(y), 16, uint8_t{255});
  const EditResult gpu = run(r, "cuda");
  EXPECT_LE(difference(gpu, run(r, "cpu")), 1e-4);
  EXPECT_EQ(gpu.report.kept_pixels, 128);
}

TEST_F(GpuSession, SameRequestGivesTheSameBytes) {
  const Model model = Model::load(golden_model(), {.dtype = "f32", .device = "cuda"});
  const EditRequest r = canny(2);
  const EditResult first = Session(model).run(r);
  EXPECT_EQ(Session(model).run(r).latents.values, first.latents.values);
  set_gpu_order(/*is_reversed=*/true);
  EXPECT_EQ(Session(model).run(r).latents.values, first.latents.values);
  set_gpu_order(false);
}

TEST_F(GpuSession, LowMemoryChangesNoByte) {
  const EditRequest r = canny(2);
  const Model model =
      Model::load(golden_model(), {.dtype = "f32", .device = "cuda", .low_memory = true});
  const EditResult low = Session(model).run(r), plain = run(r, "cuda");
  EXPECT_EQ(low.latents.values, plain.latents.values);
  EXPECT_EQ(low.images[0].data, plain.images[0].data);
  EXPECT_EQ(low.images[0].text, plain.images[0].text);
}

TEST_F(GpuSession, StartsFromTheCpusNoise) {
  EditRequest r = canny(1);
  r.controls.clear();
  r.image = noise_image(16, 16);
  r.width = r.height = 0;
  r.strength = 0.05;
  r.steps = 20;  // one step from almost no noise: what it starts from is what shows
  EXPECT_LE(difference(run(r, "cuda"), run(r, "cpu")), 1e-5);
}

TEST_F(GpuSession, ControlsThatComeAndGoChangeNothingElse) {
  EditRequest r = canny(3);
  r.controls[0].start = 0.3;
  r.controls[0].end = 0.7;
  EXPECT_LE(difference(run(r, "cuda"), run(r, "cpu")), 1e-4);
}

TEST_F(GpuSession, AStoppedRunLeavesTheModelUsable) {
  const Model model = Model::load(golden_model(), {.dtype = "f32", .device = "cuda"});
  const EditRequest r = canny(3);
  const EditResult whole = Session(model).run(r);
  CancelToken token;
  SessionOptions options;
  options.cancel = &token;
  options.on_step = [&](const Progress& p) {
    if (p.step == 2) token.cancel();
  };
  EXPECT_THROW(Session(model, options).run(r), Error);
  EXPECT_EQ(Session(model).run(r).latents.values, whole.latents.values);
}

}  // namespace
}  // namespace dedit
