// Edits whose autoencoder works in tiles. What it makes in them: tests/models/golden_test.cpp.
#include <cstdlib>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "pipeline/loaded_model.h"
#include "support/golden_model.h"

#include "dedit/dedit.h"
#include "dedit/model.h"

namespace dedit {
namespace {

EditRequest img2img(int width, int height) {
  EditRequest r;
  r.prompt = "a cat";
  r.steps = 2;
  r.strength = 0.5;
  r.scheduler = "ddim";
  r.image = noise_image(width, height, 3);
  return r;
}

nlohmann::json recipe(const EditResult& result) {
  return nlohmann::json::parse(result.images[0].text.at("dedit"));
}

Model f32_model() {
  return Model::load(golden_model(), {.dtype = "f32", .device = "cpu"});
}

TEST(VaeTile, AnEditIsItsStagesInTiles) {
  EditRequest r = img2img(72, 56);
  r.vae_tile = 32;
  Session session(f32_model());
  const EditResult tiled = session.run(r);
  EXPECT_EQ(tiled.images[0].data, session.decode(tiled.latents, 32).data);
  EXPECT_NE(tiled.images[0].data, session.decode(tiled.latents).data);
  EXPECT_NE(session.encode(*r.image, 32).values, session.encode(*r.image).values);
  EXPECT_EQ(recipe(tiled)["vae_tile"], 32);
  EXPECT_TRUE(tiled.report.warnings.empty());

  r.vae_tile = 0;
  const EditResult whole = session.run(r);
  EXPECT_NE(whole.latents.values, tiled.latents.values) << "the source is encoded in tiles too";
  EXPECT_FALSE(recipe(whole).contains("vae_tile"));
}

TEST(VaeTile, ATileThatHoldsThePictureChangesNoBit) {
  EditRequest r = img2img(40, 32);
  Session session(f32_model());
  const EditResult whole = session.run(r);
  r.vae_tile = 64;
  EXPECT_EQ(session.run(r).images[0].data, whole.images[0].data);
}

TEST(VaeTile, AnImpossibleTileIsRefused) {
  EditRequest r = img2img(40, 32);
  Session session(f32_model());
  for (const int tile : {-32, 1, 24, 100}) {
    r.vae_tile = tile;
    try {
      session.run(r);
      ADD_FAILURE() << tile;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      EXPECT_NE(std::string(e.what()).find("multiple of 32"), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(session.decode(session.encode(*r.image), 100), Error);
}

/// A CPU whose pools get so many bytes and no more.
class SmallCpu : public cpu::CpuBackend {
 public:
  explicit SmallCpu(size_t bytes) : CpuBackend(cpu::chosen_isa()), memory_(bytes) {}
  MemoryResource& memory() override { return memory_; }

 private:
  class Memory : public MemoryResource {
   public:
    explicit Memory(size_t bytes) : left_(bytes) {}
    void* allocate(size_t bytes) override {
      if (bytes > left_) throw Error(ErrorKind::kMemory, "the pool is empty");
      left_ -= bytes;
      return cpu::allocate_host(bytes);
    }
    void deallocate(void* p, size_t bytes) override {
      left_ += bytes;
      std::free(p);
    }

   private:
    size_t left_;
  };
  Memory memory_;
};

/// A model whose activations have so much memory; its weights are elsewhere.
struct SmallModel {
  explicit SmallModel(size_t bytes) : model(f32_model()) {
    before = std::move(model.impl()->backend);
    model.impl()->backend = std::make_unique<SmallCpu>(bytes);
  }
  Model model;
  std::unique_ptr<Backend> before;  // what the weights were made by
};

TEST(VaeTile, APictureThatDoesNotFitTheMemoryIsMadeInTilesAndSaysSo) {
  EditRequest r = img2img(256, 192);
  SmallModel small(size_t{12} << 20);
  Session session(small.model);
  const EditResult result = session.run(r);
  ASSERT_EQ(result.report.warnings.size(), 2u);
  EXPECT_NE(result.report.warnings[1].find("too little memory to decode the picture whole"),
            std::string::npos)
      << result.report.warnings[1];
  const auto said = recipe(result)["vae_tile"];
  ASSERT_TRUE(said.is_number()) << said;
  // What the recipe says makes the same picture where there is memory.
  r.vae_tile = said;
  EXPECT_EQ(Session(f32_model()).run(r).images[0].data, result.images[0].data);
}

TEST(VaeTile, TooLittleMemoryForAnyTileIsAnError) {
  SmallModel small(size_t{1} << 20);
  Session session(small.model);
  try {
    session.run(img2img(256, 192));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMemory);
  }
}

}  // namespace
}  // namespace dedit
