#include "cuda/product.h"
#include "cuda/product_kernel.h"
#include "cuda/product_sm90.h"

namespace dedit::cuda {
namespace {

// A kernel of products: what it offers, the shape it sees, and how it is started.
struct Kernel {
  std::span<const ProductTile> tiles;
  ProductShape shape;
  void (*run)(Stream, const ProductArgs&, const ProductPlan&, float*);
};

Kernel kernel_of(const ProductArgs& args) {
  if (args.type == Type::kF32) return {fma_tiles(args), shape_of(args), product_fma};
  if (product_sm90_fits(args)) return {sm90_tiles(), sm90_shape(args), product_sm90};
  return {mma_tiles(args), shape_of(args), product_mma};
}

ProductPlan plan_of(const ProductArgs& args, const Kernel& kernel) {
  return plan_product(kernel.shape, kernel.tiles, args.multiprocessors);
}

}  // namespace

size_t product_workspace_bytes(const ProductArgs& args) {
  const ProductShape shape = shape_of(args);
  return split_bytes(shape.m, shape.n, plan_of(args, kernel_of(args)).split);
}

void product(Stream stream, const ProductArgs& args, void* workspace) {
  const Kernel kernel = kernel_of(args);
  const ProductPlan plan = plan_of(args, kernel);
  auto* partial = static_cast<float*>(workspace);
  kernel.run(stream, args, plan, partial);
  if (plan.split > 1) finish_split(stream, args, partial, plan.split);
}

}  // namespace dedit::cuda
