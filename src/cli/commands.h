// Every command, by file. Tables only: see command.h.
#pragma once

#include "cli/command.h"

namespace shoal::cli {

// run.cpp, exec.cpp, attach.cpp, logs.cpp, stats.cpp, copy.cpp
extern const Command run_command_table, create_command, start_command, exec_command, attach_command,
    logs_command, stats_command, cp_command;
// lifecycle.cpp
extern const Command stop_command, restart_command, kill_command, pause_command, unpause_command,
    rm_command, rename_command, update_command, wait_command;
// containers.cpp
extern const Command ps_command, top_command, diff_command, port_command, export_command,
    commit_command;
// inspect.cpp
extern const Command inspect_command, container_inspect_command, image_inspect_command,
    volume_inspect_command, network_inspect_command;
// images.cpp, transfer.cpp
extern const Command images_command, image_rm_command, history_command, tag_command;
extern const Command pull_command, load_command, save_command, import_command, bootstrap_command;
// registries.cpp, manifests.cpp
extern const Command login_command, logout_command, push_command, search_command, registry_command;
extern const Command manifest_inspect_command, manifest_create_command, manifest_annotate_command,
    manifest_push_command, manifest_rm_command;
// build.cpp
extern const Command build_command;
// volumes.cpp, networks.cpp
extern const Command volume_create_command, volume_ls_command, volume_rm_command;
extern const Command network_create_command, network_ls_command, network_rm_command,
    network_connect_command, network_disconnect_command;
// prune.cpp
extern const Command container_prune_command, image_prune_command, volume_prune_command,
    network_prune_command, builder_prune_command, system_prune_command;
// system.cpp, info.cpp, disk_usage.cpp, events.cpp
extern const Command version_command, dial_stdio_command, info_command, system_df_command,
    events_command;
// context_commands.cpp
extern const Command context_create_command, context_ls_command, context_use_command,
    context_show_command, context_inspect_command, context_rm_command, context_update_command;
// machine.cpp
extern const Command machine_create_command, machine_ls_command, machine_ip_command,
    machine_env_command, machine_ssh_command, machine_scp_command, machine_start_command,
    machine_stop_command, machine_kill_command, machine_rm_command, machine_cut_command,
    machine_heal_command, machine_init_command;
// completion.cpp
extern const Command completion_bash_command, completion_zsh_command, complete_command;

} // namespace shoal::cli
