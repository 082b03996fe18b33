#include "core/sha256.h"

#include <gtest/gtest.h>

namespace dedit {
namespace {

// FIPS 180-4 examples.
TEST(Sha256, MatchesTheStandardsExamples) {
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.update("abc");
  EXPECT_EQ(abc.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Sha256 whole, pieces;
  const std::string text(1000, 'a');
  whole.update(text);
  pieces.update(std::string_view(text).substr(0, 3));
  pieces.update("");
  pieces.update(std::string_view(text).substr(3));
  EXPECT_EQ(whole.hex(), pieces.hex());
}

}  // namespace
}  // namespace dedit
