#include "image/instructions.h"

#include "base/codec.h"
#include "base/text.h"

#include <algorithm>
#include <filesystem>

namespace shoal::image {
namespace {

using oci::RunConfig;
using Words = std::vector<std::string>;

Result<Words> some_words(std::string_view rest, const RunConfig& config, const char* name) {
    TRY_LET(words, split_words(rest, config.env));
    if (words.empty()) { return invalid(std::string(name) + " requires at least one argument"); }
    return std::move(words);
}

Result<std::string> one_word(std::string_view rest, const RunConfig& config, const char* name) {
    TRY_LET(words, split_words(rest, config.env));
    if (words.size() != 1) { return invalid(std::string(name) + " requires exactly one argument"); }
    return std::move(words.front());
}

/// The JSON array form, or nothing when it is not one.
std::optional<Words> exec_form(std::string_view rest) {
    if (!rest.starts_with('[')) { return std::nullopt; }
    auto parsed = codec::parse<Words>(rest);
    if (!parsed) { return std::nullopt; }
    return std::move(*parsed);
}

Words command_of(std::string_view rest, const RunConfig& config) {
    if (auto exec = exec_form(rest)) { return std::move(*exec); }
    Words words = config.shell.empty() ? Words{"/bin/sh", "-c"} : config.shell;
    words.emplace_back(rest);
    return words;
}

/// "K=V K2=V2", or the old form "K the rest".
Result<std::vector<std::pair<std::string, std::string>>>
pairs_of(std::string_view rest, const RunConfig& config, const char* name) {
    TRY_LET(words, some_words(rest, config, name));
    std::vector<std::pair<std::string, std::string>> pairs;
    if (words.front().find('=') == std::string::npos) {
        const auto space = rest.find_first_of(" \t");
        if (space == std::string_view::npos) {
            return invalid(std::string(name) + " must have two arguments");
        }
        TRY_LET(values, split_words(trim(rest.substr(space)), config.env));
        pairs.emplace_back(rest.substr(0, space), join(values, " "));
        return pairs;
    }
    for (const auto& word : words) {
        if (word.find('=') == std::string::npos) {
            return invalid("Syntax error - can't find = in " + go_quote(word) +
                           ". Must be of the form: name=value");
        }
        auto pair = cut(word, '=');
        if (pair.first.empty()) { return invalid(std::string(name) + " names can not be blank"); }
        pairs.push_back(std::move(pair));
    }
    return pairs;
}

Result<void> set_env(RunConfig& config, std::string_view rest) {
    TRY_LET(pairs, pairs_of(rest, config, "ENV"));
    for (const auto& [key, value] : pairs) {
        const std::string prefix = key + "=";
        const auto same =
            std::find_if(config.env.begin(), config.env.end(),
                         [&](const std::string& entry) { return entry.starts_with(prefix); });
        const std::string entry = prefix + value;
        if (same == config.env.end()) {
            config.env.push_back(entry);
        } else {
            *same = entry;
        }
    }
    return ok();
}

Result<void> set_label(RunConfig& config, std::string_view rest) {
    TRY_LET(pairs, pairs_of(rest, config, "LABEL"));
    for (const auto& [key, value] : pairs) { config.labels[key] = value; }
    return ok();
}

Result<void> expose(RunConfig& config, std::string_view rest) {
    TRY_LET(words, some_words(rest, config, "EXPOSE"));
    for (const auto& word : words) {
        auto [ports, protocol] = cut(word, '/');
        protocol = protocol.empty() ? "tcp" : to_lower(protocol);
        const auto [first, last] = cut(ports, '-');
        const auto low = parse_number<std::uint16_t>(first);
        const auto high =
            ports.find('-') == std::string::npos ? low : parse_number<std::uint16_t>(last);
        const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
        if (!low || !high || *low == 0 || *high < *low || !known) {
            return invalid("Invalid containerPort: " + word);
        }
        for (unsigned port = *low; port <= *high; ++port) {
            config.exposed_ports[std::to_string(port) + "/" + protocol] = {};
        }
    }
    return ok();
}

Result<void> add_volumes(RunConfig& config, std::string_view rest) {
    Words words;
    if (auto exec = exec_form(rest)) {
        words = std::move(*exec);
    } else {
        TRY_LET(plain, some_words(rest, config, "VOLUME"));
        words = std::move(plain);
    }
    for (const auto& word : words) {
        if (trim(word).empty()) { return invalid("VOLUME specified can not be an empty string"); }
        config.volumes[std::string(trim(word))] = {};
    }
    return ok();
}

Result<void> set_workdir(RunConfig& config, std::string_view rest) {
    TRY_LET(words, some_words(rest, config, "WORKDIR"));
    const std::string path = join(words, " ");
    std::filesystem::path base = config.working_dir.empty() ? "/" : config.working_dir;
    std::string clean = (base / path).lexically_normal().string();
    while (clean.size() > 1 && clean.ends_with('/')) { clean.pop_back(); }
    config.working_dir = clean;
    return ok();
}

Result<nanoseconds> health_time(const std::string& flag, const std::string& value) {
    TRY_LET(span, parse_duration(value).with("HEALTHCHECK --" + flag));
    if (span < std::chrono::milliseconds(1)) {
        return invalid("HEALTHCHECK --" + flag + ": Interval " + go_quote(flag) +
                       " cannot be less than 1ms");
    }
    return span;
}

Result<void> set_health(RunConfig& config, std::string_view rest) {
    oci::HealthConfig health;
    while (rest.starts_with("--")) {
        const auto end = std::min(rest.find(' '), rest.size());
        const auto [flag, value] = cut(rest.substr(2, end - 2), '=');
        rest = trim(rest.substr(end));
        nanoseconds* target = nullptr;
        if (flag == "interval") { target = &health.interval; }
        if (flag == "timeout") { target = &health.timeout; }
        if (flag == "start-period") { target = &health.start_period; }
        if (flag == "start-interval") { target = &health.start_interval; }
        if (target != nullptr) {
            TRY_LET(span, health_time(flag, value));
            *target = span;
            continue;
        }
        const auto retries = parse_number<int>(value);
        if (flag != "retries") { return invalid("Unknown flag: " + flag); }
        if (!retries || *retries < 1) {
            return invalid("HEALTHCHECK --retries: must be at least 1 (not " + value + ")");
        }
        health.retries = *retries;
    }
    const auto [kind, command] = cut(rest, ' ');
    if (to_upper(kind) == "NONE") {
        health.test = {"NONE"};
    } else if (to_upper(kind) == "CMD") {
        const auto text = trim(command);
        if (text.empty()) { return invalid("Missing command after HEALTHCHECK CMD"); }
        if (auto exec = exec_form(text)) {
            health.test = {"CMD"};
            health.test.insert(health.test.end(), exec->begin(), exec->end());
        } else {
            health.test = {"CMD-SHELL", std::string(text)};
        }
    } else {
        return invalid("Unknown type " + go_quote(kind) + " in HEALTHCHECK (try CMD)");
    }
    config.healthcheck = std::move(health);
    return ok();
}

Result<void> add_on_build(RunConfig& config, std::string_view rest) {
    const auto [trigger, ignored] = cut(rest, ' ');
    const std::string name = to_upper(trigger);
    if (name.empty()) { return invalid("ONBUILD requires at least one argument"); }
    if (name == "ONBUILD") {
        return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    if (name == "FROM" || name == "MAINTAINER") {
        return invalid(name + " isn't allowed as an ONBUILD trigger");
    }
    config.on_build.emplace_back(rest);
    return ok();
}

Result<void> set_shell(RunConfig& config, std::string_view rest) {
    auto exec = exec_form(rest);
    if (!exec || exec->empty()) {
        return invalid("SHELL requires the arguments to be in JSON form");
    }
    config.shell = std::move(*exec);
    return ok();
}

} // namespace

Result<void> apply_instruction(RunConfig& config, std::string_view line) {
    line = trim(line);
    const auto space = std::min(line.find_first_of(" \t"), line.size());
    const std::string name = to_upper(line.substr(0, space));
    const std::string_view rest = trim(line.substr(space));
    if (name == "CMD") {
        config.cmd = command_of(rest, config);
        return ok();
    }
    if (name == "ENTRYPOINT") {
        config.entrypoint = command_of(rest, config);
        return ok();
    }
    if (name == "ENV") { return set_env(config, rest); }
    if (name == "LABEL") { return set_label(config, rest); }
    if (name == "EXPOSE") { return expose(config, rest); }
    if (name == "VOLUME") { return add_volumes(config, rest); }
    if (name == "WORKDIR") { return set_workdir(config, rest); }
    if (name == "HEALTHCHECK") { return set_health(config, rest); }
    if (name == "ONBUILD") { return add_on_build(config, rest); }
    if (name == "SHELL") { return set_shell(config, rest); }
    if (name == "USER") {
        TRY_LET(user, one_word(rest, config, "USER"));
        config.user = std::move(user);
        return ok();
    }
    if (name == "STOPSIGNAL") {
        TRY_LET(signal, one_word(rest, config, "STOPSIGNAL"));
        config.stop_signal = std::move(signal);
        return ok();
    }
    return invalid(to_lower(name) + " is not a valid change command");
}

Result<void> apply_instructions(RunConfig& config, const std::vector<std::string>& lines) {
    bool sets_entrypoint = false;
    bool sets_cmd = false;
    for (const auto& text : lines) {
        for (const auto& line : split(text, '\n')) {
            const auto clean = trim(line);
            if (clean.empty() || clean.starts_with('#')) { continue; }
            TRY(apply_instruction(config, clean));
            const std::string name = to_upper(clean.substr(0, clean.find_first_of(" \t")));
            sets_entrypoint = sets_entrypoint || name == "ENTRYPOINT";
            sets_cmd = sets_cmd || name == "CMD";
        }
    }
    // The old command was made for the old entry point.
    if (sets_entrypoint && !sets_cmd) { config.cmd.clear(); }
    return ok();
}

} // namespace shoal::image
