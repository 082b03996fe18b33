#include "streams.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <poll.h>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "interrupt.h"
#include "values.h"

#include "dedit/error.h"

namespace dedit::cli {
namespace {

namespace fs = std::filesystem;

/// What save_image writes (dedit/image.h).
constexpr std::array<std::string_view, 8> kExtensions = {".png", ".jpg",  ".jpeg", ".webp",
                                                         ".tif", ".tiff", ".bmp",  ".ppm"};

/// True once the other end of a pipe or socket on standard output is closed.
bool is_reader_gone() {
  pollfd descriptor = {STDOUT_FILENO, 0, 0};
  return poll(&descriptor, 1, 0) == 1 && (descriptor.revents & (POLLERR | POLLHUP)) != 0;
}

/// At most `max` bytes and one more, so that the caller sees that there were more.
std::string read_some(std::istream& in, size_t max) {
  std::string text(max + 1, '\0');
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(in.gcount()));
  return text;
}

void check_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  if (std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end()) return;
  throw Error(ErrorKind::kUsage,
              "-o '" + path.string() + "' does not end in a picture format that can be written",
              "use .png, .jpg, .webp, .tif, .bmp or .ppm, or -o - for PNG on standard output");
}

}  // namespace

void add_output_options(CLI::App& app, OutputOptions& options, const std::string& help) {
  app.option_defaults()->group("Output");
  add_text(app, "-o,--output", options.path, "FILE", help + "; - is PNG on standard output");
  app.add_flag("--no-clobber", options.no_clobber, "refuse to replace a file");
  app.add_flag("--force", options.force, "write a picture even onto a terminal");
}

void claim_standard_streams() {
  const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
  for (int fd = 0; fd < 3; ++fd) {
    // open() takes the lowest free number, which is fd: those below it are open by now.
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) (void)!open("/dev/null", modes[fd]);
  }
}

void print(const std::string& text) {
  size_t n_done = 0;
  while (n_done < text.size()) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + n_done, text.size() - n_done);
    if (n >= 0) {
      n_done += size_t(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) throw ClosedPipe();
    throw Error(ErrorKind::kOutput,
                std::string("standard output cannot be written: ") + std::strerror(errno));
  }
}

std::string read_prompt(const std::string& path) {
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "standard input" : "'" + path + "'";
  if (is_stdin && ::isatty(STDIN_FILENO)) {
    throw Error(ErrorKind::kInput, "the prompt is to come from standard input, which is a terminal",
                "pipe text in, or name a file");
  }
  std::ifstream file;
  if (!is_stdin) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) file.open(path, std::ios::binary);
    if (!file.is_open()) {
      throw Error(ErrorKind::kInput, "prompt file " + name + " cannot be read",
                  "name a text file with --prompt-file");
    }
  }
  std::string text = read_some(is_stdin ? std::cin : file, kMaxPromptBytes);
  if (text.size() > kMaxPromptBytes) {
    throw Error(
        ErrorKind::kInput,
        "the prompt in " + name + " is longer than " + std::to_string(kMaxPromptBytes) + " bytes",
        "a prompt file holds one prompt");
  }
  if (text.find('\0') != text.npos) {
    throw Error(ErrorKind::kInput, "prompt file " + name + " is not text",
                "name a UTF-8 text file with --prompt-file");
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // byte order mark
  return text;
}

void check_writable(const std::string& path, bool no_clobber) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw Error(ErrorKind::kOutput, "'" + path + "' is a folder, not a file",
                "name a file inside it");
  }
  if (no_clobber && fs::exists(path, ignored)) {
    throw Error(ErrorKind::kOutput, "'" + path + "' exists and --no-clobber was given",
                "choose another name or drop --no-clobber");
  }
  const fs::path parent = fs::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorKind::kOutput,
                "'" + path + "' cannot be written: '" + folder + "' is not a folder",
                fs::exists(folder, ignored) ? "choose another folder"
                                            : "make the folder first: mkdir -p '" + folder + "'");
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    throw Error(
        ErrorKind::kOutput,
        "'" + path + "' cannot be written: folder '" + folder + "': " + std::strerror(errno),
        "write to a folder of your own");
  }
}

void check_picture_output(const OutputOptions& options) {
  if (options.path != "-") {
    check_extension(options.path);
    check_writable(options.path, options.no_clobber);
    return;
  }
  if (isatty(STDOUT_FILENO) == 1 && !options.force) {
    throw Error(ErrorKind::kUsage, "-o - would write a picture onto the terminal",
                "redirect standard output, name a file, or add --force");
  }
}

void check_one_stdin(const std::vector<std::string>& inputs) {
  if (std::count(inputs.begin(), inputs.end(), "-") <= 1) return;
  throw Error(ErrorKind::kUsage, "standard input (-) is given for more than one input",
              "write the others to files");
}

void write_picture(const Image& image, const OutputOptions& options) {
  if (options.path == "-") {
    try {
      save_image(image, options.path);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kOutput && is_reader_gone()) throw ClosedPipe();
      throw;
    }
    return;
  }
  // A signal must not leave the temporary file behind.
  const Cancellable until_renamed;
  save_image(image, options.path, {.no_clobber = options.no_clobber});
}

}  // namespace dedit::cli
