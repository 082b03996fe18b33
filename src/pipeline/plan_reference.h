// Sizes and sources by the rules of diffusers' pipelines, for Compat::kDiffusers.
#pragma once

#include "pipeline/placement.h"
#include "pipeline/plan.h"

namespace dedit {

/// Sizes are rounded down to the latent factor; inpainting without control has the network's own
/// size unless told; asked sizes have to be multiples there and without an image. A frame has the
/// size of the first map. Throws Error(kUsage), also for another fit than kStretch.
void resolve_reference_size(const Model::Impl& model, const EditRequest& request, EditPlan& plan);

/// The geometry, and the cropped image (and mask) stretched to the plan's size by Pillow's Lanczos,
/// 8 bit; of a frame the geometry only. Transparency: taken for a fourth latent channel by img2img,
/// dropped under a control; inpainting refuses it with Error(kUsage).
void lay_reference_source(const Model::Impl& model, const EditRequest& request, EditPlan& plan);

/// A (cropped) hint at the result's size, in the same way.
Image fit_reference_hint(const Image& hint, const Size& size);

}  // namespace dedit
