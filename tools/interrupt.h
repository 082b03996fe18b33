// SIGINT and SIGTERM: the first asks a cancellable run to stop, the second ends the process.
// SIGBUS: a model file changed under its mapping; ends the process with 4 and a sentence.
#pragma once

#include "dedit/cancel.h"

namespace dedit::cli {

/// Installs the handlers and ignores SIGPIPE, so that a closed pipe is an error of the write.
void install_signal_handlers();

/// What a signal sets.
const CancelToken& cancel_token();

/// While one lives, the first signal only sets the token; otherwise a signal ends the process at
/// once with 130 or 143, because nothing is half done.
class Cancellable {
 public:
  Cancellable();
  ~Cancellable();
  Cancellable(const Cancellable&) = delete;
  Cancellable& operator=(const Cancellable&) = delete;
};

}  // namespace dedit::cli
