// gRPC on HTTP/2: calls by method name with messages as bytes, in both roles and in both shapes
// (one message each way, or streams of them). Status and message travel as trailers. It knows no
// message formats: who uses it encodes and decodes. No compression, no retries, no name resolution.
#pragma once

#include "net/http2.h"

#include <map>
#include <optional>
#include <string>

namespace shoal::net {

/// Codes of gRPC's status.
enum class GrpcCode {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
};
GrpcCode grpc_code_of(Errc code);
Errc errc_of(GrpcCode code);

inline constexpr std::size_t grpc_message_bytes_max = 16 * 1024 * 1024;

/// Metadata of a call, as HTTP/2 headers; names in lower case, several values of one name.
using GrpcMetadata = Headers;

/// One call, as either side sees it. One reader and one writer at a time. Destroying it before its
/// end cancels it.
class GrpcCall {
  public:
    GrpcCall(Http2StreamPtr stream, Http2Role role) : stream_(std::move(stream)), role_(role) {}

    std::string_view method() const; ///< "/package.Service/Method"; server only
    const GrpcMetadata& metadata() const { return stream_->head(); }
    std::string_view value(std::string_view name) const { return metadata().get_or(name, ""); }
    std::vector<std::string> values(std::string_view name) const;
    /// When the caller gives up, from grpc-timeout; server only.
    Deadline deadline() const;

    /// The next message, or nothing at the end. At the client the end is success only with status
    /// Ok; else the error carries the peer's message and the code that fits its status.
    Task<Result<std::optional<std::string>>> read(Until until);
    /// Exactly one message and then the end.
    Task<Result<std::string>> read_only_message(Until until);
    /// Waits while the peer is slow. Errors of a client's write say little: read() tells the
    /// status.
    Task<Result<void>> write(std::string message, Until until);
    Result<void> finish_writing(); ///< client only: no more messages
    /// Server only: what the call ended with; nothing may be written afterwards.
    Result<void> finish(const Result<void>& outcome);
    /// Of one message of the peer; larger ones end the call.
    void limit_messages(std::size_t bytes_max) { message_bytes_max_ = bytes_max; }
    bool finished() const { return finished_; }
    bool is_client() const { return role_ == Http2Role::Client; }
    /// Ends the call at once; operations that wait fail with Cancelled.
    void cancel() { stream_->reset(Http2Reset::Cancel); }
    /// Fires when the peer has given up on the call.
    Cancel& gone() { return stream_->gone(); }

  private:
    Task<Result<std::string>> next_piece(Until until);
    Task<Result<bool>> fill(std::size_t bytes, Until until);
    Result<void> check_head() const;
    Result<void> final_status() const;
    Result<void> begin_answer();

    Http2StreamPtr stream_;
    Http2Role role_;
    std::string received_; ///< not yet taken apart
    std::size_t taken_ = 0;
    bool answered_ = false; ///< the server's head has been sent
    bool finished_ = false;
    bool head_checked_ = false;
    std::size_t message_bytes_max_ = grpc_message_bytes_max;
};
using GrpcCallPtr = std::unique_ptr<GrpcCall>;

/// Calls over a connection in client role, which runs elsewhere.
class GrpcClient {
  public:
    explicit GrpcClient(Http2Connection& connection) : connection_(connection) {}
    Result<GrpcCallPtr> open(std::string_view method, const GrpcMetadata& metadata = {});
    Task<Result<std::string>> unary(std::string method, std::string request, GrpcMetadata metadata,
                                    Until until);

  private:
    Http2Connection& connection_;
};

/// Answers calls on one connection. Handlers run beside each other.
class GrpcServer {
  public:
    explicit GrpcServer(Loop& loop) : loop_(loop) {}
    /// The handler reads and writes; its outcome becomes the status. The call lives until the task
    /// has ended.
    using Handler = std::function<Task<Result<void>>(GrpcCall&, Until)>;
    void add(std::string method, Handler handler) {
        handlers_.emplace(std::move(method), std::move(handler));
    }
    std::vector<std::string> methods() const;
    /// Until the connection ends or `until`; handlers that still run then are cancelled and waited
    /// for.
    Task<Result<void>> serve(StreamPtr stream, Until until, Http2Limits limits = {});

  private:
    Task<void> answer(Http2StreamPtr stream, Cancel& stop);
    Task<Result<void>> run(GrpcCall& call, Cancel& stop);

    Loop& loop_;
    std::map<std::string, Handler, std::less<>> handlers_;
};

} // namespace shoal::net
