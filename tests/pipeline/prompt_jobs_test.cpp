// Facts about prompts, guidance and noise in whole edits, on a tiny model whose weights come from a
// seed.
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "pipeline/guidance.h"
#include "pipeline/loaded_model.h"
#include "pipeline/noise.h"
#include "pipeline/text.h"
#include "support/golden_model.h"

#include "dedit/dedit.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

// Loaded once per process.
const Model& model() {
  static const Model loaded = Model::load(golden_model(), {.dtype = "f32"});
  return loaded;
}

EditRequest request(const std::string& prompt, int steps = 2) {
  EditRequest r;
  r.prompt = prompt;
  r.prompt_syntax = PromptSyntax::kWebui;
  r.steps = steps;
  r.width = 40;
  r.height = 32;
  r.scheduler = "ddim";
  return r;
}

EditResult run(const EditRequest& r, SessionOptions options = {}) {
  Session session(model(), std::move(options));
  return session.run(r);
}

std::vector<float> latents(const EditRequest& r) {
  return run(r).latents.values;
}

struct Texts {
  explicit Texts(const EditRequest& r, int steps = 20)
      : pool(net().backend->memory()),
        ctx{.backend = *net().backend, .pool = pool, .dtype = DType::kF32},
        states(encode_branches(ctx, net(), r, /*guided=*/true, steps)) {}
  static Model::Impl& net() { return *model().impl(); }
  std::vector<float> positive(int step) { return ops::download(ctx, states.context(ctx, step, 1)); }
  Pool pool;
  Ctx ctx;
  TextStates states;
};

double mean(const std::vector<float>& x) {
  double sum = 0;
  for (float v : x) sum += v;
  return sum / double(x.size());
}

TEST(PromptText, WeightsScaleStatesAndKeepTheMean) {
  const std::vector<float> plain = Texts(request("a cat")).positive(1);
  const std::vector<float> weighted = Texts(request("a (cat:1.5)")).positive(1);
  ASSERT_EQ(plain.size(), weighted.size());
  const size_t width = plain.size() / 77;
  const double scale = double(weighted[0]) / plain[0];  // the begin token's weight is 1
  for (size_t i = 0; i < plain.size(); ++i) {
    const double weight = i / width == 2 ? 1.5 : 1;
    EXPECT_NEAR(weighted[i], scale * weight * plain[i], 2e-6 * std::abs(weighted[i]) + 1e-12);
  }
  double size = 0;
  for (float v : plain) size += std::abs(v);
  // Two f32 roundings a value.
  EXPECT_NEAR(mean(weighted), mean(plain), 2 * 6e-8 * 1.5 * size / double(plain.size()));
}

TEST(PromptText, WeightOneIsThePlainPromptToTheBit) {
  EditRequest plain = request("a cat");
  plain.prompt_syntax = PromptSyntax::kPlain;
  EXPECT_EQ(latents(plain), latents(request("a cat")));
  EXPECT_EQ(latents(plain), latents(request("a (cat:1)")));
  EXPECT_NE(latents(plain), latents(request("a (cat:1.4)")));
}

TEST(PromptText, SchedulesChangeTheTextAtTheirStep) {
  Texts texts(request("a [cat:dog:0.5]"), 4);
  const std::vector<float> cat = Texts(request("a cat")).positive(1);
  const std::vector<float> dog = Texts(request("a dog")).positive(1);
  // Until step 2 of 4, counted from 0 as web UIs do.
  EXPECT_EQ(texts.positive(1), cat);
  EXPECT_EQ(texts.positive(2), cat);
  EXPECT_EQ(texts.positive(3), cat);
  EXPECT_EQ(texts.positive(4), dog);
  EXPECT_EQ(texts.positive(5), dog);
}

TEST(PromptText, BranchesGetTheSameNumberOfWindows) {
  EditRequest r = request("a BREAK b BREAK c AND d:0.5");
  Texts texts(r);
  ASSERT_EQ(texts.states.branches.size(), 3u);
  EXPECT_EQ(texts.states.context(texts.ctx, 1).shape().str(),
            (Shape{3, 3 * 77, texts.states.branches[0].states[0].dim(2)}).str());
  EXPECT_EQ(texts.states.branches[2].weight, 0.5);
}

TEST(PromptText, ClipSkipLeavesLayersOut) {
  EditRequest r = request("a cat");
  r.clip_skip = 2;
  EXPECT_NE(latents(r), latents(request("a cat")));
  r.clip_skip = model().impl()->text_encoder->config.layers + 1;
  EXPECT_THROW(run(r), Error);
}

TEST(PromptText, AnEmbeddingOfATokensVectorIsThatToken) {
  Model::Impl& net = Texts::net();
  Texts plain(request("a cat, dog"));
  const int32_t cat = net.tokenizer->encode("cat")[0];
  const Tensor row = net.text_encoder->token_embedding.rows(cat, 1);
  EditRequest r = request("a thing, dog");
  r.embeddings = {{"Thing", {{1, row.dim(1)}, ops::download(plain.ctx, row)}}};
  EXPECT_EQ(Texts(r).positive(1), plain.positive(1));
  r.prompt_syntax = PromptSyntax::kPlain;
  EXPECT_EQ(Texts(r).positive(1), plain.positive(1));
  r.embeddings[0].vectors = {{1, 3}, {1, 2, 3}};
  try {
    run(r);
    FAIL() << "an embedding of another width was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kModel);
  }
}

TEST(PromptText, EmbeddingFilesHaveOneTensorOrANamedOne) {
  const std::string path = (fs::path(golden_model()).parent_path() / "e.safetensors").string();
  const TensorValue one{{3}, {1, 2, 3}}, two{{2, 2}, {1, 2, 3, 4}};
  save_tensors(path, {{"any", one}});
  EXPECT_EQ(load_embedding(path).shape, (std::vector<int64_t>{1, 3}));
  save_tensors(path, {{"emb_params", two}, {"x", one}});
  EXPECT_EQ(load_embedding(path).values, two.values);
  for (const auto& tensors : {std::map<std::string, TensorValue>{{"a", one}, {"b", two}},
                              {{"a", TensorValue{{1, 1, 2}, {1, 2}}}}}) {
    save_tensors(path, tensors);
    try {
      load_embedding(path);
      ADD_FAILURE() << "taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kModel);
    }
  }
}

TEST(PromptText, AnEmbeddingThatStandsNowhereIsReported) {
  EditRequest r = request("a [thing:cat:1] and", 2);
  const int64_t width = model().impl()->text_encoder->config.width;
  const TensorValue vectors{{1, width}, std::vector<float>(size_t(width), 0.1f)};
  r.embeddings = {{"thing", vectors}, {"thin", vectors}};
  const EditResult result = run(r);
  ASSERT_EQ(result.report.warnings.size(), 1u);
  EXPECT_EQ(result.report.warnings[0], "embedding thin stands nowhere in the prompts");
}

TEST(PromptText, WhatWasLostOrLeftOpenIsReported) {
  EditRequest r = request("(a cat", 1);
  r.negative_prompt = "b]";
  const EditResult result = run(r);
  ASSERT_EQ(result.report.warnings.size(), 2u);
  EXPECT_NE(result.report.warnings[0].find("'(' at character 1"), std::string::npos);
  EXPECT_NE(result.report.warnings[1].find("']' at character 2"), std::string::npos);
}

TEST(Guidance, CompositionOfEqualPartsIsThePromptAlone) {
  // u + g (c - u) and u + 0.25 g (c - u) + 0.75 g (c - u) differ by rounding only.
  const std::vector<float> alone = latents(request("a cat"));
  const std::vector<float> parts = latents(request("a cat:0.25 AND a cat:0.75"));
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(parts[i], alone[i], 1e-4);
  EXPECT_NE(latents(request("a cat AND a dog")), alone);
}

TEST(Guidance, CompositionNeedsItsNegativeBranchAtAnyScale) {
  EditRequest r = request("a cat AND a dog:-0.5");
  r.guidance = 1;
  const std::vector<float> first = latents(r);
  r.negative_prompt = "a hat";
  EXPECT_NE(latents(r), first);
  r.prompt = "a AND b AND c AND d AND e AND f AND g AND h";
  EXPECT_THROW(run(r), Error);
}

TEST(Guidance, SchedulesRunInStraightLines) {
  const Guidance g{
      .scale = 1, .schedule = {8, 2, 4}, .rescale = 0, .weights = {1}, .pag = 0, .pag_adaptive = 0};
  const double wanted[] = {8, 5, 2, 3, 4};
  for (int step = 1; step <= 5; ++step) EXPECT_DOUBLE_EQ(g.at(step, 5), wanted[step - 1]);
  EXPECT_EQ(g.at(1, 1), 8);
  EXPECT_EQ(
      (Guidance{
          .scale = 3, .schedule = {}, .rescale = 0, .weights = {1}, .pag = 0, .pag_adaptive = 0}
           .at(2, 5)),
      3);
}

TEST(Guidance, AConstantScheduleIsTheConstantAndOneRunsOneBranch) {
  EditRequest r = request("a cat", 3);
  const std::vector<float> constant = latents(r);
  r.guidance_schedule = {7.5, 7.5};
  EXPECT_EQ(latents(r), constant);
  r.guidance_schedule = {1, 0.5};
  r.guidance = 1;
  const std::vector<float> scheduled = latents(r);
  r.guidance_schedule.clear();
  EXPECT_EQ(latents(r), scheduled);
  r.guidance_schedule = {7.5, 1};
  EXPECT_NE(latents(r), constant);
  r.guidance_schedule = {-1};
  EXPECT_THROW(run(r), Error);
}

TEST(Guidance, RescaleDrawsTheDeviationToThePrompts) {
  Texts texts(request("a"));
  std::vector<float> raw(2 * 2 * 12);
  TorchCpuGenerator(3).randn(raw);
  const Tensor x = ops::upload(texts.ctx, raw.data(), {4, 2, 2, 3}, DType::kF32);
  const auto deviation = [](const float* v) {
    double sum = 0, squares = 0;
    for (int i = 0; i < 12; ++i) sum += v[i];
    for (int i = 0; i < 12; ++i) squares += (v[i] - sum / 12) * (v[i] - sum / 12);
    return std::sqrt(squares / 11);
  };
  for (const double rescale : {0.0, 0.7, 1.0}) {
    const Guidance g{.scale = 5,
                     .schedule = {},
                     .rescale = rescale,
                     .weights = {1},
                     .pag = 0,
                     .pag_adaptive = 0};
    const std::vector<float> y =
        ops::download(texts.ctx, combine_branches(texts.ctx, x, {.scale = 5}, g));
    for (size_t row = 0; row < 2; ++row) {
      const float *u = &raw[row * 12], *c = &raw[24 + row * 12];
      float guided[12];
      for (int i = 0; i < 12; ++i) guided[i] = u[i] + 5 * (c[i] - u[i]);
      const double factor = rescale * deviation(c) / deviation(guided) + 1 - rescale;
      for (size_t i = 0; i < 12; ++i) {
        EXPECT_NEAR(y[row * 12 + i], factor * guided[i], 1e-5 * (1 + std::abs(guided[i])));
      }
    }
  }
}

TEST(Guidance, PerturbedAttentionLeadsAwayFromTheIdentity) {
  Texts texts(request("a"));
  // Rows negative, two parts, two perturbed parts of one value each.
  const float raw[] = {1, 2, 4, 8, 16};
  const Tensor x = ops::upload(texts.ctx, raw, {5, 1, 1, 1}, DType::kF32);
  Guidance g{.scale = 3,
             .schedule = {},
             .rescale = 0,
             .weights = {0.5, 2},
             .pag = 4,
             .pag_adaptive = 0.01};
  const std::vector<float> y =
      ops::download(texts.ctx, combine_branches(texts.ctx, x, {.scale = 3, .pag = 4}, g));
  EXPECT_EQ(y[0], 1 + 3 * (0.5f * (2 - 1) + 2 * (4 - 1)) + 4 * (0.5f * (2 - 8) + 2 * (4 - 16)));
  EXPECT_EQ(g.pag_at(1000), 4);
  EXPECT_DOUBLE_EQ(g.pag_at(800), 2);
  EXPECT_EQ(g.pag_at(10), 0);

  EditRequest r = request("a cat", 2);
  const std::vector<float> plain = latents(r);
  r.pag_scale = 1000;
  r.pag_adaptive_scale = 1000;  // 0 at every timestep of these steps
  EXPECT_EQ(latents(r), plain);
  r.pag_scale = 3;
  r.pag_adaptive_scale = 0;
  EXPECT_NE(latents(r), plain);
  EXPECT_NE(run(r).images[0].text.at("dedit").find("\"pag_scale\":3.0"), std::string::npos);
  r.pag_scale = -1;
  EXPECT_THROW(run(r), Error);
}

TEST(Noise, KindsOfSeedsDifferAndThreadsDoNotMatter) {
  EditRequest r = request("a cat");
  const std::vector<float> torch = latents(r);
  r.rng = Rng::kPhilox;
  r.variation_strength = 0.3;
  r.variation_seed = 9;
  SessionOptions one, three;
  one.threads = 1;
  three.threads = 3;
  const std::vector<float> philox = run(r, std::move(one)).latents.values;
  EXPECT_NE(philox, torch);
  EXPECT_EQ(run(r, std::move(three)).latents.values, philox);
}

TEST(Noise, VariationsGoFromOneSeedToTheOther) {
  EditRequest r = request("a cat");
  r.seeds = {5};
  const std::vector<float> five = latents(r);
  r.seeds = {6};
  const std::vector<float> six = latents(r);
  r.seeds = {5, 5};
  r.variation_seed = 6;
  r.variation_strength = 0.4;
  const EditResult both = run(r);
  EXPECT_NE(both.images[0].data, both.images[1].data);
  EXPECT_NE(both.images[1].text.at("dedit").find("\"variation_seed\":7"), std::string::npos);
  r.seeds = {5};
  r.variation_strength = 1;
  const std::vector<float> whole = latents(r);
  double worst = 0;
  for (size_t i = 0; i < six.size(); ++i)
    worst = std::max(worst, std::abs(double(whole[i]) - six[i]));
  EXPECT_LT(worst, 1e-3);  // sin(omega) / sin(omega) and an angle of f32 values
  r.variation_strength = 0;
  EXPECT_EQ(latents(r), five);
}

TEST(Noise, SlerpKeepsTheLengthOfColumns) {
  // Columns of length 1 at right angles: half way is (1, 1) / sqrt(2).
  const std::vector<float> low = {1, 2, 0, 0}, high = {0, 4, 1, 0};  // 2 rows of 2 columns
  const std::vector<float> half = slerp(0.5, low, high, 2, 2);
  EXPECT_FLOAT_EQ(half[0], float(std::sqrt(0.5)));
  EXPECT_FLOAT_EQ(half[2], float(std::sqrt(0.5)));
  EXPECT_FLOAT_EQ(half[1], 3);  // in line: straight
  EXPECT_FLOAT_EQ(half[3], 0);
}

TEST(DenoiserWrapper, SeesEachCallAndMovesThePicture) {
  EditRequest r = request("a cat", 3);
  const std::vector<float> plain = latents(r);
  SessionOptions options;
  std::vector<int> steps;
  options.on_denoised = [&](const DenoiserCall& call, TensorValue&) {
    steps.push_back(call.step);
    EXPECT_EQ(call.steps, 3);
    EXPECT_NEAR(call.alpha * call.alpha + call.sigma * call.sigma, 1, 1e-6);
    EXPECT_EQ(call.sample.shape, (std::vector<int64_t>{1, 4, 4, 5}));
  };
  const EditResult watched = run(r, options);
  EXPECT_EQ(steps, (std::vector<int>{1, 2, 3}));
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(watched.latents.values[i], plain[i], 1e-4);
  EXPECT_NE(watched.images[0].text.at("dedit").find("\"denoiser\""), std::string::npos);

  options.on_denoised = [](const DenoiserCall&, TensorValue& denoised) {
    denoised.values.assign(denoised.values.size(), 0.25f);
  };
  // The last step of ddim ends at the estimate for timestep 0, next to clean.
  for (float v : run(r, options).latents.values) EXPECT_NEAR(v, 0.25f, 0.2f);
  options.on_denoised = [](const DenoiserCall&, TensorValue& denoised) {
    denoised.values.pop_back();
  };
  EXPECT_THROW(run(r, options), Error);
}

TEST(Recipe, HoldsPromptGuidanceAndNoiseSettings) {
  EditRequest r = request("a (cat:1.2)", 1);
  r.clip_skip = 2;
  r.guidance_schedule = {7, 3};
  r.guidance_rescale = 0.5;
  r.rng = Rng::kPhilox;
  r.embeddings = {{"thing", {{1, 32}, std::vector<float>(32, 0.1f)}}};
  r.embeddings[0].vectors.shape[1] = model().impl()->text_encoder->config.width;
  r.embeddings[0].vectors.values.resize(size_t(r.embeddings[0].vectors.shape[1]), 0.1f);
  const std::string recipe = run(r).images[0].text.at("dedit");
  for (const char* word :
       {"\"prompt_syntax\":\"webui\"", "\"clip_skip\":2", "\"guidance_schedule\":[7.0,3.0]",
        "\"guidance_rescale\":0.5", "\"rng\":\"philox\"", "\"embeddings\":[{\"name\":\"thing\""}) {
    EXPECT_NE(recipe.find(word), std::string::npos) << word;
  }
  EditRequest plain = request("a cat", 1);
  plain.prompt_syntax = PromptSyntax::kPlain;
  const std::string old = run(plain).images[0].text.at("dedit");
  for (const char* word :
       {"prompt_syntax", "clip_skip", "schedule\"", "rescale", "pag", "variation"}) {
    EXPECT_EQ(old.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace dedit
