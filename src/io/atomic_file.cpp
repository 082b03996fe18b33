#include "io/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "core/assert.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

/// Keeps a write from raising SIGPIPE or SIGXFSZ in this thread; the write then only fails with
/// EPIPE or EFBIG. A signal that was pending already stays pending.
class QuietWriteSignals {
 public:
  QuietWriteSignals() {
    sigemptyset(&ours_);
    sigaddset(&ours_, SIGPIPE);
    sigaddset(&ours_, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE)) sigdelset(&ours_, SIGPIPE);
    if (sigismember(&pending, SIGXFSZ)) sigdelset(&ours_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &ours_, &before_);
  }
  ~QuietWriteSignals() {
    const timespec at_once{};
    while (sigtimedwait(&ours_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  QuietWriteSignals(const QuietWriteSignals&) = delete;
  QuietWriteSignals& operator=(const QuietWriteSignals&) = delete;

 private:
  sigset_t ours_;
  sigset_t before_;
};

struct Reason {
  std::string text;
  std::string hint;
};

Reason reason_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return {"no space is left on its disk", "free some space or write elsewhere"};
    case EFBIG:
      return {"the file size limit is reached", "raise it with ulimit -f or write elsewhere"};
    case EACCES:
    case EPERM:
      return {"permission denied", "choose a path that you may write"};
    case EROFS:
      return {"its file system is read-only", "write elsewhere"};
    case EPIPE:
      return {"the reader closed the pipe", ""};
    case ENOENT:
      return {"its folder does not exist", "create the folder first"};
    case ENOTDIR:
      return {"a part of its path is not a folder", "check the path"};
    case EISDIR:
      return {"it is a folder", "give a file name"};
    case EEXIST:
      return {"it exists already", "choose another name, or allow overwriting"};
    default:
      return {std::strerror(error), ""};
  }
}

fs::path folder_of(const std::string& target) {
  const fs::path folder = fs::path(target).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, bool no_clobber)
    : path_(path), target_(path), no_clobber_(no_clobber) {
  if (path == "-") {
    open_direct();
    return;
  }
  if (path.empty()) fail(ENOENT);
  std::error_code ignored;
  if (fs::is_symlink(path, ignored)) {
    const fs::path resolved = fs::canonical(path, ignored);
    if (!ignored) target_ = resolved.string();  // a dangling link is replaced itself
  }
  struct stat status {};
  if (::stat(target_.c_str(), &status) != 0) {
    if (errno != ENOENT) fail(errno);
    if (target_.back() == '/') fail(EISDIR);
  } else if (S_ISDIR(status.st_mode)) {
    fail(EISDIR);
  } else if (!S_ISREG(status.st_mode)) {
    open_direct();
    return;
  } else if (no_clobber_) {
    fail(EEXIST);
  } else if (::access(target_.c_str(), W_OK) != 0) {
    fail(errno);  // rename() alone would replace a write-protected file
  }
  open_temporary();
  if (S_ISREG(status.st_mode)) static_cast<void>(::fchmod(fd_, status.st_mode & 07777));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_direct() {
  fd_ = path_ == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                     : ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd_ < 0) fail(errno);
}

void AtomicFile::open_temporary() {
  // The name does not grow with the target's, which may be as long as the file system allows.
  static std::atomic<int> counter{0};
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    temporary_ = (folder_of(target_) / str(".dedit-", ::getpid(), "-", counter++, ".tmp")).string();
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0) return;
    if (errno != EEXIST) break;
  }
  temporary_.clear();  // not ours to remove
  fail(errno);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  DEDIT_ASSERT(fd_ >= 0);
  int error = 0;
  {
    const QuietWriteSignals quiet;
    while (!bytes.empty() && error == 0) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n >= 0) {
        bytes = bytes.subspan(size_t(n));
      } else if (errno != EINTR) {
        error = errno;
      }
    }
  }
  if (error != 0) fail(error);
}

void AtomicFile::commit() {
  DEDIT_ASSERT(fd_ >= 0);
  close();
  if (!temporary_.empty()) rename_temporary();
}

void AtomicFile::rename_temporary() {
  const unsigned flags = no_clobber_ ? RENAME_NOREPLACE : 0;
  int result = ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {  // not on this file system
    if (no_clobber_ && ::access(target_.c_str(), F_OK) == 0) fail(EEXIST);
    result = ::rename(temporary_.c_str(), target_.c_str());
  }
  if (result != 0) fail(errno);
  temporary_.clear();
}

void AtomicFile::close() {
  const int fd = fd_;
  fd_ = -1;  // closed whatever close() says
  if (::close(fd) != 0 && errno != EINTR) fail(errno);
}

void AtomicFile::fail(int error) const {
  const Reason reason = reason_of(error);
  const std::string name = path_ == "-" ? "standard output" : "'" + path_ + "'";
  throw Error(ErrorKind::kOutput, str("cannot write ", name, ": ", reason.text), reason.hint);
}

}  // namespace dedit
