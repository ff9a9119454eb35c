#include "base/detach_keys.h"

#include "base/text.h"

namespace shoal {

namespace {

/// 0 to 31 for "@", "a" to "z", "[", "\", "]", "^", "_"; -1 for others.
int control_code(char key) {
    if (key >= 'a' && key <= 'z') { return key - 'a' + 1; }
    if (key == '@') { return 0; }
    if (key >= '[' && key <= '_') { return key - '[' + 27; }
    return -1;
}

} // namespace

Result<std::string> parse_detach_keys(std::string_view text) {
    std::string keys;
    if (text.empty()) { return keys; }
    for (const auto& key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key;
            continue;
        }
        const bool control = key.size() == 6 && key.starts_with("ctrl-");
        const int code = control ? control_code(key[5]) : -1;
        if (code < 0) {
            return invalid("Unknown character: '" + std::string(control ? key.substr(5) : key) +
                           "'");
        }
        keys += static_cast<char>(code);
    }
    return keys;
}

DetachFilter::Passed DetachFilter::feed(std::string_view bytes) {
    Passed passed;
    if (keys_.empty()) {
        passed.bytes = bytes;
        return passed;
    }
    for (const char byte : bytes) {
        // What was held back and turned out to be something else goes on; its tail may be a new
        // beginning.
        while (matched_ > 0 && byte != keys_[matched_]) {
            std::size_t shorter = matched_ - 1;
            while (shorter > 0 &&
                   keys_.compare(matched_ - shorter, shorter, keys_, 0, shorter) != 0) {
                --shorter;
            }
            passed.bytes.append(keys_, 0, matched_ - shorter);
            matched_ = shorter;
        }
        if (byte != keys_[matched_]) {
            passed.bytes += byte;
        } else if (++matched_ == keys_.size()) {
            matched_ = 0;
            passed.detached = true;
            return passed;
        }
    }
    return passed;
}

} // namespace shoal
