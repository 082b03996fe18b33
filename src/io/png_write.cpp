#include <bit>
#include <csetjmp>
#include <cstdio>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <png.h>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/png.h"
#include "io/png_text.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// A profile of the other colour space ("GRAY" on RGB) must not be written; libpng would refuse it.
bool fits_profile(const Image& image) {
  if (image.icc.size() < 128) return false;
  const std::string_view space(reinterpret_cast<const char*>(image.icc.data()) + 16, 4);
  return space == (image.channels <= 2 ? "GRAY" : "RGB ");
}

/// libpng's writer as an object; see PngReader for the rule about longjmp.
class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw Error(ErrorKind::kMemory, "no memory for a PNG writer");
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  std::vector<std::byte> write(const Image& image, int compression) {
    std::vector<std::string> keys;
    std::vector<png_text> texts = text_chunks(image, keys);
    std::vector<png_const_bytep> rows;
    for (int y = 0; y < image.height; ++y) rows.push_back(image.row<png_byte>(y));
    guard([&] {
      set_header(image, compression);
      if (!texts.empty()) png_set_text(png_, info_, texts.data(), int(texts.size()));
      png_write_info(png_, info_);
      if (image.type == PixelType::kU16 && std::endian::native == std::endian::little) {
        png_set_swap(png_);
      }
      png_write_image(png_, const_cast<png_bytepp>(rows.data()));
      png_write_end(png_, info_);
    });
    return std::move(out_);
  }

 private:
  template <class Fn>
  void guard(const Fn& fn) {
    if (setjmp(png_jmpbuf(png_))) {
      if (is_out_of_memory_) throw std::bad_alloc();
      throw Error(ErrorKind::kOther, str("cannot encode PNG: ", message_));
    }
    fn();
  }

  void set_header(const Image& image, int compression) {
    constexpr int kColourTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                    PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    png_set_write_fn(png_, this, on_write, nullptr);
    png_set_user_limits(png_, Image::kMaxSide, Image::kMaxSide);
    png_set_compression_level(png_, compression);
    png_set_text_compression_level(png_, 9);
    png_set_IHDR(png_, info_, png_uint_32(image.width), png_uint_32(image.height),
                 image.type == PixelType::kU16 ? 16 : 8, kColourTypes[image.channels - 1],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (fits_profile(image)) {
      png_set_iCCP(png_, info_, "icc", PNG_COMPRESSION_TYPE_BASE, image.icc.data(),
                   png_uint_32(image.icc.size()));
    }
  }

  /// The chunks point into `keys` and `image`.
  std::vector<png_text> text_chunks(const Image& image, std::vector<std::string>& keys) {
    constexpr size_t kCompressFrom = 1024;  // shorter ones stay readable to grep and strings
    std::vector<png_text> chunks;
    keys.reserve(image.text.size());
    for (const auto& [key, value] : image.text) {
      keys.push_back(utf8_to_latin1(key));
      if (!is_png_keyword(keys.back())) {
        throw Error(ErrorKind::kOther, str("'", key, "' cannot be the keyword of a PNG text"));
      }
      if (value.find('\0') != std::string::npos) {
        throw Error(ErrorKind::kOther, str("PNG text '", key, "' contains a zero byte"));
      }
      png_text t{};
      t.compression =
          value.size() >= kCompressFrom ? PNG_ITXT_COMPRESSION_zTXt : PNG_ITXT_COMPRESSION_NONE;
      t.key = keys.back().data();
      t.text = const_cast<char*>(value.c_str());
      t.itxt_length = value.size();
      t.lang = empty_;
      t.lang_key = empty_;
      chunks.push_back(t);
    }
    return chunks;
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngWriter*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof self->message_, "%s", message);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}

  // No exception may pass through libpng's frames.
  static void on_write(png_structp png, png_bytep data, size_t n) {
    auto* self = static_cast<PngWriter*>(png_get_io_ptr(png));
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    try {
      self->out_.insert(self->out_.end(), bytes, bytes + n);
    } catch (const std::bad_alloc&) {
      self->is_out_of_memory_ = true;
    }
    if (self->is_out_of_memory_) png_error(png, "out of memory");
  }

  std::vector<std::byte> out_;
  bool is_out_of_memory_ = false;
  char empty_[1] = {};
  char message_[128] = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::vector<std::byte> encode_png(const Image& image, int compression) {
  if (image.empty()) throw Error(ErrorKind::kUsage, "an empty picture cannot be written");
  if (compression < 0 || compression > 9) {
    throw Error(ErrorKind::kUsage, str("PNG compression ", compression, " is outside 0..9"));
  }
  if (image.type == PixelType::kF32)
    return encode_png(to_depth(image, PixelType::kU16), compression);
  return PngWriter().write(image, compression);
}

}  // namespace dedit
