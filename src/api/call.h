// One request being answered: what handlers see. It gives the query, path parameters and body in
// Docker's reading of them, and the forms an answer can take: JSON, nothing, a JSON progress
// stream, a raw or framed stream, a hijacked connection. Errors that a handler returns before the
// answer has begun become {"message"} with a status; after that they end the stream. A Call lives
// as long as its request and is used by one coroutine.
#pragma once

#include "api/framing.h"
#include "api/version.h"
#include "base/codec.h"
#include "base/filters.h"
#include "base/json.h"
#include "base/result.h"
#include "net/http.h"
#include "net/stream.h"
#include "net/task.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::engine {
class Engine;
}

namespace shoal::api {

struct Daemon;
struct Route;

inline constexpr std::size_t body_bytes_max = 4 * 1024 * 1024; ///< of JSON bodies

class Call {
  public:
    Call(Daemon& daemon, net::Exchange& exchange);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    Daemon& daemon;
    engine::Engine& engine;
    net::Exchange& exchange;
    int version = api_version_max;
    bool versioned = false; ///< the path began with /vX.Y
    const Route* route = nullptr;

    // The request.
    const std::string& param(std::string_view name) const; ///< "" when the pattern has no such name
    std::string header(std::string_view name) const;       ///< "" when absent
    bool has_query(std::string_view name) const;
    std::string query_text(std::string_view name) const; ///< first value, "" when absent
    std::vector<std::string> query_all(std::string_view name) const;
    /// Docker's reading: everything but "", "0", "no", "false", "none" (any case) is true; absent
    /// is `fallback`.
    bool query_bool(std::string_view name, bool fallback = false) const;
    /// Fails: Invalid for text that is not a whole number; absent or "" is `fallback`.
    Result<std::int64_t> query_int(std::string_view name, std::int64_t fallback = 0) const;
    Result<Filters> filters() const; ///< the parameter `filters`
    /// Ends when the client has gone away: hand it to long waits.
    net::Cancel& gone();

    /// The JSON body. Fails: Invalid for another content type, an empty body, a wrong type, an
    /// unknown field.
    template <class T> net::Task<Result<T>> body(codec::Unknown unknown = codec::Unknown::Refuse);
    /// The same, and T{} for an empty body.
    template <class T>
    net::Task<Result<T>> body_or_default(codec::Unknown unknown = codec::Unknown::Refuse);
    /// The whole body as text, at most `bytes_max`. Larger: Invalid. Archives read
    /// exchange.read_some() instead.
    net::Task<Result<std::string>> body_text(std::size_t bytes_max = body_bytes_max);

    // The answer, whole.
    net::Task<Result<void>> json(int status, Json value);
    net::Task<Result<void>> json_text(int status, std::string text); ///< `text` is JSON already
    template <class T> net::Task<Result<void>> reply(int status, const T& value) {
        return json_text(status, codec::print(value) + "\n");
    }
    net::Task<Result<void>> text(int status, std::string text);
    net::Task<Result<void>> empty(int status);
    net::Task<Result<void>> error(Error problem); ///< {"message": ...}
    /// Extra headers of the answer; call before it begins.
    void set_header(std::string name, std::string value);

    // The answer, as a stream: begin() sends the headers at once.
    net::Task<Result<void>> begin(int status, std::string content_type);
    net::Task<Result<void>> write(std::string data);
    net::Task<Result<void>> end();
    bool begun() const { return begun_; }

    // A stream of JSON objects: pull, push, load, import. Begins by itself at the first line.
    net::Task<Result<void>> progress(Json line);
    /// The last word of a progress stream: nothing for success; {"errorDetail","error"} in the
    /// stream when it has begun, an ordinary error answer when not.
    net::Task<Result<void>> finish_progress(Result<void> outcome);

    /// Takes the connection over for raw bytes both ways: "101 UPGRADED" when the client asked for
    /// an upgrade, else "200 OK" with neither length nor chunks.
    net::Task<Result<net::StreamPtr>> hijack(bool terminal);
    /// The same for a client that upgrades to `protocol` ("h2c"). Fails: Invalid when it did not ask
    /// for that.
    net::Task<Result<net::StreamPtr>> upgrade(std::string protocol);

    /// For the audit log: the object a creating call made, an extra word. Never secrets.
    void note(std::string object) { noted_ = std::move(object); }
    const std::string& noted() const { return noted_; }

    // For the server only.
    void set_params(std::vector<std::pair<std::string, std::string>> params) {
        params_ = std::move(params);
    }
    int status() const { return status_; } ///< of the answer; 0 before it began

  private:
    net::Task<Result<std::string>> json_body_text(bool may_be_empty);
    net::Task<Result<void>> send(int status, std::string content_type, std::string content);
    net::Headers standard_headers() const;

    std::vector<std::pair<std::string, std::string>> params_;
    std::vector<std::pair<std::string, std::string>> extra_;
    std::string noted_;
    int status_ = 0;
    bool begun_ = false;
};

template <class T> net::Task<Result<T>> Call::body(codec::Unknown unknown) {
    CO_TRY_LET(text, co_await json_body_text(false));
    co_return codec::parse<T>(text, unknown);
}
template <class T> net::Task<Result<T>> Call::body_or_default(codec::Unknown unknown) {
    CO_TRY_LET(text, co_await json_body_text(true));
    if (text.empty()) { co_return T{}; }
    co_return codec::parse<T>(text, unknown);
}

} // namespace shoal::api
