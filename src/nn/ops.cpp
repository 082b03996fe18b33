#include "nn/ops.h"

#include <cstring>
#include <utility>

#include "core/str.h"

namespace dedit::ops {
namespace {

// Before every op, so that an interrupt takes effect within one op's time.
void check_cancel(const Ctx& ctx) {
  if (ctx.cancel) ctx.cancel->check();
}

// Our own invariants: a wrong shape here is a bug of a module or an unchecked input, and reading
// past a buffer is worse than an exception.
void require(bool condition, const char* op, const Shape& a, const Shape& b) {
  if (!condition) {
    throw Error(ErrorKind::kOther, str(op, ": shapes ", a.str(), " and ", b.str(), " do not fit"));
  }
}

void check_epilogue(const char* op, const Epilogue& e, const Shape& y) {
  if (e.residual) require(e.residual->shape() == y, op, e.residual->shape(), y);
  if (!e.row_bias) return;
  const Shape& r = e.row_bias->shape();
  require(r.rank() == 2 && r[1] == y[-1] && (r[0] == 1 || r[0] == y[0]), op, r, y);
}

Tensor make_result(Ctx& ctx, const Shape& shape, DType dtype, const Epilogue& e) {
  if (!e.into_residual) return ctx.pool.make(shape, dtype);
  DEDIT_ASSERT(e.residual && e.residual->dtype() == dtype);
  return *e.residual;
}

int64_t conv_size(int64_t in, int before, int after, const Conv2dParams& p) {
  return (in + before + after - p.kernel) / p.stride + 1;
}

}  // namespace

Tensor conv2d(Ctx& ctx, const ConvInput& input, const PackedWeight& w, const Conv2dParams& params,
              const Epilogue& epilogue) {
  check_cancel(ctx);
  ConvInput in = input;
  Tensor joined, normed, enlarged;
  if (in.concat && !ctx.backend.fuses(Fusion::kConvConcat, w)) {
    joined = concat(ctx, *in.x, *in.concat);
    in.x = &joined;
    in.concat = nullptr;
  }
  if (in.norm && !ctx.backend.fuses(Fusion::kConvNorm, w)) {
    DEDIT_ASSERT(!in.concat);
    normed = group_norm(ctx, *in.x, *in.norm);
    in.x = &normed;
    in.norm = nullptr;
  }
  if (in.upsample2x && !ctx.backend.fuses(Fusion::kConvUpsample, w)) {
    DEDIT_ASSERT(!in.concat && !in.norm);
    enlarged = upsample_nearest(ctx, *in.x, 2 * in.x->dim(1), 2 * in.x->dim(2));
    in.x = &enlarged;
    in.upsample2x = false;
  }
  const Shape& x = in.x->shape();
  const int64_t channels = x[3] + (in.concat ? in.concat->dim(3) : 0);
  require(x.rank() == 4 && channels == w.in, "conv2d", x, Shape{w.out, w.in});
  const int64_t scale = in.upsample2x ? 2 : 1;
  const Shape shape{x[0], conv_size(scale * x[1], params.pad.top, params.pad.bottom, params),
                    conv_size(scale * x[2], params.pad.left, params.pad.right, params), w.out};
  require(shape[1] > 0 && shape[2] > 0, "conv2d", x, shape);
  check_epilogue("conv2d", epilogue, shape);
  Tensor y = make_result(ctx, shape, in.x->dtype(), epilogue);
  ctx.backend.conv2d(in, w, params, epilogue, y);
  return y;
}

Tensor linear(Ctx& ctx, const Tensor& x, const PackedWeight& w, const Epilogue& epilogue) {
  check_cancel(ctx);
  require(x.dim(-1) == w.in, "linear", x.shape(), Shape{w.out, w.in});
  Shape shape = x.shape();
  shape.set(-1, w.out);
  check_epilogue("linear", epilogue, shape);
  Tensor y = make_result(ctx, shape, x.dtype(), epilogue);
  ctx.backend.linear(x, w, epilogue, y);
  return y;
}

Tensor group_norm(Ctx& ctx, const Tensor& x, const InputNorm& norm) {
  check_cancel(ctx);
  require(norm.gamma->numel() == x.dim(-1) && x.dim(-1) % norm.groups == 0, "group_norm", x.shape(),
          norm.gamma->shape());
  Tensor y = ctx.pool.make(x.shape(), x.dtype());
  ctx.backend.group_norm(x, norm, y);
  return y;
}

Tensor layer_norm(Ctx& ctx, const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps) {
  check_cancel(ctx);
  require(gamma.numel() == x.dim(-1), "layer_norm", x.shape(), gamma.shape());
  Tensor y = ctx.pool.make(x.shape(), x.dtype());
  ctx.backend.layer_norm(x, gamma, beta, eps, y);
  return y;
}

Tensor linear_geglu(Ctx& ctx, const Tensor& x, const PackedWeight& w) {
  check_cancel(ctx);
  require(x.dim(-1) == w.in && w.out % 2 == 0, "linear_geglu", x.shape(), Shape{w.out, w.in});
  Shape shape = x.shape();
  shape.set(-1, w.out / 2);
  if (ctx.backend.fuses(Fusion::kGeGlu, w)) {
    Tensor y = ctx.pool.make(shape, x.dtype());
    ctx.backend.linear(x, w, {.act = Act::kGeGlu}, y);
    return y;
  }
  const Tensor both = linear(ctx, x, w);
  Tensor y = ctx.pool.make(shape, x.dtype());
  ctx.backend.geglu(both, y);
  return y;
}

Tensor attention(Ctx& ctx, const Columns& q, const Columns& k, const Columns& v,
                 const AttentionParams& params) {
  check_cancel(ctx);
  const Shape& sq = q.tensor->shape();
  const Shape& sk = k.tensor->shape();
  require(q.width == k.width && k.width == v.width && q.width % params.heads == 0, "attention", sq,
          sk);
  require(sq[0] == sk[0] && sk[1] == v.tensor->dim(1), "attention", sk, v.tensor->shape());
  Tensor y = ctx.pool.make({sq[0], sq[1], q.width}, q.tensor->dtype());
  ctx.backend.attention(q, k, v, params, y);
  return y;
}

Tensor activation(Ctx& ctx, const Tensor& x, Act act) {
  check_cancel(ctx);
  Tensor y = ctx.pool.make(x.shape(), x.dtype());
  ctx.backend.activation(x, act, y);
  return y;
}

Tensor lincomb(Ctx& ctx, std::span<const Term> terms, DType dtype) {
  check_cancel(ctx);
  const Shape& shape = terms[0].x->shape();
  for (const Term& t : terms) require(t.x->shape() == shape, "lincomb", t.x->shape(), shape);
  Tensor y = ctx.pool.make(shape, dtype);
  ctx.backend.lincomb(terms, y);
  return y;
}

Tensor lincomb(Ctx& ctx, std::initializer_list<Term> terms) {
  return lincomb(ctx, std::span(terms.begin(), terms.size()), terms.begin()->x->dtype());
}

Tensor blend(Ctx& ctx, const Tensor& mask, const Tensor& a, const Tensor& b) {
  check_cancel(ctx);
  require(a.shape() == b.shape() && mask.shape() == Shape{1, a.dim(1), a.dim(2), 1}, "blend",
          mask.shape(), a.shape());
  Tensor y = ctx.pool.make(a.shape(), a.dtype());
  ctx.backend.blend(mask, a, b, y);
  return y;
}

Tensor upsample_nearest(Ctx& ctx, const Tensor& x, int64_t height, int64_t width) {
  check_cancel(ctx);
  Tensor y = ctx.pool.make({x.dim(0), height, width, x.dim(3)}, x.dtype());
  ctx.backend.upsample_nearest(x, y);
  return y;
}

Tensor concat(Ctx& ctx, const Tensor& a, const Tensor& b) {
  check_cancel(ctx);
  Shape shape = a.shape();
  shape.set(-1, b.dim(-1));
  require(shape == b.shape(), "concat", a.shape(), b.shape());
  shape.set(-1, a.dim(-1) + b.dim(-1));
  Tensor y = ctx.pool.make(shape, a.dtype());
  ctx.backend.concat(a, b, y);
  return y;
}

Tensor stack_rows(Ctx& ctx, std::span<const Tensor> parts) {
  Shape shape = parts[0].shape();
  int64_t rows = 0;
  for (const Tensor& p : parts) rows += p.dim(0);
  shape.set(0, rows);
  Tensor y = ctx.pool.make(shape, parts[0].dtype());
  int64_t first = 0;
  for (const Tensor& p : parts) {
    Tensor slot = y.rows(first, p.dim(0));
    const Term copy{1, &p};
    ctx.backend.lincomb({&copy, 1}, slot);
    first += p.dim(0);
  }
  return y;
}

Tensor repeat_rows(Ctx& ctx, const Tensor& x, int64_t rows) {
  if (x.dim(0) == rows) return x;
  require(rows % x.dim(0) == 0, "repeat_rows", x.shape(), Shape{rows});
  return stack_rows(ctx, std::vector<Tensor>(size_t(rows / x.dim(0)), x));
}

Tensor convert(Ctx& ctx, const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Term copy{1, &x};
  return lincomb(ctx, std::span(&copy, 1), dtype);
}

Tensor embed(Ctx& ctx, std::span<const int32_t> ids, int64_t batch, const Tensor& table,
             const Tensor& positions) {
  check_cancel(ctx);
  const int64_t tokens = int64_t(ids.size()) / batch;
  require(tokens <= positions.dim(0), "embed", positions.shape(), Shape{batch, tokens});
  for (int32_t id : ids) {
    if (id < 0 || id >= table.dim(0)) {
      throw Error(ErrorKind::kModel,
                  str("token ", id, " is outside the text encoder's vocabulary of ", table.dim(0)),
                  "the checkpoint's tokenizer and text encoder do not belong together");
    }
  }
  Tensor y = ctx.pool.make({batch, tokens, table.dim(1)}, ctx.dtype);
  ctx.backend.embed(ids, table, positions, y);
  return y;
}

void sum_of_squares(Ctx& ctx, const Tensor& x, Tensor& y) {
  check_cancel(ctx);
  require(y.numel() == 1 && y.dtype() == DType::kF64, "sum_of_squares", x.shape(), y.shape());
  ctx.backend.sum_of_squares(x, y);
}

Tensor upload(Ctx& ctx, const float* host, const Shape& shape, DType dtype) {
  Tensor y = ctx.pool.make(shape, dtype);
  ctx.backend.upload(host, y);
  return y;
}

std::vector<float> download(Ctx& ctx, const Tensor& x) {
  std::vector<float> host(size_t(x.numel()));
  ctx.backend.download(x, host.data());
  return host;
}

Tensor upload_nchw(Ctx& ctx, const float* nchw, const Shape& nhwc, DType dtype) {
  std::vector<float> host(size_t(nhwc.numel()));
  const int64_t plane = nhwc[1] * nhwc[2], channels = nhwc[3];
  for (int64_t b = 0; b < nhwc[0]; ++b) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < plane; ++p) {
        host[size_t((b * plane + p) * channels + c)] = nchw[(b * channels + c) * plane + p];
      }
    }
  }
  return upload(ctx, host.data(), nhwc, dtype);
}

std::vector<float> download_nchw(Ctx& ctx, const Tensor& x) {
  const std::vector<float> host = download(ctx, x);
  std::vector<float> nchw(host.size());
  const int64_t plane = x.dim(1) * x.dim(2), channels = x.dim(3);
  for (int64_t b = 0; b < x.dim(0); ++b) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < plane; ++p) {
        nchw[size_t((b * channels + c) * plane + p)] = host[size_t((b * plane + p) * channels + c)];
      }
    }
  }
  return nchw;
}

}  // namespace dedit::ops
