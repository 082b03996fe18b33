// Which device is chosen, and what an edit asks of one: seen on the emulated GPU.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/devices.h"
#include "support/golden_model.h"
#include "support/gpu.h"
#include "support/simt_gpu.h"

#include "dedit/dedit.h"
#include "dedit/model.h"

namespace dedit {
namespace {

const GpuList kOne{{{0, "emulated"}}, ""}, kNone{{}, "there is no GPU on this machine"};

std::string refusal(const std::string& device) {
  try {
    choose_device(device);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_FALSE(e.hint().empty());
    return e.what();
  }
  return "";
}

class ChooseDevice : public ::testing::Test {
 protected:
  void TearDown() override {
    unsetenv("DEDIT_DEVICE");
    set_emulated_gpus(kNone);
  }
};

TEST_F(ChooseDevice, AutoIsTheGpuWhereThereIsOne) {
  set_emulated_gpus(kOne);
  for (const char* name : {"", "auto"}) {
    const ChosenDevice chosen = choose_device(name);
    EXPECT_TRUE(chosen.is_gpu);
    EXPECT_EQ(chosen.why, "the first GPU");
  }
  set_emulated_gpus(kNone);
  const ChosenDevice chosen = choose_device("auto");
  EXPECT_FALSE(chosen.is_gpu);
  EXPECT_EQ(chosen.why, "there is no GPU on this machine");
}

TEST_F(ChooseDevice, WhatWasAskedForIsTakenOrRefused) {
  set_emulated_gpus(kOne);
  EXPECT_FALSE(choose_device("cpu").is_gpu);
  EXPECT_TRUE(choose_device("cuda").is_gpu);
  EXPECT_TRUE(choose_device("cuda:0").is_gpu);
  EXPECT_EQ(refusal("cuda:1"), "--device cuda:1: the last GPU here is cuda:0");
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0x", "CUDA"}) {
    EXPECT_EQ(refusal(name), "--device " + std::string(name) + " is unknown");
  }
  set_emulated_gpus(kNone);
  EXPECT_EQ(refusal("cuda"), "--device cuda: there is no GPU on this machine");
}

TEST_F(ChooseDevice, TheEnvironmentSpeaksWhereNothingWasSaid) {
  set_emulated_gpus(kOne);
  setenv("DEDIT_DEVICE", "cpu", 1);
  EXPECT_FALSE(choose_device("").is_gpu);
  EXPECT_TRUE(choose_device("auto").is_gpu);
  setenv("DEDIT_DEVICE", "cuda:7", 1);
  EXPECT_EQ(refusal(""), "DEDIT_DEVICE=cuda:7: the last GPU here is cuda:0");
}

class EmulatedGpu : public ::testing::Test {
 protected:
  void SetUp() override { set_emulated_gpus(kOne); }
  void TearDown() override { set_emulated_gpus(kNone); }

  static EditRequest canny(int steps) {
    EditRequest r;
    r.prompt = "a cat";
    r.steps = steps;
    r.guidance = 1;
    r.width = r.height = 16;
    r.scheduler = "ddim";
    ControlUnit unit;
    unit.model = golden_model() + "-controlnet";
    unit.hint = Image(16, 16, 3);
    r.controls = {unit};
    return r;
  }
};

/// After each of four steps: the first excepted, each is a recording that takes no memory and does
/// not wait for results.
void expect_steady(const std::vector<cuda::SimtDevice::Counts>& after) {
  ASSERT_EQ(after.size(), 4u);
  for (size_t i = 1; i < after.size(); ++i) {
    EXPECT_EQ(after[i].allocations, after[0].allocations) << "step " << i + 1;
    EXPECT_EQ(after[i].synchronizations, after[0].synchronizations) << "step " << i + 1;
    EXPECT_EQ(after[i].recordings, int(i));
    EXPECT_EQ(after[i].works - after[i - 1].works,
              after[i].recorded_works - after[i - 1].recorded_works);
  }
  EXPECT_EQ(after[3].pinned_allocations, after[2].pinned_allocations);
}

TEST_F(EmulatedGpu, StepsAreRecordedAndNeitherAllocateNorWaitForResults) {
  const Model model = Model::load(golden_model(), {.dtype = "f32", .device = "cuda"});
  EXPECT_EQ(model.backend(), "cuda emulated");
  std::vector<cuda::SimtDevice::Counts> after;
  SessionOptions options;
  options.measure_controls = true;
  options.on_step = [&](const Progress&) { after.push_back(emulated_device().counts()); };
  Session(model, options).run(canny(4));
  ASSERT_NO_FATAL_FAILURE(expect_steady(after));
  EXPECT_EQ(after[3].recorded_works - after[2].recorded_works,
            after[2].recorded_works - after[1].recorded_works);
}

TEST_F(EmulatedGpu, WithLittleMemoryStepsAreTheSameGraphWithCopiesInIt) {
  const Model model =
      Model::load(golden_model(), {.dtype = "f32", .device = "cuda", .low_memory = true});
  std::vector<cuda::SimtDevice::Counts> after;
  std::vector<std::string> forms;
  SessionOptions options;
  options.on_step = [&](const Progress&) {
    after.push_back(emulated_device().counts());
    forms.push_back(emulated_device().last_form());
  };
  Session(model, options).run(canny(4));
  ASSERT_NO_FATAL_FAILURE(expect_steady(after));
  ASSERT_EQ(forms.size(), 4u);
  EXPECT_EQ(forms[3], forms[2]);
  EXPECT_EQ(forms[2], forms[1]);
  // The network and the ControlNet have 200 weights of over 64 KiB.
  EXPECT_GE(std::count(forms[3].begin(), forms[3].end(), 'c'), 150);
}

TEST_F(EmulatedGpu, WithLittleMemoryTheDeviceHoldsLess) {
  size_t held[2];
  for (const bool low : {false, true}) {
    const Model model =
        Model::load(golden_model(), {.dtype = "f32", .device = "cuda", .low_memory = low});
    const cuda::SimtDevice& device = emulated_device();
    held[low] = device.total_bytes() - device.free_bytes();
  }
  // Of 68 MB, the token table's 13 and small weights stay.
  EXPECT_LT(held[1], held[0] / 2);
}

TEST_F(EmulatedGpu, PrecisionChoosesTheType) {
  EXPECT_EQ(Model::load(golden_model(), {.precision = Precision::kExact, .device = "cuda"}).dtype(),
            "f32");
  EXPECT_EQ(Model::load(golden_model(), {.dtype = "f16", .device = "cuda"}).dtype(), "f16");
  EXPECT_THROW(Model::load(golden_model(), {.dtype = "f16", .device = "cpu"}), Error);
  const Model by_itself = Model::load(golden_model(), {.device = "cuda"});
  EXPECT_EQ(by_itself.dtype(), "bf16");
  EXPECT_EQ(by_itself.device_reason(), "asked for");
}

}  // namespace
}  // namespace dedit
