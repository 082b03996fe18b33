#include <algorithm>

#include "core/str.h"
#include "io/checkpoint.h"
#include "io/shown.h"

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr size_t kShown = 5;

/// "2 missing ('a', 'b')", with at most five names; "" for none.
std::string listed(const std::vector<std::string>& names, const std::string& what) {
  if (names.empty()) return "";
  std::string text = str(names.size(), " ", what, " (");
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i ? ", " : "") + names[i];
  }
  return text + (names.size() > kShown ? " ...)" : ")");
}

}  // namespace

struct Weights::Account {
  std::string component;
  std::string source;
  std::map<std::string, WeightView, std::less<>> tensors;
  std::vector<std::shared_ptr<const SafetensorsFile>> files;
  std::set<std::string, std::less<>> used;
  std::map<std::string, Shape> missing;          // expected shape
  std::map<std::string, std::string> misshapen;  // "is [1, 2], expected [2, 1]"
};

Weights Weights::operator/(std::string_view scope) const {
  Weights inner = *this;
  inner.scope_ += scope;
  inner.scope_ += '.';
  return inner;
}

Weights Weights::operator/(int64_t index) const {
  return *this / std::to_string(index);
}

WeightView Weights::get(std::string_view leaf, const Shape& shape) const {
  const std::string name = str(scope_, leaf);
  const auto found = account_->tensors.find(name);
  if (found == account_->tensors.end()) {
    account_->missing.emplace(name, shape);
    return {};
  }
  account_->used.insert(name);
  if (found->second.shape == shape) return found->second;
  account_->misshapen.emplace(name,
                              str("is ", found->second.shape.str(), ", expected ", shape.str()));
  return {};
}

bool Weights::has(std::string_view leaf) const {
  return account_->tensors.contains(str(scope_, leaf));
}

Weights Component::weights() const {
  Weights root;
  root.account_ = std::make_shared<Weights::Account>();
  root.account_->component = name;
  root.account_->source = source;
  root.account_->tensors = tensors;
  root.account_->files = files;
  return root;
}

void Component::check(const Weights& root, const std::string& looks_like) {
  const Weights::Account& account = *root.account_;
  std::vector<std::string> missing, misshapen, unused;
  for (const auto& [name, shape] : account.missing) {
    missing.push_back(in_quotes(name) + " " + shape.str());
  }
  for (const auto& [name, what] : account.misshapen)
    misshapen.push_back(in_quotes(name) + " " + what);
  for (const auto& [name, view] : account.tensors) {
    if (!account.used.contains(name)) unused.push_back(in_quotes(name));
  }
  std::string all;
  for (const std::string& part : {listed(missing, "missing"), listed(misshapen, "of another shape"),
                                  listed(unused, "unused")}) {
    if (!part.empty()) all += (all.empty() ? "" : ", ") + part;
  }
  if (all.empty()) return;
  throw Error(ErrorKind::kModel,
              str(account.source, ": the tensors do not fit the ", account.component, ": ", all),
              looks_like.empty() ? "" : "this looks like " + looks_like);
}

DType Component::dtype() const {
  std::map<DType, int64_t> elements;
  for (const auto& [tensor, view] : tensors) elements[view.dtype] += view.numel();
  const auto most = std::ranges::max_element(elements, {}, [](const auto& e) { return e.second; });
  return most == elements.end() ? DType::kF32 : most->first;
}

int64_t Component::n_parameters() const {
  int64_t n = 0;
  for (const auto& [tensor, view] : tensors) n += view.numel();
  return n;
}

}  // namespace dedit
