// Sizes and sources by the rules of diffusers' pipelines, for Compat::kDiffusers.
#pragma once

#include "pipeline/plan.h"

namespace dedit {

/// Sizes are rounded down to the latent factor; inpainting without control has the network's own
/// size unless told; asked sizes have to be multiples there and without an image. Throws
/// Error(kUsage).
void resolve_reference_size(const Model::Impl& model, const EditRequest& request, EditPlan& plan);

/// The image (and mask) stretched to the plan's size by Pillow's Lanczos, 8 bit. Transparency:
/// taken for a fourth latent channel by img2img, dropped under a control; inpainting refuses it
/// with Error(kUsage).
void fit_reference_source(const Model::Impl& model, const EditRequest& request, EditPlan& plan);

/// A hint at the plan's size, in the same way.
Image fit_reference_hint(const EditPlan& plan, const Image& hint);

}  // namespace dedit
