// Masks, polygons and strokes in JSON; COCO's run lengths.
#include <algorithm>
#include <span>

#include <nlohmann/json.hpp>

#include "core/json_file.h"
#include "core/rgb8.h"
#include "core/str.h"
#include "io/atomic_file.h"
#include "io/image_ops.h"
#include "io/read_bytes.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kInput, str(path, ": ", what));
}

/// COCO's packing: 5 bits a character from '0' on, the sixth says that more follow; from the third
/// run on the difference to the run before the last (cocodataset/cocoapi, maskApi.c).
std::vector<int64_t> unpack_counts(const std::string& text, const std::string& path) {
  std::vector<int64_t> counts;
  size_t at = 0;
  while (at < text.size()) {
    int64_t value = 0;
    int shift = 0;
    bool has_more = true;
    while (has_more) {
      if (at == text.size() || shift > 35) refuse(path, "its packed run lengths end in the middle");
      const int c = int(uint8_t(text[at++])) - 48;
      if (c < 0 || c > 63) refuse(path, "its packed run lengths have a character out of range");
      value |= int64_t(c & 31) << shift;
      has_more = (c & 32) != 0;
      shift += 5;
      if (!has_more && (c & 16) != 0) value |= -(int64_t{1} << shift);
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    counts.push_back(value);
  }
  return counts;
}

std::vector<int64_t> counts_of(const json& rle, const std::string& path) {
  const auto found = rle.find("counts");
  if (found != rle.end() && found->is_string()) {
    return unpack_counts(found->get<std::string>(), path);
  }
  if (found == rle.end() || !found->is_array()) refuse(path, "has no \"counts\" of run lengths");
  std::vector<int64_t> counts;
  for (const json& n : *found) {
    if (!n.is_number_integer()) refuse(path, "its run lengths are not whole numbers");
    counts.push_back(n.get<int64_t>());
  }
  return counts;
}

int side_of(const json& size, size_t i, const std::string& path) {
  if (!size[i].is_number_integer() || size[i] < 1 || size[i] > Image::kMaxSide) {
    refuse(path, str("its \"size\" is not two whole numbers in 1..", Image::kMaxSide));
  }
  return size[i].get<int>();
}

Image mask_of_json(const json& file, const std::string& path) {
  const bool is_annotation = file.is_object() && file.contains("segmentation");
  const json& rle = is_annotation ? file["segmentation"] : file;
  if (!rle.is_object() || !rle.contains("size") || !rle["size"].is_array() ||
      rle["size"].size() != 2) {
    throw Error(ErrorKind::kInput, str(path, ": is not a mask of run lengths"),
                "it takes {\"size\": [height, width], \"counts\": [...]}; for polygons use dedit "
                "mask polygon --points");
  }
  const int height = side_of(rle["size"], 0, path);
  const int width = side_of(rle["size"], 1, path);
  Image mask(width, height, 1);
  const int64_t n_pixels = int64_t(width) * height;
  int64_t at = 0;
  uint8_t colour = 0;
  for (const int64_t n : counts_of(rle, path)) {
    if (n < 0 || n > n_pixels - at) refuse(path, "its run lengths do not fit its size");
    for (const int64_t end = at + n; at < end; ++at) {
      mask.row<uint8_t>(int(at % height))[at / height] = colour;
    }
    colour = colour == 0 ? 255 : 0;
  }
  if (at != n_pixels) refuse(path, "its run lengths do not fill its size");
  return mask;
}

MaskPoint point_of(const json& x, const json& y, const std::string& where) {
  return {json_coordinate(x, where), json_coordinate(y, where)};
}

/// [[x, y], ...] or [x, y, x, y, ...]
std::vector<MaskPoint> points_of(const json& list, const std::string& where) {
  std::vector<MaskPoint> points;
  const bool is_flat = list.is_array() && !list.empty() && list.front().is_number();
  if (!list.is_array() || (is_flat && list.size() % 2 != 0))
    refuse(where, "is not a list of points");
  for (size_t i = 0; i < list.size(); i += is_flat ? 2 : 1) {
    const std::string point = str(where, " ", i / (is_flat ? 2 : 1) + 1);
    if (is_flat) {
      points.push_back(point_of(list[i], list[i + 1], point));
    } else if (list[i].is_array() && list[i].size() == 2) {
      points.push_back(point_of(list[i][0], list[i][1], point));
    } else {
      refuse(point, "is not [x, y]");
    }
  }
  return points;
}

/// The list itself, or the first of `keys` in an object.
const json& list_in(const json& file, std::initializer_list<const char*> keys) {
  if (!file.is_object()) return file;
  for (const char* key : keys) {
    if (file.contains(key)) return file[key];
  }
  return file;
}

bool is_point(const json& value) {
  return value.is_array() && value.size() == 2 && value[0].is_number();
}

}  // namespace

Image load_mask(const std::string& path) {
  std::vector<std::byte> bytes = read_bytes(path);
  const std::string name = path == "-" ? "standard input" : path;
  const auto first =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{' '}; });
  if (first == bytes.end() || *first != std::byte{'{'}) return to_mask8(decode_image(bytes, name));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return mask_of_json(parse_json(text, name), name);
}

std::string mask_to_json(const Image& mask) {
  json counts = json::array();
  uint8_t colour = 0;
  int64_t run = 0;
  for (int x = 0; x < mask.width; ++x) {
    for (int y = 0; y < mask.height; ++y) {
      const uint8_t value = mask.row<uint8_t>(y)[x] >= 128 ? 255 : 0;
      if (value != colour) {
        counts.push_back(run);
        run = 0;
        colour = value;
      }
      ++run;
    }
  }
  counts.push_back(run);
  return json{{"size", {mask.height, mask.width}}, {"counts", counts}}.dump() + "\n";
}

void save_mask_json(const Image& mask, const std::string& path, const SaveOptions& options) {
  AtomicFile file(path, options.no_clobber);
  const std::string text = mask_to_json(mask);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

std::vector<std::vector<MaskPoint>> load_polygons(const std::string& path) {
  const json file = read_json_file(path);
  const json& list = list_in(file, {"points", "polygons", "segmentation"});
  if (!list.is_array() || list.empty()) refuse(path, "is not a list of points");
  std::vector<std::vector<MaskPoint>> polygons;
  if (is_point(list.front()) || list.front().is_number()) {
    polygons.push_back(points_of(list, path + ": point"));
  } else {
    for (size_t i = 0; i < list.size(); ++i) {
      polygons.push_back(points_of(list[i], str(path, ": polygon ", i + 1, ": point")));
    }
  }
  for (const auto& polygon : polygons) {
    if (polygon.size() < 3) refuse(path, "a polygon has fewer than 3 points");
  }
  return polygons;
}

std::vector<MaskStroke> load_strokes(const std::string& path) {
  const json file = read_json_file(path);
  const json& list = list_in(file, {"strokes"});
  if (!list.is_array() || list.empty()) refuse(path, "is not a list of strokes");
  std::vector<MaskStroke> strokes;
  for (const json& row : list) {
    const std::string where = str(path, ": stroke ", strokes.size() + 1);
    if (!row.is_object() || !row.contains("points")) refuse(where, "has no \"points\"");
    MaskStroke stroke;
    stroke.points = points_of(row["points"], where + ": point");
    if (row.contains("radius")) stroke.radius = json_coordinate(row["radius"], where + ": radius");
    constexpr double kMostRadius = 4096;
    if (stroke.radius < 0 || stroke.radius > kMostRadius) {
      refuse(where, str("has a radius outside 0..", kMostRadius));
    }
    if (row.contains("erase")) {
      if (!row["erase"].is_boolean()) refuse(where, "has an \"erase\" that is not true or false");
      stroke.erases = row["erase"].get<bool>();
    }
    strokes.push_back(std::move(stroke));
  }
  return strokes;
}

}  // namespace dedit
