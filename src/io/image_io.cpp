// Reading and writing picture files: by content in, by extension out.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "core/rgb8.h"
#include "core/sha256.h"
#include "core/str.h"
#include "io/atomic_file.h"
#include "io/opencv_codec.h"
#include "io/picture_header.h"
#include "io/png.h"
#include "io/read_bytes.h"

#include "dedit/error.h"
#include "dedit/image.h"

namespace dedit {
namespace {

/// A file descriptor, closed unless it is standard input.
class InputFile {
 public:
  explicit InputFile(const std::string& path) : name_(path == "-" ? "standard input" : path) {
    if (path == "-") {
      if (::isatty(STDIN_FILENO)) {
        throw Error(ErrorKind::kInput, "standard input is a terminal, not a picture",
                    "pipe a picture into it or give a file name");
      }
      fd_ = STDIN_FILENO;
      return;
    }
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) fail(errno);
  }
  ~InputFile() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& name() const { return name_; }

  std::vector<std::byte> read_all() {
    constexpr size_t kMaxBytes = size_t(4) << 30;  // more than any picture within the size limit
    constexpr size_t kBlock = size_t(1) << 20;
    std::vector<std::byte> bytes;
    struct stat status {};
    if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
      bytes.reserve(std::min(size_t(status.st_size), kMaxBytes) + kBlock);
    }
    size_t n_read = 0;
    while (true) {
      bytes.resize(n_read + kBlock);
      const ssize_t n = ::read(fd_, bytes.data() + n_read, kBlock);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(errno);
      if (n == 0) break;
      n_read += size_t(n);
      if (n_read > kMaxBytes) {
        throw Error(ErrorKind::kInput, str(name_, ": over 4 GiB, too much for a picture"));
      }
    }
    bytes.resize(n_read);
    return bytes;
  }

 private:
  [[noreturn]] void fail(int error) const {
    if (error == ENOENT) throw Error(ErrorKind::kInput, str(name_, ": no such file"));
    if (error == EISDIR) throw Error(ErrorKind::kInput, str(name_, ": is a folder, not a picture"));
    throw Error(ErrorKind::kInput, str("cannot read ", name_, ": ", std::strerror(error)));
  }

  std::string name_;
  int fd_ = -1;
};

std::string extension_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension) c = char(std::tolower(uint8_t(c)));
  return extension;
}

/// Lower-case extension, checked; `-` is PNG.
std::string output_format(const std::string& path) {
  if (path == "-") return ".png";
  const std::string extension = extension_of(path);
  const auto known = opencv_extensions();
  if (extension == ".png" || std::find(known.begin(), known.end(), extension) != known.end()) {
    return extension;
  }
  std::string list = ".png";
  for (const char* e : known) list += str(" ", e);
  throw Error(ErrorKind::kUsage,
              extension.empty()
                  ? str("'", path, "' has no extension to tell the format by")
                  : str("'", path, "': no picture format has the extension ", extension),
              str("known: ", list));
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.empty()) throw Error(ErrorKind::kInput, str(name, ": is empty, not a picture"));
  const PictureHeader header = read_picture_header(bytes, name);
  if (header.format == PictureFormat::kPng) return decode_png(bytes, name);
  return decode_with_opencv(bytes, header, name);
}

std::vector<std::byte> read_bytes(const std::string& path) {
  return InputFile(path).read_all();
}

Image load_image(const std::string& path) {
  InputFile file(path);
  return decode_image(file.read_all(), file.name());
}

bool is_lossy_format(const std::string& path) {
  const std::string extension = extension_of(path);
  return extension == ".jpg" || extension == ".jpeg";
}

void save_image(const Image& image, const std::string& path, const SaveOptions& options) {
  const std::string format = output_format(path);
  if (image.empty()) throw Error(ErrorKind::kUsage, "an empty picture cannot be written");
  if (path == "-" && ::isatty(STDOUT_FILENO)) {
    throw Error(ErrorKind::kUsage, "a picture is not written to a terminal",
                "redirect standard output or pipe it on");
  }
  // Opened before encoding: a hopeless path fails first.
  AtomicFile file(path, options.no_clobber);
  file.write(format == ".png" ? encode_png(image) : encode_with_opencv(image, format));
  file.commit();
}

std::string pixel_hash(const Image& image) {
  Sha256 hash;
  const int fields[] = {image.width, image.height, image.channels,
                        int(bytes_per_sample(image.type))};
  for (const int v : fields) hash.update(str(v, " "));
  hash.update(image.data);
  return hash.hex();
}

}  // namespace dedit
