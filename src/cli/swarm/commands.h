// The commands about a swarm, by file. Tables only: see cli/command.h.
#pragma once

#include "cli/command.h"

namespace shoal::cli::swarm {

// objects.cpp
extern const Command secret_create_command, secret_inspect_command, secret_ls_command,
    secret_rm_command;
extern const Command config_create_command, config_inspect_command, config_ls_command,
    config_rm_command;
// nodes.cpp, node_update.cpp, tasks.cpp
extern const Command node_ls_command, node_inspect_command, node_rm_command;
extern const Command node_update_command, node_promote_command, node_demote_command;
extern const Command node_ps_command, service_ps_command;
// swarm.cpp, tokens.cpp, authority.cpp, backup.cpp
extern const Command init_command, join_command, leave_command, update_command;
extern const Command join_token_command, unlock_command, unlock_key_command;
extern const Command ca_command;
extern const Command backup_command, restore_command;
// services.cpp, scale.cpp, service_logs.cpp, rebalance.cpp
extern const Command service_ls_command, service_inspect_command, service_rm_command;
extern const Command service_scale_command, service_rollback_command;
extern const Command service_logs_command;
extern const Command service_rebalance_command;
// service_create.cpp, service_update.cpp
extern const Command service_create_command, service_update_command;

} // namespace shoal::cli::swarm
