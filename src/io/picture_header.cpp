#include "io/picture_header.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string_view>

#include "core/str.h"
#include "io/bytes.h"
#include "io/exif.h"
#include "io/png.h"

#include "dedit/error.h"
#include "dedit/image.h"

namespace dedit {
namespace {

using std::string_view_literals::operator""sv;

[[noreturn]] void fail_truncated(const std::string& name, const char* format) {
  throw Error(ErrorKind::kInput, str(name, ": the ", format, " file is truncated"),
              "copy or download it again");
}

[[noreturn]] void fail_damaged(const std::string& name, const char* format, const char* what) {
  throw Error(ErrorKind::kInput, str(name, ": damaged ", format, " file (", what, ")"));
}

std::vector<uint8_t> as_profile(Bytes bytes) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  return {p, p + bytes.size()};
}

// --- JPEG: ITU-T T.81 annex B --------------------------------------------------------------------

class JpegWalk {
 public:
  JpegWalk(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  /// Goes from marker to marker up to the end-of-image marker, whose absence is what tells a
  /// truncated file.
  PictureHeader run() {
    size_t at = 2;
    for (uint32_t marker = next_marker(at); marker != kEnd; marker = next_marker(at)) {
      if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
      const size_t length = read_be(bytes_, at, 2);
      if (!has_bytes(bytes_, at, std::max<size_t>(length, 2))) fail_truncated(name_, "JPEG");
      if (length < 2) fail_damaged(name_, "JPEG", "empty segment");
      take(marker, bytes_.subspan(at + 2, length - 2));
      at += length;
    }
    if (header_.width == 0) fail_damaged(name_, "JPEG", "no size");
    join_profile();
    return std::move(header_);
  }

 private:
  static constexpr uint32_t kEnd = 0xd9;

  /// The next marker from `at` on, over compressed data and fill bytes; `at` goes behind it.
  uint32_t next_marker(size_t& at) const {
    for (; has_bytes(bytes_, at, 2); ++at) {
      const uint32_t marker = uint32_t(bytes_[at + 1]);
      if (bytes_[at] != std::byte{0xff} || marker == 0 || marker == 0xff) continue;
      at += 2;
      return marker;
    }
    fail_truncated(name_, "JPEG");
  }

  void take(uint32_t marker, Bytes body) {
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame && header_.width == 0) {
      header_.height = read_be(body, 1, 2);
      header_.width = read_be(body, 3, 2);
    } else if (marker == 0xe1 && has_text(body, 0, "Exif\0\0"sv)) {
      header_.orientation = exif_orientation(body);
    } else if (marker == 0xe2 && has_text(body, 0, "ICC_PROFILE\0"sv) && body.size() >= 14) {
      n_profile_parts_ = read_be(body, 13, 1);
      profile_parts_[read_be(body, 12, 1)] = body.subspan(14);
    }
  }

  void join_profile() {
    if (profile_parts_.empty() || profile_parts_.size() != n_profile_parts_) return;
    for (const auto& [i, part] : profile_parts_) {
      const std::vector<uint8_t> piece = as_profile(part);
      header_.icc.insert(header_.icc.end(), piece.begin(), piece.end());
    }
  }

  Bytes bytes_;
  const std::string& name_;
  PictureHeader header_{.format = PictureFormat::kJpeg, .icc = {}};
  std::map<uint32_t, Bytes> profile_parts_;
  uint32_t n_profile_parts_ = 0;
};

// --- WebP: RFC 9649 ------------------------------------------------------------------------------

void take_webp_chunk(Bytes tag, Bytes body, const std::string& name, PictureHeader& header) {
  if (has_text(tag, 0, "VP8X")) {
    if (read_le(body, 0, 1) & 0x02) {
      throw Error(ErrorKind::kInput, str(name, ": animated WebP cannot be edited"),
                  "extract one frame first");
    }
    header.width = read_le(body, 4, 3) + 1;
    header.height = read_le(body, 7, 3) + 1;
  } else if (has_text(tag, 0, "VP8 ") && header.width == 0) {
    header.width = read_le(body, 6, 2) & 0x3fff;
    header.height = read_le(body, 8, 2) & 0x3fff;
  } else if (has_text(tag, 0, "VP8L") && header.width == 0) {
    const uint32_t bits = read_le(body, 1, 4);
    header.width = (bits & 0x3fff) + 1;
    header.height = ((bits >> 14) & 0x3fff) + 1;
  } else if (has_text(tag, 0, "ICCP")) {
    header.icc = as_profile(body);
  } else if (has_text(tag, 0, "EXIF")) {
    header.orientation = exif_orientation(body);
  }
}

PictureHeader read_webp(Bytes bytes, const std::string& name) {
  PictureHeader header{.format = PictureFormat::kWebp, .icc = {}};
  const size_t end = size_t(read_le(bytes, 4, 4)) + 8;
  if (end > bytes.size()) fail_truncated(name, "WebP");
  for (size_t at = 12; has_bytes(bytes, at, 8) && at < end;) {
    const size_t length = read_le(bytes, at + 4, 4);
    if (!has_bytes(bytes, at + 8, length)) fail_truncated(name, "WebP");
    take_webp_chunk(bytes.subspan(at, 4), bytes.subspan(at + 8, length), name, header);
    at += 8 + length + (length & 1);
  }
  return header;
}

// --- TIFF, BMP, PNM ------------------------------------------------------------------------------

PictureHeader read_tiff(Bytes bytes) {
  PictureHeader header{.format = PictureFormat::kTiff, .icc = {}};
  if (const auto tag = find_tiff_tag(bytes, kTiffWidth)) header.width = tag->value;
  if (const auto tag = find_tiff_tag(bytes, kTiffHeight)) header.height = tag->value;
  if (const auto tag = find_tiff_tag(bytes, kTiffIcc)) header.icc = as_profile(tag->bytes);
  return header;
}

PictureHeader read_bmp(Bytes bytes, const std::string& name) {
  PictureHeader header{.format = PictureFormat::kBmp, .icc = {}};
  if (bytes.size() < 54) fail_truncated(name, "BMP");
  const bool is_core = read_le(bytes, 14, 4) == 12;
  header.width = is_core ? read_le(bytes, 18, 2) : int32_t(read_le(bytes, 18, 4));
  header.height = is_core ? read_le(bytes, 20, 2) : int32_t(read_le(bytes, 22, 4));
  header.height = std::abs(header.height);  // negative: rows from the top
  return header;
}

/// Decimal numbers and comments of a PNM header.
class PnmText {
 public:
  PnmText(Bytes bytes, size_t at) : bytes_(bytes), at_(at) {}

  /// 0 if there is none.
  int64_t number() {
    while (at_ < bytes_.size() && (std::isspace(here()) || here() == '#')) {
      if (here() == '#') {
        while (at_ < bytes_.size() && here() != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    int64_t n = 0;
    while (at_ < bytes_.size() && std::isdigit(here())) {
      n = std::min<int64_t>(n * 10 + (here() - '0'), std::numeric_limits<int32_t>::max());
      ++at_;
    }
    return n;
  }
  size_t at() const { return at_; }

 private:
  int here() const { return int(bytes_[at_]); }
  Bytes bytes_;
  size_t at_;
};

PictureHeader read_pnm(Bytes bytes, const std::string& name) {
  PictureHeader header{.format = PictureFormat::kPnm, .icc = {}};
  const char kind = char(bytes[1]);
  header.pnm_is_plain = kind <= '3';
  PnmText text(bytes, 2);
  header.width = text.number();
  header.height = text.number();
  const bool is_bitmap = kind == '1' || kind == '4';
  header.pnm_max = is_bitmap ? 1 : uint32_t(text.number());
  if (header.pnm_max < 1 || header.pnm_max > 65535) {
    fail_damaged(name, "PNM", "its largest value is not in 1..65535");
  }
  if (header.width > Image::kMaxSide || header.height > Image::kMaxSide) return header;
  const int64_t samples = header.width * (kind == '3' || kind == '6' ? 3 : 1);
  const int64_t row_bytes = header.pnm_is_plain    ? samples  // a digit each at least
                            : is_bitmap            ? (samples + 7) / 8
                            : header.pnm_max > 255 ? samples * 2
                                                   : samples;
  if (!has_bytes(bytes, text.at(), size_t(row_bytes * header.height))) fail_truncated(name, "PNM");
  return header;
}

PictureHeader read_any(Bytes bytes, const std::string& name) {
  if (is_png(bytes)) return {.format = PictureFormat::kPng, .icc = {}};
  if (has_text(bytes, 0, "\xff\xd8\xff"sv)) return JpegWalk(bytes, name).run();
  if (has_text(bytes, 0, "RIFF") && has_text(bytes, 8, "WEBP")) return read_webp(bytes, name);
  if (has_text(bytes, 0, "II*\0"sv) || has_text(bytes, 0, "MM\0*"sv)) return read_tiff(bytes);
  if (has_text(bytes, 0, "BM")) return read_bmp(bytes, name);
  const bool is_pnm = has_bytes(bytes, 0, 3) && bytes[0] == std::byte{'P'} &&
                      bytes[1] >= std::byte{'1'} && bytes[1] <= std::byte{'6'} &&
                      (std::isspace(int(bytes[2])) || bytes[2] == std::byte{'#'});
  if (is_pnm) return read_pnm(bytes, name);
  throw Error(ErrorKind::kInput, str(name, ": not a picture in a known format"),
              "PNG, JPEG, WebP, TIFF, BMP and PNM are read");
}

}  // namespace

PictureHeader read_picture_header(Bytes bytes, const std::string& name) {
  PictureHeader header = read_any(bytes, name);
  if (header.format == PictureFormat::kPng) return header;
  if (header.width < 1 || header.height < 1) {
    throw Error(ErrorKind::kInput, str(name, ": damaged picture file (no size)"));
  }
  if (header.width > Image::kMaxSide || header.height > Image::kMaxSide) {
    throw Error(ErrorKind::kInput, str(name, ": size ", header.width, "x", header.height,
                                       " is over the limit of ", Image::kMaxSide, " per side"));
  }
  return header;
}

}  // namespace dedit
