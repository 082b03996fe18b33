// Errors of the library: one exception type whose kind is the tool's exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace dedit {

/// What went wrong, as a caller can act on it. The values are the exit codes of the `dedit` tool.
enum class ErrorKind {
  kOther = 1,            ///< anything else, our own bugs included
  kUsage = 2,            ///< unknown or impossible values, inputs that do not fit each other
  kInput = 3,            ///< an input is missing or unreadable
  kModel = 4,            ///< a model is missing, corrupt or of the wrong family
  kMemory = 5,           ///< out of memory or over the stated budget
  kVerification = 6,     ///< a verification failed (kept pixels changed)
  kFidelity = 7,         ///< structure fidelity below the bound asked for
  kNotReproducible = 8,  ///< the recipe cannot be reproduced here
  kOutput = 9,           ///< the output cannot be written
  kInterrupted = 130,    ///< SIGINT or a cancelled token
  kTerminated = 143,     ///< SIGTERM
};

/// One sentence saying what happened (lower case, no final period) and the next step to take.
class Error : public std::runtime_error {
 public:
  explicit Error(ErrorKind kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }
  /// What the user can do next; may be empty.
  const std::string& hint() const { return hint_; }

 private:
  ErrorKind kind_;
  std::string hint_;
};

}  // namespace dedit
