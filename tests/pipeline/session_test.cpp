// Facts about whole edits, on a tiny model whose weights come from a seed.
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "support/golden_model.h"

#include "dedit/dedit.h"
#include "dedit/model.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

Model model(const char* dtype = "f32") {
  static std::map<std::string, Model> loaded;
  auto it = loaded.find(dtype);
  if (it == loaded.end()) {
    it = loaded.emplace(dtype, Model::load(golden_model(), {.dtype = dtype})).first;
  }
  return it->second;
}

EditRequest request(int steps = 2) {
  EditRequest r;
  r.prompt = "a cat";
  r.steps = steps;
  r.width = 40;
  r.height = 32;
  r.scheduler = "ddim";
  return r;
}

EditResult run(const EditRequest& r, const char* dtype = "f32", int threads = 0) {
  SessionOptions options;
  options.threads = threads;
  Session session(model(dtype), std::move(options));
  return session.run(r);
}

ControlUnit control(const std::string& path) {
  ControlUnit unit;
  unit.model = path;
  unit.hint = noise_image(40, 32, 3);
  return unit;
}

ErrorKind kind_of(const EditRequest& r) {
  try {
    run(r);
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "the request was accepted";
  return ErrorKind::kOther;
}

TEST(Session, SameRequestGivesTheSameBytesForAnyThreads) {
  EditRequest r = request();
  r.controls = {control(golden_model() + "-controlnet")};
  for (const char* dtype : {"f32", "bf16"}) {
    const EditResult one = run(r, dtype, 1);
    for (int threads : {1, 2, 3}) {
      const EditResult other = run(r, dtype, threads);
      EXPECT_EQ(one.latents.values, other.latents.values) << dtype << ", threads " << threads;
      EXPECT_EQ(encode_png(one.images[0]), encode_png(other.images[0])) << dtype;
    }
  }
}

TEST(Session, ZeroInitialisedControlChangesNoBit) {
  const std::string dir = (fs::path(golden_model()).parent_path() / "fresh-control").string();
  init_control(golden_model(), dir, 5);
  for (const char* dtype : {"f32", "bf16"}) {
    EditRequest r = request();
    const EditResult plain = run(r, dtype);
    r.controls = {control(dir)};
    const EditResult controlled = run(r, dtype);
    EXPECT_EQ(plain.latents.values, controlled.latents.values) << dtype;
    EXPECT_EQ(plain.images[0].data, controlled.images[0].data) << dtype;
  }
}

TEST(Session, TrainedControlChangesThePictureAndScaleZeroDoesNot) {
  EditRequest r = request();
  const EditResult plain = run(r);
  r.controls = {control(golden_model() + "-controlnet")};
  EXPECT_NE(plain.latents.values, run(r).latents.values);
  r.controls[0].scale = 0;
  EXPECT_EQ(plain.latents.values, run(r).latents.values);
}

TEST(Session, ControlOutsideItsWindowIsIdle) {
  EditRequest r = request(4);
  r.controls = {control(golden_model() + "-controlnet")};
  r.controls[0].start = 0.99;
  const EditResult never = run(r);
  r.controls.clear();
  EXPECT_EQ(run(r).latents.values, never.latents.values);
}

TEST(Session, LowMemoryChangesNoByte) {
  EditRequest r = request();
  r.controls = {control(golden_model() + "-controlnet")};
  for (const char* dtype : {"f32", "bf16"}) {
    const EditResult plain = run(r, dtype);
    Session session(
        Model::load(golden_model(), {.dtype = dtype, .device = "cpu", .low_memory = true}));
    const EditResult low = session.run(r), again = session.run(r);
    EXPECT_EQ(low.latents.values, plain.latents.values) << dtype;
    EXPECT_EQ(again.latents.values, plain.latents.values) << dtype;
    EXPECT_EQ(low.images[0].data, plain.images[0].data) << dtype;
    EXPECT_EQ(low.images[0].text, plain.images[0].text) << dtype;
  }
}

TEST(Session, StrengthZeroIsACopy) {
  EditRequest r = request();
  r.width = r.height = 0;
  r.image = noise_image(37, 21, 4, PixelType::kU16);
  r.strength = 0;
  const EditResult result = run(r);
  EXPECT_TRUE(result.report.is_copy);
  EXPECT_FALSE(result.report.warnings.empty());
  EXPECT_EQ(result.images[0].data, r.image->data);
}

TEST(Session, StrengthRunsTheReferencesShareOfTheSteps) {
  EditRequest r = request(100);
  r.width = r.height = 0;
  r.image = noise_image(8, 8, 3);
  r.strength = 0.29;  // 100 * 0.29 is 28.999... in double
  EXPECT_EQ(run(r).report.steps_run, 28);
}

TEST(Session, InpaintingKeepsEveryUnmaskedByteOfAnyKindOfPicture) {
  for (int channels : {1, 2, 3, 4}) {
    for (PixelType type : {PixelType::kU8, PixelType::kU16}) {
      EditRequest r = request();
      r.width = r.height = 0;
      r.image = noise_image(37, 29, channels, type);
      r.mask = Image(37, 29, 1);
      int kept = 0;
      for (int y = 0; y < 29; ++y) {
        for (int x = 0; x < 37; ++x) {
          const bool inside = x >= 11 && x < 20 && y >= 7 && y < 16;
          r.mask->row<uint8_t>(y)[x] = inside ? (x == 11 ? 128 : 255) : 0;
          kept += !inside;
        }
      }
      const EditResult result = run(r);
      const Image& out = result.images[0];
      ASSERT_EQ(out.channels, channels);
      ASSERT_EQ(out.type, type);
      EXPECT_EQ(result.report.kept_pixels, kept);
      const size_t pixel = size_t(channels) * bytes_per_sample(type);
      bool inside_changed = false;
      for (int i = 0; i < 37 * 29; ++i) {
        const bool same =
            std::equal(out.data.begin() + long(pixel) * i, out.data.begin() + long(pixel) * (i + 1),
                       r.image->data.begin() + long(pixel) * i);
        if (r.mask->row<uint8_t>(0)[i] == 0) {
          ASSERT_TRUE(same) << "pixel " << i << ", channels " << channels;
        }
        inside_changed |= !same;
      }
      EXPECT_TRUE(inside_changed);
    }
  }
}

TEST(Session, KeptLatentCellsEndClean) {
  EditRequest r = request();
  r.image = noise_image(40, 32, 3);
  r.width = r.height = 0;
  r.mask = Image(40, 32, 1);
  r.mask->row<uint8_t>(9)[9] = 255;  // touches cell (1, 1); the reference's rule misses it
  r.strength = 0.5;
  const EditResult cover = run(r);
  r.mask_rule = MaskRule::kNearest;
  const EditResult nearest = run(r);
  const int cells = 4 * 5;
  for (int c = 0; c < 4; ++c) {
    for (int i = 0; i < cells; ++i) {
      const size_t at = size_t(c * cells + i);
      if (i == 1 * 5 + 1) {
        EXPECT_NE(cover.latents.values[at], nearest.latents.values[at]);
      } else {
        EXPECT_EQ(cover.latents.values[at], nearest.latents.values[at]) << "cell " << i;
      }
    }
  }
}

TEST(Session, APictureIsTheSameAloneAndInABatch) {
  EditRequest r = request();
  r.seeds = {3, 4};
  const EditResult both = run(r);
  r.seeds = {4};
  const EditResult alone = run(r);
  EXPECT_EQ(both.images[1].data, alone.images[0].data);
  EXPECT_EQ(both.images[1].text, alone.images[0].text);
  EXPECT_NE(both.images[0].data, both.images[1].data);
  EXPECT_EQ(both.latents.shape, (std::vector<int64_t>{2, 4, 4, 5}));
}

TEST(Session, GivenLatentsReplaceTheDrawAndNothingElse) {
  EditRequest r = request();
  r.image = noise_image(40, 32, 3);
  r.width = r.height = 0;
  r.strength = 1;
  const EditResult drawn = run(r);
  // At strength 1 under guidance 1 and a fixed prompt only the noise differs.
  r.latents = TensorValue{{1, 4, 4, 5}, std::vector<float>(80, 0.0f)};
  EXPECT_NE(run(r).latents.values, drawn.latents.values);
  r.latents->shape = {1, 4, 5, 4};
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
}

TEST(Session, GuidanceOneRunsOneBranchAndIgnoresTheNegativePrompt) {
  EditRequest r = request();
  r.guidance = 1;
  const EditResult plain = run(r);
  r.negative_prompt = "a dog";
  const EditResult negative = run(r);
  EXPECT_EQ(plain.latents.values, negative.latents.values);
  EXPECT_EQ(negative.report.warnings.size(), 1u);
  r.guidance = 3;
  EXPECT_NE(run(r).latents.values, plain.latents.values);
}

TEST(Session, OddSizesComeBackAsTheyWere) {
  for (const auto& [w, h] : {std::pair{1, 1}, std::pair{9, 70}, std::pair{65, 33}}) {
    EditRequest r = request(1);
    r.width = w;
    r.height = h;
    const EditResult result = run(r);
    EXPECT_EQ(result.images[0].width, w);
    EXPECT_EQ(result.images[0].height, h);
  }
}

TEST(Session, LongPromptsAreReadWholeUnlessTruncated) {
  EditRequest r = request(1);
  for (int i = 0; i < 100; ++i) r.prompt += " cat";
  const EditResult whole = run(r);
  r.truncate = true;
  const EditResult cut = run(r);
  EXPECT_NE(whole.latents.values, cut.latents.values);
  ASSERT_EQ(cut.report.warnings.size(), 1u);
  EXPECT_NE(cut.report.warnings[0].find("cut off: cat cat"), std::string::npos);
}

TEST(Session, CancelStopsARun) {
  CancelToken token;
  SessionOptions options;
  options.cancel = &token;
  options.on_step = [&](const Progress& p) {
    if (p.step == 2) token.cancel();
  };
  Session session(model(), std::move(options));
  try {
    session.run(request(50));
    FAIL() << "the run went on";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
}

TEST(Session, RecipeNamesWhatDecidesAndNoPath) {
  EditRequest r = request();
  r.controls = {control(golden_model() + "-controlnet")};
  const std::string recipe = run(r).images[0].text.at("dedit");
  for (const char* word : {"\"seed\":0", "\"steps\":2", "\"map_sha256\"", "\"fingerprint\"",
                           "\"scheduler\":\"ddim\"", "\"prompt\":\"a cat\""}) {
    EXPECT_NE(recipe.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(recipe.find(fs::temp_directory_path().string()), std::string::npos);
}

TEST(Session, ImpossibleRequestsAreUsageErrors) {
  EditRequest r = request();
  r.strength = 1.5;
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request(0);
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request();
  r.scheduler = "nonesuch";
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request();
  r.sigmas = "karras";  // ddim has no sigma table
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request();
  r.image = noise_image(16, 16, 3);
  r.mask = noise_image(16, 17, 1);
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request();
  r.image = noise_image(16, 16, 3);  // 40x32 is asked: another aspect
  EXPECT_EQ(kind_of(r), ErrorKind::kUsage);
  r = request();
  r.controls = {control("")};
  EXPECT_EQ(kind_of(r), ErrorKind::kModel);
}

TEST(Session, EncodesASourcePictureOnceForManyEdits) {
  int n_encoded = 0;
  SessionOptions options;
  options.on_trace = [&](const std::string& module, const TensorValue&) {
    n_encoded += module == "vae.moments";
  };
  Session session(model(), std::move(options));
  EditRequest r = request(4);
  r.image = noise_image(40, 32, 3);
  r.strength = 0.5;
  const EditResult first = session.run(r);
  EXPECT_EQ(n_encoded, 1);
  EXPECT_EQ(session.run(r).latents.values, first.latents.values);
  EXPECT_EQ(n_encoded, 1);
  r.image->data[5] ^= std::byte{1};
  EXPECT_EQ(session.run(r).latents.values, run(r).latents.values);
  EXPECT_EQ(n_encoded, 2);
}

TEST(Session, StagesCompose) {
  Session session(model());
  const TensorValue latents = session.encode(noise_image(40, 32, 3));
  EXPECT_EQ(latents.shape, (std::vector<int64_t>{1, 4, 4, 5}));
  const Image picture = session.decode(latents);
  EXPECT_EQ(picture.width, 40);
  EXPECT_EQ(picture.height, 32);
  EXPECT_EQ(session.encode_text("a cat").shape[1], 77);
}

}  // namespace
}  // namespace dedit
