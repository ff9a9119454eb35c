// What users may do with nodes: labels, availability, role, removal. Functions over a transaction.
// They decide about the wish (`spec.desired_role`); that it comes true (membership of the store, a
// new certificate) is the manager's business.
#pragma once

#include "swarm/store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shoal::swarm {

struct UpdatedNode {
    NodePtr node;
    std::vector<std::string> warnings; ///< for people
};
/// `id` is a whole id (find() has it). What users cannot say (membership) stays as it is. Fails:
/// Internal "update out of sequence"; Invalid for the last manager and for a demotion after which
/// too few managers could be reached.
Result<UpdatedNode> update_node(Tx& tx, const std::string& id, std::uint64_t version,
                                pb::NodeSpec spec);

struct RemoveNode {
    bool force = false; ///< though it is not down
    /// When its certificate ends by itself; its name is kept among the unwanted until then, without
    /// end when nothing is said.
    std::optional<Instant> certificate_ends;
};
/// The node, its certificate and its tasks, in one transaction. Fails: Invalid for a manager that
/// has not been demoted, and for a node that is not down.
Result<void> remove_node(Tx& tx, const std::string& id, RemoveNode options = {});

} // namespace shoal::swarm
