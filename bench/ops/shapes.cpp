#include "shapes.h"

#include <fstream>
#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace dedit::bench {
namespace {

using nlohmann::json;

const std::map<std::string, Kind> kKinds = {
    {"conv2d", Kind::kConv2d},        {"linear", Kind::kLinear},
    {"attention", Kind::kAttention},  {"group_norm", Kind::kGroupNorm},
    {"layer_norm", Kind::kLayerNorm}, {"concat", Kind::kConcat},
    {"lincomb", Kind::kLincomb}};

OpShape read_op(const json& j) {
  OpShape s;
  s.kind = kKinds.at(j.at("op").get<std::string>());
  s.family = j.at("family");
  s.batch = j.value("batch", int64_t{1});
  s.height = j.value("height", int64_t{1});
  s.width = j.value("width", int64_t{1});
  s.in = j.value("in", int64_t{0});
  s.out = j.value("out", int64_t{0});
  s.kernel = j.value("kernel", 1);
  s.stride = j.value("stride", 1);
  s.pad_before = j.value("pad_before", 0);
  s.pad_after = j.value("pad_after", 0);
  s.norm = j.value("norm", false);
  s.upsample = j.value("upsample", false);
  s.residual = j.value("residual", false);
  s.row_bias = j.value("row_bias", false);
  s.geglu = j.value("geglu", false);
  s.queries = j.value("queries", int64_t{0});
  s.keys = j.value("keys", int64_t{0});
  s.heads = j.value("heads", int64_t{0});
  s.count = j.value("count", 1);
  return s;
}

// Rows of a convolution's or product's output.
int64_t out_pixels(const OpShape& s) {
  const int64_t scale = s.upsample ? 2 : 1;
  const int64_t pad = s.pad_before + s.pad_after - s.kernel;
  return s.batch * ((scale * s.height + pad) / s.stride + 1) *
         ((scale * s.width + pad) / s.stride + 1);
}

}  // namespace

double OpShape::flops() const {
  switch (kind) {
    case Kind::kConv2d:
      return 2.0 * double(out_pixels(*this)) * double(in * out) * kernel * kernel;
    case Kind::kLinear:
      return 2.0 * double(batch * height * width) * double(in * out);
    case Kind::kAttention:
      return 4.0 * double(batch * queries * keys) * double(in);
    default:
      return 0;
  }
}

double OpShape::bytes(double element) const {
  const double x = double(batch * height * width) * double(in);
  switch (kind) {
    case Kind::kConv2d: {
      const double y = double(out_pixels(*this)) * double(out);
      return element * (x + y * (residual ? 2 : 1) + double(in * out) * kernel * kernel);
    }
    case Kind::kLinear: {
      const double y = double(batch * height * width) * double(out) / (geglu ? 2 : 1);
      return element * (x + y * (residual ? 2 : 1) + double(in * out));
    }
    case Kind::kAttention:
      return element * 2 * double(batch * (queries + keys)) * double(in);
    case Kind::kGroupNorm:
    case Kind::kLayerNorm:
      return element * 2 * x;
    case Kind::kConcat:
      return element * 2 * double(batch * height * width) * double(in + out);
    case Kind::kLincomb:
      return element * 3 * x;
  }
  return 0;
}

std::string OpShape::text() const {
  const auto n = [](int64_t v) { return std::to_string(v); };
  if (kind == Kind::kAttention) {
    return n(batch) + "x" + n(heads) + " heads of " + n(in / heads) + ", " + n(queries) + " x " +
           n(keys);
  }
  std::string s = n(batch) + "x" + n(height) + "x" + n(width) + ", " + n(in);
  if (kind == Kind::kConcat) return s + " + " + n(out);
  if (out > 0) s += " -> " + n(out);
  if (kernel > 1) s += ", " + n(kernel) + "x" + n(kernel);
  if (stride > 1) s += " / " + n(stride);
  if (norm) s += ", norm";
  if (upsample) s += ", 2x";
  if (residual) s += ", residual";
  return s;
}

std::vector<Pass> read_passes(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  try {
    std::vector<Pass> passes;
    const json whole = json::parse(file);
    for (const auto& [name, ops] : whole.at("passes").items()) {
      Pass& pass = passes.emplace_back();
      pass.name = name;
      for (const json& op : ops) pass.ops.push_back(read_op(op));
    }
    return passes;
  } catch (const std::exception& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

}  // namespace dedit::bench
