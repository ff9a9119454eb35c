#include "cli/support.h"

#include "base/text.h"
#include "base/time.h"
#include "net/scope.h"
#include "os/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t parallel_max = 50;

struct Many {
    const std::vector<std::string>& names;
    NamedAction& action;
    std::size_t next = 0;
    std::vector<std::optional<Result<std::string>>> results;
};

net::Task<void> work(Many* many) {
    while (many->next < many->names.size()) {
        const std::size_t mine = many->next++;
        auto task = many->action(many->names[mine]);
        auto result = co_await std::move(task);
        many->results[mine].emplace(std::move(result));
    }
}

net::Task<bool> run_all(net::Loop* loop, Many* many) {
    net::TaskScope scope(*loop);
    const std::size_t workers = std::min(parallel_max, many->names.size());
    for (std::size_t i = 0; i < workers; ++i) { scope.spawn(work(many)); }
    net::Until never;
    co_await scope.drain(never);
    co_return true;
}

} // namespace

Result<void> check_filter(std::string_view value) {
    if (value.find('=') != std::string_view::npos) { return ok(); }
    return invalid("bad format of filter (expected name=value)");
}

Filters filters_of(const Parsed& parsed, std::string_view flag) {
    Filters filters;
    for (const auto& text : parsed.all(flag)) {
        const auto [key, value] = cut(text, '=');
        filters.add(to_lower(trim(key)), std::string(trim(value)));
    }
    return filters;
}

void add_filters(net::Query& query, const Parsed& parsed, std::string_view flag) {
    const Filters filters = filters_of(parsed, flag);
    if (!filters.empty()) { query.emplace_back("filters", filters.to_json()); }
}

Result<void> add_moment(net::Query& query, const Parsed& parsed, std::string_view flag) {
    const std::string text = parsed.text(flag);
    if (text.empty()) { return ok(); }
    auto at = parse_timestamp(text, now());
    if (!at) {
        return invalid(fmt::format(
            "invalid value for \"{}\": failed to parse value as time or duration: \"{}\"", flag,
            text));
    }
    const std::int64_t nanos = unix_nanos(*at);
    query.emplace_back(flag, fmt::format("{}.{:09}", nanos / 1'000'000'000, nanos % 1'000'000'000));
    return ok();
}

Result<int> for_each_name(App& app, const std::vector<std::string>& names, NamedAction action) {
    Many many{names, action, 0, {}};
    many.results.resize(names.size());
    net::run_task(app.loop(), run_all(&app.loop(), &many));
    int code = 0;
    std::string errors;
    for (auto& result : many.results) {
        if (*result) {
            if (!(*result)->empty()) { app.line(**result); }
            continue;
        }
        if (client::is_unreachable(result->error())) { return std::move(*result).error(); }
        errors += result->error().message + "\n";
        code = App::failed;
    }
    if (!errors.empty()) { app.err(errors); }
    return code;
}

std::string size_text(double bytes, int digits) {
    constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    std::size_t unit = 0;
    while (std::abs(bytes) >= 1000 && unit + 1 < std::size(units)) {
        bytes /= 1000;
        ++unit;
    }
    return fmt::format("{:.{}g}{}", bytes, digits, units[unit]);
}

std::string short_id(std::string_view id) {
    if (const auto colon = id.find(':'); colon != std::string_view::npos) {
        id.remove_prefix(colon + 1);
    }
    return std::string(id.substr(0, 12));
}

std::string text_of(const Json& object, std::string_view member) {
    if (!object.is_object()) { return ""; }
    const auto at = object.find(std::string(member));
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_of(const Json& object, std::string_view member) {
    if (!object.is_object()) { return 0; }
    const auto at = object.find(std::string(member));
    if (at == object.end() || !at->is_number()) { return 0; }
    return at->is_number_float() ? static_cast<std::int64_t>(at->get<double>())
                                 : at->get<std::int64_t>();
}

Json labels_of(const Json& object) {
    const auto at = object.find("Labels");
    return at != object.end() && at->is_object() ? *at : Json::object();
}

std::string labels_text(const Json& labels) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : labels.items()) {
        parts.push_back(key + "=" + (value.is_string() ? value.get<std::string>() : ""));
    }
    std::sort(parts.begin(), parts.end());
    return join(parts, ",");
}

Json label_map(const std::vector<std::string>& labels) {
    Json map = Json::object();
    for (const auto& label : labels) {
        const auto [key, value] = cut(label, '=');
        map[key] = value;
    }
    return map;
}

const Json& list_of(const Json& object, std::string_view member) {
    static const Json empty = Json::array();
    if (!object.is_object()) { return empty; }
    const auto at = object.find(std::string(member));
    return at != object.end() && at->is_array() ? *at : empty;
}

Error go_error(std::string_view what, const Error& error) {
    if (error.os_errno == 0) { return error; }
    std::string why = std::strerror(error.os_errno);
    if (!why.empty()) { why[0] = static_cast<char>(std::tolower(why[0])); }
    return Error{error.code, fmt::format("{}: {}", what, why), error.os_errno};
}

Instant now() {
    return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now());
}

std::string ago(Instant at) { return human_duration(now() - at) + " ago"; }
std::string ago(std::int64_t at) { return ago(from_unix_nanos(at * 1'000'000'000)); }

std::string date_text(Instant at) {
    std::string text = format_rfc3339(at);
    text[10] = ' ';
    text.pop_back();
    return text + " +0000 UTC";
}

std::vector<std::pair<std::string, std::string>> proxy_variables(App& app) {
    const Json& config = app.config();
    const auto proxies = config.find("proxies");
    if (proxies == config.end() || !proxies->is_object()) { return {}; }
    auto client = app.client();
    const std::string host = client ? (*client)->endpoint().host : "";
    auto chosen = proxies->find(host);
    if (chosen == proxies->end()) { chosen = proxies->find("default"); }
    if (chosen == proxies->end()) { return {}; }
    constexpr std::pair<const char*, const char*> members[] = {{"httpProxy", "HTTP_PROXY"},
                                                               {"httpsProxy", "HTTPS_PROXY"},
                                                               {"noProxy", "NO_PROXY"},
                                                               {"ftpProxy", "FTP_PROXY"},
                                                               {"allProxy", "ALL_PROXY"}};
    std::vector<std::pair<std::string, std::string>> variables;
    for (const auto& [member, name] : members) {
        const std::string value = text_of(*chosen, member);
        if (value.empty()) { continue; }
        variables.emplace_back(name, value);
        variables.emplace_back(to_lower(name), value);
    }
    return variables;
}

Result<void> need_version(client::Client& client, std::string_view flag, int version) {
    TRY_LET(present, client.version());
    if (present >= version) { return ok(); }
    return invalid(
        fmt::format("\"--{}\" requires API version {}, but the Docker daemon API version is {}",
                    flag, client::version_text(version), client::version_text(present)));
}

std::string daemon_program() {
    char self[4096];
    const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
    if (size > 0) {
        std::string path(self, static_cast<std::size_t>(size));
        path.replace(path.rfind('/') + 1, std::string::npos, "shoald");
        if (::access(path.c_str(), X_OK) == 0) { return path; }
    }
    const auto found = os::find_program("shoald");
    return found ? *found : "shoald";
}

} // namespace shoal::cli
