// The tiny model that tests of whole edits share, and pictures for it.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <unistd.h>

#include "support/seeded_weights.h"

#include "dedit/image.h"

namespace dedit {

/// Path of the checkpoint of tests/data/golden/sd15.json; beside it lie PATH-controlnet and
/// PATH-controlnet-b. Written when a test first asks for it, in a folder of this process, which is
/// removed as the process ends.
inline const std::string& golden_model() {
  struct Place {
    ~Place() { std::filesystem::remove_all(folder); }
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("dedit-golden-" + std::to_string(::getpid()));
    const std::string path =
        make_golden_checkpoint(DEDIT_TEST_DATA "/golden/sd15.json", folder.string());
  };
  static const Place place;
  return place.path;
}

inline Image noise_image(int width, int height, int channels = 3, PixelType type = PixelType::kU8,
                         unsigned seed = 7) {
  Image image(width, height, channels, type);
  std::mt19937 random(seed);
  for (std::byte& b : image.data) b = std::byte(random() & 0xff);
  return image;
}

}  // namespace dedit
