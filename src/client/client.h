// The Engine API from the client's side: version negotiation, requests, errors as the daemon worded
// them, streams. Every call exists twice: as a coroutine for those who do several things at once,
// and as a plain function that runs the loop until the answer is there. It knows paths and bodies,
// not commands or tables.
#pragma once

#include "base/json.h"
#include "client/endpoint.h"
#include "net/http_client.h"

#include <memory>
#include <string>

namespace shoal::client {

inline constexpr int newest_version = 151; ///< major * 100 + minor
inline constexpr int oldest_version = 124;
inline constexpr std::size_t answer_bytes_max = 256 * 1024 * 1024;

struct Request {
    std::string method = "GET";
    std::string path; ///< "/containers/json", without the version; names in it are already encoded
    net::Query query{};
    std::string body{};
    std::string content_type{}; ///< "application/json" when there is a body
    net::Headers headers{};
    bool streamed = false; ///< the body follows by Answer::write()
    bool hijacked = false; ///< asks for a raw connection; of "tcp", unless headers name an Upgrade
    bool unversioned = false;
};
Request get(std::string path, net::Query query = {});
Request post(std::string path, net::Query query = {});
Request post(std::string path, net::Query query, const Json& body);
Request remove(std::string path, net::Query query = {});
/// A name or id as part of a path.
std::string part(std::string_view name);

/// An answer whose body is read piece by piece. Must not outlive its Client.
class Answer {
  public:
    Answer(net::Loop& loop, std::unique_ptr<net::ClientExchange> exchange)
        : loop_(loop), exchange_(std::move(exchange)) {}

    net::ResponseHead head;

    Result<void> write(std::string_view bytes);
    /// Ends a streamed body and waits for the head; an error status becomes an Error.
    Result<void> finish_body();
    Result<std::size_t> read_some(std::span<char> into);
    Result<std::string> read_all();
    /// For those who send the body beside it: waits for the head; an error status becomes an Error.
    net::Task<Result<void>> head_async(net::Until until);

    net::ClientExchange& exchange() { return *exchange_; }

  private:
    net::Loop& loop_;
    std::unique_ptr<net::ClientExchange> exchange_;
};

class Client {
  public:
    /// `fixed_version` ("1.41") forbids negotiation; "" allows it.
    static Result<std::unique_ptr<Client>> create(net::Loop& loop, Endpoint endpoint,
                                                  std::string fixed_version);

    // --- plain ---
    Result<net::ClientResponse> call(Request request);
    Result<Json> json(Request request);
    /// The head has arrived and says success; for a streamed request the head is still to come.
    Result<std::unique_ptr<Answer>> open(Request request);

    // --- coroutines ---
    net::Task<Result<net::ClientResponse>> call_async(Request request, net::Until until);
    net::Task<Result<Json>> json_async(Request request, net::Until until);
    net::Task<Result<std::unique_ptr<Answer>>> open_async(Request request, net::Until until);
    /// A raw connection (attach, exec), and its content type.
    struct Hijacked {
        net::StreamPtr stream;
        std::string content_type;
    };
    net::Task<Result<Hijacked>> hijack_async(Request request, net::Until until);

    /// The version in use, after the first call.
    net::Task<Result<int>> version_async();
    Result<int> version();
    int version_now() const { return version_; }
    const Endpoint& endpoint() const { return endpoint_; }
    net::Loop& loop() { return loop_; }
    /// A raw connection to the daemon, nothing sent yet.
    net::Task<Result<net::StreamPtr>> connect_async(net::Until until);

    Client(net::Loop& loop, Endpoint endpoint, std::unique_ptr<net::HttpClient> http, int version);

  private:
    net::Task<Result<net::ClientRequest>> prepare(Request request);
    Error explain(Error error) const;

    net::Loop& loop_;
    Endpoint endpoint_;
    std::unique_ptr<net::HttpClient> http_;
    int version_ = 0; ///< 0: not negotiated yet
};

/// "1.41" as 141; nothing for other texts.
std::optional<int> parse_version(std::string_view text);
std::string version_text(int version);
/// The error that an answer with status >= 400 stands for: "Error response from daemon: <message>".
Error error_of(int status, std::string_view body);
/// The daemon cannot be reached at all.
bool is_unreachable(const Error& error);

} // namespace shoal::client
