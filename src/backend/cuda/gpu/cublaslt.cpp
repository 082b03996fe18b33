#include "backend/cuda/gpu/cublaslt.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>

#include <cublasLt.h>

#include "core/str.h"

namespace dedit::cuda {
namespace {

/// The functions that are used, by the library's names.
struct Api {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) version;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmulDescCreate) make_product;
  decltype(&cublasLtMatmulDescSetAttribute) set_product;
  decltype(&cublasLtMatmulDescDestroy) free_product;
  decltype(&cublasLtMatrixLayoutCreate) make_layout;
  decltype(&cublasLtMatrixLayoutDestroy) free_layout;
  decltype(&cublasLtMatmulPreferenceCreate) make_preference;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtMatmulPreferenceDestroy) free_preference;
};

template <class F>
bool find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  return function != nullptr;
}

bool find_all(void* library, Api& api) {
  return find(library, "cublasLtCreate", api.create) &&
         find(library, "cublasLtDestroy", api.destroy) &&
         find(library, "cublasLtGetVersion", api.version) &&
         find(library, "cublasLtMatmul", api.matmul) &&
         find(library, "cublasLtMatmulAlgoGetHeuristic", api.heuristic) &&
         find(library, "cublasLtMatmulDescCreate", api.make_product) &&
         find(library, "cublasLtMatmulDescSetAttribute", api.set_product) &&
         find(library, "cublasLtMatmulDescDestroy", api.free_product) &&
         find(library, "cublasLtMatrixLayoutCreate", api.make_layout) &&
         find(library, "cublasLtMatrixLayoutDestroy", api.free_layout) &&
         find(library, "cublasLtMatmulPreferenceCreate", api.make_preference) &&
         find(library, "cublasLtMatmulPreferenceSetAttribute", api.set_preference) &&
         find(library, "cublasLtMatmulPreferenceDestroy", api.free_preference);
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error(str("cuBLASLt: ", what, " failed with status ", int(status)));
}

cudaDataType_t data_type(Type type) {
  return type == Type::kF32 ? CUDA_R_32F : type == Type::kBF16 ? CUDA_R_16BF : CUDA_R_16F;
}

/// What its choice of an algorithm depends on.
struct Form {
  int64_t rows, in, out;
  Type type;
  bool has_bias, has_residual;
  auto key() const { return std::tuple(rows, in, out, type, has_bias, has_residual); }
  bool operator<(const Form& o) const { return key() < o.key(); }
};

/// Row-major y [rows, out] = x [rows, in] w [out, in]^T is column-major y [out, rows] = w^T x with
/// w [in, out] and x [in, rows].
class Plan {
 public:
  Plan(const Api& api, cublasLtHandle_t handle, const Form& form, size_t workspace) : api_(api) {
    const cudaDataType_t type = data_type(form.type);
    // f32 is for checking: no tensor cores, whose products have 10 bits there.
    check(api.make_product(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    if (form.has_bias) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type);
    }
    const auto in = uint64_t(form.in), out = uint64_t(form.out), rows = uint64_t(form.rows);
    check(api.make_layout(&weights, type, in, out, form.in), "a layout");
    check(api.make_layout(&input, type, in, rows, form.in), "a layout");
    check(api.make_layout(&output, type, out, rows, form.out), "a layout");
    choose(handle, workspace);
  }
  ~Plan() {
    if (product) api_.free_product(product);
    for (const cublasLtMatrixLayout_t layout : {weights, input, output}) {
      if (layout) api_.free_layout(layout);
    }
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void set_bias(const void* bias) { set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias); }

  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t weights = nullptr, input = nullptr, output = nullptr;
  std::optional<cublasLtMatmulAlgo_t> algorithm;  ///< none: it has none for this form

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t name, const T& value) {
    check(api_.set_product(product, name, &value, sizeof value), "a product's attribute");
  }

  // The first of the library's own ranking, which depends on the form alone. Timing the first few
  // would find a faster one now and then, but another one from run to run, with other last bits.
  void choose(cublasLtHandle_t handle, size_t workspace) {
    cublasLtMatmulPreference_t preference = nullptr;
    check(api_.make_preference(&preference), "a preference");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
      return api_.set_preference(preference, name, &value, sizeof value);
    };
    constexpr uint32_t kAlignment = 16;  // of activations; of weights more
    // Parts of a sum that is split stay in f32.
    constexpr uint32_t kReduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulHeuristicResult_t found{};
    int n = 0;
    cublasStatus_t status = prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(workspace));
    for (const auto name :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      if (status == CUBLAS_STATUS_SUCCESS) status = prefer(name, kAlignment);
    }
    if (status == CUBLAS_STATUS_SUCCESS) {
      status = prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReduction);
    }
    if (status == CUBLAS_STATUS_SUCCESS) {
      status = api_.heuristic(handle, product, weights, input, output, output, preference, 1,
                              &found, &n);
    }
    api_.free_preference(preference);
    if (status == CUBLAS_STATUS_SUCCESS && n > 0 && found.state == CUBLAS_STATUS_SUCCESS) {
      algorithm = found.algo;
    }
  }

  const Api& api_;
};

class CublasLt : public Matmul {
 public:
  CublasLt(const Api& api, cublasLtHandle_t handle) : api_(api), handle_(handle) {}
  ~CublasLt() override {
    plans_.clear();
    api_.destroy(handle_);
  }

  std::string description() const override {
    const size_t v = api_.version();
    return str("cuBLASLt ", v / 10000, ".", v % 10000 / 100);
  }
  size_t workspace_bytes() const override { return size_t{32} << 20; }

  bool product(Stream stream, const ProductArgs& args, const void* bias, void* workspace) override {
    // Rows of 16 bytes, or its kernels are no faster than ours.
    if (args.channels * size_of(args.type) % 16 != 0 || args.out * size_of(args.type) % 16 != 0) {
      return false;
    }
    const Form form{.rows = args.batch * args.height * args.width,
                    .in = args.channels,
                    .out = args.out,
                    .type = args.type,
                    .has_bias = bias != nullptr,
                    .has_residual = args.residual != nullptr};
    Plan& plan = plans_.try_emplace(form, api_, handle_, form, workspace_bytes()).first->second;
    if (!plan.algorithm) return false;
    if (bias) plan.set_bias(bias);
    const float one = 1, residual = args.residual ? 1 : 0;
    const void* addend = args.residual ? args.residual : args.y;
    check(api_.matmul(handle_, plan.product, &one, args.weights, plan.weights, args.x, plan.input,
                      &residual, addend, plan.output, args.y, plan.output, &*plan.algorithm,
                      workspace, workspace_bytes(), static_cast<cudaStream_t>(stream)),
          "a product");
    return true;
  }

 private:
  Api api_;
  cublasLtHandle_t handle_;
  std::map<Form, Plan> plans_;
};

void* open_library() {
  const char* named = std::getenv("DEDIT_CUBLASLT");
  if (named && *named) {
    return std::strcmp(named, "0") == 0 ? nullptr : dlopen(named, RTLD_NOW | RTLD_LOCAL);
  }
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12"}) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Matmul> open_cublaslt() {
  void* library = open_library();  // stays open: its threads and handles end with the process
  if (!library) return nullptr;
  Api api{};
  cublasLtHandle_t handle = nullptr;
  if (!find_all(library, api) || api.create(&handle) != CUBLAS_STATUS_SUCCESS) return nullptr;
  return std::make_unique<CublasLt>(api, handle);
}

}  // namespace dedit::cuda
