#include "base/text.h"
#include "engine/settings.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <set>

namespace shoal::engine {
namespace {

int address_family(const std::string& text) {
    std::array<unsigned char, 16> bytes{};
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) { return AF_INET; }
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) { return AF_INET6; }
    return 0;
}

Result<void> check_address(std::string_view key, const std::string& text, int family) {
    if (text.empty()) { return ok(); }
    const int got = address_family(text);
    if (got != 0 && (family == 0 || got == family)) { return ok(); }
    return invalid(std::string(key) + ": \"" + text + "\" is not an IP" +
                   (family == AF_INET    ? "v4"
                    : family == AF_INET6 ? "v6"
                                         : "") +
                   " address");
}

Result<void> check_cidr(std::string_view key, const std::string& text, int family) {
    if (text.empty()) { return ok(); }
    const auto [address, length] = cut(text, '/');
    const auto bits = parse_number<int>(length);
    const int got = address_family(address);
    if (got == 0 || (family != 0 && got != family) || !bits || *bits < 0 ||
        *bits > (got == AF_INET ? 32 : 128)) {
        return invalid(std::string(key) + ": \"" + text +
                       "\" is not an address with prefix length");
    }
    return ok();
}

Result<void> one_of(std::string_view key, const std::string& value,
                    std::initializer_list<std::string_view> allowed) {
    if (std::ranges::find(allowed, value) != allowed.end()) { return ok(); }
    std::vector<std::string> words(allowed.begin(), allowed.end());
    std::erase(words, "");
    return invalid(std::string(key) + ": \"" + value + "\" is none of " + join(words, ", "));
}

Result<void> at_least(std::string_view key, int value, int least) {
    if (value >= least) { return ok(); }
    return invalid(std::string(key) + ": must be " + std::to_string(least) + " or more, got " +
                   std::to_string(value));
}

Result<void> check_places(const Settings& s) {
    for (const auto& [key, path] :
         {std::pair("data-root", s.data_root), {"exec-root", s.exec_root}}) {
        if (!path.starts_with('/')) {
            return invalid(std::string(key) + ": \"" + path + "\" is not an absolute path");
        }
    }
    if (!s.pidfile.empty() && !s.pidfile.starts_with('/')) {
        return invalid("pidfile: \"" + s.pidfile + "\" is not an absolute path");
    }
    return ok();
}

Result<void> check_hosts(const Settings& s) {
    if (s.tls_verify && (s.tls_ca_cert.empty() || s.tls_cert.empty() || s.tls_key.empty())) {
        return invalid("tlsverify: tlscacert, tlscert and tlskey are needed");
    }
    if (s.tls && !s.tls_verify && (s.tls_cert.empty() || s.tls_key.empty())) {
        return invalid("tls: tlscert and tlskey are needed");
    }
    for (const auto& text : s.hosts) {
        TRY_LET(host, parse_host(text));
        if (host.kind == HostAddress::Kind::Tcp && !is_loopback(host) && !s.tls_verify) {
            return invalid(
                "hosts: " + text +
                " can be reached from other machines, and whoever reaches the API owns this one; use "
                "tlsverify with tlscacert, tlscert and tlskey, or listen on 127.0.0.1");
        }
    }
    if (s.metrics_addr.empty()) { return ok(); }
    auto metrics = parse_host("tcp://" + s.metrics_addr);
    if (!metrics) { return invalid("metrics-addr: \"" + s.metrics_addr + "\" is not host:port"); }
    return ok();
}

/// A kind has names, or one number.
Result<void> check_generic_resources(const Settings& s) {
    std::map<std::string, bool> counted;
    for (const auto& text : s.node_generic_resources) {
        const auto [kind, value] = cut(text, '=');
        if (kind.empty() || value.empty()) {
            return invalid("node-generic-resources: \"" + text + "\" is not kind=value");
        }
        const bool number = parse_number<std::int64_t>(value).has_value();
        const auto [place, added] = counted.emplace(kind, number);
        if (!added && (number || place->second)) {
            return invalid("node-generic-resources: " + kind +
                           " must have either names or one number");
        }
    }
    return ok();
}

Result<void> check_labels(const Settings& s) {
    std::map<std::string, std::string> seen;
    for (const auto& label : s.labels) {
        const auto equals = label.find('=');
        if (equals == std::string::npos || equals == 0) {
            return invalid("labels: \"" + label + "\" is not key=value");
        }
        const auto [place, fresh] = seen.emplace(label.substr(0, equals), label);
        if (!fresh && place->second != label) {
            return invalid("labels: conflict labels for " + place->first + ": " + place->second +
                           ", " + label);
        }
    }
    return ok();
}

Result<void> check_words(const Settings& s) {
    TRY(one_of("log-level", s.log_level, {"debug", "info", "warn", "error", "fatal"}));
    TRY(one_of("log-format", s.log_format, {"text", "json"}));
    TRY(one_of("default-cgroupns-mode", s.default_cgroupns_mode, {"", "host", "private"}));
    TRY(one_of("default-ipc-mode", s.default_ipc_mode, {"private", "shareable"}));
    TRY(one_of("storage-driver", s.storage_driver, {"overlay2", "overlay"}));
    TRY(one_of("log-driver", s.log_driver, {"json-file", "local", "journald", "syslog", "none"}));
    TRY(at_least("max-concurrent-downloads", s.max_concurrent_downloads, 1));
    TRY(at_least("max-concurrent-uploads", s.max_concurrent_uploads, 1));
    TRY(at_least("max-download-attempts", s.max_download_attempts, 1));
    TRY(at_least("mtu", s.mtu, 0));
    if (s.oom_score_adjust < -1000 || s.oom_score_adjust > 1000) {
        return invalid("oom-score-adjust: must be from -1000 to 1000");
    }
    return ok();
}

Result<void> check_runtimes(const Settings& s) {
    for (const std::string_view name : {"crun", "runc"}) {
        if (s.runtimes.contains(std::string(name))) {
            return invalid("runtimes: '" + std::string(name) +
                           "' exists always and cannot be replaced");
        }
    }
    if (s.default_runtime != "crun" && s.default_runtime != "runc" &&
        !s.runtimes.contains(s.default_runtime)) {
        return invalid("default-runtime: '" + s.default_runtime + "' is not among the runtimes");
    }
    return ok();
}

Result<void> check_networks(const Settings& s) {
    TRY(check_cidr("bip", s.bip, AF_INET));
    TRY(check_cidr("bip6", s.bip6, AF_INET6));
    TRY(check_cidr("fixed-cidr", s.fixed_cidr, AF_INET));
    TRY(check_cidr("fixed-cidr-v6", s.fixed_cidr_v6, AF_INET6));
    TRY(check_address("default-gateway", s.default_gateway, AF_INET));
    TRY(check_address("default-gateway-v6", s.default_gateway_v6, AF_INET6));
    TRY(check_address("ip", s.ip, 0));
    TRY(check_address("host-gateway-ip", s.host_gateway_ip, 0));
    for (const auto& address : s.ingress_addresses) {
        TRY(check_address("ingress-addresses", address, 0));
    }
    for (const auto& server : s.dns) { TRY(check_address("dns", server, 0)); }
    if (!s.bridge.empty() && !s.bip.empty()) {
        return invalid(
            "You specified -b & --bip, mutually exclusive options. Please specify only one");
    }
    for (const auto& pool : s.default_address_pools) {
        if (pool.base.empty()) { return invalid("default-address-pools: 'base' is needed"); }
        TRY(check_cidr("default-address-pools", pool.base, 0));
        const auto base_bits = *parse_number<int>(cut(pool.base, '/').second);
        const int bits_max = address_family(cut(pool.base, '/').first) == AF_INET ? 32 : 128;
        if (pool.size < base_bits || pool.size > bits_max) {
            return invalid("default-address-pools: size " + std::to_string(pool.size) +
                           " does not fit " + pool.base);
        }
    }
    return ok();
}

} // namespace

Result<void> check_settings(const Settings& settings) {
    TRY(check_places(settings));
    TRY(check_hosts(settings));
    TRY(check_labels(settings));
    TRY(check_generic_resources(settings));
    TRY(check_words(settings));
    TRY(check_runtimes(settings));
    return check_networks(settings);
}

Result<HostAddress> parse_host(std::string_view text) {
    const auto bad = [&](std::string_view why) {
        return invalid("invalid bind address (" + std::string(text) + "): " + std::string(why));
    };
    HostAddress host;
    if (text.starts_with("unix://")) {
        host.path = text.substr(7);
        if (!host.path.starts_with('/')) { return bad("the path of the socket must be absolute"); }
        if (host.path.size() > 107) {
            return bad("the path of the socket is longer than 107 bytes");
        }
        return host;
    }
    if (text.starts_with("fd://")) {
        host.kind = HostAddress::Kind::Inherited;
        host.path = text.substr(5);
        if (host.path == "*") { host.path.clear(); }
        return host;
    }
    if (const auto scheme = text.find("://");
        scheme != std::string_view::npos && !text.starts_with("tcp://")) {
        return bad("unsupported protocol");
    }
    const auto rest = text.starts_with("tcp://") ? text.substr(6) : text;
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos) { return bad("a port is needed"); }
    const auto port = parse_number<std::uint16_t>(rest.substr(colon + 1));
    if (!port) { return bad("invalid port"); }
    auto name = rest.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) { name = name.substr(1, name.size() - 2); }
    if (name.find_first_of("/?#") != std::string_view::npos) {
        return bad("should not contain a path element");
    }
    host.kind = HostAddress::Kind::Tcp;
    host.host = name.empty() ? "0.0.0.0" : std::string(name);
    host.port = *port;
    return host;
}

bool is_loopback(const HostAddress& host) {
    if (host.kind != HostAddress::Kind::Tcp) { return true; }
    if (host.host == "localhost" || host.host == "::1") { return true; }
    in_addr address{};
    return inet_pton(AF_INET, host.host.c_str(), &address) == 1 &&
           (ntohl(address.s_addr) >> 24) == 127;
}

} // namespace shoal::engine
