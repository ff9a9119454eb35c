// Small things that several commands need: the filter flag, shared help texts, doing one thing to
// many objects at once, sizes and ids in short form, API versions.
#pragma once

#include "base/filters.h"
#include "cli/app.h"

#include <functional>

namespace shoal::cli {

inline constexpr std::string_view format_help =
    "Print with a template:\n'table':          a table with headers (default)\n'table TEMPLATE': a table of these columns\n"
    "'json':           one JSON object per line\n'TEMPLATE':       the given Go template";
inline constexpr std::string_view format_one_help =
    "Print with a template:\n'json':     as JSON\n'TEMPLATE': the given Go template";

Result<void> check_filter(std::string_view value);
/// The `filters` parameter, or nothing when no filter was given.
void add_filters(net::Query& query, const Parsed& parsed, std::string_view flag = "filter");
/// A flag such as --since as the API wants it: seconds and nanoseconds since 1970.
Result<void> add_moment(net::Query& query, const Parsed& parsed, std::string_view flag);
Filters filters_of(const Parsed& parsed, std::string_view flag = "filter");
/// `label` filters of an option such as prune's.

/// Does `action` for every name, several at a time, and prints each name (or the action's text)
/// when it is done, in order. Errors go to stderr, one line each; the exit code is 1 if there was
/// any.
using NamedAction = std::function<net::Task<Result<std::string>>(std::string name)>;
Result<int> for_each_name(App& app, const std::vector<std::string>& names, NamedAction action);

std::string size_text(double bytes, int digits);                  ///< "1.98MB" for 3 digits
std::string short_id(std::string_view id);                        ///< 12 digits, without "sha256:"
std::string text_of(const Json& object, std::string_view member); ///< "" when absent or null
std::int64_t number_of(const Json& object, std::string_view member);
/// "a=b,c=d" in order of keys.
std::string labels_text(const Json& labels);
Json labels_of(const Json& object);
/// The labels of flags "k=v", later ones stronger.
Json label_map(const std::vector<std::string>& labels);
/// `object[member]`, or an empty array.
const Json& list_of(const Json& object, std::string_view member);
/// A failed system call as Go words it: "open /x: no such file or directory"; `what` is "open /x".
Error go_error(std::string_view what, const Error& error);
Instant now();
/// "3 hours ago"; `at` in Unix seconds.
std::string ago(std::int64_t at);
std::string ago(Instant at);
/// Go's Time.String() in UTC without the monotonic part: "2026-11-24 00:31:31 +0000 UTC".
std::string date_text(Instant at);

/// What config.json's "proxies" say for this daemon, as variables in both cases: HTTP_PROXY,
/// http_proxy, ...
std::vector<std::pair<std::string, std::string>> proxy_variables(App& app);

/// shoald: the program beside this one, else the one on the path.
std::string daemon_program();

/// "\"--x\" requires API version 1.42, but the Docker daemon API version is 1.41".
Result<void> need_version(client::Client& client, std::string_view flag, int version);

} // namespace shoal::cli
