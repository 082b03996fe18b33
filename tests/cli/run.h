// Runs the real binary in a folder of its own and keeps what it says.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace dedit::cli_tests {

struct Outcome {
  int code = 0;  ///< exit code, or 128 + the signal that ended it
  std::string out, err;
};

/// Where the binary's standard streams lead.
struct Streams {
  std::string input = {};        ///< bytes for standard input
  std::string output_path = {};  ///< a file opened for standard output instead of a pipe
  bool closes_stdout = false;    ///< started without a standard output
  bool drops_reader = false;     ///< the pipe's reading end is closed from the start
  int signal = 0;                ///< sent once `signal_after` was seen on stderr
  std::string signal_after = "step";
  std::function<void()> act = {};  ///< done instead of sending a signal
};

/// A folder that is removed with its files when the object goes; commands run inside it.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  /// `dedit WORDS`. The model that ships is the default model.
  Outcome run(const std::vector<std::string>& words, const Streams& streams = {}) const;

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& bytes) const;
  /// Names of all files and folders directly inside, sorted.
  std::vector<std::string> names() const;

  /// A PNG `name`: a rectangle, white on black, made with `dedit mask box`.
  void make_picture(const std::string& name, const std::string& size = "64x64",
                    const std::string& xywh = "16,16,32,32") const;

 private:
  std::string folder_;
};

/// Expects the exit code, nothing on stdout, and on stderr one sentence that holds `words`,
/// followed by nothing but its hint.
void expect_error(const Outcome& outcome, int code, const std::vector<std::string>& words);

}  // namespace dedit::cli_tests
