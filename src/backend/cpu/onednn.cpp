// The only file that includes dnnl.hpp. Speaks the 2.x and the 3.x API.
#include "backend/cpu/onednn.h"

#include <deque>
#include <map>
#include <mutex>
#include <omp.h>
#include <string>
#include <vector>

#include <dnnl.hpp>

#include "backend/cpu/jobs.h"
#include "backend/cpu/memory.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {
namespace {

using dnnl::memory;

/// oneDNN plans and runs for one thread while this lives.
class OneThread {
 public:
  OneThread() : saved_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(saved_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_;
};

[[noreturn]] void rethrow(const dnnl::error& e, const char* what) {
  if (e.status == dnnl_out_of_memory) {
    throw Error(ErrorKind::kMemory, str("cpu: out of memory in ", what), "use a smaller picture");
  }
  throw Error(ErrorKind::kOther, str("cpu: oneDNN cannot ", what, ": ", e.what()));
}

memory::data_type type_of(DType t) {
  return t == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

memory::dims weight_dims(const BlockShape& s) {
  if (s.is_matmul) return {s.in, s.out};
  return {s.out, s.in, s.kernel, s.kernel};
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);  // f32 products are never done in bf16
  return attr;
}

/// The primitive descriptor of one kind of product, whatever the kind.
struct Descriptors {
  dnnl::primitive primitive;
  memory::desc x, w, y, scratch;
  std::string implementation;

  template <class Product>
  static Descriptors of(const typename Product::primitive_desc& pd) {
    return {Product(pd),   pd.src_desc(),        pd.weights_desc(),
            pd.dst_desc(), pd.scratchpad_desc(), pd.impl_info_str()};
  }
};

Descriptors describe_matmul(const BlockShape& s, const memory::desc& w,
                            const dnnl::engine& engine) {
  const memory::desc x({s.height, s.in}, type_of(s.dtype), memory::format_tag::ab);
  const memory::desc y({s.height, s.out}, memory::data_type::f32, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc pd(engine, x, w, y, attributes());
#else
  const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(x, w, y), attributes(), engine);
#endif
  return Descriptors::of<dnnl::matmul>(pd);
}

Descriptors describe_conv(const BlockShape& s, const memory::desc& w, const dnnl::engine& engine) {
  using Conv = dnnl::convolution_forward;
  const memory::desc x({1, s.in, s.height, s.width}, type_of(s.dtype), memory::format_tag::nhwc);
  const memory::desc y({1, s.out, s.out_height(), s.out_width()}, memory::data_type::f32,
                       memory::format_tag::nhwc);
  const memory::dims strides = {s.stride, s.stride};
  const memory::dims before = {s.pad_top, s.pad_left}, after = {s.pad_bottom, s.pad_right};
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  const Conv::primitive_desc pd(engine, kind, algorithm, x, w, y, strides, before, after,
                                attributes());
#else
  const Conv::primitive_desc pd(Conv::desc(kind, algorithm, x, w, y, strides, before, after),
                                attributes(), engine);
#endif
  return Descriptors::of<Conv>(pd);
}

Descriptors describe_for_one_thread(const BlockShape& s, const memory::desc& w,
                                    const dnnl::engine& engine) {
  const OneThread one;
  return s.is_matmul ? describe_matmul(s, w, engine) : describe_conv(s, w, engine);
}

memory::desc any_weights(const BlockShape& s) {
  return {weight_dims(s), type_of(s.dtype), memory::format_tag::any};
}

/// Rows of the checkpoint, [out, in * kernel * kernel] f32, as this primitive's weights.
memory::desc plain_weights(const BlockShape& s) {
  const auto tag = s.is_matmul ? memory::format_tag::ba : memory::format_tag::oihw;
  return {weight_dims(s), memory::data_type::f32, tag};
}

}  // namespace

class Primitive {
 public:
  Descriptors d;
};

class Layout {
 public:
  /// Memory objects are made here once: making one may touch its padding.
  Layout(const memory::desc& desc, int64_t n_blocks, const dnnl::engine& engine)
      : md(desc), stride((desc.get_size() + 63) / 64 * 64) {
    bytes = stride * size_t(n_blocks);
    data = make_host_array<std::byte>(bytes);
    blocks.reserve(size_t(n_blocks));
    for (int64_t i = 0; i < n_blocks; ++i) {
      blocks.emplace_back(md, engine, data.get() + size_t(i) * stride);
    }
  }

  memory::desc md;
  size_t stride = 0;
  size_t bytes = 0;
  HostArray<std::byte> data;
  std::vector<memory> blocks;
};

class PackedBlocks {
 public:
  std::mutex mutex;            // guards the growth of layouts
  std::deque<Layout> layouts;  // the first is the packed one; others only where a shape asks
};

struct OneDnn::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::mutex mutex;
  std::map<BlockShape, std::unique_ptr<Primitive>> primitives;

  /// Prefers the packed layout where the same implementation takes it.
  const Primitive& primitive(const BlockShape& shape, const memory::desc& packed) {
    const std::lock_guard lock(mutex);
    std::unique_ptr<Primitive>& p = primitives[shape];
    if (p) return *p;
    Descriptors best = describe_for_one_thread(shape, any_weights(shape), engine);
    if (best.w != packed) {
      try {
        Descriptors same = describe_for_one_thread(shape, packed, engine);
        if (same.implementation == best.implementation) best = std::move(same);
      } catch (const dnnl::error&) {  // this implementation does not take the packed layout
      }
    }
    p = std::make_unique<Primitive>(Primitive{std::move(best)});
    return *p;
  }
};

OneDnn::OneDnn() : state_(std::make_unique<State>()) {}
OneDnn::~OneDnn() = default;

std::shared_ptr<PackedBlocks> OneDnn::pack(const BlockShape& shape, int64_t n_blocks,
                                           const ReadRows& read) try {
  const dnnl::engine& engine = state_->engine;
  const Descriptors d = describe_for_one_thread(shape, any_weights(shape), engine);
  auto packed = std::make_shared<PackedBlocks>();
  Layout& layout = packed->layouts.emplace_back(d.w, n_blocks, engine);
  const memory::desc plain = plain_weights(shape);
  const dnnl::reorder reorder(dnnl::reorder::primitive_desc(engine, plain, engine, d.w));
  run_jobs(n_blocks, [&](int64_t i) {
    const OneThread one_here;
    const auto rows = make_host_array<float>(plain.get_size() / sizeof(float));
    read(i * shape.out, shape.out, rows.get());
    memory from(plain, engine, rows.get());
    dnnl::stream stream(engine);
    reorder.execute(stream, from, layout.blocks[size_t(i)]);
    stream.wait();
  });
  return packed;
} catch (const dnnl::error& e) {
  rethrow(e, "pack weights");
}

size_t OneDnn::bytes(const PackedBlocks& weights) {
  return weights.layouts.front().bytes;
}

Plan OneDnn::plan(const BlockShape& shape, PackedBlocks& weights) try {
  const std::lock_guard lock(weights.mutex);
  const Primitive& p = state_->primitive(shape, weights.layouts.front().md);
  Plan plan{&p, nullptr, p.d.scratch.get_size()};
  for (const Layout& layout : weights.layouts) {
    if (layout.md == p.d.w) plan.layout = &layout;
  }
  if (plan.layout) return plan;
  const OneThread one;
  const Layout& from = weights.layouts.front();
  Layout to(p.d.w, int64_t(from.blocks.size()), state_->engine);
  dnnl::stream stream(state_->engine);
  for (size_t i = 0; i < from.blocks.size(); ++i) {
    memory source = from.blocks[i];
    dnnl::reorder(source, to.blocks[i]).execute(stream, source, to.blocks[i]);
  }
  stream.wait();
  plan.layout = &weights.layouts.emplace_back(std::move(to));
  return plan;
} catch (const dnnl::error& e) {
  rethrow(e, "plan a product");
}

void OneDnn::run(const Plan& plan, int64_t block, const void* x, float* y, void* scratch) const
    try {
  const OneThread one;
  const Descriptors& d = plan.primitive->d;
  const dnnl::engine& engine = state_->engine;
  dnnl::stream stream(engine);
  const memory input(d.x, engine, const_cast<void*>(x));  // read only; the API has no const
  const memory output(d.y, engine, y);
  const memory work(d.scratch, engine, scratch);
  d.primitive.execute(stream, {{DNNL_ARG_SRC, input},
                               {DNNL_ARG_WEIGHTS, plan.layout->blocks[size_t(block)]},
                               {DNNL_ARG_DST, output},
                               {DNNL_ARG_SCRATCHPAD, work}});
  stream.wait();
} catch (const dnnl::error& e) {
  rethrow(e, "run a product");
}

void cap_onednn(kernels::IsaLevel level) {
  dnnl::cpu_isa isa = dnnl::cpu_isa::avx2;
  if (level == kernels::IsaLevel::kAvx512) isa = dnnl::cpu_isa::avx512_core;
  if (level == kernels::IsaLevel::kAvx512Bf16) isa = dnnl::cpu_isa::avx512_core_bf16;
  if (level == kernels::IsaLevel::kAmx) isa = dnnl::cpu_isa::avx512_core_amx;
  if (dnnl::set_max_cpu_isa(isa) != dnnl::status::success) {
    throw Error(ErrorKind::kOther, "cpu: oneDNN refuses an instruction set cap",
                "unset DEDIT_MAX_ISA");
  }
}

const char* onednn_version() {
  static const std::string version = [] {
    const dnnl_version_t* v = dnnl::version();
    return str(v->major, ".", v->minor, ".", v->patch);
  }();
  return version.c_str();
}

}  // namespace dedit::cpu
