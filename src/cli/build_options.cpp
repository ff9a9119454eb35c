#include "cli/build_options.h"

#include "base/text.h"
#include "cli/csv.h"
#include "cli/option_values.h"
#include "cli/run_options.h"
#include "cli/support.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

Error not_supported(std::string_view flag) {
    return unsupported(fmt::format("--{} is not supported", flag));
}

/// One "key=value,key=value"; keys in lower case, in order.
using Fields = std::vector<std::pair<std::string, std::string>>;
Result<Fields> parse_fields(std::string_view text) {
    TRY_LET(parts, parse_csv(text));
    Fields fields;
    for (const auto& part : parts) {
        if (part.find('=') == std::string::npos) {
            return invalid(fmt::format("invalid field '{}' must be a key=value pair", part));
        }
        auto [key, value] = cut(part, '=');
        fields.emplace_back(to_lower(trim(key)), std::move(value));
    }
    return fields;
}

std::string take(Fields& fields, std::string_view key) {
    std::string value;
    std::erase_if(fields, [&](auto& field) {
        if (field.first != key) { return false; }
        value = std::move(field.second);
        return true;
    });
    return value;
}

class Reader {
  public:
    Reader(const Parsed& parsed, const Environment& environment)
        : parsed_(parsed), environment_(environment) {}

    Result<BuildOptions> run() {
        TRY(refuse());
        options_.context = parsed_.words[0];
        options_.file = parsed_.text("file");
        options_.tags = parsed_.all("tag");
        options_.quiet = parsed_.on("quiet");
        options_.compress = parsed_.on("compress");
        options_.id_file = parsed_.text("iidfile");
        options_.metadata_file = parsed_.text("metadata-file");
        TRY(read_progress());
        TRY(read_image());
        TRY(read_cache());
        TRY(read_steps());
        TRY(read_session());
        options_.push = parsed_.on("push");
        return std::move(options_);
    }

  private:
    Result<void> refuse() const {
        for (const auto& [flag, value] : parsed_.values) {
            if (is_refused(*flag)) { return not_supported(flag->name); }
        }
        if (parsed_.on("push") && parsed_.all("tag").empty()) {
            return invalid("tag is needed when pushing to registry");
        }
        if (!parsed_.on("disable-content-trust", true)) {
            return unsupported("--disable-content-trust=false: content trust is not supported");
        }
        if (parsed_.text("call", "build") != "build") { return not_supported("call"); }
        for (const std::string_view flag : {"provenance", "sbom"}) {
            if (parsed_.given(flag) && parse_bool(parsed_.text(flag)) != false) {
                return not_supported(flag);
            }
        }
        const std::string builder = parsed_.text("builder", "default");
        if (builder != "default" && !builder.empty()) {
            return unsupported(fmt::format(
                "--builder {}: there are no builders but the daemon's own (\"default\")", builder));
        }
        return ok();
    }

    Result<void> read_progress() {
        std::string mode = parsed_.text("progress");
        if (mode.empty()) { mode = environment_("BUILDKIT_PROGRESS").value_or("auto"); }
        if (mode == "plain") {
            options_.progress = BuildProgress::Plain;
        } else if (mode == "tty") {
            options_.progress = BuildProgress::Terminal;
        } else if (mode != "auto" && !mode.empty()) {
            return unsupported(
                fmt::format("--progress {} is not supported (auto, plain or tty)", mode));
        }
        return ok();
    }

    void add(std::string name, std::string value) {
        options_.query.emplace_back(std::move(name), std::move(value));
    }
    void add_text(std::string_view flag, std::string name) {
        if (auto value = parsed_.text(flag); !value.empty()) {
            add(std::move(name), std::move(value));
        }
    }
    void add_switch(std::string_view flag, std::string name) {
        if (parsed_.on(flag)) { add(std::move(name), "1"); }
    }
    void only_shoal(std::string_view flag) { options_.only_shoal.emplace_back(flag); }

    Result<void> read_image() {
        for (const auto& tag : options_.tags) { add("t", tag); }
        add_text("target", "target");
        const auto platforms = parsed_.all("platform");
        if (platforms.size() > 1 || parsed_.text("platform").find(',') != std::string::npos) {
            return unsupported("--platform: more than one platform is not supported");
        }
        if (const auto platform = parsed_.text("platform"); !platform.empty()) {
            add("platform", to_lower(platform));
        }
        if (const auto labels = parsed_.all("label"); !labels.empty()) {
            add("labels", dump_json(label_map(labels)));
        }
        for (const auto& given : parsed_.all("build-arg")) {
            const std::string setting = environment_setting(given);
            const auto [name, value] = cut(setting, '=');
            options_.args[name] = setting.find('=') == std::string::npos
                                      ? std::nullopt
                                      : std::optional<std::string>(value);
        }
        add_switch("squash", "squash");
        return ok();
    }

    std::string environment_setting(const std::string& text) const {
        if (text.find('=') != std::string::npos) { return text; }
        const auto value = environment_(text);
        return value ? text + "=" + *value : text;
    }

    Result<void> read_cache() {
        add_switch("no-cache", "nocache");
        add_switch("pull", "pull");
        Json images = Json::array();
        for (const auto& text : parsed_.all("cache-from")) {
            TRY_LET(found, parse_cache_from(text).with("--cache-from"));
            for (auto& image : found) { images.push_back(std::move(image)); }
        }
        if (!images.empty()) { add("cachefrom", dump_json(images)); }
        for (const auto& text : parsed_.all("cache-to")) {
            TRY_LET(fields, parse_fields(text).with("--cache-to"));
            const std::string type = take(fields, "type");
            if (type != "inline" || !fields.empty()) {
                return unsupported(
                    fmt::format("--cache-to {} is not supported (only type=inline)", text));
            }
            only_shoal("cache-to");
        }
        if (const auto stages = parsed_.all("no-cache-filter"); !stages.empty()) {
            add("nocachefilter", dump_json(Json(stages)));
            only_shoal("no-cache-filter");
        }
        return ok();
    }

    Result<void> read_steps() {
        if (!parsed_.on("rm", true)) { add("rm", "0"); }
        add_switch("force-rm", "forcerm");
        if (const auto network = parsed_.text("network");
            !network.empty() && network != "default") {
            add("networkmode", network);
        }
        for (const auto& host : parsed_.all("add-host")) { add("extrahosts", extra_host(host)); }
        for (const auto& option : parsed_.all("security-opt")) { add("securityopt", option); }
        if (const auto isolation = to_lower(parsed_.text("isolation"));
            !isolation.empty() && isolation != "default") {
            add("isolation", isolation);
        }
        for (auto& [name, value] : resource_query(parsed_)) { add(name, value); }
        return read_limits();
    }

    Result<void> read_limits() {
        std::map<std::string, Json> by_name; // the last of a name counts
        for (const auto& text : parsed_.all("ulimit")) {
            TRY_LET(limit, parse_ulimit(text));
            by_name[text_of(limit, "Name")] = limit;
        }
        Json limits = Json::array();
        for (const auto& [name, limit] : by_name) { limits.push_back(limit); }
        if (!limits.empty()) { add("ulimits", dump_json(limits)); }
        return ok();
    }

    /// What this program serves while the build runs.
    Result<void> read_session() {
        for (const auto& text : parsed_.all("secret")) {
            TRY_LET(secret, parse_secret(text, environment_).with("--secret"));
            options_.secrets.push_back(std::move(secret));
            only_shoal("secret");
        }
        for (const auto& text : parsed_.all("ssh")) {
            TRY_LET(agent, parse_agent(text, environment_).with("--ssh"));
            options_.agents.push_back(std::move(agent));
            only_shoal("ssh");
        }
        for (const auto& text : parsed_.all("build-context")) {
            const auto [name, value] = cut(text, '=');
            if (trim(name).empty() || value.empty()) {
                return invalid(fmt::format("invalid context value: {}, expected key=value", text));
            }
            options_.contexts[to_lower(trim(name))] = value;
            only_shoal("build-context");
        }
        return read_outputs();
    }

    Result<void> read_outputs() {
        const auto outputs = parsed_.all("output");
        if (outputs.size() > 1) {
            return unsupported("--output: more than one output is not supported");
        }
        if (outputs.empty() || outputs[0].empty()) { return ok(); }
        TRY_LET(output, parse_output(outputs[0]).with("--output"));
        const bool to_daemon = output.destination.empty();
        if (!to_daemon || !output.attributes.empty()) { only_shoal("output"); }
        options_.output = std::move(output);
        return ok();
    }

    const Parsed& parsed_;
    const Environment& environment_;
    BuildOptions options_;
};

constexpr std::string_view output_types[] = {"local", "tar", "docker", "oci", "image"};

Result<void> check_output(BuildOutput& output, std::string_view text) {
    if (output.type.empty()) {
        return invalid(fmt::format("type is required for output \"{}\"", text));
    }
    if (std::find(std::begin(output_types), std::end(output_types), output.type) ==
        std::end(output_types)) {
        return unsupported(fmt::format("type={} is not supported", output.type));
    }
    for (const auto& [key, value] : output.attributes) {
        if ((key == "push" || key == "push-by-digest") && parse_bool(value) != false) {
            return unsupported(fmt::format("{} of an output is not supported: use --push", key));
        }
    }
    const bool needs_place = output.type == "local" || output.type == "tar" || output.type == "oci";
    if (needs_place && output.destination.empty()) {
        return invalid(fmt::format("dest is required for type={}", output.type));
    }
    if (output.type == "local" && output.destination == "-") {
        return invalid("dest cannot be stdout for type=local");
    }
    if (output.type == "image" && !output.destination.empty()) {
        return invalid("dest is not allowed for type=image");
    }
    return ok();
}

} // namespace

net::Query resource_query(const Parsed& parsed) {
    net::Query query;
    constexpr std::pair<const char*, const char*> numbers[] = {
        {"cpu-shares", "cpushares"}, {"cpu-quota", "cpuquota"}, {"cpu-period", "cpuperiod"}};
    constexpr std::pair<const char*, const char*> texts[] = {{"cpuset-cpus", "cpusetcpus"},
                                                             {"cpuset-mems", "cpusetmems"},
                                                             {"cgroup-parent", "cgroupparent"}};
    constexpr std::pair<const char*, const char*> sizes[] = {
        {"memory", "memory"}, {"memory-swap", "memswap"}, {"shm-size", "shmsize"}};
    for (const auto& [flag, name] : numbers) {
        if (const auto value = parsed.number(flag)) {
            query.emplace_back(name, std::to_string(*value));
        }
    }
    for (const auto& [flag, name] : texts) {
        if (const auto value = parsed.text(flag); !value.empty()) {
            query.emplace_back(name, value);
        }
    }
    for (const auto& [flag, name] : sizes) {
        if (parsed.given(flag)) { query.emplace_back(name, std::to_string(parsed.bytes(flag))); }
    }
    return query;
}

Result<BuildOptions> read_build_options(const Parsed& parsed, const Environment& environment) {
    return Reader(parsed, environment).run();
}

Result<BuildOutput> parse_output(std::string_view text) {
    if (text == "-") { return BuildOutput{"tar", "-", {}}; }
    if (text.find('=') == std::string_view::npos) {
        return BuildOutput{"local", std::string(text), {}};
    }
    TRY_LET(fields, parse_fields(text));
    BuildOutput output;
    output.type = take(fields, "type");
    output.destination = take(fields, "dest");
    for (auto& [key, value] : fields) { output.attributes[key] = std::move(value); }
    TRY(check_output(output, text));
    return output;
}

Result<BuildSecret> parse_secret(std::string_view text, const Environment& environment) {
    TRY_LET(fields, parse_fields(text));
    BuildSecret secret;
    secret.id = take(fields, "id");
    const std::string type = take(fields, "type");
    secret.file = take(fields, "src");
    if (secret.file.empty()) { secret.file = take(fields, "source"); }
    secret.variable = take(fields, "env");
    if (!fields.empty()) {
        return invalid(fmt::format("unexpected key '{}' in '{}'", fields[0].first, text));
    }
    if (type != "" && type != "file" && type != "env") {
        return invalid(fmt::format("unsupported secret type \"{}\"", type));
    }
    if (secret.id.empty()) { return invalid(fmt::format("secret missing ID in '{}'", text)); }
    if (type == "env" && secret.variable.empty()) {
        secret.variable = std::exchange(secret.file, {});
        if (secret.variable.empty()) { secret.variable = secret.id; }
    }
    if (!secret.file.empty() && !secret.variable.empty()) {
        return invalid(fmt::format("src and env cannot both be given in '{}'", text));
    }
    if (secret.file.empty() && secret.variable.empty()) {
        const bool is_variable = type != "file" && environment(secret.id).has_value();
        (is_variable ? secret.variable : secret.file) = secret.id;
    }
    return secret;
}

Result<BuildAgent> parse_agent(std::string_view text, const Environment& environment) {
    auto [id, socket] = cut(text, '=');
    if (id.empty()) { return invalid("an id is missing: \"default\" or \"id=socket\""); }
    if (socket.find(',') != std::string::npos) {
        return unsupported(fmt::format("{}: keys are not supported, only an agent's socket", id));
    }
    if (socket.empty()) { socket = environment("SSH_AUTH_SOCK").value_or(""); }
    if (socket.empty()) {
        return invalid("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    }
    return BuildAgent{id, socket};
}

Result<std::vector<std::string>> parse_cache_from(std::string_view text) {
    if (text.find('=') == std::string_view::npos) { return parse_csv(text); }
    TRY_LET(fields, parse_fields(text));
    const std::string type = take(fields, "type");
    const std::string image = take(fields, "ref");
    if (type != "registry" && !type.empty()) {
        return unsupported(fmt::format("type={} is not supported (only images)", type));
    }
    if (image.empty()) { return invalid(fmt::format("ref is missing in '{}'", text)); }
    return std::vector<std::string>{image};
}

} // namespace shoal::cli
