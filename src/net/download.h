// One file by http or https: a GET whose redirects are followed, its answer as bytes. It is for
// archives that somebody names by an address; it is not a registry client, keeps no connection for
// later and decodes no Content-Encoding.
#pragma once

#include "net/http_client.h"

namespace shoal::net {

struct Url {
    bool tls = false;
    std::string user; ///< "name:password", decoded; "" for none
    std::string host; ///< without brackets
    std::uint16_t port = 80;
    std::string target = "/"; ///< path and query, encoded
    /// What may be shown: without name and password, and without a port that goes without saying.
    std::string text() const;
    bool operator==(const Url&) const = default;
};

/// "http://host/x", "https://[::1]:8443/x?y"; without a scheme it is http. Fails: Invalid.
Result<Url> parse_url(std::string_view text);
/// Where `location`, an answer's header, leads from `from`. Name and password go only to the same
/// host and port, and https does not lead to http. Fails: Invalid.
Result<Url> follow_redirect(const Url& from, std::string_view location);

class Download {
  public:
    /// Connects, follows redirects, and reads the head of the answer. Fails: Internal when the
    /// server says anything but 200.
    static Task<Result<std::unique_ptr<Download>>> start(Loop& loop, Url url, Until until);

    /// The next piece, 0 at the end.
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) {
        return exchange_->read_some(into, until);
    }

    /// The header Last-Modified as it came; "" for none.
    const std::string& last_modified() const { return last_modified_; }

  private:
    Download(std::unique_ptr<HttpClient> client, std::unique_ptr<ClientExchange> exchange,
             std::string last_modified)
        : client_(std::move(client)), exchange_(std::move(exchange)),
          last_modified_(std::move(last_modified)) {}

    std::unique_ptr<HttpClient> client_;
    std::unique_ptr<ClientExchange> exchange_;
    std::string last_modified_;
};

} // namespace shoal::net
