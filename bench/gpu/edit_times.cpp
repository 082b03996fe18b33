#include "edit_times.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "nn/ops.h"
#include "op_times.h"
#include "ops/job.h"
#include "pipeline/loaded_model.h"

#include "dedit/dedit.h"

namespace dedit::bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Since this process was started, to a hundredth of a second: the kernel's count.
double process_seconds() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // 22: starttime, in ticks since the boot
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return double(now.tv_sec) + double(now.tv_nsec) / 1e9 -
         std::stod(field) / double(sysconf(_SC_CLK_TCK));
}

/// A picture with edges: squares in squares.
Image picture(int size) {
  Image image(size, size, 3);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int ring = std::min({x, y, size - 1 - x, size - 1 - y}) / 24;
      for (int c = 0; c < 3; ++c) {
        image.data[size_t((y * size + x) * 3 + c)] = std::byte(ring * (37 + 20 * c) % 256);
      }
    }
  }
  return image;
}

EditRequest request(const EditSetup& setup, bool with_control) {
  EditRequest r;
  r.prompt = "a watercolour of a living room";
  r.width = r.height = setup.size;
  r.steps = setup.steps;
  r.scheduler = "ddim";
  r.seeds = {1};
  if (with_control) {
    ControlUnit unit;
    unit.model = setup.control;
    unit.hint = annotate("canny", picture(setup.size), {{"low", 50}, {"high", 100}}).map;
    unit.annotator = "canny";
    r.controls = {unit};
  }
  return r;
}

/// An edit and when its steps ended, in seconds since its beginning.
struct Run {
  double seconds = 0;
  std::vector<double> ends;
  double first_end_of_process = 0;

  /// Median of the steps after the second: the first is queued piece by piece, the second builds
  /// the graph that later ones use.
  double step() const {
    std::vector<double> steps;
    for (size_t i = 3; i < ends.size(); ++i) steps.push_back(ends[i] - ends[i - 1]);
    return steps.empty() ? 0 : median(steps);
  }
};

Run run_edit(const Model& model, const EditRequest& r, Clock::time_point begin) {
  Run run;
  SessionOptions options;
  options.on_step = [&](const Progress&) {
    run.ends.push_back(since(begin));
    // The host is a step ahead of the GPU at most: now the first has ended.
    if (run.ends.size() == 2) run.first_end_of_process = process_seconds();
  };
  Session session(model, options);
  session.run(r);
  run.seconds = since(begin);
  return run;
}

/// Calls that follow each other, each recorded as a graph as a step is: seconds of one.
double steady_seconds(Ctx& ctx, const std::function<Tensor()>& call, int repeats) {
  constexpr int kWarmUp = 4;
  float one = 0;
  Tensor sum = ctx.pool.make({1}, DType::kF64);
  const auto finish = [&](const Tensor& y) {  // waits for all that is queued
    ops::sum_of_squares(ctx, y, sum);
    ctx.backend.download(sum, &one);
  };
  Tensor y;
  for (int i = 0; i < kWarmUp; ++i) {
    y = call();
    ctx.backend.end_of_step();
  }
  finish(y);
  const auto begin = Clock::now();
  for (int i = 0; i < repeats; ++i) {  // the first follows a wait, and so is not recorded
    y = call();
    ctx.backend.end_of_step();
  }
  finish(y);
  return since(begin) / repeats;
}

Tensor random_tensor(Ctx& ctx, const Shape& shape) {
  return ops::upload(ctx, random_values(shape.numel(), 1).data(), shape, ctx.dtype);
}

void measure_networks(const EditSetup& setup, const Model& model, EditTimes& times) {
  Model::Impl& impl = *model.impl();
  Pool pool(impl.backend->memory());
  Ctx ctx{.backend = *impl.backend, .pool = pool, .dtype = impl.dtype};
  const int64_t side = setup.size / impl.latent.factor, channels = impl.latent.channels;
  const std::shared_ptr<const LoadedControl> control = impl.control(setup.control, "canny");
  const Tensor x = random_tensor(ctx, {2, side, side, channels});
  const Tensor hint = random_tensor(ctx, {1, setup.size, setup.size, 3});
  const Conditioning text{.context = random_tensor(ctx, {2, 77, impl.network_spec.context_width}),
                          .pooled = {},
                          .ids = {}};
  const double timestep[] = {500};
  const Tensor features = control->net->embed_hint(ctx, hint);
  times.control = steady_seconds(
      ctx,
      [&] {
        const ControlResiduals r = (*control->net)(ctx, x, timestep, text, features);
        return r.by_block.begin()->second;
      },
      setup.repeats);
  const Tensor latents = random_tensor(ctx, {1, side, side, channels});
  times.decode = steady_seconds(
      ctx, [&] { return impl.vae->decode(ctx, latents); }, setup.repeats);
  times.encode = steady_seconds(
      ctx, [&] { return impl.vae->encode(ctx, hint); }, setup.repeats);
}

}  // namespace

EditTimes measure_edits(const EditSetup& setup) {
  EditTimes times;
  const EditRequest edit = request(setup, /*with_control=*/true);
  const auto begin = Clock::now();
  const Model model = Model::load(
      setup.model, {.dtype = setup.dtype, .device = "cuda:" + std::to_string(setup.gpu)});
  const Run first = run_edit(model, edit, begin);
  times.start = first.first_end_of_process;
  times.edit_first = first.seconds;
  std::vector<double> seconds, steps, plain;
  for (int i = 0; i < 3; ++i) {
    const Run again = run_edit(model, edit, Clock::now());
    seconds.push_back(again.seconds);
    steps.push_back(again.step());
    plain.push_back(run_edit(model, request(setup, false), Clock::now()).step());
  }
  times.edit_again = median(seconds);
  times.edit_step = median(steps);
  times.step = median(plain);
  times.peak_gib = gpu_memory_gib(setup.gpu);
  measure_networks(setup, model, times);
  return times;
}

}  // namespace dedit::bench
