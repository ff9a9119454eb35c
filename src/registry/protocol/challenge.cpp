#include "registry/protocol/challenge.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::registry {
namespace {

bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// Reads a header value from left to right.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}
    bool at_end() const { return at_ == text_.size(); }
    void skip(std::string_view any) {
        while (!at_end() && any.find(text_[at_]) != std::string_view::npos) { ++at_; }
    }
    bool take(char c) {
        if (at_end() || text_[at_] != c) { return false; }
        ++at_;
        return true;
    }
    std::string token() {
        const std::size_t begin = at_;
        while (!at_end() && is_token_char(text_[at_])) { ++at_; }
        return std::string(text_.substr(begin, at_ - begin));
    }
    /// A token or a quoted string.
    std::string value() {
        if (!take('"')) { return token(); }
        std::string value;
        while (!at_end() && text_[at_] != '"') {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) { ++at_; }
            value += text_[at_++];
        }
        take('"');
        return value;
    }
    /// Past the next comma: what stands there could not be read.
    void give_up() {
        while (!at_end() && text_[at_] != ',') { ++at_; }
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
    std::vector<Challenge> all;
    Scanner in(header);
    while (true) {
        in.skip(" \t,");
        if (in.at_end()) { return all; }
        const std::string word = in.token();
        in.skip(" \t");
        if (word.empty()) {
            in.give_up();
        } else if (in.take('=')) {
            in.skip(" \t");
            std::string value = in.value();
            if (!all.empty()) { all.back().params[to_lower(word)] = std::move(value); }
        } else {
            all.push_back({to_lower(word), {}});
        }
    }
}

std::string print_challenge(std::string_view scheme,
                            const std::vector<std::pair<std::string, std::string>>& params) {
    std::string text(scheme);
    std::string_view separator = " ";
    for (const auto& [name, value] : params) {
        text += separator;
        text += name + "=\"";
        for (const char c : value) {
            if (c == '"' || c == '\\') { text += '\\'; }
            text += c;
        }
        text += '"';
        separator = ",";
    }
    return text;
}

Result<Scope> parse_scope(std::string_view text) {
    // The name may hold a ':' of its own, as "host:5000/x" does.
    const std::size_t first = text.find(':');
    const std::size_t last = text.rfind(':');
    if (first == std::string_view::npos || first == last || first == 0) {
        return invalid("invalid scope: " + std::string(text.substr(0, 100)));
    }
    Scope scope{std::string(text.substr(0, first)),
                std::string(text.substr(first + 1, last - first - 1)),
                {}};
    for (auto& action : split(text.substr(last + 1), ',')) {
        if (action.empty() ||
            std::find(scope.actions.begin(), scope.actions.end(), action) != scope.actions.end()) {
            continue;
        }
        scope.actions.push_back(std::move(action));
    }
    return scope;
}

Result<std::vector<Scope>> parse_scopes(std::string_view text) {
    std::vector<Scope> all;
    for (const auto& word : split(text, ' ')) {
        if (word.empty()) { continue; }
        TRY_LET(scope, parse_scope(word));
        all.push_back(std::move(scope));
    }
    return all;
}

std::string print_scope(const Scope& scope) {
    return scope.type + ":" + scope.name + ":" + join(scope.actions, ",");
}

} // namespace shoal::registry
