#include "dedit/tensor_value.h"

#include "core/str.h"
#include "io/safetensors.h"
#include "io/shown.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// "the file has 'a', 'b', 'c' ..."
std::string names_hint(const SafetensorsFile& file) {
  constexpr int kShown = 5;
  if (file.tensors().empty()) return "the file has no f32, f16 or bf16 tensors";
  std::string names;
  int n = 0;
  for (const auto& [name, view] : file.tensors()) {
    if (n++ == kShown) return str("the file has ", names, " and others");
    names += (names.empty() ? "" : ", ") + in_quotes(name);
  }
  return "the file has " + names;
}

std::shared_ptr<const SafetensorsFile> open_input(const std::string& path) {
  try {
    return SafetensorsFile::open(path);
  } catch (const Error& e) {  // the same causes; here the file is an input, not a model
    throw Error(ErrorKind::kInput, e.what(), e.hint());
  }
}

}  // namespace

TensorValue load_tensor(const std::string& path, const std::string& name) {
  const auto file = open_input(path);
  const auto found = file->tensors().find(name);
  if (found == file->tensors().end()) {
    const auto other = file->other().find(name);
    if (other == file->other().end()) {
      throw Error(ErrorKind::kInput, str(path, ": there is no tensor ", in_quotes(name)),
                  names_hint(*file));
    }
    throw Error(ErrorKind::kInput,
                str(path, ": tensor ", in_quotes(name), " has type ", other->second,
                    " or more than four dimensions"),
                "give f32, f16 or bf16 values of at most four dimensions");
  }
  const WeightView& view = found->second;
  TensorValue value;
  for (int i = 0; i < view.shape.rank(); ++i) value.shape.push_back(view.shape[i]);
  value.values.resize(size_t(view.numel()));
  if (view.numel() > 0) read_f32(view, 0, view.numel(), value.values.data());
  return value;
}

TensorValue load_embedding(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  auto found = file->tensors().end();
  for (const char* name : {"emb_params", "string_to_param.*"}) {
    if (found == file->tensors().end()) found = file->tensors().find(name);
  }
  if (found == file->tensors().end() && file->tensors().size() == 1) {
    found = file->tensors().begin();
  }
  if (found == file->tensors().end()) {
    throw Error(ErrorKind::kModel,
                str(path, ": an embedding has one tensor or one named emb_params, this file has ",
                    file->tensors().size()),
                names_hint(*file));
  }
  const WeightView& view = found->second;
  const Shape& shape = view.shape;
  if (shape.rank() < 1 || shape.rank() > 2 || view.numel() == 0) {
    throw Error(ErrorKind::kModel, str(path, ": tensor ", in_quotes(found->first), " is ",
                                       shape.str(), ", an embedding is [vectors, width]"));
  }
  TensorValue value;
  value.shape = {shape.rank() == 2 ? shape[0] : 1, shape[-1]};
  value.values.resize(size_t(view.numel()));
  read_f32(view, 0, view.numel(), value.values.data());
  return value;
}

void save_tensors(const std::string& path, const std::map<std::string, TensorValue>& tensors) {
  std::vector<NamedTensor> named;
  for (const auto& [name, value] : tensors) {
    if (value.shape.size() > 4) {
      throw Error(ErrorKind::kUsage, str("tensor ", in_quotes(name), " has ", value.shape.size(),
                                         " dimensions, more than 4"));
    }
    Shape shape;
    bool is_possible = true;
    for (const int64_t d : value.shape) {
      is_possible &= d >= 0;
      shape.append(d);
    }
    if (!is_possible || shape.numel() != int64_t(value.values.size())) {
      throw Error(ErrorKind::kUsage, str("tensor ", in_quotes(name), " of shape ", shape.str(),
                                         " has ", value.values.size(), " values"));
    }
    named.push_back({name, shape, DType::kF32, value.values.data()});
  }
  save_safetensors(path, named);
}

}  // namespace dedit
