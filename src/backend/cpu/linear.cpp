#include "backend/cpu/linear.h"

#include <algorithm>

#include "backend/cpu/convert.h"
#include "backend/cpu/jobs.h"
#include "backend/cpu/product.h"

namespace dedit::cpu {
namespace {

using kernels::kPanelColumns;

// Rows of a job: beside their products, making the weights' panel is a few percent. Fewer where
// that would leave cores idle.
constexpr int64_t kRows = 1024, kFewestRows = 64;
constexpr int64_t kJobs = 32;
// Bytes of a panel: with the rows that pass by, it stays in a second cache of 1 MiB.
constexpr int64_t kPanelBytes = 320 << 10;
// Rows whose products are finished together; those of another type are converted for it.
constexpr int64_t kRowsAtOnce = 56;
constexpr int64_t kGeGluColumns = kPanelColumns / 2;

int64_t aligned(int64_t bytes) {
  return divide_up(bytes, 64) * 64;
}

}  // namespace

struct Linears::Call {
  const Tensor& x;
  const Weight& w;
  const Epilogue& epilogue;
  Tensor& y;
  bool is_geglu = false;
  bool converts = false;  // rows of x
  int64_t columns = 0;    // of y in a block
  int64_t n_blocks = 0;   // of columns
  int64_t images = 1;     // where a bias per image tells them apart; else all rows are one
  int64_t rows = 0;       // of an image
  int64_t height = 0;     // rows of a job
  int64_t n_runs = 0;     // jobs' worth of rows of an image
  int64_t n_chunks = 0;   // panels for all input channels
  int64_t chunk = 0;      // input channels of a panel, fewer in the last
  int64_t panel_bytes = 0, acc_bytes = 0, converted_bytes = 0;

  int64_t element() const { return int64_t(size_of(w.dtype)); }
  int64_t converted_row() const { return chunk + 64 / element(); }
  int64_t bytes() const { return panel_bytes + acc_bytes + converted_bytes; }
};

/// What a job computes.
struct Linears::Part {
  int64_t block = 0;
  int64_t image = 0;
  int64_t first = 0;  // row of x and y
  int64_t rows = 0;
};

PackedWeightPtr Linears::pack(std::span<const WeightView> weights,
                              std::span<const WeightView> biases, DType compute) const {
  auto w = std::make_shared<Weight>();
  w->rows = StoredRows(weights, biases);
  w->out = w->rows.size();
  w->in = weights[0].numel() / weights[0].shape[0];
  const bool is_bf16 = compute == DType::kBF16 && native_bf16_ && w->in % 2 == 0;
  w->dtype = is_bf16 ? DType::kBF16 : DType::kF32;
  w->bytes = w->rows.bytes();
  return w;
}

void Linears::make_panel(const Call& call, int64_t block, int64_t first, int64_t count,
                         void* u) const {
  kernels::WeightRows rows;
  const StoredRows& stored = call.w.rows;
  const int64_t half = call.w.out / 2;
  if (call.is_geglu) {
    const int64_t n = std::min(kGeGluColumns, half - block * kGeGluColumns);
    stored.fill(block * kGeGluColumns, 0, n, rows);
    stored.fill(half + block * kGeGluColumns, kGeGluColumns, n, rows);
  } else {
    const int64_t n = std::min(kPanelColumns, call.w.out - block * kPanelColumns);
    stored.fill(block * kPanelColumns, 0, n, rows);
  }
  table_.panel_weights[kernel_type(call.w.dtype)][stored.type()](
      {.rows = &rows, .first = first, .count = count, .u = u});
}

/// Biases, activation and residual of some of a part's rows by its block of columns.
void Linears::finish(const Call& call, const Part& part, const float* acc) const {
  const int64_t column = part.block * call.columns;
  kernels::EpilogueArgs a = epilogue_args(call.epilogue, call.y, part.image, column);
  const int64_t out = call.y.dim(-1);
  const size_t offset = size_t(part.first * out) * size_of(call.y.dtype());
  a.acc = acc;
  a.acc_row = kPanelColumns;
  a.rows = part.rows;
  a.cols = std::min(call.columns, out - column);
  a.y = static_cast<std::byte*>(a.y) + offset;
  if (a.residual) a.residual = static_cast<const std::byte*>(a.residual) + offset;
  const kernels::Type type = kernel_type(call.y.dtype());
  if (!call.is_geglu) {
    a.bias = call.w.rows.bias() + column;
    return table_.epilogue[type](a);
  }
  float bias[kPanelColumns] = {};
  std::copy_n(call.w.rows.bias() + column, a.cols, bias);
  std::copy_n(call.w.rows.bias() + out + column, a.cols, bias + kGeGluColumns);
  a.bias = bias;
  table_.geglu_epilogue[type](a);
}

/// Asks for the residual that finish() will read while the products are computed: its rows lie far
/// apart, where the hardware does not foresee them.
void Linears::fetch(const Call& call, const Part& part) {
  if (!call.epilogue.residual) return;
  const Tensor& t = *call.epilogue.residual;
  const auto size = int64_t(size_of(t.dtype())), row = t.dim(-1) * size;
  const int64_t first = part.block * call.columns * size;
  const int64_t bytes = std::min(call.columns * size, row - first);
  const auto* p = static_cast<const std::byte*>(t.raw()) + part.first * row + first;
  for (int64_t r = 0; r < part.rows; ++r, p += row) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
  }
}

void Linears::multiply(const Call& call, const Part& part, std::byte* scratch) const {
  auto* u = scratch;
  auto* acc = reinterpret_cast<float*>(u + call.panel_bytes);
  std::byte* converted = u + call.panel_bytes + call.acc_bytes;
  const auto* x = static_cast<const std::byte*>(call.x.raw());
  const auto x_size = int64_t(size_of(call.x.dtype()));
  for (int64_t k = 0; k < call.w.in; k += call.chunk) {
    const int64_t count = std::min(call.chunk, call.w.in - k);
    make_panel(call, part.block, k, count, u);
    for (int64_t r = 0; r < part.rows; r += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, part.rows - r);
      const std::byte* from = x + ((part.first + r) * call.w.in + k) * x_size;
      int64_t x_row = call.w.in;
      if (call.converts) {
        x_row = call.converted_row();
        for (int64_t i = 0; i < n; ++i) {
          convert_row(table_, from + i * call.w.in * x_size, call.x.dtype(),
                      converted + i * x_row * call.element(), call.w.dtype, count);
        }
        from = converted;
      }
      const Part rows{part.block, part.image, part.first + r, n};
      const bool is_last = k + count == call.w.in;
      if (is_last) fetch(call, rows);
      // With one panel for all input channels, sums need no room beyond these rows.
      float* m = call.n_chunks > 1 ? acc + r * kPanelColumns : acc;
      table_.panel_products[kernel_type(call.w.dtype)](
          {.x = from, .x_row = x_row, .u = u, .m = m, .rows = n, .count = count, .add = k > 0});
      if (is_last) finish(call, rows, m);
    }
  }
}

void Linears::linear(const Tensor& x, const Weight& w, const Epilogue& epilogue, Tensor& y) {
  Call call{.x = x, .w = w, .epilogue = epilogue, .y = y};
  kernel_type(x.dtype());  // throws here rather than in a job
  call.is_geglu = epilogue.act == Act::kGeGlu;
  call.columns = call.is_geglu ? kGeGluColumns : kPanelColumns;
  call.n_blocks = divide_up(y.dim(-1), call.columns);
  call.images = epilogue.row_bias ? x.dim(0) : 1;
  call.rows = x.numel() / (w.in * call.images);
  int64_t most = kRows;
  while (most > kFewestRows && call.images * divide_up(call.rows, most) * call.n_blocks < kJobs) {
    most /= 2;
  }
  call.n_runs = divide_up(call.rows, most);
  call.height = divide_up(call.rows, call.n_runs);
  const int64_t least = divide_up(w.in * kPanelColumns * call.element(), kPanelBytes);
  call.chunk = divide_up(divide_up(w.in, least), 32) * 32;
  call.n_chunks = divide_up(w.in, call.chunk);
  call.converts = x.dtype() != w.dtype;
  call.panel_bytes = aligned(call.chunk * kPanelColumns * call.element());
  const int64_t acc_rows = call.n_chunks > 1 ? call.height : kRowsAtOnce;
  call.acc_bytes = aligned(acc_rows * kPanelColumns * int64_t(sizeof(float)));
  call.converted_bytes =
      call.converts ? aligned(kRowsAtOnce * call.converted_row() * call.element()) : 0;

  const int64_t n_threads = num_threads();
  const ScratchPool::Lease lease(scratch_, size_t(n_threads * call.bytes()));
  // Neighbouring jobs share rows, which are wider than the stored weights.
  run_jobs(call.images * call.n_runs * call.n_blocks, [&](int64_t job) {
    const int64_t run = job / call.n_blocks;
    const int64_t image = run / call.n_runs, first = run % call.n_runs * call.height;
    const Part part{.block = job % call.n_blocks,
                    .image = image,
                    .first = image * call.rows + first,
                    .rows = std::min(call.height, call.rows - first)};
    if (part.rows > 0) {
      multiply(call, part, lease.data() + scratch_index(n_threads) * call.bytes());
    }
  });
}

}  // namespace dedit::cpu
