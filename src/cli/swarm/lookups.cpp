#include "cli/swarm/lookups.h"

#include "cli/option_values.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_parts.h"
#include "cli/swarm/values.h"

#include <set>

namespace shoal::cli::swarm {
namespace {

using client::part;

Result<void> look_up_network(client::Client& client, const std::string& name, KnownIds& ids) {
    if (ids.networks.contains(name)) { return ok(); }
    TRY_LET(network, client.json(client::get("/networks/" + part(name), {{"scope", "swarm"}})));
    ids.networks[name] = text_of(network, "Id");
    return ok();
}

Result<void> look_up_list(client::Client& client, const std::string& path,
                          const std::set<std::string>& names,
                          std::map<std::string, std::string>& ids) {
    if (names.empty()) { return ok(); }
    Filters filters;
    for (const auto& name : names) { filters.add("name", name); }
    TRY_LET(found, client.json(client::get(path, {{"filters", filters.to_json()}})));
    for (const Json& object : found) { ids[name_of(object)] = id_of(object); }
    return ok();
}

} // namespace

Result<KnownIds> look_up_names(client::Client& client, const Parsed& parsed) {
    KnownIds ids;
    for (const char* flag : {"network", "network-add"}) {
        for (const auto& text : parsed.all(flag)) {
            TRY_LET(option, parse_network(text));
            TRY(look_up_network(client, option.name, ids));
        }
    }
    for (const auto& name : parsed.all("network-rm")) { TRY(look_up_network(client, name, ids)); }
    std::set<std::string> secrets, configs;
    for (const char* flag : {"secret", "secret-add"}) {
        for (const auto& text : parsed.all(flag)) {
            TRY_LET(reference, parse_secret(text));
            secrets.insert(text_of(reference, "SecretName"));
        }
    }
    for (const char* flag : {"config", "config-add"}) {
        for (const auto& text : parsed.all(flag)) {
            TRY_LET(reference, parse_config(text));
            configs.insert(text_of(reference, "ConfigName"));
        }
    }
    TRY_LET(credential, credential_of(parsed));
    if (const auto name = text_of(credential, "Config"); !name.empty()) { configs.insert(name); }
    TRY(look_up_list(client, "/secrets", secrets, ids.secrets));
    TRY(look_up_list(client, "/configs", configs, ids.configs));
    return ids;
}

} // namespace shoal::cli::swarm
