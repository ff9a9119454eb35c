#include "cli/swarm/swarm_options.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/csv.h"
#include "cli/ports.h"
#include "cli/support.h"
#include "cli/swarm/documents.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

constexpr std::string_view default_host = "0.0.0.0";
constexpr std::string_view default_port = "2377";

Result<Json> parse_external_ca(std::string_view text) {
    TRY_LET(fields, parse_csv(text));
    Json authority{{"Protocol", ""}, {"URL", ""}, {"CACert", ""}};
    Json options = Json::object();
    bool protocol = false, url = false;
    for (const auto& field : fields) {
        const auto [key, value] = cut(field, '=');
        if (field.find('=') == std::string::npos) {
            return invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
        }
        const std::string name = to_lower(key);
        if (name == "protocol") {
            if (to_lower(value) != "cfssl") {
                return invalid("unrecognized external CA protocol " + value);
            }
            protocol = true;
            authority["Protocol"] = "cfssl";
        } else if (name == "url") {
            url = true;
            authority["URL"] = value;
        } else if (name == "cacert") {
            auto text_of_file = os::read_file(value);
            if (!text_of_file) {
                return go_error("open " + value, text_of_file.error())
                    .with("unable to read CA cert for external CA");
            }
            if (text_of_file->find("-----BEGIN ") == std::string::npos) {
                return invalid("CA cert for external CA must be in PEM format");
            }
            authority["CACert"] = *text_of_file;
        } else {
            options[key] = value;
        }
    }
    if (!protocol) { return invalid("the external-ca option needs a protocol= parameter"); }
    if (!url) { return invalid("the external-ca option needs a url= parameter"); }
    if (!options.empty()) { authority["Options"] = options; }
    return authority;
}

Result<void> check_external_ca(std::string_view value) {
    TRY(parse_external_ca(value));
    return ok();
}

constexpr Flag authority_table[] = {
    {"cert-expiry", 0, Kind::Duration, "How long certificates of nodes are valid (ns|us|ms|s|m|h)",
     "2160h0m0s"},
    {"external-ca", 0, Kind::List, "Server that signs certificates (protocol=cfssl,url=...)", "",
     "external-ca", check_external_ca},
};

constexpr Flag spec_table[] = {
    authority_table[0],
    authority_table[1],
    {"dispatcher-heartbeat", 0, Kind::Duration,
     "Time between two heartbeats of a node (ns|us|ms|s|m|h)", "5s"},
    {"max-snapshots", 0, Kind::Uint, "Old Raft snapshots to keep"},
    {"snapshot-interval", 0, Kind::Uint, "Log entries between two Raft snapshots", "10000"},
    {"task-history-limit", 0, Kind::Int, "Old tasks to keep of each slot", "5"},
};

std::int64_t span_of(const Parsed& parsed, std::string_view flag) {
    const auto span = parse_duration(parsed.text(flag));
    return span ? span->count() : 0;
}

/// Host and port; the port is Raft's own when none was given. Fails as Docker does.
Result<std::string> listen_address(std::string_view given) {
    const std::string text(given);
    const auto bad = [&] { return invalid("invalid bind address format: " + text); };
    std::string_view rest = given;
    if (rest.starts_with("tcp://")) { rest.remove_prefix(6); }
    std::string host, port;
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == std::string_view::npos || end + 1 >= rest.size() || rest[end + 1] != ':') {
            return bad();
        }
        host = rest.substr(0, end + 1);
        port = rest.substr(end + 2);
    } else {
        if (std::count(rest.begin(), rest.end(), ':') > 1) { return bad(); }
        std::tie(host, port) = cut(rest, ':');
    }
    if (host.empty() && port.empty() && rest.empty()) { return bad(); }
    if (!port.empty() && !parse_number<std::uint16_t>(port)) {
        return invalid(
            fmt::format("parse \"tcp://{}\": invalid port \":{}\" after host", rest, port));
    }
    return fmt::format("{}:{}", host.empty() ? default_host : std::string_view(host),
                       port.empty() ? default_port : std::string_view(port));
}

Result<std::string> availability_of(const Parsed& parsed) {
    if (!parsed.given("availability")) { return std::string(); }
    const std::string value = to_lower(parsed.text("availability"));
    if (value == "active" || value == "pause" || value == "drain") { return value; }
    return invalid(
        fmt::format("invalid availability {}, only active, pause and drain are supported",
                    go_quote(parsed.text("availability"))));
}

} // namespace

std::span<const Flag> swarm_spec_flags() { return spec_table; }
std::span<const Flag> authority_flags() { return authority_table; }

Result<void> check_listen_address(std::string_view value) {
    TRY(listen_address(value));
    return ok();
}

Result<void> check_pools(std::string_view value) {
    for (const auto& pool : split(value, ',')) {
        const auto [address, length] = cut(trim(pool), '/');
        const auto bits = parse_number<unsigned>(length);
        const unsigned most = address.find(':') == std::string::npos ? 32 : 128;
        if (!is_ip(address) || !bits || *bits > most) {
            return invalid("invalid string being converted to CIDR: " + std::string(pool));
        }
    }
    return ok();
}

Result<void> check_uint32(std::string_view value) {
    if (parse_number<std::uint32_t>(value)) { return ok(); }
    return invalid(
        fmt::format("strconv.ParseUint: parsing {}: value out of range", go_quote(value)));
}

Result<std::string> read_pem(const std::string& file) {
    auto text = os::read_file(file);
    if (!text) { return go_error("open " + file, text.error()); }
    if (text->find("-----BEGIN ") == std::string::npos) {
        return invalid("file contents must be in PEM format");
    }
    return text;
}

Result<void> check_pem_file(std::string_view value) {
    TRY(read_pem(std::string(value)));
    return ok();
}

Result<void> merge_authority(Json& spec, const Parsed& parsed, const std::string& ca_certificate) {
    Json& config = ensure_object(spec, "CAConfig");
    if (parsed.given("cert-expiry")) {
        put(config, "NodeCertExpiry", span_of(parsed, "cert-expiry"));
    }
    if (!parsed.given("external-ca")) { return ok(); }
    config["ExternalCAs"] = Json::array();
    for (const auto& text : parsed.all("external-ca")) {
        TRY_LET(authority, parse_external_ca(text));
        if (text_of(authority, "CACert").empty()) { authority["CACert"] = ca_certificate; }
        config["ExternalCAs"].push_back(authority);
    }
    return ok();
}

Result<void> merge_swarm_spec(Json& spec, const Parsed& parsed, const std::string& ca_certificate) {
    if (const auto limit = parsed.number("task-history-limit")) {
        ensure_object(spec, "Orchestration")["TaskHistoryRetentionLimit"] = *limit;
    }
    if (parsed.given("dispatcher-heartbeat")) {
        put(ensure_object(spec, "Dispatcher"), "HeartbeatPeriod",
            span_of(parsed, "dispatcher-heartbeat"));
    }
    if (const auto snapshots = parsed.number("max-snapshots")) {
        ensure_object(spec, "Raft")["KeepOldSnapshots"] = *snapshots;
    }
    if (const auto entries = parsed.number("snapshot-interval")) {
        put(ensure_object(spec, "Raft"), "SnapshotInterval", *entries);
    }
    if (parsed.given("autolock")) {
        ensure_object(spec, "EncryptionConfig")["AutoLockManagers"] = parsed.on("autolock");
    }
    return merge_authority(spec, parsed, ca_certificate);
}

Result<Json> init_body(const Parsed& parsed) {
    TRY_LET(address, listen_address(parsed.text("listen-addr", default_host)));
    TRY_LET(availability, availability_of(parsed));
    // Go sends what its structures have; a daemon takes zeros as "not said".
    Json spec{{"Labels", nullptr},
              {"Orchestration", Json::object()},
              {"Raft", {{"ElectionTick", 0}, {"HeartbeatTick", 0}}},
              {"Dispatcher", Json::object()},
              {"CAConfig", Json::object()},
              {"TaskDefaults", Json::object()},
              {"EncryptionConfig", {{"AutoLockManagers", false}}}};
    TRY(merge_swarm_spec(spec, parsed, ""));
    Json pools = Json::array();
    for (const auto& pool : parsed.all("default-addr-pool")) { pools.push_back(trim(pool)); }
    return Json{{"ListenAddr", address},
                {"AdvertiseAddr", parsed.text("advertise-addr")},
                {"DataPathAddr", parsed.text("data-path-addr")},
                {"DataPathPort", parsed.number("data-path-port").value_or(0)},
                {"ForceNewCluster", parsed.on("force-new-cluster")},
                {"Spec", spec},
                {"AutoLockManagers", parsed.on("autolock")},
                {"Availability", availability},
                {"DefaultAddrPool", pools},
                {"SubnetSize", parsed.number("default-addr-pool-mask-length").value_or(24)}};
}

Result<Json> join_body(const Parsed& parsed) {
    TRY_LET(address, listen_address(parsed.text("listen-addr", default_host)));
    TRY_LET(availability, availability_of(parsed));
    return Json{{"ListenAddr", address},
                {"AdvertiseAddr", parsed.text("advertise-addr")},
                {"DataPathAddr", parsed.text("data-path-addr")},
                {"RemoteAddrs", Json::array({parsed.words[0]})},
                {"JoinToken", parsed.text("token")},
                {"Availability", availability}};
}

} // namespace shoal::cli::swarm
