#include "registry/server/serve_settings.h"

#include "base/codec.h"
#include "base/text.h"
#include "registry/server/access_settings.h"
#include "registry/server/cache.h"
#include "registry/server/http_guard.h"

#include <algorithm>

namespace shoal::registry {

std::optional<std::chrono::seconds> parse_span(std::string_view text) {
    if (text.ends_with('d')) {
        const auto days = parse_number<std::uint32_t>(text.substr(0, text.size() - 1));
        if (!days || *days > 36'500) { return std::nullopt; }
        return std::chrono::hours(24) * static_cast<int>(*days);
    }
    const auto parsed = parse_duration(text);
    if (!parsed || parsed->count() < 0) { return std::nullopt; }
    return std::chrono::duration_cast<std::chrono::seconds>(*parsed);
}

namespace {

/// "90s", "24h", "7d" in the file.
struct Span {
    std::chrono::seconds value{0};
};
/// "10GB", "512m" in the file.
struct Size {
    std::int64_t bytes = 0;
};

bool from_text(std::string_view text, Span& span) {
    const auto parsed = parse_span(text);
    if (parsed) { span.value = *parsed; }
    return parsed.has_value();
}
[[maybe_unused]] std::string to_text(const Span& span) { return format_duration(span.value); }

bool from_text(std::string_view text, Size& size) {
    const auto parsed = parse_bytes(text);
    if (parsed) { size.bytes = *parsed; }
    return parsed.has_value();
}
[[maybe_unused]] std::string to_text(const Size& size) { return std::to_string(size.bytes); }

/// Members whose type in the file is another than in the settings.
template <class V> void span(V& v, const char* name, std::chrono::seconds& field) {
    Span text{field};
    v(name, text);
    field = text.value;
}
template <class V>
void optional_span(V& v, const char* name, std::optional<std::chrono::seconds>& field) {
    std::optional<Span> text;
    v(name, text);
    if (text) { field = text->value; }
}
template <class V, class N> void size(V& v, const char* name, N& field) {
    Size text{static_cast<std::int64_t>(field)};
    v(name, text);
    field = static_cast<N>(text.bytes);
}
template <class V> void challenge(V& v, const char* name, HttpOptions::Challenge& field) {
    std::string text = field == HttpOptions::Challenge::Basic ? "basic" : "bearer";
    v(name, text);
    if (text != "basic" && text != "bearer") {
        v.fail(v.path_of(name), "must be \"bearer\" or \"basic\"");
    }
    field = text == "basic" ? HttpOptions::Challenge::Basic : HttpOptions::Challenge::Bearer;
}

} // namespace

template <class V> void describe(V& v, Quota& quota) {
    v("prefix", quota.prefix);
    size(v, "size", quota.bytes_max);
}
template <class V> void describe(V& v, RetentionRule& rule) {
    v("repositories", rule.repositories);
    v("tags", rule.tags);
    v("keep-last", rule.keep_last);
    optional_span(v, "keep-younger", rule.keep_younger);
    v("keep-tags", rule.keep_tags);
}
template <class V> void describe(V& v, GcSchedule& gc) {
    span(v, "every", gc.every);
    span(v, "grace", gc.options.grace);
    v("untagged", gc.options.untagged);
    v("retention", gc.options.retention);
    v("keep", gc.options.keep);
    span(v, "upload-idle", gc.options.upload_idle_max);
}

namespace {

struct TlsKeys {
    ServeSettings& settings;
};
template <class V> void describe(V& v, TlsKeys& keys) {
    v("cert", keys.settings.tls_cert);
    v("key", keys.settings.tls_key);
}
struct LimitKeys {
    ServeSettings& settings;
};
template <class V> void describe(V& v, LimitKeys& keys) {
    ServeSettings& s = keys.settings;
    size(v, "manifest-size", s.store.manifest_bytes_max);
    s.http.manifest_bytes_max = s.store.manifest_bytes_max;
    v("uploads", s.store.uploads_max);
    span(v, "upload-idle", s.store.upload_idle_max);
    v("page", s.http.page_max);
    v("connections", s.server.connections_max);
    size(v, "header-size", s.server.header_bytes_max);
    span(v, "header-timeout", s.server.header_timeout);
    span(v, "idle-timeout", s.server.idle_timeout);
    span(v, "stall-timeout", s.server.stall_timeout);
    s.http.stall_timeout = s.server.stall_timeout;
}
struct CacheKeys {
    ServeSettings& settings;
};
template <class V> void describe(V& v, CacheKeys& keys) {
    size(v, "size", keys.settings.cache_bytes_max);
}
struct LogKeys {
    ServeSettings& settings;
};
template <class V> void describe(V& v, LogKeys& keys) {
    v("level", keys.settings.log_level);
    v("access", keys.settings.access_log);
}
struct TopKeys {
    ServeSettings& settings;
    Json tls, limits, log, access, cache;
};
template <class V> void describe(V& v, TopKeys& keys) {
    ServeSettings& s = keys.settings;
    v("root", s.root);
    v("address", s.address);
    v("metrics-addr", s.metrics_addr);
    v("names", s.names);
    v("plain-http", s.plain_http);
    v("open", s.open);
    v("tls", keys.tls);
    v("access", keys.access);
    v("public-url", s.http.public_url);
    v("trust-forwarded", s.http.trust_forwarded);
    challenge(v, "challenge", s.http.challenge);
    v("quotas", s.quotas);
    v("gc", s.gc);
    v("limits", keys.limits);
    v("upstreams", s.upstreams);
    v("cache", keys.cache);
    span(v, "shutdown-timeout", s.shutdown_timeout);
    v("log", keys.log);
}

template <class K> Result<void> read_part(const Json& value, const char* name, K keys) {
    if (value.is_null()) { return ok(); }
    if (!value.is_object()) { return invalid(std::string(name) + ": expected an object"); }
    codec::Reader reader(value, name, codec::Unknown::Refuse);
    describe(reader, keys);
    return reader.finish();
}

bool is_level(std::string_view level) {
    constexpr std::string_view levels[] = {"debug", "info", "warn", "error"};
    return std::ranges::find(levels, level) != std::end(levels);
}

} // namespace

Result<ServeSettings> apply_serve_json(ServeSettings base, const Json& document) {
    if (!document.is_object()) { return invalid("the settings must be a JSON object"); }
    TopKeys top{base};
    codec::Reader reader(document, "", codec::Unknown::Refuse);
    describe(reader, top);
    TRY(reader.finish());
    if (!base.http.public_url.empty()) {
        TRY_LET(origin, parse_origin(base.http.public_url).with("public-url"));
        base.http.public_url = std::move(origin);
    }
    TRY(read_part(top.tls, "tls", TlsKeys{base}));
    TRY(read_part(top.limits, "limits", LimitKeys{base}));
    TRY(read_part(top.log, "log", LogKeys{base}));
    TRY(read_part(top.cache, "cache", CacheKeys{base}));
    if (!top.access.is_null()) {
        TRY_LET(access, parse_access_settings(base.access, top.access));
        base.access = std::move(access);
    }
    return base;
}

Result<void> check_serve_settings(const ServeSettings& settings) {
    TRY_LET(place, parse_host_port(settings.address).with("address"));
    const bool loopback = is_loopback_host(place.host);
    if (settings.open && !loopback) {
        return invalid("open: a registry without users is for a loopback address only, not " +
                       settings.address);
    }
    if (settings.tls_cert.empty() != settings.tls_key.empty()) {
        return invalid("tls: a certificate and its key belong together");
    }
    if (settings.plain_http && !settings.tls_cert.empty()) {
        return invalid("plain-http and a certificate exclude each other");
    }
    if (!settings.metrics_addr.empty()) {
        TRY(parse_host_port(settings.metrics_addr).with("metrics-addr"));
    }
    if (settings.root.empty() || settings.root.front() != '/') {
        return invalid("root: an absolute path is needed");
    }
    if (!is_level(settings.log_level)) {
        return invalid("log.level: must be debug, info, warn or error");
    }
    if (settings.http.page_max == 0 || settings.server.connections_max == 0) {
        return invalid("limits: page and connections must be more than 0");
    }
    if (settings.store.manifest_bytes_max > oci::manifest_bytes_max) {
        return invalid("limits.manifest-size: at most " + std::to_string(oci::manifest_bytes_max));
    }
    TRY(parse_upstreams(settings.upstreams));
    if (settings.cache_bytes_max < 0) { return invalid("cache.size: must not be negative"); }
    for (const auto& quota : settings.quotas) {
        if (quota.bytes_max <= 0) { return invalid("quotas: size must be more than 0"); }
    }
    return ok();
}

Result<HostPort> parse_host_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const auto port = colon == std::string_view::npos
                          ? std::nullopt
                          : parse_number<std::uint16_t>(text.substr(colon + 1));
    if (!port) { return invalid("expected HOST:PORT, got \"" + std::string(text) + "\""); }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return invalid("an IPv6 address belongs in brackets: \"" + std::string(text) + "\"");
    }
    return HostPort{std::string(host), *port};
}

bool is_loopback_host(std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

} // namespace shoal::registry
