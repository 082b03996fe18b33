#include "cli/run.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace dedit::cli_tests {
namespace {

namespace fs = std::filesystem;

struct Pipe {
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  void close_end(int i) {
    if (ends[size_t(i)] >= 0) close(ends[size_t(i)]);
    ends[size_t(i)] = -1;
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  std::array<int, 2> ends = {-1, -1};
};

/// In the child: streams, folder, environment, then the binary. Does not return.
[[noreturn]] void become_dedit(const std::string& folder, std::vector<std::string> words,
                               const Streams& streams, const Pipe& in, const Pipe& out,
                               const Pipe& err) {
  dup2(in.ends[0], STDIN_FILENO);
  dup2(err.ends[1], STDERR_FILENO);
  if (streams.closes_stdout) {
    close(STDOUT_FILENO);
  } else if (!streams.output_path.empty()) {
    dup2(open(streams.output_path.c_str(), O_WRONLY), STDOUT_FILENO);
  } else {
    dup2(out.ends[1], STDOUT_FILENO);
  }
  if (chdir(folder.c_str()) != 0) _exit(125);
  setenv("DEDIT_MODEL", DEDIT_MINI_DIR, 1);
  words.insert(words.begin(), "dedit");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(DEDIT_BINARY, argv.data());
  _exit(126);
}

/// Appends what is there to read; false at the end of the stream.
bool read_some(int fd, std::string& text) {
  char buffer[65536];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) text.append(buffer, size_t(n));
  return n > 0;
}

void feed(Pipe& in, const std::string& bytes, size_t& n_fed) {
  const ssize_t n = write(in.ends[1], bytes.data() + n_fed, bytes.size() - n_fed);
  n_fed = n < 0 ? bytes.size() : n_fed + size_t(n);
  if (n_fed == bytes.size()) in.close_end(1);
}

/// Feeds stdin, gathers stdout and stderr, sends the signal when its cue is seen.
void converse(pid_t child, const Streams& streams, Pipe& in, Pipe& out, Pipe& err,
              Outcome& outcome) {
  size_t n_fed = 0;
  bool is_signalled = streams.signal == 0 && !streams.act;
  if (streams.input.empty()) in.close_end(1);
  fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    std::array<pollfd, 3> waits = {
        {{in.ends[1], POLLOUT, 0}, {out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
    poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) feed(in, streams.input, n_fed);
    if (waits[1].revents != 0 && !read_some(out.ends[0], outcome.out)) out.close_end(0);
    if (waits[2].revents != 0 && !read_some(err.ends[0], outcome.err)) err.close_end(0);
    if (!is_signalled && outcome.err.find(streams.signal_after) != std::string::npos) {
      streams.act ? streams.act() : static_cast<void>(kill(child, streams.signal));
      is_signalled = true;
    }
  }
}

}  // namespace

Workplace::Workplace() {
  std::string name = (fs::temp_directory_path() / "dedit_cli_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = name;
}

Workplace::~Workplace() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Outcome Workplace::run(const std::vector<std::string>& words, const Streams& streams) const {
  // A binary that ends early must not end the tests through the pipe to its stdin.
  signal(SIGPIPE, SIG_IGN);
  Pipe in, out, err;
  if (streams.drops_reader) out.close_end(0);
  const pid_t child = fork();
  if (child == 0) become_dedit(folder_, words, streams, in, out, err);
  in.close_end(0);
  out.close_end(1);
  err.close_end(1);
  Outcome outcome;
  converse(child, streams, in, out, err, outcome);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::string Workplace::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Workplace::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
}

std::vector<std::string> Workplace::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void Workplace::make_picture(const std::string& name, const std::string& size,
                             const std::string& xywh) const {
  const Outcome made = run({"mask", "box", "--size", size, "--xywh", xywh, "-o", name});
  ASSERT_EQ(made.code, 0) << made.err;
}

void expect_error(const Outcome& outcome, int code, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::string sentence = outcome.err.substr(0, outcome.err.find('\n'));
  const std::string rest = outcome.err.substr(std::min(sentence.size() + 1, outcome.err.size()));
  EXPECT_TRUE(sentence.starts_with("dedit: ")) << outcome.err;
  EXPECT_FALSE(sentence.ends_with(".")) << sentence;
  EXPECT_TRUE(rest.empty() || rest.starts_with("  hint: ")) << outcome.err;
  EXPECT_LE(std::count(rest.begin(), rest.end(), '\n'), 1) << outcome.err;
  for (const std::string& word : words) {
    EXPECT_NE(outcome.err.find(word), std::string::npos)
        << "'" << word << "' not in " << outcome.err;
  }
}

}  // namespace dedit::cli_tests
