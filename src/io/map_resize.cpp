#include "io/map_resize.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "io/image_ops.h"
#include "io/mat.h"

namespace dedit {
namespace {

constexpr size_t kManyColours = 200;

/// Number of different colours, counted up to kManyColours.
size_t count_colours(const Image& image) {
  std::unordered_set<uint32_t> seen;
  const auto* p = reinterpret_cast<const uint8_t*>(image.data.data());
  for (size_t i = 0; i < image.data.size() && seen.size() < kManyColours;
       i += size_t(image.channels)) {
    uint32_t colour = 0;
    for (int c = 0; c < image.channels; ++c) colour = colour << 8 | p[i + size_t(c)];
    seen.insert(colour);
  }
  return seen.size();
}

bool is_black_and_white(const Image& image) {
  const auto [low, high] = std::minmax_element(image.data.begin(), image.data.end());
  return *low < std::byte{16} && *high > std::byte{240};
}

/// More than half of the white goes when it is opened by 3x3.
bool is_one_pixel_wide(const cv::Mat& map) {
  cv::Mat opened;
  const cv::Mat block = cv::Mat::ones(3, 3, CV_8U);
  cv::erode(map, opened, block);
  cv::dilate(opened, opened, block);
  const int lost = cv::countNonZero(cv::Mat(opened < map).reshape(1));
  return lost * 2 > cv::countNonZero(cv::Mat(map > 127).reshape(1));
}

/// Pixels that are the largest on a line of three through them, in any of four directions.
cv::Mat ridges(const cv::Mat& grey) {
  const uint8_t lines[4][9] = {{0, 0, 0, 1, 1, 1, 0, 0, 0},
                               {0, 1, 0, 0, 1, 0, 0, 1, 0},
                               {1, 0, 0, 0, 1, 0, 0, 0, 1},
                               {0, 0, 1, 0, 1, 0, 1, 0, 0}};
  cv::Mat out = cv::Mat::zeros(grey.size(), CV_8U);
  for (const auto& line : lines) {
    cv::Mat largest;
    cv::dilate(grey, largest, cv::Mat(3, 3, CV_8U, const_cast<uint8_t*>(line)));
    grey.copyTo(out, largest == grey);
  }
  return out;
}

/// 1 must be set, -1 must be clear, 0 may be either.
using Pattern = std::array<int, 9>;

/// Clears the centres of the two patterns in each of their four turns. Whether anything went.
bool clear_patterns(cv::Mat& map, const std::array<Pattern, 2>& patterns) {
  bool has_changed = false;
  for (int turn = 0; turn < 4; ++turn) {
    for (const Pattern& pattern : patterns) {
      cv::Mat kernel(3, 3, CV_32S);
      std::copy(pattern.begin(), pattern.end(), kernel.begin<int>());
      for (int k = 0; k < turn; ++k) cv::rotate(kernel, kernel, cv::ROTATE_90_COUNTERCLOCKWISE);
      cv::Mat hits;
      cv::morphologyEx(map, hits, cv::MORPH_HITMISS, kernel);
      has_changed |= cv::countNonZero(hits) > 0;
      map.setTo(0, hits);
    }
  }
  return has_changed;
}

void thin(cv::Mat& map, bool prunes) {
  constexpr int kMostRounds = 32;
  const std::array<Pattern, 2> edges = {
      {{-1, -1, -1, 0, 1, 0, 1, 1, 1}, {0, -1, -1, 1, 1, -1, 0, 1, 0}}};
  const std::array<Pattern, 2> spurs = {
      {{-1, -1, -1, -1, 1, -1, 0, 0, -1}, {-1, -1, -1, -1, 1, -1, -1, 0, 0}}};
  for (int round = 0; round < kMostRounds && clear_patterns(map, edges); ++round) continue;
  if (prunes) clear_patterns(map, spurs);
}

/// Mean of the channels, rounded down.
cv::Mat grey_of(const cv::Mat& m) {
  if (m.channels() == 1) return m;
  cv::Mat grey(m.size(), CV_8U);
  for (int y = 0; y < m.rows; ++y) {
    const auto* src = m.ptr<uint8_t>(y);
    for (int x = 0; x < m.cols; ++x, src += 3) {
      grey.at<uint8_t>(y, x) = uint8_t((src[0] + src[1] + src[2]) / 3);
    }
  }
  return grey;
}

Image resize_lines(const Image& map, int width, int height) {
  const int64_t old_area = int64_t(map.width) * map.height, new_area = int64_t(width) * height;
  cv::Mat m;
  cv::resize(mat_of(map), m, cv::Size(width, height), 0, 0,
             new_area < old_area ? cv::INTER_AREA : cv::INTER_CUBIC);
  cv::Mat grey = grey_of(m);
  const bool is_thin = is_one_pixel_wide(mat_of(map));
  if (is_thin) grey = ridges(grey);
  cv::threshold(grey, grey, 0, 255, cv::THRESH_BINARY | cv::THRESH_OTSU);
  if (is_thin) thin(grey, /*prunes=*/new_area > old_area);
  Image out(width, height, map.channels);
  cv::Mat target = mat_of(out);
  cv::merge(std::vector<cv::Mat>(size_t(map.channels), grey), target);
  return out;
}

Image resize_nearest(const Image& map, int width, int height, int interpolation) {
  Image out(width, height, map.channels, map.type);
  cv::Mat target = mat_of(out);
  cv::resize(mat_of(map), target, target.size(), 0, 0, interpolation);
  return out;
}

bool has_negative(const Image& map) {
  if (map.type != PixelType::kF32) return false;
  double low = 0;
  cv::minMaxLoc(mat_of(map).reshape(1), &low);
  return low < 0;
}

}  // namespace

Image resize_map(const Image& map, int width, int height, Compat compat) {
  if (map.width == width && map.height == height) return map;
  if (compat == Compat::kComfy || has_negative(map)) {
    return resize_nearest(map, width, height, cv::INTER_NEAREST_EXACT);
  }
  if (map.type != PixelType::kU8 || map.has_alpha()) return resize(map, width, height);
  const size_t n = count_colours(map);
  if (n == 2 && is_black_and_white(map)) return resize_lines(map, width, height);
  if (n > 2 && n < kManyColours) {
    return resize_nearest(map, width, height,
                          compat == Compat::kWebui ? cv::INTER_NEAREST : cv::INTER_NEAREST_EXACT);
  }
  return resize(map, width, height);
}

}  // namespace dedit
