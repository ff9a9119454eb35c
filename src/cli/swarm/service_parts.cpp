#include "cli/swarm/service_parts.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/mounts.h"
#include "cli/option_values.h"
#include "cli/run_options.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace shoal::cli::swarm {
namespace {

constexpr std::int64_t five_seconds = 5'000'000'000;

void merge_update_config(Json& spec, const char* member, std::string_view prefix,
                         const Parsed& parsed) {
    const auto flag = [&](std::string_view name) { return fmt::format("{}-{}", prefix, name); };
    const auto given = [&](std::string_view name) { return parsed.given(flag(name)); };
    if (!given("parallelism") && !given("delay") && !given("monitor") && !given("failure-action") &&
        !given("max-failure-ratio") && !given("order")) {
        return;
    }
    if (!has(spec, member)) {
        spec[member] = {{"Parallelism", 1},
                        {"FailureAction", "pause"},
                        {"Monitor", five_seconds},
                        {"MaxFailureRatio", 0},
                        {"Order", "stop-first"}};
    }
    Json& config = spec[member];
    if (given("parallelism")) { config["Parallelism"] = *parsed.number(flag("parallelism")); }
    if (given("delay")) { put(config, "Delay", span_of(parsed, flag("delay"))); }
    if (given("monitor")) { put(config, "Monitor", span_of(parsed, flag("monitor"))); }
    if (given("failure-action")) {
        put(config, "FailureAction", parsed.text(flag("failure-action")));
    }
    if (given("max-failure-ratio")) {
        config["MaxFailureRatio"] =
            parse_double(parsed.text(flag("max-failure-ratio"))).value_or(0);
    }
    if (given("order")) { config["Order"] = parsed.text(flag("order")); }
}

/// References with their ids; no two may have one file.
Result<std::vector<Json>> with_ids(std::vector<Json> references, std::string_view word,
                                   const std::map<std::string, std::string>& ids) {
    const std::string name_member = capitalized(word) + "Name",
                      id_member = capitalized(word) + "ID";
    std::set<std::string> files;
    for (Json& reference : references) {
        const std::string name = text_of(reference, name_member);
        const std::string file = text_of(table_of(reference, "File"), "Name");
        if (has(reference, "File") && !files.insert(file).second) {
            return invalid(fmt::format("duplicate {} target for {} not allowed", word, name));
        }
    }
    for (Json& reference : references) {
        const std::string name = text_of(reference, name_member);
        const auto id = ids.find(name);
        if (id == ids.end()) { return invalid(fmt::format("{} not found: {}", word, name)); }
        reference[id_member] = id->second;
    }
    return references;
}

template <class Parse>
Result<std::vector<Json>> parsed_all(const Parsed& parsed, std::string_view flag, Parse parse) {
    std::vector<Json> all;
    for (const auto& text : parsed.all(flag)) {
        TRY_LET(one, parse(text));
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace

bool any_given(const Parsed& parsed, std::initializer_list<std::string_view> flags) {
    return std::any_of(flags.begin(), flags.end(),
                       [&](std::string_view flag) { return parsed.given(flag); });
}

std::int64_t span_of(const Parsed& parsed, std::string_view flag) {
    const auto span = parse_duration(parsed.text(flag));
    return span ? span->count() : 0;
}

void merge_update_configs(Json& spec, const Parsed& parsed) {
    merge_update_config(spec, "UpdateConfig", "update", parsed);
    merge_update_config(spec, "RollbackConfig", "rollback", parsed);
}

void merge_restart_policy(Json& task, const Parsed& parsed) {
    if (!any_given(parsed, {"restart-condition", "restart-delay", "restart-max-attempts",
                            "restart-window"})) {
        return;
    }
    if (!has(task, "RestartPolicy")) {
        task["RestartPolicy"] = {{"Condition", "any"}, {"Delay", five_seconds}, {"MaxAttempts", 0}};
    }
    Json& policy = task["RestartPolicy"];
    if (parsed.given("restart-condition")) {
        put(policy, "Condition", parsed.text("restart-condition"));
    }
    if (parsed.given("restart-delay")) { policy["Delay"] = span_of(parsed, "restart-delay"); }
    if (const auto attempts = parsed.number("restart-max-attempts")) {
        policy["MaxAttempts"] = *attempts;
    }
    if (parsed.given("restart-window")) { policy["Window"] = span_of(parsed, "restart-window"); }
}

void merge_limits(Json& task, const Parsed& parsed) {
    const bool limits = any_given(parsed, {"limit-cpu", "limit-memory", "limit-pids"});
    const bool reservations = any_given(parsed, {"reserve-cpu", "reserve-memory"});
    if (!limits && !reservations) { return; }
    Json& resources = ensure_object(task, "Resources");
    Json& limit = ensure_object(resources, "Limits");
    if (parsed.given("limit-cpu")) { put(limit, "NanoCPUs", nano_cpus(parsed.text("limit-cpu"))); }
    if (parsed.given("limit-memory")) { put(limit, "MemoryBytes", parsed.bytes("limit-memory")); }
    if (const auto pids = parsed.number("limit-pids")) { put(limit, "Pids", *pids); }
    Json& reservation = ensure_object(resources, "Reservations");
    if (parsed.given("reserve-cpu")) {
        put(reservation, "NanoCPUs", nano_cpus(parsed.text("reserve-cpu")));
    }
    if (parsed.given("reserve-memory")) {
        put(reservation, "MemoryBytes", parsed.bytes("reserve-memory"));
    }
}

void merge_process(Json& container, const Parsed& parsed) {
    constexpr std::pair<std::string_view, const char*> texts[] = {{"hostname", "Hostname"},
                                                                  {"workdir", "Dir"},
                                                                  {"user", "User"},
                                                                  {"stop-signal", "StopSignal"},
                                                                  {"isolation", "Isolation"}};
    for (const auto& [flag, member] : texts) {
        if (parsed.given(flag)) { put(container, member, parsed.text(flag)); }
    }
    if (parsed.given("tty")) { put(container, "TTY", parsed.on("tty")); }
    if (parsed.given("read-only")) { put(container, "ReadOnly", parsed.on("read-only")); }
    if (parsed.given("init")) { container["Init"] = parsed.on("init"); }
    if (parsed.given("stop-grace-period")) {
        container["StopGracePeriod"] = span_of(parsed, "stop-grace-period");
    }
    if (const auto score = parsed.number("oom-score-adj")) {
        put(container, "OomScoreAdj", *score);
    }
    if (parsed.given("entrypoint")) {
        put(container, "Command",
            shell_words(parsed.text("entrypoint")).value_or(std::vector<std::string>{}));
    }
}

Result<void> merge_health(Json& container, const Parsed& parsed) {
    const bool settings =
        any_given(parsed, {"health-cmd", "health-interval", "health-timeout", "health-start-period",
                           "health-start-interval", "health-retries"});
    if (parsed.on("no-healthcheck")) {
        if (settings) { return invalid("--no-healthcheck conflicts with --health-* options"); }
        container["Healthcheck"] = {{"Test", {"NONE"}}};
        return ok();
    }
    if (!settings && !parsed.given("no-healthcheck")) { return ok(); }
    Json& check = ensure_object(container, "Healthcheck");
    const auto test = texts_of(check, "Test");
    if (!test.empty() && test[0] == "NONE") { check.erase("Test"); }
    constexpr std::pair<std::string_view, const char*> spans[] = {
        {"health-interval", "Interval"},
        {"health-timeout", "Timeout"},
        {"health-start-period", "StartPeriod"},
        {"health-start-interval", "StartInterval"}};
    for (const auto& [flag, member] : spans) {
        if (parsed.given(flag)) { put(check, member, span_of(parsed, flag)); }
    }
    if (const auto retries = parsed.number("health-retries")) { put(check, "Retries", *retries); }
    if (parsed.given("health-cmd")) {
        const std::string command = parsed.text("health-cmd");
        put(check, "Test", command.empty() ? Json::array() : Json{"CMD-SHELL", command});
    }
    return ok();
}

void merge_log_driver(Json& task, const Parsed& parsed) {
    const std::string name = parsed.text("log-driver");
    if (name.empty()) { return; }
    task["LogDriver"] = {{"Name", name}};
    put(task["LogDriver"], "Options", label_map(parsed.all("log-opt")));
}

Result<std::vector<Json>> publish_of(const Parsed& parsed, std::string_view flag) {
    std::vector<Json> all;
    for (const auto& text : parsed.all(flag)) {
        TRY_LET(ports, parse_publish(text));
        all.insert(all.end(), ports.begin(), ports.end());
    }
    return all;
}

Result<std::vector<Json>> mounts_of(const Parsed& parsed, std::string_view flag,
                                    std::string_view working_directory) {
    return parsed_all(parsed, flag, [&](const std::string& text) {
        return parse_mount(text, working_directory);
    });
}

Result<std::vector<Json>> networks_of(const Parsed& parsed, std::string_view flag,
                                      const KnownIds& ids) {
    return parsed_all(parsed, flag, [&](const std::string& text) -> Result<Json> {
        TRY_LET(option, parse_network(text));
        const auto id = ids.networks.find(option.name);
        if (id == ids.networks.end()) {
            return Error{Errc::NotFound, "network " + option.name + " not found"};
        }
        Json network{{"Target", id->second}};
        put(network, "Aliases", option.aliases);
        put(network, "DriverOpts", option.driver_options);
        return network;
    });
}

Result<std::vector<Json>> secrets_of(const Parsed& parsed, std::string_view flag,
                                     const KnownIds& ids) {
    TRY_LET(references, parsed_all(parsed, flag, parse_secret));
    return with_ids(std::move(references), "secret", ids.secrets);
}

Result<std::vector<Json>> configs_of(const Parsed& parsed, std::string_view flag,
                                     const std::string& credential, const KnownIds& ids) {
    TRY_LET(references, parsed_all(parsed, flag, parse_config));
    if (!credential.empty()) {
        references.push_back({{"Runtime", Json::object()}, {"ConfigName", credential}});
    }
    return with_ids(std::move(references), "config", ids.configs);
}

Result<std::vector<Json>> preferences_of(const Parsed& parsed, std::string_view flag) {
    return parsed_all(parsed, flag, parse_preference);
}

Result<std::map<std::string, Json>> ulimits_of(const Parsed& parsed, std::string_view flag) {
    TRY_LET(limits, parsed_all(parsed, flag, parse_ulimit));
    std::map<std::string, Json> by_name;
    for (Json& limit : limits) {
        const std::string name = text_of(limit, "Name");
        by_name[name] = std::move(limit);
    }
    return by_name;
}

Result<Json> credential_of(const Parsed& parsed) {
    if (!parsed.given("credential-spec")) { return Json(nullptr); }
    return parse_credential_spec(parsed.text("credential-spec"));
}

} // namespace shoal::cli::swarm
