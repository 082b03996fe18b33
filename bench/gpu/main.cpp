// bench_gpu: dedit's times on a GPU in one process: whole canny edits, the first of the process and
// later ones, steps, networks, and every operation beside the largest rate of matrix products that
// this GPU reached just before.
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "edit_times.h"
#include "op_times.h"
#include "ops/shapes.h"

#include "dedit/error.h"

namespace dedit::bench {
namespace {

using nlohmann::ordered_json;

struct Options {
  EditSetup edit;
  std::string shapes, sdxl_shapes, json;
};

DType dtype_named(const std::string& name) {
  return name == "bf16" ? DType::kBF16 : name == "f16" ? DType::kF16 : DType::kF32;
}

void print_row(const std::string& name, const FamilyTime& t, double whole, double peak) {
  const std::string share =
      t.flops > 0 ? std::to_string(int(100 * t.flops / t.seconds / peak + 0.5)) + " %" : "-";
  std::printf("| %s | %d | %.3f | %.1f %% | %.1f | %s | %.0f |\n", name.c_str(), t.calls,
              t.seconds * 1e3, 100 * t.seconds / whole, t.flops / t.seconds / 1e12, share.c_str(),
              t.bytes / t.seconds / 1e9);
}

ordered_json family_json(const FamilyTime& t, double peak) {
  return {{"calls", t.calls},
          {"seconds", t.seconds},
          {"tflop_per_s", t.flops / t.seconds / 1e12},
          {"gb_per_s", t.bytes / t.seconds / 1e9},
          {"share_of_peak", t.flops / t.seconds / peak}};
}

/// Prints the pass and adds it to the report; seconds of all its operations.
double report_pass(OpTimer& timer, const std::string& path, const Pass& pass, const Peak& peak,
                   ordered_json& report) {
  const auto families = timer.run(pass);
  FamilyTime all;
  for (const auto& [name, t] : families) {
    all.calls += t.calls;
    all.seconds += t.seconds;
    all.flops += t.flops;
    all.bytes += t.bytes;
  }
  std::printf("\n%s, %s: %.3f ms by the sum of its operations\n\n", path.c_str(), pass.name.c_str(),
              all.seconds * 1e3);
  std::printf("| family | calls | ms | share | TFLOP/s | of the peak | GB/s |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  ordered_json by_family;
  for (const auto& [name, t] : families) {
    print_row(name, t, all.seconds, peak.best());
    by_family[name] = family_json(t, peak.best());
  }
  print_row("all", all, all.seconds, peak.best());
  std::fflush(stdout);
  report["passes"].push_back({{"shapes", path},
                              {"pass", pass.name},
                              {"all", family_json(all, peak.best())},
                              {"families", by_family}});
  return all.seconds;
}

ordered_json figures(const EditTimes& t) {
  return {{"step", t.step},
          {"edit_step", t.edit_step},
          {"control", t.control},
          {"decode", t.decode},
          {"encode", t.encode},
          {"edit_first", t.edit_first},
          {"edit_again", t.edit_again},
          {"start", t.start},
          {"peak", t.peak_gib}};
}

void run(const Options& o) {
  ordered_json report{{"dtype", o.edit.dtype}, {"size", o.edit.size}};
  ordered_json& all = report["figures"] = ordered_json::object();
  if (!o.edit.model.empty()) {  // first, since it counts from the start of the process
    all = figures(measure_edits(o.edit));
    for (const auto& [name, value] : all.items()) {
      const bool is_memory = name == "peak";
      std::printf("%-10s %9.3f %s\n", name.c_str(), value.get<double>() * (is_memory ? 1 : 1e3),
                  is_memory ? "GiB" : "ms");
    }
    std::fflush(stdout);
  }
  OpTimer timer(o.edit.gpu, dtype_named(o.edit.dtype), 20);
  const Peak peak = timer.peak();
  report["device"] = timer.description();
  report["peak_tflop_per_s"] = {{"own", peak.own / 1e12}, {"cublaslt", peak.library / 1e12}};
  std::printf("\n%s, %s: matrix products reach %.0f TFLOP/s by our kernel, %.0f by cuBLASLt\n",
              timer.description().c_str(), o.edit.dtype.c_str(), peak.own / 1e12,
              peak.library / 1e12);
  if (!o.shapes.empty()) {
    for (const Pass& pass : read_passes(o.shapes)) report_pass(timer, o.shapes, pass, peak, report);
  }
  if (!o.sdxl_shapes.empty()) {
    for (const Pass& pass : read_passes(o.sdxl_shapes)) {
      if (pass.name != "unet") continue;
      all["sdxl_step"] = report_pass(timer, o.sdxl_shapes, pass, peak, report);
    }
  }
  if (o.json.empty()) {
    std::printf("\n%s\n", report.dump().c_str());
  } else {
    std::ofstream(o.json) << report.dump(1) << '\n';
  }
}

}  // namespace
}  // namespace dedit::bench

int main(int argc, char** argv) {
  dedit::bench::Options o;
  CLI::App app(
      "Times dedit on a GPU. Without --json the last line of output is all figures as JSON.");
  app.add_option("--model", o.edit.model, "diffusers folder; not given: operations alone");
  app.add_option("--control", o.edit.control, "ControlNet's diffusers folder");
  app.add_option("--dtype", o.edit.dtype, "arithmetic")
      ->check(CLI::IsMember({"bf16", "f16", "f32"}));
  app.add_option("--gpu", o.edit.gpu, "its number");
  app.add_option("--size", o.edit.size, "pixels a side of the edits")->check(CLI::Range(64, 4096));
  app.add_option("--steps", o.edit.steps, "of an edit")->check(CLI::Range(5, 1000));
  app.add_option("--repeats", o.edit.repeats, "of a network")->check(CLI::Range(1, 10000));
  app.add_option("--shapes", o.shapes, "file of bench/shapes: every pass, by family");
  app.add_option("--sdxl-shapes", o.sdxl_shapes, "likewise, its U-Net's pass alone");
  app.add_option("--json", o.json, "file for all figures");
  CLI11_PARSE(app, argc, argv);
  if (o.edit.model.empty() != o.edit.control.empty()) {
    std::fprintf(stderr, "bench_gpu: --model and --control go together\n");
    return 2;
  }
  try {
    dedit::bench::run(o);
  } catch (const dedit::Error& e) {
    std::fprintf(stderr, "bench_gpu: %s\n  hint: %s\n", e.what(), e.hint().c_str());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_gpu: %s\n", e.what());
    return 1;
  }
  return 0;
}
