#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "annotators/annotator.h"

namespace dedit {
namespace {

/// Every red and green with one blue.
Image plane(int blue) {
  Image image(256, 256, 3);
  for (int y = 0; y < 256; ++y) {
    uint8_t* p = image.row<uint8_t>(y);
    for (int x = 0; x < 256; ++x, p += 3) {
      p[0] = uint8_t(x);
      p[1] = uint8_t(y);
      p[2] = uint8_t(blue);
    }
  }
  return image;
}

TEST(RecolorLuminance, IsOpenCvsLightnessOfEveryColour) {
  for (int blue = 0; blue < 256; blue += 15) {
    Image image = plane(blue);
    cv::Mat lab, expected;
    cv::cvtColor(cv::Mat(256, 256, CV_8UC3, image.data.data()), lab, cv::COLOR_RGB2Lab);
    cv::extractChannel(lab, expected, 0);
    const Image map = annotate(*find_annotator("recolor-luminance"), image, {}).map;
    for (int y = 0; y < 256; ++y) {
      for (int x = 0; x < 256; ++x) {
        ASSERT_EQ(map.row<uint8_t>(y)[3 * x], expected.at<uint8_t>(y, x))
            << x << "," << y << "," << blue;
      }
    }
  }
}

}  // namespace
}  // namespace dedit
