// What the commands of a swarm read besides their words: contents of files and standard input, keys
// and passphrases that must not be among the words because everybody sees those; and the loops that
// several of them have.
#pragma once

#include "cli/app.h"
#include "cli/inspect.h"

namespace shoal::cli::swarm {

/// At most `bytes_max` of a file, of standard input for "-".
Result<std::string> read_input(const std::string& file, std::size_t bytes_max);
/// A line without echo, after `prompt`, when standard input is a terminal; else its first line.
Result<std::string> read_key(App& app, std::string_view prompt);
/// The first line of a file, without its end; "-" is standard input.
Result<std::string> read_first_line(const std::string& file);

/// DELETE `folder`/name for each name, one after the other; prints those that are gone.
Result<int> remove_each(App& app, const std::vector<std::string>& names, std::string_view folder,
                        const net::Query& query);

/// `inspect` of something that has a page for people: --pretty, --format, or JSON.
/// `format` is used when none was given.
Result<int> inspect_or_page(App& app, const Parsed& parsed, std::string format,
                            const FindObject& find, std::string (*page)(const Json& object));

} // namespace shoal::cli::swarm
