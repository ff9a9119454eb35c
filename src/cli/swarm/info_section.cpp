// What `info` says about the swarm.
#include "base/text.h"
#include "base/time.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/page_text.h"
#include "cli/swarm/pages.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

std::string span(const Json& object, std::string_view member) {
    return human_duration(nanoseconds(number_of(object, member)));
}

void addresses(PageText& page, const Json& cluster) {
    if (has(cluster, "DefaultAddrPool")) {
        std::string pools;
        for (const auto& pool : texts_of(cluster, "DefaultAddrPool")) { pools += pool + "  "; }
        page.line("  Default Address Pool: {}", pools);
        page.line("  SubnetSize: {}", number_of(cluster, "SubnetSize"));
    }
    if (const auto port = number_of(cluster, "DataPathPort"); port > 0) {
        page.line("  Data Path Port: {}", port);
    }
}

void raft(PageText& page, const Json& spec) {
    const Json& raft = table_of(spec, "Raft");
    page.line("  Orchestration:");
    page.line("   Task History Retention Limit: {}",
              number_of(table_of(spec, "Orchestration"), "TaskHistoryRetentionLimit"));
    page.line("  Raft:");
    page.line("   Snapshot Interval: {}", number_of(raft, "SnapshotInterval"));
    if (has(raft, "KeepOldSnapshots")) {
        page.line("   Number of Old Snapshots to Retain: {}", number_of(raft, "KeepOldSnapshots"));
    }
    page.line("   Heartbeat Tick: {}", number_of(raft, "HeartbeatTick"));
    page.line("   Election Tick: {}", number_of(raft, "ElectionTick"));
    page.line("  Dispatcher:");
    page.line("   Heartbeat Period: {}", span(table_of(spec, "Dispatcher"), "HeartbeatPeriod"));
}

void authority(PageText& page, const Json& config) {
    page.line("  CA Configuration:");
    page.line("   Expiry Duration: {}", span(config, "NodeCertExpiry"));
    page.line("   Force Rotate: {}", number_of(config, "ForceRotate"));
    const std::string certificate(trim(text_of(config, "SigningCACert")));
    if (!certificate.empty()) { page.line("   Signing CA Certificate: \n{}\n", certificate); }
    const Json& external = list_of(config, "ExternalCAs");
    if (!external.empty()) { page.line("   External CAs:"); }
    for (const Json& one : external) {
        page.line("     {}: {}", text_of(one, "Protocol"), text_of(one, "URL"));
    }
}

void cluster(PageText& page, const Json& swarm) {
    const Json& cluster = table_of(swarm, "Cluster");
    const Json& spec = table_of(cluster, "Spec");
    page.line("  ClusterID: {}", id_of(cluster));
    page.line("  Managers: {}", number_of(swarm, "Managers"));
    page.line("  Nodes: {}", number_of(swarm, "Nodes"));
    addresses(page, cluster);
    raft(page, spec);
    authority(page, table_of(spec, "CAConfig"));
    page.line("  Autolock Managers: {}",
              flag_of(table_of(spec, "EncryptionConfig"), "AutoLockManagers"));
    page.line("  Root Rotation In Progress: {}", flag_of(cluster, "RootRotationInProgress"));
}

} // namespace

std::string info_section(const Json& swarm) {
    const std::string state = text_of(swarm, "LocalNodeState");
    const std::string error = text_of(swarm, "Error");
    PageText page;
    page.line(" Swarm: {}", state);
    if (state == "inactive" || state == "locked" || state.empty()) { return page.finish() + "\n"; }
    const bool manager = flag_of(swarm, "ControlAvailable");
    page.line("  NodeID: {}", text_of(swarm, "NodeID"));
    page.maybe("  Error: ", error);
    page.line("  Is Manager: {}", manager);
    if (manager && has(swarm, "Cluster") && error.empty() && state != "error") {
        cluster(page, swarm);
    }
    page.line("  Node Address: {}", text_of(swarm, "NodeAddr"));
    std::vector<std::string> managers;
    for (const Json& other : list_of(swarm, "RemoteManagers")) {
        managers.push_back(text_of(other, "Addr"));
    }
    std::sort(managers.begin(), managers.end());
    if (!managers.empty()) { page.line("  Manager Addresses:\n   {}", join(managers, "\n   ")); }
    return page.finish() + "\n";
}

} // namespace shoal::cli::swarm
