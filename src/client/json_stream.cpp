#include "client/json_stream.h"

namespace shoal::client {

Result<void> JsonStream::feed(std::string_view bytes) {
    for (const char c : bytes) {
        if (depth_ == 0) {
            if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\x1e') { continue; }
            if (c != '{') { return invalid("answer of the daemon: expected a JSON object"); }
        }
        text_ += c;
        if (in_string_) {
            if (escaped_) {
                escaped_ = false;
            } else if (c == '\\') {
                escaped_ = true;
            } else if (c == '"') {
                in_string_ = false;
            }
            continue;
        }
        if (c == '"') { in_string_ = true; }
        if (c == '{' || c == '[') { ++depth_; }
        if ((c == '}' || c == ']') && --depth_ == 0) {
            TRY_LET(object, parse_json(text_).with("answer of the daemon"));
            text_.clear();
            TRY(take_(object));
        }
        if (text_.size() > stream_object_bytes_max) {
            return invalid("answer of the daemon: object is too large");
        }
    }
    return ok();
}

} // namespace shoal::client
