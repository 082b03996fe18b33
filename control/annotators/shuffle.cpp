// Content shuffle: the picture read along two smooth random fields. The fields come from
// numpy.random.RandomState(seed).uniform, stretched by OpenCV's cubics in f64 and normalised to
// 0..1, as ContentShuffleDetector of controlnet_aux makes them; x is drawn before y.
#include <limits>
#include <random>
#include <vector>

#include "annotators/cubic.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kRemap[] = {"exact", "opencv4"};
constexpr Param kParams[] = {
    {.name = "seed",
     .kind = ParamKind::kInt,
     .value = 0,
     .min = 0,
     .max = 4294967295.0,
     .help = "of numpy's RandomState, which draws the fields"},
    {.name = "field",
     .kind = ParamKind::kInt,
     .value = 256,
     .min = 8,
     .max = 4096,
     .help = "pixels between two random values; smaller shuffles finer"},
    {.name = "interpolation",
     .kind = ParamKind::kChoice,
     .value = 0,
     .help = "between pixels: exact (as OpenCV 5 does), or on a grid of 1/32 pixel as OpenCV 4",
     .choices = kRemap},
};

/// numpy's random_sample: 53 bits of MT19937.
double next_double(std::mt19937& engine) {
  const uint32_t high = uint32_t(engine()) >> 5;
  const uint32_t low = uint32_t(engine()) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

/// A smooth field between random values, of 0..1. Its rows are made when they are asked for, from
/// columns stretched before: a field of the picture's size would take longer to write down.
class Field {
 public:
  /// `spacing` is the distance of the random values.
  Field(cv::Size size, int spacing, std::mt19937& engine) : width_(size.width) {
    cv::Mat coarse(size.height / spacing + 2, size.width / spacing + 2, CV_64FC1);
    for (double& v : cv::Mat_<double>(coarse)) v = next_double(engine);
    const auto inner = [spacing](int from, int to) {  // the field is larger by `spacing` all around
      const std::vector<CubicTaps> taps = cubic_taps(from, to + 2 * spacing);
      return std::vector<CubicTaps>(taps.begin() + spacing, taps.begin() + spacing + to);
    };
    rows_ = inner(coarse.rows, size.height);
    stretch(coarse, inner(coarse.cols, size.width));
    find_range();
  }

  void row(int y, double* out) const {
    mix(y, [&](int x, double v) { out[x] = (v - low_) / range_; });
  }

 private:
  void stretch(const cv::Mat& coarse, const std::vector<CubicTaps>& columns) {
    columns_.create(coarse.rows, width_, CV_64FC1);
    for (int y = 0; y < coarse.rows; ++y) {
      const auto* src = coarse.ptr<double>(y);
      auto* out = columns_.ptr<double>(y);
      for (const auto& [from, w] : columns) {
        *out++ = src[from[0]] * double(w[0]) + src[from[1]] * double(w[1]) +
                 src[from[2]] * double(w[2]) + src[from[3]] * double(w[3]);
      }
    }
  }

  /// fn(x, value) for all of a row.
  template <class Fn>
  void mix(int y, const Fn& fn) const {
    const auto& [from, weights] = rows_[size_t(y)];
    const auto *a = columns_.ptr<double>(from[0]), *b = columns_.ptr<double>(from[1]),
               *c = columns_.ptr<double>(from[2]), *d = columns_.ptr<double>(from[3]);
    const double w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    for (int x = 0; x < width_; ++x) fn(x, a[x] * w0 + b[x] * w1 + c[x] * w2 + d[x] * w3);
  }

  void find_range() {
    const auto w = size_t(width_);
    const size_t n = w * size_t(num_threads());
    constexpr double kFar = std::numeric_limits<double>::infinity();
    std::vector<double> lows(n, kFar), highs(n, -kFar);
    parallel_for(int64_t(rows_.size()), [&](int64_t y) {
      double* __restrict low = lows.data() + w * size_t(thread_index());
      double* __restrict high = highs.data() + w * size_t(thread_index());
      mix(int(y), [&](int x, double v) {
        low[x] = v < low[x] ? v : low[x];
        high[x] = v > high[x] ? v : high[x];
      });
    });
    low_ = *std::min_element(lows.begin(), lows.end());
    const double high = *std::max_element(highs.begin(), highs.end());
    if (high > low_) range_ = high - low_;  // one pixel has none: it is 0
  }

  int width_;
  cv::Mat columns_;  // 64FC1, a row for each row of random values
  std::vector<CubicTaps> rows_;
  double low_ = 0, range_ = 1;
};

/// A place between pixels: the pixel to its top left and the share of the next.
struct Place {
  int pixel;
  float share;
};

Place place_of(float v, bool is_coarse) {
  constexpr int kSteps = 32;
  if (!is_coarse) return {int(v), v - float(int(v))};
  const int n = cvRound(double(v) * kSteps);
  return {n / kSteps, float(n % kSteps) / kSteps};
}

/// Bilinear; past the last row or column is black, as cv::remap's default, but has share 0 there.
void read_pixel(const Image& rgb, Place x, Place y, bool is_coarse, uint8_t* out) {
  const uint8_t* top = rgb.row<uint8_t>(y.pixel) + 3 * x.pixel;
  const uint8_t* bottom = top + (y.pixel + 1 < rgb.height ? rgb.row_bytes() : 0);
  const int next = x.pixel + 1 < rgb.width ? 3 : 0;
  for (int c = 0; c < 3; ++c) {
    const float a = top[c];
    const float b = top[next + c];
    const float d = bottom[c];
    const float e = bottom[next + c];
    const float upper = a + x.share * (b - a);
    const float lower = d + x.share * (e - d);
    const float v = upper + y.share * (lower - upper);
    // OpenCV 4 sums integers and rounds half up; multiples of 1/1024 are exact in f32.
    out[c] = uint8_t(is_coarse ? int(v + 0.5f) : cvRound(v));
  }
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  std::mt19937 engine(uint32_t(args.get(kParams, "seed")));
  const int spacing = int(args.get(kParams, "field"));
  const bool is_coarse = args.get(kParams, "interpolation") != 0;
  const Rgb8 rgb(image);
  const int width = rgb->width, height = rgb->height;
  const Field field_x({width, height}, spacing, engine);
  const Field field_y({width, height}, spacing, engine);
  Annotation result = black_map({width, height});
  std::vector<double> places(2 * size_t(width) * size_t(num_threads()));
  parallel_for(height, [&](int64_t y) {
    double* xs = places.data() + 2 * size_t(width) * size_t(thread_index());
    double* ys = xs + width;
    field_x.row(int(y), xs);
    field_y.row(int(y), ys);
    uint8_t* out = result.map.row<uint8_t>(int(y));
    for (int x = 0; x < width; ++x) {
      const Place px = place_of(float(xs[x] * (width - 1)), is_coarse);
      const Place py = place_of(float(ys[x] * (height - 1)), is_coarse);
      read_pixel(*rgb, px, py, is_coarse, out + 3 * x);
    }
  });
  return result;
}

}  // namespace

extern const Annotator shuffle;
const Annotator shuffle = {
    .name = "shuffle",
    .summary = "the picture's colours and textures in a random, smooth disorder",
    .paper = "",
    .params = kParams,
    .run = run,
};

}  // namespace dedit::annotators
