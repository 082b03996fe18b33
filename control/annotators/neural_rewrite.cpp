// ONNX files as OpenCV wants them.
#include <cstring>
#include <map>
#include <optional>

#include "annotators/neural_onnx.h"
#include "annotators/neural_protobuf.h"

namespace dedit::annotators {
namespace {

using Constants = std::map<std::string, float, std::less<>>;

/// The value of a TensorProto that holds one float.
std::optional<float> scalar_of(Bytes tensor) {
  Bytes data;
  bool is_float = false;
  for_fields(tensor, [&](const Field& f) {
    if (f.number == 2) is_float = f.value == 1;
    if ((f.number == 4 || f.number == 9) && !f.bytes.empty()) data = f.bytes;
  });
  if (!is_float || data.size() != sizeof(float)) return {};
  float value = 0;
  std::memcpy(&value, data.data(), sizeof value);
  return value;
}

std::string op_of(Bytes node) {
  const std::vector<Bytes> ops = parts(node, 4);
  return ops.empty() ? std::string() : std::string(ops.back());
}

/// Floats of the graph's weights and of its Constant nodes, by name.
Constants constants_of(Bytes graph) {
  Constants found;
  const auto keep = [&](Bytes name, Bytes tensor) {
    if (const auto value = scalar_of(tensor)) found[std::string(name)] = *value;
  };
  for (const Bytes tensor : parts(graph, 5)) {
    for (const Bytes name : parts(tensor, 8)) keep(name, tensor);
  }
  for (const Bytes node : parts(graph, 1)) {
    if (op_of(node) != "Constant") continue;
    for (const Bytes attribute : parts(node, 5)) {
      for (const Bytes tensor : parts(attribute, 5)) {
        for (const Bytes name : parts(node, 2)) keep(name, tensor);
      }
    }
  }
  return found;
}

/// An AttributeProto of one float.
std::string float_attribute(Bytes name, float value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  constexpr uint64_t kFloat = 1;  // AttributeProto.type
  return length_field(1, name) + varint(2 << 3 | kFixed32) + bytes + varint(20 << 3 | kVarint) +
         varint(kFloat);
}

/// A Clip with its bounds as attributes, as it was before opset 11; unchanged where a bound is not
/// constant.
std::string with_clip_attributes(Bytes node, const Constants& constants) {
  constexpr std::string_view kNames[] = {"", "min", "max"};
  const std::vector<Bytes> inputs = parts(node, 1);
  std::string attributes;
  for (size_t i = 1; i < inputs.size() && i < 3; ++i) {
    if (inputs[i].empty()) continue;
    const auto found = constants.find(inputs[i]);
    if (found == constants.end()) return std::string(node);
    attributes += length_field(5, float_attribute(kNames[i], found->second));
  }
  std::string out = length_field(1, inputs.empty() ? Bytes() : inputs.front());
  for_fields(node, [&](const Field& f) {
    if (f.number != 1) out += f.whole;
  });
  return out + attributes;
}

}  // namespace

std::string with_input_shape(std::span<const std::byte> bytes, const std::string& name,
                             std::span<const int64_t> shape) {
  std::string dims;
  for (const int64_t size : shape) {
    dims += length_field(1, varint(1 << 3 | kVarint) + varint(uint64_t(size)));
  }
  const auto fix_tensor = [&](Bytes tensor) {
    return changed(tensor, 2, [&](Bytes) { return dims; });
  };
  const auto fix_input = [&](Bytes input) {
    if (name_of_value(input) != name) return std::string(input);
    return changed(input, 2, [&](Bytes type) { return changed(type, 1, fix_tensor); });
  };
  return changed(view(bytes), 7, [&](Bytes graph) { return changed(graph, 11, fix_input); });
}

std::string with_old_clips(std::span<const std::byte> bytes) {
  return changed(view(bytes), 7, [](Bytes graph) {
    const Constants constants = constants_of(graph);
    return changed(graph, 1, [&](Bytes node) {
      return op_of(node) == "Clip" ? with_clip_attributes(node, constants) : std::string(node);
    });
  });
}

}  // namespace dedit::annotators
