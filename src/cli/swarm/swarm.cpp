// The swarm as a whole: init, join, leave, update.
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/swarm_options.h"
#include "cli/swarm/tokens.h"
#include "cli/terminal.h"

#include <fmt/format.h>

#include <unistd.h>

namespace shoal::cli::swarm {
namespace {

// --- init ---

constexpr Flag init_flags[] = {
    {"advertise-addr", 0, Kind::Text,
     "Address that other nodes are told (\"<ip|interface>[:port]\")"},
    {"autolock", 0, Kind::Bool, "Managers that start again need the unlock key"},
    {"availability", 0, Kind::Text, "Availability of the node (\"active\", \"pause\", \"drain\")",
     "active"},
    {"data-path-addr", 0, Kind::Text,
     "Address or interface for the traffic of containers (\"<ip|interface>\")", "", "", nullptr,
     false, 131},
    {"data-path-port", 0, Kind::Uint,
     "Port for the traffic of containers (1024 - 49151), or 0 for 4789", "", "uint32", check_uint32,
     false, 140},
    {"default-addr-pool", 0, Kind::Words, "Addresses for networks, in CIDR form", "[]",
     "ipNetSlice", check_pools, false, 139},
    {"default-addr-pool-mask-length", 0, Kind::Uint, "Length of the networks' masks", "24",
     "uint32", check_uint32, false, 139},
    {"force-new-cluster", 0, Kind::Bool, "Make a new swarm of one manager from what is on disk"},
    {"listen-addr", 0, Kind::Text, "Address to listen on (\"<ip|interface>[:port]\")",
     "0.0.0.0:2377", "node-addr", check_listen_address},
};

Result<int> init(App& app, const Parsed& parsed) {
    TRY_LET(body, init_body(parsed));
    TRY_LET(client, app.client());
    auto made = client->json(client::post("/swarm/init", {}, body));
    if (!made) {
        const std::string& why = made.error().message;
        const bool address =
            why.find("could not choose an IP address to advertise") != std::string::npos ||
            why.find("could not find the system's IP address") != std::string::npos;
        if (!address) { return made.error(); }
        return invalid(why + " - specify one with --advertise-addr");
    }
    const std::string id = made->is_string() ? made->get<std::string>() : "";
    app.line(fmt::format("Swarm initialized: current node ({}) is now a manager.\n", id));
    TRY(print_join_words(app, id, Role::Worker));
    app.line(fmt::format("To add a manager to this swarm, run '{} swarm join-token manager' and "
                         "follow the instructions.",
                         app.globals.program));
    if (parsed.on("autolock")) { TRY(print_unlock_words(app)); }
    return 0;
}

// --- join ---

constexpr Flag join_flags[] = {
    init_flags[0],
    init_flags[2],
    init_flags[3],
    init_flags[8],
    {"token", 0, Kind::Text, "Token that admits to the swarm"},
};

Result<int> join(App& app, const Parsed& parsed) {
    TRY_LET(body, join_body(parsed));
    TRY_LET(client, app.client());
    TRY(client->call(client::post("/swarm/join", {}, body)));
    TRY_LET(info, client->json(client::get("/info")));
    app.line(
        fmt::format("This node joined a swarm as a {}.",
                    flag_of(table_of(info, "Swarm"), "ControlAvailable") ? "manager" : "worker"));
    return 0;
}

// --- leave ---

constexpr Flag leave_flags[] = {
    {"force", 'f', Kind::Bool, "Leave although the swarm may lose its managers"}};

Result<int> leave(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("force")) { query.emplace_back("force", "1"); }
    TRY_LET(client, app.client());
    TRY(client->call(client::post("/swarm/leave", query)));
    app.line("Node left the swarm.");
    return 0;
}

// --- update ---

constexpr Flag update_flags[] = {
    {"autolock", 0, Kind::Bool,
     "Whether managers that start again need the unlock key (true|false)"},
};

Result<int> update(App& app, const Parsed& parsed) {
    if (parsed.values.empty()) {
        const auto columns = window_size(STDOUT_FILENO).columns;
        app.out(command_help(update_command, parsed.path, app.globals.program,
                             columns == 0 ? 80 : std::max(40u, columns)));
        return 0;
    }
    TRY_LET(client, app.client());
    TRY_LET(document, client->json(client::get("/swarm")));
    Json spec = table_of(document, "Spec");
    const auto locked = [&] {
        return flag_of(table_of(spec, "EncryptionConfig"), "AutoLockManagers");
    };
    const bool before = locked();
    TRY(merge_swarm_spec(spec, parsed, text_of(table_of(document, "TLSInfo"), "TrustRoot")));
    TRY(write_swarm(*client, document, spec, {}));
    app.line("Swarm updated.");
    if (locked() && !before) { TRY(print_unlock_words(app)); }
    return 0;
}

} // namespace

const Command init_command{.usage = "[OPTIONS]",
                           .summary = "Make a swarm of which this node is the first manager",
                           .flags = init_flags,
                           .action = init,
                           .arguments = {0, 0},
                           .more_flags = swarm_spec_flags()};
const Command join_command{.usage = "[OPTIONS] HOST:PORT",
                           .summary = "Join a swarm as a worker or manager",
                           .flags = join_flags,
                           .action = join,
                           .arguments = {1, 1}};
const Command leave_command{.usage = "[OPTIONS]",
                            .summary = "Leave the swarm",
                            .flags = leave_flags,
                            .action = leave,
                            .arguments = {0, 0}};
const Command update_command{.usage = "[OPTIONS]",
                             .summary = "Change settings of the swarm",
                             .flags = update_flags,
                             .action = update,
                             .arguments = {0, 0},
                             .more_flags = swarm_spec_flags()};

} // namespace shoal::cli::swarm
