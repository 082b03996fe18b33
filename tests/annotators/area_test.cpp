// Area averages beside OpenCV's.
#include "annotators/area.h"

#include <random>

#include <gtest/gtest.h>

namespace dedit::annotators {
namespace {

TEST(Area, AveragesAreOpenCvs) {
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    const int width = 1 + int(random() % 150), height = 1 + int(random() % 150);
    const double rate = i % 3 == 0 ? 1 + double(random() % 7) : 1.1 + double(random() % 700) / 100;
    cv::Mat picture(height, width, CV_8UC3), wanted;
    for (int k = 0; k < 3 * width * height; ++k) picture.data[k] = uint8_t(random());
    const cv::Size size(std::max(1, int(width / rate)), std::max(1, int(height / rate)));
    cv::resize(picture, wanted, size, 0, 0, cv::INTER_AREA);
    // Its releases add up in one order; another may round a sum that lies between two levels.
    EXPECT_LE(cv::norm(resize_area(picture, size), wanted, cv::NORM_INF), 1)
        << width << "x" << height << " at " << rate;
  }
}

}  // namespace
}  // namespace dedit::annotators
