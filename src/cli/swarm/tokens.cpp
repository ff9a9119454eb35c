// join-token, unlock, unlock-key.
#include "cli/swarm/tokens.h"

#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/input.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

using client::part;

std::string token_of(const Json& swarm, Role role) {
    return text_of(table_of(swarm, "JoinTokens"), role == Role::Worker ? "Worker" : "Manager");
}

void print_key(App& app, const std::string& key) {
    if (key.empty()) { return; }
    app.line(fmt::format("To unlock a swarm manager after it restarts, run the `{} swarm unlock`\n"
                         "command and provide the following key:\n\n    {}\n\n"
                         "Remember to store this key in a password manager, since without it you\n"
                         "will not be able to restart the manager.",
                         app.globals.program, key));
}

Result<std::string> fetch_key(client::Client& client) {
    auto answer = client.json(client::get("/swarm/unlockkey"));
    if (!answer) { return std::move(answer).error().with("could not fetch unlock key"); }
    return text_of(*answer, "UnlockKey");
}

// --- join-token ---

constexpr Flag token_flags[] = {
    {"quiet", 'q', Kind::Bool, "Print only the token"},
    {"rotate", 0, Kind::Bool, "Make a new token; the old one admits nobody any more"},
};

Result<int> join_token(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    if (name != "worker" && name != "manager") { return invalid("unknown role " + name); }
    const Role role = name == "worker" ? Role::Worker : Role::Manager;
    TRY_LET(client, app.client());
    if (parsed.on("rotate")) {
        TRY_LET(before, client->json(client::get("/swarm")));
        TRY(write_swarm(*client, before, table_of(before, "Spec"),
                        {role == Role::Worker, role == Role::Manager, false}));
        if (!parsed.on("quiet")) {
            app.line(fmt::format("Successfully rotated {} join token.\n", name));
        }
    }
    if (parsed.on("quiet")) {
        TRY_LET(swarm, client->json(client::get("/swarm")));
        app.line(token_of(swarm, role));
        return 0;
    }
    TRY_LET(info, client->json(client::get("/info")));
    TRY(print_join_words(app, text_of(table_of(info, "Swarm"), "NodeID"), role));
    return 0;
}

// --- unlock ---

Result<int> unlock(App& app, const Parsed&) {
    TRY_LET(client, app.client());
    TRY_LET(info, client->json(client::get("/info")));
    const std::string state = text_of(table_of(info, "Swarm"), "LocalNodeState");
    if (state == "inactive") { return invalid("Error: This node is not part of a swarm"); }
    if (state == "pending" || state == "active" || state == "error") {
        return invalid("Error: swarm is not locked");
    }
    TRY_LET(key, read_key(app, "Enter unlock key: "));
    TRY(client->call(client::post("/swarm/unlock", {}, Json{{"UnlockKey", key}})));
    return 0;
}

// --- unlock-key ---

constexpr Flag key_flags[] = {
    {"quiet", 'q', Kind::Bool, "Print only the key"},
    {"rotate", 0, Kind::Bool, "Make a new key"},
};

Result<int> unlock_key(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    if (parsed.on("rotate")) {
        TRY_LET(swarm, client->json(client::get("/swarm")));
        const Json& spec = table_of(swarm, "Spec");
        if (!flag_of(table_of(spec, "EncryptionConfig"), "AutoLockManagers")) {
            return invalid("cannot rotate because autolock is not turned on");
        }
        TRY(write_swarm(*client, swarm, spec, {false, false, true}));
        if (!parsed.on("quiet")) { app.line("Successfully rotated manager unlock key."); }
        if (!parsed.on("quiet")) { app.line(""); }
    }
    TRY_LET(key, fetch_key(*client));
    if (key.empty()) { return invalid("no unlock key is set"); }
    if (parsed.on("quiet")) {
        app.line(key);
    } else {
        print_key(app, key);
    }
    return 0;
}

} // namespace

Result<void> print_join_words(App& app, const std::string& node_id, Role role) {
    TRY_LET(client, app.client());
    TRY_LET(node, client->json(client::get("/nodes/" + part(node_id))));
    TRY_LET(swarm, client->json(client::get("/swarm")));
    if (!has(node, "ManagerStatus")) { return ok(); }
    app.line(fmt::format(
        "To add a {} to this swarm, run the following command:\n\n    {} swarm join --token {} {}\n",
        role == Role::Worker ? "worker" : "manager", app.globals.program, token_of(swarm, role),
        text_of(table_of(node, "ManagerStatus"), "Addr")));
    return ok();
}

Result<void> print_unlock_words(App& app) {
    TRY_LET(client, app.client());
    TRY_LET(key, fetch_key(*client));
    print_key(app, key);
    return ok();
}

Result<void> write_swarm(client::Client& client, const Json& document, const Json& spec,
                         Rotation rotation) {
    const auto word = [](bool on) { return on ? "true" : "false"; };
    const net::Query query = {{"version", version_of(document)},
                              {"rotateWorkerToken", word(rotation.worker_token)},
                              {"rotateManagerToken", word(rotation.manager_token)},
                              {"rotateManagerUnlockKey", word(rotation.unlock_key)}};
    TRY(client.call(client::post("/swarm/update", query, spec)));
    return ok();
}

const Command join_token_command{"[OPTIONS] (worker|manager)",
                                 "Show or rotate the tokens that admit nodes to the swarm",
                                 token_flags,
                                 join_token,
                                 {1, 1}};
const Command unlock_command{"", "Unlock a manager that was started again", {}, unlock, {0, 0}};
const Command unlock_key_command{
    "[OPTIONS]", "Show or rotate the key that unlocks managers", key_flags, unlock_key, {0, 0}};

} // namespace shoal::cli::swarm
