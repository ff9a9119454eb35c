#include "cli/inspect_kinds.h"

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr std::string_view maps[] = {
    "Annotations", "AuxiliaryAddresses", "Containers", "DriverOpts",   "ExposedPorts",
    "Labels",      "Networks",           "Options",    "PortBindings", "Ports",
    "Status",      "StorageOpt",         "Sysctls",    "Tmpfs",        "Volumes"};
constexpr std::string_view slices[] = {"Aliases",
                                       "Args",
                                       "Binds",
                                       "BlkioDeviceReadBps",
                                       "BlkioDeviceReadIOps",
                                       "BlkioDeviceWriteBps",
                                       "BlkioDeviceWriteIOps",
                                       "BlkioWeightDevice",
                                       "CapAdd",
                                       "CapDrop",
                                       "Cmd",
                                       "Config",
                                       "DNSNames",
                                       "DeviceCgroupRules",
                                       "DeviceRequests",
                                       "Devices",
                                       "Dns",
                                       "DnsOptions",
                                       "DnsSearch",
                                       "Entrypoint",
                                       "Env",
                                       "ExecIDs",
                                       "ExtraHosts",
                                       "GroupAdd",
                                       "Layers",
                                       "Links",
                                       "Log",
                                       "MaskedPaths",
                                       "Mounts",
                                       "OnBuild",
                                       "ReadonlyPaths",
                                       "RepoDigests",
                                       "RepoTags",
                                       "SecurityOpt",
                                       "Shell",
                                       "Test",
                                       "Ulimits",
                                       "VolumesFrom"};
constexpr std::string_view spans[] = {"Interval", "StartInterval", "StartPeriod", "Timeout"};

bool has(std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

GoKind inspect_kind(std::string_view member) {
    if (has(maps, member)) { return GoKind::Map; }
    if (has(slices, member)) { return GoKind::Slice; }
    if (has(spans, member)) { return GoKind::Duration; }
    return GoKind::Unknown;
}

std::optional<Json> absent_member(std::string_view member) {
    constexpr std::string_view pointers[] = {"Health",     "Healthcheck", "Init",
                                             "SizeRootFs", "SizeRw",      "StopTimeout"};
    constexpr std::string_view lists[] = {"Mounts", "Shell"};
    constexpr std::string_view tables[] = {"Annotations", "StorageOpt", "Sysctls", "Tmpfs"};
    if (has(pointers, member)) { return Json(nullptr); }
    if (has(lists, member)) { return Json::array(); }
    if (has(tables, member)) { return Json::object(); }
    if (member == "StopSignal") { return Json(""); }
    return std::nullopt;
}

} // namespace shoal::cli
