// What --x-add and --x-rm make of the lists in a service's spec. Each kind of list has its own rule
// of what is the same thing, and its own order. Pure.
#pragma once

#include "base/json.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::cli::swarm {

using Texts = std::vector<std::string>;

enum class Order { Kept, Sorted };
/// Each once.
Texts changed_texts(Texts old, const Texts& added, const Texts& removed, Order order);
/// By the name in front of "=": the place of a variable stays.
Texts changed_env(Texts old, const Texts& added, const Texts& removed);
/// "1.2.3.4 name alias": a host goes from every line, or from those of "host:address".
Texts changed_hosts(const Texts& old, const Texts& added, const Texts& removed);

/// Ulimits, by "Name", in its order.
std::vector<Json> changed_named(const Json& old, const std::map<std::string, Json>& added,
                                const Texts& removed);
/// By target, ordered by source and target. Fails: one target is added twice.
Result<std::vector<Json>> changed_mounts(const Json& old, const std::vector<Json>& added,
                                         const Texts& removed);
/// Removed are those with the target, protocol and mode; ordered by what is published.
std::vector<Json> changed_ports(const Json& old, const std::vector<Json>& added,
                                const std::vector<Json>& removed);
/// By id of the network. Fails: the service is attached already; `words` are the names for ids.
Result<std::vector<Json>> changed_networks(const Json& old, const std::vector<Json>& added,
                                           const Texts& removed,
                                           const std::map<std::string, std::string>& words);
std::vector<Json> changed_preferences(const Json& old, const std::vector<Json>& added,
                                      const std::vector<Json>& removed);
/// By kind. Fails: one that is to go is not there, or there is one that is not counted.
Result<std::vector<Json>> changed_resources(const Json& old, const std::vector<Json>& added,
                                            const Texts& removed);
std::vector<Json> changed_references(const Json& old, const std::string& name_member,
                                     const std::vector<Json>& added, const Texts& removed);
/// Configs that stay: files unless they are removed; what a credential spec uses, if it is the one
/// that is wanted (by name) or that goes on (by id).
Json kept_configs(const Json& old, const Texts& removed, const std::string& credential_name,
                  const std::string& credential_id);
/// CapabilityAdd and CapabilityDrop. Adding takes a capability out of those that are dropped, or
/// else among those that are added; dropping the other way round; RESET empties a list first.
void change_capabilities(Json& container, const Texts& add, const Texts& drop);

} // namespace shoal::cli::swarm
