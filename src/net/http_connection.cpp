#include "net/http_connection.h"

namespace shoal::net {

namespace {
constexpr std::size_t first_read_bytes = 1024;
constexpr std::size_t read_bytes = 16 * 1024;
} // namespace

Task<Result<bool>> MessageReader::wait_first(Until until) {
    if (!left_.empty()) { co_return true; }
    char first[first_read_bytes];
    CO_TRY_LET(got, co_await stream_->read_some(first, until));
    left_.assign(first, got);
    co_return got > 0;
}

Task<Result<void>> MessageReader::read_head(Until until) {
    for (;;) {
        CO_TRY_LET(step, parser_.feed(left_, {}));
        left_.erase(0, step.used);
        if (parser_.head_done()) { co_return ok(); }
        if (step.used > 0 && !left_.empty()) { continue; }
        const auto before = left_.size();
        left_.resize(before + read_bytes);
        const std::span<char> into(left_.data() + before, read_bytes);
        auto got = co_await stream_->read_some(into, until);
        left_.resize(before + (got ? *got : 0));
        if (!got) { co_return std::move(got).error(); }
        if (*got == 0) { CO_TRY(parser_.feed_end()); }
    }
}

// Bytes left over from an earlier read come first.
Result<std::size_t> MessageReader::feed_left(std::span<char> into) {
    std::size_t written = 0;
    std::size_t used = 0;
    while (!parser_.done() && used < left_.size()) {
        TRY_LET(step, parser_.feed(std::string_view(left_).substr(used), into.subspan(written)));
        used += step.used;
        written += step.body;
        if (step.used == 0 || written == into.size()) { break; }
    }
    left_.erase(0, used);
    if (left_.empty()) { left_ = {}; }
    return written;
}

// The bytes lie in `into` and are decoded there; what is no body of this message moves to left_.
Result<std::size_t> MessageReader::feed_in_place(std::span<char> into, std::size_t count) {
    std::size_t written = 0;
    std::size_t used = 0;
    while (!parser_.done() && used < count) {
        const std::string_view input(into.data() + used, count - used);
        TRY_LET(step, parser_.feed(input, into.subspan(written)));
        used += step.used;
        written += step.body;
        if (step.used == 0) { break; }
    }
    left_.append(into.data() + used, count - used);
    return written;
}

Task<Result<std::size_t>> MessageReader::read_body(std::span<char> into, Until until) {
    if (into.empty()) { co_return std::size_t{0}; }
    for (;;) {
        CO_TRY_LET(from_left, feed_left(into));
        if (from_left > 0 || parser_.done()) { co_return from_left; }
        CO_TRY_LET(got, co_await stream_->read_some(into, until));
        if (got == 0) {
            CO_TRY(parser_.feed_end());
            co_return std::size_t{0};
        }
        CO_TRY_LET(written, feed_in_place(into, got));
        if (written > 0 || parser_.done()) { co_return written; }
    }
}

void append_header(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ");
    const auto begin = head.size();
    head.append(value);
    for (auto i = begin; i < head.size(); ++i) {
        const bool breaks = head[i] == '\r' || head[i] == '\n' || head[i] == '\0';
        if (breaks) { head[i] = ' '; }
    }
    head.append("\r\n");
}

} // namespace shoal::net
