#include "cpu/attention.h"

#include <cstdint>
#include <immintrin.h>
#include <utility>

#include "cpu/attention_vec.h"

// Lanes run over queries: S^T = K Q^T and O^T += V^T P^T, so the softmax needs no step across
// lanes. For two vectors of queries and a block of keys the scores stay in the L1 cache, and both
// products are register tiles of up to kMaxRows rows (keys, then head channels) by two vectors,
// whose left operand is packed so that a tile reads it front to back. A task goes over the keys in
// passes: it packs as many K and V rows as fit the L2 cache and takes all its queries past them.
namespace dedit::kernels::DEDIT_ISA {
namespace {

constexpr int64_t kQueries = 2 * kLanes;    // queries of a tile
constexpr int64_t kKeys = 128;              // keys between two corrections of the sums
constexpr int64_t kPassBytes = 256 << 10;   // packed K and V of a pass
constexpr int64_t kTaskBytes = 1024 << 10;  // queries and results of a task
constexpr int64_t kMinTaskQueries = 256;  // with fewer, packing K and V takes over 5 % of the time
constexpr int64_t kMaxTaskQueries = 1024;
constexpr int64_t kTasks = 16;     // as many at least where that leaves enough queries
constexpr float kHidden = -3e38f;  // score of a key that a query may not see
constexpr float kLog2E = 1.44269504f;

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// Near-equal parts of at most `largest`, each a multiple of `multiple`: the size of one.
int64_t part_of(int64_t n, int64_t largest, int64_t multiple) {
  const int64_t parts = (n + largest - 1) / largest;
  return round_up((n + parts - 1) / parts, multiple);
}

int64_t clamp(int64_t n, int64_t low, int64_t high) {
  return n < low ? low : n > high ? high : n;
}

int64_t queries_of_task(const AttentionArgs& a) {
  const int64_t share =
      clamp(a.batch * a.heads * a.tokens_q / kTasks, kMinTaskQueries, kMaxTaskQueries);
  const int64_t fit = kTaskBytes / 8 / a.head_dim / kQueries * kQueries;
  return part_of(a.tokens_q, clamp(fit, kQueries, share / kQueries * kQueries), kQueries);
}

int64_t keys_of_pass(const AttentionArgs& a) {
  const int64_t fit = kPassBytes / 8 / a.head_dim / kKeys * kKeys;
  return part_of(a.tokens_k, fit < kKeys ? kKeys : fit, kKeys);
}

/// A task's scratch, in floats from its start, for one element a lane: the most that is needed.
struct Layout {
  int64_t o;       // after q, [query block][head_dim / kPair][kQueries]: [query block][head_dim]
                   // [kQueries], not yet divided by the sums
  int64_t maxima;  // [query block][kQueries] of the scores so far
  int64_t sums;    // [query block][kQueries] of the probabilities so far
  int64_t p;       // [kKeys][kQueries] scores, then probabilities
  int64_t k;       // [key block] of tiles [head_dim / kPair][rows]
  int64_t v;       // [key block] of tiles [keys / kPair][rows]
  int64_t floats;

  explicit Layout(const AttentionArgs& a) {
    const int64_t n_q = queries_of_task(a), n_k = keys_of_pass(a);
    o = n_q * a.head_dim;
    maxima = o + n_q * a.head_dim;
    sums = maxima + n_q;
    p = sums + n_q;
    k = p + kKeys * kQueries;
    v = k + n_k * a.head_dim + kLanes;  // packing stores whole vectors
    floats = v + n_k * a.head_dim + kLanes;
  }
};

struct Scratch {
  float *q, *o, *maxima, *sums, *p, *k, *v;  // see Layout
  Scratch(const AttentionArgs& a, float* base) {
    const Layout at(a);
    q = base;
    o = base + at.o;
    maxima = base + at.maxima;
    sums = base + at.sums;
    p = base + at.p;
    k = base + at.k;
    v = base + at.v;
  }
};

/// body(first, rows) for near-equal tiles of at most kMaxRows rows.
template <class Body>
void for_tiles(int64_t n, const Body& body) {
  const int64_t tiles = (n + kMaxRows - 1) / kMaxRows;
  const int64_t rows = n / tiles, longer = n % tiles;
  int64_t first = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t count = rows + (i < longer);
    body(first, count);
    first += count;
  }
}

/// One task's view of the arguments: a head of a batch row and some of its queries.
template <class F>
struct Head {
  using Element = typename F::Element;
  const Element *q, *k, *v;
  Element* y;
  int64_t first_query, n_queries, n_keys;
  int64_t dim, steps;  // channels, and lanes' worth of channels
  float scale;         // for powers of two
};

template <class F>
Head<F> head_of(const AttentionArgs& a, int64_t task) {
  using Element = typename F::Element;
  const int64_t per_task = queries_of_task(a);
  const int64_t blocks = (a.tokens_q + per_task - 1) / per_task;
  const int64_t first = task % blocks * per_task, head = task / blocks % a.heads;
  const int64_t b = task / blocks / a.heads, column = head * a.head_dim;
  const int64_t n = a.tokens_q - first < per_task ? a.tokens_q - first : per_task;
  const int64_t visible = a.causal && first + n < a.tokens_k ? first + n : a.tokens_k;
  return {static_cast<const Element*>(a.q) + b * a.q_batch + first * a.q_row + column,
          static_cast<const Element*>(a.k) + b * a.k_batch + column,
          static_cast<const Element*>(a.v) + b * a.v_batch + column,
          static_cast<Element*>(a.y) + b * a.y_batch + first * a.y_row + column,
          first,
          n,
          visible,
          a.head_dim,
          (a.head_dim + F::kPair - 1) / F::kPair,
          a.scale * kLog2E};
}

/// rows[i] = the lanes from `lane` of row i, zeros from n_rows on; then transposed.
template <class F>
void load_transposed(const typename F::Element* p, int64_t row, int64_t n_rows, int64_t lane,
                     int64_t dim, Vec (&rows)[kLanes]) {
  const int64_t first = lane * F::kPair;
  for (int i = 0; i < kLanes; ++i)
    rows[i] = i < n_rows ? F::load_row(p + i * row + first, dim - first) : zero();
  transpose(rows);
}

/// Queries [block * kQueries, ...) as [channel][query], and an empty state.
template <class F>
void start_queries(const Head<F>& h, int64_t q_row, int64_t block, const Scratch& s) {
  float* q = s.q + block * h.steps * kQueries;
  for (int64_t half = 0; half < kQueries; half += kLanes) {
    const int64_t first = block * kQueries + half;
    for (int64_t i = 0; i < h.steps; i += kLanes) {
      Vec rows[kLanes];
      load_transposed<F>(h.q + first * q_row, q_row, h.n_queries - first, i, h.dim, rows);
      for (int64_t j = 0; j < kLanes && i + j < h.steps; ++j)
        store(q + (i + j) * kQueries + half, rows[j]);
    }
    store(s.maxima + block * kQueries + half, set1(kHidden));
    store(s.sums + block * kQueries + half, zero());
  }
  float* o = s.o + block * h.dim * kQueries;
  for (int64_t i = 0; i < h.dim * kQueries; i += kLanes) store(o + i, zero());
}

/// Asks for rows ahead of their use: they lie far apart, where the hardware does not foresee them.
template <class T>
void fetch_rows(const T* p, int64_t row, int64_t n, int64_t dim) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t d = 0; d < dim; d += kLine)
      _mm_prefetch(reinterpret_cast<const char*>(p + i * row + d), _MM_HINT_T0);
}

/// n keys' K rows as tiles [channel][key]. Stores run over a tile's end into the next one, which
/// is written later.
template <class F>
void pack_k(const Head<F>& h, int64_t k_row, int64_t first_key, int64_t n, float* packed) {
  fetch_rows(h.k + first_key * k_row, k_row, n, h.dim);
  for_tiles(n, [&](int64_t first, int64_t count) {
    const auto* source = h.k + (first_key + first) * k_row;
    float* tile = packed + first * h.steps;
    for (int64_t i = 0; i < h.steps; i += kLanes) {
      Vec rows[kLanes];
      load_transposed<F>(source, k_row, count, i, h.dim, rows);
      for (int64_t j = 0; j < kLanes && i + j < h.steps; ++j)
        store(tile + (i + j) * count, rows[j]);
    }
  });
}

/// n keys' V rows as tiles [key][channel].
template <class F>
void pack_v(const Head<F>& h, int64_t v_row, int64_t first_key, int64_t n, float* packed) {
  fetch_rows(h.v + first_key * v_row, v_row, n, h.dim);
  const int64_t steps = (n + F::kPair - 1) / F::kPair;
  for_tiles(h.dim, [&](int64_t first, int64_t count) {
    float* tile = packed + first * steps;
    const auto* source = h.v + first_key * v_row + first;
    for (int64_t i = 0; i < steps; ++i) {
      const auto* even = source + i * F::kPair * v_row;
      const bool has_odd = i * F::kPair + 1 < n;
      store(tile + i * count, F::load_keys(even, has_odd ? even + v_row : nullptr, h.dim - first));
    }
  });
}

struct TileArgs {
  int64_t steps;   // length of the sums, in lanes' worth
  const float* a;  // [steps][rows]
  const float* b;  // [steps][kQueries]
  float* c;        // [rows][kQueries]
  float* row;      // [kQueries]: maxima of the scores, or factors of the old results
};

template <class F, int kRows>
inline __attribute__((always_inline)) void add_products(const TileArgs& t, Vec (&sum)[kRows][2]) {
  const float *a = t.a, *b = t.b;
  for (int64_t i = 0; i < t.steps; ++i, a += kRows, b += kQueries) {
    const Vec b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec ar = set1(a[r]);
      sum[r][0] = F::multiply_add(ar, b0, sum[r][0]);
      sum[r][1] = F::multiply_add(ar, b1, sum[r][1]);
    }
  }
}

/// Scores of kRows keys, and the running maxima.
template <class F, int kRows>
void score_tile(const TileArgs& t) {
  Vec sum[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = zero();
  add_products<F, kRows>(t, sum);
  Vec m0 = load(t.row), m1 = load(t.row + kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    m0 = max(m0, sum[r][0]);
    m1 = max(m1, sum[r][1]);
    store(t.c + r * kQueries, sum[r][0]);
    store(t.c + r * kQueries + kLanes, sum[r][1]);
  }
  store(t.row, m0);
  store(t.row + kLanes, m1);
}

/// kRows channels of the result: the old ones times their factors, plus V^T P^T. Each block is
/// summed by itself first, which keeps the error from growing with the number of keys.
template <class F, int kRows>
void result_tile(const TileArgs& t) {
  Vec sum[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = zero();
  add_products<F, kRows>(t, sum);
  const Vec f0 = load(t.row), f1 = load(t.row + kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* c = t.c + r * kQueries;
    store(c, fma(load(c), f0, sum[r][0]));
    store(c + kLanes, fma(load(c + kLanes), f1, sum[r][1]));
  }
}

using Tile = void (*)(const TileArgs&);
template <class F, int... kRow>
void run_score_tile(int64_t rows, const TileArgs& t, std::integer_sequence<int, kRow...>) {
  static constexpr Tile kTiles[] = {score_tile<F, kRow + 1>...};
  kTiles[rows - 1](t);
}
template <class F, int... kRow>
void run_result_tile(int64_t rows, const TileArgs& t, std::integer_sequence<int, kRow...>) {
  static constexpr Tile kTiles[] = {result_tile<F, kRow + 1>...};
  kTiles[rows - 1](t);
}
using Rows = std::make_integer_sequence<int, kMaxRows>;

/// Causal: hides from query `first_query` + i the keys past it, and takes the maxima anew.
void hide_later_keys(int64_t first_query, int64_t first_key, int64_t n, const float* old_maxima,
                     float* scores, float* maxima) {
  for (int64_t half = 0; half < kQueries; half += kLanes) {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = static_cast<float>(first_query + half + i);
    const Vec index = load(lanes);
    Vec m = load(old_maxima + half);
    for (int64_t j = 0; j < n; ++j) {
      float* row = scores + j * kQueries + half;
      const Vec seen =
          where_at_least(index, static_cast<float>(first_key + j), load(row), set1(kHidden));
      store(row, seen);
      m = max(m, seen);
    }
    store(maxima + half, m);
  }
}

/// Scores -> 2^(scale * (score - maximum)) in the form that the second product takes, and their
/// sums. The sums are of the rounded probabilities: the weights of the values then add up to 1.
template <class F>
void probabilities(int64_t n, float scale, const float* maxima, const float* factors, float* p,
                   float* sums) {
  const Vec c = set1(scale);
  const Vec m[2] = {load(maxima) * c, load(maxima + kLanes) * c};
  Vec sum[2] = {zero(), zero()};
  const auto power = [&](int64_t i, int half) {
    return exp2_of(fms(load(p + i * kQueries + half * kLanes), c, m[half]), F::kExp2);
  };
  for (int64_t i = 0; i < n; i += F::kPair) {
    float* out = p + i / F::kPair * kQueries;
    for (int half = 0; half < 2; ++half) {
      const Vec even = power(i, half);
      const Vec odd = F::kPair == 2 ? power(i + 1, half) : zero();
      const Vec packed = F::probabilities(even, odd);
      sum[half] = F::add(packed, sum[half]);
      store(out + half * kLanes, packed);
    }
  }
  for (int half = 0; half < 2; ++half) {
    float* total = sums + half * kLanes;
    store(total, fma(load(total), load(factors + half * kLanes), sum[half]));
  }
}

/// Takes one block of queries past n packed keys.
template <class F>
void attend(const Head<F>& h, const Scratch& s, int64_t block, int64_t first_key, int64_t n,
            bool is_diagonal, const float* k, const float* v) {
  float* old_maxima = s.maxima + block * kQueries;
  const float* q = s.q + block * h.steps * kQueries;
  float* o = s.o + block * h.dim * kQueries;
  alignas(64) float maxima[kQueries], factors[kQueries];
  for (int64_t i = 0; i < kQueries; i += kLanes) store(maxima + i, load(old_maxima + i));

  for_tiles(n, [&](int64_t first, int64_t count) {
    run_score_tile<F>(count, {h.steps, k + first * h.steps, q, s.p + first * kQueries, maxima},
                      Rows());
  });
  if (is_diagonal)
    hide_later_keys(h.first_query + block * kQueries, first_key, n, old_maxima, s.p, maxima);
  for (int64_t i = 0; i < kQueries; i += kLanes) {
    const Vec c = set1(h.scale), m = load(maxima + i);
    // Exactly 1 where the maximum stays: any other factor would compound from block to block.
    const Vec factor = exp2_of((load(old_maxima + i) - m) * c, F::kExp2);
    store(factors + i, factor);
    store(old_maxima + i, m);
    if (n % F::kPair) store(s.p + n * kQueries + i, set1(kHidden));
  }
  probabilities<F>(n, h.scale, maxima, factors, s.p, s.sums + block * kQueries);
  const int64_t steps = (n + F::kPair - 1) / F::kPair;
  for_tiles(h.dim, [&](int64_t first, int64_t count) {
    run_result_tile<F>(count, {steps, v + first * steps, s.p, o + first * kQueries, factors},
                       Rows());
  });
}

template <class F>
void finish_queries(const Head<F>& h, int64_t y_row, int64_t block, const Scratch& s) {
  const float* o = s.o + block * h.dim * kQueries;
  for (int64_t half = 0; half < kQueries; half += kLanes) {
    const Vec inverse = set1(1) / load(s.sums + block * kQueries + half);
    const int64_t first = block * kQueries + half;
    for (int64_t i = 0; i < h.dim; i += kLanes) {
      Vec rows[kLanes];
      for (int j = 0; j < kLanes; ++j)
        rows[j] = i + j < h.dim ? load(o + (i + j) * kQueries + half) * inverse : zero();
      transpose(rows);
      for (int64_t j = 0; j < kLanes && first + j < h.n_queries; ++j)
        store_up_to(h.y + (first + j) * y_row + i, rows[j], h.dim - i);
    }
  }
}

template <class F>
void run_task(const AttentionArgs& a, int64_t task, void* memory) {
  const Head<F> h = head_of<F>(a, task);
  const Scratch s(a, static_cast<float*>(memory));
  const int64_t blocks = (h.n_queries + kQueries - 1) / kQueries;
  for (int64_t i = 0; i < blocks; ++i) start_queries(h, a.q_row, i, s);
  const int64_t pass = keys_of_pass(a), k_block = kKeys * h.steps;
  const int64_t v_block = kKeys / F::kPair * h.dim;
  for (int64_t start = 0; start < h.n_keys; start += pass) {
    const int64_t end = start + pass < h.n_keys ? start + pass : h.n_keys;
    for (int64_t key = start, i = 0; key < end; key += kKeys, ++i) {
      const int64_t n = end - key < kKeys ? end - key : kKeys;
      pack_k(h, a.k_row, key, n, s.k + i * k_block);
      pack_v(h, a.v_row, key, n, s.v + i * v_block);
    }
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first_query = h.first_query + block * kQueries;
      for (int64_t key = start, i = 0; key < end; key += kKeys, ++i) {
        const int64_t n = end - key < kKeys ? end - key : kKeys;
        if (a.causal && key >= first_query + kQueries) break;
        const bool is_diagonal = a.causal && key + n > first_query + 1;
        attend(h, s, block, key, n, is_diagonal, s.k + i * k_block, s.v + i * v_block);
      }
    }
  }
  for (int64_t i = 0; i < blocks; ++i) finish_queries(h, a.y_row, i, s);
}

}  // namespace

size_t attention_scratch_bytes(const AttentionArgs& a) {
  return static_cast<size_t>(Layout(a).floats) * sizeof(float);
}

int64_t attention_tasks(const AttentionArgs& a) {
  const int64_t per_task = queries_of_task(a);
  return a.batch * a.heads * ((a.tokens_q + per_task - 1) / per_task);
}

void attention_f32(const AttentionArgs& a, int64_t task, void* scratch) {
  run_task<Widened<float>>(a, task, scratch);
}

void attention_bf16(const AttentionArgs& a, int64_t task, void* scratch) {
  run_task<BFloat16Format>(a, task, scratch);
}

}  // namespace dedit::kernels::DEDIT_ISA
