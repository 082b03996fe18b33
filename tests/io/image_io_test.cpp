#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h
namespace fs = std::filesystem;

class ImageIo : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("dedit-image-io-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  size_t n_files() const {
    return size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

/// Kind and message of what `fn` throws.
template <class Fn>
Error error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorKind::kOther, "no error");
}

/// Descriptor `fd` replaced by `by` for a scope.
class Redirected {
 public:
  Redirected(int fd, int by) : fd_(fd), saved_(::dup(fd)) {
    std::fflush(stdout);
    ::dup2(by, fd);
  }
  ~Redirected() {
    ::dup2(saved_, fd_);
    ::close(saved_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int fd_;
  int saved_;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(ImageIo, TheExtensionChoosesTheFormatAndTheContentIsWhatIsRead) {
  const Image image = noise(9, 5, 3, PixelType::kU8);
  for (const char* name : {"a.png", "a.PNG", "a.tif", "a.TIFF", "a.bmp", "a.ppm", "a.webp"}) {
    save_image(image, path(name));
    fs::rename(path(name), path("unnamed"));
    const Image read = load_image(path("unnamed"));
    EXPECT_TRUE(read.data == image.data) << name;
  }
  save_image(image, path("a.jpg"));
  EXPECT_EQ(read_file(path("a.jpg")).substr(0, 2), "\xff\xd8");
  EXPECT_EQ(n_files(), 2u) << "no temporary file stays";
}

TEST_F(ImageIo, OnlyJpegIsLossy) {
  EXPECT_TRUE(is_lossy_format("x/a.JPG"));
  EXPECT_TRUE(is_lossy_format("a.jpeg"));
  for (const char* p : {"a.png", "-", "a.webp", "a.tif", "a.bmp", "a.ppm", "jpg"}) {
    EXPECT_FALSE(is_lossy_format(p)) << p;
  }
}

TEST_F(ImageIo, MissingUnreadableAndEmptyInputsAreNamed) {
  const auto message = [&](const std::string& p) {
    const Error e = error_of([&] { load_image(p); });
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    return std::string(e.what());
  };
  EXPECT_EQ(message(path("none.png")), path("none.png") + ": no such file");
  EXPECT_EQ(message(folder_.string()), folder_.string() + ": is a folder, not a picture");
  std::ofstream(path("empty.png")).close();
  EXPECT_EQ(message(path("empty.png")), path("empty.png") + ": is empty, not a picture");
}

TEST_F(ImageIo, UnknownExtensionsAreUsageErrorsAndLeaveNothing) {
  const Image image = noise(2, 2, 3, PixelType::kU8);
  const Error unknown = error_of([&] { save_image(image, path("a.gif")); });
  EXPECT_EQ(unknown.kind(), ErrorKind::kUsage);
  EXPECT_NE(std::string(unknown.what()).find("no picture format has the extension .gif"),
            std::string::npos);
  EXPECT_EQ(unknown.hint(), "known: .png .jpg .jpeg .webp .tif .tiff .bmp .ppm");
  const Error none = error_of([&] { save_image(image, path("a")); });
  EXPECT_NE(std::string(none.what()).find("has no extension"), std::string::npos);
  EXPECT_EQ(n_files(), 0u);
}

TEST_F(ImageIo, NoClobberKeepsAnExistingFile) {
  save_image(noise(2, 2, 3, PixelType::kU8, 1), path("a.png"), {.no_clobber = true});
  const std::string before = read_file(path("a.png"));
  const Error e = error_of(
      [&] { save_image(noise(2, 2, 3, PixelType::kU8, 2), path("a.png"), {.no_clobber = true}); });
  EXPECT_EQ(e.kind(), ErrorKind::kOutput);
  EXPECT_TRUE(read_file(path("a.png")) == before);
  save_image(noise(2, 2, 3, PixelType::kU8, 2), path("a.png"));
  EXPECT_FALSE(read_file(path("a.png")) == before);
}

TEST_F(ImageIo, UnwritableOutputsAreOutputErrors) {
  const Image image = noise(2, 2, 3, PixelType::kU8);
  EXPECT_EQ(error_of([&] { save_image(image, path("no/such/a.png")); }).kind(), ErrorKind::kOutput);
  EXPECT_EQ(error_of([&] { save_image(Image(), path("a.png")); }).kind(), ErrorKind::kUsage);
  const Image wide = Image(16384, 1, 1);
  EXPECT_EQ(error_of([&] { save_image(wide, path("a.webp")); }).kind(), ErrorKind::kOutput)
      << "WebP holds 16383 pixels a side";
  EXPECT_EQ(n_files(), 0u);
}

TEST_F(ImageIo, DashIsStandardInputAndPngOnStandardOutput) {
  const Image image = noise(40, 30, 4, PixelType::kU16);
  const int out = ::open(path("piped").c_str(), O_CREAT | O_RDWR, 0600);
  {
    const Redirected redirected(STDOUT_FILENO, out);
    save_image(image, "-");
  }
  EXPECT_TRUE(read_file(path("piped")) == as_string(encode_png(image)));
  ::lseek(out, 0, SEEK_SET);
  {
    const Redirected redirected(STDIN_FILENO, out);
    EXPECT_TRUE(load_image("-").data == image.data);
    EXPECT_STREQ(error_of([] { load_image("-"); }).what(),
                 "standard input: is empty, not a picture")
        << "at its end";
  }
  ::close(out);
}

TEST_F(ImageIo, AReaderThatClosesEarlyIsAnOutputError) {
  const Image image = noise(300, 300, 3, PixelType::kU8);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const Redirected redirected(STDOUT_FILENO, ends[1]);
  ::close(ends[1]);
  EXPECT_EQ(error_of([&] { save_image(image, "-"); }).kind(), ErrorKind::kOutput);
}

TEST_F(ImageIo, PixelHashDependsOnPixelsAlone) {
  const Image image = noise(9, 5, 3, PixelType::kU8);
  save_image(image, path("a.png"));
  save_image(image, path("a.tif"));
  Image described = load_image(path("a.png"));
  described.text["a"] = "b";
  EXPECT_EQ(pixel_hash(described), pixel_hash(load_image(path("a.tif"))));
  EXPECT_EQ(pixel_hash(image), pixel_hash(described));

  Image turned(5, 9, 3);
  turned.data = image.data;
  EXPECT_NE(pixel_hash(turned), pixel_hash(image));
  Image deep(9, 5, 3, PixelType::kU16);
  EXPECT_NE(pixel_hash(deep), pixel_hash(Image(9, 5, 3)));

  Image tiny(2, 1, 1);
  tiny.data = {std::byte{1}, std::byte{2}};
  // sha256("2 1 1 1 " + bytes 1, 2), by Python's hashlib.
  EXPECT_EQ(pixel_hash(tiny), "83a881dfc4054a9aa09d3c470bbbfe6e7b997207d6dfcf9cd64bd653b8ff066d");
}

}  // namespace
}  // namespace dedit
