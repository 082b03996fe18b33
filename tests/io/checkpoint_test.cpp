#include "io/checkpoint.h"

#include <cstring>

#include <gtest/gtest.h>

#include "io/model_files.h"

namespace dedit {
namespace {

using namespace dedit::testing;
namespace fs = std::filesystem;

void expect_same_numbers(const Component& a, const Component& b) {
  ASSERT_FALSE(a.tensors.empty());
  EXPECT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, view] : a.tensors) {
    const auto other = b.tensors.find(name);
    ASSERT_NE(other, b.tensors.end()) << name;
    ASSERT_EQ(view.shape, other->second.shape) << name;
    std::vector<float> x(size_t(view.numel())), y(x.size());
    read_f32(view, 0, view.numel(), x.data());
    read_f32(other->second, 0, view.numel(), y.data());
    ASSERT_EQ(x, y) << name;
  }
}

void expect_same_model(const Checkpoint& a, const Checkpoint& b) {
  for (const char* name : {"unet", "vae", "text_encoder"}) {
    SCOPED_TRACE(name);
    expect_same_numbers(a.component(name), b.component(name));
  }
}

TEST(Checkpoint, ReadsADiffusersFolder) {
  const TempFolder folder;
  const std::string model = folder / "model";
  write_tiny_diffusers(model);
  write_file(model + "/tokenizer/merges.txt", "#version: 0.2\n");
  write_file(model + "/tokenizer/vocab.json", "{}");
  const Checkpoint c = Checkpoint::open(model);
  EXPECT_EQ(c.path(), model);
  EXPECT_EQ(c.layout(), Layout::kDiffusers);
  EXPECT_EQ(c.components().size(), 3u);
  EXPECT_EQ(c.component("unet").config_json, R"({"_class_name": "UNet2DConditionModel"})");
  EXPECT_EQ(c.component("vae").config_json, "");
  EXPECT_EQ(c.scheduler_json(), R"({"_class_name": "DDIMScheduler"})");
  EXPECT_EQ(c.tokenizer_dir(), model + "/tokenizer");
  EXPECT_EQ(c.component("unet").source, model + "/unet");
  int64_t n = 0;
  for (const TwoNames& t : tiny_unet({})) n += t.shape.numel();
  EXPECT_EQ(c.component("unet").n_parameters(), n);
  EXPECT_EQ(c.component("unet").dtype(), DType::kF32);
}

TEST(Checkpoint, AnyTokenizerFileIsReasonToReadTheFolder) {
  for (const char* name : {"tokenizer.json", "merges.txt", "vocab.json"}) {
    SCOPED_TRACE(name);
    const TempFolder folder;
    write_tiny_diffusers(folder / "model");
    EXPECT_EQ(Checkpoint::open(folder / "model").tokenizer_dir(), "");
    write_file(folder / (std::string("model/tokenizer/") + name), "{}");
    EXPECT_EQ(Checkpoint::open(folder / "model").tokenizer_dir(), folder / "model/tokenizer");
  }
}

TEST(Checkpoint, GivesCompVisFilesTheSameNamesAndNumbersAtAnyDepth) {
  const TinySizes sizes[] = {{},
                             {.widths = {4, 4, 6, 6}, .layers = 2},
                             {.widths = {4, 6}, .layers = 1},
                             {.widths = {4}, .layers = 3, .in_channels = 9}};
  for (const TinySizes& s : sizes) {
    SCOPED_TRACE(::testing::Message() << s.widths.size() << " levels of " << s.layers);
    const TempFolder folder;
    write_tiny_diffusers(folder / "folder", s);
    write_tiny_compvis(folder / "file.safetensors", s);
    const Checkpoint c = Checkpoint::open(folder / "file.safetensors");
    EXPECT_EQ(c.layout(), Layout::kCompVis);
    EXPECT_EQ(c.component("unet").config_json, "");
    EXPECT_EQ(c.unknown(),
              (std::vector<std::string>{"betas", "model_ema.diffusion_modelinput_blocks00weight"}));
    expect_same_model(Checkpoint::open(folder / "folder"), c);
  }
}

TEST(Checkpoint, TakesVariantsWhereThePlainFileIsAbsent) {
  const TempFolder folder;
  write_tiny_diffusers(folder / "plain");
  write_tiny_diffusers(folder / "half", {}, DType::kF16);
  const std::string unet = folder / "half/unet/diffusion_pytorch_model";
  fs::rename(unet + ".safetensors", unet + ".fp16.safetensors");
  const Checkpoint plain = Checkpoint::open(folder / "plain");
  const Checkpoint half = Checkpoint::open(folder / "half");
  EXPECT_EQ(half.component("unet").dtype(), DType::kF16);
  expect_same_model(plain, half);  // the numbers are exact in f16

  fs::copy(folder / "plain/unet/diffusion_pytorch_model.safetensors", unet + ".safetensors");
  EXPECT_EQ(Checkpoint::open(folder / "half").component("unet").dtype(), DType::kF32);
}

/// Splits the U-Net of a folder into two files with an index.
void shard(const std::string& unet, const std::string& index_name) {
  const std::string stem = unet + "/diffusion_pytorch_model";
  std::vector<TestTensor> parts[2];
  std::string map;
  for (TestTensor& t : diffusers_tensors(tiny_unet({}))) {
    const size_t i = t.name.size() % 2;
    map += (map.empty() ? "" : ",") + ("\"" + t.name + "\":\"part-" + char('0' + i)) +
           ".safetensors\"";
    parts[i].push_back(std::move(t));
  }
  write_test_tensors(unet + "/part-0.safetensors", parts[0]);
  write_test_tensors(unet + "/part-1.safetensors", parts[1]);
  write_file(unet + "/" + index_name, "{\"metadata\":{},\"weight_map\":{" + map + "}}");
  fs::remove(stem + ".safetensors");
}

TEST(Checkpoint, JoinsShardsUnderEveryNameOfTheIndex) {
  const TempFolder folder;
  write_tiny_diffusers(folder / "plain");
  write_tiny_diffusers(folder / "sharded");
  const Checkpoint plain = Checkpoint::open(folder / "plain");
  const std::string unet = folder / "sharded/unet/";
  std::string current = "diffusion_pytorch_model.safetensors.index.json";
  shard(unet, current);
  for (const std::string index : {"diffusion_pytorch_model.safetensors.index.json",
                                  "diffusion_pytorch_model.fp16.safetensors.index.json",
                                  "diffusion_pytorch_model.safetensors.index.fp16.json",
                                  "diffusion_pytorch_model.safetensors.fp16.index.json"}) {
    SCOPED_TRACE(index);
    fs::rename(unet + current, unet + index);
    current = index;
    const Checkpoint sharded = Checkpoint::open(folder / "sharded");
    EXPECT_EQ(sharded.component("unet").files.size(), 2u);
    expect_same_model(plain, sharded);
  }
}

TEST(Checkpoint, RefusesShardsThatDoNotFitTheirIndex) {
  const TempFolder folder;
  const std::string model = folder / "model", unet = model + "/unet";
  const std::string index = unet + "/diffusion_pytorch_model.safetensors.index.json";
  write_tiny_diffusers(model);
  shard(unet, "diffusion_pytorch_model.safetensors.index.json");
  const auto open = [&] { Checkpoint::open(model); };
  fs::rename(unet + "/part-1.safetensors", unet + "/part-2.safetensors");
  expect_error(open, ErrorKind::kModel, index + ": shard part-1.safetensors is missing", "again");
  fs::copy(unet + "/part-0.safetensors", unet + "/part-1.safetensors");
  expect_error(open, ErrorKind::kModel, "is not in shard part-1.safetensors");
  write_file(index, R"({"weight_map":{"a":"../../secret.safetensors"}})");
  expect_error(open, ErrorKind::kModel, "tensor 'a' has no safetensors file name");
  write_file(index, R"({"weight_map":{"a":1}})");
  expect_error(open, ErrorKind::kModel, "tensor 'a' has no safetensors file name but 1");
  write_file(index, "{}");
  expect_error(open, ErrorKind::kModel, "has no \"weight_map\"");
  write_file(index, "[");
  expect_error(open, ErrorKind::kModel, "is not a JSON object");
}

TEST(Checkpoint, AcceptsOldAttentionNamesAndShortTextNames) {
  const TempFolder folder;
  write_tiny_diffusers(folder / "new");
  write_tiny_diffusers(folder / "old");
  const auto renamed = [](std::vector<TestTensor> tensors,
                          const std::vector<std::pair<std::string, std::string>>& names) {
    for (TestTensor& t : tensors) {
      for (const auto& [from, to] : names) {
        const size_t at = t.name.find(from);
        if (at != t.name.npos) t.name.replace(at, from.size(), to);
      }
    }
    return tensors;
  };
  write_test_tensors(folder / "old/vae/diffusion_pytorch_model.safetensors",
                     renamed(diffusers_tensors(tiny_vae({})), {{".to_q.", ".query."},
                                                               {".to_k.", ".key."},
                                                               {".to_v.", ".value."},
                                                               {".to_out.0.", ".proj_attn."}}));
  write_test_tensors(folder / "old/text_encoder/model.safetensors",
                     renamed(diffusers_tensors(tiny_text_encoder({})), {{"text_model.", ""}}));
  expect_same_model(Checkpoint::open(folder / "new"), Checkpoint::open(folder / "old"));
}

TEST(Checkpoint, RefusesFoldersWithoutReadableWeights) {
  const TempFolder folder;
  const std::string model = folder / "model";
  const auto open = [&] { Checkpoint::open(model); };
  expect_error(open, ErrorKind::kModel, "there is no such file", "check the path");
  fs::create_directory(model);
  expect_error(open, ErrorKind::kModel, "there is no unet folder", "a model is a diffusers folder");
  write_file(model + "/v1-5.safetensors", "x");
  expect_error(open, ErrorKind::kModel, "there is no unet folder",
               "give the file itself: " + model + "/v1-5.safetensors");

  write_tiny_diffusers(model);
  fs::remove(model + "/vae/diffusion_pytorch_model.safetensors");
  expect_error(open, ErrorKind::kModel, model + "/vae: there are no weights (looked for", "");
  write_file(model + "/vae/diffusion_pytorch_model.bin", "x");
  expect_error(open, ErrorKind::kModel, "a PyTorch pickle (diffusion_pytorch_model.bin)",
               "convert it");
  fs::remove_all(model + "/vae");
  expect_error([&] { Checkpoint::open(model).component("vae"); }, ErrorKind::kModel,
               "the model has no vae: there is no folder vae in it");
  expect_error([&] { Checkpoint::open(model + "/unet"); }, ErrorKind::kModel,
               "this is one network (UNet2DConditionModel), not a whole model",
               "give the folder around it");
}

TEST(Checkpoint, NamesSingleFilesThatAreNoStableDiffusion1) {
  const struct {
    const char* tensor;
    const char* message;
  } cases[] = {
      {"cond_stage_model.model.ln_final.weight", "this is Stable Diffusion 2.x, which is not read"},
      {"conditioner.embedders.1.model.ln_final.weight", "this is Stable Diffusion XL, which"},
      {"conditioner.embedders.0.model.ln_final.weight", "this is the Stable Diffusion XL refiner"},
      {"model.diffusion_model.joint_blocks.0.weight", "this is Stable Diffusion 3"},
      {"model.diffusion_model.double_blocks.0.weight", "this is Flux"},
      {"control_model.time_embed.0.weight", "this is a ControlNet, not a whole model"},
      {"lora_unet_down_blocks_0.lora_down.weight", "this is a LoRA, not a whole model"},
      {"decoder.conv_in.weight", "this is a VAE alone, not a whole model"},
      {"up_blocks.0.resnets.0.norm1.weight", "this is a U-Net alone, not a whole model"},
      {"text_model.embeddings.token_embedding.weight", "this is a text encoder alone"},
      {"something.else", "its tensors are those of no model that is known here"},
  };
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  for (const auto& [tensor, message] : cases) {
    SCOPED_TRACE(tensor);
    std::vector<TestTensor> tensors = {{"x", tensor, {2}}};
    const std::string_view name = tensor;
    if (name.starts_with("cond") || name.starts_with("control")) {  // whole files hold a U-Net too
      tensors.push_back({"y", "model.diffusion_model.out.2.weight", {2}});
    }
    write_test_tensors(path, tensors);
    expect_error([&] { Checkpoint::open(path); }, ErrorKind::kModel, message);
  }
}

TEST(Checkpoint, RefusesEightBitWeightsByName) {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  write_file(path, safetensors_bytes(R"({"model.diffusion_model.out.2.weight":)"
                                     R"({"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})",
                                     "xx"));
  expect_error([&] { Checkpoint::open(path); }, ErrorKind::kModel,
               "'model.diffusion_model.out.2.weight' is stored in a type or shape that is not read "
               "(F8_E4M3)");
}

TEST(Checkpoint, RefusesAMergeOfTwoLayouts) {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  write_test_tensors(path, {{"a", "model.diffusion_model.conv_in.weight", {2}},
                            {"b", "model.diffusion_model.input_blocks.0.0.weight", {2}}});
  expect_error([&] { Checkpoint::open(path); }, ErrorKind::kModel,
               "both stand for unet 'conv_in.weight'");
}

TEST(Checkpoint, KeepsNamesWithoutAPlaceSoThatTheyAreReported) {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<std::string> odd = {"input_blocks.1",        "input_blocks.1.0.wrong.weight",
                                        "input_blocks.x.0.op.w", "output_blocks.99999999999.0.w",
                                        "label_emb.0.0.weight",  "middle_block.7.norm.weight"};
  std::vector<TestTensor> tensors;
  for (const std::string& name : odd)
    tensors.push_back({name, "model.diffusion_model." + name, {1}});
  write_test_tensors(path, tensors);
  const Checkpoint c = Checkpoint::open(path);
  for (const std::string& name : odd)
    EXPECT_TRUE(c.component("unet").tensors.contains(name)) << name;
}

TEST(OpenControlNet, ReadsEveryLayoutToTheSameNumbers) {
  const TempFolder folder;
  const std::vector<TwoNames> tensors = tiny_controlnet({});
  const std::string dir = folder / "cn";
  const std::string file = dir + "/diffusion_pytorch_model.fp16.safetensors";
  write_test_tensors(file, diffusers_tensors(tensors), DType::kF16);
  write_file(dir + "/config.json", R"({"_class_name": "ControlNetModel"})");
  write_test_tensors(folder / "bare.safetensors", diffusers_tensors(tensors));
  write_test_tensors(folder / "plain.safetensors", compvis_tensors(tensors, ""));
  std::vector<TestTensor> whole = compvis_tensors(tensors, "control_model.");
  whole.push_back({"x", "model.diffusion_model.out.2.weight", {2}});
  write_test_tensors(folder / "prefixed.safetensors", whole);

  const Component expected = open_controlnet(dir);
  EXPECT_EQ(expected.name, "controlnet");
  EXPECT_EQ(expected.tensors.size(), tensors.size());
  EXPECT_EQ(expected.config_json, R"({"_class_name": "ControlNetModel"})");
  EXPECT_EQ(open_controlnet(file).config_json, expected.config_json);
  for (const char* name : {"bare", "plain", "prefixed"}) {
    SCOPED_TRACE(name);
    const Component c = open_controlnet(folder / (std::string(name) + ".safetensors"));
    EXPECT_EQ(c.config_json, "");
    expect_same_numbers(expected, c);
  }
}

TEST(OpenControlNet, NamesWhatIsNoControlNet) {
  const struct {
    std::vector<std::string> tensors;
    const char* message;
  } cases[] = {
      {{"lora_controlnet", "input_hint_block.0.weight"}, "this is a Control-LoRA, not a"},
      {{"adapter.body.0.in_conv.weight"}, "this is a T2I-Adapter, not a ControlNet"},
      {{"body.0.block1.weight", "conv_in.weight"}, "this is a T2I-Adapter, not a ControlNet"},
      {{"lora_te_text_model_encoder.lora_up.weight", "lora_te_x.lora_down.weight"}, "is a LoRA"},
      {{"unet.down_blocks.0.attn1.to_q.lora_A.weight"}, "this is a LoRA, not a ControlNet"},
      {{"ip_adapter.1.to_k_ip.weight"}, "this is an IP-Adapter, not a ControlNet"},
      {{"model.diffusion_model.out.2.weight"}, "this is a whole model (Stable Diffusion 1.x)"},
      {{"conditioner.embedders.1.model.x"}, "this is a whole model (Stable Diffusion XL), not"},
      {{"difference", "input_hint_block.0.weight"}, "this ControlNet holds differences"},
      {{"up_blocks.0.resnets.0.norm1.weight"}, "this is a U-Net alone, not a ControlNet"},
  };
  const TempFolder folder;
  const std::string path = folder / "control.safetensors";
  for (const auto& [names, message] : cases) {
    SCOPED_TRACE(names[0]);
    std::vector<TestTensor> tensors;
    for (const std::string& name : names) tensors.push_back({name, name, {2}});
    write_test_tensors(path, tensors);
    expect_error([&] { open_controlnet(path); }, ErrorKind::kModel, message);
  }
  expect_error([&] { open_controlnet(folder / "absent"); }, ErrorKind::kModel, "no such file");
  write_tiny_diffusers(folder / "model");
  expect_error([&] { open_controlnet(folder / "model"); }, ErrorKind::kModel,
               "this is a whole model, not a ControlNet");
  expect_error([&] { open_controlnet(folder / "model/unet"); }, ErrorKind::kModel,
               "this is a network of class UNet2DConditionModel, not a ControlNetModel");
  expect_error([&] { Checkpoint::open(path); }, ErrorKind::kModel, "this is a U-Net alone");
}

TEST(LooksLike, NamesTheFamilyFromTheShapes) {
  Component c;
  c.name = "unet";
  const auto set = [&](const char* name, const Shape& shape) {
    c.tensors[name] = {.data = &c, .shape = shape};
  };
  const char* const key = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight";
  set("conv_in.weight", {320, 4, 3, 3});
  set(key, {1280, 768});
  EXPECT_EQ(looks_like(c), "Stable Diffusion 1.x (cross-attention width 768)");
  set("conv_in.weight", {320, 9, 3, 3});
  set(key, {1280, 1024});
  EXPECT_EQ(looks_like(c),
            "Stable Diffusion 2.x inpainting (cross-attention width 1024, 9 input channels)");
  set("conv_in.weight", {320, 4, 3, 3});
  set(key, {1280, 2048});
  c.name = "controlnet";
  EXPECT_EQ(looks_like(c), "a ControlNet for Stable Diffusion XL (cross-attention width 2048)");
  set("conv_in.weight", {32, 4, 3, 3});
  EXPECT_EQ(looks_like(c),
            "a ControlNet for a network of another size (cross-attention width "
            "2048)");
  c.name = "vae";
  set("decoder.conv_in.weight", {512, 16, 3, 3});
  EXPECT_EQ(looks_like(c), "a VAE of Stable Diffusion 3 or Flux (16 latent channels)");
  c.name = "text_encoder";
  set("text_model.embeddings.token_embedding.weight", {49408, 768});
  EXPECT_EQ(looks_like(c), "CLIP ViT-L/14, the text encoder of Stable Diffusion 1.x (width 768)");
}

TEST(Fingerprint, FollowsTheContentsAndNotThePath) {
  const TempFolder folder;
  write_tiny_diffusers(folder / "a");
  write_tiny_diffusers(folder / "b");
  write_tiny_compvis(folder / "c.safetensors");
  const std::string a = fingerprint(Checkpoint::open(folder / "a"));
  EXPECT_EQ(a.size(), 64u);
  EXPECT_EQ(fingerprint(Checkpoint::open(folder / "b")), a);
  EXPECT_EQ(fingerprint(Checkpoint::open(folder / "b").component("unet")),
            fingerprint(Checkpoint::open(folder / "a").component("unet")));
  EXPECT_NE(fingerprint(Checkpoint::open(folder / "c.safetensors")), a);

  const std::string vae = folder / "b/vae/diffusion_pytorch_model.safetensors";
  std::string bytes = read_file(vae);
  bytes.back() = char(bytes.back() + 1);
  write_file(vae, bytes);
  EXPECT_NE(fingerprint(Checkpoint::open(folder / "b")), a);
}

TEST(Fingerprint, CoversBothEndsOfALargeFile) {
  const TempFolder folder;
  const std::string path = folder / "cn.safetensors";
  std::vector<float> data(1 << 20);
  const NamedTensor tensors[] = {
      {"controlnet_cond_embedding.conv_in.weight", {1 << 20}, DType::kF32, data.data()}};
  const auto print = [&] {
    save_safetensors(path, tensors);
    return fingerprint(open_controlnet(path));
  };
  const std::string zeros = print();
  data.front() = 1;
  const std::string first = print();
  data.front() = 0;
  data.back() = 1;
  const std::string last = print();
  EXPECT_NE(zeros, first);
  EXPECT_NE(zeros, last);
  EXPECT_NE(first, last);
}

}  // namespace
}  // namespace dedit
