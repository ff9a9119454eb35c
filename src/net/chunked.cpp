#include "net/chunked.h"

#include <algorithm>
#include <cstring>

namespace shoal::net {

namespace {
constexpr int digits_max = 15; ///< of a chunk's size
constexpr std::size_t skipped_bytes_max = 64 * 1024;

int hex_value(char byte) {
    if (byte >= '0' && byte <= '9') { return byte - '0'; }
    const char lower = static_cast<char>(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Error bad_chunk() { return invalid("malformed HTTP message: bad chunk"); }
} // namespace

Result<void> ChunkedDecoder::add_digit(char byte) {
    const int value = hex_value(byte);
    if (value >= 0) {
        if (++digits_ > digits_max) { return bad_chunk(); }
        left_ = left_ << 4 | static_cast<std::uint64_t>(value);
        return ok();
    }
    if (digits_ == 0) { return bad_chunk(); }
    if (byte == '\r') {
        state_ = State::SizeLf;
    } else if (byte == ';' || byte == ' ' || byte == '\t') {
        state_ = State::Extension;
    } else {
        return bad_chunk();
    }
    return ok();
}

Result<void> ChunkedDecoder::step(char byte) {
    const auto expect = [&](char expected, State next) -> Result<void> {
        if (byte != expected) { return bad_chunk(); }
        state_ = next;
        return ok();
    };
    const auto skip_until_cr = [&](State text, State next) -> Result<void> {
        const bool bad = byte == '\n' || byte == '\0' || ++skipped_ > skipped_bytes_max;
        if (bad) { return bad_chunk(); }
        state_ = byte == '\r' ? next : text;
        return ok();
    };
    switch (state_) {
    case State::Size:
        return add_digit(byte);
    case State::Extension:
        return skip_until_cr(State::Extension, State::SizeLf);
    case State::SizeLf:
        digits_ = 0;
        return expect('\n', left_ == 0 ? State::Trailer : State::Data);
    case State::DataCr:
        return expect('\r', State::DataLf);
    case State::DataLf:
        return expect('\n', State::Size);
    case State::Trailer:
        return skip_until_cr(State::TrailerText, State::EndLf);
    case State::TrailerText:
        return skip_until_cr(State::TrailerText, State::TrailerLf);
    case State::TrailerLf:
        return expect('\n', State::Trailer);
    case State::EndLf:
        return expect('\n', State::Done);
    case State::Data:
    case State::Done:
        break;
    }
    ASSERT(false);
    return ok();
}

Result<ChunkedDecoder::Step> ChunkedDecoder::feed(std::string_view input, std::span<char> into) {
    Step step;
    while (step.used < input.size() && state_ != State::Done) {
        if (state_ != State::Data) {
            TRY(this->step(input[step.used++]));
            continue;
        }
        const auto room = std::min(input.size() - step.used, into.size() - step.body);
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(room, left_));
        if (count == 0) { break; }
        std::memmove(into.data() + step.body, input.data() + step.used, count);
        step.used += count;
        step.body += count;
        left_ -= count;
        if (left_ == 0) { state_ = State::DataCr; }
    }
    return step;
}

} // namespace shoal::net
