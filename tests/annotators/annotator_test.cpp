#include "annotators/annotator.h"

#include <limits>
#include <utility>

#include <gtest/gtest.h>

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr std::string_view kChoices[] = {"a", "b"};
constexpr Param kParams[] = {
    {.name = "real", .kind = ParamKind::kReal, .value = 1.5, .min = -1, .max = 2, .help = ""},
    {.name = "int", .kind = ParamKind::kInt, .value = 3, .min = 0, .max = 10, .help = ""},
    {.name = "flag", .kind = ParamKind::kFlag, .help = ""},
    {.name = "choice", .kind = ParamKind::kChoice, .help = "", .choices = kChoices},
    {.name = "file", .kind = ParamKind::kFile, .help = ""},
};

/// Writes what it was given into the top-left pixel.
Annotation run(const Image& image, const AnnotatorArgs& args) {
  Annotation out{.map = Image(image.width, image.height, 3), .warnings = {}};
  out.map.data[0] = std::byte(args.get(kParams, "int"));
  return out;
}

const Annotator kProbe = {
    .name = "probe", .summary = "", .paper = "", .params = kParams, .run = run};

std::string error_of(const AnnotatorArgs& args, const Image& image = Image(2, 2, 3)) {
  try {
    annotate(kProbe, image, args);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "no error";
}

AnnotatorArgs value(const std::string& name, double v) {
  AnnotatorArgs args;
  args.values[name] = v;
  return args;
}

TEST(Annotator, RegistryIsSortedAndComplete) {
  const auto all = all_annotators();
  ASSERT_FALSE(all.empty());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(find_annotator(all[i]->name), all[i]);
    EXPECT_FALSE(all[i]->summary.empty());
    EXPECT_NE(all[i]->run, nullptr);
    EXPECT_TRUE(i == 0 || all[i - 1]->name < all[i]->name);
    for (const Param& row : all[i]->params) {
      EXPECT_FALSE(row.help.empty()) << row.name;
      if (row.kind == ParamKind::kReal || row.kind == ParamKind::kInt) {
        EXPECT_LE(row.min, row.value) << row.name;
        EXPECT_LE(row.value, row.max) << row.name;
      }
    }
  }
  EXPECT_EQ(find_annotator("nonsense"), nullptr);
}

TEST(Annotator, DefaultsAreUsedWhereNothingIsGiven) {
  EXPECT_EQ(annotate(kProbe, Image(2, 2, 3), {}).map.data[0], std::byte{3});
  EXPECT_EQ(annotate(kProbe, Image(2, 2, 3), value("int", 7)).map.data[0], std::byte{7});
  EXPECT_THROW(AnnotatorArgs().get(kParams, "nonsense"), Error);
}

TEST(Annotator, ValuesOutsideTheirRangeAreRefusedByName) {
  EXPECT_EQ(error_of(value("real", 2)), "no error");
  EXPECT_EQ(error_of(value("real", 2.5)), "probe: --real 2.5 is outside -1..2");
  EXPECT_EQ(error_of(value("int", -1)), "probe: --int -1 is outside 0..10");
  EXPECT_EQ(error_of(value("int", 1.5)), "probe: --int 1.5 is not a whole number");
  EXPECT_EQ(error_of(value("flag", 2)), "probe: --flag 2 is outside 0..1");
  EXPECT_EQ(error_of(value("choice", 2)), "probe: --choice 2 is outside 0..1");
  EXPECT_EQ(error_of(value("real", std::numeric_limits<double>::quiet_NaN())),
            "probe: --real nan is outside -1..2");
  EXPECT_EQ(error_of(value("real", std::numeric_limits<double>::infinity())),
            "probe: --real inf is outside -1..2");
}

TEST(Annotator, CannyStatesItsRange) {
  try {
    annotate(*find_annotator("canny"), Image(2, 2, 3), value("low", 3000));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "canny: --low 3000 is outside 0..1020");
  }
}

TEST(Annotator, UnknownAndMixedUpParametersAreRefused) {
  EXPECT_EQ(error_of(value("lwo", 1)), "probe: there is no parameter --lwo");
  EXPECT_EQ(error_of(value("file", 1)), "probe: --file takes a file, not the number 1");
  AnnotatorArgs args;
  args.files["real"] = "x.json";
  EXPECT_EQ(error_of(args), "probe: --real takes a number, not the file 'x.json'");
  args.files = {{"file", "x.json"}};
  EXPECT_EQ(error_of(args), "no error");
}

TEST(Annotator, AnEmptyPictureIsRefused) {
  EXPECT_EQ(error_of({}, Image()), "probe: the picture is empty");
}

TEST(Annotator, AFinishedMapGivenAgainIsWarnedOf) {
  Image map(40, 40, 1);
  for (int x = 0; x < 40; ++x) map.row<uint8_t>(20)[x] = 255;
  Image drawing = map;
  for (std::byte& v : drawing.data) v = ~v;
  const std::map<std::string, size_t> warnings = {
      {"scribble", 1},  {"scribble-drawing", 1}, {"softedge", 1},  {"lineart-standard", 1},
      {"pyracanny", 1}, {"invert", 0},           {"threshold", 0}, {"binary", 0}};
  for (const auto& [kind, count] : warnings) {
    const Annotator& annotator = *find_annotator(kind);
    EXPECT_EQ(annotate(annotator, map, {}).warnings.size(), count) << kind;
    EXPECT_TRUE(annotate(annotator, drawing, {}).warnings.empty()) << kind;
  }
}

TEST(Annotator, APictureThatIsGivenUpBecomesTheMapWithoutACopy) {
  for (const char* kind : {"none", "tile"}) {
    Image picture(5, 4, 3);
    picture.data[7] = std::byte{9};
    picture.icc = {1};
    picture.text["a"] = "b";
    const Annotator& annotator = *find_annotator(kind);
    const Image copy = annotate(annotator, picture, {}).map;
    EXPECT_EQ(copy.data, picture.data);
    EXPECT_EQ(picture.text.size(), 1u);
    const std::byte* pixels = picture.data.data();
    const Image map = annotate(annotator, std::move(picture), {}).map;
    EXPECT_EQ(map.data.data(), pixels) << kind;
    EXPECT_EQ(map.data, copy.data);
    EXPECT_TRUE(map.icc.empty() && map.text.empty());
    EXPECT_EQ(annotate(annotator, Image(5, 4, 4, PixelType::kU16), {}).map.channels, 3);
  }
}

}  // namespace
}  // namespace dedit
