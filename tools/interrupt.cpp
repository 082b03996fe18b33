#include "interrupt.h"

#include <atomic>
#include <signal.h>
#include <unistd.h>

namespace dedit::cli {
namespace {

CancelToken token;
std::atomic<int> n_cancellable{0};

extern "C" void on_signal(int number) {
  const ErrorKind why = number == SIGTERM ? ErrorKind::kTerminated : ErrorKind::kInterrupted;
  if (n_cancellable.load() == 0 || token.is_cancelled()) _exit(static_cast<int>(why));
  token.cancel(why);
}

// Weights are used where their file is mapped: reading what a mapped file no longer holds, or its
// disk no longer gives, raises SIGBUS. Only write() and _exit() are allowed here; no output file is
// open while a network runs.
extern "C" void on_bus_error(int) {
  constexpr char kWords[] =
      "dedit: a model file was cut short or became unreadable while it was in use; replace models "
      "by renaming a finished copy over them\n";
  static_cast<void>(!::write(STDERR_FILENO, kWords, sizeof(kWords) - 1));
  _exit(static_cast<int>(ErrorKind::kModel));
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = on_bus_error;
  sigaction(SIGBUS, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

const CancelToken& cancel_token() {
  return token;
}

Cancellable::Cancellable() {
  ++n_cancellable;
}
Cancellable::~Cancellable() {
  --n_cancellable;
}

}  // namespace dedit::cli
