#include "cli/tree.h"

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/swarm/commands.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

Result<int> refuse(App&, const Parsed& parsed) {
    return unsupported(parsed.path + ": not supported by this version of Shoal");
}

/// Docker's commands that are known and not here: refused by name, whatever their flags.
constexpr Command later_command{.usage = "",
                                .summary = "Not supported by this version of Shoal",
                                .action = refuse,
                                .unparsed = true};

constexpr Entry container_entries[] = {
    {"attach", &attach_command},
    {"commit", &commit_command},
    {"cp", &cp_command},
    {"create", &create_command},
    {"diff", &diff_command},
    {"exec", &exec_command},
    {"export", &export_command},
    {"kill", &kill_command},
    {"logs", &logs_command},
    {"pause", &pause_command},
    {"port", &port_command},
    {"rename", &rename_command},
    {"restart", &restart_command},
    {"rm", &rm_command, nullptr, "remove"},
    {"run", &run_command_table},
    {"start", &start_command},
    {"stats", &stats_command},
    {"stop", &stop_command},
    {"top", &top_command},
    {"unpause", &unpause_command},
    {"update", &update_command},
    {"wait", &wait_command},
    {"ls", &ps_command, nullptr, "ps list"},
    {"inspect", &container_inspect_command},
    {"prune", &container_prune_command},
};
constexpr Group container_group{"Manage containers", container_entries};

constexpr Entry image_entries[] = {
    {"build", &build_command},
    {"history", &history_command},
    {"ls", &images_command, nullptr, "list"},
    {"rm", &image_rm_command, nullptr, "remove"},
    {"tag", &tag_command},
    {"bootstrap", &bootstrap_command},
    {"import", &import_command},
    {"load", &load_command},
    {"pull", &pull_command},
    {"save", &save_command},
    {"inspect", &image_inspect_command},
    {"prune", &image_prune_command},
    {"push", &push_command},
};
constexpr Group image_group{"Manage images", image_entries};

constexpr Entry manifest_entries[] = {
    {"annotate", &manifest_annotate_command},
    {"create", &manifest_create_command},
    {"inspect", &manifest_inspect_command},
    {"push", &manifest_push_command},
    {"rm", &manifest_rm_command},
};
constexpr Group manifest_group{"Manage manifests and lists of them", manifest_entries};

constexpr Entry builder_entries[] = {
    {"build", &build_command, nullptr, "b"},
    {"prune", &builder_prune_command},
    {"bake", &later_command, nullptr, "f", Section::Hidden},
    {"create", &later_command, nullptr, "", Section::Hidden},
    {"dap", &later_command, nullptr, "", Section::Hidden},
    {"debug", &later_command, nullptr, "", Section::Hidden},
    {"dial-stdio", &later_command, nullptr, "", Section::Hidden},
    {"du", &later_command, nullptr, "", Section::Hidden},
    {"history", &later_command, nullptr, "", Section::Hidden},
    {"imagetools", &later_command, nullptr, "", Section::Hidden},
    {"inspect", &later_command, nullptr, "", Section::Hidden},
    {"install", &later_command, nullptr, "", Section::Hidden},
    {"ls", &later_command, nullptr, "", Section::Hidden},
    {"policy", &later_command, nullptr, "", Section::Hidden},
    {"rm", &later_command, nullptr, "", Section::Hidden},
    {"stop", &later_command, nullptr, "", Section::Hidden},
    {"uninstall", &later_command, nullptr, "", Section::Hidden},
    {"use", &later_command, nullptr, "", Section::Hidden},
    {"version", &later_command, nullptr, "", Section::Hidden},
};
constexpr Group builder_group{"Manage builds", builder_entries};

constexpr Entry volume_entries[] = {
    {"update", &later_command, nullptr, "", Section::Hidden},
    {"create", &volume_create_command},
    {"ls", &volume_ls_command, nullptr, "list"},
    {"rm", &volume_rm_command, nullptr, "remove"},
    {"inspect", &volume_inspect_command},
    {"prune", &volume_prune_command},
};
constexpr Group volume_group{"Manage volumes", volume_entries};

constexpr Entry network_entries[] = {
    {"connect", &network_connect_command},
    {"create", &network_create_command},
    {"disconnect", &network_disconnect_command},
    {"ls", &network_ls_command, nullptr, "list"},
    {"rm", &network_rm_command, nullptr, "remove"},
    {"inspect", &network_inspect_command},
    {"prune", &network_prune_command},
};
constexpr Group network_group{"Manage networks", network_entries};

constexpr Entry system_entries[] = {
    {"df", &system_df_command},
    {"dial-stdio", &dial_stdio_command, nullptr, "", Section::Hidden},
    {"events", &events_command},
    {"info", &info_command},
    {"prune", &system_prune_command},
};
constexpr Group system_group{"Manage Shoal", system_entries};

constexpr Entry context_entries[] = {
    {"export", &later_command, nullptr, "", Section::Hidden},
    {"import", &later_command, nullptr, "", Section::Hidden},
    {"create", &context_create_command},
    {"inspect", &context_inspect_command},
    {"ls", &context_ls_command, nullptr, "list"},
    {"rm", &context_rm_command, nullptr, "remove"},
    {"show", &context_show_command},
    {"update", &context_update_command},
    {"use", &context_use_command},
};
constexpr Group context_group{"Manage contexts", context_entries};

constexpr Entry swarm_entries[] = {
    {"backup", &swarm::backup_command},
    {"ca", &swarm::ca_command},
    {"init", &swarm::init_command},
    {"join", &swarm::join_command},
    {"join-token", &swarm::join_token_command},
    {"leave", &swarm::leave_command},
    {"restore", &swarm::restore_command},
    {"unlock", &swarm::unlock_command},
    {"unlock-key", &swarm::unlock_key_command},
    {"update", &swarm::update_command},
};
constexpr Group swarm_group{"Manage the swarm", swarm_entries};

constexpr Entry node_entries[] = {
    {"demote", &swarm::node_demote_command},
    {"inspect", &swarm::node_inspect_command},
    {"ls", &swarm::node_ls_command, nullptr, "list"},
    {"promote", &swarm::node_promote_command},
    {"ps", &swarm::node_ps_command},
    {"rm", &swarm::node_rm_command, nullptr, "remove"},
    {"update", &swarm::node_update_command},
};
constexpr Group node_group{"Manage the nodes of the swarm", node_entries};

constexpr Entry service_entries[] = {
    {"create", &swarm::service_create_command},
    {"inspect", &swarm::service_inspect_command},
    {"logs", &swarm::service_logs_command},
    {"ls", &swarm::service_ls_command, nullptr, "list"},
    {"ps", &swarm::service_ps_command},
    {"rebalance", &swarm::service_rebalance_command},
    {"rm", &swarm::service_rm_command, nullptr, "remove"},
    {"rollback", &swarm::service_rollback_command},
    {"scale", &swarm::service_scale_command},
    {"update", &swarm::service_update_command},
};
constexpr Group service_group{"Manage the services of the swarm", service_entries};

constexpr Entry secret_entries[] = {
    {"create", &swarm::secret_create_command},
    {"inspect", &swarm::secret_inspect_command},
    {"ls", &swarm::secret_ls_command, nullptr, "list"},
    {"rm", &swarm::secret_rm_command, nullptr, "remove"},
};
constexpr Group secret_group{"Manage the secrets of the swarm", secret_entries};

constexpr Entry config_entries[] = {
    {"create", &swarm::config_create_command},
    {"inspect", &swarm::config_inspect_command},
    {"ls", &swarm::config_ls_command, nullptr, "list"},
    {"rm", &swarm::config_rm_command, nullptr, "remove"},
};
constexpr Group config_group{"Manage the configs of the swarm", config_entries};
constexpr Entry machine_entries[] = {
    {"create", &machine_create_command},
    {"cut", &machine_cut_command},
    {"env", &machine_env_command},
    {"heal", &machine_heal_command},
    {"ip", &machine_ip_command},
    {"kill", &machine_kill_command},
    {"ls", &machine_ls_command, nullptr, "list"},
    {"rm", &machine_rm_command, nullptr, "remove"},
    {"scp", &machine_scp_command},
    {"ssh", &machine_ssh_command},
    {"start", &machine_start_command},
    {"stop", &machine_stop_command},
    {"__init", &machine_init_command, nullptr, "", Section::Hidden},
};
constexpr Group machine_group{"Manage machines: full nodes on this computer", machine_entries};

constexpr Entry completion_entries[] = {
    {"fish", &later_command, nullptr, "", Section::Hidden},
    {"powershell", &later_command, nullptr, "", Section::Hidden},
    {"bash", &completion_bash_command},
    {"zsh", &completion_zsh_command},
};
constexpr Group completion_group{"Print a completion script for a shell", completion_entries};

constexpr Entry root_entries[] = {
    {"run", &run_command_table, nullptr, "", Section::Common},
    {"exec", &exec_command, nullptr, "", Section::Common},
    {"ps", &ps_command, nullptr, "", Section::Common},
    {"build", &build_command, nullptr, "", Section::Common},
    {"pull", &pull_command, nullptr, "", Section::Common},
    {"push", &push_command, nullptr, "", Section::Common},
    {"images", &images_command, nullptr, "", Section::Common},
    {"login", &login_command, nullptr, "", Section::Common},
    {"logout", &logout_command, nullptr, "", Section::Common},
    {"search", &search_command, nullptr, "", Section::Common},
    {"version", &version_command, nullptr, "", Section::Common},
    {"info", &info_command, nullptr, "", Section::Common},
    {"builder", nullptr, &builder_group, "", Section::Management},
    {"container", nullptr, &container_group, "", Section::Management},
    {"context", nullptr, &context_group, "", Section::Management},
    {"image", nullptr, &image_group, "", Section::Management},
    {"machine", nullptr, &machine_group, "", Section::Management},
    {"manifest", nullptr, &manifest_group, "", Section::Management},
    {"network", nullptr, &network_group, "", Section::Management},
    {"registry", &registry_command, nullptr, "", Section::Management},
    {"system", nullptr, &system_group, "", Section::Management},
    {"volume", nullptr, &volume_group, "", Section::Management},
    {"config", nullptr, &config_group, "", Section::Swarm},
    {"node", nullptr, &node_group, "", Section::Swarm},
    {"secret", nullptr, &secret_group, "", Section::Swarm},
    {"service", nullptr, &service_group, "", Section::Swarm},
    {"swarm", nullptr, &swarm_group, "", Section::Swarm},
    {"completion", nullptr, &completion_group, "", Section::Management},
    {"attach", &attach_command},
    {"commit", &commit_command},
    {"cp", &cp_command},
    {"create", &create_command},
    {"diff", &diff_command},
    {"export", &export_command},
    {"kill", &kill_command},
    {"logs", &logs_command},
    {"pause", &pause_command},
    {"port", &port_command},
    {"rename", &rename_command},
    {"restart", &restart_command},
    {"rm", &rm_command},
    {"start", &start_command},
    {"stats", &stats_command},
    {"stop", &stop_command},
    {"top", &top_command},
    {"unpause", &unpause_command},
    {"update", &update_command},
    {"wait", &wait_command},
    {"events", &events_command},
    {"history", &history_command},
    {"rmi", &image_rm_command},
    {"tag", &tag_command},
    {"import", &import_command},
    {"load", &load_command},
    {"save", &save_command},
    {"inspect", &inspect_command},
    {"__complete", &complete_command, nullptr, "", Section::Hidden},
    {"buildx", nullptr, &builder_group, "", Section::Hidden},
    {"bake", &later_command, nullptr, "", Section::Hidden},
    {"checkpoint", &later_command, nullptr, "", Section::Hidden},
    {"plugin", &later_command, nullptr, "", Section::Hidden},
    {"stack", &later_command, nullptr, "", Section::Hidden},
    {"trust", &later_command, nullptr, "", Section::Hidden},
};
constexpr Group root{"Containers through the Docker Engine API", root_entries};

} // namespace

const Group& root_group() { return root; }

std::string version_line(std::string_view) { return "Shoal version " SHOAL_VERSION; }

} // namespace shoal::cli
