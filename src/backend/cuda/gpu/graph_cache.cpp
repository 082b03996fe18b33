#include "backend/cuda/gpu/graph_cache.h"

#include <algorithm>

namespace dedit::cuda {
namespace {

// In the order of recording.
cudaError_t kinds_of(cudaGraph_t graph, std::vector<cudaGraphNodeType>& kinds) {
  size_t n = 0;
  cudaError_t status = cudaGraphGetNodes(graph, nullptr, &n);
  std::vector<cudaGraphNode_t> nodes(n);
  if (status == cudaSuccess && n > 0) status = cudaGraphGetNodes(graph, nodes.data(), &n);
  kinds.resize(n);
  for (size_t i = 0; i < n && status == cudaSuccess; ++i) {
    status = cudaGraphNodeGetType(nodes[i], &kinds[i]);
  }
  return status;
}

}  // namespace

cudaError_t GraphCache::launch(cudaGraph_t graph, cudaStream_t stream) {
  std::vector<cudaGraphNodeType> kinds;
  cudaError_t status = kinds_of(graph, kinds);
  if (status != cudaSuccess || kinds.empty()) return status;
  Entry& entry = slot(std::move(kinds));
  entry.last_use = ++uses_;
  cudaGraphExecUpdateResultInfo result{};
  if (!entry.graph || cudaGraphExecUpdate(entry.graph, graph, &result) != cudaSuccess) {
    cudaGetLastError();  // that it cannot be updated is no error
    status = build(graph, stream, entry);
    if (status != cudaSuccess) return status;
  }
  return cudaGraphLaunch(entry.graph, stream);
}

void GraphCache::clear() {
  for (const Entry& entry : entries_) {
    if (entry.graph) cudaGraphExecDestroy(entry.graph);
  }
  entries_.clear();
}

cudaError_t GraphCache::build(cudaGraph_t graph, cudaStream_t stream, Entry& entry) {
  if (entry.graph) {
    // It may still run.
    if (const cudaError_t status = cudaStreamSynchronize(stream); status != cudaSuccess) {
      return status;
    }
    cudaGraphExecDestroy(entry.graph);
    entry.graph = nullptr;
  }
  return cudaGraphInstantiate(&entry.graph, graph, 0);
}

// The form's entry, else an empty one in place of the one unused for longest.
GraphCache::Entry& GraphCache::slot(std::vector<cudaGraphNodeType> kinds) {
  const auto same = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.kinds == kinds; });
  if (same != entries_.end()) return *same;
  if (entries_.size() < kMost) return entries_.emplace_back(Entry{std::move(kinds), nullptr, 0});
  Entry& oldest =
      *std::min_element(entries_.begin(), entries_.end(),
                        [](const Entry& a, const Entry& b) { return a.last_use < b.last_use; });
  oldest.kinds = std::move(kinds);  // its graph is updated or built anew
  return oldest;
}

}  // namespace dedit::cuda
