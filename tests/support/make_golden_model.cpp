// make_golden_model GOLDEN.json FOLDER: writes the tiny checkpoint that a golden description
// states, with its ControlNets beside it, and prints its path; a model for the command line where
// no other is at hand.
#include <cstdio>
#include <exception>

#include "seeded_weights.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_golden_model GOLDEN.json FOLDER\n");
    return 2;
  }
  try {
    std::printf("%s\n", dedit::make_golden_checkpoint(argv[1], argv[2]).c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_golden_model: %s\n", e.what());
    return 1;
  }
  return 0;
}
