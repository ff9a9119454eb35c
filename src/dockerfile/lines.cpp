#include "dockerfile/lines.h"

#include "base/text.h"
#include "dockerfile/words.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto length = end == std::string_view::npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return lines;
}

std::string_view without_end(std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) { line.remove_suffix(1); }
    return line;
}

bool is_comment(std::string_view line) { return trim_left(line).starts_with('#'); }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// "name = value" of a directive, the name in lower case; nothing for an ordinary comment.
std::optional<std::pair<std::string, std::string>> name_and_value(std::string_view comment) {
    const auto equals = comment.find('=');
    if (equals == std::string_view::npos) { return std::nullopt; }
    const auto name = trim(comment.substr(0, equals));
    const auto value = trim(comment.substr(equals + 1));
    const bool named = !name.empty() && is_letter(name.front()) &&
                       std::all_of(name.begin(), name.end(),
                                   [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
    if (!named || value.empty()) { return std::nullopt; }
    return std::pair(to_lower(name), std::string(value));
}

} // namespace

LineReader::LineReader(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) { text.remove_prefix(3); }
    lines_ = split_lines(text);
    shebang_ = text.starts_with("#!");
}

Result<std::optional<LogicalLine>> LineReader::next() {
    LogicalLine found;
    while (at_ < lines_.size()) {
        std::string_view line = trim_left(without_end(lines_[at_++]));
        TRY_LET(is_directive, read_directive(line));
        if (is_comment(line)) {
            const auto comment = trim(line.substr(1));
            if (comment.empty()) {
                found.comments.clear();
            } else if (!is_directive) {
                found.comments.emplace_back(comment);
            }
            continue;
        }
        const bool continued = strip_continuation(line);
        if (!continued && line.empty()) { continue; }
        found.lines.first = static_cast<int>(at_);
        found.text = line;
        if (continued) { join_continued(found); }
        found.lines.last = static_cast<int>(at_);
        return std::optional<LogicalLine>(std::move(found));
    }
    return std::optional<LogicalLine>();
}

void LineReader::join_continued(LogicalLine& joined) {
    bool had_empty = false;
    bool continued = true;
    while (continued && at_ < lines_.size()) {
        std::string_view line = without_end(lines_[at_++]);
        if (is_comment(line)) { continue; }
        if (trim_left(line).empty()) {
            had_empty = true;
            continue;
        }
        continued = strip_continuation(line);
        joined.text += line;
    }
    if (had_empty) { joined.empty_continuation = static_cast<int>(at_); }
}

/// The escape at the end of a line, blanks behind it allowed, unless another one stands before it.
bool LineReader::strip_continuation(std::string_view& line) const {
    auto end = line;
    while (end.ends_with(' ') || end.ends_with('\t')) { end.remove_suffix(1); }
    if (!end.ends_with(directives_.escape)) { return false; }
    end.remove_suffix(1);
    if (end.ends_with(directives_.escape)) { return false; }
    line = end;
    return true;
}

Result<std::string> LineReader::take_heredoc(const Heredoc& heredoc, int& last) {
    std::string content;
    while (at_ < lines_.size()) {
        const auto line = lines_[at_++];
        auto word = without_end(line);
        while (heredoc.chomp && word.starts_with('\t')) { word.remove_prefix(1); }
        if (word == heredoc.name) {
            last = static_cast<int>(at_);
            return content;
        }
        content += line;
    }
    return invalid("unterminated heredoc");
}

std::vector<std::string> LineReader::take_source() && {
    std::vector<std::string> source;
    source.reserve(lines_.size());
    for (const auto& line : lines_) { source.emplace_back(without_end(line)); }
    return source;
}

/// Directives stand at the very top, before any other comment, instruction or empty line.
Result<bool> LineReader::read_directive(std::string_view line) {
    if (directives_done_) { return false; }
    if (shebang_ && at_ == 1) { return true; }
    const auto pair = line.starts_with('#') ? name_and_value(line.substr(1)) : std::nullopt;
    if (!pair || (pair->first != "syntax" && pair->first != "escape" && pair->first != "check")) {
        directives_done_ = true;
        return false;
    }
    if (std::find(seen_.begin(), seen_.end(), pair->first) != seen_.end()) {
        return invalid("only one " + pair->first + " parser directive can be used");
    }
    seen_.push_back(pair->first);
    TRY(take_directive(pair->first, pair->second));
    return true;
}

Result<void> LineReader::take_directive(const std::string& name, const std::string& value) {
    if (name == "syntax") {
        directives_.syntax = cut(value, ' ').first;
    } else if (name == "check") {
        return parse_check_options(cut(value, ' ').first, directives_)
            .with("failed to parse check options");
    } else if (value != "\\" && value != "`") {
        return invalid("invalid escape token '" + value + "' does not match ` or \\");
    } else {
        directives_.escape = value.front();
    }
    return ok();
}

Result<void> parse_check_options(std::string_view text, Directives& directives) {
    for (const auto& part : split(text, ';')) {
        if (part.find('=') == std::string::npos) {
            return invalid("invalid check option " + go_quote(part));
        }
        const auto [raw_key, raw_value] = cut(part, '=');
        const auto key = trim(raw_key);
        const auto value = trim(raw_value);
        if (key == "skip") {
            for (const auto& rule : split(value, ',')) {
                directives.skipped_checks.emplace_back(trim(rule));
            }
        } else if (key == "error") {
            const auto errors = parse_bool(value);
            if (!errors) {
                return invalid("failed to parse check option " + go_quote(part) +
                               ": not a boolean");
            }
            directives.checks_are_errors = *errors;
        } else if (key != "experimental") { // there are no experimental checks here to turn on
            return invalid("invalid check option " + go_quote(key));
        }
    }
    return ok();
}

std::vector<std::string> skipped_by(const std::vector<std::string>& comments) {
    for (const auto& comment : comments) {
        const auto pair = name_and_value(comment);
        if (!pair || pair->first != "check") { continue; }
        Directives directives;
        // A comment that is wrong is a comment.
        if (!parse_check_options(cut(pair->second, ' ').first, directives)) { return {}; }
        return directives.skipped_checks;
    }
    return {};
}

} // namespace shoal::dockerfile
