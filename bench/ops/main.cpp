// bench_ops: times every operation of the networks on this machine and says which share of a bare
// multiply-add burst each one reaches, and what the sums predict for whole passes.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "replay.h"

namespace dedit::bench {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::vector<std::string> shapes;
  std::string passes, dtype = "f32", json;
  int threads = 0, runs = 3;
  bool burst = false, quiet = false;
};

/// What the ops of one family take in a pass.
struct Total {
  double seconds = 0, flops = 0, bytes = 0;
  double burst_flops = 0;  ///< what the burst would have done in those seconds
  int calls = 0;

  void add(const OpShape& s, const Sample& sample, double burst, double element) {
    calls += s.count;
    seconds += s.count * sample.seconds;
    flops += s.count * s.flops();
    bytes += s.count * s.bytes(element);
    burst_flops += s.count * sample.seconds * burst;
  }
};

/// The burst that arithmetic in `type` is a share of: for bf16 the fastest that takes bf16 inputs.
double burst_of(const Burst& b, DType type) {
  return type == DType::kF32 ? b.f32 : std::max({b.f32, b.bf16, b.amx});
}

ordered_json burst_json(const Burst& b) {
  return {{"f32", b.f32 / 1e9}, {"bf16", b.bf16 / 1e9}, {"amx", b.amx / 1e9}};
}

ordered_json total_json(const Total& t) {
  return {{"calls", t.calls},
          {"seconds", t.seconds},
          {"gflop", t.flops / 1e9},
          {"gflop_per_s", t.flops / t.seconds / 1e9},
          {"gb_per_s", t.bytes / t.seconds / 1e9},
          {"share_of_burst", t.flops / t.burst_flops}};
}

void print_total(const std::string& name, const Total& t, double whole) {
  std::printf(
      "| %s | %d | %.1f | %.1f %% | %.0f | %s | %.1f |\n", name.c_str(), t.calls, t.seconds * 1e3,
      100 * t.seconds / whole, t.flops / t.seconds / 1e9,
      t.flops > 0 ? (std::to_string(int(100 * t.flops / t.burst_flops + 0.5)) + " %").c_str() : "-",
      t.bytes / t.seconds / 1e9);
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        backend_(make_cpu_backend()),
        pool_(backend_->memory()),
        ctx_{.backend = *backend_,
             .pool = pool_,
             .dtype = options.dtype == "bf16" ? DType::kBF16 : DType::kF32} {
    report_["backend"] = backend_->description();
    report_["dtype"] = options.dtype;
    report_["threads"] = num_threads();
  }

  void run(const std::string& path, const Pass& pass) {
    std::map<std::string, Total> families;
    Total all;
    ordered_json ops;
    if (!options_.quiet) {
      std::printf("\n%s, %s, every op once; GFLOP/s of the plain algorithm\n\n", path.c_str(),
                  pass.name.c_str());
      std::printf("| op | times | ms | GFLOP/s | of the burst | GB/s |\n");
      std::printf("| --- | --- | --- | --- | --- | --- |\n");
    }
    for (const OpShape& s : pass.ops) {
      const Sample sample = replay(ctx_, s, options_.runs);
      const double element = double(size_of(ctx_.dtype));
      const double burst = burst_of(sample.burst, ctx_.dtype);
      families[s.family].add(s, sample, burst, element);
      all.add(s, sample, burst, element);
      ops.push_back({{"op", s.family + ": " + s.text()},
                     {"times", s.count},
                     {"seconds", sample.seconds},
                     {"first_seconds", sample.first},
                     {"gflop", s.flops() / 1e9},
                     {"share_of_burst", s.flops() / sample.seconds / burst},
                     {"packed_bytes", sample.weight_bytes},
                     {"burst", burst_json(sample.burst)}});
      if (!options_.quiet) print_op(s, sample, burst, element);
    }
    std::printf("\n%s, %s: %.3f s predicted by the sum of its ops, %s, %d threads\n\n",
                path.c_str(), pass.name.c_str(), all.seconds, options_.dtype.c_str(),
                num_threads());
    std::printf("| family | calls | ms | share | GFLOP/s | of the burst | GB/s |\n");
    std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
    ordered_json by_family;
    for (const auto& [name, total] : families) {
      print_total(name, total, all.seconds);
      by_family[name] = total_json(total);
    }
    print_total("all", all, all.seconds);
    report_["passes"].push_back({{"shapes", path},
                                 {"pass", pass.name},
                                 {"all", total_json(all)},
                                 {"families", by_family},
                                 {"ops", ops}});
    std::fflush(stdout);
  }

  const ordered_json& report() const { return report_; }

 private:
  static void print_op(const OpShape& s, const Sample& sample, double burst, double element) {
    const double rate = s.flops() / sample.seconds;
    std::printf("| %s: %s | %d | %.2f | %.0f | %.0f %% | %.1f |\n", s.family.c_str(),
                s.text().c_str(), s.count, sample.seconds * 1e3, rate / 1e9, 100 * rate / burst,
                s.bytes(element) / sample.seconds / 1e9);
  }

  Options options_;
  std::unique_ptr<Backend> backend_;
  Pool pool_;
  Ctx ctx_;
  ordered_json report_;
};

void run(const Options& options) {
  set_num_threads(options.threads);
  if (options.burst) {
    std::printf("%s\n", burst_json(measure_burst()).dump().c_str());
    return;
  }
  Bench bench(options);
  for (const std::string& path : options.shapes) {
    for (const Pass& pass : read_passes(path)) {
      if (("," + options.passes + ",").find("," + pass.name + ",") == std::string::npos &&
          !options.passes.empty()) {
        continue;
      }
      bench.run(path, pass);
    }
  }
  if (!options.json.empty()) std::ofstream(options.json) << bench.report().dump(1) << '\n';
}

}  // namespace
}  // namespace dedit::bench

int main(int argc, char** argv) {
  dedit::bench::Options options;
  CLI::App app("Times the operations of the networks beside multiply-add bursts of this machine.");
  app.add_option("shapes", options.shapes, "files of bench/shapes");
  app.add_option("--passes", options.passes,
                 "only these, comma-separated: unet (a CFG step), controlnet, hint, vae_decoder, "
                 "vae_encoder");
  app.add_option("--dtype", options.dtype, "of activations and weights")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--threads", options.threads, "0 is all cores");
  app.add_option("--runs", options.runs, "of each op; the median counts")
      ->check(CLI::Range(1, 1000));
  app.add_option("--json", options.json, "file for all figures");
  app.add_flag("--burst", options.burst, "print the bursts in GFLOP/s as JSON and end");
  app.add_flag("--quiet", options.quiet, "families only");
  CLI11_PARSE(app, argc, argv);
  try {
    dedit::bench::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_ops: %s\n", e.what());
    return 1;
  }
  return 0;
}
