#include "cli/tree.h"

#include "cli/app.h"
#include "cli/commands.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

Result<int> refuse(App&, const Parsed& parsed) { return unsupported(parsed.path + ": not supported by this version of Shoal"); }

/// Docker's commands that are known and not here: refused by name, whatever their flags.
constexpr Command later_command{.usage = "", .summary = "Not supported by this version of Shoal", .action = refuse, .unparsed = true};

constexpr Entry container_entries[] = {
#ifdef SHOAL_HAS_attach
    {"attach", &attach_command},
#endif
#ifdef SHOAL_HAS_containers
    {"commit", &commit_command},
#endif
#ifdef SHOAL_HAS_copy
    {"cp", &cp_command},
#endif
#ifdef SHOAL_HAS_run
    {"create", &create_command},
#endif
#ifdef SHOAL_HAS_containers
    {"diff", &diff_command},
#endif
#ifdef SHOAL_HAS_exec
    {"exec", &exec_command},
#endif
#ifdef SHOAL_HAS_containers
    {"export", &export_command},
#endif
    {"kill", &kill_command},
#ifdef SHOAL_HAS_logs
    {"logs", &logs_command},
#endif
    {"pause", &pause_command},
#ifdef SHOAL_HAS_containers
    {"port", &port_command},
#endif
    {"rename", &rename_command},
    {"restart", &restart_command},
    {"rm", &rm_command, nullptr, "remove"},
#ifdef SHOAL_HAS_run
    {"run", &run_command_table},
    {"start", &start_command},
#endif
#ifdef SHOAL_HAS_stats
    {"stats", &stats_command},
#endif
    {"stop", &stop_command},
#ifdef SHOAL_HAS_containers
    {"top", &top_command},
#endif
    {"unpause", &unpause_command},
    {"update", &update_command},
    {"wait", &wait_command},
#ifdef SHOAL_HAS_containers
    {"ls", &ps_command, nullptr, "ps list"},
#endif
#ifdef SHOAL_HAS_inspect
    {"inspect", &container_inspect_command},
#endif
#ifdef SHOAL_HAS_prune
    {"prune", &container_prune_command},
#endif
};
constexpr Group container_group{"Manage containers", container_entries};

constexpr Entry image_entries[] = {
#ifdef SHOAL_HAS_images
    {"history", &history_command},
    {"ls", &images_command, nullptr, "list"},
    {"rm", &image_rm_command, nullptr, "remove"},
    {"tag", &tag_command},
#endif
#ifdef SHOAL_HAS_transfer
    {"bootstrap", &bootstrap_command},
    {"import", &import_command},
    {"load", &load_command},
    {"pull", &pull_command},
    {"save", &save_command},
#endif
#ifdef SHOAL_HAS_inspect
    {"inspect", &image_inspect_command},
#endif
#ifdef SHOAL_HAS_prune
    {"prune", &image_prune_command},
#endif
    {"build", &later_command, nullptr, "", Section::Hidden},
    {"push", &later_command, nullptr, "", Section::Hidden},
};
constexpr Group image_group{"Manage images", image_entries};

constexpr Entry volume_entries[] = {
    {"update", &later_command, nullptr, "", Section::Hidden},
#ifdef SHOAL_HAS_volumes
    {"create", &volume_create_command},
    {"ls", &volume_ls_command, nullptr, "list"},
    {"rm", &volume_rm_command, nullptr, "remove"},
#endif
#ifdef SHOAL_HAS_inspect
    {"inspect", &volume_inspect_command},
#endif
#ifdef SHOAL_HAS_prune
    {"prune", &volume_prune_command},
#endif
};
constexpr Group volume_group{"Manage volumes", volume_entries};

constexpr Entry network_entries[] = {
#ifndef SHOAL_HAS_networks
    {"", &later_command, nullptr, "", Section::Hidden},
#endif
#ifdef SHOAL_HAS_networks
    {"connect", &network_connect_command},
    {"create", &network_create_command},
    {"disconnect", &network_disconnect_command},
    {"ls", &network_ls_command, nullptr, "list"},
    {"rm", &network_rm_command, nullptr, "remove"},
#endif
#ifdef SHOAL_HAS_inspect
    {"inspect", &network_inspect_command},
#endif
#ifdef SHOAL_HAS_prune
    {"prune", &network_prune_command},
#endif
};
constexpr Group network_group{"Manage networks", network_entries};

constexpr Entry system_entries[] = {
#ifndef SHOAL_HAS_system
    {"", &later_command, nullptr, "", Section::Hidden},
#endif
#ifdef SHOAL_HAS_disk_usage
    {"df", &system_df_command},
#endif
#ifdef SHOAL_HAS_system
    {"dial-stdio", &dial_stdio_command, nullptr, "", Section::Hidden},
#endif
#ifdef SHOAL_HAS_events
    {"events", &events_command},
#endif
#ifdef SHOAL_HAS_info
    {"info", &info_command},
#endif
#ifdef SHOAL_HAS_prune
    {"prune", &system_prune_command},
#endif
};
constexpr Group system_group{"Manage Shoal", system_entries};

constexpr Entry context_entries[] = {
    {"export", &later_command, nullptr, "", Section::Hidden},
    {"import", &later_command, nullptr, "", Section::Hidden},
#ifdef SHOAL_HAS_context_commands
    {"create", &context_create_command},
    {"inspect", &context_inspect_command},
    {"ls", &context_ls_command, nullptr, "list"},
    {"rm", &context_rm_command, nullptr, "remove"},
    {"show", &context_show_command},
    {"update", &context_update_command},
    {"use", &context_use_command},
#endif
};
constexpr Group context_group{"Manage contexts", context_entries};

constexpr Entry completion_entries[] = {
    {"fish", &later_command, nullptr, "", Section::Hidden},
    {"powershell", &later_command, nullptr, "", Section::Hidden},
#ifdef SHOAL_HAS_completion
    {"bash", &completion_bash_command},
    {"zsh", &completion_zsh_command},
#endif
};
constexpr Group completion_group{"Print a completion script for a shell", completion_entries};

constexpr Entry root_entries[] = {
#ifdef SHOAL_HAS_run
    {"run", &run_command_table, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_exec
    {"exec", &exec_command, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_containers
    {"ps", &ps_command, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_transfer
    {"pull", &pull_command, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_images
    {"images", &images_command, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_system
    {"version", &version_command, nullptr, "", Section::Common},
#endif
#ifdef SHOAL_HAS_info
    {"info", &info_command, nullptr, "", Section::Common},
#endif
    {"container", nullptr, &container_group, "", Section::Management},
    {"context", nullptr, &context_group, "", Section::Management},
    {"image", nullptr, &image_group, "", Section::Management},
    {"network", nullptr, &network_group, "", Section::Management},
    {"system", nullptr, &system_group, "", Section::Management},
    {"volume", nullptr, &volume_group, "", Section::Management},
    {"completion", nullptr, &completion_group, "", Section::Management},
#ifdef SHOAL_HAS_attach
    {"attach", &attach_command},
#endif
#ifdef SHOAL_HAS_containers
    {"commit", &commit_command},
#endif
#ifdef SHOAL_HAS_copy
    {"cp", &cp_command},
#endif
#ifdef SHOAL_HAS_run
    {"create", &create_command},
#endif
#ifdef SHOAL_HAS_containers
    {"diff", &diff_command},
    {"export", &export_command},
#endif
    {"kill", &kill_command},
#ifdef SHOAL_HAS_logs
    {"logs", &logs_command},
#endif
    {"pause", &pause_command},
#ifdef SHOAL_HAS_containers
    {"port", &port_command},
#endif
    {"rename", &rename_command},
    {"restart", &restart_command},
    {"rm", &rm_command},
#ifdef SHOAL_HAS_run
    {"start", &start_command},
#endif
#ifdef SHOAL_HAS_stats
    {"stats", &stats_command},
#endif
    {"stop", &stop_command},
#ifdef SHOAL_HAS_containers
    {"top", &top_command},
#endif
    {"unpause", &unpause_command},
    {"update", &update_command},
    {"wait", &wait_command},
#ifdef SHOAL_HAS_events
    {"events", &events_command},
#endif
#ifdef SHOAL_HAS_images
    {"history", &history_command},
    {"rmi", &image_rm_command},
    {"tag", &tag_command},
#endif
#ifdef SHOAL_HAS_transfer
    {"import", &import_command},
    {"load", &load_command},
    {"save", &save_command},
#endif
#ifdef SHOAL_HAS_inspect
    {"inspect", &inspect_command},
#endif
#ifdef SHOAL_HAS_completion
    {"__complete", &complete_command, nullptr, "", Section::Hidden},
#endif
    {"build", &later_command, nullptr, "", Section::Hidden},
    {"builder", &later_command, nullptr, "", Section::Hidden},
    {"checkpoint", &later_command, nullptr, "", Section::Hidden},
    {"config", &later_command, nullptr, "", Section::Hidden},
    {"login", &later_command, nullptr, "", Section::Hidden},
    {"logout", &later_command, nullptr, "", Section::Hidden},
    {"manifest", &later_command, nullptr, "", Section::Hidden},
    {"node", &later_command, nullptr, "", Section::Hidden},
    {"plugin", &later_command, nullptr, "", Section::Hidden},
    {"push", &later_command, nullptr, "", Section::Hidden},
    {"search", &later_command, nullptr, "", Section::Hidden},
    {"secret", &later_command, nullptr, "", Section::Hidden},
    {"service", &later_command, nullptr, "", Section::Hidden},
    {"stack", &later_command, nullptr, "", Section::Hidden},
    {"swarm", &later_command, nullptr, "", Section::Hidden},
    {"trust", &later_command, nullptr, "", Section::Hidden},
};
constexpr Group root{"Containers through the Docker Engine API", root_entries};

} // namespace

const Group& root_group() { return root; }

std::string version_line(std::string_view) { return "Shoal version " SHOAL_VERSION; }

} // namespace shoal::cli
