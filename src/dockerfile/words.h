// The ways in which the words of an instruction are told apart: at blanks, at blanks outside of
// quotes, as flags in front, as a JSON array, as here-documents. Quotes stay but for flags;
// variables stay everywhere. Internal to this folder.
#pragma once

#include "dockerfile/instruction.h"

namespace shoal::dockerfile {

bool is_blank(char c);
std::string_view trim_left(std::string_view text);

/// "COPY" and the rest behind it.
std::pair<std::string_view, std::string_view> split_name(std::string_view line);

struct FlagsAndRest {
    std::vector<std::string> flags; ///< "--chown=1:2", quotes and escapes taken away
    std::string_view rest;
};
/// The words at the front that begin with "--"; "--" alone ends them.
FlagsAndRest split_flags(std::string_view text, char escape);
Flag parse_flag(std::string_view word); ///< "--name=value"

std::vector<std::string> split_blanks(std::string_view text);
/// At blanks outside of quotes and not escaped; quotes and escapes stay.
std::vector<std::string> split_quoted(std::string_view text, char escape);

/// The array, or nothing when the text is no JSON array. Fails: Invalid for one that has other
/// things than strings in it.
Result<std::optional<std::vector<std::string>>> parse_json_words(std::string_view text);

/// "<<EOF", "3<<-'EOF'": the here-document it announces, without content.
Result<std::optional<Heredoc>> parse_heredoc(std::string_view word);
/// All that a line announces. Fails: Invalid for more than heredocs_max.
Result<std::vector<Heredoc>> parse_heredocs(std::string_view line);
/// The content, without leading tabs for "<<-".
std::string content_of(const Heredoc& heredoc);

} // namespace shoal::dockerfile
