// Standard streams and output files.
#include <filesystem>

#include <gtest/gtest.h>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using Words = std::vector<std::string>;

Words box(const std::string& output) {
  return {"mask",       "box",       "--size", "512x512", "--xywh",
          "8,8,100,90", "--feather", "8",      "-o",      output};
}

TEST(Streams, DashWritesTheSamePngToStdout) {
  const Workplace at;
  ASSERT_EQ(at.run(box("m.png")).code, 0);
  const Outcome piped = at.run(box("-"));
  EXPECT_EQ(piped.code, 0);
  EXPECT_EQ(piped.out, at.read("m.png"));
}

TEST(Streams, DashReadsStdin) {
  const Workplace at;
  at.make_picture("a.png", "40x30", "4,4,8,8");
  const Outcome a = at.run({"annotate", "canny", "a.png", "-o", "-"});
  const Outcome b = at.run({"annotate", "canny", "-", "-o", "-"}, {.input = at.read("a.png")});
  EXPECT_EQ(a.code, 0) << a.err;
  EXPECT_EQ(b.out, a.out);
}

TEST(Streams, StdinServesOneInput) {
  expect_error(Workplace().run({"inpaint", "--image", "-", "--mask", "-", "-o", "o.png"}), 2,
               {"standard input"});
}

TEST(Streams, ClosedStdoutIsAnOutputError) {
  const Workplace at;
  expect_error(at.run(box("-"), {.closes_stdout = true}), 9, {"standard output"});
  expect_error(at.run({"schedulers"}, {.closes_stdout = true}), 9, {"standard output"});
}

TEST(Streams, FullDiskIsAnOutputError) {
  const Workplace at;
  expect_error(at.run(box("-"), {.output_path = "/dev/full"}), 9, {"space"});
  expect_error(at.run({"schedulers"}, {.output_path = "/dev/full"}), 9, {"space"});
}

TEST(Streams, ReaderThatLeftEndsUsQuietly) {
  const Workplace at;
  for (const Words& words : {box("-"), Words{"schedulers"}, Words{}}) {
    const Outcome ended = at.run(words, {.drops_reader = true});
    EXPECT_EQ(ended.code, 9);
    EXPECT_EQ(ended.err, "");
  }
}

TEST(Streams, OutputIsCheckedBeforeAnythingIsRead) {
  const Workplace at;
  at.write("file", "x");
  const auto edit = [&](const char* output) {
    return at.run({"img2img", "--image", "missing.png", "-o", output});
  };
  expect_error(edit("nowhere/o.png"), 9, {"'nowhere' is not a folder", "mkdir -p"});
  expect_error(edit("file/o.png"), 9, {"'file' is not a folder"});
  expect_error(edit("/proc/no/o.png"), 9, {"'/proc/no' is not a folder"});
  expect_error(edit("."), 2, {"does not end in a picture format"});
  expect_error(edit("o.txt"), 2, {"'o.txt'", ".png"});
  expect_error(edit("o.png"), 3, {"missing.png"});
  std::filesystem::create_directory(at.path("folder.png"));
  expect_error(edit("folder.png"), 9, {"is a folder"});
}

TEST(Streams, FolderThatTakesNoFilesIsAnOutputError) {
  // Even root cannot make a file in /proc.
  expect_error(Workplace().run(box("/proc/m.png")), 9, {"/proc/m.png"});
}

TEST(Streams, NoClobberKeepsTheFile) {
  const Workplace at;
  at.write("m.png", "mine");
  Words words = box("m.png");
  words.emplace_back("--no-clobber");
  expect_error(at.run(words), 9, {"'m.png' exists"});
  EXPECT_EQ(at.read("m.png"), "mine");
  EXPECT_EQ(at.run(box("m.png")).code, 0);
  EXPECT_NE(at.read("m.png"), "mine");
  EXPECT_EQ(at.names(), Words{"m.png"});
}

TEST(Streams, QuietSaysNothing) {
  Words words = box("m.png");
  words.emplace_back("-q");
  EXPECT_EQ(Workplace().run(words).err, "");
}

TEST(Streams, ColourIsForTerminals) {
  EXPECT_EQ(Workplace().run(box("m.png")).err.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace dedit::cli_tests
