#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::string>;

constexpr int64_t kActivationBytes = 4;  ///< f32

struct Options {
  std::string path;
  bool json = false;
  bool layers = false;
  cli::LogOptions log;
};

Json level_json(const LayerLevel& level) {
  Json row;
  row["name"] = level.name;
  if (level.side > 0) row["side"] = level.side;
  row["parameters"] = level.parameters;
  row["bytes"] = level.bytes;
  row["activations"] = level.activations;
  row["activation_bytes_f32"] = level.activations * kActivationBytes;
  return row;
}

Json layers_json(const LayerReport& report) {
  Json j = {{"size", report.size}, {"networks", Json::object()}, {"sizes", Json::array()}};
  for (const NetworkLayers& network : report.networks) {
    Json& at = j["networks"][network.name];
    at["dtype"] = network.dtype;
    at["total"] = level_json(network.total);
    at["total"].erase("name");
    for (const LayerLevel& level : network.levels) at["levels"].push_back(level_json(level));
  }
  for (const SizeRow& row : report.sizes) {
    Json at = {{"size", row.size},
               {"picture_values", row.picture_values},
               {"latent", {row.latent_channels, row.latent_side, row.latent_side}},
               {"latent_values", row.latent_values},
               {"compression", row.compression()},
               {"activations", Json::object()}};
    for (size_t i = 0; i < row.activations.size(); ++i) {
      at["activations"][report.networks[i].name] = row.activations[i];
    }
    j["sizes"].push_back(at);
  }
  return j;
}

/// Columns aligned: the first to the left, numbers to the right.
std::string table_text(const std::vector<Cells>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Cells& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Cells& row : rows) {
    text += "  " + row[0] + std::string(widths[0] - row[0].size(), ' ');
    for (size_t i = 1; i < row.size(); ++i) {
      text += "  " + std::string(widths[i] - row[i].size(), ' ') + row[i];
    }
    text += "\n";
  }
  return text;
}

Cells level_cells(const LayerLevel& level) {
  return {level.name,
          level.side > 0 ? std::to_string(level.side) : "",
          std::to_string(level.parameters),
          std::to_string(level.bytes),
          std::to_string(level.activations),
          std::to_string(level.activations * kActivationBytes)};
}

std::string layers_text(const LayerReport& report) {
  const std::string size = std::to_string(report.size);
  std::string text = "layers, for one picture of " + size + "x" + size + ":\n";
  for (const NetworkLayers& network : report.networks) {
    std::vector<Cells> rows = {{network.name, "side", "parameters", "bytes (" + network.dtype + ")",
                                "activations", "bytes (f32)"}};
    for (const LayerLevel& level : network.levels) rows.push_back(level_cells(level));
    rows.push_back(level_cells(network.total));
    text += table_text(rows) + "\n";
  }
  std::vector<Cells> rows = {{"size", "picture values", "latents", "latent values", "compression"}};
  for (const NetworkLayers& n : report.networks) rows[0].push_back(n.name + " activations");
  for (const SizeRow& row : report.sizes) {
    const std::string side = std::to_string(row.latent_side);
    rows.push_back({std::to_string(row.size), std::to_string(row.picture_values),
                    std::to_string(row.latent_channels) + "x" + side + "x" + side,
                    std::to_string(row.latent_values), cli::number_text(row.compression())});
    for (const int64_t n : row.activations) rows.back().push_back(std::to_string(n));
  }
  return text + table_text(rows) +
         "Activations are the values that convolutions and linear layers put out, one pass.\n";
}

void run(const CLI::App& app, const Options& options) {
  if (options.path.empty()) cli::fail_usage(app, "PATH is missing");
  LayerReport report;
  if (options.layers) report = dedit::inspect_layers(options.path);
  if (!options.json) {
    cli::print(dedit::inspect_text(options.path) + (options.layers ? layers_text(report) : ""));
  } else if (!options.layers) {
    cli::print(dedit::inspect_json(options.path));
  } else {
    Json j = Json::parse(dedit::inspect_json(options.path));
    j["layers"] = layers_json(report);
    cli::print(j.dump(2) + "\n");
  }
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("What");
  cli::add_text(app, "path,--path", options->path, "PATH",
                "a picture made by dedit, a model folder or file");
  app.add_flag("--json", options->json, "JSON instead of text");
  app.add_flag("--layers", options->layers,
               "a model's parameters, activations and bytes per level, and its compression of "
               "pictures by size");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command inspect;
const Command inspect = {
    .name = "inspect",
    .summary = "show a picture's recipe or what a model holds",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands
