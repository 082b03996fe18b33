// Content shuffle: the picture read along two smooth random fields. The fields come from
// numpy.random.RandomState(seed).uniform, stretched by OpenCV's cubics in f64 and normalised to
// 0..1, as ContentShuffleDetector of controlnet_aux makes them; x is drawn before y.
#include <random>

#include "annotators/maps.h"

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

/// A smooth field: (v - low) / range is in 0..1.
struct Field {
  cv::Mat values;  // 64FC1
  double low = 0, range = 1;

  double at(int x, int y) const { return (values.at<double>(y, x) - low) / range; }
};

/// `spacing` is the distance of the random values.
Field noise_disk(cv::Size size, int spacing, std::mt19937& engine) {
  cv::Mat coarse(size.height / spacing + 2, size.width / spacing + 2, CV_64FC1);
  for (double& v : cv::Mat_<double>(coarse)) v = next_double(engine);
  cv::Mat fine;
  cv::resize(coarse, fine, {size.width + 2 * spacing, size.height + 2 * spacing}, 0, 0,
             cv::INTER_CUBIC);
  Field field = {.values = fine(cv::Rect(spacing, spacing, size.width, size.height))};
  double high = 0;
  cv::minMaxLoc(field.values, &field.low, &high);
  if (high > field.low) field.range = high - field.low;  // one pixel has none: it is 0
  return field;
}

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
  const int next_x = std::min(x.pixel + 1, rgb.width - 1);
  const int next_y = std::min(y.pixel + 1, rgb.height - 1);
  const uint8_t* top = rgb.row<uint8_t>(y.pixel);
  const uint8_t* bottom = rgb.row<uint8_t>(next_y);
  for (int c = 0; c < 3; ++c) {
    const float a = top[3 * x.pixel + c];
    const float b = top[3 * next_x + c];
    const float d = bottom[3 * x.pixel + c];
    const float e = bottom[3 * next_x + c];
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
  const cv::Size size(rgb->width, rgb->height);
  const Field field_x = noise_disk(size, spacing, engine);
  const Field field_y = noise_disk(size, spacing, engine);
  Annotation result{.map = Image(rgb->width, rgb->height, 3)};
  parallel_for(rgb->height, [&](int64_t y) {
    uint8_t* out = result.map.row<uint8_t>(int(y));
    for (int x = 0; x < rgb->width; ++x) {
      const Place px = place_of(float(field_x.at(x, int(y)) * (rgb->width - 1)), is_coarse);
      const Place py = place_of(float(field_y.at(x, int(y)) * (rgb->height - 1)), is_coarse);
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
