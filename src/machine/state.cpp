#include "machine/state.h"

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace shoal::machine {
namespace {

std::string text_of(const Json& json, const char* member) {
    const auto found = json.find(member);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}
std::int64_t number_of(const Json& json, const char* member) {
    const auto found = json.find(member);
    return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

} // namespace

Json to_json(const Machine& machine) {
    Json json{{"name", machine.name},
              {"id", machine.id},
              {"number", machine.number},
              {"address", machine.address},
              {"created", format_rfc3339(machine.created)},
              {"daemon", machine.daemon}};
    if (machine.disk_bytes > 0) { json["disk_bytes"] = machine.disk_bytes; }
    if (machine.first) {
        json["first"] =
            Json{{"pid", machine.first->pid}, {"start_time", machine.first->start_time}};
    }
    return json;
}

Result<Machine> machine_of(const Json& json) {
    if (!json.is_object()) { return invalid("not an object"); }
    Machine machine;
    machine.name = text_of(json, "name");
    TRY(check_name(machine.name));
    machine.id = text_of(json, "id");
    if (machine.id.size() != 32 || !is_hex(machine.id)) { return invalid("id: 32 digits"); }
    machine.number = static_cast<std::uint32_t>(number_of(json, "number"));
    machine.address = text_of(json, "address");
    TRY_LET(created, parse_rfc3339(text_of(json, "created")));
    machine.created = created;
    machine.daemon = text_of(json, "daemon");
    machine.disk_bytes = number_of(json, "disk_bytes");
    if (const auto first = json.find("first"); first != json.end() && first->is_object()) {
        machine.first =
            os::ProcessIdentity{static_cast<pid_t>(number_of(*first, "pid")),
                                static_cast<std::uint64_t>(number_of(*first, "start_time"))};
    }
    return machine;
}

Json to_json(const Switch& state) {
    Json cuts = Json::array();
    for (const auto& cut : state.cuts) { cuts.push_back({{"from", cut.from}, {"to", cut.to}}); }
    return {{"subnet", state.subnet.text()}, {"cuts", cuts}};
}

Result<Switch> switch_of(const Json& json) {
    if (!json.is_object()) { return invalid("not an object"); }
    Switch state;
    TRY_LET(subnet, Subnet::parse(text_of(json, "subnet")));
    state.subnet = subnet;
    if (const auto cuts = json.find("cuts"); cuts != json.end() && cuts->is_array()) {
        for (const auto& cut : *cuts) {
            if (!cut.is_object()) { return invalid("cuts: not an object"); }
            state.cuts.push_back({text_of(cut, "from"), text_of(cut, "to")});
        }
    }
    return state;
}

Result<Json> load_json(const std::string& path) {
    TRY_LET(text, os::read_file(path, 1 << 20));
    return parse_json(text).with(path);
}

Result<void> save_json(const std::string& path, const Json& json) {
    return os::write_file_atomic(path, pretty_json(json) + "\n", {0644, os::Sync::No});
}

} // namespace shoal::machine
