// Panels of weights, their products, and the GEGLU that ends one.
#include "cpu/local.h"
#include "cpu/panel_block.h"
#include "cpu/vec_math.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)

/// n elements as bf16 pairs, 2i and 2i + 1 in lane i. The instruction takes denormals for zero, as
/// the dot product does.
template <class T>
Vec load_pairs(const T* p, int64_t n) {
  const Vec low = n > kLanes ? load(p) : load(p, n);
  const Vec high = n > kLanes ? load(p + kLanes, n - kLanes) : set1(0);
  return reinterpret_cast<Vec>(_mm512_cvtne2ps_pbh(high, low));
}
inline Vec load_pairs(const uint16_t* p, int64_t n) {
  const __mmask32 mask = n >= 2 * kLanes ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
  return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, p));
}

template <class T>
void weights_bf16(const PanelWeightArgs& a) {
  const int64_t pairs = a.count / 2;
  for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
    const void* const* row = a.rows->row + c;
    float* u = static_cast<float*>(a.u) + c / kPanel * pairs * kPanel + c % kPanel;
    for_each_vec(pairs, [&](int64_t k, int64_t lanes) {
      Vec rows[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        rows[i] = row[i] ? load_pairs(static_cast<const T*>(row[i]) + a.first + 2 * k, 2 * lanes)
                         : set1(0);
      }
      transpose(rows);
      for (int64_t i = 0; i < lanes; ++i) store(u + (k + i) * kPanel, rows[i]);
    });
  }
}

#endif

/// x in 32-bit elements, u in floats.
template <class F>
void products(const PanelProductArgs& a, int64_t per_element) {
  const int64_t count = a.count / per_element;
  const auto* x = static_cast<const typename F::Element*>(a.x);
  for_row_blocks(a.rows, [&](int64_t first, int64_t rows) {
    for (int64_t c = 0; c < kPanelColumns; c += kPanel) {
      multiply_block<F>(rows, {.x = x + first * a.x_row / per_element,
                               .x_row = a.x_row / per_element,
                               .u = static_cast<const float*>(a.u) + c * count,
                               .count = count,
                               .m = a.m + first * kPanelColumns + c,
                               .m_row = kPanelColumns,
                               .add = a.add});
    }
  });
}

}  // namespace

template <class T>
void panel_weights_f32(const PanelWeightArgs& a) {
  for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
    float* u = static_cast<float*>(a.u) + c / kPanel * a.count * kPanel + c % kPanel;
    for_each_vec(a.count, [&](int64_t k, int64_t lanes) {
      Vec rows[kLanes];
      load_columns<T>(a.rows->row + c, a.first + k, lanes, rows);
      for (int64_t i = 0; i < lanes; ++i) store(u + (k + i) * kPanel, rows[i]);
    });
  }
}

template <class T>
void panel_weights_bf16(const PanelWeightArgs& a) {
#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)
  weights_bf16<T>(a);
#else
  panel_weights_f32<T>(a);  // never asked for: without the dot product, products are f32
#endif
}

void panel_products_f32(const PanelProductArgs& a) {
  products<Single>(a, 1);
}

void panel_products_bf16(const PanelProductArgs& a) {
#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)
  products<Pair>(a, 2);
#else
  panel_products_f32(a);
#endif
}

template <class T>
void geglu_epilogue(const EpilogueArgs& a) {
  constexpr int64_t kHalf = kPanelColumns / 2;
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* value = a.acc + r * a.acc_row;
    const float* gate = value + kHalf;
    T* y = static_cast<T*>(a.y) + r * a.y_row;
    for_each_vec(a.cols, [&](int64_t i, int64_t n) {
      const Vec v = load(value + i, n) + load(a.bias + i, n);
      const Vec g = load(gate + i, n) + load(a.bias + kHalf + i, n);
      store(y + i, v * gelu(g), n);
    });
  }
}

template void panel_weights_f32<float>(const PanelWeightArgs&);
template void panel_weights_f32<uint16_t>(const PanelWeightArgs&);
template void panel_weights_f32<Half>(const PanelWeightArgs&);
template void panel_weights_bf16<float>(const PanelWeightArgs&);
template void panel_weights_bf16<uint16_t>(const PanelWeightArgs&);
template void panel_weights_bf16<Half>(const PanelWeightArgs&);
template void geglu_epilogue<float>(const EpilogueArgs&);
template void geglu_epilogue<uint16_t>(const EpilogueArgs&);

}  // namespace dedit::kernels::DEDIT_ISA
