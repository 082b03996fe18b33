#include "options.h"

#include <string_view>

#include "control_text.h"
#include "values.h"

#include "dedit/image.h"

namespace dedit::cli {
namespace {

void add_input_options(CLI::App& app, JobOptions& o, JobInputs inputs) {
  app.option_defaults()->group("Picture");
  if (inputs != JobInputs::kNone) {
    add_text(app, "--image", o.image, "FILE", "the picture to edit; - is standard input");
    const std::string default_strength = inputs == JobInputs::kImage          ? "0.8"
                                         : inputs == JobInputs::kImageAndMask ? "1"
                                                                              : "";
    add_real(
        app, "--strength", o.strength, 0, 1,
        "share of the steps that run on the picture: 0 copies it, 1 starts from noise" +
            std::string(default_strength.empty() ? "; not given: a new picture, or 1 with --mask"
                                                 : ""))
        ->default_str(default_strength);
  }
  if (inputs == JobInputs::kImageAndMask || inputs == JobInputs::kAny) {
    add_text(app, "--mask", o.mask, "FILE",
             "white is repainted, black kept bit for bit; - is stdin");
    add_choice(app, "--mask-rule", o.mask_rule, {"cover", "nearest"},
               "latent cells repainted: all that the mask touches, or the reference's rule");
  }
  const std::string otherwise =
      inputs == JobInputs::kImageAndMask
          ? ", with --fit or --compat diffusers; not given: the picture's (by diffusers' rule "
            "without a map the model's)"
          : "; not given: the picture's, the map's or the model's";
  add_int(app, "--width", o.width, 1, Image::kMaxSide, "pixels" + otherwise);
  add_int(app, "--height", o.height, 1, Image::kMaxSide, "pixels" + otherwise);
  if (inputs != JobInputs::kNone) {
    add_value(app, "--crop", "X,Y,W,H",
              "the part of the picture that is worked on; mask and maps of its size follow",
              [&app, &o](const std::string& text) {
                o.crop = parse_ints(app, "--crop", text, ',', 4, "X,Y,W,H");
              });
  }
  add_choice(app, "--fit", o.fit, {"exact", "stretch", "crop", "fill"},
             "how picture, mask and maps come to another aspect: refused, each side by its own "
             "factor, cut off evenly, or borders filled; not given: exact (diffusers, webui: "
             "stretch), of maps crop with a warning (diffusers: stretch)");
}

void add_prompt_options(CLI::App& app, JobOptions& o) {
  app.option_defaults()->group("Prompt");
  add_text(app, "--prompt", o.prompt, "TEXT", "what the picture shall show");
  add_text(app, "--negative-prompt", o.negative_prompt, "TEXT", "what it shall not show");
  add_text(app, "--prompt-file", o.prompt_file, "FILE",
           "holds the prompt instead of --prompt; - is standard input");
  add_prompt_syntax(app, o.prompt_syntax);
  app.add_flag("--truncate", o.truncate, "cut prompts at 75 tokens instead of chunking them");
  add_int(app, "--clip-skip", o.clip_skip, 1, 100,
          "layers of the text encoder left out, as web UIs count: 1 is none, 2 the last (with "
          "--compat diffusers 1 is the last, for the prompt alone)")
      ->default_str("none");
  add_texts(app, "--embedding", o.embeddings, "NAME=FILE",
            "learned vectors (safetensors) for the word NAME in prompts; repeatable");
  add_real(app, "--guidance", o.guidance, 0, 1000,
           "pull towards the prompt; 1 or less ignores the negative prompt")
      ->default_str("7.5");
  add_value(app, "--guidance-schedule", "A,B,...",
            "instead of one guidance: values from the first step to the last, lines between them",
            [&app, &o](const std::string& text) {
              o.guidance_schedule = parse_reals(app, "--guidance-schedule", text, 0, 1000);
            });
  add_real(app, "--guidance-rescale", o.guidance_rescale, 0, 1,
           "draws the guided contrast towards the prompt's own; 0.7 is usual with v prediction")
      ->default_str("0");
  add_real(
      app, "--pag-scale", o.pag_scale, 0, 1000,
      "perturbed-attention guidance: away from a prediction without self-attention; 3 is usual")
      ->default_str("0");
  add_real(app, "--pag-adaptive-scale", o.pag_adaptive_scale, 0, 1000,
           "taken off --pag-scale for every timestep below 1000")
      ->default_str("0");
}

void add_run_options(CLI::App& app, JobOptions& o) {
  app.option_defaults()->group("Steps");
  add_value(
      app, "--scheduler", "NAME",
      "or other tools' name (\"DPM++ 2M Karras\"); not given: the model's; see dedit schedulers",
      [&o](const std::string& name) {
        scheduler_name(name);  // refuses it before anything is loaded
        o.scheduler = name;
      });
  add_schedule_options(app, o.schedule, "the model's");
  add_choice(
      app, "--compat", o.compat, {"diffusers", "webui", "comfy"},
      "whose rules of strength, sizes, control windows, masks, maps and batches hold; not given: "
      "ours");
  add_seed(app, "--seed", o.seed, "of the noise; the same seed makes the same picture");
  add_int(app, "--batch", o.batch, 1, 1000,
          "pictures, with seeds SEED, SEED+1, ...; with a variation its seed counts up instead")
      ->default_str("1");
  add_choice(app, "--rng", o.rng, {"torch-cpu", "philox"},
             "whose random numbers: torch's on a CPU, or those of web UIs' GPU seeds");
  add_real(app, "--variation-strength", o.variation_strength, 0, 1,
           "how far the noise goes towards that of --variation-seed")
      ->default_str("0");
  add_seed(app, "--variation-seed", o.variation_seed, "what --variation-strength goes towards");
  add_text(app, "--latents", o.latents, "FILE",
           "safetensors file whose tensor 'latents' [B, C, H/8, W/8] replaces the start noise");
}

void add_model_options(CLI::App& app, JobOptions& o) {
  app.option_defaults()->group("Model");
  add_text(app, "--model", o.model, "PATH",
           "diffusers folder or single file; not given: $DEDIT_MODEL, then the model that ships");
  add_choice(app, "--precision", o.precision, {"exact", "auto", "fast"},
             "exact is f32; auto errs no more than bf16; fast may err more");
  add_choice(app, "--dtype", o.dtype, {"f32", "bf16", "f16"},
             "overrides --precision; f16 needs a GPU");
  add_device(app, o.device);
  add_low_memory(app, o.low_memory);
  add_int(app, "--threads", o.threads, 0, 1024, "0 is all cores; the picture does not depend on it")
      ->default_str("0");
  add_vae_tile(app, o.vae_tile);
}

void add_control_options(CLI::App& app, ControlOptions& o) {
  app.option_defaults()->group(
      "Controls (repeatable; the k-th --control-X of each belongs to the k-th control)");
  add_texts(
      app, "--control", o.units, "NAME=VALUE,...",
      "a whole control in one word, fields: " + control_fields() +
          "; and the kind's own parameters. Without map or image the kind is made of "
          "--image; modes: balanced, prompt, control, unbalanced, guess; "
          "curve=0:1/0.6:0.4 is places in the run and factors; layers=W/W/... one a residual");
  app.add_flag("--normalize-controls", o.normalizes,
               "where scales times masks sum up to more than 1, divide them by the sum");
  add_texts(app, "--control-model", o.models, "PATH",
            "ControlNet folder or file, or the name of one inside the model, as canny");
  add_texts(app, "--control-image", o.images, "FILE", "its map; - is standard input");
  add_reals(app, "--control-scale", o.scales, -100, 100, "factor on its effect")->default_str("1");
  add_reals(app, "--control-start", o.starts, 0, 1, "share of the steps at which it begins")
      ->default_str("0");
  add_reals(app, "--control-end", o.ends, 0, 1, "share of the steps at which it ends")
      ->default_str("1");
}

}  // namespace

void add_job_options(CLI::App& app, JobOptions& options, JobInputs inputs) {
  add_input_options(app, options, inputs);
  add_prompt_options(app, options);
  add_control_options(app, options.controls);
  add_run_options(app, options);
  add_model_options(app, options);
  add_output_options(app, options.output,
                     "the picture; with --batch, {seed} stands for the seed (else -SEED is added)");
  add_text(app, "--save-latents", options.save_latents, "FILE",
           "safetensors: the final latents, before decoding");
  add_text(app, "--trace", options.trace, "FILE",
           "safetensors: every module's output in the first step");
  app.add_flag("--strict", options.strict, "warnings about what was given are errors");
  add_log_options(app, options.log, /*with_progress=*/true);
}

}  // namespace dedit::cli
