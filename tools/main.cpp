// dedit: runs one command and turns what it throws into a message and an exit code.
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "app.h"
#include "interrupt.h"
#include "log.h"
#include "streams.h"

#include "dedit/error.h"

namespace {

int fail(const dedit::Error& error) {
  dedit::cli::report_error(error);
  return error.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  using dedit::Error;
  using dedit::ErrorKind;
  try {
    dedit::cli::claim_standard_streams();
    dedit::cli::start_log();
    dedit::cli::install_signal_handlers();
    const auto app = dedit::cli::make_app();
    dedit::cli::run_app(*app, std::vector<std::string>(argv + 1, argv + argc));
    return 0;
  } catch (const dedit::cli::ClosedPipe&) {
    return static_cast<int>(ErrorKind::kOutput);
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::bad_alloc&) {
    return fail(Error(ErrorKind::kMemory, "out of memory",
                      "make the picture or --batch smaller, or use --dtype bf16"));
  } catch (const std::exception& error) {
    return fail(Error(ErrorKind::kOther, std::string("unexpected: ") + error.what()));
  }
}
