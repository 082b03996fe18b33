#include "op_times.h"

#include <algorithm>
#include <functional>

#include <cuda_runtime_api.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/gpu/cublaslt.h"
#include "backend/cuda/gpu/gpu_device.h"
#include "ops/job.h"

#include "dedit/error.h"

namespace dedit::bench {
namespace {

constexpr double kGib = 1 << 30;

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw Error(ErrorKind::kOther, std::string(what) + ": " + cudaGetErrorString(status));
  }
}

/// A backend on a queue of its own that launches at once, so that this file can capture it.
struct Target {
  Target(int gpu, DType dtype, bool with_library) {
    std::unique_ptr<cuda::Device> device = cuda::make_gpu_device(gpu);
    device->make_current();
    stream = static_cast<cudaStream_t>(device->stream());
    std::unique_ptr<cuda::Matmul> library = with_library ? cuda::open_cublaslt() : nullptr;
    has_library = library != nullptr;
    backend = std::make_unique<cuda::CudaBackend>(
        std::move(device), cuda::Queue::Options{.records = false}, std::move(library));
    pool = std::make_unique<Pool>(backend->memory());
    ctx = std::make_unique<Ctx>(Ctx{.backend = *backend, .pool = *pool, .dtype = dtype});
  }

  std::unique_ptr<Backend> backend;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<Ctx> ctx;
  cudaStream_t stream = nullptr;
  bool has_library = false;
};

/// `n` calls as a graph, launched `launches` times: the median's seconds of one call.
double seconds_of(Target& target, const std::function<void()>& call, int n, int launches) {
  for (int i = 0; i < 2; ++i) call();  // plans, loads kernels, fills the pool
  check(cudaStreamSynchronize(target.stream), "an operation");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t runnable = nullptr;
  check(cudaStreamBeginCapture(target.stream, cudaStreamCaptureModeRelaxed), "beginning a graph");
  for (int i = 0; i < n; ++i) call();
  check(cudaStreamEndCapture(target.stream, &graph), "ending a graph");
  check(cudaGraphInstantiate(&runnable, graph, 0), "building a graph");
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin), "an event");
  check(cudaEventCreate(&end), "an event");
  std::vector<float> times;
  for (int i = 0; i <= launches; ++i) {  // the first one warms up
    check(cudaEventRecord(begin, target.stream), "an event");
    check(cudaGraphLaunch(runnable, target.stream), "a graph");
    check(cudaEventRecord(end, target.stream), "an event");
    check(cudaEventSynchronize(end), "an operation");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "an event");
    if (i > 0) times.push_back(ms);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaGraphExecDestroy(runnable);
  cudaGraphDestroy(graph);
  std::nth_element(times.begin(), times.begin() + launches / 2, times.end());
  return double(times[size_t(launches / 2)]) / 1e3 / n;
}

}  // namespace

struct OpTimer::Impl {
  Impl(int gpu, DType dtype, int repeats_)
      : with_library(gpu, dtype, true), own(gpu, dtype, false), repeats(repeats_) {}

  double product_rate(Target& target) const {
    OpShape shape;
    shape.kind = Kind::kLinear;
    shape.height = shape.in = shape.out = target.ctx->dtype == DType::kF32 ? 4096 : 8192;
    Job job(*target.ctx, shape);
    return shape.flops() / seconds_of(
                               target, [&] { job.run(); }, 4, 5);
  }

  Target with_library;  // as the product has it
  Target own;           // our kernels alone
  int repeats;
};

OpTimer::OpTimer(int gpu, DType dtype, int repeats)
    : impl_(std::make_unique<Impl>(gpu, dtype, repeats)) {}
OpTimer::~OpTimer() = default;

std::string OpTimer::description() const {
  return impl_->with_library.backend->description();
}

Peak OpTimer::peak() {
  Peak peak;
  peak.own = impl_->product_rate(impl_->own);
  if (impl_->with_library.has_library) peak.library = impl_->product_rate(impl_->with_library);
  return peak;
}

std::map<std::string, FamilyTime> OpTimer::run(const Pass& pass) {
  std::map<std::string, FamilyTime> families;
  Target& target = impl_->with_library;
  for (const OpShape& shape : pass.ops) {
    Job job(*target.ctx, shape);
    const double seconds = seconds_of(
        target, [&] { job.run(); }, impl_->repeats, 3);
    FamilyTime& family = families[shape.family];
    family.calls += shape.count;
    family.seconds += shape.count * seconds;
    family.flops += shape.count * shape.flops();
    family.bytes += shape.count * shape.bytes(double(size_of(target.ctx->dtype)));
  }
  return families;
}

double gpu_memory_gib(int gpu) {
  size_t free = 0, total = 0;
  check(cudaSetDevice(gpu), "choosing the GPU");
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's memory");
  return double(total - free) / kGib;
}

}  // namespace dedit::bench
