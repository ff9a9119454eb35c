#include "cli/swarm/inspect_members.h"

#include "cli/swarm/documents.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

constexpr std::string_view maps[] = {"DriverOpts", "Labels", "Sysctls"};
constexpr std::string_view slices[] = {"Addresses",     "Aliases",        "Args",
                                       "CapabilityAdd", "CapabilityDrop", "Command",
                                       "Configs",       "Constraints",    "Data",
                                       "Env",           "ExternalCAs",    "GenericResources",
                                       "Groups",        "Hosts",          "Mounts",
                                       "Nameservers",   "Networks",       "NetworksAttachments",
                                       "Platforms",     "Plugins",        "Ports",
                                       "Preferences",   "Search",         "Secrets",
                                       "Test",          "Ulimits",        "VirtualIPs"};
constexpr std::string_view spans[] = {
    "Delay",         "HeartbeatPeriod", "Interval",        "Monitor", "NodeCertExpiry",
    "StartInterval", "StartPeriod",     "StopGracePeriod", "Timeout", "Window"};
constexpr std::string_view pointers[] = {"AppArmor",
                                         "BindOptions",
                                         "CompletedAt",
                                         "ContainerSpec",
                                         "ContainerStatus",
                                         "CredentialSpec",
                                         "DNSConfig",
                                         "DiscreteResourceSpec",
                                         "Driver",
                                         "EndpointSpec",
                                         "File",
                                         "Global",
                                         "GlobalJob",
                                         "Healthcheck",
                                         "Init",
                                         "JobIteration",
                                         "JobStatus",
                                         "KeepOldSnapshots",
                                         "Limits",
                                         "LogDriver",
                                         "ManagerStatus",
                                         "MaxAttempts",
                                         "MaxConcurrent",
                                         "NetworkAttachmentSpec",
                                         "Placement",
                                         "PluginSpec",
                                         "PreviousSpec",
                                         "Privileges",
                                         "Replicas",
                                         "Replicated",
                                         "ReplicatedJob",
                                         "Reservations",
                                         "Resources",
                                         "RestartPolicy",
                                         "RollbackConfig",
                                         "SELinuxContext",
                                         "Seccomp",
                                         "ServiceStatus",
                                         "Spread",
                                         "StartedAt",
                                         "StopGracePeriod",
                                         "TaskHistoryRetentionLimit",
                                         "Templating",
                                         "TmpfsOptions",
                                         "TotalCompletions",
                                         "UpdateConfig",
                                         "UpdateStatus",
                                         "VolumeOptions",
                                         "Window"};
constexpr std::string_view texts[] = {
    "Addr",        "Availability", "ConfigID",      "ConfigName", "Consistency", "ContainerID",
    "Dir",         "Err",          "FailureAction", "Hostname",   "Image",       "Isolation",
    "Message",     "Mode",         "Name",          "NodeID",     "Order",       "Protocol",
    "PublishMode", "Reachability", "Runtime",       "SecretID",   "SecretName",  "ServiceID",
    "Source",      "State",        "StopSignal",    "TrustRoot",  "User"};
constexpr std::string_view numbers[] = {
    "ExitCode",    "ForceUpdate", "MaxReplicas",   "MemoryBytes", "NanoCPUs", "OomScoreAdj", "PID",
    "Parallelism", "Pids",        "PublishedPort", "Retries",     "Slot",     "TargetPort"};
constexpr std::string_view flags[] = {"Leader", "OpenStdin", "ReadOnly", "TTY"};
constexpr std::string_view structures[] = {"Endpoint", "NetworkConfig", "PortStatus", "TLSInfo"};

bool has_name(std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

bool is_swarm_document(const Json& document) {
    return document.is_object() && document.contains("ID") &&
           inside(document, {"Version", "Index"}).is_number();
}

GoKind member_kind(std::string_view member) {
    if (has_name(maps, member)) { return GoKind::Map; }
    if (has_name(slices, member)) { return GoKind::Slice; }
    if (has_name(spans, member)) { return GoKind::Duration; }
    return GoKind::Unknown;
}

std::optional<Json> absent_member(const Json& receiver, std::string_view member) {
    if (has_name(pointers, member)) { return Json(nullptr); }
    if (has_name(slices, member)) { return Json::array(); }
    if (has_name(maps, member) || has_name(structures, member)) { return Json::object(); }
    if (has_name(texts, member)) { return Json(""); }
    if (has_name(numbers, member)) { return Json(0); }
    if (has_name(flags, member)) { return Json(false); }
    if (has_name(spans, member)) { return Json(0); }
    // Of drivers they are a map, of DNS a list.
    if (member == "Options") {
        return has(receiver, "Name") ? Json(Json::object()) : Json(Json::array());
    }
    return std::nullopt;
}

} // namespace shoal::cli::swarm
