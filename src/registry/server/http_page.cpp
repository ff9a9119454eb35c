// The page to browse the registry with: files that were built into the program (web/). What it
// shows it asks of /api/.
#include "registry/server/http.h"
#include "registry/server/http_call.h"
#include "registry/server/http_etag.h"
#include "web/assets.h"

namespace shoal::registry {
namespace {

constexpr std::string_view document = "/registry.html";
constexpr std::string_view nonce_mark = "{{nonce}}";

/// Nothing from elsewhere, no script and no style but ours; the nonce is for the styles that the
/// page's components write.
std::string policy(const std::string& nonce) {
    return "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce +
           "'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'";
}

net::Headers common_headers(std::string_view type) {
    return {{"Content-Type", std::string(type)},
            {"X-Content-Type-Options", "nosniff"},
            {"Referrer-Policy", "no-referrer"},
            {"Cross-Origin-Opener-Policy", "same-origin"},
            {"Cross-Origin-Resource-Policy", "same-origin"}};
}

net::Task<void> answer_document(Service& service, net::Exchange& exchange,
                                const web::Asset& asset) {
    const std::string nonce = service.random.hex(16);
    net::Headers headers = common_headers(asset.type);
    headers.add("Content-Security-Policy", policy(nonce));
    headers.add("Cache-Control", "no-store");
    std::string body(asset.bytes);
    const auto mark = body.find(nonce_mark);
    if (mark != std::string::npos) { body.replace(mark, nonce_mark.size(), nonce); }
    auto sent = co_await exchange.respond(200, std::move(headers), body);
    (void)sent;
}

/// Compressed whatever the client accepts: all browsers do, and there is no other client.
net::Task<void> answer_asset(net::Exchange& exchange, const web::Asset& asset) {
    const std::string etag = "\"" + std::string(asset.hash) + "\"";
    net::Headers headers = common_headers(asset.type);
    headers.add("Etag", etag);
    // The names of these change with their content, so a browser may keep them.
    const bool lasting = asset.path.starts_with("/assets/");
    headers.add("Cache-Control", lasting ? "public, max-age=31536000, immutable" : "no-cache");
    if (asset.gzip) { headers.add("Content-Encoding", "gzip"); }
    const bool same = matches_etag(exchange.request().headers.get_or("If-None-Match", ""), etag);
    auto sent = co_await exchange.respond(same ? 304 : 200, std::move(headers), asset.bytes);
    (void)sent;
}

} // namespace

bool is_page(std::string_view path) {
    return path == "/" || path == "/favicon.svg" || path.starts_with("/assets/");
}

net::Task<void> answer_page(Service& service, net::Exchange& exchange) {
    const net::RequestHead& request = exchange.request();
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const bool root = request.path == "/";
    const web::Asset* asset = web::find_asset(root ? document : std::string_view(request.path));
    if (!reads || asset == nullptr) {
        net::Headers headers = common_headers("text/plain; charset=utf-8");
        if (!reads) { headers.add("Allow", "GET, HEAD"); }
        const std::string_view body = reads ? "page not found\n" : "method not allowed\n";
        auto sent = co_await exchange.respond(reads ? 404 : 405, std::move(headers), body);
        (void)sent;
        co_return;
    }
    if (root) {
        co_await answer_document(service, exchange, *asset);
        co_return;
    }
    co_await answer_asset(exchange, *asset);
}

} // namespace shoal::registry
