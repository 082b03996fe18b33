// People as OpenPose draws them, from keypoints in JSON: what the OpenPose ControlNets were trained
// on. Sizes and colours are those of the ControlNet 1.1 annotator (open_pose of controlnet_aux).
// Cao et al. 2019 (arXiv:1812.08008).
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "annotators/maps.h"
#include "core/json_file.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

using nlohmann::json;
using Point = std::optional<cv::Point2d>;  // in 0..1 of the canvas
using Points = std::vector<Point>;

constexpr std::string_view kAliases[] = {"openpose"};
constexpr Param kParams[] = {
    {.name = "pose", .kind = ParamKind::kFile, .help = "JSON of OpenPose keypoints"},
    {.name = "no-body", .kind = ParamKind::kFlag, .help = "leave out bodies"},
    {.name = "no-hands", .kind = ParamKind::kFlag, .help = "leave out hands"},
    {.name = "no-face", .kind = ParamKind::kFlag, .help = "leave out faces"},
    {.name = "confidence",
     .kind = ParamKind::kReal,
     .value = 0,
     .min = 0,
     .max = 1,
     .help = "keypoints of this confidence or less are not drawn"},
};

constexpr int kBodyPoints = 18;
constexpr int kHandPoints = 21;

// Pairs of keypoints, from 0: neck to shoulders, arms, neck to hips, legs, neck to nose, head.
constexpr std::pair<int, int> kLimbs[17] = {{1, 2}, {1, 5},  {2, 3},   {3, 4},  {5, 6},   {6, 7},
                                            {1, 8}, {8, 9},  {9, 10},  {1, 11}, {11, 12}, {12, 13},
                                            {1, 0}, {0, 14}, {14, 16}, {0, 15}, {15, 17}};

/// Keypoint k of OpenPose's 25-point bodies that is our keypoint i.
constexpr std::array<size_t, kBodyPoints> kBody25 = {0,  1,  2,  3,  4,  5,  6,  7,  9,
                                                     10, 11, 12, 13, 14, 15, 16, 17, 18};

/// The hue circle in 18 steps; 85 is a third of 255.
cv::Scalar body_colour(int i) {
  constexpr int kStep = 85;
  const int phase = i % 3 * kStep;
  switch (i / 3) {
    case 0:
      return {255.0, double(phase), 0};
    case 1:
      return {255.0 - phase, 255, 0};
    case 2:
      return {0, 255, double(phase)};
    case 3:
      return {0, 255.0 - phase, 255};
    case 4:
      return {double(phase), 0, 255};
    default:
      return {255, 0, 255.0 - phase};
  }
}

/// HSV at full saturation and value, hue = i / n.
cv::Scalar rainbow(int i, int n) {
  const double h = double(i) / n * 6;
  const int sector = int(h);
  const double f = h - sector;
  const cv::Scalar colours[6] = {{1, f, 0},     {1 - f, 1, 0}, {0, 1, f},
                                 {0, 1 - f, 1}, {f, 0, 1},     {1, 0, 1 - f}};
  return colours[sector] * 255;
}

/// [x, y, confidence, ...] of one body, hand or face; absent or null gives none. Points of no
/// confidence are absent.
Points read_points(const json& person, const char* key, cv::Size canvas, double least,
                   const std::string& path) {
  const auto found = person.find(key);
  if (found == person.end() || found->is_null()) return {};
  if (!found->is_array() || found->size() % 3 != 0) {
    throw Error(ErrorKind::kInput, str(path, ": ", key, " is not a list of x, y, confidence"));
  }
  Points points;
  for (size_t i = 0; i < found->size(); i += 3) {
    const std::string what = str(path, ": ", key, "[", i, "]");
    const double x = json_coordinate((*found)[i], what);
    const double y = json_coordinate((*found)[i + 1], what);
    constexpr double kFar = 10;  // canvases
    if (std::abs(x) > kFar * canvas.width || std::abs(y) > kFar * canvas.height) {
      throw Error(ErrorKind::kInput, str(what, " ", x, ",", y, " is far outside the ", canvas.width,
                                         "x", canvas.height, " canvas"));
    }
    const bool is_seen = json_coordinate((*found)[i + 2], what) > least;
    points.push_back(is_seen ? Point({x / canvas.width, y / canvas.height}) : Point());
  }
  return points;
}

Points body_of(const json& person, cv::Size canvas, double least, const std::string& path) {
  const Points all = read_points(person, "pose_keypoints_2d", canvas, least, path);
  if (all.empty() || all.size() == kBodyPoints) return all;
  if (all.size() != 25) {
    throw Error(ErrorKind::kInput, str(path, ": a body has ", all.size(), " keypoints"),
                "OpenPose bodies have 18 (COCO) or 25 (BODY_25)");
  }
  Points points;
  for (const size_t k : kBody25) points.push_back(all[k]);
  return points;
}

cv::Point pixel(const Point& p, const cv::Mat& canvas) {
  return {int(p->x * canvas.cols), int(p->y * canvas.rows)};
}

void draw_limb(cv::Mat& canvas, const Point& from, const Point& to, const cv::Scalar& colour) {
  constexpr int kHalfWidth = 4;
  if (!from || !to) return;
  const double x0 = from->x * canvas.cols;
  const double y0 = from->y * canvas.rows;
  const double x1 = to->x * canvas.cols;
  const double y1 = to->y * canvas.rows;
  const double length = std::sqrt((y0 - y1) * (y0 - y1) + (x0 - x1) * (x0 - x1));
  const double degrees = std::atan2(y0 - y1, x0 - x1) * (180.0 / std::numbers::pi);
  std::vector<cv::Point> polygon;
  cv::ellipse2Poly(cv::Point(int((x0 + x1) / 2), int((y0 + y1) / 2)), {int(length / 2), kHalfWidth},
                   int(degrees), 0, 360, 1, polygon);
  cv::Scalar dark;
  for (int c = 0; c < 3; ++c) dark[c] = int(colour[c] * 0.6);
  cv::fillConvexPoly(canvas, polygon, dark);
}

void draw_body(cv::Mat& canvas, const Points& points) {
  constexpr int kRadius = 4;
  if (points.empty()) return;
  int i = 0;
  for (const auto& [a, b] : kLimbs) {
    draw_limb(canvas, points[size_t(a)], points[size_t(b)], body_colour(i++));
  }
  for (i = 0; i < kBodyPoints; ++i) {
    if (points[size_t(i)]) {
      cv::circle(canvas, pixel(points[size_t(i)], canvas), kRadius, body_colour(i), cv::FILLED);
    }
  }
}

/// The reference draws hands and faces right of and below the first pixel only.
bool is_inside(cv::Point p) {
  return p.x > 0 && p.y > 0;
}

void draw_hand(cv::Mat& canvas, const Points& points, const std::string& path) {
  constexpr int kRadius = 4;
  constexpr int kEdges = 20;
  if (points.empty()) return;
  if (points.size() != kHandPoints) {
    throw Error(ErrorKind::kInput, str(path, ": a hand has ", points.size(), " keypoints, not 21"));
  }
  for (int i = 0; i < kEdges; ++i) {  // five fingers of four, from the wrist
    const Point& from = points[i % 4 == 0 ? 0 : size_t(i)];
    const Point& to = points[size_t(i) + 1];
    if (!from || !to) continue;
    const cv::Point a = pixel(from, canvas);
    const cv::Point b = pixel(to, canvas);
    if (is_inside(a) && is_inside(b)) cv::line(canvas, a, b, rainbow(i, kEdges), 2);
  }
  for (const Point& p : points) {
    if (p && is_inside(pixel(p, canvas))) {
      cv::circle(canvas, pixel(p, canvas), kRadius, {0, 0, 255}, cv::FILLED);
    }
  }
}

void draw_face(cv::Mat& canvas, const Points& points) {
  constexpr int kRadius = 3;
  for (const Point& p : points) {
    if (p && is_inside(pixel(p, canvas))) {
      cv::circle(canvas, pixel(p, canvas), kRadius, {255, 255, 255}, cv::FILLED);
    }
  }
}

/// What the coordinates are relative to: the file's canvas, else the picture.
cv::Size canvas_of(const json& file, const Image& image, const std::string& path) {
  const auto side = [&](const char* key) {
    const auto found = file.find(key);
    if (found == file.end()) return 0;
    const double v = json_coordinate(*found, str(path, ": ", key));
    if (!(v >= 1 && v <= Image::kMaxSide)) {
      throw Error(ErrorKind::kInput,
                  str(path, ": ", key, " ", v, " is outside 1..", Image::kMaxSide));
    }
    return int(v);
  };
  const cv::Size canvas(side("canvas_width"), side("canvas_height"));
  if (canvas.area() > 0) return canvas;
  if (!image.empty()) return {image.width, image.height};
  throw Error(ErrorKind::kUsage, str(path, ": has no canvas_width and canvas_height"),
              "give a picture of the map's size too");
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const std::string path = args.file("pose");
  if (path.empty()) {
    throw Error(ErrorKind::kUsage, "pose: there are no keypoints", "add --pose FILE.json");
  }
  json file = read_json_file(path);
  if (file.is_array() && !file.empty()) file = json(file.front());  // one entry a picture
  const auto people = file.is_object() ? file.find("people") : file.end();
  if (people == file.end() || !people->is_array()) {
    throw Error(
        ErrorKind::kInput, str(path, ": has no list \"people\""),
        "it takes OpenPose's JSON: {\"people\": [{\"pose_keypoints_2d\": [x, y, c, ...]}]}");
  }
  const cv::Size canvas = canvas_of(file, image, path);
  const double least = args.get(kParams, "confidence");
  Annotation result{.map = image.empty() ? Image(canvas.width, canvas.height, 3)
                                         : Image(image.width, image.height, 3)};
  cv::Mat map(result.map.height, result.map.width, CV_8UC3, result.map.data.data());
  size_t n_people = 0;
  for (const json& person : *people) {
    ++n_people;
    if (!person.is_object()) {
      throw Error(ErrorKind::kInput, str(path, ": person ", n_people, " is not an object"));
    }
    if (args.get(kParams, "no-body") == 0) draw_body(map, body_of(person, canvas, least, path));
    for (const char* hand : {"hand_left_keypoints_2d", "hand_right_keypoints_2d"}) {
      if (args.get(kParams, "no-hands") != 0) break;
      draw_hand(map, read_points(person, hand, canvas, least, path), path);
    }
    if (args.get(kParams, "no-face") != 0) continue;
    draw_face(map, read_points(person, "face_keypoints_2d", canvas, least, path));
  }
  if (cv::countNonZero(map.reshape(1)) == 0) {
    result.warnings.push_back(str("pose: ", path, " leaves the map black: no keypoint is in it"));
  }
  return result;
}

}  // namespace

extern const Annotator pose;
const Annotator pose = {
    .name = "pose",
    .summary = "people drawn from OpenPose keypoints in JSON",
    .paper = "Cao et al. 2019, arXiv:1812.08008",
    .params = kParams,
    .run = run,
    .control = "openpose",
    .aliases = kAliases,
    .is_picture_optional = true,
};

}  // namespace dedit::annotators
