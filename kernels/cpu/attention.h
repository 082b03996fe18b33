// Flash attention of one instruction-set level: softmax(scale Q K^T) V for every head, without ever
// storing the whole score matrix.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dedit::kernels {

/// Element (b, t, h, d) of q stands at b * q_batch + t * q_row + h * head_dim + d, counted in
/// elements; k, v and y likewise. y overlaps no input.
struct AttentionArgs {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* y = nullptr;
  int64_t q_row = 0, k_row = 0, v_row = 0, y_row = 0;          ///< between tokens
  int64_t q_batch = 0, k_batch = 0, v_batch = 0, y_batch = 0;  ///< between batch rows
  int64_t batch = 1;
  int64_t tokens_q = 1;
  int64_t tokens_k = 1;
  int heads = 1;
  int head_dim = 1;     ///< 1..512
  float scale = 1;      ///< > 0
  bool causal = false;  ///< query i sees keys 0..i
};

// Per level:
//   attention_scratch_bytes  scratch of one running task, to be 64-byte aligned
//   attention_tasks          number of tasks; a task is a block of queries of one head, fixed by
//                            the shape alone, and tasks may run in any order on any thread
//   attention_f32, _bf16     run one task; q, k, v and y are all f32 or all bf16, the softmax and
//                            all sums f32
#define DEDIT_ATTENTION_FUNCTIONS(level)                                  \
  namespace level {                                                       \
  size_t attention_scratch_bytes(const AttentionArgs&);                   \
  int64_t attention_tasks(const AttentionArgs&);                          \
  void attention_f32(const AttentionArgs&, int64_t task, void* scratch);  \
  void attention_bf16(const AttentionArgs&, int64_t task, void* scratch); \
  }
DEDIT_ATTENTION_FUNCTIONS(avx2)
DEDIT_ATTENTION_FUNCTIONS(avx512)
DEDIT_ATTENTION_FUNCTIONS(avx512_bf16)
DEDIT_ATTENTION_FUNCTIONS(amx)
#undef DEDIT_ATTENTION_FUNCTIONS

}  // namespace dedit::kernels
