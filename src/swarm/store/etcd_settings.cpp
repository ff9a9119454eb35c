#include "swarm/store/etcd_settings.h"

#include "base/json.h"
#include "base/text.h"

#include <algorithm>
#include <array>

namespace shoal::swarm {
namespace {

constexpr std::size_t words_max = 600; ///< of etcd that an error shows
/// A transaction's keys and values, and what is around them; with what etcd adds for watches (half
/// a MiB) it still is a message that net/grpc.h takes.
constexpr std::size_t request_bytes_max = log_txn_bytes_max + (512 << 10);
static_assert(request_bytes_max + (512 << 10) <= 16 << 20);

void add_peer_tls(std::vector<std::string>& all, const EtcdPeerTls& tls) {
    all.push_back("--peer-cert-file=" + tls.certificate_path);
    all.push_back("--peer-key-file=" + tls.key_path);
    all.push_back("--peer-trusted-ca-file=" + tls.trust_path);
    all.push_back("--peer-client-cert-auth=true");
    // A manager with several addresses calls from another than the one it is called at: who signed
    // its certificate is what counts.
    all.push_back("--experimental-peer-skip-client-san-verification=true");
    if (!tls.allowed_hostname.empty()) {
        all.push_back("--peer-cert-allowed-hostname=" + tls.allowed_hostname);
    }
}

std::string cluster_of(const EtcdSettings& settings, const EtcdStart& start) {
    std::string all = settings.name + "=" + settings.peer_url;
    for (const auto& member : start.members) {
        if (member.peer_url == settings.peer_url) { continue; }
        all += "," + (member.name.empty() ? member.id : member.name) + "=" + member.peer_url;
    }
    return all;
}

/// Only with "new" may a member without data begin a cluster of its own. So one that has lost its
/// data does not.
void add_beginning(std::vector<std::string>& all, const EtcdSettings& settings,
                   const EtcdStart& start) {
    const bool first = start.kind == EtcdStart::Kind::Bootstrap;
    all.push_back("--initial-cluster=" + cluster_of(settings, start));
    all.push_back(std::string("--initial-cluster-state=") + (first ? "new" : "existing"));
    // Its ids are made from addresses and this: a cluster that is made anew where another was must
    // not be taken for that one by members which still run.
    if (first) {
        all.push_back("--initial-cluster-token=" +
                      (settings.cluster_token.empty() ? settings.name : settings.cluster_token));
    }
    if (start.kind == EtcdStart::Kind::ForceNew) { all.push_back("--force-new-cluster=true"); }
}

bool is_beginning(const std::string& argument) { return argument.starts_with("--initial-cluster"); }

struct Sign {
    std::string_view part;
    EtcdEnd::Kind kind;
};
constexpr std::array signs{
    Sign{"permanently removed from the cluster", EtcdEnd::Kind::Removed},
    Sign{"no space left on device", EtcdEnd::Kind::NoSpace},
    Sign{"disk quota exceeded", EtcdEnd::Kind::NoSpace},
    Sign{"address already in use", EtcdEnd::Kind::AddressInUse},
    Sign{"crc mismatch", EtcdEnd::Kind::Damaged},
    Sign{"failed to open database", EtcdEnd::Kind::Damaged},
    Sign{"failed to recover v3 backend", EtcdEnd::Kind::Damaged},
    Sign{"failed to find database snapshot file", EtcdEnd::Kind::Damaged},
    Sign{"freepages", EtcdEnd::Kind::Damaged},
    Sign{"invalid freelist", EtcdEnd::Kind::Damaged},
    Sign{"assertion failed: Page expected", EtcdEnd::Kind::Damaged},
    Sign{"already freed", EtcdEnd::Kind::Damaged},
    Sign{"invalid page type", EtcdEnd::Kind::Damaged},
    Sign{"fatal error: fault", EtcdEnd::Kind::Damaged}, // a mapped file ends too early
    Sign{"is out of range [lastIndex", EtcdEnd::Kind::Damaged},
    Sign{"wal: file not found", EtcdEnd::Kind::Damaged},
    Sign{"wal: slice bounds out of range", EtcdEnd::Kind::Damaged},
    Sign{"wal: max entry size limit", EtcdEnd::Kind::Damaged},
    Sign{"walpb:", EtcdEnd::Kind::Damaged},
    Sign{"snap: no available snapshot", EtcdEnd::Kind::Damaged},
    Sign{"failed to unmarshal", EtcdEnd::Kind::Damaged},
    Sign{"checksum mismatch", EtcdEnd::Kind::Damaged},
};

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// One line of its log as a sentence; "" when it is not about a failure.
std::string failure_in(std::string_view line) {
    if (line.starts_with("panic: ") || line.starts_with("fatal error: ")) {
        return std::string(line);
    }
    const auto json = parse_json(line);
    if (!json || !json->is_object()) { return ""; }
    const auto level = text_at(*json, "level");
    if (level != "fatal" && level != "panic" && level != "error") { return ""; }
    const auto error = text_at(*json, "error");
    return text_at(*json, "msg") + (error.empty() ? "" : ": " + error);
}

/// The sentence that says most: what etcd itself called fatal, else a panic's.
std::string last_words(std::string_view log) {
    std::string found;
    for (const auto& line : split(log, '\n')) {
        const auto words = failure_in(line);
        if (words.empty()) { continue; }
        if (!found.empty() && words.starts_with("panic: ")) { continue; }
        found = words;
    }
    return found.substr(0, words_max);
}

EtcdEnd::Kind kind_of_log(std::string_view log) {
    for (const auto& line : split(log, '\n')) {
        if (failure_in(line).empty()) { continue; } // warnings may tell of what was repaired
        for (const auto& [part, kind] : signs) {
            if (line.find(part) != std::string_view::npos && kind != EtcdEnd::Kind::Other) {
                return kind;
            }
        }
    }
    return EtcdEnd::Kind::Other;
}

} // namespace

std::vector<std::string> etcd_arguments(const EtcdSettings& settings, const EtcdStart& start) {
    const auto number = [](auto value) { return std::to_string(value); };
    // A unix socket's name has to look like a host with a port; it is relative to run_folder().
    const std::string client = "unix://client:1";
    std::vector<std::string> all{
        settings.program,
        "--name=" + settings.name,
        "--data-dir=" + settings.data_folder(),
        "--listen-client-urls=" + client,
        "--advertise-client-urls=" + client,
        "--listen-peer-urls=" + settings.peer_listen_url,
        "--initial-advertise-peer-urls=" + settings.peer_url,
        "--heartbeat-interval=" + number(settings.heartbeat.count()),
        "--election-timeout=" + number(settings.election.count()),
        "--pre-vote=true",
        "--strict-reconfig-check=true",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=" + number(settings.kept_revisions),
        "--quota-backend-bytes=" + number(settings.quota_bytes),
        "--max-txn-ops=" + number(log_guards_max),
        "--max-request-bytes=" + number(request_bytes_max),
        "--snapshot-count=" + number(settings.snapshot_count),
        "--max-wals=3",
        "--max-snapshots=3",
        "--logger=zap",
        "--log-level=warn",
        "--log-outputs=stderr",
    };
    if (settings.peer_tls) { add_peer_tls(all, *settings.peer_tls); }
    add_beginning(all, settings, start);
    return all;
}

std::vector<std::string> etcd_environment(const EtcdSettings& settings) {
    // Nothing is inherited: ETCD_* and proxies are settings too.
    return {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "GOGC=50",
        "GOMEMLIMIT=" + std::to_string(settings.memory_soft_bytes),
        "GODEBUG=madvdontneed=1",
#ifdef __aarch64__
        "ETCD_UNSUPPORTED_ARCH=arm64",
#endif
    };
}

bool same_etcd(const std::vector<std::string>& running, const std::vector<std::string>& wanted) {
    auto rest = [](std::vector<std::string> all) {
        if (!all.empty()) { all.erase(all.begin()); } // the program's name
        std::erase_if(all, is_beginning);
        return all;
    };
    return rest(running) == rest(wanted);
}

Error etcd_damaged(std::string_view what, const EtcdSettings& settings) {
    return Error{Errc::Internal,
                 "the cluster's state in " + settings.data_folder() + " is damaged (" +
                     std::string(what) +
                     "). With other managers running: demote this node there (docker node demote "
                     "NODE), run \"docker swarm leave --force\" here and join again. As the only "
                     "manager: run \"docker swarm leave --force\" and restore a back-up"};
}

EtcdEnd diagnose_etcd(std::string_view log, const EtcdSettings& settings) {
    EtcdEnd end;
    end.kind = kind_of_log(log);
    auto words = last_words(log);
    if (words.empty()) { words = "etcd ended without a word; see " + settings.log_path(); }
    switch (end.kind) {
    case EtcdEnd::Kind::Damaged:
        end.error = etcd_damaged(words, settings);
        break;
    case EtcdEnd::Kind::Removed:
        end.error = Error{Errc::Forbidden, "the other managers have removed this one from the "
                                           "cluster; let it leave and join again"};
        break;
    case EtcdEnd::Kind::AddressInUse:
        end.error =
            Error{Errc::Unavailable, "managers reach each other at " + settings.peer_listen_url +
                                         ", and another program listens there: " + words};
        break;
    case EtcdEnd::Kind::NoSpace:
        end.error = Error{Errc::Exhausted, "there is no space for the cluster's state in " +
                                               settings.data_folder() + ": " + words};
        break;
    case EtcdEnd::Kind::Other:
        end.error = Error{Errc::Unavailable, "etcd has ended: " + words};
        break;
    }
    return end;
}

std::chrono::milliseconds etcd_back_off(int failures) {
    constexpr std::chrono::milliseconds first{200};
    constexpr std::chrono::milliseconds most{15'000};
    const int doublings = std::clamp(failures - 1, 0, 10);
    return std::min(most, first * (1 << doublings));
}

} // namespace shoal::swarm
