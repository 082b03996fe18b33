// Faces by OpenCV's cascades (Viola and Jones 2001). The cascade files are a package of their own
// in Debian and Ubuntu: opencv-data.
#include <filesystem>

#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/mat.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

std::string cascade_path(const std::string& given) {
  if (!given.empty()) return given;
  constexpr const char* kFile = "haarcascades/haarcascade_frontalface_default.xml";
  std::error_code ignored;
  for (const char* folder :
       {"/usr/share/opencv4/", "/usr/share/opencv/", "/usr/local/share/opencv4/"}) {
    const std::string path = std::string(folder) + kFile;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  throw Error(ErrorKind::kInput, "mask faces: OpenCV's face cascade is not installed",
              "apt-get install opencv-data, or name a cascade with --cascade FILE");
}

cv::CascadeClassifier open_cascade(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw Error(ErrorKind::kInput, str(path, ": no such file"), "name a cascade with --cascade");
  }
  cv::CascadeClassifier cascade;
  bool is_read = false;
  try {
    is_read = cascade.load(path);
  } catch (const cv::Exception&) {  // not XML
  }
  if (!is_read) throw Error(ErrorKind::kInput, str(path, ": is not an OpenCV cascade"));
  return cascade;
}

}  // namespace

Image faces_mask(const Image& picture, const std::string& cascade, double grow) {
  cv::CascadeClassifier finder = open_cascade(cascade_path(cascade));
  const Image rgb = to_rgb8(picture);
  cv::Mat grey;
  cv::cvtColor(mat_of(rgb), grey, cv::COLOR_RGB2GRAY);
  cv::equalizeHist(grey, grey);
  std::vector<cv::Rect> faces;
  finder.detectMultiScale(grey, faces, 1.1, 5);
  Image mask(picture.width, picture.height, 1);
  cv::Mat canvas = mat_of(mask);
  for (const cv::Rect& face : faces) {
    const cv::Point centre = (face.tl() + face.br()) / 2;
    const cv::Size axes(int(face.width * grow / 2), int(face.height * grow / 2));
    cv::ellipse(canvas, centre, axes, 0, 0, 360, 255, cv::FILLED);
  }
  if (cv::countNonZero(canvas) == 0) {
    throw Error(ErrorKind::kUsage, "mask faces: no face was found",
                "frontal faces of at least 24 pixels are; mark others with dedit mask ellipse");
  }
  return mask;
}

}  // namespace dedit
