#include "cuda/group_norm.h"
#include "cuda/layer_norm.h"
#include "cuda/norm.h"

namespace dedit::cuda {
namespace {

template <class T, int W, class Act>
void launch_group_norm(Stream stream, const GroupNormArgs& args, const GroupNormPlan& plan,
                       const Act& act, void* workspace) {
  Grid grid{.blocks = dim3(unsigned(plan.blocks(args.batch))),
            .threads = dim3(unsigned(plan.threads)),
            .shared_bytes = size_t(plan.sums()) * sizeof(float)};
  if (plan.one_launch) {
    grid.shared_bytes += size_t(plan.groups) * sizeof(MeanScale);
    launch(stream, grid, group_norm_kernel<T, W, Act>, args, plan, act);
    return;
  }
  auto* moments = static_cast<SlabMoments*>(workspace);
  launch(stream, grid, group_moments_kernel<T, W>, args, plan, moments);
  grid.shared_bytes = size_t(plan.groups) * sizeof(MeanScale);
  launch(stream, grid, group_apply_kernel<T, W, Act>, args, plan, act, moments);
}

template <class T>
void launch_group_norm(Stream stream, const GroupNormArgs& args, void* workspace) {
  const GroupNormPlan plan = group_norm_plan(args);
  const AnyActivation any{args.activation};
  if (plan.width == 1) return launch_group_norm<T, 1>(stream, args, plan, any, workspace);
  constexpr int kW = kWide<T>;
  switch (args.activation) {
    case Activation::kNone:
      return launch_group_norm<T, kW>(stream, args, plan, NoActivation{}, workspace);
    case Activation::kSilu:
      return launch_group_norm<T, kW>(stream, args, plan, SiluActivation{}, workspace);
    default:
      return launch_group_norm<T, kW>(stream, args, plan, any, workspace);
  }
}

template <class T, int K>
void launch_row_kernel(Stream stream, const LayerNormArgs& args) {
  const int64_t blocks = divide_up(args.rows, kRowThreads / kLanes);
  launch(stream, {.blocks = dim3(unsigned(blocks)), .threads = dim3(kRowThreads)},
         layer_norm_kernel<T, kWide<T>, K>, args);
}

template <class T>
void launch_layer_norm(Stream stream, const LayerNormArgs& args) {
  const bool wide = args.n % kWide<T> == 0;
  const int64_t loads = divide_up(args.n / kWide<T>, kLanes);  // of a lane
  if (wide && loads <= 2) return launch_row_kernel<T, 2>(stream, args);
  if (wide && loads <= 4) return launch_row_kernel<T, 4>(stream, args);
  if (wide && loads <= 6) return launch_row_kernel<T, 6>(stream, args);
  if (wide && loads <= 12) return launch_row_kernel<T, 12>(stream, args);
  dispatch_width<T>(wide, [&](auto width) {
    launch(stream, {.blocks = dim3(unsigned(args.rows)), .threads = dim3(kWideRowThreads)},
           wide_layer_norm_kernel<T, decltype(width)::value>, args);
  });
}

}  // namespace

size_t group_norm_workspace_bytes(const GroupNormArgs& args) {
  const GroupNormPlan plan = group_norm_plan(args);
  if (plan.one_launch) return 0;
  return size_t(args.batch * plan.groups * plan.slabs) * sizeof(SlabMoments);
}

void group_norm(Stream stream, const GroupNormArgs& args, void* workspace) {
  dispatch(args.type, [&](auto tag) {
    launch_group_norm<typename decltype(tag)::type>(stream, args, workspace);
  });
}

void layer_norm(Stream stream, const LayerNormArgs& args) {
  dispatch(args.type,
           [&](auto tag) { launch_layer_norm<typename decltype(tag)::type>(stream, args); });
}

}  // namespace dedit::cuda
