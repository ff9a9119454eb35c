#include "dockerfile/words.h"

#include "base/json.h"
#include "base/text.h"
#include "dockerfile/expand.h"

#include <algorithm>

namespace shoal::dockerfile {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trim_left(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) { text.remove_prefix(1); }
    return text;
}

std::pair<std::string_view, std::string_view> split_name(std::string_view line) {
    line = trim(line);
    const auto end = std::find_if(line.begin(), line.end(), is_blank);
    const auto length = static_cast<std::size_t>(end - line.begin());
    return {line.substr(0, length), trim(line.substr(length))};
}

namespace {

/// One flag: quotes group and go away, an escape takes the next character as it is.
struct FlagWord {
    std::string word;
    std::size_t end = 0;
};

FlagWord read_flag(std::string_view text, char escape) {
    FlagWord flag;
    char quote = '\0';
    for (; flag.end < text.size(); ++flag.end) {
        const char c = text[flag.end];
        if (quote == '\0' && is_blank(c)) { break; }
        if (c == escape) {
            if (++flag.end == text.size()) { break; }
            flag.word += text[flag.end];
        } else if (quote == '\0' && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote) {
            quote = '\0';
        } else {
            flag.word += c;
        }
    }
    return flag;
}

} // namespace

FlagsAndRest split_flags(std::string_view text, char escape) {
    FlagsAndRest split;
    text = trim_left(text);
    while (text.starts_with("--")) {
        auto [word, end] = read_flag(text, escape);
        text = trim_left(text.substr(end));
        if (word == "--") { break; }
        split.flags.push_back(std::move(word));
    }
    split.rest = trim(text);
    return split;
}

Flag parse_flag(std::string_view word) {
    ASSERT(word.starts_with("--"));
    const bool has_value = word.find('=') != std::string_view::npos;
    auto [name, value] = cut(word.substr(2), '=');
    return {std::move(name), std::move(value), has_value};
}

std::vector<std::string> split_blanks(std::string_view text) {
    std::vector<std::string> words;
    for (text = trim_left(text); !text.empty(); text = trim_left(text)) {
        const auto end = std::find_if(text.begin(), text.end(), is_blank);
        const auto length = static_cast<std::size_t>(end - text.begin());
        words.emplace_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return words;
}

std::vector<std::string> split_quoted(std::string_view text, char escape) {
    std::vector<std::string> words;
    std::string word;
    char quote = '\0';
    const auto end_word = [&] {
        if (!word.empty()) { words.push_back(std::move(word)); }
        word.clear();
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (quote == '\0' && is_blank(c)) {
            end_word();
            continue;
        }
        if (c == escape && quote != '\'') {
            if (at + 1 == text.size()) { break; } // nothing is left to escape
            word += c;
            word += text[++at];
            continue;
        }
        if (quote == '\0' && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote) {
            quote = '\0';
        }
        word += c;
    }
    end_word();
    return words;
}

Result<std::optional<std::vector<std::string>>> parse_json_words(std::string_view text) {
    using Words = std::vector<std::string>;
    text = trim_left(text);
    if (!text.starts_with('[')) { return std::optional<Words>(); }
    const auto json = parse_json(text);
    if (!json) { return std::optional<Words>(); }
    Words words;
    for (const auto& item : *json) {
        if (!item.is_string()) {
            return invalid(
                "when using JSON array syntax, arrays must be comprised of strings only");
        }
        words.push_back(item.get<std::string>());
    }
    return std::optional<Words>(std::move(words));
}

namespace {

std::size_t count_quotes(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '"'; }));
}

Expansion as_written() {
    Expansion how;
    how.keep_unset = true;
    return how;
}

} // namespace

Result<std::optional<Heredoc>> parse_heredoc(std::string_view word) {
    const std::optional<Heredoc> none;
    const auto digits = std::min(word.find_first_not_of("0123456789"), word.size());
    auto rest = word.substr(digits);
    if (!rest.starts_with("<<")) { return none; }
    rest.remove_prefix(2);
    Heredoc heredoc;
    heredoc.chomp = rest.starts_with('-');
    if (heredoc.chomp) { rest.remove_prefix(1); }
    rest = trim_left(rest);
    if (rest.empty() || rest.find('<') != std::string_view::npos) { return none; }
    heredoc.descriptor = parse_number<int>(word.substr(0, digits)).value_or(0);

    auto how = as_written();
    TRY_LET(names, expand_words(rest, how));
    if (names.size() != 1) { return none; }
    how.keep_quotes = true;
    TRY_LET(quoted, expand_words(rest, how));
    heredoc.name = names.front();
    heredoc.expand =
        quoted.size() == 1 && count_quotes(quoted.front()) == count_quotes(heredoc.name);
    return std::optional<Heredoc>(std::move(heredoc));
}

Result<std::vector<Heredoc>> parse_heredocs(std::string_view line) {
    std::vector<Heredoc> heredocs;
    auto how = as_written();
    how.keep_quotes = true;
    how.keep_escapes = true;
    // A line with an open quote is the shell's to judge; it announces nothing here.
    const auto words = expand_words(line, how);
    if (!words) { return heredocs; }
    for (const auto& word : *words) {
        TRY_LET(heredoc, parse_heredoc(word));
        if (!heredoc) { continue; }
        if (heredocs.size() == heredocs_max) {
            return invalid("more than " + std::to_string(heredocs_max) + " here-documents");
        }
        heredocs.push_back(std::move(*heredoc));
    }
    return heredocs;
}

std::string content_of(const Heredoc& heredoc) {
    if (!heredoc.chomp) { return heredoc.content; }
    std::string content;
    bool line_begins = true;
    for (const char c : heredoc.content) {
        if (line_begins && c == '\t') { continue; }
        line_begins = c == '\n';
        content += c;
    }
    return content;
}

} // namespace shoal::dockerfile
