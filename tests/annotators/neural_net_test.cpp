#include "annotators/neural_net.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "core/rgb8.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

const std::string kNetworks = std::string(DEDIT_TEST_DATA) + "/neural/";
const std::string kPicture = std::string(DEDIT_TEST_DATA) + "/annotators/picture11.png";

Annotation made_by(const std::string& kind, const std::string& network,
                   const std::map<std::string, double>& values = {}) {
  AnnotatorArgs args;
  if (!network.empty()) args.files["annotator-model"] = network;
  for (const auto& [name, value] : values) args.values[name] = value;
  return annotate(*find_annotator(kind), load_image(kPicture), args);
}

std::string error_of(const std::string& kind, const std::string& network, ErrorKind expected) {
  try {
    made_by(kind, network);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), expected) << e.what();
    return e.what();
  }
  return "no error";
}

/// What follows the folder.
std::string without_folder(const std::string& message) {
  return message.starts_with(kNetworks) ? message.substr(kNetworks.size()) : message;
}

TEST(NeuralNet, WithoutAFileTheFolderIsAskedThenNamed) {
  unsetenv("DEDIT_ANNOTATOR_MODELS");
  EXPECT_EQ(error_of("hed", "", ErrorKind::kUsage), "hed: there is no network");
  setenv("DEDIT_ANNOTATOR_MODELS", kNetworks.c_str(), 1);
  EXPECT_EQ(error_of("hed", "", ErrorKind::kUsage), "no error");
  EXPECT_EQ(error_of("scribble-hed", "", ErrorKind::kUsage), "no error");  // the same network
  setenv("DEDIT_ANNOTATOR_MODELS", "/nowhere", 1);
  EXPECT_EQ(error_of("hed", "", ErrorKind::kInput), "/nowhere/hed.onnx: no such file");
  unsetenv("DEDIT_ANNOTATOR_MODELS");
}

TEST(NeuralNet, NetworksOfAnotherKindAreRefusedInOneSentence) {
  EXPECT_EQ(without_folder(error_of("hed", kNetworks + "mlsd.onnx", ErrorKind::kModel)),
            "mlsd.onnx: takes an input of shape [1, 4, any, any]");
  EXPECT_EQ(without_folder(error_of("mlsd", kNetworks + "hed.onnx", ErrorKind::kModel)),
            "hed.onnx: takes an input of shape [1, 3, any, any]");
  EXPECT_EQ(without_folder(error_of("hed", kNetworks + "teed.onnx", ErrorKind::kModel)),
            "teed.onnx: has 4 outputs, not 1 or 5");
  EXPECT_EQ(without_folder(error_of("lineart", kNetworks + "hed.onnx", ErrorKind::kModel)),
            "hed.onnx: has 5 outputs, not 1");
  EXPECT_EQ(error_of("hed", kPicture, ErrorKind::kModel), kPicture + ": is not an ONNX file");
  EXPECT_EQ(error_of("hed", kNetworks, ErrorKind::kInput), kNetworks + ": is not a file");
}

TEST(NeuralNet, TruncatedFilesAreNamedSo) {
  const auto path = std::filesystem::temp_directory_path() / "dedit_neural_net_test.onnx";
  std::filesystem::copy_file(kNetworks + "hed.onnx", path,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(path, 9000);
  EXPECT_EQ(error_of("hed", path.string(), ErrorKind::kModel),
            path.string() + ": the ONNX file is truncated or damaged");
  std::filesystem::remove(path);
}

TEST(NeuralNet, TheFilesHashGoesWithTheMap) {
  const Annotation made = made_by("hed", kNetworks + "hed.onnx");
  ASSERT_TRUE(made.hashes.contains("annotator-model"));
  EXPECT_EQ(made.hashes.at("annotator-model").size(), 64u);
  EXPECT_NE(made.hashes, made_by("teed", kNetworks + "teed.onnx").hashes);
}

TEST(NeuralNet, AResolutionIsTheShorterSideThatTheNetworkSees) {
  // At its own shorter side nothing is resized.
  const Image own = made_by("hed", kNetworks + "hed.onnx").map;
  EXPECT_EQ(made_by("hed", kNetworks + "hed.onnx", {{"resolution", 61}}).map.data, own.data);
  const Image other = made_by("hed", kNetworks + "hed.onnx", {{"resolution", 128}}).map;
  EXPECT_EQ(other.width, own.width);
  EXPECT_EQ(other.height, own.height);
  EXPECT_NE(other.data, own.data);
}

TEST(NeuralNet, PicturesOfExtremeShapesHaveMapsOfTheirSize) {
  for (const char* kind : {"hed", "pidinet", "teed", "mlsd", "midas", "midas-normal", "dpt"}) {
    const std::string network =
        kNetworks + (kind == std::string("midas-normal") ? "midas" : kind) + ".onnx";
    for (const auto& [w, h] : {std::pair(1, 1), std::pair(1, 70), std::pair(300, 2)}) {
      AnnotatorArgs args;
      args.files["annotator-model"] = network;
      const Image map = annotate(*find_annotator(kind), Image(w, h, 3), args).map;
      EXPECT_EQ(map.width, w) << kind;
      EXPECT_EQ(map.height, h) << kind;
    }
  }
}

TEST(NeuralNet, LargePicturesAreSeenSmallerWhereOpenCvWouldCrash) {
  for (const auto& [kind, w, h] : {std::tuple("lineart", 16000, 2), std::tuple("teed", 2, 15000),
                                   std::tuple("lineart", 1500, 1400)}) {
    AnnotatorArgs args;
    args.files["annotator-model"] = kNetworks + kind + ".onnx";
    const Annotation made = annotate(*find_annotator(kind), Image(w, h, 3), args);
    EXPECT_EQ(made.map.width, w);
    EXPECT_EQ(made.map.height, h);
    for (const std::string& note : made.notes) {
      EXPECT_NE(note.find("OpenCV cannot run this network on"), std::string::npos) << note;
    }
  }
}

}  // namespace
}  // namespace dedit::annotators
