// From the words users call an object by to the object: a whole id, a name, or the beginning of an
// id that only one object has. The errors are the sentences clients of Docker know. It only reads.
#pragma once

#include "swarm/store/store.h"

#include <string>
#include <string_view>

namespace shoal::swarm {

/// A node is also found by the host name it has reported; a task by its name, "web.1.<id>".
/// Fails: NotFound "service x not found"; Invalid "service x is ambiguous (2 matches found)".
template <class T> Result<Ptr<T>> find(const Store& store, std::string_view text);

extern template Result<NodePtr> find<pb::Node>(const Store&, std::string_view);
extern template Result<NetworkPtr> find<pb::Network>(const Store&, std::string_view);
extern template Result<SecretPtr> find<pb::Secret>(const Store&, std::string_view);
extern template Result<ConfigPtr> find<pb::Config>(const Store&, std::string_view);
extern template Result<ServicePtr> find<pb::Service>(const Store&, std::string_view);
extern template Result<TaskPtr> find<pb::Task>(const Store&, std::string_view);

/// "web.1.<id>", or "agent.<node>.<id>" without a slot; the container has the same name.
std::string task_name(const pb::Task& task);
/// The name in its specification, or the host name it has reported.
const std::string& node_name(const pb::Node& node);

} // namespace shoal::swarm
