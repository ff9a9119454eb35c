#include "cli/detach_keys.h"

#include "base/text.h"

#include <fmt/format.h>

namespace shoal::cli {

Result<std::string> parse_detach_keys(std::string_view text) {
    std::string keys;
    if (text.empty()) { return keys; }
    for (const auto& key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key;
        } else if (key.starts_with("ctrl-") && key.size() == 6) {
            const char c = key[5];
            constexpr std::string_view signs = "[\\]^_";
            if (c >= 'a' && c <= 'z') {
                keys += static_cast<char>(c - 'a' + 1);
            } else if (c == '@') {
                keys += '\0';
            } else if (const auto at = signs.find(c); at != std::string_view::npos) {
                keys += static_cast<char>(27 + at);
            } else {
                return invalid(fmt::format("Unknown character: '{}'", c));
            }
        } else {
            return invalid(fmt::format("Unknown character: '{}'", key));
        }
    }
    return keys;
}

DetachKeys::Step DetachKeys::feed(std::string_view bytes) {
    Step step;
    if (keys_.empty()) {
        step.forward = bytes;
        return step;
    }
    for (const char c : bytes) {
        if (c == keys_[matched_]) {
            if (++matched_ == keys_.size()) {
                step.detached = true;
                return step;
            }
            continue;
        }
        step.forward += keys_.substr(0, matched_);
        matched_ = c == keys_[0] ? 1 : 0;
        if (matched_ == 0) { step.forward += c; }
    }
    return step;
}

} // namespace shoal::cli
