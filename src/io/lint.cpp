#include "dedit/lint.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/image_ops.h"

namespace dedit {
namespace {

/// Whether every pixel on the border satisfies `test(x, y)`.
template <class Fn>
bool all_of_border(const Image& image, const Fn& test) {
  for (int x = 0; x < image.width; ++x) {
    if (!test(x, 0) || !test(x, image.height - 1)) return false;
  }
  for (int y = 0; y < image.height; ++y) {
    if (!test(0, y) || !test(image.width - 1, y)) return false;
  }
  return true;
}

/// Nearly all pixels are nearly black or nearly white: a drawing, not a photograph.
struct Tones {
  double dark = 0, light = 0;  ///< shares of the pixels
};

Tones tones_of(const Image& rgb8) {
  constexpr int kDark = 32;
  constexpr int kLight = 223;
  int64_t n_dark = 0;
  int64_t n_light = 0;
  for (size_t i = 0; i < rgb8.data.size(); i += 3) {
    const auto* p = reinterpret_cast<const uint8_t*>(rgb8.data.data()) + i;
    const auto [low, high] = std::minmax({p[0], p[1], p[2]});
    n_dark += high <= kDark ? 1 : 0;
    n_light += low >= kLight ? 1 : 0;
  }
  const double n = double(rgb8.data.size()) / 3;
  return {double(n_dark) / n, double(n_light) / n};
}

std::string result_of(Fit fit) {
  switch (fit) {
    case Fit::kStretch:
      return "stretched";
    case Fit::kCrop:
      return "cut off evenly";
    case Fit::kFill:
      return "given borders";
    case Fit::kExact:
      return "refused";
  }
  return "";
}

std::string percent(double share) {
  return str(std::lround(share * 100), " %");
}

}  // namespace

std::vector<std::string> lint_picture(const Image& picture) {
  if (!picture.has_alpha()) return {};
  const size_t pixel = size_t(picture.channels) * bytes_per_sample(picture.type);
  const size_t colour = pixel - bytes_per_sample(picture.type);
  bool has_shape = false;
  for (size_t i = pixel; i < picture.data.size(); i += pixel) {
    const std::byte* p = picture.data.data() + i;
    if (std::memcmp(p, picture.data.data(), colour) != 0) return {};
    has_shape = has_shape || std::memcmp(p, picture.data.data(), pixel) != 0;
  }
  if (!has_shape) return {};
  return {
      "the picture is one colour under its alpha, which is laid over white; if the alpha is the "
      "mask, take it out with dedit mask alpha"};
}

std::vector<std::string> lint_mask(const Image& mask) {
  const Image mask8 = to_mask8(mask);
  const double share = coverage(mask8);
  if (share == 0) {
    return {"the mask is black, so nothing is repainted; paint white what shall change"};
  }
  if (share == 1) {
    return {"the mask has no black pixel, so nothing is kept; paint black what shall stay"};
  }
  const bool is_framed =
      all_of_border(mask8, [&](int x, int y) { return mask8.row<uint8_t>(y)[x] == 255; });
  if (is_framed && share > 0.5) {
    return {str("the mask is white all around and covers ", percent(share),
                "; if it is painted black on white, turn it: dedit mask invert")};
  }
  return {};
}

std::vector<std::string> lint_map(const Image& map, const std::string& name) {
  const Tones tones = tones_of(to_rgb8(map));
  constexpr double kMost = 0.9;
  if (tones.dark + tones.light < kMost || tones.light < 0.5 || tones.dark == 0) return {};
  return {str("the map ", name, " looks like dark lines on white (", percent(tones.light),
              " light); ControlNets take white on black: dedit annotate invert")};
}

std::vector<std::string> lint_aspect(const Image& image, const std::string& name,
                                     const Size& result, Fit fit) {
  if (same_aspect({image.width, image.height}, result)) return {};
  return {str(name, " is ", image.width, "x", image.height,
              ", of another aspect than the result's ", result.width, "x", result.height,
              ", and is ", result_of(fit), "; say how to fit it: --fit stretch, crop or fill")};
}

}  // namespace dedit
