// How interpret() is put together: an instruction is read into its typed form, the variables are
// put in, and its text for the history is written. Internal to this folder.
#pragma once

#include "dockerfile/command.h"

namespace shoal::dockerfile {

/// The typed form with variables still unexpanded; so that parse() finds what is wrong with any
/// instruction before anything runs. Fails: Invalid, without a line number.
Result<Command> read_command(const Instruction& instruction, char escape);

/// "--mount" of RUN in CSV form. Without `how` values are taken as they are, and what has variables
/// in it is judged later. Fails: Invalid, naming key and value.
Result<RunMount> parse_mount(std::string_view text, const Expansion* how);

/// HEALTHCHECK with its flags.
Result<oci::HealthConfig> read_health(const Instruction& instruction);

/// "80", "8000-8010/udp" as "80/tcp", ...; warnings for forms that mean nothing here. Fails:
/// Invalid with "invalid containerPort: x".
Result<std::vector<std::string>> parse_exposed_ports(const std::vector<std::string>& words,
                                                     std::vector<Warning>& warnings, Lines lines);

/// Docker's text for the history.
std::string history_text(const Command& command, const Instruction& instruction,
                         const oci::RunConfig& config);

/// The shell form's argument list.
std::vector<std::string> with_shell(const oci::RunConfig& config, const std::string& line);
/// A working directory joined to the present one, clean.
std::string joined_directory(const std::string& present, const std::string& path);

} // namespace shoal::dockerfile
