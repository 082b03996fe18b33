// How prompts are read.
#pragma once

namespace dedit {

enum class PromptSyntax {
  kPlain,  ///< every character is text, as the reference
  /// The common web UI's: weights `(a)`, `[a]`, `(a:1.3)`, escapes `\(`, `BREAK`, schedules
  /// `[a:b:0.5]`, alternation `[a|b]`, and, in the positive prompt, composition `a AND b:0.5`.
  kWebui,
};

}  // namespace dedit
