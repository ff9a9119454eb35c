// What the registry's settings file (JSON) and command line say. Plain values; unknown keys are
// refused by name, and so is what does not go together. It reads the file it is given and touches
// nothing else.
#pragma once

#include "base/json.h"
#include "registry/server/access.h"
#include "registry/server/gc.h"
#include "registry/server/service.h"

#include <string>
#include <vector>

namespace shoal::registry {

inline constexpr std::string_view default_config_file = "/etc/shoal/registry.json";
inline constexpr std::string_view first_admin = "admin";

struct GcSchedule {
    std::chrono::seconds every{0}; ///< 0: not by itself
    GcOptions options{};
};

struct ServeSettings {
    std::string config_file{default_config_file};
    std::string root = "/var/lib/shoal-registry";
    std::string address = "127.0.0.1:5000"; ///< "host:port", ":port" for all addresses
    std::string metrics_addr;               ///< "" for none but /metrics for admins
    std::vector<std::string> names;         ///< what clients call this registry; for certificates
    bool plain_http = false;                ///< no TLS beyond loopback, wanted and said
    bool open = false;                      ///< no users: loopback only
    std::string tls_cert, tls_key;          ///< "": made by ourselves when TLS is needed

    AccessSettings access;
    HttpOptions http;
    std::vector<Quota> quotas;
    GcSchedule gc;
    StoreLimits store;
    net::ServerLimits server;
    Json upstreams = Json::array();   ///< of the pull-through cache: parse_upstreams(), cache.h
    std::int64_t cache_bytes_max = 0; ///< 0: nothing but time bounds it
    std::chrono::seconds shutdown_timeout{30};
    std::string log_level = "info";
    std::string access_log = "stderr"; ///< "stderr", "off" or a path

    std::string private_directory() const { return root + "/private"; }
    std::string cache_directory() const { return private_directory() + "/cache"; }
};

/// A settings document on top of `base`. Fails: Invalid naming the key.
Result<ServeSettings> apply_serve_json(ServeSettings base, const Json& document);
/// What needs more than one key. Fails: Invalid.
Result<void> check_serve_settings(const ServeSettings& settings);

/// "90s", "24h", "7d"
std::optional<std::chrono::seconds> parse_span(std::string_view text);

struct HostPort {
    std::string host; ///< numeric or "localhost"; "" for all
    std::uint16_t port = 0;
};
/// "127.0.0.1:5000", "[::1]:5000", ":5000", "localhost:5000". Fails: Invalid.
Result<HostPort> parse_host_port(std::string_view text);
bool is_loopback_host(std::string_view host);

/// The arguments of a registry command: flags that all of them share, and its own.
struct ServeLine {
    ServeSettings settings;
    std::vector<std::string> words; ///< what is left: a subcommand's own words and flags
    bool help = false;
};
/// How a command treats what it does not know.
enum class Rest {
    Refuse, ///< serve, gc, du, verify
    Keep,   ///< user, robot: they read the rest themselves
};
/// `own` are further switches without value that the command takes into `words`. Reads the file.
Result<ServeLine> parse_serve_line(const std::vector<std::string>& args, Rest rest,
                                   const std::vector<std::string>& own = {});
std::string serve_flags_help();

} // namespace shoal::registry
