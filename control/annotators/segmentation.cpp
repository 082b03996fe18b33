// Colours of classes from a label map: the 150 classes of ADE20K as segmentation ControlNets were
// trained on them, or a palette of the user's. B. Zhou et al., Scene Parsing through ADE20K
// Dataset, CVPR 2017.
#include <array>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "annotators/annotator.h"
#include "core/json_file.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr std::string_view kAliases[] = {"seg"};
constexpr Param kParams[] = {
    {.name = "first",
     .kind = ParamKind::kInt,
     .value = 0,
     .min = 0,
     .max = 65535,
     .help = "label of the palette's first colour; ADE20K's own files have 1, and 0 for no class"},
    {.name = "palette",
     .kind = ParamKind::kFile,
     .help = "JSON [[r, g, b], ...], a colour a class; not given: ADE20K's 150"},
};

// Class 1, wall, to class 150, flag.
constexpr Colour kAde20k[150] = {
    {120, 120, 120}, {180, 120, 120}, {6, 230, 230},   {80, 50, 50},    {4, 200, 3},
    {120, 120, 80},  {140, 140, 140}, {204, 5, 255},   {230, 230, 230}, {4, 250, 7},
    {224, 5, 255},   {235, 255, 7},   {150, 5, 61},    {120, 120, 70},  {8, 255, 51},
    {255, 6, 82},    {143, 255, 140}, {204, 255, 4},   {255, 51, 7},    {204, 70, 3},
    {0, 102, 200},   {61, 230, 250},  {255, 6, 51},    {11, 102, 255},  {255, 7, 71},
    {255, 9, 224},   {9, 7, 230},     {220, 220, 220}, {255, 9, 92},    {112, 9, 255},
    {8, 255, 214},   {7, 255, 224},   {255, 184, 6},   {10, 255, 71},   {255, 41, 10},
    {7, 255, 255},   {224, 255, 8},   {102, 8, 255},   {255, 61, 6},    {255, 194, 7},
    {255, 122, 8},   {0, 255, 20},    {255, 8, 41},    {255, 5, 153},   {6, 51, 255},
    {235, 12, 255},  {160, 150, 20},  {0, 163, 255},   {140, 140, 140}, {250, 10, 15},
    {20, 255, 0},    {31, 255, 0},    {255, 31, 0},    {255, 224, 0},   {153, 255, 0},
    {0, 0, 255},     {255, 71, 0},    {0, 235, 255},   {0, 173, 255},   {31, 0, 255},
    {11, 200, 200},  {255, 82, 0},    {0, 255, 245},   {0, 61, 255},    {0, 255, 112},
    {0, 255, 133},   {255, 0, 0},     {255, 163, 0},   {255, 102, 0},   {194, 255, 0},
    {0, 143, 255},   {51, 255, 0},    {0, 82, 255},    {0, 255, 41},    {0, 255, 173},
    {10, 0, 255},    {173, 255, 0},   {0, 255, 153},   {255, 92, 0},    {255, 0, 255},
    {255, 0, 245},   {255, 0, 102},   {255, 173, 0},   {255, 0, 20},    {255, 184, 184},
    {0, 31, 255},    {0, 255, 61},    {0, 71, 255},    {255, 0, 204},   {0, 255, 194},
    {0, 255, 82},    {0, 10, 255},    {0, 112, 255},   {51, 0, 255},    {0, 194, 255},
    {0, 122, 255},   {0, 255, 163},   {255, 153, 0},   {0, 255, 10},    {255, 112, 0},
    {143, 255, 0},   {82, 0, 255},    {163, 255, 0},   {255, 235, 0},   {8, 184, 170},
    {133, 0, 255},   {0, 255, 92},    {184, 0, 255},   {255, 0, 31},    {0, 184, 255},
    {0, 214, 255},   {255, 0, 112},   {92, 255, 0},    {0, 224, 255},   {112, 224, 255},
    {70, 184, 160},  {163, 0, 255},   {153, 0, 255},   {71, 255, 0},    {255, 0, 163},
    {255, 204, 0},   {255, 0, 143},   {0, 255, 235},   {133, 255, 0},   {255, 0, 235},
    {245, 0, 255},   {255, 0, 122},   {255, 245, 0},   {10, 190, 212},  {214, 255, 0},
    {0, 204, 255},   {20, 0, 255},    {255, 255, 0},   {0, 153, 255},   {0, 41, 255},
    {0, 255, 204},   {41, 0, 255},    {41, 255, 0},    {173, 0, 255},   {0, 245, 255},
    {71, 0, 255},    {122, 0, 255},   {0, 255, 184},   {0, 92, 255},    {184, 255, 0},
    {0, 133, 255},   {255, 214, 0},   {25, 194, 194},  {102, 255, 0},   {92, 0, 255}};

std::vector<Colour> read_palette(const std::string& path) {
  const nlohmann::json json = read_json_file(path);
  std::vector<Colour> palette;
  const auto refuse = [&] {
    throw Error(ErrorKind::kInput,
                str(path, ": colour ", palette.size() + 1, " is not three whole numbers in 0..255"),
                "write [[r, g, b], [r, g, b], ...]");
  };
  if (!json.is_array() || json.empty()) refuse();
  for (const nlohmann::json& row : json) {
    Colour colour = {};
    if (!row.is_array() || row.size() != colour.size()) refuse();
    for (size_t c = 0; c < colour.size(); ++c) {
      const bool is_byte = row[c].is_number_integer() && row[c] >= 0 && row[c] <= 255;
      if (!is_byte) refuse();
      colour[c] = uint8_t(row[c].get<int>());
    }
    palette.push_back(colour);
  }
  return palette;
}

/// A row's labels, for a picture of grey samples or of three equal ones.
template <class T>
bool read_labels(const Image& image, int y, std::vector<int>& labels) {
  const T* p = image.row<T>(y);
  for (int x = 0; x < image.width; ++x, p += image.channels) {
    if (image.channels >= 3 && (p[0] != p[1] || p[1] != p[2])) return false;
    labels[size_t(x)] = int(p[0]);
  }
  return true;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const std::string path = args.file("palette");
  const std::vector<Colour> palette =
      path.empty() ? std::vector<Colour>(std::begin(kAde20k), std::end(kAde20k))
                   : read_palette(path);
  const int first = int(args.get(kParams, "first"));
  Annotation result{.map = Image(image.width, image.height, 3)};
  std::vector<int> labels(size_t(image.width));
  int64_t n_unknown = 0;
  for (int y = 0; y < image.height; ++y) {
    const bool is_grey = image.type == PixelType::kU8    ? read_labels<uint8_t>(image, y, labels)
                         : image.type == PixelType::kU16 ? read_labels<uint16_t>(image, y, labels)
                                                         : false;
    if (!is_grey) {
      throw Error(ErrorKind::kUsage, "segmentation: the picture is not a label map: it has colours",
                  "give 8- or 16-bit grey whose values are class numbers; a coloured map is used "
                  "as it is by annotator none");
    }
    uint8_t* out = result.map.row<uint8_t>(y);
    for (const int label : labels) {
      const size_t i = size_t(label) - size_t(first);  // below the first: huge
      if (i < palette.size()) std::copy(palette[i].begin(), palette[i].end(), out);
      n_unknown += i >= palette.size() ? 1 : 0;
      out += 3;
    }
  }
  if (n_unknown > 0) {
    result.warnings.push_back(str("segmentation: ", n_unknown, " pixels have a label outside ",
                                  first, "..", size_t(first) + palette.size() - 1,
                                  " and are black"));
  }
  return result;
}

}  // namespace

extern const Annotator segmentation;
const Annotator segmentation = {
    .name = "segmentation",
    .summary = "the colours of classes from a map of class numbers",
    .paper = "Zhou et al. 2017, doi:10.1109/CVPR.2017.544",
    .params = kParams,
    .run = run,
    .control = "seg",
    .aliases = kAliases,
};

}  // namespace dedit::annotators
