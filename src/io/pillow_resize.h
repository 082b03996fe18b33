// Pictures stretched as the reference's pipelines do: Pillow's Lanczos.
#pragma once

#include "dedit/image.h"

namespace dedit {

/// 8-bit picture of 1, 3 or 4 channels to another size, to the bit as PIL.Image.resize(size,
/// LANCZOS): two passes with 8 bits between them, weights of 22 fractional bits; alpha weighs the
/// colours. The profile is kept, text is not. Throws Error(kUsage) for another type.
Image resize_lanczos(const Image& image, int width, int height);

}  // namespace dedit
