// Times of whole edits and of single networks on a GPU, in this process, as the product runs them.
#pragma once

#include <string>

#include "dedit/model.h"

namespace dedit::bench {

struct EditSetup {
  std::string model, control;  ///< diffusers folders
  std::string dtype = "bf16";
  int gpu = 0;
  int size = 512;  ///< pixels a side
  int steps = 20;  ///< of an edit
  int repeats = 30;
};

/// Seconds, but for the memory.
struct EditTimes {
  double start = 0;       ///< process start to the end of the first step of the first edit
  double edit_first = 0;  ///< canny edit, loading the model to the picture in memory
  double edit_again = 0;  ///< the same on the loaded model, median
  double edit_step = 0;   ///< a step of it: U-Net and ControlNet, guidance, solver
  double step = 0;        ///< the same without control
  double control = 0, decode = 0, encode = 0;  ///< networks alone; two rows, one, one
  double peak_gib = 0;
};

/// Throws Error. Once a process: `start` counts from its beginning.
EditTimes measure_edits(const EditSetup& setup);

}  // namespace dedit::bench
