#include "pipeline/plan.h"

#include <gtest/gtest.h>

namespace dedit {
namespace {

EditRequest img2img(int steps, double strength, const std::string& scheduler) {
  EditRequest r;
  r.prompt = "a cat";
  r.image = Image(64, 64, 3);
  r.steps = steps;
  r.strength = strength;
  r.scheduler = scheduler;
  return r;
}

// int(steps * strength) in double, truncated: 100 * 0.29 is 28.999999999999996.
TEST(Plan, StrengthCutsTheStepsAsTheReferenceDoes) {
  const struct {
    int steps;
    double strength;
    int run;
  } cases[] = {{50, 0.8, 40},   {50, 0.3, 15},   {50, 0.75, 37},  {20, 0.6, 12},  {20, 0.55, 11},
               {100, 0.29, 28}, {100, 0.57, 56}, {100, 0.58, 57}, {10, 0.7, 7},   {50, 0.9999, 49},
               {28, 0.6, 16},   {5, 0.3, 1},     {25, 0.28, 7},   {50, 0.56, 28}, {30, 1.0, 30},
               {30, 0.03, 0},   {30, 0.0, 0}};
  const Model::Impl model;  // sizes and schedule of Stable Diffusion 1.x, no weights
  for (const auto& c : cases) {
    const EditPlan plan = make_plan(model, img2img(c.steps, c.strength, "ddim"));
    EXPECT_EQ(plan.n_calls, c.run) << c.steps << " steps, strength " << c.strength;
    EXPECT_EQ(plan.begin, c.steps - c.run) << c.steps << " steps, strength " << c.strength;
  }
}

// PNDM's table has its second timestep twice, and the reference cuts the table, not the steps.
TEST(Plan, PndmRunsOneCallMoreThanTheStrengthSays) {
  const Model::Impl model;
  const EditPlan plan = make_plan(model, img2img(20, 0.6, "pndm"));
  EXPECT_EQ(plan.begin, 8);
  EXPECT_EQ(plan.n_calls, 13);
}

TEST(Plan, MethodsOfTwoCallsAreCutBetweenSteps) {
  const Model::Impl model;
  const EditPlan plan = make_plan(model, img2img(20, 0.6, "heun"));
  EXPECT_EQ(plan.begin, 16);    // 8 steps of two calls
  EXPECT_EQ(plan.n_calls, 23);  // the last of 12 steps is one call
}

TEST(Plan, ByDiffusersRuleAStrengthWithoutAStepFails) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.05, "ddim");
  r.compat = Compat::kDiffusers;
  EXPECT_THROW(make_plan(model, r), Error);
  r.scheduler = "pndm";  // its table is a call longer
  const EditPlan plan = make_plan(model, r);
  EXPECT_EQ(plan.begin, 10);
  EXPECT_EQ(plan.n_calls, 1);
  r.mask = Image(64, 64, 1);
  EXPECT_THROW(make_plan(model, r), Error);
}

TEST(Plan, ByDiffusersRuleSizesAreRoundedDown) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.5, "ddim");
  r.compat = Compat::kDiffusers;
  r.image = Image(83, 61, 3);
  EditPlan plan = make_plan(model, r);
  EXPECT_EQ(plan.width, 80);
  EXPECT_EQ(plan.height, 56);
  EXPECT_EQ(plan.padded_width, 80);
  EXPECT_EQ(plan.image->width, 80);
  r.height = 100;  // stretched, whatever the aspect
  EXPECT_EQ(make_plan(model, r).height, 96);
  r.height = 7;
  EXPECT_THROW(make_plan(model, r), Error);
  r.height = 0;
  r.mask = Image(83, 61, 1);
  plan = make_plan(model, r);  // the network's own size
  EXPECT_EQ(plan.width, 512);
  EXPECT_EQ(plan.mask8->height, 512);
  r.image.reset();
  r.mask.reset();
  r.width = 84;  // a new picture's has to fit
  EXPECT_THROW(make_plan(model, r), Error);
}

TEST(Plan, ByDiffusersRuleACropIsStretchedInsteadOfThePicture) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.5, "ddim");
  r.compat = Compat::kDiffusers;
  r.image = Image(120, 90, 3);
  r.crop = Rect{20, 10, 83, 61};
  EditPlan plan = make_plan(model, r);
  EXPECT_EQ(plan.image->width, 80);
  EXPECT_EQ(plan.image->height, 56);
  EXPECT_EQ(plan.geometry.crop.x, 20);
  EXPECT_EQ(plan.geometry.fit, Fit::kStretch);
  EXPECT_EQ(plan.geometry.x_of(103), 80);
  r.mask = Image(120, 90, 1);
  plan = make_plan(model, r);
  EXPECT_EQ(plan.mask8->width, 512);
  EXPECT_EQ(plan.geometry.scaled_height, 512);
  r.mask = Image(83, 61, 1);  // not the picture's size, so that it cannot be cropped with it
  EXPECT_THROW(make_plan(model, r), Error);
}

TEST(Plan, ByDiffusersRuleAFrameHasTheSizeOfItsMap) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.5, "ddim");
  r.compat = Compat::kDiffusers;
  r.image = Image(83, 61, 3);
  r.image_is_frame = true;
  EditPlan plan = make_plan(model, r);
  EXPECT_EQ(plan.job, Job::kGenerate);
  EXPECT_EQ(plan.width, 80);
  EXPECT_FALSE(plan.image);
  EXPECT_EQ(plan.geometry.scaled_width, 80);
  r.controls.emplace_back().hint = Image(45, 70, 3);
  plan = make_plan(model, r);
  EXPECT_EQ(plan.width, 40);
  EXPECT_EQ(plan.height, 64);
  r.controls[0].hint = Image(83, 61, 3);  // the picture's, so it is cropped with it
  r.crop = Rect{0, 0, 30, 40};
  plan = make_plan(model, r);
  EXPECT_EQ(plan.width, 24);
  EXPECT_EQ(plan.height, 40);
}

TEST(Plan, ByDiffusersRuleThereIsNoFitButStretching) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.5, "ddim");
  r.compat = Compat::kDiffusers;
  r.fit = Fit::kStretch;
  EXPECT_NO_THROW(make_plan(model, r));
  r.fit = Fit::kCrop;
  EXPECT_THROW(make_plan(model, r), Error);
  r.fit.reset();
  r.controls.emplace_back().hint = Image(64, 64, 3);
  r.controls[0].fit = Fit::kFill;
  EXPECT_THROW(make_plan(model, r), Error);
}

TEST(Plan, ByDiffusersRuleTransparencyIsTakenForLatents) {
  const Model::Impl model;
  EditRequest r = img2img(10, 0.5, "ddim");
  r.compat = Compat::kDiffusers;
  r.image = Image(16, 24, 4);
  const EditPlan plan = make_plan(model, r);
  EXPECT_EQ(plan.latent_shape, Shape({1, 24, 16, 4}));
  EXPECT_EQ(plan.width, 128);
  EXPECT_EQ(plan.geometry.scaled_width, 128);
  EXPECT_FALSE(plan.warnings.empty());
  r.mask = Image(16, 24, 1);
  EXPECT_THROW(make_plan(model, r), Error);
}

TEST(Plan, ByDiffusersRuleAControlLeavesTheCheckpointsOffset) {
  Model::Impl model;
  model.scheduler = parse_scheduler_config(
      R"({"_class_name": "DDIMScheduler", "steps_offset": 0, "clip_sample": true})", "test");
  EditRequest r = img2img(10, 1, "ddim");
  EXPECT_EQ(make_plan(model, r).solver_options.config.steps_offset, 1);
  r.controls.emplace_back().hint = Image(64, 64, 3);
  EXPECT_EQ(make_plan(model, r).solver_options.config.steps_offset, 1);
  r.compat = Compat::kDiffusers;
  const SchedulerConfig config = make_plan(model, r).solver_options.config;
  EXPECT_EQ(config.steps_offset, 0);
  EXPECT_TRUE(config.clip_sample);
}

TEST(Plan, SchedulersOfOtherNetworksAreRefused) {
  const Model::Impl model;
  EXPECT_THROW(make_plan(model, img2img(10, 0.5, "flow_match_euler")), Error);
  EXPECT_THROW(make_plan(model, img2img(10, 0.5, "ipndm")), Error);
}

TEST(Plan, OtherToolsCountStrengthTheirWay) {
  const Model::Impl model;
  EditRequest r = img2img(20, 0.6, "euler");
  r.compat = Compat::kWebui;
  EXPECT_EQ(make_plan(model, r).n_calls, 13);
  r.strength = 1;  // never all noise: int(0.999 * 20) + 1
  EXPECT_EQ(make_plan(model, r).n_calls, 20);
  r.strength = 0;
  EXPECT_EQ(make_plan(model, r).n_calls, 1);

  r.compat = Compat::kComfy;
  r.strength = 0.6;
  const EditPlan comfy = make_plan(model, r);
  EXPECT_EQ(comfy.n_calls, 20);
  EXPECT_EQ(comfy.begin, 13);  // of int(20 / 0.6) = 33 steps
  r.strength = 0;
  EXPECT_EQ(make_plan(model, r).n_calls, 0);
}

TEST(Plan, ListsAndSettingsReachTheSolver) {
  const Model::Impl model;
  EditRequest r = img2img(20, 0.5, "DPM++ 2M");
  r.timesteps = {999, 850, 736, 645, 545, 455, 343, 233, 124, 24};
  EXPECT_EQ(make_plan(model, r).n_calls, 5);
  r.scheduler = "tcd";
  r.timesteps.clear();
  EXPECT_EQ(make_plan(model, r).solver_options.params.at("eta"), 0);  // as the pipelines pass
  r.scheduler_settings["eta"] = "0.3";
  EXPECT_EQ(make_plan(model, r).solver_options.params.at("eta"), 0.3);
}

}  // namespace
}  // namespace dedit
