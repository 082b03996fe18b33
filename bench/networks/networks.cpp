#include "networks/networks.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "nn/ops.h"
#include "ops/job.h"
#include "pipeline/loaded_model.h"

namespace dedit::bench {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Each call counts as a step: a GPU records it as a graph, the first after a wait excepted.
double steady_seconds(Ctx& ctx, const Repeats& repeats, const std::function<Tensor()>& call) {
  Tensor sum = ctx.pool.make({1}, DType::kF64);
  const auto run = [&](int calls) {
    Tensor y;
    for (int i = 0; i < calls; ++i) {
      y = call();
      ctx.backend.end_of_step();
    }
    float one = 0;
    ops::sum_of_squares(ctx, y, sum);
    ctx.backend.download(sum, &one);  // waits for all that is queued
  };
  run(repeats.warm_up);
  std::vector<double> seconds;
  for (int i = 0; i < repeats.samples; ++i) {
    const auto begin = Clock::now();
    run(repeats.calls);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count() / repeats.calls);
  }
  return median(std::move(seconds));
}

Tensor random_tensor(Ctx& ctx, const Shape& shape) {
  return ops::upload(ctx, random_values(shape.numel(), 1).data(), shape, ctx.dtype);
}

}  // namespace

NetworkTimes measure_networks(const Model& model, const std::string& control_path, int size,
                              const Repeats& repeats) {
  Model::Impl& impl = *model.impl();
  Pool pool(impl.backend->memory());
  TextProducts text_products;  // keys and values of the text, which a run computes once
  Ctx ctx{.backend = *impl.backend, .pool = pool, .dtype = impl.dtype, .text = &text_products};
  const int64_t side = size / impl.latent.factor;
  const Tensor x = random_tensor(ctx, {1, side, side, impl.latent.channels});
  const Tensor picture = random_tensor(ctx, {1, size, size, 3});
  const Conditioning text{.context = random_tensor(ctx, {2, 77, impl.network_spec.context_width}),
                          .pooled = {},
                          .ids = {}};
  const double timestep[] = {500};
  NetworkTimes times;
  times.step = steady_seconds(ctx, repeats,
                              [&] { return (*impl.network)(ctx, x, timestep, text, nullptr); });
  const std::shared_ptr<const LoadedControl> control = impl.control(control_path, "canny");
  const Tensor features = control->net->embed_hint(ctx, picture);
  times.control = steady_seconds(ctx, repeats, [&] {
    return (*control->net)(ctx, x, timestep, text, features).by_block.begin()->second;
  });
  times.decode = steady_seconds(ctx, repeats, [&] { return impl.vae->decode(ctx, x); });
  times.encode = steady_seconds(ctx, repeats, [&] { return impl.vae->encode(ctx, picture); });
  return times;
}

}  // namespace dedit::bench
