#include "io/picture_files.h"

#include <bit>
#include <random>
#include <zlib.h>

namespace dedit::testing {

std::string be(uint32_t v, int n_bytes) {
  std::string out;
  for (int i = n_bytes - 1; i >= 0; --i) out += char(v >> (8 * i));
  return out;
}

std::string le(uint32_t v, int n_bytes) {
  std::string out;
  for (int i = 0; i < n_bytes; ++i) out += char(v >> (8 * i));
  return out;
}

Image noise(int width, int height, int channels, PixelType type, uint32_t seed) {
  Image image(width, height, channels, type);
  std::mt19937 engine(seed);
  const size_t n = size_t(width) * size_t(height) * size_t(channels);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t v = engine();
    switch (type) {
      case PixelType::kU8:
        image.row<uint8_t>(0)[i] = uint8_t(v >> 24);
        break;
      case PixelType::kU16:
        image.row<uint16_t>(0)[i] = uint16_t(v >> 16);
        break;
      case PixelType::kF32:
        image.row<float>(0)[i] = float(v >> 8) * 0x1p-24f;
        break;
    }
  }
  return image;
}

std::string png_chunk(const PngChunk& chunk) {
  const std::string body = chunk.type + chunk.data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return be(uint32_t(chunk.data.size()), 4) + body + be(uint32_t(crc), 4);
}

std::string zlib_compressed(std::string_view raw) {
  uLongf n = compressBound(uLong(raw.size()));
  std::string out(n, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &n, reinterpret_cast<const Bytef*>(raw.data()),
           uLong(raw.size()));
  out.resize(n);
  return out;
}

namespace {

struct Pass {
  int x0, y0, dx, dy;
};

/// Rows of one pass: filter byte 0, then samples packed from the most significant bit.
std::string pass_rows(const PngFile& f, const Pass& pass) {
  std::string out;
  for (int y = pass.y0; y < f.height; y += pass.dy) {
    if (pass.x0 >= f.width) break;
    out += '\0';
    uint32_t bits = 0;
    int n_bits = 0;
    for (int x = pass.x0; x < f.width; x += pass.dx) {
      for (int c = 0; c < f.channels(); ++c) {
        const size_t i = (size_t(y) * size_t(f.width) + size_t(x)) * size_t(f.channels());
        bits = (bits << f.depth) | f.samples[i + size_t(c)];
        for (n_bits += f.depth; n_bits >= 8; n_bits -= 8) out += char(bits >> (n_bits - 8));
      }
    }
    if (n_bits > 0) out += char(bits << (8 - n_bits));
  }
  return out;
}

}  // namespace

std::string PngFile::bytes() const {
  constexpr Pass kAdam7[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                             {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  std::string raw;
  if (interlaced) {
    for (const Pass& pass : kAdam7) raw += pass_rows(*this, pass);
  } else {
    raw = pass_rows(*this, {0, 0, 1, 1});
  }
  std::string out("\x89PNG\r\n\x1a\n", 8);
  out += png_chunk({"IHDR", be(uint32_t(width), 4) + be(uint32_t(height), 4) + char(depth) +
                                char(colour) + '\0' + '\0' + char(interlaced)});
  for (const PngChunk& c : before_pixels) out += png_chunk(c);
  out += png_chunk({"IDAT", zlib_compressed(raw)});
  for (const PngChunk& c : after_pixels) out += png_chunk(c);
  return out + png_chunk({"IEND", ""});
}

std::string icc_profile(std::string_view space, size_t n_bytes) {
  std::string p = be(uint32_t(n_bytes), 4) + std::string(8, '\0') + "mntr" + std::string(space) +
                  "XYZ " + std::string(12, '\0') + "acsp" + std::string(28, '\0');
  p += be(0xf6d6, 4) + be(0x10000, 4) + be(0xd32d, 4);  // D50 at byte 68
  p.resize(132, '\0');
  for (size_t i = 132; i < n_bytes; ++i) p += char(i * 7 + i / 256);
  return p;
}

std::string exif_block(int orientation, bool big_endian) {
  const auto put = [&](uint32_t v, int n) { return big_endian ? be(v, n) : le(v, n); };
  return (big_endian ? std::string("MM\0*", 4) : std::string("II*\0", 4)) + put(8, 4) + put(1, 2) +
         put(274, 2) + put(3, 2) + put(1, 4) + put(uint32_t(orientation), 2) + put(0, 2) +
         put(0, 4);
}

std::string tiff_file(const Image& image, int orientation, std::string_view icc,
                      int extra_samples) {
  const auto bits = uint32_t(8 * bytes_per_sample(image.type));
  const auto channels = uint32_t(image.channels);
  const auto n_bytes = uint32_t(image.data.size());
  const uint32_t icc_at = 8 + n_bytes;
  const uint32_t bits_at = icc_at + uint32_t(icc.size());
  const uint32_t directory_at = bits_at + 2 * channels;
  struct Entry {
    uint32_t id, type, count, value;
  };
  std::vector<Entry> entries = {{256, 4, 1, uint32_t(image.width)},
                                {257, 4, 1, uint32_t(image.height)},
                                {258, 3, channels,
                                 channels > 2    ? bits_at
                                 : channels == 2 ? (bits << 16 | bits)
                                                 : bits},
                                {259, 3, 1, 1},
                                {262, 3, 1, channels > 2 ? 2u : 1u},
                                {273, 4, 1, 8},
                                {274, 3, 1, uint32_t(orientation)},
                                {277, 3, 1, channels},
                                {278, 4, 1, uint32_t(image.height)},
                                {279, 4, 1, n_bytes}};
  if (image.has_alpha()) entries.push_back({338, 3, 1, uint32_t(extra_samples)});
  if (image.type == PixelType::kF32) entries.push_back({339, 3, 1, 3});  // IEEE floats
  if (!icc.empty()) entries.push_back({34675, 7, uint32_t(icc.size()), icc_at});
  std::string out = std::string("II*\0", 4) + le(directory_at, 4) + as_string(image.data);
  out += icc;
  for (uint32_t c = 0; c < channels; ++c) out += le(bits, 2);
  out += le(uint32_t(entries.size()), 2);
  for (const Entry& e : entries)
    out += le(e.id, 2) + le(e.type, 2) + le(e.count, 4) + le(e.value, 4);
  return out + le(0, 4);
}

std::string with_segments(std::string_view jpeg, const std::vector<JpegSegment>& segments) {
  std::string out(jpeg.substr(0, 2));
  for (const JpegSegment& s : segments) {
    out += '\xff';
    out += char(s.marker);
    out += be(uint32_t(s.body.size()) + 2, 2) + s.body;
  }
  return out + std::string(jpeg.substr(2));
}

std::string with_webp_chunks(std::string_view webp, int width, int height,
                             const std::vector<PngChunk>& chunks) {
  const auto padded = [](std::string s) { return s.size() % 2 == 0 ? s : s + '\0'; };
  uint32_t flags = 0x10;  // alpha may be there
  std::string extra;
  for (const PngChunk& c : chunks) {
    flags |= c.type == "ICCP" ? 0x20 : c.type == "EXIF" ? 0x08 : 0;
    if (c.type == "ICCP") extra += c.type + le(uint32_t(c.data.size()), 4) + padded(c.data);
  }
  extra += webp.substr(12);
  for (const PngChunk& c : chunks) {
    if (c.type != "ICCP") extra += c.type + le(uint32_t(c.data.size()), 4) + padded(c.data);
  }
  const std::string body = "WEBPVP8X" + le(10, 4) + le(flags, 4) + le(uint32_t(width - 1), 3) +
                           le(uint32_t(height - 1), 3) + extra;
  return "RIFF" + le(uint32_t(body.size()), 4) + body;
}

}  // namespace dedit::testing
