#include "pipeline/text.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/str.h"
#include "models/prompt_syntax.h"
#include "models/prompt_windows.h"

namespace dedit {
namespace {

// One text of a schedule, by its index among the different texts of its branch.
struct Entry {
  int until = 0;
  size_t text = 0;
};

struct BranchText {
  double weight = 1;
  int clip_skip = 1;  // as web UIs count
  std::vector<Entry> entries;
  std::vector<PromptWindows> texts;  // all different
};

/// Encodes the texts of one request.
class TextJob {
 public:
  TextJob(Ctx& ctx, const Model::Impl& m, const EditRequest& r, int steps)
      : ctx_(ctx), text_ctx_(ctx), m_(m), r_(r), steps_(steps) {
    text_ctx_.dtype = ctx.dtype == DType::kF64 ? DType::kF64 : DType::kF32;
    const int width = m.text_encoder->config.width;
    for (const PromptEmbedding& e : r.embeddings) {
      const TensorValue& v = e.vectors;
      if (v.shape.size() != 2 || v.shape[0] < 1 ||
          v.shape[0] * v.shape[1] != int64_t(v.values.size())) {
        throw Error(ErrorKind::kUsage, str("embedding ", e.name, " is not [vectors, width]"));
      }
      if (v.shape[1] != width) {
        throw Error(
            ErrorKind::kModel,
            str("embedding ", e.name, " is ", v.shape[1], " wide, the text encoder ", width),
            "it was made for another family of models");
      }
      words_.push_back({e.name, int(std::min<int64_t>(v.shape[0], 1 << 20))});
      vectors_.push_back(
          ops::upload(text_ctx_, v.values.data(), {v.shape[0], v.shape[1]}, text_ctx_.dtype));
    }
  }

  void add(const std::string& prompt, double weight, bool is_negative, TextStates& out) {
    BranchText branch;
    branch.weight = weight;
    if (r_.compat == Compat::kDiffusers) {
      branch.clip_skip = is_negative ? 1 : r_.clip_skip + 1;
    } else {
      branch.clip_skip = std::max(r_.clip_skip, 1);
    }
    std::vector<ScheduledText> schedule = {{steps_, prompt}};
    if (r_.prompt_syntax == PromptSyntax::kWebui) schedule = parse_schedule(prompt, steps_);
    std::map<std::string, size_t> known;
    for (const ScheduledText& part : schedule) {
      const auto [slot, is_new] = known.emplace(part.text, branch.texts.size());
      branch.entries.push_back({part.until, slot->second});
      if (!is_new) continue;
      branch.texts.push_back(make_windows(*m_.tokenizer, part.text, window_options()));
      for (const PromptWindow& window : branch.texts.back().windows) {
        for (const Insertion& x : window.insertions) used_.insert(x.embedding);
      }
      const std::string& lost = branch.texts.back().lost;
      if (!lost.empty()) {
        out.warnings.push_back("the prompt is too long, this was cut off: " + lost);
      }
    }
    branches_.push_back(std::move(branch));
  }

  void encode(TextStates& out) {
    size_t n_windows = 0;
    for (const BranchText& branch : branches_) {
      for (const PromptWindows& text : branch.texts) {
        n_windows = std::max(n_windows, text.windows.size());
      }
    }
    for (size_t i = 0; i < words_.size(); ++i) {
      if (used_.count(int(i)) > 0) continue;
      out.warnings.push_back(str("embedding ", words_[i].name, " stands nowhere in the prompts"));
    }
    const PromptWindow empty = make_windows(*m_.tokenizer, "").windows[0];
    std::vector<Tensor> groups;  // of branches with one clip skip
    std::vector<const PromptWindow*> group;
    for (size_t i = 0; i < branches_.size(); ++i) {
      for (PromptWindows& text : branches_[i].texts) {
        text.windows.resize(n_windows, empty);
        for (const PromptWindow& window : text.windows) group.push_back(&window);
      }
      const int skip = branches_[i].clip_skip;
      if (i + 1 < branches_.size() && branches_[i + 1].clip_skip == skip) continue;
      groups.push_back(encode_windows(group, skip));
      group.clear();
    }
    const Tensor states =  // [windows, 77, C]
        groups.size() == 1 ? groups[0] : ops::stack_rows(text_ctx_, groups);
    int64_t first = 0;
    for (const BranchText& branch : branches_) {
      const auto rows = int64_t(branch.texts.size() * n_windows);
      out.branches.push_back(finish(branch, states.rows(first, rows), int64_t(n_windows)));
      first += rows;
    }
  }

 private:
  WindowOptions window_options() const {
    return {.syntax = r_.prompt_syntax, .truncate = r_.truncate, .embeddings = words_};
  }

  Tensor encode_windows(const std::vector<const PromptWindow*>& windows, int clip_skip) {
    constexpr size_t kBatch = 16;  // bounds the memory of long schedules
    std::vector<Tensor> parts;
    for (size_t begin = 0; begin < windows.size(); begin += kBatch) {
      const size_t n = std::min(kBatch, windows.size() - begin);
      std::vector<int32_t> ids;
      std::vector<TextInsertion> insertions;
      for (size_t i = 0; i < n; ++i) {
        const PromptWindow& w = *windows[begin + i];
        ids.insert(ids.end(), w.tokens.ids.begin(), w.tokens.ids.end());
        for (const Insertion& x : w.insertions) {
          insertions.push_back({int64_t(i), x.position, &vectors_[size_t(x.embedding)]});
        }
      }
      parts.push_back((*m_.text_encoder)(text_ctx_, ids, int64_t(n),
                                         {.clip_skip = clip_skip, .insertions = insertions}));
    }
    return parts.size() == 1 ? parts[0] : ops::stack_rows(text_ctx_, parts);
  }

  // Weights, and the texts' windows side by side, in the network's type.
  TextBranch finish(const BranchText& branch, const Tensor& states, int64_t n_windows) {
    const Tensor weighted = apply_weights(branch, states, n_windows);
    const int64_t tokens = states.dim(1), width = states.dim(2);
    std::vector<Tensor> texts;
    for (size_t i = 0; i < branch.texts.size(); ++i) {
      const Tensor rows = weighted.rows(int64_t(i) * n_windows, n_windows);
      texts.push_back(ops::convert(ctx_, rows.reshape({1, n_windows * tokens, width}), ctx_.dtype));
    }
    TextBranch result;
    result.weight = branch.weight;
    for (const Entry& entry : branch.entries) {
      result.until.push_back(entry.until);
      result.states.push_back(texts[entry.text]);
    }
    return result;
  }

  // The web UI's rule: each state times its token's weight, then all scaled so that their mean is
  // what it was; the mean is over the k-th windows of all entries of the schedule together.
  Tensor apply_weights(const BranchText& branch, const Tensor& states, int64_t n_windows) {
    const auto has_weight = [](const PromptWindows& text) {
      return std::any_of(text.windows.begin(), text.windows.end(), [](const PromptWindow& w) {
        return std::any_of(w.tokens.weights.begin(), w.tokens.weights.end(),
                           [](double weight) { return weight != 1; });
      });
    };
    if (std::none_of(branch.texts.begin(), branch.texts.end(), has_weight)) return states;
    std::vector<size_t> uses(branch.texts.size(), 0);
    for (const Entry& entry : branch.entries) ++uses[entry.text];
    std::vector<float> values = ops::download(text_ctx_, states);
    const size_t width = size_t(states.dim(2)), window = size_t(states.dim(1)) * width;
    for (size_t k = 0; k < size_t(n_windows); ++k) {
      double before = 0, after = 0;
      for (size_t i = 0; i < branch.texts.size(); ++i) {
        float* z = &values[(i * size_t(n_windows) + k) * window];
        const std::vector<double>& weights = branch.texts[i].windows[k].tokens.weights;
        double sum = 0, weighted = 0;
        for (size_t j = 0; j < window; ++j) {
          sum += z[j];
          z[j] *= float(weights[j / width]);
          weighted += z[j];
        }
        before += sum * double(uses[i]);
        after += weighted * double(uses[i]);
      }
      if (after == 0) continue;  // all weights zero: there is no mean to restore
      const auto scale = float(before / after);
      for (size_t i = 0; i < branch.texts.size(); ++i) {
        float* z = &values[(i * size_t(n_windows) + k) * window];
        for (size_t j = 0; j < window; ++j) z[j] *= scale;
      }
    }
    return ops::upload(text_ctx_, values.data(), states.shape(), states.dtype());
  }

  Ctx& ctx_;
  Ctx text_ctx_;
  const Model::Impl& m_;
  const EditRequest& r_;
  int steps_;
  std::vector<EmbeddingWord> words_;
  std::vector<Tensor> vectors_;
  std::set<int> used_;  // embeddings that stand in a text
  std::vector<BranchText> branches_;
};

std::vector<ComposedText> parts_of(const EditRequest& r) {
  if (r.prompt_syntax == PromptSyntax::kPlain) return {{r.prompt, 1}};
  return split_composition(r.prompt);
}

}  // namespace

size_t TextBranch::entry_at(int step) const {
  const auto found = std::lower_bound(until.begin(), until.end(), step - 1);
  return size_t(std::min(found - until.begin(), std::ptrdiff_t(until.size()) - 1));
}

Tensor TextStates::context(Ctx& ctx, int step, size_t first, bool twice) {
  std::vector<size_t> entries = {first, size_t(twice)};
  std::vector<Tensor> rows;
  const auto add = [&](const TextBranch& branch) {
    entries.push_back(branch.entry_at(step));
    rows.push_back(branch.states[entries.back()]);
  };
  for (size_t i = first; i < branches.size(); ++i) add(branches[i]);
  const size_t first_part = branches.size() > 1 ? 1 : 0;
  for (size_t i = first_part; twice && i < branches.size(); ++i) add(branches[i]);
  if (rows.size() == 1) return rows[0];
  if (entries != last_entries_) {
    last_ = ops::stack_rows(ctx, rows);
    last_entries_ = entries;
  }
  return last_;
}

int count_prompt_parts(const EditRequest& r) {
  const auto n = int(parts_of(r).size());
  if (n > kMaxPromptParts) {
    throw Error(ErrorKind::kUsage,
                str("the prompt composes ", n, " parts with AND, more than ", kMaxPromptParts),
                "each part costs a run of the network per step");
  }
  return n;
}

Tensor encode_prompt(Ctx& ctx, const Model::Impl& m, const std::string& prompt) {
  EditRequest request;
  request.prompt = prompt;
  TextStates states = encode_branches(ctx, m, request, /*guided=*/false, 1);
  return states.branches[0].states[0];
}

TextStates encode_branches(Ctx& ctx, const Model::Impl& m, const EditRequest& r, bool guided,
                           int steps) {
  TextStates states;
  TextJob job(ctx, m, r, steps);
  if (guided) job.add(r.negative_prompt, 1, /*is_negative=*/true, states);
  for (const ComposedText& part : parts_of(r))
    job.add(part.text, part.weight, /*is_negative=*/false, states);
  job.encode(states);
  if (r.prompt_syntax == PromptSyntax::kWebui) {
    for (const std::string& text : {r.prompt, guided ? r.negative_prompt : std::string()}) {
      for (std::string& warning : bracket_warnings(text)) {
        states.warnings.push_back(std::move(warning));
      }
    }
  }
  return states;
}

}  // namespace dedit
