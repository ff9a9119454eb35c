#include "api/audit.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace shoal::api {
namespace {

/// "https://user:pass@host" -> "https://***@host".
void hide_user_info(std::string& text) {
    std::size_t at = 0;
    while ((at = text.find("://", at)) != std::string::npos) {
        at += 3;
        const auto end = std::min(text.find_first_of(" /\"'\n", at), text.size());
        const auto sign = text.rfind('@', end == 0 ? 0 : end - 1);
        if (sign == std::string::npos || sign < at || sign >= end) { continue; }
        text.replace(at, sign - at, "***");
    }
}

/// Where the value of `word` begins that stands at `at`; npos when it is only a word.
std::size_t value_behind(const std::string& text, std::size_t after) {
    while (after < text.size() && (text[after] == '"' || text[after] == '\\')) { ++after; }
    if (after >= text.size() || (text[after] != '=' && text[after] != ':')) {
        return std::string::npos;
    }
    ++after;
    while (after < text.size() &&
           (text[after] == ' ' || text[after] == '"' || text[after] == '\\')) {
        ++after;
    }
    return after;
}

void hide_values_of(std::string& text, std::string_view word) {
    auto lower = to_lower(text);
    std::size_t at = 0;
    while ((at = lower.find(word, at)) != std::string::npos) {
        at += word.size();
        const auto begin = value_behind(text, at);
        if (begin == std::string::npos) { continue; }
        const auto end = std::min(text.find_first_of(" ,;&\"\\\n}", begin), text.size());
        if (end == begin) { continue; }
        text.replace(begin, end - begin, "***");
        lower = to_lower(text);
        at = begin;
    }
}

} // namespace

std::string redact(std::string text) {
    hide_user_info(text);
    constexpr std::array<std::string_view, 5> words{"password", "passwd", "token", "secret",
                                                    "auth"};
    for (const auto word : words) { hide_values_of(text, word); }
    return text;
}

std::string audit_line(const AuditRecord& record) {
    std::string line = "audit: who=" + go_quote(record.who) +
                       " what=" + go_quote(record.method + " " + record.path) +
                       " right=" + record.right;
    if (!record.object.empty()) { line += " object=" + go_quote(redact(record.object)); }
    line += " status=" + std::to_string(record.status);
    if (!record.error.empty()) { line += " error=" + go_quote(redact(record.error)); }
    return line + " ms=" + std::to_string(record.took.count());
}

} // namespace shoal::api
