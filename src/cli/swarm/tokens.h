// What people are told to type on other machines: join and unlock; and writing the swarm's spec,
// which is also how tokens and keys are rotated.
#pragma once

#include "cli/app.h"

namespace shoal::cli::swarm {

enum class Role { Worker, Manager };
/// The block with `swarm join --token ...`; nothing when the node is no manager.
Result<void> print_join_words(App& app, const std::string& node_id, Role role);
Result<void> print_unlock_words(App& app);

struct Rotation {
    bool worker_token = false, manager_token = false, unlock_key = false;
};
/// With the version of `document`, as GET /swarm gave it.
Result<void> write_swarm(client::Client& client, const Json& document, const Json& spec,
                         Rotation rotation);

} // namespace shoal::cli::swarm
