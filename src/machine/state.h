// What is remembered of machines and of the switch that joins them, as JSON: machine.json in each
// machine's directory, switch.json beside them. No decisions, and nothing of what can be seen by
// looking (whether a process lives).
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "machine/names.h"
#include "os/pidfd.h"

#include <optional>
#include <string>
#include <vector>

namespace shoal::machine {

struct Machine {
    std::string name;
    std::string id; ///< 32 hexadecimal digits; also the machine-id inside
    std::uint32_t number = 0;
    std::string address;
    Instant created;
    std::string daemon;          ///< path of the program
    std::int64_t disk_bytes = 0; ///< 0: no limit of its own
    /// Process 1 of the machine, while it runs and after a power cut that nobody has noted.
    std::optional<os::ProcessIdentity> first;
};

/// Frames of one direction that the switch drops.
struct Cut {
    std::string from;
    std::string to;
    auto operator<=>(const Cut&) const = default;
};

struct Switch {
    Subnet subnet;
    std::vector<Cut> cuts;
};

Json to_json(const Machine& machine);
Result<Machine> machine_of(const Json& json);
Json to_json(const Switch& state);
Result<Switch> switch_of(const Json& json);

Result<Json> load_json(const std::string& path);
Result<void> save_json(const std::string& path, const Json& json);

} // namespace shoal::machine
