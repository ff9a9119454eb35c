// Inside of registry/client: one registry's endpoints, connections, challenges and tokens, and the
// one way in which requests are made. Only .cpp files of this folder include it.
#pragma once

#include "net/http_client.h"
#include "net/lock.h"
#include "registry/client/repository.h"
#include "registry/protocol/challenge.h"

#include <map>

namespace shoal::registry {

struct Ask {
    std::string method = "GET";
    net::Url url; ///< where; at_endpoint() makes it of a path
    net::Headers headers;
    std::string body;
    bool streamed = false;     ///< the body follows by the answer's exchange; no head is read then
    std::vector<Scope> scopes; ///< the rights it needs
    bool ask_again = true;     ///< a 401 is answered with (new) credentials
};

struct Answer {
    std::unique_ptr<net::ClientExchange> exchange;
    net::ResponseHead head; ///< empty when streamed
    net::Url url;           ///< that answered, after redirects
};

struct Token {
    std::string text;
    Steady expires{};
};

/// What a token service is asked. Pure.
struct TokenRequest {
    net::Url url;
    std::string method = "GET";
    std::string body;        ///< a form, for POST
    bool with_basic = false; ///< name and password go along
};
/// Fails: Invalid for a realm that is no address; Unauthorized ("token realm ...") for one that
/// credentials must not be sent to: not the registry's own host, and not https although the
/// registry is, or at an address of this machine or of a private network.
Result<TokenRequest> plan_token_request(const Challenge& challenge,
                                        const std::vector<Scope>& scopes, const AuthConfig& auth,
                                        const Endpoint& endpoint, bool offline_token);

/// A literal address that only this machine or its own network can mean.
bool is_inside(const std::string& host);
/// follow_redirect() without user names, and not from outside to an address of our own network.
/// Fails: Invalid.
Result<net::Url> follow(const net::Url& from, std::string_view location);

bool same_origin(const net::Url& a, const net::Url& b);
bool is_redirect(int status);
/// "https://host:5000", for messages.
std::string place_of(const net::Url& url);

struct Registry::Impl {
    Impl(net::Loop& on, ClientOptions with) : loop(on), options(std::move(with)), choosing(on) {}

    net::Loop& loop;
    ClientOptions options;
    std::string domain;
    AuthConfig auth;
    std::vector<Endpoint> endpoints;
    net::Lock choosing; ///< several layers may be the first to ask
    std::size_t current = 0;
    bool chosen = false;
    std::vector<Challenge> challenges; ///< of the current endpoint
    std::map<std::string, Token> tokens;
    std::map<std::string, std::shared_ptr<net::HttpClient>> clients;

    const Endpoint& endpoint() const { return endpoints[current]; }
    /// A mirror is another host, which the log-in was not meant for.
    AuthConfig login_here() const { return endpoint().mirror ? AuthConfig{} : auth; }
    net::Url at_endpoint(const std::string& target) const;

    /// Finds the first endpoint that speaks the protocol.
    net::Task<Result<void>> choose(net::Until until);
    /// A mirror, the endpoint number `asked`, has failed: it is asked no more. False when that was
    /// none. Several may have asked the same one.
    bool give_up_mirror(std::size_t asked);

    net::Task<Result<Answer>> ask(Ask ask, net::Until until);
    /// ask(), an error status as an error with the registry's words, the body read.
    struct Document {
        net::Headers headers;
        std::string body;
        net::Url url;
    };
    net::Task<Result<Document>> fetch(Ask ask, net::Until until, std::size_t bytes_max);
    /// The value of Authorization for a request with these scopes; "" for none.
    net::Task<Result<std::string>> authorization(std::vector<Scope> scopes, net::Until until);
    net::Task<Result<Token>> fetch_token(Challenge challenge, std::vector<Scope> scopes,
                                         net::Until until, std::string* refresh_token);
    /// The error of an answer; reads what is left of it.
    net::Task<Error> error_of(Answer answer, net::Until until);

    Result<std::shared_ptr<net::HttpClient>> client_for(const net::Url& url);
    net::Until within(std::chrono::seconds limit, net::Until until) const {
        return until.no_later_than(Deadline::in(limit));
    }

  private:
    void next_endpoint();
    net::Task<Result<void>> ping(net::Until until);
    net::Task<Result<Answer>> send_once(const Ask* ask, net::Until until);
};

} // namespace shoal::registry
