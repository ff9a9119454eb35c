#include "registry/client/hosts.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>

namespace shoal::registry {
namespace {

constexpr std::string_view hub_domain = "docker.io";
constexpr std::string_view hub_host = "registry-1.docker.io";

/// An address as 16 bytes, IPv4 mapped; nothing for a name.
std::optional<std::array<std::uint8_t, 16>> address_of(const std::string& text) {
    std::array<std::uint8_t, 16> bytes{};
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        bytes[10] = bytes[11] = 0xff;
        const auto* raw = reinterpret_cast<const std::uint8_t*>(&v4);
        std::copy(raw, raw + 4, bytes.begin() + 12);
        return bytes;
    }
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) { return bytes; }
    return std::nullopt;
}

/// Is `host`, a numeric address, in the network "10.0.0.0/8".
bool in_network(const std::string& host, const std::string& network) {
    const auto [base, length] = cut(network, '/');
    const auto address = address_of(host);
    const auto start = address_of(base);
    auto bits = parse_number<unsigned>(length);
    if (!address || !start || !bits) { return false; }
    if (base.find(':') == std::string::npos) { *bits += 96; }
    if (*bits > 128) { return false; }
    for (unsigned n = 0; n < *bits; ++n) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> (n % 8));
        if (((*address)[n / 8] & mask) != ((*start)[n / 8] & mask)) { return false; }
    }
    return true;
}

bool is_loopback_host(const std::string& host) {
    return host == "localhost" || host == "::1" || in_network(host, "127.0.0.0/8");
}

std::string host_and_port(const net::Url& url) {
    const bool v6 = url.host.find(':') != std::string::npos;
    return (v6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
}

bool is_insecure(const net::Url& url, const HostSettings& settings) {
    if (is_loopback_host(url.host)) { return true; }
    for (const auto& entry : settings.insecure_registries) {
        if (entry == url.host || entry == host_and_port(url)) { return true; }
        if (entry.find('/') != std::string::npos && in_network(url.host, entry)) { return true; }
    }
    return false;
}

struct Certificates {
    std::vector<std::string> authorities;
    std::string cert;
    std::string key;
};

/// *.crt are authorities, NAME.cert goes with NAME.key, as Docker has it.
Result<void> read_certificates(const std::string& directory, Certificates& into) {
    const auto entries = os::list_directory(directory);
    if (!entries) {
        if (entries.error().code == Errc::NotFound) { return ok(); }
        return entries.error();
    }
    std::vector<std::string> names;
    for (const auto& entry : *entries) { names.push_back(entry.name); }
    std::sort(names.begin(), names.end());
    const auto has = [&](const std::string& name) {
        return std::binary_search(names.begin(), names.end(), name);
    };
    for (const auto& name : names) {
        const std::string path = directory + "/" + name;
        if (name.ends_with(".crt")) { into.authorities.push_back(path); }
        if (name.ends_with(".cert")) {
            const std::string key = name.substr(0, name.size() - 4) + "key";
            if (!has(key)) {
                return invalid("missing key " + key + " for client certificate " + path +
                               ". CA certificates must use the extension .crt");
            }
            into.cert = path;
            into.key = directory + "/" + key;
        }
        if (name.ends_with(".key") && !has(name.substr(0, name.size() - 3) + "cert")) {
            return invalid("missing client certificate " + name.substr(0, name.size() - 3) +
                           "cert for key " + path);
        }
    }
    return ok();
}

Result<net::TlsFiles> tls_files_of(const net::Url& url, const std::string& written,
                                   const HostSettings& settings) {
    Certificates found;
    for (const auto& top : settings.certificate_directories) {
        TRY(read_certificates(top + "/" + written, found));
        if (written != host_and_port(url)) {
            TRY(read_certificates(top + "/" + host_and_port(url), found));
        }
    }
    net::TlsFiles files;
    files.cert_file = found.cert;
    files.key_file = found.key;
    files.more_ca_files = std::move(found.authorities);
    return files;
}

Result<std::optional<net::Url>> proxy_of(const net::Url& url, const ProxySettings& settings) {
    const std::string& text = url.tls ? settings.https : settings.http;
    if (text.empty() || bypasses_proxy(url.host, url.port, settings.none)) {
        return std::optional<net::Url>();
    }
    auto proxy = net::parse_url(text);
    if (!proxy) { return proxy.error().with("proxy"); }
    if (proxy->tls) { return unsupported("a proxy that is spoken to by https: " + proxy->text()); }
    return std::optional<net::Url>(std::move(*proxy));
}

/// One place, with everything that is known of it.
Result<Endpoint> endpoint_named(net::Url url, const std::string& written,
                                const HostSettings& settings) {
    Endpoint endpoint;
    if (url.tls) {
        TRY_LET(files, tls_files_of(url, written, settings));
        endpoint.tls = std::move(files);
    }
    TRY_LET(proxy, proxy_of(url, settings.proxy));
    endpoint.proxy = std::move(proxy);
    endpoint.host_header = written;
    endpoint.url = std::move(url);
    return endpoint;
}

Result<Endpoint> mirror_at(const std::string& address, const HostSettings& settings) {
    auto url = net::parse_url(address);
    if (!url) { return url.error().with("registry mirror"); }
    while (url->target.ends_with('/')) { url->target.pop_back(); }
    TRY_LET(endpoint, endpoint_at(std::move(*url), settings));
    endpoint.mirror = true;
    endpoint.verify = !is_insecure(endpoint.url, settings);
    return endpoint;
}

} // namespace

Result<Endpoint> endpoint_at(net::Url url, const HostSettings& settings) {
    const bool usual = url.port == (url.tls ? 443 : 80);
    const std::string written = usual ? url.host : host_and_port(url);
    return endpoint_named(std::move(url), written, settings);
}

bool bypasses_proxy(const std::string& host, std::uint16_t port, std::string_view none) {
    if (is_loopback_host(host)) { return true; }
    for (const auto& part : split(none, ',')) {
        std::string entry(trim(part));
        if (entry.empty()) { continue; }
        if (entry == "*") { return true; }
        if (entry.find('/') != std::string::npos) {
            if (in_network(host, entry)) { return true; }
            continue;
        }
        const auto colon = entry.rfind(':');
        if (colon != std::string::npos && entry.find(':') == colon) {
            if (entry.substr(colon + 1) != std::to_string(port)) { continue; }
            entry.resize(colon);
        }
        if (equals_ignore_case(entry, host)) { return true; }
        if (entry.starts_with("*.")) { entry.erase(0, 1); }
        const std::string suffix = to_lower(entry.starts_with('.') ? entry : "." + entry);
        if (to_lower(host).ends_with(suffix)) { return true; }
    }
    return false;
}

Result<std::vector<Endpoint>> endpoints_of(const std::string& domain, const HostSettings& settings,
                                           Purpose purpose) {
    std::vector<Endpoint> all;
    const bool hub = domain == hub_domain;
    if (hub && purpose == Purpose::Pull) {
        for (const auto& address : settings.mirrors) {
            TRY_LET(mirror, mirror_at(address, settings));
            all.push_back(std::move(mirror));
        }
    }
    auto url = net::parse_url("https://" + (hub ? std::string(hub_host) : domain));
    if (!url) { return url.error(); }
    if (url->target != "/" || !url->user.empty()) {
        return invalid("invalid registry name: " + domain);
    }
    url->target.clear();
    const std::string written = hub ? std::string(hub_host) : domain;
    const bool insecure = is_insecure(*url, settings);
    TRY_LET(endpoint, endpoint_named(*url, written, settings));
    endpoint.verify = !insecure || !endpoint.tls.more_ca_files.empty();
    all.push_back(endpoint);
    if (insecure) {
        net::Url plain = *url;
        plain.tls = false;
        if (domain.find(':') == std::string::npos) { plain.port = 80; }
        TRY_LET(unsafe, endpoint_named(std::move(plain), written, settings));
        unsafe.verify = false;
        all.push_back(std::move(unsafe));
    }
    return all;
}

} // namespace shoal::registry
