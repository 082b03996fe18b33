// Sizes of a checkpoint's networks, level by level, from its tensors' names and shapes alone.
#pragma once

#include "io/checkpoint.h"

#include "dedit/info.h"

namespace dedit {

/// Of the U-Net, the autoencoder and the ControlNets in the checkpoint's folder. Throws
/// Error(kModel) for networks of another design.
LayerReport layer_report(const Checkpoint& checkpoint);
/// Of a ControlNet alone, for the picture size of its `sample_size`, else 64 cells.
LayerReport layer_report(const Component& controlnet);

}  // namespace dedit
