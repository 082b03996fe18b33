#include "pipeline/plan_reference.h"

#include "core/rgb8.h"
#include "core/str.h"
#include "io/geometry.h"
#include "io/image_ops.h"
#include "io/pillow_resize.h"

namespace dedit {
namespace {

[[noreturn]] void usage(const std::string& message, const std::string& hint) {
  throw Error(ErrorKind::kUsage, message, hint);
}

int rounded_down(int side, int factor) {
  if (side < factor) {
    usage(str("a side of ", side, " pixels is rounded down to none by diffusers' rule"),
          str("use at least ", factor, " pixels"));
  }
  return side / factor * factor;
}

int multiple(int side, int factor) {
  if (side % factor == 0) return side;
  usage(str("a size of ", side, " is not a multiple of ", factor, ", as diffusers' rule wants"),
        str("use ", side / factor * factor, " or ", (side / factor + 1) * factor));
}

/// 8 bit of 1, 3 or 4 channels.
Image as_pillow(const Image& image) {
  return image.channels == 2 ? to_rgb8(image) : to_depth(image, PixelType::kU8);
}

Image without_alpha(const Image& image) {
  if (image.channels != 4) return image;
  Image out(image.width, image.height, 3);
  out.icc = image.icc;
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* src = image.row<uint8_t>(y);
    uint8_t* dst = out.row<uint8_t>(y);
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < 3; ++c) dst[3 * x + c] = src[4 * x + c];
    }
  }
  return out;
}

void check_fit(const std::optional<Fit>& fit) {
  if (!fit || *fit == Fit::kStretch) return;
  usage(str("diffusers' rule stretches pictures and maps, which does not go with the fit ",
            name_of(*fit)),
        "leave out --fit, or --compat");
}

/// Whose size the result has unless told; none: the network's own.
std::optional<Size> leading_size(const EditRequest& r) {
  const bool is_plain_inpaint = r.mask && r.controls.empty();
  if (is_plain_inpaint || (!r.image && r.controls.empty())) return {};
  const bool follows_map = !r.image || (r.image_is_frame && !r.controls.empty());
  const Image& like = follows_map ? r.controls[0].hint : *r.image;
  const bool is_cropped = r.crop && like.width == r.image->width && like.height == r.image->height;
  return is_cropped ? Size{r.crop->width, r.crop->height} : Size{like.width, like.height};
}

/// Cells of the latents are pixels of the image, and the result so many times its size.
void take_for_latents(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  if (m.latent.channels != 4) usage("this model's latents are not of four channels", "");
  plan.image_is_latents = true;
  plan.latent_shape = {1, plan.height, plan.width, 4};
  plan.width = plan.padded_width = plan.width * m.latent.factor;
  plan.height = plan.padded_height = plan.height * m.latent.factor;
  if (plan.width > Image::kMaxSide || plan.height > Image::kMaxSide) {
    usage(str("an image with transparency is taken for latents by diffusers' rule, and ",
              plan.width, "x", plan.height, " is over ", Image::kMaxSide),
          "leave out --compat, or the transparency");
  }
  plan.geometry = picture_geometry(r, {plan.width, plan.height}, m.latent.factor);
  plan.warnings.push_back(
      str("an image with transparency is taken for latents by diffusers' rule: the result is ",
          plan.width, "x", plan.height));
}

}  // namespace

void resolve_reference_size(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  const int f = m.latent.factor, native = m.network_spec.native_cells * f;
  check_fit(r.fit);
  for (const ControlUnit& unit : r.controls) check_fit(unit.fit);
  const std::optional<Size> like = leading_size(r);
  const auto side = [&](int asked, int of_like) {
    if (like) return rounded_down(asked ? asked : of_like, f);
    return asked ? multiple(asked, f) : native;
  };
  plan.width = plan.padded_width = side(r.width, like ? like->width : 0);
  plan.height = plan.padded_height = side(r.height, like ? like->height : 0);
  plan.latent_shape = {1, plan.height / f, plan.width / f, m.latent.channels};
}

void lay_reference_source(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  plan.geometry = picture_geometry(r, {plan.width, plan.height}, m.latent.factor);
  if (r.image_is_frame) return;
  Image image = as_pillow(crop_picture(plan.geometry, *r.image));
  const bool is_controlled = !r.controls.empty();
  if (image.channels == 4 && is_controlled && !r.mask) image = without_alpha(image);
  if (image.channels == 4 && r.mask) {
    usage("by diffusers' rule an image with transparency cannot be inpainted",
          "leave out --compat, or the transparency");
  }
  plan.image = resize_lanczos(image, plan.width, plan.height);
  if (r.mask) {
    const Image mask8 = to_mask8(*r.mask);
    plan.mask8 = resize_lanczos(r.crop ? crop_picture(plan.geometry, mask8) : mask8, plan.width,
                                plan.height);
  }
  if (image.channels == 4) take_for_latents(m, r, plan);
}

Image fit_reference_hint(const Image& hint, const Size& size) {
  return resize_lanczos(without_alpha(as_pillow(hint)), size.width, size.height);
}

}  // namespace dedit
