#include "cli/swarm/log_lines.h"

#include "base/text.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

constexpr std::string_view node_detail = "com.docker.swarm.node.id";
constexpr std::string_view service_detail = "com.docker.swarm.service.id";
constexpr std::string_view task_detail = "com.docker.swarm.task.id";
constexpr std::string_view colour_end = "\x1b[0m";

Result<std::map<std::string, std::string>> parse_details(std::string_view text) {
    std::map<std::string, std::string> details;
    if (text.empty()) { return details; }
    for (const auto& pair : split(text, ',')) {
        const auto [key, value] = cut(pair, '=');
        if (pair.find('=') == std::string::npos) { return invalid("invalid details format"); }
        TRY_LET(name, decode_percent(key, true));
        TRY_LET(meaning, decode_percent(value, true));
        details[name] = meaning;
    }
    return details;
}

Result<void> take_id(LogLine& line, std::string_view detail, std::string_view what,
                     std::string& into) {
    const auto at = line.details.find(std::string(detail));
    if (at == line.details.end()) {
        return invalid(fmt::format("missing {} id in details of a log line", what));
    }
    into = at->second;
    line.details.erase(at);
    return ok();
}

} // namespace

Result<LogLine> parse_log_line(std::string_view text, Timestamps timestamps) {
    const bool timed = timestamps == Timestamps::Yes;
    const auto parts = split_n(text, ' ', timed ? 3 : 2);
    if (parts.size() != (timed ? 3u : 2u)) {
        return invalid("invalid context in log message: " + std::string(text));
    }
    LogLine line;
    if (timed) { line.time = parts[0]; }
    TRY_LET(details, parse_details(parts[timed ? 1 : 0]));
    line.details = std::move(details);
    line.text = parts.back();
    TRY(take_id(line, node_detail, "node", line.node));
    TRY(take_id(line, service_detail, "service", line.service));
    TRY(take_id(line, task_detail, "task", line.task));
    return line;
}

std::string print_log_line(const LogLine& line, const LogSource& source, Details details,
                           std::string_view colour) {
    std::string out;
    if (!line.time.empty()) { out += line.time + " "; }
    out += fmt::format("{}{}{}{}    | ", colour, source.name, std::string(source.padding, ' '),
                       colour.empty() ? "" : colour_end);
    if (details == Details::Show) {
        std::vector<std::string> pairs;
        for (const auto& [key, value] : line.details) { pairs.push_back(key + "=" + value); }
        out += join(pairs, ",") + " ";
    }
    return out + line.text;
}

} // namespace shoal::cli::swarm
