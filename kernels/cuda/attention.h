// softmax(scale q k^T) v per head, without the matrix of scores in memory.
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

/// Heads lie side by side in a row: head h takes elements [h head_dim, (h + 1) head_dim). Rows may
/// be parts of longer ones (q, k and v of one product).
struct AttentionArgs {
  const void* q = nullptr;  ///< [batch, tokens_q, heads * head_dim], rows q_row elements apart
  const void* k = nullptr;  ///< [batch, tokens_k, heads * head_dim]
  const void* v = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t q_row = 0, k_row = 0, v_row = 0, y_row = 0;          ///< elements between tokens, < 2^31
  int64_t q_batch = 0, k_batch = 0, v_batch = 0, y_batch = 0;  ///< elements between batch rows
  int64_t batch = 0, tokens_q = 0, tokens_k = 0;
  int heads = 1, head_dim = 64;
  float scale = 1;      ///< above 0
  bool causal = false;  ///< token i sees keys 0 to i
  // The device, as in ProductArgs.
  int capability = 80;
  int multiprocessors = 108;
};

size_t attention_workspace_bytes(const AttentionArgs& args);
/// Any head size up to 512; 16-byte loads where head_dim, rows and addresses allow.
void attention(Stream stream, const AttentionArgs& args, void* workspace);

}  // namespace dedit::cuda
