#include <stdexcept>
#include <string>

#include "cuda/attention.h"
#include "cuda/attention_plain.h"
#include "cuda/attention_store.h"
#include "cuda/attention_wide.h"

namespace dedit::cuda {
namespace {

using namespace flash;

/// Keys and values of up to kKeys keys from `key` on, for this warp's rows.
template <class S, int kKeys>
__device__ __forceinline__ void attend(const Queries<S>& q, State<S>& state, const Piece* keys,
                                       const Piece* values, const Task& task, int key, int row,
                                       int end) {
  Scores<S, kKeys> s;
  multiply_keys<S, kKeys>(q, keys, s);
  const bool causal = S::kMayBeCausal && task.args.causal;
  if (key + kKeys > seen_keys(row, end, causal)) mask<S, kKeys>(s, key, row, end, causal);
  raise_tops<S, kKeys>(state, s, task.to_log2);
  add_values<S, kKeys>(state, s, values, task.to_log2);
}

/// The first of a warp's rows.
template <class S>
__device__ __forceinline__ int first_row(int thread) {
  return int(blockIdx.x) * S::kRows + thread / 32 % S::kRowWarps * 16 * S::kRowTiles;
}

/// A block: kRows queries of one head and the keys of one split, 64 keys in shared memory while the
/// next 64 arrive. Limit: the tensor cores, with ex2 close behind where the head size is 40.
template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks) narrow_kernel(Task task) {
  using T = typename S::T;
  auto* shared = reinterpret_cast<Piece*>(dynamic_shared());
  const int warp = int(threadIdx.x) / 32, set = warp / S::kRowWarps;
  const int row = first_row<S>(int(threadIdx.x));
  const bool causal = S::kMayBeCausal && task.args.causal;
  KeyRange range = split_keys(task);
  range.end = seen_keys(int(blockIdx.x + 1) * S::kRows - 1, range.end, causal);
  const int seen = seen_keys(row + 16 * S::kRowTiles - 1, range.end, causal);
  const auto k = keys_of<T>(task.args), v = values_of<T>(task.args);
  const auto load = [&](int key, Piece* to) {
    if (key < range.end) {
      load_tile<kTileKeys, S::kPieces, S::kThreads, S::kExact>(to, k, key, 0, task.wide);
      load_tile<kTileKeys, S::kPieces, S::kThreads, S::kExact>(to + S::kTilePieces, v, key, 0,
                                                               task.wide);
    }
    copy_async_commit();
  };
  constexpr int kStage = 2 * S::kTilePieces;  // a tile of keys, then one of values
  load(range.first, shared);
  load(range.first + kTileKeys, shared + kStage);
  Queries<S> q;
  load_queries(q, queries_of<T>(task.args), row);
  State<S> state;
  clear(state);
  int stage = 0;  // where the tiles are; the next ones are at kStage - stage
  for (int key = range.first; key < range.end; key += kTileKeys, stage = kStage - stage) {
    copy_async_wait<0>();
    __syncthreads();
    if (key > range.first) load(key + kTileKeys, shared + kStage - stage);
#pragma unroll 1
    for (int part = set * 32; part < kTileKeys; part += S::kKeyWarps * 32) {
      const Piece* keys = shared + stage + part * S::kPieces;
      const Piece* values = keys + S::kTilePieces;
      if (key + part + 16 < seen) {
        attend<S, 32>(q, state, keys, values, task, key + part, row, range.end);
      } else if (key + part < seen) {
        attend<S, 16>(q, state, keys, values, task, key + part, row, range.end);
      }
    }
  }
  complete_sums(state);
  if constexpr (S::kKeyWarps == 2) {
    auto* left = reinterpret_cast<float*>(shared) + warp % S::kRowWarps * S::kStateFloats;
    __syncthreads();
    if (set == 1) leave(state, left);
    __syncthreads();
    if (set == 1) return;
    merge(state, left);
  }
  const int same_row = first_row<S>(made_anew(int(threadIdx.x)));
  if (task.partial) {
    store_partial(state, task, same_row);
  } else {
    store(state, outputs_of<T>(task.args), same_row);
  }
}

/// The splits' parts in order: a thread 4 columns of a row. 4 * splits bytes read and one element
/// written an element; limit: memory.
template <class T>
__global__ void combine_kernel(Task task, int dims, int splits) {
  const AttentionArgs& a = task.args;
  const int64_t rows = int64_t(a.batch) * a.heads * a.tokens_q;
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t row = i / (dims / 4);
  const int column = int(i % (dims / 4)) * 4;
  if (row >= rows || column >= a.head_dim) return;
  float top = kLowestTop;
  for (int s = 0; s < splits; ++s) top = fmaxf(top, task.states[s * rows + row].v[0]);
  float y[4] = {}, sum = 0;
  for (int s = 0; s < splits; ++s) {
    const auto state = task.states[s * rows + row];
    const auto part =
        *reinterpret_cast<const Vec<float, 4>*>(task.partial + (s * rows + row) * dims + column);
    const float factor = rescale(state.v[0], top);
    sum += factor * state.v[1];
    for (int j = 0; j < 4; ++j) y[j] += factor * part.v[j];
  }
  const int64_t head = row / a.tokens_q;
  T* to = static_cast<T*>(a.y) + head / a.heads * a.y_batch + row % a.tokens_q * a.y_row +
          head % a.heads * a.head_dim + column;
  for (int j = 0; j < 4 && column + j < a.head_dim; ++j) to[j] = from_float<T>(y[j] / sum);
}

template <class S>
void run_tiles(Stream stream, void (*kernel)(Task), const Plan& plan, const Task& task) {
  const auto& a = task.args;
  const dim3 blocks(unsigned(divide_up(a.tokens_q, S::kRows)), unsigned(a.batch * a.heads),
                    unsigned(plan.splits));
  launch(stream, {.blocks = blocks, .threads = S::kThreads, .shared_bytes = S::kSharedBytes},
         kernel, task);
}

template <class S>
void run_narrow(Stream stream, const Plan& plan, const Task& task) {
  run_tiles<S>(stream, narrow_kernel<S>, plan, task);
}

template <class S>
void run_wide(Stream stream, const Plan& plan, const Task& task) {
  run_tiles<S>(stream, wide_kernel<S>, plan, task);
}

template <class T>
void run_exact(Stream stream, const Plan& plan, const Task& task) {
  const bool large = plan.rows == 128;
  switch (plan.dims) {
    case 40:
      return large ? run_narrow<Shape<T, 40, 2, 4, 1, 4, true>>(stream, plan, task)
                   : run_narrow<Shape<T, 40, 1, 4, 2, 2, true>>(stream, plan, task);
    case 64:
      return large ? run_narrow<Shape<T, 64, 2, 4, 1, 3, true>>(stream, plan, task)
                   : run_narrow<Shape<T, 64, 1, 4, 2, 2, true>>(stream, plan, task);
    case 80:
      return large ? run_narrow<Shape<T, 80, 2, 4, 2, 1, true>>(stream, plan, task)
                   : run_narrow<Shape<T, 80, 1, 4, 2, 2, true>>(stream, plan, task);
    case 128:
      return run_narrow<Shape<T, 128, 1, 4, 2, 1, true>>(stream, plan, task);
    case 160:
      return plan.rows == 32 ? run_narrow<Shape<T, 160, 1, 2, 2, 2, true>>(stream, plan, task)
                             : run_narrow<Shape<T, 160, 1, 4, 2, 1, true>>(stream, plan, task);
    default:
      return run_wide<WideShape<T, 64, true>>(stream, plan, task);
  }
}

template <class T>
void run_any(Stream stream, const Plan& plan, const Task& task) {
  switch (plan.dims) {
    case 32:
      return run_narrow<Shape<T, 32, 1, 4, 2, 2, false>>(stream, plan, task);
    case 64:
      return run_narrow<Shape<T, 64, 1, 4, 2, 2, false>>(stream, plan, task);
    case 160:
      return run_narrow<Shape<T, 160, 1, 4, 2, 1, false>>(stream, plan, task);
    default:
      return run_wide<WideShape<T, 32, false>>(stream, plan, task);
  }
}

void run_plain(Stream stream, const Task& task) {
  const auto& a = task.args;
  const Grid grid{
      .blocks = dim3(unsigned(divide_up(a.tokens_q, kPlainRows)), unsigned(a.batch * a.heads)),
      .threads = kPlainThreads};
  if (a.head_dim <= 64) return launch(stream, grid, plain_kernel<2>, task);
  if (a.head_dim <= 160) return launch(stream, grid, plain_kernel<5>, task);
  launch(stream, grid, plain_kernel<16>, task);
}

int64_t partial_floats(const AttentionArgs& a, const Plan& plan) {
  return plan.splits * a.batch * a.heads * a.tokens_q * plan.dims;
}

template <class T>
void run(Stream stream, const Plan& plan, const Task& task) {
  if (plan.exact) {
    run_exact<T>(stream, plan, task);
  } else {
    run_any<T>(stream, plan, task);
  }
  if (plan.splits == 1) return;
  constexpr int kThreads = 128;
  const auto& a = task.args;
  const int64_t threads = a.batch * a.heads * a.tokens_q * (plan.dims / 4);
  launch(stream, {.blocks = dim3(unsigned(divide_up(threads, kThreads))), .threads = kThreads},
         combine_kernel<T>, task, plan.dims, plan.splits);
}

}  // namespace

size_t attention_workspace_bytes(const AttentionArgs& args) {
  if (args.type == Type::kF32) return 0;
  const Plan plan = make_plan(args);
  if (plan.splits == 1) return 0;
  const int64_t states = plan.splits * args.batch * args.heads * args.tokens_q;
  return size_t(partial_floats(args, plan)) * sizeof(float) + size_t(states) * 2 * sizeof(float);
}

void attention(Stream stream, const AttentionArgs& args, void* workspace) {
  if (args.head_dim > kWideDims) {
    throw std::runtime_error("attention: a head size of " + std::to_string(args.head_dim) +
                             " is above " + std::to_string(kWideDims));
  }
  Task task;
  task.args = args;
  task.to_log2 = args.scale * 1.44269504f;
  if (args.type == Type::kF32) return run_plain(stream, task);
  const Plan plan = make_plan(args);
  task.wide = may_read_wide(args);
  task.split_tiles = plan.split_tiles;
  if (plan.splits > 1) {
    task.partial = static_cast<float*>(workspace);
    task.states = reinterpret_cast<Vec<float, 2>*>(task.partial + partial_floats(args, plan));
  }
  if (args.type == Type::kBF16) return run<Bf16>(stream, plan, task);
  run<F16>(stream, plan, task);
}

}  // namespace dedit::cuda
