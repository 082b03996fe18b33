#include "io/opencv_codec.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <mutex>
#include <new>
#include <streambuf>
#include <string_view>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/bytes.h"
#include "io/exif.h"
#include "io/mat.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// Keeps OpenCV's decoders quiet: they write to std::cerr beside their logger, and stderr is the
/// tool's. One at a time.
class QuietOpenCv {
 public:
  QuietOpenCv() : lock_(mutex()), before_(std::cerr.rdbuf(&nothing_)) {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  }
  ~QuietOpenCv() { std::cerr.rdbuf(before_); }
  QuietOpenCv(const QuietOpenCv&) = delete;
  QuietOpenCv& operator=(const QuietOpenCv&) = delete;

 private:
  struct Nothing : std::streambuf {
    int overflow(int c) override { return traits_type::not_eof(c); }
  };
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  std::lock_guard<std::mutex> lock_;
  Nothing nothing_;
  std::streambuf* before_;
};

[[noreturn]] void fail_damaged(const std::string& name) {
  throw Error(ErrorKind::kInput,
              str(name,
                  ": the picture is truncated, damaged or of a kind that "
                  "is not supported"),
              "convert it to PNG with the program that made it");
}

/// How a TIFF file says its fourth channel relates to the colours (TIFF 6.0, section 18).
enum class TiffAlpha { kUnspecified = 0, kAssociated = 1, kStraight = 2 };

TiffAlpha tiff_alpha(Bytes bytes) {
  const auto tag = find_tiff_tag(bytes, kTiffExtraSamples);
  if (!tag || tag->value > 2) return TiffAlpha::kUnspecified;
  return TiffAlpha(tag->value);
}

/// OpenCV would drop the alpha of a grey picture without a word.
void check_tiff_channels(Bytes bytes, const std::string& name) {
  const auto tag = find_tiff_tag(bytes, kTiffSamplesPerPixel);
  if (!tag || tag->value != 2) return;
  throw Error(ErrorKind::kInput, str(name, ": grey TIFF with alpha is not supported"),
              "convert it to PNG");
}

/// A copy whose alpha is declared unspecified: libtiff's 8-bit reader multiplies colours by
/// straight alpha, which cannot be undone, and leaves unspecified alpha alone.
std::vector<std::byte> without_alpha_kind(Bytes tiff) {
  std::vector<std::byte> copy(tiff.begin(), tiff.end());
  const auto tag = find_tiff_tag(tiff, kTiffExtraSamples);
  if (!tag) return copy;
  const auto at = tag->bytes.data() - tiff.data();
  std::fill_n(copy.begin() + at, std::min<size_t>(tag->bytes.size(), 2), std::byte{0});
  return copy;
}

/// Colours out of a picture whose colours are multiplied by alpha, rounded.
template <class T>
void divide_by_alpha(Image& image, double max) {
  for (int y = 0; y < image.height; ++y) {
    T* p = image.row<T>(y);
    for (int x = 0; x < image.width; ++x, p += 4) {
      if (p[3] == 0) continue;
      const double factor = max / double(p[3]);
      for (int c = 0; c < 3; ++c) p[c] = cv::saturate_cast<T>(std::min(p[c] * factor, max));
    }
  }
}

void straighten_alpha(Image& image) {
  if (image.channels != 4) return;
  switch (image.type) {
    case PixelType::kU8:
      return divide_by_alpha<uint8_t>(image, 255);
    case PixelType::kU16:
      return divide_by_alpha<uint16_t>(image, 65535);
    case PixelType::kF32:
      return divide_by_alpha<float>(image, 1);
  }
}

cv::Mat decode_mat(Bytes bytes, const std::string& name) {
  if (bytes.size() > size_t(std::numeric_limits<int>::max())) fail_damaged(name);
  const cv::Mat packed(1, int(bytes.size()), CV_8U, const_cast<std::byte*>(bytes.data()));
  const QuietOpenCv quiet;
  try {
    cv::Mat mat = cv::imdecode(packed, cv::IMREAD_UNCHANGED);
    if (mat.empty()) fail_damaged(name);
    return mat;
  } catch (const cv::Exception& e) {
    if (e.code == cv::Error::StsNoMem) throw std::bad_alloc();
    fail_damaged(name);
  }
}

PixelType pixel_type_of(const cv::Mat& mat, const std::string& name) {
  switch (mat.depth()) {
    case CV_8U:
      return PixelType::kU8;
    case CV_16U:
      return PixelType::kU16;
    case CV_32F:
      return PixelType::kF32;
    default:
      throw Error(ErrorKind::kInput, str(name, ": its sample type is not supported"),
                  "save it with 8, 16 or 32 (float) bit per channel");
  }
}

void check_float_range(const cv::Mat& mat, const std::string& name) {
  if (mat.depth() != CV_32F || cv::checkRange(mat, /*quiet=*/true, nullptr, 0, 1.0000001)) return;
  throw Error(ErrorKind::kInput, str(name, ": its float samples are not all in 0..1"),
              "scale them, or save with 8 or 16 bit");
}

/// OpenCV scales PNM samples only when they are plain text of at most 8 bit.
void scale_pnm(const PictureHeader& header, cv::Mat& mat) {
  if (header.format != PictureFormat::kPnm || header.pnm_max == 1) return;
  const uint32_t full = header.pnm_max > 255 ? 65535 : 255;
  if (header.pnm_max == full || (full == 255 && header.pnm_is_plain)) return;
  mat.convertTo(mat, -1, double(full) / double(header.pnm_max));
}

/// OpenCV has blue first.
void swap_red_and_blue(const cv::Mat& in, cv::Mat& out) {
  if (in.channels() == 3) {
    cv::cvtColor(in, out, cv::COLOR_BGR2RGB);
  } else if (in.channels() == 4) {
    cv::cvtColor(in, out, cv::COLOR_BGRA2RGBA);
  } else {
    in.copyTo(out);
  }
}

struct OutputRules {
  bool keeps_alpha = false;
  bool keeps_16_bit = false;
  bool keeps_f32 = false;
  bool keeps_grey = true;
  std::vector<int> params;
};

OutputRules rules_of(const std::string& extension) {
  if (extension == ".tif" || extension == ".tiff") {
    // The default for f32 is LogLuv, which is lossy; 5 is LZW.
    return {.keeps_alpha = true,
            .keeps_16_bit = true,
            .keeps_f32 = true,
            .params = {cv::IMWRITE_TIFF_COMPRESSION, 5}};
  }
  if (extension == ".webp") {  // over 100 means lossless
    return {.keeps_alpha = true, .params = {cv::IMWRITE_WEBP_QUALITY, 101}};
  }
  if (extension == ".ppm") return {.keeps_16_bit = true, .keeps_grey = false, .params = {}};
  if (extension == ".bmp") return {.params = {}};
  return {.params = {cv::IMWRITE_JPEG_QUALITY, 95}};
}

/// Alpha over white at the picture's own depth; grey stays grey.
Image without_alpha(const Image& image) {
  Image out(image.width, image.height, image.channels - 1, image.type);
  out.icc = image.icc;
  if (image.type == PixelType::kU8) {
    const Image rgb = to_rgb8(image);
    cv::Mat flat = mat_of(out);
    if (out.channels == 3) {
      out.data = rgb.data;
    } else {
      cv::extractChannel(mat_of(rgb), flat, 0);
    }
    return out;
  }
  const double max = image.type == PixelType::kU16 ? 65535 : 1;
  std::vector<cv::Mat> planes;
  cv::split(mat_of(image), planes);
  cv::Mat alpha;
  planes.back().convertTo(alpha, CV_64F, 1 / max);
  planes.pop_back();
  for (cv::Mat& plane : planes) {
    cv::Mat wide;
    plane.convertTo(wide, CV_64F);
    const cv::Mat over = wide.mul(alpha) + (1 - alpha) * max;
    over.convertTo(plane, plane.depth());
  }
  cv::Mat flat = mat_of(out);
  cv::merge(planes, flat);
  return out;
}

/// `image` with only what the format can hold.
Image fitted(const Image& image, const OutputRules& rules) {
  if (image.has_alpha() && !rules.keeps_alpha) return fitted(without_alpha(image), rules);
  if (image.type == PixelType::kF32 && !rules.keeps_f32) {
    return fitted(to_depth(image, PixelType::kU16), rules);
  }
  if (image.type == PixelType::kU16 && !rules.keeps_16_bit) {
    return fitted(to_depth(image, PixelType::kU8), rules);
  }
  return image;
}

/// In OpenCV's channel order; grey + alpha, which no format here has, becomes four channels.
cv::Mat bgr_of(const Image& image, bool keeps_grey) {
  cv::Mat out;
  const cv::Mat in = mat_of(image);
  if (image.channels == 2) {
    std::vector<cv::Mat> planes;
    cv::split(in, planes);
    cv::merge(std::vector<cv::Mat>{planes[0], planes[0], planes[0], planes[1]}, out);
  } else if (image.channels == 1 && !keeps_grey) {
    cv::cvtColor(in, out, cv::COLOR_GRAY2BGR);
  } else {
    swap_red_and_blue(in, out);
  }
  return out;
}

/// ICC profile as APP2 segments right after the start-of-image marker and JFIF header.
void insert_jpeg_profile(const std::vector<uint8_t>& icc, std::vector<uchar>& jpeg) {
  constexpr size_t kMaxPart = 65519;  // 65535 less length, tag and numbering
  const size_t n_parts = (icc.size() + kMaxPart - 1) / kMaxPart;
  if (n_parts == 0 || n_parts > 255) return;
  std::vector<uchar> segments;
  for (size_t i = 0; i < n_parts; ++i) {
    const size_t n = std::min(kMaxPart, icc.size() - i * kMaxPart);
    const std::string_view tag("ICC_PROFILE\0", 12);
    const size_t length = n + 16;
    segments.insert(segments.end(), {0xff, 0xe2, uchar(length >> 8), uchar(length)});
    segments.insert(segments.end(), tag.begin(), tag.end());
    segments.insert(segments.end(), {uchar(i + 1), uchar(n_parts)});
    const auto part = icc.begin() + std::ptrdiff_t(i * kMaxPart);
    segments.insert(segments.end(), part, part + std::ptrdiff_t(n));
  }
  const Bytes bytes = std::as_bytes(std::span(jpeg));
  const size_t at = read_be(bytes, 2, 2) == 0xffe0 ? 4 + read_be(bytes, 4, 2) : 2;
  jpeg.insert(jpeg.begin() + std::ptrdiff_t(std::min(at, jpeg.size())), segments.begin(),
              segments.end());
}

}  // namespace

Image decode_with_opencv(Bytes bytes, const PictureHeader& header, const std::string& name) {
  const bool is_tiff = header.format == PictureFormat::kTiff;
  if (is_tiff) check_tiff_channels(bytes, name);
  const TiffAlpha alpha = is_tiff ? tiff_alpha(bytes) : TiffAlpha::kUnspecified;
  cv::Mat mat = alpha == TiffAlpha::kStraight ? decode_mat(without_alpha_kind(bytes), name)
                                              : decode_mat(bytes, name);
  if (mat.channels() > 4) fail_damaged(name);
  const PixelType type = pixel_type_of(mat, name);
  check_float_range(mat, name);
  scale_pnm(header, mat);
  Image image(mat.cols, mat.rows, mat.channels(), type);
  cv::Mat pixels = mat_of(image);
  swap_red_and_blue(mat, pixels);
  if (alpha == TiffAlpha::kAssociated) straighten_alpha(image);
  const std::string_view space = image.channels <= 2 ? "GRAY" : "RGB ";
  if (has_text(std::as_bytes(std::span(header.icc)), 16, space)) image.icc = header.icc;
  return apply_orientation(std::move(image), header.orientation);
}

std::vector<std::byte> encode_with_opencv(const Image& image, const std::string& extension) {
  const OutputRules rules = rules_of(extension);
  const Image source = fitted(image, rules);
  std::vector<uchar> out;
  {
    const QuietOpenCv quiet;
    bool is_done = false;
    try {
      is_done = cv::imencode(extension, bgr_of(source, rules.keeps_grey), out, rules.params);
    } catch (const cv::Exception&) {  // no codec for it in this OpenCV, or a size it cannot hold
    }
    if (!is_done) {
      throw Error(ErrorKind::kOutput,
                  str("cannot encode ", image.width, "x", image.height, " as ", extension),
                  "use .png");
    }
  }
  if (extension == ".jpg" || extension == ".jpeg") insert_jpeg_profile(source.icc, out);
  const auto* p = reinterpret_cast<const std::byte*>(out.data());
  return {p, p + out.size()};
}

std::span<const char* const> opencv_extensions() {
  static constexpr const char* kExtensions[] = {".jpg",  ".jpeg", ".webp", ".tif",
                                                ".tiff", ".bmp",  ".ppm"};
  return kExtensions;
}

}  // namespace dedit
