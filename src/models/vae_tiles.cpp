#include "models/vae_tiles.h"

#include <algorithm>
#include <functional>

namespace dedit {
namespace {

constexpr int kOverlap = 4;  // a quarter

/// Cells of a network's input and of its output.
struct TileSizes {
  int in_tile = 0;
  int in_step = 0;   ///< from a tile to the next
  int out_keep = 0;  ///< what a step becomes: of a tile the top-left part that stays
  int blend = 0;     ///< where it meets the tile before
};

using Network = std::function<Planes(const Planes&)>;

Planes cut(const Planes& x, int top, int left, int height, int width) {
  Planes y{x.channels, height, width, std::vector<float>(size_t(x.channels) * height * width)};
  for (int c = 0; c < x.channels; ++c) {
    for (int i = 0; i < height; ++i) {
      const float* row = x.values.data() + (size_t(c) * x.height + top + i) * x.width + left;
      std::copy(row, row + width, y.values.data() + (size_t(c) * height + i) * width);
    }
  }
  return y;
}

void paste(const Planes& x, int height, int width, int top, int left, Planes& y) {
  for (int c = 0; c < x.channels; ++c) {
    for (int i = 0; i < height; ++i) {
      const float* row = x.values.data() + (size_t(c) * x.height + i) * x.width;
      std::copy(row, row + width,
                y.values.data() + (size_t(c) * y.height + top + i) * y.width + left);
    }
  }
}

/// The first rows or columns of `tile` from the last ones of the tile above or to the left, which
/// show the same place.
enum class Side { kAbove, kLeft };
void blend(const Planes& before, Side side, int extent, Planes& tile) {
  const bool is_above = side == Side::kAbove;
  const int length = is_above ? before.height : before.width;
  extent = std::min({extent, length, is_above ? tile.height : tile.width});
  const int first_row = is_above ? length - extent : 0,
            first_column = is_above ? 0 : length - extent;
  const int rows = is_above ? extent : tile.height, columns = is_above ? tile.width : extent;
  for (int c = 0; c < tile.channels; ++c) {
    for (int i = 0; i < rows; ++i) {
      const float* a = before.values.data() +
                       (size_t(c) * before.height + first_row + i) * before.width + first_column;
      float* b = tile.values.data() + (size_t(c) * tile.height + i) * tile.width;
      for (int j = 0; j < columns; ++j) {
        const double share = double(is_above ? i : j) / extent;
        b[j] = a[j] * float(1 - share) + b[j] * float(share);
      }
    }
  }
}

/// The network on every tile of x. Tiles are blended with those above and to the left after these
/// have been blended themselves, as the reference does.
Planes map_tiles(const Planes& x, const TileSizes& s, const Network& network) {
  const auto out_size = [&](int in) { return int(int64_t(in) * s.out_keep / s.in_step); };
  Planes y;
  std::vector<Planes> above;
  for (int top = 0; top < x.height; top += s.in_step) {
    std::vector<Planes> row;
    for (int left = 0; left < x.width; left += s.in_step) {
      Planes tile = network(cut(x, top, left, std::min(s.in_tile, x.height - top),
                                std::min(s.in_tile, x.width - left)));
      if (!above.empty()) blend(above[row.size()], Side::kAbove, s.blend, tile);
      if (!row.empty()) blend(row.back(), Side::kLeft, s.blend, tile);
      if (y.values.empty()) {
        y = {tile.channels, out_size(x.height), out_size(x.width), {}};
        y.values.resize(size_t(y.channels) * y.height * y.width);
      }
      paste(tile, std::min(s.out_keep, tile.height), std::min(s.out_keep, tile.width),
            out_size(top), out_size(left), y);
      row.push_back(std::move(tile));
    }
    above = std::move(row);
  }
  return y;
}

/// Whole, if there are no tiles or one holds everything.
Planes run(Ctx& ctx, const Planes& x, int in_tile, int out_tile,
           const std::function<Tensor(const Tensor&)>& network) {
  const Network on_host = [&](const Planes& part) {
    const Tensor in = ops::upload_nchw(ctx, part.values.data(),
                                       {1, part.height, part.width, part.channels}, ctx.dtype);
    const Tensor out = network(in);
    return Planes{int(out.dim(3)), int(out.dim(1)), int(out.dim(2)), ops::download_nchw(ctx, out)};
  };
  if (in_tile == 0 || (x.height <= in_tile && x.width <= in_tile)) return on_host(x);
  return map_tiles(x,
                   {.in_tile = in_tile,
                    .in_step = in_tile - in_tile / kOverlap,
                    .out_keep = out_tile - out_tile / kOverlap,
                    .blend = out_tile / kOverlap},
                   on_host);
}

}  // namespace

int vae_tile_grain(int factor) {
  return kOverlap * factor;
}

Planes encode_tiled(Ctx& ctx, const AutoencoderKL& vae, const Planes& x, int tile) {
  DEDIT_ASSERT(tile % vae_tile_grain(vae.config.factor()) == 0);
  return run(ctx, x, tile, tile / vae.config.factor(),
             [&](const Tensor& t) { return vae.encode(ctx, t); });
}

Planes decode_tiled(Ctx& ctx, const AutoencoderKL& vae, const Planes& z, int tile) {
  DEDIT_ASSERT(tile % vae_tile_grain(vae.config.factor()) == 0);
  return run(ctx, z, tile / vae.config.factor(), tile,
             [&](const Tensor& t) { return vae.decode(ctx, t); });
}

}  // namespace dedit
