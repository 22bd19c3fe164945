// The lexical half of Dockerfile instructions: lines, words, quotes, variables. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

using Environment = std::vector<std::string>;  // "NAME=value"

// Logical lines: `\` at an end joins the next, comment and empty lines fall out.
std::vector<std::string> dockerfile_lines(std::string_view text);
// Split at white space outside quotes; quotes and escapes stay.
std::vector<std::string> quoted_words(std::string_view text);
// Quotes and escapes removed, $NAME, ${NAME}, ${NAME:-word}, ${NAME-word}, ${NAME:+word}, ${NAME:?word} replaced.
Result<std::string> expand_word(std::string_view word, const Environment& environment);
// As expand_word, but white space outside quotes in the result splits it: EXPOSE and VOLUME.
Result<std::vector<std::string>> expand_words(std::string_view text, const Environment& environment);
// `a=b c="d e"`, or the old form `name the rest of the line`. instruction is for the error's text.
Result<std::vector<std::pair<std::string, std::string>>> key_values(std::string_view text,
                                                                    std::string_view instruction);

std::string_view trimmed(std::string_view text);

}  // namespace engine::storage
