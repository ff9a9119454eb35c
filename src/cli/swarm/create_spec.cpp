#include "base/text.h"
#include "cli/option_values.h"
#include "cli/run_options.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_parts.h"
#include "cli/swarm/service_spec.h"
#include "cli/swarm/values.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

std::vector<std::string> capabilities(const Parsed& parsed, std::string_view flag) {
    auto all = effective_capabilities(parsed.all(flag));
    const bool everything = std::find(all.begin(), all.end(), "ALL") != all.end();
    return everything ? std::vector<std::string>{"ALL"} : all;
}

/// What comes later counts, and takes the place of the last.
std::vector<std::string> without_repeats(const std::vector<std::string>& settings) {
    std::vector<std::string> kept;
    for (const auto& setting : settings) {
        if (std::find(kept.begin(), kept.end(), setting) != kept.end()) { continue; }
        const std::string prefix = cut(setting, '=').first + "=";
        std::erase_if(kept, [&](const std::string& other) { return other.starts_with(prefix); });
        kept.push_back(setting);
    }
    return kept;
}

class CreatedSpec {
  public:
    CreatedSpec(const Parsed& parsed, const KnownIds& ids, std::string_view working_directory)
        : parsed_(parsed), ids_(ids), working_directory_(working_directory) {}

    Result<Json> run() {
        TRY_LET(mode, service_mode());
        merge_update_configs(spec_, parsed_);
        const bool job = has(mode, "ReplicatedJob") || has(mode, "GlobalJob");
        if (job && (has(spec_, "UpdateConfig") || has(spec_, "RollbackConfig"))) {
            return invalid("update and rollback configuration is not supported for jobs");
        }
        put(spec_, "Name", parsed_.text("name"));
        spec_["Labels"] = label_map(parsed_.all("label"));
        TRY(process());
        TRY(files());
        TRY(names());
        TRY(task());
        TRY(endpoint());
        task_["ContainerSpec"] = std::move(container_);
        spec_["TaskTemplate"] = std::move(task_);
        spec_["Mode"] = mode;
        return std::move(spec_);
    }

  private:
    void list(std::string_view flag, Json& into, const char* member) {
        put(into, member, parsed_.all(flag));
    }

    Result<Json> service_mode() const {
        const std::string mode = parsed_.text("mode", "replicated");
        const auto replicas = parsed_.number("replicas");
        const auto concurrent = parsed_.number("max-concurrent");
        const bool replicated = mode == "replicated" || mode == "replicated-job";
        if (!replicated && mode != "global" && mode != "global-job") {
            return invalid(
                fmt::format("Unknown mode: {}, only replicated and global supported", mode));
        }
        if (!replicated && replicas) {
            return invalid("replicas can only be used with replicated or replicated-job mode");
        }
        if (!replicated && parsed_.number("replicas-max-per-node").value_or(0) > 0) {
            return invalid(
                "replicas-max-per-node can only be used with replicated or replicated-job mode");
        }
        if (mode != "replicated-job" && concurrent) {
            return invalid("max-concurrent can only be used with replicated-job mode");
        }
        Json amounts = Json::object();
        if (mode == "replicated" && replicas) { amounts["Replicas"] = *replicas; }
        if (mode == "replicated-job") {
            if (concurrent || replicas) {
                amounts["MaxConcurrent"] = concurrent ? *concurrent : *replicas;
            }
            if (replicas) { amounts["TotalCompletions"] = *replicas; }
        }
        const char* member = mode == "global"           ? "Global"
                             : mode == "global-job"     ? "GlobalJob"
                             : mode == "replicated-job" ? "ReplicatedJob"
                                                        : "Replicated";
        return Json{{member, amounts}};
    }

    Result<void> process() {
        container_["Image"] = parsed_.words[0];
        container_["Init"] = false;
        if (parsed_.words.size() > 1) {
            container_["Args"] =
                std::vector<std::string>(parsed_.words.begin() + 1, parsed_.words.end());
        }
        merge_process(container_, parsed_);
        TRY_LET(settings, read_env(parsed_.all("env-file"), parsed_.all("env")));
        put(container_, "Env", without_repeats(settings));
        put(container_, "Labels", label_map(parsed_.all("container-label")));
        put(container_, "Sysctls", label_map(parsed_.all("sysctl")));
        list("group", container_, "Groups");
        TRY_LET(limits, ulimits_of(parsed_, "ulimit"));
        for (const auto& [name, limit] : limits) { container_["Ulimits"].push_back(limit); }
        const auto added = capabilities(parsed_, "cap-add");
        auto dropped = capabilities(parsed_, "cap-drop");
        std::erase_if(dropped, [&](const std::string& name) {
            return std::find(added.begin(), added.end(), name) != added.end();
        });
        put(container_, "CapabilityAdd", added);
        put(container_, "CapabilityDrop", dropped);
        return merge_health(container_, parsed_);
    }

    Result<void> files() {
        TRY_LET(mounts, mounts_of(parsed_, "mount", working_directory_));
        put(container_, "Mounts", mounts);
        TRY_LET(secrets, secrets_of(parsed_, "secret", ids_));
        put(container_, "Secrets", secrets);
        TRY_LET(credential, credential_of(parsed_));
        const std::string config = text_of(credential, "Config");
        TRY_LET(configs, configs_of(parsed_, "config", config, ids_));
        put(container_, "Configs", configs);
        if (parsed_.text("credential-spec").empty()) { return ok(); }
        if (!config.empty()) { credential["Config"] = ids_.configs.at(config); }
        container_["Privileges"] = {{"CredentialSpec", credential}};
        return ok();
    }

    Result<void> names() {
        Json dns = Json::object();
        list("dns", dns, "Nameservers");
        list("dns-search", dns, "Search");
        list("dns-option", dns, "Options");
        container_["DNSConfig"] = dns;
        std::vector<std::string> hosts;
        for (const auto& host : parsed_.all("host")) { hosts.push_back(swarm_host(host)); }
        put(container_, "Hosts", hosts);
        TRY_LET(networks, networks_of(parsed_, "network", ids_));
        std::stable_sort(networks.begin(), networks.end(), [](const Json& a, const Json& b) {
            return text_of(a, "Target") < text_of(b, "Target");
        });
        put(task_, "Networks", networks);
        return ok();
    }

    Result<void> task() {
        task_["Resources"] = {{"Limits", Json::object()}, {"Reservations", Json::object()}};
        merge_limits(task_, parsed_);
        TRY_LET(resources, parse_generic_resources(parsed_.all("generic-resource")));
        put(task_["Resources"]["Reservations"], "GenericResources", resources);
        merge_restart_policy(task_, parsed_);
        Json placement = Json::object();
        list("constraint", placement, "Constraints");
        TRY_LET(preferences, preferences_of(parsed_, "placement-pref"));
        put(placement, "Preferences", preferences);
        put(placement, "MaxReplicas", parsed_.number("replicas-max-per-node").value_or(0));
        task_["Placement"] = placement;
        task_["ForceUpdate"] = 0;
        merge_log_driver(task_, parsed_);
        return ok();
    }

    Result<void> endpoint() {
        TRY_LET(ports, publish_of(parsed_, "publish"));
        Json endpoint = Json::object();
        put(endpoint, "Mode", to_lower(parsed_.text("endpoint-mode", "vip")));
        put(endpoint, "Ports", ports);
        spec_["EndpointSpec"] = endpoint;
        return ok();
    }

    const Parsed& parsed_;
    const KnownIds& ids_;
    std::string_view working_directory_;
    Json spec_ = Json::object(), task_ = Json::object(), container_ = Json::object();
};

} // namespace

Result<Json> created_spec(const Parsed& parsed, const KnownIds& ids,
                          std::string_view working_directory) {
    return CreatedSpec(parsed, ids, working_directory).run();
}

} // namespace shoal::cli::swarm
