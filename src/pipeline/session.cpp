// Session: runs edits in the reference's order of random draws, one picture after the other, so
// that a picture is the same alone and among others.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/parallel.h"
#include "core/random.h"
#include "core/str.h"
#include "io/image_ops.h"
#include "pipeline/loaded_model.h"
#include "pipeline/noise.h"
#include "pipeline/picture_coder.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"
#include "pipeline/sampler.h"
#include "pipeline/text.h"

#include "dedit/model.h"

namespace dedit {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

using TraceFn = std::function<void(const std::string&, const TensorValue&)>;

TensorValue to_value(Ctx& ctx, const Tensor& x) {
  TensorValue value;
  if (x.shape().rank() == 4) {
    value.shape = {x.dim(0), x.dim(3), x.dim(1), x.dim(2)};
    value.values = ops::download_nchw(ctx, x);
  } else {
    for (int i = 0; i < x.shape().rank(); ++i) value.shape.push_back(x.dim(i));
    value.values = ops::download(ctx, x);
  }
  return value;
}

/// Hands module outputs to the caller under the network's name.
class TraceObserver final : public Observer {
 public:
  TraceObserver(Ctx& ctx, std::string network, const TraceFn& sink)
      : ctx_(ctx), network_(std::move(network)), sink_(sink) {}
  void see(std::string_view module, const Tensor& output) override {
    sink_(str(network_, ".", module), to_value(ctx_, output));
  }

 private:
  Ctx& ctx_;
  std::string network_;
  const TraceFn& sink_;
};

Guidance make_guidance(const EditRequest& r, const TextStates& text) {
  Guidance guidance{.scale = r.guidance,
                    .schedule = r.guidance_schedule,
                    .rescale = r.guidance_rescale,
                    .weights = {},
                    .pag = r.pag_scale,
                    .pag_adaptive = r.pag_adaptive_scale};
  const size_t first = text.branches.size() > 1 ? 1 : 0;
  for (size_t i = first; i < text.branches.size(); ++i) {
    guidance.weights.push_back(text.branches[i].weight);
  }
  return guidance;
}

}  // namespace

/// The controls of a run and what they did so far.
struct ControlsAtWork {
  const std::vector<ActiveControl>& units;
  std::vector<ControlTally>& tallies;
};

struct Session::Impl {
  Impl(Model m, SessionOptions o)
      : model(std::move(m)), options(std::move(o)), pool(model.impl()->backend->memory()) {}

  Model model;
  SessionOptions options;
  Pool pool;
  PictureCoder coder{*model.impl()};

  Model::Impl& net() const { return *model.impl(); }

  Ctx context() {
    set_num_threads(options.threads);
    return {.backend = *net().backend,
            .pool = pool,
            .dtype = net().dtype,
            .observer = nullptr,
            .cancel = options.cancel};
  }

  std::unique_ptr<Observer> observer(Ctx& ctx, const std::string& network) const {
    return options.on_trace ? std::make_unique<TraceObserver>(ctx, network, options.on_trace)
                            : nullptr;
  }

  const std::vector<float>& encode_moments(Ctx& ctx, const Image& image, int w, int h, int tile) {
    Ctx own = ctx;
    const auto watch = observer(ctx, "vae");
    own.observer = watch.get();
    return coder.moments(own, image, w, h, tile);
  }

  /// Host NCHW latents in network scale to planes in [-1, 1].
  Planes decode_planes(Ctx& ctx, Planes latents, int tile) {
    Ctx own = ctx;
    const auto watch = observer(ctx, "vae");
    own.observer = watch.get();
    return coder.decode(own, std::move(latents), tile);
  }

  /// work(tile), in tiles if the memory does not allow for the whole picture and nobody asked for
  /// tiles of their own size; smaller and smaller ones.
  template <class Work>
  auto within_memory(const EditPlan& plan, const EditRequest& r, const char* what, int& tile,
                     EditReport& report, const Work& work) {
    for (;;) {
      try {
        return work(tile);
      } catch (const Error& e) {
        const int smaller = smaller_tile(plan, tile);
        if (e.kind() != ErrorKind::kMemory || r.vae_tile != 0 || smaller == 0) throw;
        tile = smaller;
        report.warnings.push_back(str("there is too little memory to ", what,
                                      " the picture whole: done in tiles of ", tile,
                                      " pixels, which changes it somewhat"));
      }
    }
  }

  /// Half of the tile or of the picture's longer side; 0 where that is too small to be of use.
  int smaller_tile(const EditPlan& plan, int tile) const {
    constexpr int kLeastCells = 8;
    const int grain = vae_tile_grain(net().latent.factor);
    const int now = tile != 0 ? tile : std::max(plan.padded_width, plan.padded_height);
    const int half = (now / 2 + grain - 1) / grain * grain;
    return half < now && half >= kLeastCells * net().latent.factor ? half : 0;
  }

  Tensor upload_latents(Ctx& ctx, const std::vector<float>& nchw, const Shape& shape) {
    return ops::upload_nchw(ctx, nchw.data(), shape, DType::kF32);
  }

  static bool is_one_draw(const EditRequest& r) {
    return r.compat == Compat::kDiffusers && r.seeds.size() > 1;
  }

  /// Noise of one picture: its own, or its part of a draw for the whole batch.
  static void draw_noise(const EditRequest& r, size_t picture, NormalGenerator& generator,
                         std::vector<float>& noise) {
    if (!is_one_draw(r)) return generator.randn(noise);
    std::vector<float> all(noise.size() * r.seeds.size());
    generator.randn(all);
    const auto first = all.begin() + std::ptrdiff_t(picture * noise.size());
    std::copy(first, first + std::ptrdiff_t(noise.size()), noise.begin());
  }

  Tensor draw_latents(Ctx& ctx, const EditPlan& plan, const EditRequest& r, size_t picture,
                      NormalGenerator& generator) {
    std::vector<float> draw(size_t(plan.latent_shape.numel()));
    draw_noise(r, picture, generator, draw);
    return upload_latents(ctx, draw, plan.latent_shape);
  }

  /// A draw of the image's posterior, or its four channels themselves.
  Tensor source_latents(Ctx& ctx, const EditPlan& plan, const std::vector<float>& moments,
                        NormalGenerator& generator) {
    const Shape& shape = plan.latent_shape;
    std::vector<float> values(size_t(shape.numel()));
    if (!plan.image_is_latents) {
      generator.randn(values);
      return upload_latents(ctx, posterior(moments, net().latent, &values), shape);
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(plan.image->data.data());
    for (size_t i = 0; i < values.size(); ++i) values[i] = 2 * (float(bytes[i]) / 255) - 1;
    return ops::upload(ctx, values.data(), shape, DType::kF32);
  }

  /// Where the sample starts, and for inpainting what is kept. Draws in the reference's order:
  /// image posterior, start noise, (inpainting) the masked image's posterior.
  Tensor start(Ctx& ctx, const EditPlan& plan, const EditRequest& r, const Solver& solver,
               size_t picture, const std::vector<float>& moments, NormalGenerator& generator,
               KeptRegion& kept) {
    const Shape& shape = plan.latent_shape;
    const auto n = size_t(shape.numel());
    std::vector<float> draw(n), noise(n);
    Tensor source;
    if (plan.image) {
      source = source_latents(ctx, plan, moments, generator);
    }
    if (r.latents) {
      const auto* first = r.latents->values.data() + picture * n;
      noise.assign(first, first + n);
    } else {
      draw_noise(r, picture, generator, noise);
      vary(r, picture, shape[1], shape[2], noise);
    }
    const Tensor noise_t = upload_latents(ctx, noise, shape);
    // The reference lets given latents stand for all noise, whatever the strength.
    const bool is_all_given = r.latents && plan.compat == Compat::kDiffusers;
    const bool from_noise = plan.job == Job::kGenerate ||
                            (plan.job == Job::kInpaint && (r.strength == 1 || is_all_given));
    if (plan.job == Job::kInpaint) {
      const std::vector<uint8_t> cells = latent_mask(
          *plan.mask8, plan.padded_width, plan.padded_height, net().latent.factor, r.mask_rule);
      const std::vector<float> mask(cells.begin(), cells.end());
      kept.mask = ops::upload(ctx, mask.data(), {1, shape[1], shape[2], 1}, DType::kF32);
      kept.source = source;
      kept.noise = noise_t;
      generator.randn(draw);  // of the masked image's posterior, which 4-channel models ignore
    }
    if (from_noise) return ops::lincomb(ctx, {{solver.initial_scale(), &noise_t}});
    return add_noise(ctx, source, noise_t, solver.noising_level(plan.begin));
  }

  Image finish(Ctx& ctx, EditPlan& plan, const EditRequest& r, const TensorValue& latents,
               EditReport& report) {
    const auto& shape = latents.shape;
    const Planes z{int(shape[1]), int(shape[2]), int(shape[3]), latents.values};
    const Planes planes = within_memory(plan, r, "decode", plan.decode_tile, report,
                                        [&](int tile) { return decode_planes(ctx, z, tile); });
    const PixelType type = plan.image ? plan.image->type : PixelType::kU8;
    Image picture = from_planar_signed(planes.values.data(), 3, plan.padded_height,
                                       plan.padded_width, plan.width, plan.height, type);
    if (!plan.mask8 || plan.compat == Compat::kDiffusers) return picture;
    picture = composite(*plan.image, picture, *plan.mask8);
    report.kept_pixels = count_kept_and_verify(*plan.image, picture, *plan.mask8);
    return picture;
  }

  EditResult copy_of_source(const EditRequest& r, const EditPlan& plan, EditResult result) {
    result.report.is_copy = true;
    for (size_t picture = 0; picture < r.seeds.size(); ++picture) {
      Image copy = *plan.image;
      copy.text = {{kRecipeKey, make_recipe(net(), r, plan, picture)}};
      result.images.push_back(std::move(copy));
    }
    return result;
  }

  EditResult run(const EditRequest& r) {
    const auto began = Clock::now();
    Ctx ctx = context();
    EditPlan plan = make_plan(net(), r);
    plan.has_wrapper = bool(options.on_denoised);
    plan.measures_controls = options.measure_controls;
    EditResult result;
    result.report.warnings = plan.warnings;
    result.report.geometry = plan.geometry;
    result.report.n_calls = plan.n_calls;
    if (plan.mask8) {
      result.report.mask_coverage = coverage(*plan.mask8);
      if (result.report.mask_coverage == 0) {
        result.report.warnings.push_back("the mask is all black: nothing will be repainted");
      }
    }
    // Loads and checks controls before the long work, and for copies too: their recipe names them.
    const std::vector<ActiveControl> controls = load_controls(ctx, net(), plan, r, result.report);
    if (plan.n_calls == 0) return copy_of_source(r, plan, std::move(result));

    TextStates text;
    {
      Ctx own = ctx;
      const auto watch = observer(ctx, "text_encoder");
      own.observer = watch.get();
      text = encode_branches(own, net(), r, plan.guided, plan.steps_run);
    }
    if (options.on_trace) options.on_trace("context", to_value(ctx, text.context(ctx, 1)));
    result.report.warnings.insert(result.report.warnings.end(), text.warnings.begin(),
                                  text.warnings.end());
    const Guidance guidance = make_guidance(r, text);
    std::vector<float> moments;
    if (plan.image && !plan.image_is_latents) {
      moments = within_memory(plan, r, "encode", plan.encode_tile, result.report, [&](int tile) {
        return encode_moments(ctx, *plan.image, plan.padded_width, plan.padded_height, tile);
      });
    }
    result.report.prepare_seconds = seconds_since(began);
    std::vector<ControlTally> tallies(controls.size());
    for (size_t picture = 0; picture < r.seeds.size(); ++picture) {
      run_one(ctx, r, plan, guidance, text, {controls, tallies}, moments, picture, began, result);
    }
    add_tallies(tallies, result.report);
    return result;
  }

  std::function<Tensor(int, const NoiseLevel&, const Tensor&, const Tensor&)> denoised_hook(
      Ctx& ctx, const EditPlan& plan) {
    if (!options.on_denoised) return {};
    return [&](int step, const NoiseLevel& level, const Tensor& x, const Tensor& x0) {
      const TensorValue sample = to_value(ctx, x);
      TensorValue denoised = to_value(ctx, x0);
      options.on_denoised({.step = step,
                           .steps = plan.steps_run,
                           .alpha = level.alpha,
                           .sigma = level.sigma,
                           .timestep = level.timestep,
                           .sample = sample},
                          denoised);
      if (denoised.shape != sample.shape || denoised.values.size() != sample.values.size()) {
        throw Error(ErrorKind::kUsage, "the denoiser wrapper changed the shape of the latents");
      }
      return upload_latents(ctx, denoised.values, x.shape());
    };
  }

  void run_one(Ctx& ctx, const EditRequest& r, EditPlan& plan, const Guidance& guidance,
               TextStates& text, const ControlsAtWork& controls, const std::vector<float>& moments,
               size_t picture, Clock::time_point began, EditResult& result) {
    const auto solver = plan.scheduler->make(plan.solver_options);
    const NoiseLevel& first = solver->levels()[size_t(plan.begin)];
    result.report.steps_run = plan.n_calls;
    result.report.first_sigma = first.sigma / first.alpha;
    result.report.first_timestep = first.timestep;
    KeptRegion kept;
    const auto generator = make_generator(r.rng, r.seeds[is_one_draw(r) ? 0 : picture]);
    SamplerInput input{.model = net(),
                       .plan = plan,
                       .solver = *solver,
                       .guidance = guidance,
                       .text = text,
                       .x = start(ctx, plan, r, *solver, picture, moments, *generator, kept),
                       .controls = controls.units,
                       .tallies = &controls.tallies,
                       .kept = plan.mask8 ? &kept : nullptr,
                       .draw = [&] { return draw_latents(ctx, plan, r, picture, *generator); },
                       .on_step = {},
                       .on_denoised = denoised_hook(ctx, plan),
                       .trace = {}};
    if (options.on_step) {
      input.on_step = [&](int done, const NoiseLevel& level) {
        options.on_step({.step = done + int(picture) * plan.n_calls,
                         .steps = plan.n_calls * int(r.seeds.size()),
                         .sigma = level.sigma / level.alpha,
                         .seconds = seconds_since(began)});
      };
    }
    if (options.on_trace && picture == 0) {
      input.trace = [&](const std::string& network) { return observer(ctx, network); };
    }
    const auto sampling = Clock::now();
    const Tensor latents = sample(ctx, input);
    const TensorValue value = to_value(ctx, latents);  // waits for the device
    result.report.sample_seconds += seconds_since(sampling);
    settle_tallies(ctx, controls.tallies);
    result.latents.shape = value.shape;
    result.latents.shape[0] = int64_t(picture) + 1;
    result.latents.values.insert(result.latents.values.end(), value.values.begin(),
                                 value.values.end());
    const auto decoding = Clock::now();
    Image image = finish(ctx, plan, r, value, result.report);
    result.report.decode_seconds += seconds_since(decoding);
    image.text = {{kRecipeKey, make_recipe(net(), r, plan, picture)}};
    result.images.push_back(std::move(image));
  }
};

Session::Session(Model model, SessionOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options))) {}
Session::~Session() = default;

EditResult Session::run(const EditRequest& request) {
  if (request.compat != Compat::kDiffusers) return impl_->run(request);
  EditRequest r = request;
  r.mask_rule = MaskRule::kNearest;
  r.truncate = true;
  return impl_->run(r);
}

TensorValue Session::encode_text(const std::string& prompt) {
  Ctx ctx = impl_->context();
  return to_value(ctx, encode_prompt(ctx, impl_->net(), prompt));
}

TensorValue Session::encode(const Image& image, int vae_tile) {
  Ctx ctx = impl_->context();
  check_vae_tile(impl_->net(), vae_tile);
  const LatentSpec& spec = impl_->net().latent;
  const int f = spec.factor;
  const int w = (image.width + f - 1) / f * f, h = (image.height + f - 1) / f * f;
  const std::vector<float>& moments = impl_->encode_moments(ctx, image, w, h, vae_tile);
  return {{1, spec.channels, h / f, w / f}, posterior(moments, spec, nullptr)};
}

Image Session::decode(const TensorValue& latents, int vae_tile) {
  const LatentSpec& spec = impl_->net().latent;
  const auto& s = latents.shape;
  if (s.size() != 4 || s[0] < 1 || s[1] != spec.channels || s[2] < 1 || s[3] < 1 ||
      int64_t(latents.values.size()) != s[0] * s[1] * s[2] * s[3]) {
    throw Error(ErrorKind::kUsage, str("latents must be [B, ", spec.channels, ", h, w]"));
  }
  check_vae_tile(impl_->net(), vae_tile);
  Ctx ctx = impl_->context();
  const auto one = std::ptrdiff_t(s[1] * s[2] * s[3]);
  const std::vector<float> first(latents.values.begin(), latents.values.begin() + one);
  const Planes planes =
      impl_->decode_planes(ctx, {int(s[1]), int(s[2]), int(s[3]), first}, vae_tile);
  return from_planar_signed(planes.values.data(), 3, planes.height, planes.width, planes.width,
                            planes.height);
}

}  // namespace dedit
