#include "base/text.h"
#include "cli/option_values.h"
#include "cli/run_options.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_parts.h"
#include "cli/swarm/service_spec.h"
#include "cli/swarm/update_lists.h"
#include "cli/swarm/values.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

class UpdatedSpec {
  public:
    UpdatedSpec(const Json& old, const Parsed& parsed, const KnownIds& ids,
                std::string_view working_directory)
        : parsed_(parsed), ids_(ids), working_directory_(working_directory), spec_(old),
          task_(ensure_object(spec_, "TaskTemplate")),
          container_(ensure_object(task_, "ContainerSpec")) {}

    Result<Json> run() {
        change_table(spec_, "Labels", "label");
        TRY(process());
        TRY(resources());
        TRY(placement());
        TRY(networks());
        TRY(amounts());
        merge_update_configs(spec_, parsed_);
        TRY(endpoint());
        names();
        merge_log_driver(task_, parsed_);
        if (parsed_.on("force")) { task_["ForceUpdate"] = number_of(task_, "ForceUpdate") + 1; }
        TRY(merge_health(container_, parsed_));
        change_capabilities(container_, parsed_.all("cap-add"), parsed_.all("cap-drop"));
        TRY(files());
        return std::move(spec_);
    }

  private:
    bool changes(std::string_view flag) const {
        return parsed_.given(fmt::format("{}-add", flag)) ||
               parsed_.given(fmt::format("{}-rm", flag));
    }
    std::vector<std::string> added(std::string_view flag) const {
        return parsed_.all(fmt::format("{}-add", flag));
    }
    std::vector<std::string> removed(std::string_view flag) const {
        return parsed_.all(fmt::format("{}-rm", flag));
    }

    void change_table(Json& object, const char* member, std::string_view flag) {
        if (!changes(flag)) { return; }
        Json& table = ensure_object(object, member);
        for (const auto& key : removed(flag)) { table.erase(cut(key, '=').first); }
        const Json more = label_map(added(flag));
        for (const auto& [key, value] : more.items()) { table[key] = value; }
        if (table.empty() && std::string_view(member) != "Labels") { object.erase(member); }
    }
    void change_texts(Json& object, const char* member, std::string_view flag, Order order) {
        if (!changes(flag)) { return; }
        put(object, member,
            changed_texts(texts_of(object, member), added(flag), removed(flag), order));
    }

    Result<void> process() {
        change_table(container_, "Labels", "container-label");
        if (table_of(container_, "Labels").empty()) { container_.erase("Labels"); }
        if (parsed_.given("image")) { put(container_, "Image", parsed_.text("image")); }
        if (parsed_.given("args")) {
            put(container_, "Args",
                shell_words(parsed_.text("args")).value_or(std::vector<std::string>{}));
        }
        merge_process(container_, parsed_);
        if (changes("env")) {
            std::vector<std::string> more;
            for (const auto& text : added("env")) { more.push_back(env_setting(text)); }
            put(container_, "Env", changed_env(texts_of(container_, "Env"), more, removed("env")));
        }
        change_table(container_, "Sysctls", "sysctl");
        change_texts(container_, "Groups", "group", Order::Sorted);
        if (!changes("ulimit")) { return ok(); }
        TRY_LET(limits, ulimits_of(parsed_, "ulimit-add"));
        put(container_, "Ulimits",
            changed_named(list_of(container_, "Ulimits"), limits, removed("ulimit")));
        return ok();
    }

    Result<void> resources() {
        merge_limits(task_, parsed_);
        if (!changes("generic-resource")) { return ok(); }
        TRY_LET(more, parse_generic_resources(added("generic-resource")));
        Json& reservations = ensure_object(ensure_object(task_, "Resources"), "Reservations");
        TRY_LET(all, changed_resources(list_of(reservations, "GenericResources"), more,
                                       removed("generic-resource")));
        put(reservations, "GenericResources", all);
        return ok();
    }

    Result<void> placement() {
        merge_restart_policy(task_, parsed_);
        if (changes("constraint")) {
            change_texts(ensure_object(task_, "Placement"), "Constraints", "constraint",
                         Order::Sorted);
        }
        if (changes("placement-pref")) {
            Json& placement = ensure_object(task_, "Placement");
            TRY_LET(more, preferences_of(parsed_, "placement-pref-add"));
            TRY_LET(less, preferences_of(parsed_, "placement-pref-rm"));
            put(placement, "Preferences",
                changed_preferences(list_of(placement, "Preferences"), more, less));
        }
        if (const auto most = parsed_.number("replicas-max-per-node")) {
            put(ensure_object(task_, "Placement"), "MaxReplicas", *most);
        }
        return ok();
    }

    Result<void> networks() {
        if (!changes("network")) { return ok(); }
        Json old = list_of(task_, "Networks");
        if (old.empty()) { old = list_of(spec_, "Networks"); } // where they were long ago
        spec_.erase("Networks");
        TRY_LET(more, networks_of(parsed_, "network-add", ids_));
        std::vector<std::string> ids;
        for (const auto& name : removed("network")) { ids.push_back(ids_.networks.at(name)); }
        std::map<std::string, std::string> words; // by id, for what is said
        for (const auto& text : added("network")) {
            TRY_LET(option, parse_network(text));
            words[ids_.networks.at(option.name)] = option.name;
        }
        TRY_LET(all, changed_networks(old, more, ids, words));
        put(task_, "Networks", all);
        return ok();
    }

    Result<void> amounts() {
        Json& mode = ensure_object(spec_, "Mode");
        if (const auto replicas = parsed_.number("replicas")) {
            if (!has(mode, "Replicated")) {
                return invalid("replicas can only be used with replicated mode");
            }
            ensure_object(mode, "Replicated")["Replicas"] = *replicas;
        }
        if (const auto concurrent = parsed_.number("max-concurrent")) {
            if (!has(mode, "ReplicatedJob")) {
                return invalid("max-concurrent can only be used with replicated-job mode");
            }
            ensure_object(mode, "ReplicatedJob")["MaxConcurrent"] = *concurrent;
        }
        return ok();
    }

    Result<void> endpoint() {
        if (parsed_.given("endpoint-mode")) {
            put(ensure_object(spec_, "EndpointSpec"), "Mode", parsed_.text("endpoint-mode"));
        }
        if (!changes("publish")) { return ok(); }
        Json& endpoint = ensure_object(spec_, "EndpointSpec");
        TRY_LET(more, publish_of(parsed_, "publish-add"));
        TRY_LET(less, publish_of(parsed_, "publish-rm"));
        put(endpoint, "Ports", changed_ports(list_of(endpoint, "Ports"), more, less));
        return ok();
    }

    void names() {
        if (changes("dns") || changes("dns-search") || changes("dns-option")) {
            Json& dns = ensure_object(container_, "DNSConfig");
            change_texts(dns, "Nameservers", "dns", Order::Sorted);
            change_texts(dns, "Search", "dns-search", Order::Sorted);
            change_texts(dns, "Options", "dns-option", Order::Sorted);
        }
        if (!changes("host")) { return; }
        std::vector<std::string> more;
        for (const auto& host : added("host")) { more.push_back(swarm_host(host)); }
        put(container_, "Hosts",
            changed_hosts(texts_of(container_, "Hosts"), more, removed("host")));
    }

    Result<void> files() {
        if (changes("mount")) {
            TRY_LET(more, mounts_of(parsed_, "mount-add", working_directory_));
            TRY_LET(all, changed_mounts(list_of(container_, "Mounts"), more, removed("mount")));
            put(container_, "Mounts", all);
        }
        if (changes("secret")) {
            TRY_LET(more, secrets_of(parsed_, "secret-add", ids_));
            put(container_, "Secrets",
                changed_references(list_of(container_, "Secrets"), "SecretName", more,
                                   removed("secret")));
        }
        return configs();
    }

    /// A credential spec may be a config: that one is among the configs too, and goes with it.
    Result<void> configs() {
        TRY_LET(credential, credential_of(parsed_));
        if (credential.is_null() && !changes("config")) { return ok(); }
        const Json& old = list_of(container_, "Configs");
        const std::string name = text_of(credential, "Config");
        const std::string id =
            credential.is_null()
                ? text_of(inside(container_, {"Privileges", "CredentialSpec"}), "Config")
                : "";
        Json kept = kept_configs(old, removed("config"), name, id);
        const bool there = std::any_of(kept.begin(), kept.end(), [&](const Json& config) {
            return has(config, "Runtime") && text_of(config, "ConfigName") == name;
        });
        TRY_LET(more, configs_of(parsed_, "config-add", there ? "" : name, ids_));
        for (const Json& config : more) { kept.push_back(config); }
        put(container_, "Configs", kept);
        if (credential.is_null()) { return ok(); }
        if (parsed_.text("credential-spec").empty()) {
            if (has(container_, "Privileges")) { container_["Privileges"].erase("CredentialSpec"); }
            return ok();
        }
        for (const Json& config : kept) {
            if (text_of(config, "ConfigName") == name && !name.empty()) {
                credential["Config"] = text_of(config, "ConfigID");
            }
        }
        ensure_object(container_, "Privileges")["CredentialSpec"] = credential;
        return ok();
    }

    const Parsed& parsed_;
    const KnownIds& ids_;
    std::string_view working_directory_;
    Json spec_;
    Json& task_;
    Json& container_;
};

} // namespace

Result<Json> updated_spec(const Json& old, const Parsed& parsed, const KnownIds& ids,
                          std::string_view working_directory) {
    return UpdatedSpec(old, parsed, ids, working_directory).run();
}

} // namespace shoal::cli::swarm
