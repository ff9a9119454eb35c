#include "cli/swarm/names.h"

#include "cli/swarm/documents.h"

namespace shoal::cli::swarm {

Result<std::string> node_reference(client::Client& client, const std::string& name) {
    if (name != "self") { return name; }
    TRY_LET(info, client.json(client::get("/info")));
    const std::string id = text_of(table_of(info, "Swarm"), "NodeID");
    if (!id.empty()) { return id; }
    // No manager, most likely: this answer says it better.
    TRY(client.json(client::get("/nodes")));
    return invalid("node ID not found in /info");
}

std::string Names::look_up(std::string_view folder, const std::string& id) {
    if (mode_ == Mode::KeepIds || id.empty()) { return id; }
    if (const auto at = known_.find(id); at != known_.end()) { return at->second; }
    const auto document = client_.json(client::get(std::string(folder) + "/" + client::part(id)));
    std::string name = document ? name_of(*document) : "";
    if (name.empty() && document) {
        name = text_of(table_of(*document, "Description"), "Hostname");
    }
    return known_[id] = name.empty() ? id : name;
}

std::string Names::node(const std::string& id) { return look_up("/nodes", id); }
std::string Names::service(const std::string& id) { return look_up("/services", id); }

} // namespace shoal::cli::swarm
