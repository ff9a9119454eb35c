#include "container/top.h"

#include "base/text.h"
#include "os/process.h"

#include <algorithm>

namespace shoal::container {
namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (auto& word : split(text, ' ')) {
        if (!word.empty()) { words.push_back(std::move(word)); }
    }
    return words;
}

/// The first `columns - 1` words, and the rest of the line as the last one.
std::vector<std::string> fields_of(std::string_view line, std::size_t columns) {
    std::vector<std::string> fields;
    while (fields.size() + 1 < columns) {
        line = line.substr(std::min(line.find_first_not_of(' '), line.size()));
        const auto end = std::min(line.find(' '), line.size());
        if (end == 0) { break; }
        fields.emplace_back(line.substr(0, end));
        line.remove_prefix(end);
    }
    fields.emplace_back(trim(line));
    return fields;
}

} // namespace

Result<std::vector<std::string>> parse_ps_args(std::string_view ps_args) {
    std::vector<std::string> words = words_of(ps_args.empty() ? "-ef" : ps_args);
    for (const auto& word : words) {
        // A format that renames the pid column would make filtering by it wrong: "pid=x".
        if (to_lower(word).find("pid=") != std::string::npos) {
            return invalid("specifying \"pid=\" is not allowed: " + std::string(ps_args));
        }
    }
    return words;
}

Result<ProcessTable> parse_ps_output(std::string_view output, const std::vector<pid_t>& pids) {
    const auto lines = split(output, '\n');
    ProcessTable table;
    table.titles = words_of(lines.front());
    const auto column = std::find(table.titles.begin(), table.titles.end(), "PID");
    if (column == table.titles.end()) { return internal("Couldn't find PID field in ps output"); }
    const auto index = static_cast<std::size_t>(column - table.titles.begin());
    for (std::size_t i = 1; i < lines.size(); ++i) {
        if (trim(lines[i]).empty()) { continue; }
        auto fields = fields_of(lines[i], table.titles.size());
        if (fields.size() <= index) { continue; }
        const auto pid = parse_number<pid_t>(fields[index]);
        if (pid && std::find(pids.begin(), pids.end(), *pid) != pids.end()) {
            table.processes.push_back(std::move(fields));
        }
    }
    return table;
}

Result<ProcessTable> list_processes(const os::Cgroup& group, std::string_view ps_args,
                                    Deadline deadline) {
    TRY_LET(words, parse_ps_args(ps_args));
    auto program = os::find_program("ps");
    if (!program) { return unsupported("top: there is no ps on this host (package procps)"); }
    TRY_LET(pids, group.processes());
    os::Run job;
    job.argv = {*program};
    job.argv.insert(job.argv.end(), words.begin(), words.end());
    job.deadline = deadline;
    TRY_LET(output, os::run(job));
    if (output.status.code != 0) {
        return internal("error running ps: " + std::string(trim(output.err)));
    }
    return parse_ps_output(output.out, pids);
}

} // namespace shoal::container
