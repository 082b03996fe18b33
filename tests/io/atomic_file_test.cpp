#include "io/atomic_file.h"

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "io/model_files.h"

namespace dedit {
namespace {

using testing::expect_error;
using testing::read_file;
using testing::TempFolder;
using testing::write_file;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

void write_all(const std::string& path, std::string_view text, bool no_clobber = false) {
  AtomicFile file(path, no_clobber);
  file.write(bytes(text));
  file.commit();
}

TEST(AtomicFile, AppearsOnCommitAndNotBefore) {
  const TempFolder folder;
  const std::string path = folder / "out.png";
  {
    AtomicFile file(path);
    file.write(bytes("one "));
    file.write({});
    file.write(bytes("two"));
    EXPECT_FALSE(std::filesystem::exists(path));
    file.commit();
    EXPECT_EQ(read_file(path), "one two");
  }
  EXPECT_EQ(read_file(path), "one two");
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(AtomicFile, LeavesNothingIfItIsNotCommitted) {
  const TempFolder folder;
  const std::string path = folder / "out.png";
  write_file(path, "old");
  const auto fail = [&] {
    AtomicFile file(path);
    file.write(bytes("new"));
    throw Error(ErrorKind::kInterrupted, "interrupted");
  };
  expect_error(fail, ErrorKind::kInterrupted, "interrupted");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(AtomicFile, KeepsPermissionsOfTheFileItReplaces) {
  const TempFolder folder;
  const std::string path = folder / "out.png";
  write_file(path, "old");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  write_all(path, "new");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(read_file(path), "new");
}

TEST(AtomicFile, GivesNewFilesTheUsersMask) {
  const TempFolder folder;
  const mode_t before = ::umask(027);
  write_all(folder / "out.png", "x");
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "out.png").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST(AtomicFile, WritesThroughSymbolicLinks) {
  const TempFolder folder;
  const std::string target = folder / "inner/target.png", link = folder / "link.png";
  write_file(target, "old");
  std::filesystem::create_symlink(target, link);
  write_all(link, "new");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read_file(target), "new");
}

TEST(AtomicFile, RefusesToClobberAtTheStartAndAtTheEnd) {
  const TempFolder folder;
  const std::string path = folder / "out.png";
  {
    AtomicFile file(path, /*no_clobber=*/true);
    file.write(bytes("mine"));
    write_file(path, "theirs, meanwhile");
    expect_error([&] { file.commit(); }, ErrorKind::kOutput, "it exists already");
  }
  expect_error([&] { AtomicFile(path, /*no_clobber=*/true); }, ErrorKind::kOutput,
               "it exists already", "another name");
  EXPECT_EQ(read_file(path), "theirs, meanwhile");
  EXPECT_EQ(folder.n_entries(), 1u);
  write_all(folder / "fresh.png", "x", /*no_clobber=*/true);
  EXPECT_EQ(read_file(folder / "fresh.png"), "x");
}

TEST(AtomicFile, RefusesImpossiblePathsBeforeAnyWork) {
  const TempFolder folder;
  write_file(folder / "file", "x");
  const struct {
    std::string path;
    const char* reason;
  } cases[] = {{folder.path() + "/absent/out.png", "its folder does not exist"},
               {folder.path() + "/file/out.png", "a part of its path is not a folder"},
               {folder.path(), "it is a folder"},
               {folder.path() + "/new/", "it is a folder"},
               {"", "its folder does not exist"},
               {folder.path() + "/" + std::string(300, 'n'), "File name too long"}};
  for (const auto& [path, reason] : cases) {
    SCOPED_TRACE(path);
    expect_error([&] { AtomicFile file(path); }, ErrorKind::kOutput, reason);
    expect_error([&] { AtomicFile file(path); }, ErrorKind::kOutput, "'" + path + "'");
  }
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(AtomicFile, TakesNamesAsLongAsTheFileSystemDoes) {
  const TempFolder folder;
  const std::string path = folder / std::string(255, 'n');
  write_all(path, "x");
  EXPECT_EQ(read_file(path), "x");
}

TEST(AtomicFile, ReportsFoldersThatMayNotBeWritten) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("dedit-read-only-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0555));
  const uid_t self = ::geteuid();
  if (self == 0) {
    ASSERT_EQ(::seteuid(65534), 0);  // permissions do not stop root
  }
  std::string message = "no error";
  ErrorKind kind = ErrorKind::kOther;
  try {
    AtomicFile file((folder / "x.png").string());
  } catch (const Error& e) {
    message = e.what();
    kind = e.kind();
  }
  ASSERT_EQ(::seteuid(self), 0);
  fs::remove_all(folder);
  EXPECT_EQ(kind, ErrorKind::kOutput);
  EXPECT_TRUE(message.ends_with("permission denied")) << message;
}

TEST(AtomicFile, ReportsAFullDisk) {
  const auto fill = [] {
    AtomicFile file("/dev/full");
    file.write(bytes("x"));
  };
  expect_error(fill, ErrorKind::kOutput, "cannot write '/dev/full': no space is left on its disk",
               "free some space");
}

TEST(AtomicFile, RemovesWhatItWroteWhenTheSizeLimitIsReached) {
  const TempFolder folder;
  const std::string path = folder / "out.png";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto write_over_limit = [&] {
    AtomicFile file(path);
    const rlimit small{1000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    file.write(bytes(std::string(2000, 'x')));
  };
  expect_error(write_over_limit, ErrorKind::kOutput, "the file size limit is reached");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(folder.n_entries(), 0u);
}

TEST(AtomicFile, ReportsAReaderThatLeftWithoutASignal) {
  const TempFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  AtomicFile file(path);
  file.write(bytes("read"));
  ::close(reader);
  ASSERT_EQ(std::signal(SIGPIPE, SIG_DFL), SIG_DFL);  // it would end this process
  expect_error([&] { file.write(bytes("never read")); }, ErrorKind::kOutput,
               "the reader closed the pipe");
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(AtomicFile, WritesStandardOutput) {
  const TempFolder folder;
  const std::string path = folder / "captured";
  const int saved = ::dup(STDOUT_FILENO);
  const int capture = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(capture, STDOUT_FILENO);
  write_all("-", "picture", /*no_clobber=*/true);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(capture);
  EXPECT_EQ(read_file(path), "picture");
}

}  // namespace
}  // namespace dedit
