// The functions of one instruction-set level, collected by table.cpp.
#pragma once

#include "cpu/kernels.h"

namespace dedit::kernels::DEDIT_ISA {

// By type of activation: T is float or uint16_t (bf16).
template <class T>
void epilogue(const EpilogueArgs& args);
template <class T>
void group_norm_stats(const GroupNormBlock& block);
template <class T>
void channel_affine(const ChannelAffine& args);
template <class T>
void layer_norm(const LayerNormArgs& args);
template <class T>
void geglu(const void* x, int64_t rows, int64_t n, void* y);
template <class T>
void activation(const void* x, int64_t n, Activation kind, void* y);
template <class T>
void lincomb(const LincombTerm* terms, int n_terms, int64_t n, void* y);
template <class T>
void blend(const float* mask, const void* a, const void* b, int64_t pixels, int64_t channels,
           void* y);
template <class T>
void add_rows(const float* table, const float* position, int64_t n, void* y);

template <class T>
void geglu_epilogue(const EpilogueArgs& args);
template <class T>
void winograd_input(const WinogradInputArgs& args);
template <class T>
void winograd_output(const WinogradOutputArgs& args);

// T is the type of stored weights: float, uint16_t (bf16) or Half.
template <class T>
void winograd_weights(const WinogradWeightArgs& args);
template <class T>
void panel_weights_f32(const PanelWeightArgs& args);
template <class T>
void panel_weights_bf16(const PanelWeightArgs& args);
void panel_products_f32(const PanelProductArgs& args);
void panel_products_bf16(const PanelProductArgs& args);

void f32_from_bf16(const uint16_t* x, int64_t n, float* y);
void bf16_from_f32(const float* x, int64_t n, uint16_t* y);
void resize_row(const void* x, int64_t in, int64_t out, size_t pixel_bytes, void* y);
void concat_rows(const void* a, size_t a_bytes, const void* b, size_t b_bytes, int64_t rows,
                 void* y);

}  // namespace dedit::kernels::DEDIT_ISA
