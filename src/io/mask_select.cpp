// Masks chosen by what a picture shows: colour, brightness, alpha, regions, things, changes.
#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/mat.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

/// 255 where `choose(pixel)`, a pixel being T[channels] of `m`.
template <class T, class Fn>
Image mask_where(const cv::Mat& m, const Fn& choose) {
  Image mask(m.cols, m.rows, 1);
  for (int y = 0; y < m.rows; ++y) {
    const T* src = m.ptr<T>(y);
    uint8_t* dst = mask.row<uint8_t>(y);
    for (int x = 0; x < m.cols; ++x, src += m.channels()) dst[x] = choose(src) ? 255 : 0;
  }
  return mask;
}

/// f32 in the scales of ColourSpace.
cv::Mat components_of(const Image& picture, ColourSpace space) {
  const Image rgb = to_rgb8(picture);
  cv::Mat unit, out;
  mat_of(rgb).convertTo(unit, CV_32F, 1.0 / 255);
  if (space == ColourSpace::kLab) {
    cv::cvtColor(unit, out, cv::COLOR_RGB2Lab);
  } else {
    cv::cvtColor(unit, out, cv::COLOR_RGB2HSV);
    cv::multiply(out, cv::Scalar(1, 100, 100), out);
  }
  return out;
}

/// GrabCut's verdict as a mask. Its clustering draws from OpenCV's generator: seeded, so that the
/// same call gives the same mask.
Image cut(const Image& picture, cv::Mat& labels, cv::Rect box, int rounds, int mode) {
  const Image rgb = to_rgb8(picture);
  cv::Mat background, foreground;
  cv::setRNGSeed(0);
  cv::grabCut(mat_of(rgb), labels, box, background, foreground, rounds, mode);
  return mask_where<uint8_t>(
      labels, [](const uint8_t* p) { return *p == cv::GC_FGD || *p == cv::GC_PR_FGD; });
}

void check_box(const char* what, const Image& picture, cv::Rect box) {
  const bool fits = box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0 &&
                    int64_t(box.x) + box.width <= picture.width &&
                    int64_t(box.y) + box.height <= picture.height;
  if (fits) return;
  throw Error(ErrorKind::kUsage,
              str(what, ": the box ", box.x, ",", box.y, ",", box.width, ",", box.height,
                  " leaves the ", picture.width, "x", picture.height, " picture"),
              "give x,y,width,height in pixels");
}

}  // namespace

Image colour_mask(const Image& picture, ColourSpace space, std::array<double, 3> low,
                  std::array<double, 3> high) {
  const bool has_hue = space == ColourSpace::kHsv;
  return mask_where<float>(components_of(picture, space), [&](const float* p) {
    for (size_t c = 0; c < 3; ++c) {
      const double v = p[c];
      const bool wraps = has_hue && c == 0 && low[0] > high[0];
      const bool is_in = wraps ? v >= low[c] || v <= high[c] : v >= low[c] && v <= high[c];
      if (!is_in) return false;
    }
    return true;
  });
}

Image near_colour_mask(const Image& picture, std::array<uint8_t, 3> rgb, double distance) {
  Image one(1, 1, 3);
  std::copy(rgb.begin(), rgb.end(), one.row<uint8_t>(0));
  const cv::Mat target = components_of(one, ColourSpace::kLab);
  const float* t = target.ptr<float>(0);
  return mask_where<float>(components_of(picture, ColourSpace::kLab), [&](const float* p) {
    return std::hypot(p[0] - t[0], p[1] - t[1], p[2] - t[2]) <= distance;
  });
}

Image luminance_mask(const Image& picture, double low, double high) {
  const Image rgb = to_rgb8(picture);
  return mask_where<uint8_t>(mat_of(rgb), [&](const uint8_t* p) {
    const double luma = luma601(p[0], p[1], p[2]);
    return luma >= low && luma <= high;
  });
}

Image alpha_mask(const Image& picture) {
  if (!picture.has_alpha()) {
    throw Error(ErrorKind::kUsage, "mask alpha: the picture has no alpha",
                "choose by colour or brightness: dedit mask color, dedit mask luminance");
  }
  const Image p8 = to_depth(picture, PixelType::kU8);
  Image mask(picture.width, picture.height, 1);
  cv::extractChannel(mat_of(p8), mat_of(mask), picture.channels - 1);
  return mask;
}

Image flood_mask(const Image& picture, int x, int y, int tolerance) {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) {
    throw Error(ErrorKind::kUsage,
                str("mask flood: ", x, ",", y, " is outside the ", picture.width, "x",
                    picture.height, " picture"),
                "give the pixel to start from as X,Y, counted from 0");
  }
  Image rgb = to_rgb8(picture);
  cv::Mat bordered = cv::Mat::zeros(picture.height + 2, picture.width + 2, CV_8UC1);
  const cv::Scalar t = cv::Scalar::all(tolerance);
  cv::floodFill(mat_of(rgb), bordered, {x, y}, 0, nullptr, t, t,
                4 | cv::FLOODFILL_FIXED_RANGE | cv::FLOODFILL_MASK_ONLY | (255 << 8));
  Image mask(picture.width, picture.height, 1);
  bordered(cv::Rect(1, 1, picture.width, picture.height)).copyTo(mat_of(mask));
  return mask;
}

Image grabcut_box_mask(const Image& picture, int x, int y, int w, int h, int rounds) {
  const cv::Rect box(x, y, w, h);
  check_box("mask grabcut", picture, box);
  if (w == picture.width && h == picture.height) {
    throw Error(ErrorKind::kUsage, "mask grabcut: the box covers the whole picture",
                "leave some of what is not the thing outside the box");
  }
  cv::Mat labels;
  return cut(picture, labels, box, rounds, cv::GC_INIT_WITH_RECT);
}

Image grabcut_strokes_mask(const Image& picture, const std::vector<MaskStroke>& strokes,
                           int rounds) {
  // Unmarked pixels are taken for background until the colours say otherwise.
  cv::Mat labels(picture.height, picture.width, CV_8UC1, cv::Scalar(cv::GC_PR_BGD));
  int n_things = 0;
  int n_others = 0;
  for (MaskStroke stroke : strokes) {
    const bool is_other = stroke.erases;
    stroke.erases = false;
    const Image painted = brush_mask(picture.width, picture.height, {stroke});
    labels.setTo(is_other ? cv::GC_BGD : cv::GC_FGD, mat_of(painted));
    ++(is_other ? n_others : n_things);
  }
  if (n_things == 0 || n_others == 0 || cv::countNonZero(labels == cv::GC_FGD) == 0) {
    throw Error(ErrorKind::kUsage,
                "mask grabcut: the strokes do not mark both thing and background",
                "a stroke with \"erase\": true marks background");
  }
  return cut(picture, labels, {}, rounds, cv::GC_INIT_WITH_MASK);
}

Image difference_mask(const Image& a, const Image& b, int tolerance) {
  if (a.width != b.width || a.height != b.height) {
    throw Error(ErrorKind::kUsage, str("mask difference: the pictures are ", a.width, "x", a.height,
                                       " and ", b.width, "x", b.height));
  }
  const Image first = to_rgb8(a);
  const Image second = to_rgb8(b);
  cv::Mat difference;
  cv::absdiff(mat_of(first), mat_of(second), difference);
  return mask_where<uint8_t>(difference, [=](const uint8_t* p) {
    return std::max({p[0], p[1], p[2]}) > tolerance;
  });
}

}  // namespace dedit
