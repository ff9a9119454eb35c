// One request of the distribution API while it is answered: what it is about, who asks, and the
// forms that answers have. An operation gives one answer; there is none after it.
#pragma once

#include "net/pool.h"
#include "registry/protocol/errors.h"
#include "registry/server/http_route.h"
#include "registry/server/service.h"

namespace shoal::registry {

class Growth; ///< cache.h

class Call {
  public:
    Call(Service& service, net::Exchange& exchange, const Route& route, Place place)
        : service_(service), exchange_(exchange), route_(route), place_(std::move(place)) {}

    Service& service() const { return service_; }
    Store& store() const { return *service_.store; }
    net::Exchange& exchange() const { return exchange_; }
    const net::RequestHead& request() const { return exchange_.request(); }
    const Route& route() const { return route_; }
    const std::string& name() const { return place_.name; }
    const std::string& item() const { return place_.item; }
    const Access::Caller& caller() const { return caller_; }
    void set_caller(Access::Caller caller) { caller_ = std::move(caller); }
    bool is_head() const { return request().method == "HEAD"; }
    std::string param(std::string_view key) const; ///< param_of() this request

    /// A blocking call on the pool.
    template <class F> auto run(F job) const { return service_.pool.run(std::move(job)); }

    net::Task<void> answer(int status, net::Headers headers, std::string body = "");
    net::Task<void> refuse(Code code, std::string message = "", Json detail = nullptr);
    /// `code` is what NotFound and Invalid mean here.
    net::Task<void> refuse(Error error, Code code);
    net::Task<void> refuse_all(int status, std::vector<Problem> problems);
    /// 401 with a challenge for what the route needs.
    net::Task<void> challenge(std::string error = "", std::string message = "");

    void audit(std::string_view what, std::string_view object, std::string_view result) const;

  private:
    Service& service_;
    net::Exchange& exchange_;
    const Route& route_;
    Place place_;
    Access::Caller caller_;
};

/// A query parameter, "" when absent.
std::string param_of(const net::RequestHead& request, std::string_view key);
/// Headers that every answer of the API has.
net::Headers api_headers();
/// Those of every answer to the page, which is JSON.
net::Headers page_headers();
/// What the nearest proxy said in a header that each on the way adds to: the last value of the last
/// line. "" when it says nothing.
std::string last_forwarded(const net::Headers& headers, std::string_view name);
/// "https://host:5000", as the client sees this registry.
std::string public_url_of(const Service& service, const net::RequestHead& request);
/// The value of WWW-Authenticate.
std::string challenge_text(const Service& service, const net::RequestHead& request,
                           std::string_view scope, std::string_view error);
/// "repository:team/app:pull,push"; "" when the operation needs no more than a name.
std::string scope_of(Need need, std::string_view name);

/// The answers of a manifest and of a blob that are there. `stale` says so to the client.
net::Task<void> send_manifest(Call& call, StoredManifest manifest, bool stale);
/// With `growth` the blob is still being written, and sent as it comes; a failure breaks off.
net::Task<void> send_blob(Call& call, OpenBlob blob, oci::Digest digest,
                          std::shared_ptr<Growth> growth = nullptr);
/// An operation on a repository that belongs to the cache (http_cached.cpp).
net::Task<void> answer_cached(Call& call);

/// The name of the page's cookie at this address. Browsers send cookies to every port of a host:
/// each address has its own.
std::string session_cookie_of(std::string_view public_url);
/// The value of that cookie, "" when there is none.
std::string session_of(const Service& service, const net::RequestHead& request);

/// What a failure of Store or Access means to a client: `code` is for NotFound and Invalid.
struct Refusal {
    int status = 500;
    Problem problem;
};
Refusal refusal_of(const Error& error, Code code);
/// A failure of authenticate(): 401, 429 after too many, 503.
Refusal login_refusal_of(const Error& error);

} // namespace shoal::registry
