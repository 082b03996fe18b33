// Weights from a checkpoint's order to that of a product.
#include "cuda/product.h"
#include "cuda/types.h"

namespace dedit::cuda {
namespace {

constexpr int kThreads = 256, kChannels = 256;

// [out, in, taps] -> [out, taps, in]: a block turns kChannels channels of one output. Its threads
// write neighbours and read what lies `taps` apart; what they skip, others read from the cache.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    pack_kernel(const From* stored, To* packed, int64_t in, int taps, int blocks_a_row) {
  const int64_t row = blockIdx.x / unsigned(blocks_a_row);
  const int64_t first = (int64_t(blockIdx.x) - row * blocks_a_row) * kChannels;
  const int channels = int(in - first < kChannels ? in - first : kChannels);
  const From* from = stored + (row * in + first) * taps;
  To* to = packed + row * in * taps + first;
  for (int i = int(threadIdx.x); i < channels * taps; i += kThreads) {
    const int tap = i / channels, channel = i - tap * channels;
    to[tap * in + channel] = from_float<To>(to_float(from[channel * taps + tap]));
  }
}

}  // namespace

void pack_weights(Stream stream, const void* stored, Type stored_type, int64_t out, int64_t in,
                  int kernel, void* packed, Type type) {
  const int64_t blocks_a_row = divide_up(in, kChannels);
  const Grid grid = {.blocks = dim3(unsigned(out * blocks_a_row)), .threads = kThreads};
  dispatch(stored_type, [&](auto from) {
    dispatch(type, [&](auto to) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      launch(stream, grid, pack_kernel<From, To>, static_cast<const From*>(stored),
             static_cast<To*>(packed), in, kernel * kernel, int(blocks_a_row));
    });
  });
}

}  // namespace dedit::cuda
