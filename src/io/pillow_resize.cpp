#include "io/pillow_resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr int kFractionBits = 22;

/// Where an output pixel takes from, and its weights.
struct Window {
  int first = 0;
  std::vector<int> weights;
};

double sinc(double x) {
  return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
}

double lanczos3(double x) {
  return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

std::vector<Window> windows(int from, int to) {
  const double scale = double(from) / to, width = std::max(scale, 1.0), support = 3 * width;
  std::vector<Window> all(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    Window& w = all[size_t(i)];
    const double centre = (i + 0.5) * scale;
    w.first = std::max(int(centre - support + 0.5), 0);
    const int end = std::min(int(centre + support + 0.5), from);
    std::vector<double> exact;
    double sum = 0;
    for (int x = w.first; x < end; ++x) {
      exact.push_back(lanczos3((x - centre + 0.5) / width));
      sum += exact.back();
    }
    for (double v : exact) {
      const double fixed = v / sum * (1 << kFractionBits);
      w.weights.push_back(int(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return all;
}

/// One output value of samples `stride` apart.
uint8_t mix(const uint8_t* src, size_t stride, const Window& w) {
  int sum = 1 << (kFractionBits - 1);
  for (size_t k = 0; k < w.weights.size(); ++k) sum += src[k * stride] * w.weights[k];
  return uint8_t(std::clamp(sum >> kFractionBits, 0, 255));
}

Image resized_rows(const Image& image, int width) {
  Image out(width, image.height, image.channels);
  const std::vector<Window> all = windows(image.width, width);
  const auto n = size_t(image.channels);
  for (int y = 0; y < image.height; ++y) {
    uint8_t* dst = out.row<uint8_t>(y);
    for (const Window& w : all) {
      const uint8_t* src = image.row<uint8_t>(y) + size_t(w.first) * n;
      for (size_t c = 0; c < n; ++c) *dst++ = mix(src + c, n, w);
    }
  }
  return out;
}

Image resized_columns(const Image& image, int height) {
  Image out(image.width, height, image.channels);
  const std::vector<Window> all = windows(image.height, height);
  const size_t stride = size_t(image.width) * size_t(image.channels);
  for (int y = 0; y < height; ++y) {
    const Window& w = all[size_t(y)];
    const uint8_t* src = image.row<uint8_t>(w.first);
    uint8_t* dst = out.row<uint8_t>(y);
    for (size_t k = 0; k < stride; ++k) dst[k] = mix(src + k, stride, w);
  }
  return out;
}

/// RGBA with colours times alpha, or back, in Pillow's rounding.
void weigh_by_alpha(Image& image, bool undo) {
  for (size_t i = 0; i + 3 < image.data.size(); i += 4) {
    auto* p = reinterpret_cast<uint8_t*>(image.data.data()) + i;
    const int alpha = p[3];
    for (int c = 0; c < 3; ++c) {
      const int product = p[c] * alpha + 128;
      if (!undo) p[c] = uint8_t(((product >> 8) + product) >> 8);
      if (undo && alpha > 0) p[c] = uint8_t(std::min(255 * p[c] / alpha, 255));
    }
  }
}

}  // namespace

Image resize_lanczos(const Image& image, int width, int height) {
  if (image.type != PixelType::kU8 || image.channels == 2) {
    throw Error(ErrorKind::kUsage, "this resize takes 8-bit pictures of 1, 3 or 4 channels");
  }
  Image out = image;
  out.text.clear();
  if (width == image.width && height == image.height) return out;
  if (image.channels == 4) weigh_by_alpha(out, /*undo=*/false);
  if (width != image.width) out = resized_rows(out, width);
  if (height != image.height) out = resized_columns(out, height);
  if (image.channels == 4) weigh_by_alpha(out, /*undo=*/true);
  out.icc = image.icc;
  return out;
}

}  // namespace dedit
