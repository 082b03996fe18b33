// Contracts of the CPU kernels: raw loops over pointers, sizes and strides, compiled once per
// instruction set. Each call runs on one thread; the caller splits the work into ranges whose
// bounds depend on the shapes alone, so that results never depend on the number of threads.
//
// Activations are f32 or bf16 (as uint16_t); arrays of two functions are indexed by Type. Inputs
// need no alignment. Sums are taken in f32 per lane and f64 across lanes and blocks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/attention.h"
#include "cpu/panel.h"
#include "cpu/types.h"
#include "cpu/winograd.h"

namespace dedit::kernels {

enum class IsaLevel : uint8_t { kAvx2, kAvx512, kAvx512Bf16, kAmx };

/// y = activation(acc + bias + row_bias) + residual on a [rows, cols] tile.
struct EpilogueArgs {
  const float* acc = nullptr;       ///< row stride acc_row; may be y itself
  const float* bias = nullptr;      ///< [cols]
  const float* row_bias = nullptr;  ///< [cols] or null
  const void* residual = nullptr;   ///< type of y, row stride y_row, or null; may be y itself
  void* y = nullptr;
  int64_t acc_row = 0, y_row = 0;  ///< elements between rows
  int64_t rows = 0, cols = 0;
  Activation activation = Activation::kNone;
};

struct LincombTerm {
  float a = 1;
  const void* x = nullptr;
  Type type = kTypeF32;
};

/// Sums of one block of rows for group norm.
struct GroupNormBlock {
  const void* x = nullptr;  ///< [rows, channels]
  int64_t rows = 0, channels = 0;
  int groups = 1;
  double* mean = nullptr;    ///< [groups]: mean over the block
  double* m2 = nullptr;      ///< [groups]: sum of (x - mean)^2 over the block
  float* scratch = nullptr;  ///< [3 * channels]
};

/// y = activation((x - mean) * scale + shift), all three per channel.
struct ChannelAffine {
  const void* x = nullptr;  ///< [rows, channels]
  void* y = nullptr;        ///< may be x
  int64_t rows = 0, channels = 0;
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  Activation activation = Activation::kNone;
};

struct LayerNormArgs {
  const void* x = nullptr;  ///< [rows, n]
  void* y = nullptr;        ///< may be x
  int64_t rows = 0, n = 0;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float eps = 1e-5f;
};

struct KernelTable {
  void (*epilogue[kTypes])(const EpilogueArgs&);  // by type of y
  void (*group_norm_stats[kTypes])(const GroupNormBlock&);
  void (*channel_affine[kTypes])(const ChannelAffine&);
  void (*layer_norm[kTypes])(const LayerNormArgs&);
  /// x [rows, 2n] -> y [rows, n] = x[:n] * gelu(x[n:])
  void (*geglu[kTypes])(const void* x, int64_t rows, int64_t n, void* y);
  /// y may be x.
  void (*activation[kTypes])(const void* x, int64_t n, Activation, void* y);
  /// y = sum of a_i x_i, in order; by type of y, which may be any x of y's type.
  void (*lincomb[kTypes])(const LincombTerm* terms, int n_terms, int64_t n, void* y);
  /// y = mask * a + (1 - mask) * b on [pixels, channels], mask [pixels]; exactly a where mask is 1
  /// and exactly b where it is 0. y may be a or b.
  void (*blend[kTypes])(const float* mask, const void* a, const void* b, int64_t pixels,
                        int64_t channels, void* y);
  /// y [n] = table [n] + position [n], rows of the embedding tables.
  void (*add_rows[kTypes])(const float* table, const float* position, int64_t n, void* y);
  void (*f32_from_bf16)(const uint16_t* x, int64_t n, float* y);
  /// Rounds to nearest even; NaN stays NaN.
  void (*bf16_from_f32)(const float* x, int64_t n, uint16_t* y);
  /// One row of pixels, enlarged or reduced: output pixel i is input pixel floor(i * in / out).
  void (*resize_row)(const void* x, int64_t in, int64_t out, size_t pixel_bytes, void* y);
  /// Each row of y is a row of a followed by a row of b.
  void (*concat_rows)(const void* a, size_t a_bytes, const void* b, size_t b_bytes, int64_t rows,
                      void* y);
  void (*panel_weights[kTypes][kWeightTypes])(const PanelWeightArgs&);  // by type of the products
  void (*panel_products[kTypes])(const PanelProductArgs&);
  void (*geglu_epilogue[kTypes])(const EpilogueArgs&);  // by type of y
  size_t (*attention_scratch_bytes)(const AttentionArgs&);
  int64_t (*attention_tasks)(const AttentionArgs&);
  void (*attention[kTypes])(const AttentionArgs&, int64_t task, void* scratch);
  void (*winograd_input[kTypes])(const WinogradInputArgs&);  // by type of x
  void (*winograd_weights[kWeightTypes])(const WinogradWeightArgs&);
  void (*winograd_output[kTypes])(const WinogradOutputArgs&);  // by type of y
};

/// The best level of this CPU and operating system; false if it lacks AVX2, FMA or F16C.
bool best_isa(IsaLevel& level);
/// "avx2", "avx512", "avx512_bf16", "amx"
const char* name_of(IsaLevel level);
/// True and the level if `name` is one of those names.
bool isa_from_name(const char* name, IsaLevel& level);
/// True on AMD's CPUs.
bool is_amd();

/// Kernels of a level that is at most best_isa().
const KernelTable& kernel_table(IsaLevel level);

}  // namespace dedit::kernels
