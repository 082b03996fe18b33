#include "models/clip_vocabulary.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "core/str.h"
#include "models/prompt_text.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uintmax_t kMaxFileBytes = 32 << 20;  // CLIP's own tokenizer.json has 3.6 MB
constexpr int64_t kMaxTokens = 1 << 20;
constexpr int kMaxLength = 4096;  // larger: "not set", the reference writes 1e30

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kModel, str(file.string(), ": ", what),
              "copy the tokenizer folder again from where the model comes from");
}

std::string read_file(const fs::path& file) {
  std::error_code error;
  const bool is_file = fs::is_regular_file(file, error);
  const uintmax_t size = is_file ? fs::file_size(file, error) : 0;
  if (!is_file || error) fail(file, "is missing or not a file");
  if (size > kMaxFileBytes) fail(file, str("has ", size, " bytes, more than any tokenizer's"));
  std::string text(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), std::streamsize(size))) fail(file, "cannot be read");
  return text;
}

/// An object; nested at most 8 deep, so that a hostile file cannot make it use much memory.
Json read_object(const fs::path& file) {
  const auto check_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > 8) fail(file, "is nested too deeply");
    return true;
  };
  Json json = Json::parse(read_file(file), check_depth, /*allow_exceptions=*/false);
  if (!json.is_object()) fail(file, "is not a JSON object");
  return json;
}

bool is_there(const fs::path& file) {
  std::error_code error;  // an unreadable folder counts as empty
  return fs::exists(file, error);
}

Json read_object_if_there(const fs::path& file) {
  return is_there(file) ? read_object(file) : Json::object();
}

const Json& field(const Json& object, const char* name) {
  static const Json null;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? null : *found;
}

bool flag(const Json& object, const char* name, bool otherwise, const fs::path& file) {
  const Json& value = field(object, name);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean()) fail(file, str("\"", name, "\" of a token is not true or false"));
  return value.get<bool>();
}

/// A token's text alone stands for a special token.
AddedToken added_token(const Json& value, bool is_special, const fs::path& file) {
  const Json& content = value.is_string() ? value : field(value, "content");
  if (!content.is_string() || content == "") fail(file, "has a special token without text");
  if (value.is_string()) return {.text = value.get<std::string>()};
  is_special = flag(value, "special", is_special, file);
  return {.text = content.get<std::string>(),
          .normalized = flag(value, "normalized", !is_special, file),
          .single_word = flag(value, "single_word", false, file)};
}

void set_tokens(ClipVocabulary& v, const Json& ids, const fs::path& file) {
  if (!ids.is_object() || ids.empty()) fail(file, "has no table of tokens");
  v.tokens.reserve(ids.size());
  for (const auto& [token, id] : ids.items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= kMaxTokens) {
      fail(file, str("the id of \"", token, "\" is not a whole number below ", kMaxTokens));
    }
    if (token.empty()) fail(file, "has a token without text");
    if (!v.tokens.add(id.get<int32_t>(), token)) {
      fail(file,
           str("gives \"", v.tokens.text(id.get<int32_t>()), "\" and \"", token, "\" the same id"));
    }
  }
}

void add_merge(ClipVocabulary& v, const std::string& left, const std::string& right,
               const fs::path& file) {
  const auto id_of = [&](const std::string& token) {
    const int32_t id = v.tokens.find(token);
    if (id < 0) {
      fail(file, str("merges \"", left, "\" and \"", right, "\", but the vocabulary lacks \"",
                     token, "\""));
    }
    return id;
  };
  v.merges.push_back({id_of(left), id_of(right), id_of(left + right)});
}

void add_merge_line(ClipVocabulary& v, std::string_view line, const fs::path& file) {
  const size_t space = line.find(' ');
  if (space == line.npos || line.find(' ', space + 1) != line.npos) {
    fail(file, str("merge ", v.merges.size() + 1, " is not two tokens with a space between"));
  }
  add_merge(v, std::string(line.substr(0, space)), std::string(line.substr(space + 1)), file);
}

void read_merges_txt(ClipVocabulary& v, const fs::path& file) {
  const std::string text = read_file(file);
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) add_merge_line(v, line, file);
  }
}

void set_model(ClipVocabulary& v, const Json& model, const fs::path& file) {
  const Json& type = field(model, "type");
  if (!type.is_null() && type != "BPE") fail(file, "is not a byte-pair tokenizer");
  set_tokens(v, field(model, "vocab"), file);
  const Json& merges = field(model, "merges");
  if (!merges.is_array()) fail(file, "has no list of merges");
  for (const Json& m : merges) {
    if (m.is_string()) {
      add_merge_line(v, m.get_ref<const std::string&>(), file);
    } else if (m.is_array() && m.size() == 2 && m[0].is_string() && m[1].is_string()) {
      add_merge(v, m[0].get<std::string>(), m[1].get<std::string>(), file);
    } else {
      fail(file, str("merge ", v.merges.size() + 1, " is not a pair of tokens"));
    }
  }
}

int max_length(const Json& config, const fs::path& file) {
  const Json& value =
      field(config, config.contains("model_max_length") ? "model_max_length" : "max_len");
  if (value.is_null()) return 77;
  if (!value.is_number() || !(value.get<double>() >= 3)) {
    fail(file, "\"model_max_length\" is not a number of at least 3");
  }
  return value.get<double>() > kMaxLength ? 77 : int(value.get<double>());
}

/// Named special tokens in the order in which the reference adds them.
constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
constexpr const char* kExtraNames[] = {"additional_special_tokens", "extra_special_tokens"};

/// The special and added tokens of a tokenizer folder, as the reference collects them
/// (PreTrainedTokenizerBase._from_pretrained, TokenizersBackend.__init__ of transformers 5).
class SpecialTokens {
 public:
  SpecialTokens(const fs::path& dir, const Json& config, const Json& tokenizer_json) {
    const fs::path config_file = dir / "tokenizer_config.json";
    named_ = {{"bos_token", {.text = "<|startoftext|>"}},
              {"eos_token", {.text = "<|endoftext|>"}},
              {"unk_token", {.text = "<|endoftext|>"}},
              {"pad_token", {.text = "<|endoftext|>"}}};
    take_named(config, /*is_special=*/false, config_file);
    const Json& decoder = field(config, "added_tokens_decoder");
    if (decoder.is_null()) {
      take_older_files(dir, tokenizer_json);
    } else {
      if (!decoder.is_object()) fail(config_file, "\"added_tokens_decoder\" is not an object");
      for (const auto& [id, token] : decoder.items()) {
        add(id_number(id, config_file), added_token(token, /*is_special=*/false, config_file));
      }
    }
  }

  void store(ClipVocabulary& v) const {
    for (const auto& [id, token] : by_id_) v.added.push_back(token);
    for (const char* name : kNames) {
      const auto found = named_.find(name);
      if (found != named_.end()) add_if_new(v, found->second);
    }
    for (const AddedToken& token : extra_) add_if_new(v, token);
    v.begin = named_.at("bos_token").text;
    v.end = named_.at("eos_token").text;
    v.unknown = named_.at("unk_token").text;
    v.pad = named_.at("pad_token").text;
  }

 private:
  void take_named(const Json& object, bool is_special, const fs::path& file) {
    for (const char* name : kNames) {
      const Json& value = field(object, name);
      if (!value.is_null()) named_[name] = added_token(value, is_special, file);
    }
    for (const char* name : kExtraNames) {
      const Json& list = field(object, name);
      if (!list.is_array()) continue;
      extra_.clear();
      for (const Json& value : list) extra_.push_back(added_token(value, is_special, file));
    }
  }

  /// Before added_tokens_decoder, settings were spread over these.
  void take_older_files(const fs::path& dir, const Json& tokenizer_json) {
    const fs::path map_file = dir / "special_tokens_map.json";
    take_named(read_object_if_there(map_file), /*is_special=*/true, map_file);
    const fs::path added_file = dir / "added_tokens.json";
    const Json added = read_object_if_there(added_file);
    for (const auto& [text, id] : added.items()) {
      if (text.empty()) fail(added_file, "has a token without text");
      add(id_number(id, added_file), {.text = text, .normalized = !is_special(text)});
    }
    const fs::path json_file = dir / "tokenizer.json";
    const Json& list = field(tokenizer_json, "added_tokens");
    if (!list.is_null() && !list.is_array()) fail(json_file, "\"added_tokens\" is not a list");
    for (const Json& token : list) {
      add(id_number(field(token, "id"), json_file), added_token(token, false, json_file));
    }
  }

  bool is_special(const std::string& text) const {
    const auto has_text = [&](const auto& t) { return t.text == text; };
    return std::any_of(extra_.begin(), extra_.end(), has_text) ||
           std::any_of(named_.begin(), named_.end(), [&](auto& n) { return has_text(n.second); });
  }

  static int64_t id_number(const Json& id, const fs::path& file) {
    if (!id.is_number_integer()) fail(file, "the id of an added token is not a whole number");
    return id.get<int64_t>();
  }
  static int64_t id_number(const std::string& id, const fs::path& file) {
    if (id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != id.npos) {
      fail(file, str("\"", id, "\" in \"added_tokens_decoder\" is not an id"));
    }
    return std::stoll(id);
  }

  void add(int64_t id, const AddedToken& token) { by_id_[id] = token; }

  /// Tokens listed by id keep the settings given there.
  void add_if_new(ClipVocabulary& v, const AddedToken& token) const {
    const auto same = [&](const auto& entry) { return entry.second.text == token.text; };
    if (std::none_of(by_id_.begin(), by_id_.end(), same)) v.added.push_back(token);
  }

  std::map<std::string, AddedToken> named_;
  std::vector<AddedToken> extra_;
  std::map<int64_t, AddedToken> by_id_;  // the id orders them; it does not number them
};

}  // namespace

ClipVocabulary builtin_clip_vocabulary() {
  ClipVocabulary v;
  std::string_view rest = clip_merges_text();
  const size_t n_merges = size_t(std::count(rest.begin(), rest.end(), '\n'));
  v.tokens.reserve(2 * 256 + n_merges + 2);
  v.merges.reserve(n_merges);
  const auto append = [&](std::string_view token) {
    v.tokens.add(int32_t(v.tokens.size()), token);
  };

  std::array<char32_t, 256> alphabet = byte_alphabet();
  std::sort(alphabet.begin(), alphabet.end());
  for (const char* suffix : {"", "</w>"}) {
    for (char32_t c : alphabet) {
      std::string token;
      append_utf8(c, token);
      append(token + suffix);
    }
  }
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    const std::string_view left = line.substr(0, line.find(' '));
    const std::string_view right = line.substr(left.size() + 1);
    v.merges.push_back({v.tokens.find(left), v.tokens.find(right), int32_t(v.tokens.size())});
    append(std::string(left).append(right));
  }
  for (const std::string& token : {v.begin, v.end}) {
    append(token);
    v.added.push_back({.text = token});
  }
  return v;
}

ClipVocabulary read_clip_vocabulary(const std::string& dir) {
  const fs::path root(dir);
  ClipVocabulary v;
  const Json tokenizer_json = read_object_if_there(root / "tokenizer.json");
  if (!tokenizer_json.empty()) {
    set_model(v, field(tokenizer_json, "model"), root / "tokenizer.json");
  } else if (is_there(root / "vocab.json") || is_there(root / "merges.txt")) {
    set_tokens(v, read_object(root / "vocab.json"), root / "vocab.json");
    read_merges_txt(v, root / "merges.txt");
  } else {
    fail(root, "has neither tokenizer.json nor vocab.json with merges.txt");
  }
  const fs::path config_file = root / "tokenizer_config.json";
  const Json config = read_object_if_there(config_file);
  SpecialTokens(root, config, tokenizer_json).store(v);
  if (v.tokens.find(v.unknown) < 0) {
    fail(root, str("the vocabulary lacks the unknown token \"", v.unknown, "\""));
  }
  v.max_length = max_length(config, config_file);
  return v;
}

}  // namespace dedit
