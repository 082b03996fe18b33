// Against the reference tokenizer's ids, recorded by tools/record_tokenizer_golden.py. A larger
// recording (--all) can be checked through the variable DEDIT_TOKENIZER_GOLDEN.
#include "models/clip_tokenizer.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/clip_vocabulary.h"
#include "models/prompt_text.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json read_json(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  return Json::parse(in);
}

const Json& golden() {
  static const Json json = [] {
    const char* other = std::getenv("DEDIT_TOKENIZER_GOLDEN");
    return read_json(other ? fs::path(other)
                           : fs::path(DEDIT_TEST_DATA) / "tokenizer/clip_prompts.json");
  }();
  return json;
}

std::string text_of_row(const Json& row) {
  if (row.contains("text")) return row["text"].get<std::string>();
  const std::string hex = row["bytes"].get<std::string>();
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

using Ids = std::vector<int32_t>;

TEST(ClipTokenizer, EncodesEveryPromptAsTheReference) {
  const auto tokenizer = ClipTokenizer::builtin();
  for (const Json& row : golden()["rows"]) {
    const std::string text = text_of_row(row);
    EXPECT_EQ(tokenizer->encode(text), row["ids"].get<Ids>()) << row;
  }
}

/// Checks the hash `i_hash` of each block of recorded characters, each of them put between `before`
/// and `after` to make a word.
void check_characters(const std::string& before, const std::string& after, size_t i_hash) {
  const auto tokenizer = ClipTokenizer::builtin();
  for (const Json& block : golden()["blocks"]) {
    const char32_t first = block[0].get<char32_t>();
    std::string text;
    for (char32_t c = first; c < first + 0x400; ++c) {
      if (c >= 0xd800 && c < 0xe000) continue;
      text += before;
      append_utf8(c, text);
      text += after + ' ';
    }
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (int32_t id : tokenizer->encode(text)) hash = (hash ^ uint64_t(id)) * 0x100000001b3;
    EXPECT_EQ(hash, std::stoull(block[i_hash].get<std::string>(), nullptr, 16))
        << "code points from " << std::hex << uint32_t(first);
  }
}

TEST(ClipTokenizer, ClassifiesAndLowersEveryCharacterAsTheReference) {
  check_characters("a", "!", 1);
}

TEST(ClipTokenizer, ComposesEveryCharacterWithMarksAsTheReference) {
  check_characters("q\u0308", "\u0323\u0301", 2);
}

TEST(ClipTokenizer, PadsAndCutsAsTheReference) {
  const auto tokenizer = ClipTokenizer::builtin();
  int n_checked = 0;
  for (const Json& row : golden()["rows"]) {
    if (!row.contains("padded")) continue;
    const auto chunks = tokenizer->chunks(text_of_row(row), /*truncate=*/true);
    ASSERT_EQ(chunks.size(), 1u);
    EXPECT_EQ(chunks[0].ids, row["padded"].get<Ids>());
    ++n_checked;
  }
  EXPECT_GE(n_checked, 10);
}

TEST(ClipTokenizer, HasClipsIdsAndLengths) {
  const auto tokenizer = ClipTokenizer::builtin();
  EXPECT_EQ(tokenizer->begin_id(), 49406);
  EXPECT_EQ(tokenizer->end_id(), 49407);
  EXPECT_EQ(tokenizer->pad_id(), 49407);
  EXPECT_EQ(tokenizer->max_length(), 77);
  EXPECT_EQ(tokenizer->encode("a photo of a cat"), (Ids{320, 1125, 539, 320, 2368}));
  EXPECT_EQ(ClipTokenizer::builtin(), tokenizer);
}

TEST(ClipTokenizer, WindowsOfLongPromptsHoldAllTokensInOrder) {
  const auto tokenizer = ClipTokenizer::builtin();
  for (int n : {0, 1, 74, 75, 76, 150, 151, 400}) {
    std::string text;
    for (int i = 0; i < n; ++i) text += i % 3 ? "cat " : "dog ";
    const auto chunks = tokenizer->chunks(text, /*truncate=*/false);
    EXPECT_EQ(int(chunks.size()), std::max(1, (n + 74) / 75)) << n;
    Ids joined;
    for (const TokenChunk& chunk : chunks) {
      ASSERT_EQ(chunk.ids.size(), 77u);
      EXPECT_EQ(chunk.weights, std::vector<double>(77, 1.0));
      EXPECT_EQ(chunk.ids.front(), 49406);
      const auto end = std::find(chunk.ids.begin(), chunk.ids.end(), 49407);
      EXPECT_EQ(std::count(end, chunk.ids.end(), 49407), chunk.ids.end() - end);
      joined.insert(joined.end(), chunk.ids.begin() + 1, end);
    }
    EXPECT_EQ(joined, tokenizer->encode(text)) << n;
    EXPECT_EQ(tokenizer->chunks(text, /*truncate=*/true).front().ids, chunks.front().ids) << n;
  }
}

TEST(ClipTokenizer, TextsOfTokensJoinToTheNormalizedText) {
  const auto tokenizer = ClipTokenizer::builtin();
  std::string text;
  for (int32_t id : tokenizer->encode("A Watercolour of Käse, 42 ☃!"))
    text += tokenizer->text_of(id);
  EXPECT_EQ(text, "a watercolour of käse , 4 2 ☃! ");
  EXPECT_EQ(tokenizer->text_of(49407), "<|endoftext|>");
  EXPECT_EQ(tokenizer->text_of(-1), "");
  EXPECT_EQ(tokenizer->text_of(49408), "");
}

TEST(ClipTokenizer, TakesLongHostileTextsInReasonableTime) {
  const auto tokenizer = ClipTokenizer::builtin();
  std::string marks = "q";
  for (int i = 0; i < 20000; ++i) marks += i % 2 ? "\u0301" : "\u0327";
  EXPECT_FALSE(tokenizer->encode(marks).empty());
  EXPECT_FALSE(tokenizer->encode(std::string(100000, 'a')).empty());
  EXPECT_EQ(tokenizer->encode(std::string(100000, ' ')), Ids{});
  EXPECT_FALSE(tokenizer->encode(std::string(100000, '\xf0')).empty());
}

TEST(ClipTokenizer, ServesSeveralThreads) {
  const auto tokenizer = ClipTokenizer::builtin();
  const auto& rows = golden()["rows"];
  std::vector<int> n_wrong(4);
  std::vector<std::thread> threads;
  for (int& wrong : n_wrong) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < 100; ++i) {
        wrong += tokenizer->encode(text_of_row(rows[i])) != rows[i]["ids"].get<Ids>();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(n_wrong, std::vector<int>(4));
}

/// A tokenizer folder that is removed at the end.
class ClipTokenizerFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    dir_ = fs::path(testing::TempDir()) / (std::string("dedit-tokenizer-") + info->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  static const Json& recorded() {
    static const Json json = read_json(fs::path(DEDIT_TEST_DATA) / "tokenizer/folders.json");
    return json;
  }
  void put(const std::string& name, const Json& content) {
    const std::string text = content.is_string() ? content.get<std::string>() : content.dump();
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  void put_base() {
    for (const auto& [name, content] : recorded()["base"].items()) put(name, content);
  }
  /// The message of the error that loading the folder gives.
  std::string error() {
    try {
      ClipTokenizer::load(dir_.string());
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kModel);
      EXPECT_FALSE(e.hint().empty());
      return e.what();
    }
    return "no error";
  }

  fs::path dir_;
};

TEST_F(ClipTokenizerFolder, LoadsEveryFormOfSettingsAsTheReference) {
  for (const auto& [name, expected] : recorded()["folders"].items()) {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    put_base();
    for (const auto& [file, content] : expected["changes"].items()) {
      if (content.is_null()) {
        fs::remove(dir_ / file);
      } else {
        put(file, content);
      }
    }
    const auto tokenizer = ClipTokenizer::load(dir_.string());
    EXPECT_EQ(tokenizer->begin_id(), expected["begin"]) << name;
    EXPECT_EQ(tokenizer->end_id(), expected["end"]) << name;
    EXPECT_EQ(tokenizer->pad_id(), expected["pad"]) << name;
    EXPECT_EQ(tokenizer->max_length(), expected["max_length"]) << name;
    for (const Json& row : expected["rows"]) {
      const std::string text = row["text"];
      EXPECT_EQ(tokenizer->encode(text), row["ids"].get<Ids>()) << name << ": " << text;
      EXPECT_EQ(tokenizer->chunks(text, /*truncate=*/true).front().ids, row["padded"].get<Ids>())
          << name << ": " << text;
    }
  }
}

TEST_F(ClipTokenizerFolder, GivesTheBuiltInIdsForClipsOwnFiles) {
  const ClipVocabulary clip = builtin_clip_vocabulary();
  Json vocabulary = Json::object();
  for (int32_t id = 0; id < int32_t(clip.tokens.size()); ++id)
    vocabulary[clip.tokens.text(id)] = id;
  put("vocab.json", vocabulary);
  put("merges.txt", "#version: 0.2\n" + std::string(clip_merges_text()));
  const auto tokenizer = ClipTokenizer::load(dir_.string());
  const auto builtin = ClipTokenizer::builtin();
  for (const Json& row : golden()["rows"]) {
    const std::string text = text_of_row(row);
    ASSERT_EQ(tokenizer->encode(text), builtin->encode(text));
  }
}

TEST_F(ClipTokenizerFolder, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(error().find("has neither tokenizer.json nor vocab.json"), std::string::npos);
  const struct {
    const char *file, *content, *message;
  } cases[] = {
      {"merges.txt", "i n\nt h e\n", "merge 2 is not two tokens"},
      {"merges.txt", "i n\nab\n", "merge 2 is not two tokens"},
      {"merges.txt", "x nothere\n", "lacks \"nothere\""},
      {"vocab.json", "", "is not a JSON object"},
      {"vocab.json", "{\"a\": 1", "is not a JSON object"},
      {"vocab.json", "[1, 2]", "is not a JSON object"},
      {"vocab.json", "{}", "has no table of tokens"},
      {"vocab.json", "{\"a\": -1}", "id of \"a\" is not"},
      {"vocab.json", "{\"a\": 4000000000}", "id of \"a\" is not"},
      {"vocab.json", "{\"a\": 1.5}", "id of \"a\" is not"},
      {"vocab.json", "{\"a\": 1, \"b\": 1}", "the same id"},
      {"vocab.json", "{\"\": 1}", "token without text"},
      {"tokenizer.json", "{\"model\": 3}", "has no table of tokens"},
      {"tokenizer.json", "{\"model\": {\"type\": \"Unigram\"}}", "not a byte-pair tokenizer"},
      {"tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 1}}}", "has no list of merges"},
      {"tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [7]}}", "merge 1 is not"},
      {"tokenizer_config.json", "{\"pad_token\": 7}", "special token without text"},
      {"tokenizer_config.json", "{\"pad_token\": \"\"}", "special token without text"},
      {"tokenizer_config.json", "{\"eos_token\": {\"content\": null}}", "special token without"},
      {"tokenizer_config.json", "{\"eos_token\": {\"content\": \"x\", \"normalized\": 1}}",
       "\"normalized\""},
      {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"-1\": \"x\"}}", "is not an id"},
      {"tokenizer_config.json", "{\"added_tokens_decoder\": 5}", "is not an object"},
      {"tokenizer_config.json", "{\"unk_token\": \"<unk>\"}", "lacks the unknown token"},
      {"tokenizer_config.json", "{\"model_max_length\": 2}", "\"model_max_length\""},
      {"tokenizer_config.json", "{\"model_max_length\": \"77\"}", "\"model_max_length\""},
      {"special_tokens_map.json", "{\"pad_token\": []}", "special token without text"},
      {"added_tokens.json", "{\"x\": \"y\"}", "id of an added token"},
      {"added_tokens.json", "{\"\": 9}", "without text"},
  };
  for (const auto& c : cases) {
    put_base();
    put(c.file, c.content);
    const std::string message = error();
    EXPECT_NE(message.find(c.message), std::string::npos)
        << c.file << ' ' << c.content << ": " << message;
    EXPECT_NE(message.find(dir_.string()), std::string::npos) << message;
    fs::remove(dir_ / c.file);
  }
}

TEST_F(ClipTokenizerFolder, RefusesDeepNestingAndFolders) {
  put_base();
  put("tokenizer_config.json", std::string(1 << 20, '['));
  EXPECT_NE(error().find("nested too deeply"), std::string::npos);
  fs::remove(dir_ / "tokenizer_config.json");
  fs::remove(dir_ / "vocab.json");
  fs::create_directory(dir_ / "vocab.json");
  EXPECT_NE(error().find("is missing or not a file"), std::string::npos);
}

TEST_F(ClipTokenizerFolder, SurvivesDamagedFiles) {
  put_base();
  std::ifstream in(dir_ / "vocab.json", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (size_t i = 0; i < whole.size(); i += 211) {
    std::string damaged = whole;
    damaged[i] = char(damaged[i] ^ char(1 << (i % 8)));
    put("vocab.json", damaged);
    error();
    put("vocab.json", whole.substr(0, i));
    EXPECT_NE(error(), "no error");
  }
}

}  // namespace
}  // namespace dedit
