#include "core/weight_view.h"

#include <cstring>
#include <fcntl.h>
#include <numeric>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support/resident.h"

namespace dedit {
namespace {

constexpr size_t kBytes = 1 << 20, kPage = 4096;

/// Memory that a test maps.
class Mapping {
 public:
  explicit Mapping(int file)
      : data_(::mmap(nullptr, kBytes, PROT_READ | (file < 0 ? PROT_WRITE : 0),
                     MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0), file, 0)) {}
  ~Mapping() { ::munmap(data_, kBytes); }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
};

std::vector<float> values() {
  std::vector<float> all(kBytes / sizeof(float));
  std::iota(all.begin(), all.end(), 1.0f);
  return all;
}

WeightView view_of(const std::byte* data, size_t first, size_t bytes, bool is_mapped) {
  WeightView view{data + first, DType::kF32, {int64_t(bytes / sizeof(float))}};
  view.is_mapped = is_mapped;
  return view;
}

std::vector<float> read(const WeightView& view) {
  std::vector<float> out(size_t(view.numel()));
  read_f32(view, 0, view.numel(), out.data());
  return out;
}

class GiveBackPages : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/dedit-pages-XXXXXX";
    file_ = ::mkstemp(path);
    ASSERT_GE(file_, 0);
    ::unlink(path);
    ASSERT_EQ(::write(file_, all.data(), kBytes), ssize_t(kBytes));
  }
  void TearDown() override { ::close(file_); }

  const std::vector<float> all = values();
  int file_ = -1;
};

TEST_F(GiveBackPages, OfAFileLeavesMemoryAndComesBackTheSame) {
  const Mapping mapping(file_);
  // It begins and ends inside of pages, which others share.
  const WeightView view = view_of(mapping.data(), 100, kBytes - 200, true);
  const std::vector<float> before = read(view);
  EXPECT_GE(resident_bytes(mapping.data()), kBytes);
  give_back_pages(view);
  EXPECT_EQ(resident_bytes(mapping.data()), 2 * kPage);
  EXPECT_EQ(read(view), before);
  EXPECT_EQ(before[0], all[25]);
}

TEST_F(GiveBackPages, WithoutAWholePageDoesNothing) {
  const Mapping mapping(file_);
  read(view_of(mapping.data(), 0, kBytes, true));
  const size_t before = resident_bytes(mapping.data());
  give_back_pages(view_of(mapping.data(), 4, 2 * kPage - 8, true));
  give_back_pages(view_of(mapping.data(), 64, 64, true));
  give_back_pages({});
  EXPECT_EQ(resident_bytes(mapping.data()), before);
}

TEST_F(GiveBackPages, OfOtherMemoryNeverHappens) {
  const Mapping mapping(-1);
  std::memcpy(mapping.data(), all.data(), kBytes);
  const WeightView view = view_of(mapping.data(), 0, kBytes, false);
  give_back_pages(view);
  EXPECT_EQ(read(view), all);
}

}  // namespace
}  // namespace dedit
