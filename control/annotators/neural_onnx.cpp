#include "annotators/neural_onnx.h"

#include <algorithm>
#include <map>
#include <set>

#include "annotators/neural_protobuf.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

// --- tensors (numbers of fields and types: onnx.proto, Apache-2.0) -------------------------------

/// Bytes of an element in raw data, by TensorProto.DataType; 0: no type we know.
int element_bytes(uint64_t type) {
  constexpr int kBytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2};
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

int64_t count_varints(Bytes packed) {
  int64_t n = 0;
  for (; !packed.empty(); ++n) take_varint(packed);
  return n;
}

struct TensorFacts {
  std::string name;
  std::vector<int64_t> dims;
  uint64_t type = 0;
  int64_t raw_bytes = -1;
  int64_t values = 0;  ///< in the typed lists
  bool is_elsewhere = false;
};

TensorFacts read_tensor(Bytes message) {
  TensorFacts t;
  for_fields(message, [&](const Field& f) {
    if (f.number == 1 && f.type == kVarint) t.dims.push_back(int64_t(f.value));
    if (f.number == 1 && f.type == kLength) {
      for (Bytes packed = f.bytes; !packed.empty();) t.dims.push_back(int64_t(take_varint(packed)));
    }
    if (f.number == 2) t.type = f.value;
    if (f.number == 4) t.values += int64_t(f.bytes.size() / 4);
    if (f.number == 10) t.values += int64_t(f.bytes.size() / 8);
    if (f.number == 5 || f.number == 7 || f.number == 11) {
      t.values += f.type == kVarint ? 1 : count_varints(f.bytes);
    }
    if (f.number == 6) ++t.values;
    if (f.number == 8) t.name = f.bytes;
    if (f.number == 9) t.raw_bytes = int64_t(f.bytes.size());
    if (f.number == 14) t.is_elsewhere = f.value == 1;
  });
  return t;
}

struct Elsewhere {};  // thrown for weights in another file

/// Engines copy as many bytes as the shape says.
void check_tensor(const TensorFacts& t) {
  if (t.is_elsewhere) throw Elsewhere();
  int64_t count = 1;
  for (const int64_t dim : t.dims) {
    if (dim < 0 || (dim > 0 && count > (int64_t(1) << 40) / dim)) throw Damaged();
    count *= dim;
  }
  constexpr uint64_t kComplex64 = 14, kComplex128 = 15;  // two values each in the lists
  if (t.type == kComplex64 || t.type == kComplex128) throw Damaged();
  if (t.raw_bytes >= 0 ? t.raw_bytes != count * element_bytes(t.type) : t.values != count) {
    throw Damaged();
  }
}

// --- graphs --------------------------------------------------------------------------------------

constexpr int kMostNesting = 16;  // of graphs in branches and loops

struct GraphFacts {
  std::set<std::string> weights, ops;
  std::map<std::string, std::string> makers;  ///< operator by the name of what it makes
  std::vector<OnnxInput> inputs;
  std::vector<std::string> outputs;
  double deconvolution = 0;
};

GraphFacts read_graph(Bytes message, int nesting);

void read_attribute(Bytes message, GraphFacts& graph, int nesting) {
  const auto take_ops = [&](Bytes inner) { graph.ops.merge(read_graph(inner, nesting + 1).ops); };
  for_fields(message, [&](const Field& f) {
    if (f.number == 5 || f.number == 10) check_tensor(read_tensor(f.bytes));
    if (f.number == 6 || f.number == 11) take_ops(f.bytes);
  });
}

/// The whole numbers of an attribute, where it has that name.
std::vector<int64_t> ints_of(Bytes attribute, Bytes wanted) {
  std::vector<int64_t> ints;
  Bytes name;
  for_fields(attribute, [&](const Field& f) {
    if (f.number == 1) name = f.bytes;
    if (f.number != 8) return;
    if (f.type == kVarint) ints.push_back(int64_t(f.value));
    for (Bytes packed = f.bytes; !packed.empty();) ints.push_back(int64_t(take_varint(packed)));
  });
  return name == wanted ? ints : std::vector<int64_t>();
}

double deconvolution_of(const std::vector<Bytes>& attributes) {
  int64_t kernel = 1;
  int64_t stride = 0;
  for (const Bytes attribute : attributes) {
    for (const int64_t side : ints_of(attribute, "kernel_shape")) kernel = std::max(kernel, side);
    for (const int64_t step : ints_of(attribute, "strides")) {
      stride = stride == 0 ? step : std::min(stride, step);
    }
  }
  const double step = double(std::max<int64_t>(stride, 1));
  return double(kernel) / (step * step);
}

void read_node(Bytes message, GraphFacts& graph, int nesting) {
  std::string op;
  std::vector<std::string> made;
  for_fields(message, [&](const Field& f) {
    if (f.number == 2) made.emplace_back(f.bytes);
    if (f.number == 4) op = f.bytes;
    if (f.number == 5) read_attribute(f.bytes, graph, nesting);
  });
  for (const std::string& name : made) graph.makers[name] = op;
  if (op == "ConvTranspose") {
    graph.deconvolution = std::max(graph.deconvolution, deconvolution_of(parts(message, 5)));
  }
  graph.ops.insert(op);
}

OnnxInput read_input(Bytes value_info) {
  OnnxInput input{.name = name_of_value(value_info), .shape = {}};
  for (const Bytes type : parts(value_info, 2)) {
    for (const Bytes tensor : parts(type, 1)) {
      for (const Bytes shape : parts(tensor, 2)) {
        for (const Bytes dim : parts(shape, 1)) {
          int64_t size = 0;
          for_fields(dim, [&](const Field& f) {
            if (f.number == 1) size = int64_t(f.value);
          });
          input.shape.push_back(std::max<int64_t>(size, 0));
        }
      }
    }
  }
  return input;
}

GraphFacts read_graph(Bytes message, int nesting) {
  if (nesting > kMostNesting) throw Damaged();
  GraphFacts graph;
  for_fields(message, [&](const Field& f) {
    if (f.number == 1) read_node(f.bytes, graph, nesting);
    if (f.number == 11) graph.inputs.push_back(read_input(f.bytes));
    if (f.number == 12) graph.outputs.push_back(name_of_value(f.bytes));
    if (f.number != 5) return;
    const TensorFacts tensor = read_tensor(f.bytes);
    check_tensor(tensor);
    graph.weights.insert(tensor.name);
  });
  return graph;
}

OnnxModel read_model(Bytes bytes) {
  Bytes graph;
  bool has_version = false;
  for_fields(bytes, [&](const Field& f) {
    if (f.number == 7) graph = f.bytes;
    if (f.number == 8) has_version = true;  // of the operators; behind the graph in most files
  });
  if (graph.empty() || !has_version) throw Damaged();
  GraphFacts facts = read_graph(graph, 0);
  OnnxModel model;
  for (OnnxInput& input : facts.inputs) {
    if (!facts.weights.contains(input.name)) model.inputs.push_back(std::move(input));
  }
  for (const std::string& name : facts.outputs) model.outputs.push_back({name, facts.makers[name]});
  model.ops.assign(facts.ops.begin(), facts.ops.end());
  model.deconvolution = facts.deconvolution;
  return model;
}

}  // namespace

OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& path) {
  // Every ONNX file begins with its format's version, field 1, a small number.
  if (bytes.size() < 2 || bytes[0] != std::byte{8} || bytes[1] > std::byte{64}) {
    throw Error(ErrorKind::kModel, path + ": is not an ONNX file",
                "export the network with torch.onnx.export, or fetch its .onnx release");
  }
  try {
    return read_model(view(bytes));
  } catch (const Damaged&) {
    throw Error(ErrorKind::kModel, path + ": the ONNX file is truncated or damaged",
                "fetch or export it again");
  } catch (const Elsewhere&) {
    throw Error(ErrorKind::kModel, path + ": the network keeps its weights in another file",
                "save it as one file: onnx.save(onnx.load(F), G)");
  }
}

}  // namespace dedit::annotators
