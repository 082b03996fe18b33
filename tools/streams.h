// Standard streams and output files: early checks, and writes that end with the right exit code.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "dedit/image.h"

namespace dedit::cli {

/// The reader of standard output has gone: the tool ends with exit code 9 and says nothing.
struct ClosedPipe {};

/// Where a picture goes.
struct OutputOptions {
  std::string path;  ///< `-` is standard output
  bool no_clobber = false;
  bool force = false;  ///< picture bytes even onto a terminal
};

/// -o/--output, --no-clobber, --force. `help` says what is written.
void add_output_options(CLI::App& app, OutputOptions& options, const std::string& help);

/// Opens the standard descriptors that the caller closed, in the direction that cannot work, so
/// that no file of ours takes their number.
void claim_standard_streams();

/// Text to standard output. Throws ClosedPipe, or Error(kOutput).
void print(const std::string& text);

/// A prompt from a file or, for `-`, standard input, without the line ends at its end. Throws
/// Error(kInput), also for more than kMaxPromptBytes.
std::string read_prompt(const std::string& path);
inline constexpr size_t kMaxPromptBytes = 1 << 20;

/// Before any work: throws Error(kOutput) if the folder is missing or not writable, the path is a
/// folder, or the file exists and may not be replaced.
void check_writable(const std::string& path, bool no_clobber);

/// The same for a picture: also its extension, and that it does not go to a terminal unasked.
void check_picture_output(const OutputOptions& options);

/// Throws Error(kUsage) if more than one of `inputs` is `-`.
void check_one_stdin(const std::vector<std::string>& inputs);

/// save_image with the promises above. Throws ClosedPipe, or what save_image throws.
void write_picture(const Image& image, const OutputOptions& options);

}  // namespace dedit::cli
