#include "backend/cuda/gpu/gpu_device.h"

#include <algorithm>
#include <array>
#include <vector>

#include <cuda_runtime.h>

#include "backend/cuda/gpu/graph_cache.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

/// Work that failed on a GPU leaves nothing usable behind: the process has to start anew.
void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ErrorKind::kOther,
              str("cuda: ", what, " failed: ", cudaGetErrorString(status), " (",
                  cudaGetErrorName(status), ")"),
              "run it again, or use --device cpu; DEDIT_CUDA_GRAPHS=0 works without graphs");
}

class GpuDevice : public Device {
 public:
  explicit GpuDevice(int index) : index_(index) {
    make_current();
    check(cudaGetDeviceProperties(&properties_, index), "asking for the GPU's properties");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    for (cudaEvent_t& event : events_) {
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    }
  }
  ~GpuDevice() override {
    cudaSetDevice(index_);
    graphs_.clear();
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }

  std::string description() const override {
    return str(properties_.name, ", compute capability ", properties_.major, ".",
               properties_.minor);
  }
  int capability() const override { return properties_.major * 10 + properties_.minor; }
  int multiprocessors() const override { return properties_.multiProcessorCount; }
  Stream stream() const override { return stream_; }
  void make_current() override { check(cudaSetDevice(index_), "choosing the GPU"); }

  void* allocate(size_t bytes) override {
    void* p = nullptr;
    const cudaError_t status = cudaMalloc(&p, bytes);
    if (status != cudaErrorMemoryAllocation) check(status, "allocating memory");
    if (status != cudaSuccess) cudaGetLastError();  // or the next launch reports it again
    return p;
  }
  void deallocate(void* p) override {
    cudaStreamSynchronize(stream_);
    cudaFree(p);
  }
  size_t free_bytes() const override { return memory().first; }
  size_t total_bytes() const override { return properties_.totalGlobalMem; }

  void* allocate_pinned(size_t bytes) override {
    void* p = nullptr;
    const cudaError_t status = cudaMallocHost(&p, bytes);
    if (status != cudaErrorMemoryAllocation) check(status, "allocating pinned memory");
    if (status != cudaSuccess) cudaGetLastError();
    return p;
  }
  void deallocate_pinned(void* p) override { cudaFreeHost(p); }

  void copy_to_device(void* device, const void* host, size_t bytes) override {
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_),
          "a copy to the GPU");
  }
  void copy_to_host(void* host, const void* device, size_t bytes) override {
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_),
          "a copy from the GPU");
  }

  // An event serves again after kEvents marks; who asks for the older mark then asks for a later
  // one, behind which the older one's work is done too.
  uint64_t mark() override {
    ++last_mark_;
    check(cudaEventRecord(event_of(last_mark_), stream_), "a mark");
    return last_mark_;
  }
  bool has_passed(uint64_t mark) override {
    if (mark == 0) return true;
    const cudaError_t status = cudaEventQuery(event_of(mark));
    if (status == cudaErrorNotReady) return false;
    check(status, "work on the GPU");
    return true;
  }
  void wait(uint64_t mark) override {
    if (mark > 0) check(cudaEventSynchronize(event_of(mark)), "work on the GPU");
  }
  void synchronize() override { check(cudaStreamSynchronize(stream_), "work on the GPU"); }

  // Relaxed: memory may be allocated and kernels loaded meanwhile, and other threads' turns may
  // go on with it.
  void begin_recording() override {
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "beginning a graph");
  }
  void end_recording() override {
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream_, &graph), "ending a graph");
    const cudaError_t status = graphs_.launch(graph, stream_);
    cudaGraphDestroy(graph);
    check(status, "launching a graph");
  }

 private:
  static constexpr size_t kEvents = 16;

  cudaEvent_t event_of(uint64_t mark) const { return events_[mark % kEvents]; }
  std::pair<size_t, size_t> memory() const {
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) cudaGetLastError();
    return {free, total};
  }

  const int index_;
  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  std::array<cudaEvent_t, kEvents> events_{};
  uint64_t last_mark_ = 0;
  GraphCache graphs_;
};

}  // namespace

std::unique_ptr<Device> make_gpu_device(int index) {
  return std::make_unique<GpuDevice>(index);
}

}  // namespace dedit::cuda
