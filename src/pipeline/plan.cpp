#include "pipeline/plan.h"

#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "io/geometry.h"
#include "models/vae_tiles.h"
#include "pipeline/placement.h"
#include "pipeline/plan_reference.h"
#include "pipeline/text.h"
#include "schedulers/choice.h"

namespace dedit {
namespace {

[[noreturn]] void usage(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::kUsage, message, hint);
}

void check_curve(const std::vector<CurvePoint>& curve) {
  double before = -1;
  for (const CurvePoint& point : curve) {
    if (!(point.place >= 0 && point.place <= 1 && point.place > before)) {
      usage(str("the places of a control's curve must increase within 0..1, ", point.place,
                " does not"));
    }
    if (!(std::abs(point.factor) <= 100)) {
      usage(str("factor ", point.factor, " of a control's curve is outside -100..100"));
    }
    before = point.place;
  }
}

void check_unit(const ControlUnit& c) {
  if (!(std::abs(c.scale) <= 100)) usage(str("control scale ", c.scale, " is outside -100..100"));
  if (!(c.start >= 0 && c.start < c.end && c.end <= 1)) {
    usage(str("control window ", c.start, "..", c.end, " is not within 0..1 and increasing"));
  }
  for (double weight : c.layers) {
    if (!(std::abs(weight) <= 100)) {
      usage(str("layer weight ", weight, " of a control is outside -100..100"));
    }
  }
  check_curve(c.curve);
  if (c.hint.empty()) usage("a control has no map");
  if (c.mask && c.mask->empty()) usage("a control's mask is empty");
}

void check_numbers(const EditRequest& r) {
  if (r.steps < 1 || r.steps > 1000) usage(str("steps ", r.steps, " is outside 1..1000"));
  if (!(r.strength >= 0 && r.strength <= 1)) {
    usage(str("strength ", r.strength, " is outside 0..1"));
  }
  if (!std::isfinite(r.guidance) || r.guidance < 0 || r.guidance > 1000) {
    usage(str("guidance ", r.guidance, " is outside 0..1000"));
  }
  for (double g : r.guidance_schedule) {
    if (!(g >= 0 && g <= 1000)) usage(str("guidance ", g, " is outside 0..1000"));
  }
  for (double s : {r.pag_scale, r.pag_adaptive_scale}) {
    if (!(s >= 0 && s <= 1000)) {
      usage(str("perturbed-attention guidance ", s, " is outside 0..1000"));
    }
  }
  for (double share : {r.guidance_rescale, r.variation_strength}) {
    if (!(share >= 0 && share <= 1)) {
      usage(str("guidance rescale or variation strength ", share, " is outside 0..1"));
    }
  }
  for (int side : {r.width, r.height}) {
    if (side < 0 || side > Image::kMaxSide) {
      usage(str("size ", side, " is outside 1..", Image::kMaxSide));
    }
  }
  if (r.seeds.empty()) usage("no seed was given");
  if (r.mask && (!r.image || r.image_is_frame)) usage("a mask was given without an image");
  if (r.crop && !r.image) usage("a crop was given without an image");
  for (const ControlUnit& unit : r.controls) check_unit(unit);
}

void resolve_size(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  const int f = m.latent.factor;
  const Size size = result_size(r, m.network_spec.native_cells * f);
  plan.width = size.width;
  plan.height = size.height;
  plan.padded_width = (plan.width + f - 1) / f * f;
  plan.padded_height = (plan.height + f - 1) / f * f;
  plan.latent_shape = {1, plan.padded_height / f, plan.padded_width / f, m.latent.channels};
}

void lay_source(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  const Image& image = *r.image;
  plan.geometry = picture_geometry(r, {plan.width, plan.height}, m.latent.factor);
  if (r.mask) {
    if (r.mask->width != image.width || r.mask->height != image.height) {
      usage(str("the mask is ", r.mask->width, "x", r.mask->height, ", the image ", image.width,
                "x", image.height),
            "a mask must have its image's size");
    }
    const Rect& crop = plan.geometry.crop;
    const bool is_resized = plan.width != crop.width || plan.height != crop.height;
    if (is_resized && !r.fit) {
      usage("inpainting keeps the image's size",
            "leave out the width and height, resize first, or say how to fit it (--fit)");
    }
    plan.mask8 = place_mask(plan.geometry, *r.mask);
  }
  if (!r.image_is_frame) plan.image = place_picture(plan.geometry, image);
}

// Web UIs run one step more than the truncated product, and never all noise.
// https://github.com/AUTOMATIC1111/stable-diffusion-webui, modules/sd_samplers_common.py
int steps_of_strength(const EditRequest& r, int steps) {
  if (r.compat == Compat::kWebui) return int(std::min(r.strength, 0.999) * steps) + 1;
  if (r.compat == Compat::kComfy && r.strength > 0) return std::min(r.steps, steps);
  return std::min(int(steps * r.strength), steps);
}

// ComfyUI spreads so many steps that the share that runs is the number asked for.
int steps_of_table(const EditPlan& plan, const EditRequest& r) {
  const bool is_share = r.strength > 0 && r.strength <= 0.9999;
  if (plan.job == Job::kGenerate || r.compat != Compat::kComfy || !is_share) return r.steps;
  return int(r.steps / r.strength);
}

void choose_schedule(const Model::Impl& m, const EditRequest& r, EditPlan& plan) {
  SchedulerConfig config = m.scheduler;
  if (r.compat == Compat::kDiffusers && !r.controls.empty()) {
    config = parse_scheduler_config(config.text, config.source, ConfigUse::kControlPipeline);
  }
  ScheduleChoice choice = choose_schedule({.scheduler = r.scheduler,
                                           .steps = steps_of_table(plan, r),
                                           .spacing = r.spacing,
                                           .sigmas = r.sigmas,
                                           .prediction = r.prediction,
                                           .settings = r.scheduler_settings,
                                           .timesteps = r.timesteps,
                                           .sigma_values = r.sigma_values},
                                          config, /*strict=*/false);
  const bool is_flow = m.scheduler.prediction == Prediction::kFlow;
  if ((choice.scheduler->needs_flow && !is_flow) || choice.scheduler->unit_time) {
    usage(str("scheduler ", choice.scheduler->name, " is not for this model, which ",
              choice.scheduler->unit_time ? "is told times in training steps"
                                          : "was not trained by flow matching"),
          "dedit schedule runs it without a model");
  }
  plan.scheduler = choice.scheduler;
  plan.solver_options = std::move(choice.options);
  plan.warnings.insert(plan.warnings.end(), choice.warnings.begin(), choice.warnings.end());
}

// The reference cuts its table, which for pndm is a call longer than the steps; elsewhere it fails,
// as inpainting without control does before.
void choose_no_step(const EditRequest& r, int n_levels, EditPlan& plan) {
  const int steps = plan.solver_options.steps;
  const bool is_refused = r.mask && r.controls.empty();
  if (is_refused || n_levels <= steps || plan.scheduler->name != "pndm") {
    usage(str("strength ", r.strength, " of ", steps,
              " steps leaves none, where diffusers' pipelines fail"),
          str("use at least ", 1.0 / steps, ", more steps, or leave out --compat"));
  }
  plan.begin = steps;
  plan.steps_run = 1;
  plan.n_calls = n_levels - steps;
}

// Strength to the first level, as the reference: the product is truncated, in double.
void choose_start(const EditRequest& r, EditPlan& plan) {
  const auto solver = plan.scheduler->make(plan.solver_options);
  const int n = int(solver->levels().size());
  plan.steps_run = plan.solver_options.steps;
  if (plan.job != Job::kGenerate) {
    const int steps = plan.solver_options.steps;  // a list of timesteps says how many
    const int run = steps_of_strength(r, steps);
    plan.steps_run = run;
    if (run == 0 && r.compat == Compat::kDiffusers) return choose_no_step(r, n, plan);
    if (run == 0) {
      plan.begin = n;
      plan.warnings.push_back(str("strength ", r.strength, " of ", steps,
                                  " steps leaves none: the result is a copy of the image"));
      return;
    }
    plan.begin = (steps - run) * solver->calls_per_step();
  }
  plan.n_calls = n - plan.begin;
}

}  // namespace

EditPlan make_plan(const Model::Impl& m, const EditRequest& r) {
  check_numbers(r);
  EditPlan plan;
  const bool is_edit = r.image && !r.image_is_frame;
  plan.job = r.mask ? Job::kInpaint : is_edit ? Job::kImg2img : Job::kGenerate;
  plan.compat = r.compat;
  plan.normalizes_controls = r.normalize_controls;
  check_vae_tile(m, r.vae_tile);
  plan.encode_tile = plan.decode_tile = r.vae_tile;
  const std::vector<double>& scales = r.guidance_schedule;
  const double scale =
      scales.empty() ? r.guidance : *std::max_element(scales.begin(), scales.end());
  plan.guided = scale > 1 || count_prompt_parts(r) > 1;
  if (r.pag_scale > 0 && !(m.unet.has_mid_block && m.unet.mid_attention)) {
    throw Error(ErrorKind::kModel,
                "perturbed-attention guidance needs attention in the network's middle block, which "
                "this model does not have");
  }
  if (r.compat == Compat::kDiffusers) {
    resolve_reference_size(m, r, plan);
    if (r.image) lay_reference_source(m, r, plan);
  } else {
    resolve_size(m, r, plan);
    if (r.image) lay_source(m, r, plan);
  }
  choose_schedule(m, r, plan);
  choose_start(r, plan);
  if (!plan.guided && !r.negative_prompt.empty()) {
    plan.warnings.push_back("the negative prompt has no effect at guidance 1 or below");
  }
  if (r.latents) {
    const std::vector<int64_t> wanted = {int64_t(r.seeds.size()), plan.latent_shape[3],
                                         plan.latent_shape[1], plan.latent_shape[2]};
    if (r.latents->shape != wanted) {
      std::string have;
      for (int64_t d : r.latents->shape) have += str(have.empty() ? "" : ", ", d);
      usage(str("the given latents are [", have, "], this run needs [", wanted[0], ", ", wanted[1],
                ", ", wanted[2], ", ", wanted[3], "]"));
    }
  }
  return plan;
}

void check_vae_tile(const Model::Impl& m, int tile) {
  const int grain = vae_tile_grain(m.latent.factor);
  if (tile >= 0 && tile % grain == 0) return;
  usage(str("tiles of ", tile, " pixels are not a multiple of ", grain, " pixels"),
        str("try ", std::max(grain, (tile + grain / 2) / grain * grain)));
}

std::string name_of(Job job) {
  switch (job) {
    case Job::kGenerate:
      return "generate";
    case Job::kImg2img:
      return "img2img";
    case Job::kInpaint:
      return "inpaint";
  }
  return "";
}

std::string name_of(Spacing spacing) {
  switch (spacing) {
    case Spacing::kDefault:
      return "default";
    case Spacing::kLeading:
      return "leading";
    case Spacing::kLinspace:
      return "linspace";
    case Spacing::kTrailing:
      return "trailing";
  }
  return "";
}

std::string name_of(Sigmas sigmas) {
  switch (sigmas) {
    case Sigmas::kDefault:
      return "default";
    case Sigmas::kKarras:
      return "karras";
    case Sigmas::kExponential:
      return "exponential";
    case Sigmas::kBeta:
      return "beta";
    case Sigmas::kLu:
      return "lu";
  }
  return "";
}

std::string name_of(Prediction prediction) {
  switch (prediction) {
    case Prediction::kEpsilon:
      return "epsilon";
    case Prediction::kV:
      return "v_prediction";
    case Prediction::kSample:
      return "sample";
    case Prediction::kFlow:
      return "flow_prediction";
  }
  return "";
}

std::string name_of(Compat compat) {
  switch (compat) {
    case Compat::kOwn:
      return "own";
    case Compat::kDiffusers:
      return "diffusers";
    case Compat::kWebui:
      return "webui";
    case Compat::kComfy:
      return "comfy";
  }
  return "";
}

std::string name_of(ControlMode mode) {
  switch (mode) {
    case ControlMode::kBalanced:
      return "balanced";
    case ControlMode::kPrompt:
      return "prompt";
    case ControlMode::kControl:
      return "control";
    case ControlMode::kUnbalanced:
      return "unbalanced";
    case ControlMode::kGuess:
      return "guess";
  }
  return "";
}

}  // namespace dedit
