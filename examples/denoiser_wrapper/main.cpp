// Classifier guidance by a function of one's own: a picture drawn towards a colour.
//   denoiser_wrapper "a house" 220,40,40 out.png
//
// The classifier says how likely clean latents z have the wanted mean c in each channel:
//   log p(c | z) = -n / 2 * |mean(z) - c|^2, n values a channel.
// Its gradient with respect to z is c - mean(z), the same everywhere in a channel. With the clean
// estimate in the place of the noisy sample (Bansal et al. 2023, arXiv:2302.07121), the rule
//   denoised += s * sigma^2 / alpha * gradient
// is what on_denoised does below. s is capped so that a step never goes past the colour.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "dedit/dedit.h"

namespace {

using Means = std::vector<double>;

Means channel_means(const dedit::TensorValue& latents) {
  const size_t channels = size_t(latents.shape[1]), n = latents.values.size() / channels;
  Means means(channels);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < n; ++i) means[c] += latents.values[c * n + i] / double(n);
  }
  return means;
}

/// What a picture of nothing but this colour looks like to the model.
Means means_of_colour(dedit::Session& encoder, int side, const int (&rgb)[3]) {
  dedit::Image flat(side, side, 3);
  for (size_t i = 0; i < flat.data.size(); ++i) flat.data[i] = std::byte(rgb[i % 3]);
  return channel_means(encoder.encode(flat));
}

void draw_towards(const Means& wanted, double scale, const dedit::DenoiserCall& call,
                  dedit::TensorValue& denoised) {
  const double share = std::min(1.0, scale * call.sigma * call.sigma / std::max(call.alpha, 1e-3));
  const Means means = channel_means(denoised);
  const size_t n = denoised.values.size() / means.size();
  for (size_t c = 0; c < means.size(); ++c) {
    const auto push = float(share * (wanted[c] - means[c]));
    for (size_t i = 0; i < n; ++i) denoised.values[c * n + i] += push;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int rgb[3] = {};
  if (argc != 4 || std::sscanf(argv[2], "%d,%d,%d", &rgb[0], &rgb[1], &rgb[2]) != 3) {
    std::fprintf(stderr, "usage: denoiser_wrapper PROMPT R,G,B OUTPUT\n");
    return 2;
  }
  try {
    const dedit::Model model = dedit::Model::load("");
    dedit::Session encoder(model);
    const Means wanted = means_of_colour(encoder, model.native_size(), rgb);
    dedit::SessionOptions options;
    options.on_denoised = [&](const dedit::DenoiserCall& call, dedit::TensorValue& denoised) {
      draw_towards(wanted, 0.5, call, denoised);
    };
    dedit::Session session(model, options);
    dedit::EditRequest request;
    request.prompt = argv[1];
    request.scheduler = "ddim";
    request.steps = 10;
    dedit::save_image(session.run(request).images.front(), argv[3]);
    return 0;
  } catch (const dedit::Error& error) {
    std::fprintf(stderr, "%s\n%s\n", error.what(), error.hint().c_str());
    return error.exit_code();
  }
}
