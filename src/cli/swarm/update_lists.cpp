#include "cli/swarm/update_lists.h"

#include "base/text.h"
#include "cli/option_values.h"
#include "cli/swarm/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace shoal::cli::swarm {
namespace {

bool contains(const Texts& texts, const std::string& text) {
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string env_name(const std::string& setting) { return cut(setting, '=').first; }

std::string protocol_of(const Json& port) {
    const std::string protocol = text_of(port, "Protocol");
    return protocol.empty() ? "tcp" : protocol;
}
std::string publish_mode_of(const Json& port) {
    const std::string mode = text_of(port, "PublishMode");
    return mode.empty() ? "ingress" : mode;
}
bool is_same_target(const Json& a, const Json& b) {
    return protocol_of(a) == protocol_of(b) && publish_mode_of(a) == publish_mode_of(b) &&
           number_of(a, "TargetPort") == number_of(b, "TargetPort");
}
std::string port_text(const Json& port) {
    return fmt::format("{}:{}/{}/{}", number_of(port, "PublishedPort"),
                       number_of(port, "TargetPort"), text_of(port, "Protocol"),
                       text_of(port, "PublishMode"));
}

std::string kind_of(const Json& resource) {
    return text_of(table_of(resource, "DiscreteResourceSpec"), "Kind");
}
std::string spread_of(const Json& preference) {
    return text_of(table_of(preference, "Spread"), "SpreadDescriptor");
}

/// The capabilities of a list or of flags; "ALL" stands for every other.
std::set<std::string> capability_set(const Texts& names) {
    const auto all = effective_capabilities(names);
    return {all.begin(), all.end()};
}
Texts capability_list(const std::set<std::string>& names) {
    if (names.contains("ALL")) { return {"ALL"}; }
    return {names.begin(), names.end()};
}

} // namespace

Texts changed_texts(Texts old, const Texts& added, const Texts& removed, Order order) {
    old.insert(old.end(), added.begin(), added.end());
    Texts all;
    for (auto& text : old) {
        if (!contains(removed, text) && !contains(all, text)) { all.push_back(std::move(text)); }
    }
    if (order == Order::Sorted) { std::sort(all.begin(), all.end()); }
    return all;
}

Texts changed_env(Texts old, const Texts& added, const Texts& removed) {
    std::erase_if(old, [&](const std::string& one) { return contains(removed, env_name(one)); });
    for (const auto& setting : added) {
        const auto at = std::find_if(old.begin(), old.end(), [&](const std::string& other) {
            return env_name(other) == env_name(setting);
        });
        if (at == old.end()) {
            old.push_back(setting);
        } else {
            *at = setting;
        }
    }
    return old;
}

Texts changed_hosts(const Texts& old, const Texts& added, const Texts& removed) {
    Texts all;
    for (const auto& line : old) {
        Texts words;
        for (auto& word : split(line, ' ')) {
            if (!word.empty()) { words.push_back(std::move(word)); }
        }
        if (words.empty()) { continue; }
        const std::string address = words[0];
        words.erase(words.begin());
        for (const auto& entry : removed) {
            const auto [name, wanted] = cut(entry, ':');
            if (wanted.empty() || wanted == address) { std::erase(words, name); }
        }
        if (!words.empty()) { all.push_back(address + " " + join(words, " ")); }
    }
    return changed_texts(std::move(all), added, {}, Order::Kept);
}

std::vector<Json> changed_named(const Json& old, const std::map<std::string, Json>& added,
                                const Texts& removed) {
    std::map<std::string, Json> by_name;
    for (const Json& one : old) { by_name[text_of(one, "Name")] = one; }
    for (const auto& name : removed) { by_name.erase(cut(name, '=').first); }
    for (const auto& [name, one] : added) { by_name[name] = one; }
    std::vector<Json> all;
    for (auto& [name, one] : by_name) { all.push_back(std::move(one)); }
    return all;
}

Result<std::vector<Json>> changed_mounts(const Json& old, const std::vector<Json>& added,
                                         const Texts& removed) {
    std::map<std::string, Json> by_target;
    for (const Json& mount : added) {
        if (!by_target.emplace(text_of(mount, "Target"), mount).second) {
            return invalid("duplicate mount target");
        }
    }
    for (const Json& mount : old) { by_target.emplace(text_of(mount, "Target"), mount); }
    for (const auto& target : removed) { by_target.erase(target); }
    std::vector<Json> all;
    for (auto& [target, mount] : by_target) { all.push_back(std::move(mount)); }
    std::stable_sort(all.begin(), all.end(), [](const Json& a, const Json& b) {
        return text_of(a, "Source") < text_of(b, "Source");
    });
    return all;
}

std::vector<Json> changed_ports(const Json& old, const std::vector<Json>& added,
                                const std::vector<Json>& removed) {
    std::map<std::string, Json> by_text;
    for (const Json& port : old) {
        const bool goes = std::any_of(removed.begin(), removed.end(), [&](const Json& other) {
            return is_same_target(port, other);
        });
        if (!goes) { by_text.emplace(port_text(port), port); }
    }
    for (const Json& port : added) { by_text.emplace(port_text(port), port); }
    std::vector<Json> all;
    for (auto& [text, port] : by_text) { all.push_back(std::move(port)); }
    return all;
}

Result<std::vector<Json>> changed_networks(const Json& old, const std::vector<Json>& added,
                                           const Texts& removed,
                                           const std::map<std::string, std::string>& words) {
    std::map<std::string, Json> by_id;
    for (const Json& network : old) {
        const std::string id = text_of(network, "Target");
        if (!contains(removed, id)) { by_id.emplace(id, network); }
    }
    for (const Json& network : added) {
        const std::string id = text_of(network, "Target");
        if (!by_id.emplace(id, network).second) {
            const auto word = words.find(id);
            return invalid("service is already attached to network " +
                           (word != words.end() ? word->second : id));
        }
    }
    std::vector<Json> all;
    for (auto& [id, network] : by_id) { all.push_back(std::move(network)); }
    return all;
}

std::vector<Json> changed_preferences(const Json& old, const std::vector<Json>& added,
                                      const std::vector<Json>& removed) {
    std::vector<Json> all;
    for (const Json& preference : old) {
        const bool goes = std::any_of(removed.begin(), removed.end(), [&](const Json& other) {
            return spread_of(other) == spread_of(preference);
        });
        if (!goes) { all.push_back(preference); }
    }
    all.insert(all.end(), added.begin(), added.end());
    return all;
}

Result<std::vector<Json>> changed_resources(const Json& old, const std::vector<Json>& added,
                                            const Texts& removed) {
    std::vector<Json> all;
    const auto find = [&](const std::string& kind) {
        return std::find_if(all.begin(), all.end(),
                            [&](const Json& other) { return kind_of(other) == kind; });
    };
    for (const Json& resource : old) {
        if (!has(resource, "DiscreteResourceSpec")) {
            return invalid(
                fmt::format("invalid generic-resource `{}` for service task", resource.dump()));
        }
        all.push_back(resource);
    }
    for (const Json& resource : added) {
        if (const auto at = find(kind_of(resource)); at != all.end()) {
            *at = resource;
        } else {
            all.push_back(resource);
        }
    }
    for (const auto& kind : removed) {
        const auto at = find(kind);
        if (at == all.end()) {
            return invalid(fmt::format("could not find generic-resource `{}` to remove it", kind));
        }
        all.erase(at);
    }
    return all;
}

std::vector<Json> changed_references(const Json& old, const std::string& name_member,
                                     const std::vector<Json>& added, const Texts& removed) {
    std::vector<Json> all;
    for (const Json& reference : old) {
        if (!contains(removed, text_of(reference, name_member))) { all.push_back(reference); }
    }
    all.insert(all.end(), added.begin(), added.end());
    return all;
}

Json kept_configs(const Json& old, const Texts& removed, const std::string& credential_name,
                  const std::string& credential_id) {
    Json kept = Json::array();
    for (const Json& config : old) {
        const std::string name = text_of(config, "ConfigName");
        const bool wanted = name == credential_name || text_of(config, "ConfigID") == credential_id;
        if (has(config, "Runtime") ? wanted : !contains(removed, name)) { kept.push_back(config); }
    }
    return kept;
}

void change_capabilities(Json& container, const Texts& add, const Texts& drop) {
    if (add.empty() && drop.empty()) { return; }
    constexpr const char* reset = "RESET";
    auto added = capability_set(texts_of(container, "CapabilityAdd"));
    auto dropped = capability_set(texts_of(container, "CapabilityDrop"));
    auto to_add = capability_set(add), to_drop = capability_set(drop);
    if (to_add.erase(reset) != 0) { added.clear(); }
    if (to_drop.erase(reset) != 0) { dropped.clear(); }
    for (const auto& name : to_drop) {
        if (!to_add.contains(name) && added.erase(name) == 0) { dropped.insert(name); }
    }
    for (const auto& name : to_add) {
        if (dropped.erase(name) == 0) { added.insert(name); }
    }
    put(container, "CapabilityAdd", capability_list(added));
    put(container, "CapabilityDrop", capability_list(dropped));
}

} // namespace shoal::cli::swarm
