#include "net/download.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::net {
namespace {

constexpr int redirects_max = 10;
constexpr std::size_t url_bytes_max = 8192;

std::uint16_t usual_port(bool tls) { return tls ? 443 : 80; }

/// The host as it stands in an address: IPv6 in brackets, the port only where it is unusual.
std::string authority(const Url& url) {
    const auto host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
    return url.port == usual_port(url.tls) ? host : host + ":" + std::to_string(url.port);
}

/// "host", "host:port", "[::1]", "[::1]:port".
bool read_authority(std::string_view text, Url& url) {
    url.port = usual_port(url.tls);
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) { return false; }
        url.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        url.host = text.substr(0, colon);
        if (colon != std::string_view::npos) { port = text.substr(colon); }
    }
    if (port.empty() || port == ":") { return !url.host.empty(); }
    const auto number =
        port.starts_with(':') ? parse_number<std::uint16_t>(port.substr(1)) : std::nullopt;
    if (!number || *number == 0) { return false; }
    url.port = *number;
    return !url.host.empty();
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Task<Result<std::unique_ptr<HttpClient>>> client_for(Loop& loop, Url url) {
    std::shared_ptr<TlsClient> tls;
    if (url.tls) {
        CO_TRY_LET(created, TlsClient::create({}));
        tls = created;
    }
    const Address address{Address::Kind::Tcp, url.host, url.port};
    co_return std::make_unique<HttpClient>(loop, address, std::move(tls), authority(url));
}

} // namespace

std::string Url::text() const { return (tls ? "https://" : "http://") + authority(*this) + target; }

Result<Url> parse_url(std::string_view text) {
    const auto bad = [&](const std::string& why) {
        return invalid("invalid address " + go_quote(text) + ": " + why);
    };
    const auto odd = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
    if (text.size() > url_bytes_max) {
        return invalid("an address may have " + std::to_string(url_bytes_max) + " bytes");
    }
    if (std::any_of(text.begin(), text.end(), odd)) {
        return bad("it has blanks or control characters");
    }
    Url url;
    auto rest = text;
    if (const auto colon = text.find("://"); colon != std::string_view::npos) {
        const auto scheme = to_lower(text.substr(0, colon));
        if (scheme != "http" && scheme != "https") {
            return bad("only http and https are supported");
        }
        url.tls = scheme == "https";
        rest = text.substr(colon + 3);
    }
    rest = rest.substr(0, rest.find('#'));
    const auto slash = rest.find_first_of("/?");
    auto place = rest.substr(0, slash);
    if (const auto at = place.rfind('@'); at != std::string_view::npos) {
        TRY_LET(user, decode_percent(place.substr(0, at), false));
        url.user = user;
        place.remove_prefix(at + 1);
    }
    if (!read_authority(place, url)) { return bad("it names no host"); }
    if (slash != std::string_view::npos) { url.target = rest.substr(slash); }
    if (url.target.starts_with('?')) { url.target = "/" + url.target; }
    return url;
}

Result<Url> follow_redirect(const Url& from, std::string_view location) {
    location = location.substr(0, location.find('#'));
    if (location.empty()) { return invalid("a redirect of " + from.text() + " leads nowhere"); }
    if (location.starts_with("//")) {
        return follow_redirect(from, (from.tls ? "https:" : "http:") + std::string(location));
    }
    if (location.find("://") != std::string_view::npos) {
        TRY_LET(to, parse_url(location));
        if (from.tls && !to.tls) { return invalid("a redirect leads from https to " + to.text()); }
        const bool same = to.tls == from.tls && to.host == from.host && to.port == from.port;
        if (to.user.empty() && same) { to.user = from.user; }
        return std::move(to);
    }
    Url to = from;
    to.target = location;
    if (!location.starts_with('/')) { // beside the page that named it
        const auto path = from.target.substr(0, from.target.find('?'));
        to.target = location.starts_with('?')
                        ? path + std::string(location)
                        : path.substr(0, path.rfind('/') + 1) + std::string(location);
    }
    return to;
}

Task<Result<std::unique_ptr<Download>>> Download::start(Loop& loop, Url url, Until until) {
    for (int redirects = 0; redirects <= redirects_max; ++redirects) {
        CO_TRY_LET(client, co_await client_for(loop, url));
        ClientRequest request;
        request.target = url.target;
        request.headers.add("User-Agent", "shoal");
        if (!url.user.empty()) {
            request.headers.add("Authorization", "Basic " + base64(url.user));
        }
        CO_TRY_LET(exchange, co_await client->send(std::move(request), until));
        CO_TRY_LET(head, co_await exchange->head(until));
        if (is_redirect(head.status)) {
            CO_TRY_LET(next, follow_redirect(url, head.headers.get_or("Location", "")));
            url = next;
            continue;
        }
        if (head.status != 200) {
            co_return internal(url.text() + " answered " + std::to_string(head.status) + " " +
                               head.reason);
        }
        std::string modified(head.headers.get_or("Last-Modified", ""));
        co_return std::unique_ptr<Download>(
            new Download(std::move(client), std::move(exchange), std::move(modified)));
    }
    co_return internal(url.text() + " was redirected too often");
}

} // namespace shoal::net
