// Decisions about machines as pure functions: the words of their programs, the text of their files,
// the rules of a partition. What carries them out is in machines.cpp, init.cpp and switchboard.cpp.
#pragma once

#include "machine/state.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace shoal::machine {

/// Where things are inside every machine.
inline constexpr std::string_view shared_inside = "/run/machine"; ///< the machine's directory
inline constexpr std::string_view common_inside = "/run/cluster"; ///< what all machines see
inline constexpr std::string_view socket_inside = "/run/machine/api.sock";

/// shoald and Docker's daemon take the same words.
std::vector<std::string> daemon_command(const Machine& machine);
/// The environment of programs in the machine, from that of whoever starts it: without what speaks
/// of daemons elsewhere, with a PATH that begins where the daemon lies.
std::vector<std::string> environment_inside(const Machine& machine,
                                            std::span<const std::string> outside);
/// nsenter and a shell in it: `words` joined with blanks are the shell's line, as ssh does it;
/// without words the shell is interactive.
std::vector<std::string> enter_command(const Machine& machine, std::span<const std::string> words,
                                       std::span<const std::string> outside);

/// /etc/hosts of all machines.
std::string hosts_text(std::span<const Machine> machines);
/// The near end of a machine's cable, a port of the bridge.
std::string port_name(std::uint32_t number);
/// The whole table of a partition, in place of what was there, as one nftables transaction. Cuts
/// with names of no machine are left out.
std::string partition_rules(std::span<const Cut> cuts,
                            const std::map<std::string, std::uint32_t>& numbers);

enum class Way { Both, One };
/// The list with a cut more, and with one less. `Both` is two cuts.
std::vector<Cut> with_cut(std::vector<Cut> cuts, const Cut& cut, Way way);
std::vector<Cut> without_cut(std::vector<Cut> cuts, const Cut& cut);
/// What remains when a machine has gone.
std::vector<Cut> without_machine(std::vector<Cut> cuts, std::string_view name);

/// Shell lines that point clients at a machine's daemon.
std::string env_text(std::string_view name, std::string_view socket, std::string_view program);

} // namespace shoal::machine
