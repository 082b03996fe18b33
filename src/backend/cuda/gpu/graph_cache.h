// GraphCache: executable graphs of earlier recordings, for those that come after.
#pragma once

#include <cstdint>
#include <vector>

#include <cuda_runtime.h>

namespace dedit::cuda {

/// Steps of a sampling loop repeat a few forms: with and without controls, with one or two
/// branches. One executable graph is kept for each (a few hundred kilobytes), found by the kinds of
/// its nodes; a recording of the same form sets its arguments anew, which costs a microsecond a
/// node where building it costs ten.
class GraphCache {
 public:
  GraphCache() = default;
  ~GraphCache() { clear(); }
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  /// Queues the graph, which the caller may destroy afterwards.
  cudaError_t launch(cudaGraph_t graph, cudaStream_t stream);
  void clear();

 private:
  static constexpr size_t kMost = 8;
  struct Entry {
    std::vector<cudaGraphNodeType> kinds;
    cudaGraphExec_t graph = nullptr;
    uint64_t last_use = 0;
  };

  cudaError_t build(cudaGraph_t graph, cudaStream_t stream, Entry& entry);
  Entry& slot(std::vector<cudaGraphNodeType> kinds);

  std::vector<Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace dedit::cuda
