#include "net/grpc.h"

#include "base/text.h"
#include "net/scope.h"

namespace shoal::net {

namespace {

constexpr std::size_t prefix_bytes = 5; ///< compressed or not, length in network order
constexpr std::size_t message_text_max = 8 * 1024;

std::string prefix_of(std::size_t size) {
    std::string prefix(prefix_bytes, '\0');
    for (int i = 0; i < 4; ++i) {
        prefix[static_cast<std::size_t>(4 - i)] = static_cast<char>(size >> (8 * i) & 0xff);
    }
    return prefix;
}

std::size_t length_in(std::string_view prefix) {
    std::size_t length = 0;
    for (int i = 1; i <= 4; ++i) {
        length = length << 8 | static_cast<unsigned char>(prefix[static_cast<std::size_t>(i)]);
    }
    return length;
}

/// All but printable ASCII, and '%', becomes an escape.
std::string encode_message(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text.substr(0, message_text_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte <= 0x7e && c != '%') {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 0xf];
        }
    }
    return out;
}

std::string decode_message(std::string_view text) {
    auto decoded = decode_percent(text, false);
    return decoded ? std::move(*decoded) : std::string(text);
}

/// "20S", "1500m": at most eight digits and a unit.
Deadline parse_timeout(std::string_view text) {
    if (text.empty()) { return {}; }
    const auto number = parse_number<std::int64_t>(text.substr(0, text.size() - 1));
    if (!number || *number < 0 || text.size() > 9) { return {}; }
    using namespace std::chrono;
    switch (text.back()) {
    case 'H':
        return Deadline::in(hours(*number));
    case 'M':
        return Deadline::in(minutes(*number));
    case 'S':
        return Deadline::in(seconds(*number));
    case 'm':
        return Deadline::in(milliseconds(*number));
    case 'u':
        return Deadline::in(microseconds(*number));
    case 'n':
        return Deadline::in(nanoseconds(*number));
    default:
        return {};
    }
}

Headers status_trailers(const Result<void>& outcome) {
    Headers trailers;
    const auto code = outcome ? GrpcCode::Ok : grpc_code_of(outcome.error().code);
    trailers.add("grpc-status", std::to_string(static_cast<int>(code)));
    if (!outcome) { trailers.add("grpc-message", encode_message(outcome.error().message)); }
    return trailers;
}

Headers answer_head() { return {{":status", "200"}, {"content-type", "application/grpc"}}; }

Result<void> status_of(const Headers& headers) {
    const auto* status = headers.get("grpc-status");
    if (status == nullptr) { return internal("the call ended without a status"); }
    if (*status == "0") { return ok(); }
    const auto number = parse_number<int>(*status);
    const auto code =
        number && *number > 0 && *number <= 16 ? static_cast<GrpcCode>(*number) : GrpcCode::Unknown;
    auto message = decode_message(headers.get_or("grpc-message", ""));
    if (message.empty()) { message = "status " + *status; }
    return Error{errc_of(code), std::move(message)};
}

bool is_grpc(const Headers& head) {
    return head.get_or("content-type", "").starts_with("application/grpc");
}

} // namespace

GrpcCode grpc_code_of(Errc code) {
    switch (code) {
    case Errc::Invalid:
        return GrpcCode::InvalidArgument;
    case Errc::Unauthorized:
        return GrpcCode::Unauthenticated;
    case Errc::Forbidden:
        return GrpcCode::PermissionDenied;
    case Errc::NotFound:
        return GrpcCode::NotFound;
    case Errc::Conflict:
    case Errc::NotModified:
        return GrpcCode::AlreadyExists;
    case Errc::Unsupported:
        return GrpcCode::Unimplemented;
    case Errc::Unavailable:
        return GrpcCode::Unavailable;
    case Errc::Exhausted:
        return GrpcCode::ResourceExhausted;
    case Errc::Timeout:
        return GrpcCode::DeadlineExceeded;
    case Errc::Cancelled:
        return GrpcCode::Cancelled;
    case Errc::Internal:
        return GrpcCode::Unknown;
    }
    return GrpcCode::Unknown;
}

Errc errc_of(GrpcCode code) {
    switch (code) {
    case GrpcCode::Cancelled:
        return Errc::Cancelled;
    case GrpcCode::InvalidArgument:
    case GrpcCode::OutOfRange:
    case GrpcCode::FailedPrecondition:
        return Errc::Invalid;
    case GrpcCode::DeadlineExceeded:
        return Errc::Timeout;
    case GrpcCode::NotFound:
        return Errc::NotFound;
    case GrpcCode::AlreadyExists:
    case GrpcCode::Aborted:
        return Errc::Conflict;
    case GrpcCode::PermissionDenied:
        return Errc::Forbidden;
    case GrpcCode::Unauthenticated:
        return Errc::Unauthorized;
    case GrpcCode::ResourceExhausted:
        return Errc::Exhausted;
    case GrpcCode::Unimplemented:
        return Errc::Unsupported;
    case GrpcCode::Unavailable:
        return Errc::Unavailable;
    case GrpcCode::Ok:
    case GrpcCode::Unknown:
    case GrpcCode::Internal:
    case GrpcCode::DataLoss:
        return Errc::Internal;
    }
    return Errc::Internal;
}

std::string_view GrpcCall::method() const { return metadata().get_or(":path", ""); }

std::vector<std::string> GrpcCall::values(std::string_view name) const {
    std::vector<std::string> all;
    for (const auto& [key, value] : metadata()) {
        if (key == name) { all.push_back(value); }
    }
    return all;
}

Deadline GrpcCall::deadline() const { return parse_timeout(value("grpc-timeout")); }

Result<void> GrpcCall::check_head() const {
    const Headers& head = stream_->head();
    if (role_ == Http2Role::Server) { return ok(); }
    const auto status = head.get_or(":status", "");
    if (status != "200") {
        return Error{Errc::Unavailable,
                     "the peer answered with HTTP status " + std::string(status)};
    }
    if (!is_grpc(head)) { return invalid("the peer does not speak gRPC"); }
    return ok();
}

Result<void> GrpcCall::final_status() const {
    if (role_ == Http2Role::Server) { return ok(); }
    // A call that fails at once has its status in the head.
    if (stream_->head().has("grpc-status")) { return status_of(stream_->head()); }
    return status_of(stream_->trailers());
}

/// False at the end of the stream, which may only come between messages.
Task<Result<bool>> GrpcCall::fill(std::size_t bytes, Until until) {
    while (received_.size() - taken_ < bytes) {
        CO_TRY_LET(piece, co_await stream_->read(until));
        if (piece.empty()) {
            if (received_.size() != taken_) { co_return invalid("a message was cut off"); }
            co_return false;
        }
        if (taken_ == received_.size()) {
            received_ = std::move(piece);
        } else {
            received_.erase(0, taken_);
            received_ += piece;
        }
        taken_ = 0;
    }
    co_return true;
}

Task<Result<std::optional<std::string>>> GrpcCall::read(Until until) {
    if (!head_checked_) {
        CO_TRY(co_await stream_->wait_head(until));
        CO_TRY(check_head());
        head_checked_ = true;
    }
    CO_TRY_LET(more, co_await fill(prefix_bytes, until));
    if (!more) {
        CO_TRY(final_status());
        co_return std::optional<std::string>();
    }
    const std::string_view prefix(received_.data() + taken_, prefix_bytes);
    if (prefix[0] != 0) { co_return unsupported("compressed messages are not supported"); }
    const std::size_t length = length_in(prefix);
    if (length > message_bytes_max_) {
        co_return Error{Errc::Exhausted, "a message of " + std::to_string(length) +
                                             " bytes; at most " +
                                             std::to_string(message_bytes_max_) + " are taken"};
    }
    CO_TRY_LET(whole, co_await fill(prefix_bytes + length, until));
    if (!whole) { co_return invalid("a message was cut off"); }
    std::optional<std::string> message(received_.substr(taken_ + prefix_bytes, length));
    taken_ += prefix_bytes + length;
    if (taken_ == received_.size()) {
        received_ = {};
        taken_ = 0;
    }
    co_return message;
}

Task<Result<std::string>> GrpcCall::read_only_message(Until until) {
    CO_TRY_LET(first, co_await read(until));
    if (!first) { co_return invalid("the message is missing"); }
    std::string message = std::move(*first);
    CO_TRY_LET(second, co_await read(until));
    if (second) { co_return invalid("one message was expected, and there are more"); }
    co_return message;
}

Result<void> GrpcCall::begin_answer() {
    if (role_ == Http2Role::Client || answered_) { return ok(); }
    answered_ = true;
    return stream_->respond(answer_head(), Http2Stream::Body::Follows);
}

Task<Result<void>> GrpcCall::write(std::string message, Until until) {
    ASSERT(!finished_);
    CO_TRY(begin_answer());
    auto prefix = prefix_of(message.size());
    CO_TRY(co_await stream_->write(std::move(prefix), until));
    co_return co_await stream_->write(std::move(message), until);
}

Result<void> GrpcCall::finish_writing() {
    ASSERT(role_ == Http2Role::Client && !finished_);
    finished_ = true;
    return stream_->finish({});
}

Result<void> GrpcCall::finish(const Result<void>& outcome) {
    ASSERT(role_ == Http2Role::Server);
    if (finished_) { return ok(); }
    finished_ = true;
    auto trailers = status_trailers(outcome);
    if (answered_) { return stream_->finish(std::move(trailers)); }
    answered_ = true;
    auto head = answer_head();
    for (const auto& [name, value] : trailers) { head.add(name, value); }
    return stream_->respond(head, Http2Stream::Body::None);
}

Result<GrpcCallPtr> GrpcClient::open(std::string_view method, const GrpcMetadata& metadata) {
    Headers head{
        {":method", "POST"},         {":scheme", "http"}, {":path", std::string(method)},
        {":authority", "localhost"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
    for (const auto& [name, value] : metadata) { head.add(name, value); }
    TRY_LET(stream, connection_.open(head));
    return std::make_unique<GrpcCall>(std::move(stream), Http2Role::Client);
}

Task<Result<std::string>> GrpcClient::unary(std::string method, std::string request,
                                            GrpcMetadata metadata, Until until) {
    CO_TRY_LET(call, open(method, metadata));
    const auto written = co_await call->write(std::move(request), until);
    if (written) { CO_TRY(call->finish_writing()); }
    auto answer = co_await call->read_only_message(until);
    if (!answer) { co_return std::move(answer).error().with(method); }
    co_return answer;
}

std::vector<std::string> GrpcServer::methods() const {
    std::vector<std::string> all;
    for (const auto& [method, handler] : handlers_) { all.push_back(method); }
    return all;
}

Task<Result<void>> GrpcServer::run(GrpcCall& call, Cancel& stop) {
    if (!is_grpc(call.metadata())) { co_return invalid("this is a gRPC server"); }
    const auto found = handlers_.find(call.method());
    if (found == handlers_.end()) {
        co_return unsupported("unknown method " + std::string(call.method()));
    }
    Cancel cancel(stop);
    cancel.follow(call.gone());
    const Until until(call.deadline(), cancel);
    co_return co_await found->second(call, until);
}

Task<void> GrpcServer::answer(Http2StreamPtr stream, Cancel& stop) {
    GrpcCall call(std::move(stream), Http2Role::Server);
    const auto outcome = co_await run(call, stop);
    const auto told = call.finish(outcome);
    (void)told; // the peer may have left
}

Task<Result<void>> GrpcServer::serve(StreamPtr stream, Until until, Http2Limits limits) {
    TaskScope answers(loop_);
    Http2Connection connection(loop_, std::move(stream), Http2Role::Server, limits);
    connection.on_request([this, &answers](Http2StreamPtr request) {
        answers.spawn(answer(std::move(request), answers.cancel()));
    });
    auto outcome = co_await connection.run(until);
    co_await answers.close();
    co_return outcome;
}

} // namespace shoal::net
