// AtomicFile: an output file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace dedit {

/// Bytes go to a hidden temporary file in the destination's folder; commit() renames it. A file
/// that is not committed is removed by the destructor, so errors and cancelled runs leave nothing.
/// `-` (standard output), pipes and devices are written directly. A symbolic link keeps pointing at
/// its target, which is replaced; an existing file's permissions are kept.
///
/// Every function throws Error(kOutput): missing folder, no permission, full disk, size limit, or a
/// reader that closed its end of the pipe (no SIGPIPE or SIGXFSZ is raised).
class AtomicFile {
 public:
  /// Opens the temporary file, so that a hopeless path fails before the work is done. With
  /// `no_clobber` an existing file is an error, here and again in commit().
  explicit AtomicFile(const std::string& path, bool no_clobber = false);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Closes the file and gives it its name. Nothing may be written afterwards.
  void commit();

 private:
  void open_direct();
  void open_temporary();
  void rename_temporary();
  void close();
  [[noreturn]] void fail(int error) const;

  std::string path_;       ///< as given, for messages
  std::string target_;     ///< with symbolic links resolved
  std::string temporary_;  ///< empty: written directly, or committed
  bool no_clobber_ = false;
  int fd_ = -1;
};

}  // namespace dedit
