// The table of this instruction-set level.
#include "cpu/local.h"

namespace dedit::kernels::DEDIT_ISA {

const KernelTable& table();

const KernelTable& table() {
  static constexpr KernelTable kTable = {
      .epilogue = {epilogue<float>, epilogue<uint16_t>},
      .group_norm_stats = {group_norm_stats<float>, group_norm_stats<uint16_t>},
      .channel_affine = {channel_affine<float>, channel_affine<uint16_t>},
      .layer_norm = {layer_norm<float>, layer_norm<uint16_t>},
      .geglu = {geglu<float>, geglu<uint16_t>},
      .activation = {activation<float>, activation<uint16_t>},
      .lincomb = {lincomb<float>, lincomb<uint16_t>},
      .blend = {blend<float>, blend<uint16_t>},
      .add_rows = {add_rows<float>, add_rows<uint16_t>},
      .f32_from_bf16 = f32_from_bf16,
      .bf16_from_f32 = bf16_from_f32,
      .resize_row = resize_row,
      .concat_rows = concat_rows,
      .panel_weights = {{panel_weights_f32<float>, panel_weights_f32<uint16_t>,
                         panel_weights_f32<Half>},
                        {panel_weights_bf16<float>, panel_weights_bf16<uint16_t>,
                         panel_weights_bf16<Half>}},
      .panel_products = {panel_products_f32, panel_products_bf16},
      .geglu_epilogue = {geglu_epilogue<float>, geglu_epilogue<uint16_t>},
      .attention_scratch_bytes = attention_scratch_bytes,
      .attention_tasks = attention_tasks,
      .attention = {attention_f32, attention_bf16},
      .winograd_input = {winograd_input<float>, winograd_input<uint16_t>},
      .winograd_weights = {winograd_weights<float>, winograd_weights<uint16_t>,
                           winograd_weights<Half>},
      .winograd_output = {winograd_output<float>, winograd_output<uint16_t>},
  };
  return kTable;
}

}  // namespace dedit::kernels::DEDIT_ISA
