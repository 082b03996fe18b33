#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <png.h>

#include "core/str.h"
#include "io/bytes.h"
#include "io/exif.h"
#include "io/png.h"
#include "io/png_text.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// libpng's reader as an object. libpng reports errors by longjmp, so every call that may fail runs
/// inside guard(), whose lambdas hold no objects with destructors.
class PngReader {
 public:
  PngReader(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw Error(ErrorKind::kMemory, "no memory for a PNG reader");
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Image read() {
    guard([this] { read_header(); });
    check_bomb();
    guard([this] { set_transforms(); });
    const int depth = png_get_bit_depth(png_, info_);
    Image image(int(png_get_image_width(png_, info_)), int(png_get_image_height(png_, info_)),
                png_get_channels(png_, info_), depth == 16 ? PixelType::kU16 : PixelType::kU8);
    std::vector<png_bytep> rows;
    for (int y = 0; y < image.height; ++y) rows.push_back(image.row<png_byte>(y));
    guard([this, &rows] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    take_profile(image);
    take_text(image);
    return apply_orientation(std::move(image), orientation());
  }

 private:
  template <class Fn>
  void guard(const Fn& fn) {
    if (setjmp(png_jmpbuf(png_))) {
      if (is_truncated_) {
        throw Error(ErrorKind::kInput, str(name_, ": the PNG file is truncated"),
                    "copy or download it again");
      }
      throw Error(ErrorKind::kInput, str(name_, ": damaged PNG file (", message_, ")"));
    }
    fn();
  }

  void read_header() {
    constexpr png_alloc_size_t kMaxChunkBytes = 64 << 20;
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // sizes are ours to check and to name
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
  }

  /// Sizes are believed only if they are within the limit and the file is long enough for them:
  /// deflate shrinks at most 1032-fold, so a short file cannot make us allocate gigabytes.
  void check_bomb() const {
    const uint64_t width = png_get_image_width(png_, info_);
    const uint64_t height = png_get_image_height(png_, info_);
    if (width > Image::kMaxSide || height > Image::kMaxSide) {
      throw Error(ErrorKind::kInput, str(name_, ": size ", width, "x", height,
                                         " is over the limit of ", Image::kMaxSide, " per side"));
    }
    const uint64_t raw_bytes = height * png_get_rowbytes(png_, info_);
    if (raw_bytes / 1032 > bytes_.size()) {
      throw Error(ErrorKind::kInput,
                  str(name_, ": the PNG file is truncated (", bytes_.size(), " bytes cannot hold ",
                      width, "x", height, " pixels)"),
                  "copy or download it again");
    }
  }

  void set_transforms() {
    png_set_expand(png_);  // palette to RGB, 1, 2 and 4 bit grey to 8, tRNS to alpha
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  void take_profile(Image& image) const {
    png_charp profile_name = nullptr;
    png_bytep data = nullptr;
    png_uint_32 n_bytes = 0;
    int compression = 0;
    if (png_get_iCCP(png_, info_, &profile_name, &compression, &data, &n_bytes) != 0) {
      image.icc.assign(data, data + n_bytes);
    }
  }

  void take_text(Image& image) const {
    png_textp texts = nullptr;
    int n_texts = 0;
    png_get_text(png_, info_, &texts, &n_texts);
    for (int i = 0; i < n_texts; ++i) {
      const png_text& t = texts[i];
      if (!is_png_keyword(t.key)) continue;  // damaged; could not be written again
      const bool is_itxt = t.compression >= PNG_ITXT_COMPRESSION_NONE;
      const size_t n = is_itxt ? t.itxt_length : t.text_length;
      const std::string_view value(t.text != nullptr ? t.text : "", t.text != nullptr ? n : 0);
      image.text.emplace(latin1_to_utf8(t.key),
                         is_itxt && is_utf8(value) ? std::string(value) : latin1_to_utf8(value));
    }
  }

  int orientation() const {
    png_bytep exif = nullptr;
    png_uint_32 n_bytes = 0;
    if (png_get_eXIf_1(png_, info_, &n_bytes, &exif) == 0) return 1;
    return exif_orientation(std::as_bytes(std::span(exif, n_bytes)));
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof self->message_, "%s", message);
    png_longjmp(png, 1);
  }
  // What libpng warns of and goes on after is damage to chunks that do not matter here.
  static void on_warning(png_structp, png_const_charp) {}

  static void on_read(png_structp png, png_bytep out, size_t n) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (!has_bytes(self->bytes_, self->offset_, n)) {
      self->is_truncated_ = true;
      png_error(png, "truncated");
    }
    std::memcpy(out, self->bytes_.data() + self->offset_, n);
    self->offset_ += n;
  }

  Bytes bytes_;
  const std::string& name_;
  size_t offset_ = 0;
  bool is_truncated_ = false;
  char message_[128] = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

bool is_png(Bytes bytes) {
  using std::string_view_literals::operator""sv;
  return has_text(bytes, 0, "\x89PNG\r\n\x1a\n"sv);
}

Image decode_png(Bytes bytes, const std::string& name) {
  return PngReader(bytes, name).read();
}

}  // namespace dedit
