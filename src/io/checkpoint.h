// Checkpoint: a model on disk under canonical names, whatever its layout. Weights: the scoped view
// that modules are built from, which keeps account of what was asked for.
//
// Canonical names are diffusers' module names under a component prefix: "unet.conv_in.weight",
// "vae.decoder...", "text_encoder.text_model...", "controlnet....".
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/weight_view.h"
#include "io/safetensors.h"

namespace dedit {

enum class Layout { kDiffusers, kCompVis };

class Component;

/// Scoped, counting view of one component's tensors. Copies share the account; one thread.
class Weights {
 public:
  Weights operator/(std::string_view scope) const;
  Weights operator/(int64_t index) const;
  /// The tensor `leaf` in this scope, ticked off. If it is missing or has another shape, that is
  /// recorded and a view without data is returned. [O, I, 1, 1] and [O, I] stand for each other
  /// only where the key layout says so (the VAE's attention in CompVis files).
  WeightView get(std::string_view leaf, const Shape& shape) const;
  bool has(std::string_view leaf) const;
  /// "up_blocks.0.resnets.1." with its trailing dot; empty at the root.
  const std::string& scope() const { return scope_; }

 private:
  friend class Component;
  struct Account;
  std::shared_ptr<Account> account_;
  std::string scope_;
};

/// One network of a checkpoint: its tensors by canonical name (without the component prefix) and
/// its config.json (text; empty where the layout has none).
class Component {
 public:
  std::string name;         ///< "unet", "vae", "text_encoder", "controlnet"
  std::string source;       ///< path for messages: the file or folder
  std::string config_json;  ///< "" for CompVis files
  std::map<std::string, WeightView, std::less<>> tensors;
  std::vector<std::shared_ptr<const SafetensorsFile>> files;  ///< keep the mappings alive

  /// A fresh account.
  Weights weights() const;
  /// Throws Error(kModel) with all missing, misshapen and unused tensors of this account (first
  /// five of each and a count), and the hint "this looks like <looks_like>", unless there are none.
  static void check(const Weights& root, const std::string& looks_like);
  /// Dtype of most elements.
  DType dtype() const;
  int64_t n_parameters() const;
};

class Checkpoint {
 public:
  /// Opens a diffusers folder (single, sharded `*.index.json`, and `fp16` variant files) or a
  /// CompVis single file of SD 1.x. Throws Error(kModel) naming the path and what was looked for.
  static Checkpoint open(const std::string& path);

  const std::string& path() const { return path_; }
  Layout layout() const { return layout_; }
  bool has(std::string_view component) const;
  /// Throws Error(kModel) if the checkpoint lacks it.
  const Component& component(std::string_view name) const;
  const std::map<std::string, Component, std::less<>>& components() const { return components_; }
  /// scheduler/scheduler_config.json, or "".
  const std::string& scheduler_json() const { return scheduler_json_; }
  /// Folder with merges.txt and vocab.json, or "" (then the built-in CLIP tables serve).
  const std::string& tokenizer_dir() const { return tokenizer_dir_; }
  /// Tensors that belong to no component (EMA copies, training state): names.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  static Checkpoint open_folder(const std::string& path);
  static Checkpoint open_single_file(const std::string& path);

  std::string path_;
  Layout layout_ = Layout::kDiffusers;
  std::map<std::string, Component, std::less<>> components_;
  std::string scheduler_json_;
  std::string tokenizer_dir_;
  std::vector<std::string> unknown_;
};

/// A ControlNet alone: a diffusers folder or file, or a `control_model.*` single file (the prefix
/// may be absent). Throws Error(kModel), naming what the file is instead (LoRA, T2I-Adapter ...).
Component open_controlnet(const std::string& path);

/// What the shapes say, for hints: "Stable Diffusion 2.x (cross-attention width 1024)".
std::string looks_like(const Component& component);

/// SHA-256 in hex over each file's header and 64 evenly spaced 4-KiB blocks of its data (all of a
/// smaller file's), files in the order of the components. It tells trainings apart at the cost of
/// 256 KiB read, does not depend on paths, and is no proof against tampering.
std::string fingerprint(const Checkpoint& checkpoint);
std::string fingerprint(const Component& component);

}  // namespace dedit
