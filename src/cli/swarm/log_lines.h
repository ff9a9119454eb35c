// Lines of `service logs` as people read them: who wrote it, then what was written. The daemon says
// who in details in front of the line, "com.docker.swarm.task.id=...,... text". Pure; names come
// from the caller.
#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace shoal::cli::swarm {

struct LogLine {
    std::string time;                           ///< "" without --timestamps
    std::string node, service, task;            ///< ids
    std::map<std::string, std::string> details; ///< the others
    std::string text;                           ///< with its newline
};
enum class Timestamps { No, Yes };
/// Fails: Invalid when a line does not say where it is from.
Result<LogLine> parse_log_line(std::string_view line, Timestamps timestamps);

/// "web.2.abcdef123456@host" and what fills it up to the width of the widest slot.
struct LogSource {
    std::string name; ///< without the slot's padding
    std::size_t padding = 0;
};
enum class Details { Hide, Show };
/// The line to print; `colour` is an escape sequence for the source, or "".
std::string print_log_line(const LogLine& line, const LogSource& source, Details details,
                           std::string_view colour);

} // namespace shoal::cli::swarm
