// bench_networks: seconds of the U-Net, the ControlNet and the autoencoder, each alone, steady.
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "networks/networks.h"

#include "dedit/error.h"

int main(int argc, char** argv) {
  using namespace dedit;
  std::string path, control;
  ModelOptions options{.precision = Precision::kAuto, .dtype = "", .device = "cpu"};
  bench::Repeats repeats;
  int size = 512, threads = 0;
  CLI::App app("Times the networks of a checkpoint one by one; prints their seconds as JSON.");
  app.add_option("--model", path, "diffusers folder")->required();
  app.add_option("--control", control, "ControlNet's diffusers folder")->required();
  app.add_option("--dtype", options.dtype, "arithmetic; what --precision auto picks if not given")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  app.add_option("--device", options.device, "cpu, cuda or cuda:N");
  app.add_flag("--low-memory", options.low_memory, "as dedit's option");
  app.add_option("--size", size, "pixels a side")->check(CLI::Range(64, 4096));
  app.add_option("--threads", threads, "0: all cores");
  app.add_option("--repeats", repeats.samples, "calls a figure")->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  try {
    set_num_threads(threads);
    const Model model = Model::load(path, options);
    const bench::NetworkTimes t = bench::measure_networks(model, control, size, repeats);
    const nlohmann::ordered_json figures{
        {"backend", model.backend()}, {"dtype", model.dtype()}, {"step", t.step},
        {"control", t.control},       {"decode", t.decode},     {"encode", t.encode}};
    std::printf("%s\n", figures.dump().c_str());
  } catch (const Error& e) {
    std::fprintf(stderr, "bench_networks: %s\n  hint: %s\n", e.what(), e.hint().c_str());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_networks: %s\n", e.what());
    return 1;
  }
  return 0;
}
