#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/atomic_file.h"
#include "io/file_kind.h"
#include "io/safetensors_header.h"

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr size_t kLengthBytes = 8;                 // of the header's length
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the format's own library
constexpr size_t kSmallBytes = 64 << 10;
constexpr const char* kExpected = "a safetensors file is expected here";

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr DTypeName kDTypeNames[] = {{DType::kF32, "F32"},
                                     {DType::kF16, "F16"},
                                     {DType::kBF16, "BF16"},
                                     {DType::kF64, "F64"},
                                     {DType::kI32, "I32"}};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(const std::string& path, const std::string& what,
                         const std::string& hint) {
  throw Error(ErrorKind::kModel, str(path, ": ", what), hint);
}

/// Size of a regular file that can be read.
size_t checked_size(const FileDescriptor& file, const std::string& path) {
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      refuse(path, "there is no such file", "check the path");
    refuse(path, str("cannot be read: ", std::strerror(errno)), "");
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    refuse(path, str("cannot be read: ", std::strerror(errno)), "");
  }
  if (S_ISDIR(status.st_mode)) refuse(path, "is a folder", kExpected);
  if (!S_ISREG(status.st_mode)) refuse(path, "is not a regular file", kExpected);
  if (status.st_size == 0) refuse(path, "the file is empty", "fetch or make it again");
  return size_t(status.st_size);
}

/// Length of the header, after checks that tell other files and cut ones from damaged ones.
size_t checked_header_bytes(std::span<const std::byte> bytes, const std::string& path) {
  uint64_t length = 0;
  for (size_t i = 0; i < std::min(kLengthBytes, bytes.size()); ++i) {
    length |= uint64_t(bytes[i]) << (8 * i);
  }
  const bool opens_object = bytes.size() > kLengthBytes && bytes[kLengthBytes] == std::byte{'{'};
  const bool fits = length <= kMaxHeaderBytes && bytes.size() > kLengthBytes &&
                    length <= bytes.size() - kLengthBytes;
  if (opens_object && fits) return size_t(length);

  const FileKind kind = sniff_file_kind(bytes.first(std::min<size_t>(bytes.size(), 512)));
  if (!kind.phrase.empty()) {
    refuse(path, str("is ", kind.phrase, ", not a safetensors file"),
           kind.hint.empty() ? kExpected : kind.hint);
  }
  if (bytes.size() <= kLengthBytes) {
    refuse(path, str("is ", bytes.size(), " bytes long, too short for a safetensors file"),
           "fetch or make it again");
  }
  if (length > kMaxHeaderBytes) {
    refuse(path,
           str("is not a safetensors file: a header of ", length, " bytes is over the limit of ",
               kMaxHeaderBytes),
           kExpected);
  }
  if (!fits) {
    refuse(path, str("its header of ", length, " bytes is longer than the file"),
           str("the download is incomplete: expected more than ", kLengthBytes + length,
               " bytes, found ", bytes.size(), "; fetch it again"));
  }
  refuse(path, "is not a safetensors file: its header does not start with '{'", kExpected);
}

std::string to_text(const nlohmann::json& value) {  // names that are not UTF-8 are repaired
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Tensors in the given order.
std::string header_text(std::span<const NamedTensor> tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + to_text(metadata);
  int64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const int64_t bytes = tensor.shape.numel() * int64_t(size_of(tensor.dtype));
    std::vector<int64_t> shape;
    for (int i = 0; i < tensor.shape.rank(); ++i) shape.push_back(tensor.shape[i]);
    const nlohmann::json entry = {
        {"dtype", std::ranges::find(kDTypeNames, tensor.dtype, &DTypeName::dtype)->name},
        {"shape", shape},
        {"data_offsets", {offset, offset + bytes}}};
    text += (text.size() > 1 ? "," : "") + to_text(tensor.name) + ":" + to_text(entry);
    offset += bytes;
  }
  return text + "}";
}

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  const std::shared_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->path_ = path;
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  file->bytes_ = checked_size(fd, path);
  void* mapping = ::mmap(nullptr, file->bytes_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (mapping == MAP_FAILED) refuse(path, str("cannot be mapped: ", std::strerror(errno)), "");
  const auto* start = static_cast<const std::byte*>(mapping);
  file->mapping_.reset(
      start, [mapping, bytes = file->bytes_](const std::byte*) { ::munmap(mapping, bytes); });
  file->header_bytes_ = checked_header_bytes({start, file->bytes_}, path);

  const size_t data_start = kLengthBytes + file->header_bytes_;
  SafetensorsHeader header = parse_safetensors_header(file->header(), int64_t(data_start),
                                                      int64_t(file->bytes_ - data_start), path);
  file->metadata_ = std::move(header.metadata);
  for (const SafetensorsEntry& entry : header.entries) {
    const auto* dtype = std::ranges::find(kDTypeNames, entry.dtype, &DTypeName::name);
    const bool is_weight = dtype != std::end(kDTypeNames) && dtype->dtype != DType::kF64 &&
                           dtype->dtype != DType::kI32 && entry.shape.size() <= 4;
    if (!is_weight) {
      file->other_.emplace(entry.name, entry.dtype);
      continue;
    }
    WeightView view;
    view.data = start + data_start + entry.begin;
    view.owner = file->mapping_;
    view.is_mapped = true;
    view.dtype = dtype->dtype;
    for (const int64_t d : entry.shape) view.shape.append(d);
    file->tensors_.emplace(entry.name, view);
  }
  return file;
}

std::string_view SafetensorsFile::header() const {
  return {reinterpret_cast<const char*>(mapping_.get()) + kLengthBytes, header_bytes_};
}

std::span<const std::byte> SafetensorsFile::data() const {
  const std::span all(mapping_.get(), bytes_);
  return all.subspan(kLengthBytes + header_bytes_);
}

void save_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::string header = header_text(tensors, metadata);
  header.append((8 - header.size() % 8) % 8, ' ');  // the data starts at a multiple of 8
  std::array<std::byte, kLengthBytes> length{};
  for (size_t i = 0; i < length.size(); ++i) length[i] = std::byte(header.size() >> (8 * i));
  AtomicFile file(path);
  file.write(length);
  file.write(std::as_bytes(std::span(header)));
  std::vector<std::byte> small;  // biases and norms go out together
  for (const NamedTensor& tensor : tensors) {
    const size_t bytes = size_t(tensor.shape.numel()) * size_of(tensor.dtype);
    const auto* data = static_cast<const std::byte*>(tensor.data);
    if (bytes < kSmallBytes && small.size() < kSmallBytes) {
      small.insert(small.end(), data, data + bytes);
      continue;
    }
    file.write(small);
    small.clear();
    file.write({data, bytes});
  }
  file.write(small);
  file.commit();
}

}  // namespace dedit
