// The flags of `run` and `create`, and what they mean to the API. Files (--env-file, --label-file,
// seccomp profiles) are read here; nothing else is touched.
#pragma once

#include "cli/command.h"

#include "base/json.h"

namespace shoal::cli {

std::span<const Flag> create_flags(); ///< of both; `run` has a few more

struct RunOptions {
    std::string image;
    std::string name;
    std::string platform;
    std::string cidfile;
    std::string pull; ///< missing, always, never
    bool quiet = false;
    Json body;                         ///< of POST /containers/create
    std::vector<std::string> networks; ///< in the order given
};
/// Fails with Docker's sentences.
Result<RunOptions> read_run_options(const Parsed& parsed, std::string_view working_directory);

// Shared with `update`, `exec`, `commit`, `network connect`, `build`, `service`.
/// Of --add-host: "name:address" or "name=address".
Result<void> check_host(std::string_view value);
std::string extra_host(std::string_view value); ///< "name:address", without brackets
Result<void> check_cpus(std::string_view value);
std::int64_t nano_cpus(std::string_view value);
Result<Json> parse_restart(std::string_view text);
Result<void> check_env(std::string_view value);
/// "K" becomes "K=V" when the environment has it.
std::string env_setting(std::string_view text);
Result<std::vector<std::string>> read_env(const std::vector<std::string>& files,
                                          const std::vector<std::string>& given);
Result<void> check_label(std::string_view value);
Result<void> check_ip(std::string_view value);
Result<void> check_search_domain(std::string_view value);
Result<void> check_mount(std::string_view value);

} // namespace shoal::cli
