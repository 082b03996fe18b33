#include "edit_times.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "networks/networks.h"
#include "op_times.h"

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
  const NetworkTimes alone = measure_networks(model, setup.control, setup.size,
                                              {.warm_up = 4, .samples = 3, .calls = setup.repeats});
  times.control = alone.control;
  times.decode = alone.decode;
  times.encode = alone.encode;
  return times;
}

}  // namespace dedit::bench
