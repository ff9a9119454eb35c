#include "engine/merge.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::engine {
namespace {

container::HealthConfig health_of(const oci::HealthConfig& image) {
    container::HealthConfig health;
    health.test = image.test;
    health.interval = image.interval;
    health.timeout = image.timeout;
    health.start_period = image.start_period;
    health.start_interval = image.start_interval;
    health.retries = image.retries;
    return health;
}

void merge_health(container::Config& config, const oci::RunConfig& image) {
    if (!image.healthcheck) { return; }
    const container::HealthConfig from_image = health_of(*image.healthcheck);
    if (!config.healthcheck) {
        config.healthcheck = from_image;
        return;
    }
    container::HealthConfig& health = *config.healthcheck;
    if (health.test.empty()) { health.test = from_image.test; }
    const auto inherit = [](auto& own, const auto& other) {
        if (own == std::remove_cvref_t<decltype(own)>{}) { own = other; }
    };
    inherit(health.interval, from_image.interval);
    inherit(health.timeout, from_image.timeout);
    inherit(health.start_period, from_image.start_period);
    inherit(health.start_interval, from_image.start_interval);
    inherit(health.retries, from_image.retries);
}

void merge_env(std::vector<std::string>& env, const std::vector<std::string>& image) {
    const std::size_t own = env.size();
    for (const auto& entry : image) {
        const std::string key = cut(entry, '=').first;
        const bool set = std::any_of(env.begin(), env.begin() + static_cast<std::ptrdiff_t>(own),
                                     [&](const auto& mine) { return cut(mine, '=').first == key; });
        if (!set) { env.push_back(entry); }
    }
}

void merge_command(container::Config& config, const oci::RunConfig& image) {
    // An entrypoint of one empty word resets the image's, and with it the image's command.
    if (config.entrypoint == std::vector<std::string>{""}) {
        config.entrypoint.clear();
        return;
    }
    if (!config.entrypoint.empty()) { return; }
    if (config.cmd.empty()) {
        config.cmd = image.cmd;
        config.args_escaped = image.args_escaped;
    }
    config.entrypoint = image.entrypoint;
}

} // namespace

Result<container::Config> merge_image(container::Config config, const oci::RunConfig& image) {
    merge_command(config, image);
    if (config.entrypoint.empty() && config.cmd.empty()) { return invalid("no command specified"); }
    merge_env(config.env, image.env);
    merge_health(config, image);
    config.labels.insert(image.labels.begin(), image.labels.end());
    for (const auto& [port, nothing] : image.exposed_ports) { config.exposed_ports[port]; }
    for (const auto& [path, nothing] : image.volumes) { config.volumes[path]; }
    if (config.user.empty()) { config.user = image.user; }
    if (config.working_dir.empty()) { config.working_dir = image.working_dir; }
    if (config.stop_signal.empty()) { config.stop_signal = image.stop_signal; }
    if (!config.stop_timeout) { config.stop_timeout = image.stop_timeout; }
    if (config.shell.empty()) { config.shell = image.shell; }
    if (config.on_build.empty()) { config.on_build = image.on_build; }
    return config;
}

std::vector<std::string> command_line(const container::Config& config) {
    std::vector<std::string> words = config.entrypoint;
    words.insert(words.end(), config.cmd.begin(), config.cmd.end());
    return words;
}

oci::RunConfig run_config(const container::Config& from) {
    oci::RunConfig config;
    config.user = from.user;
    for (const auto& [port, nothing] : from.exposed_ports) { config.exposed_ports[port]; }
    for (const auto& [path, nothing] : from.volumes) { config.volumes[path]; }
    config.env = from.env;
    config.entrypoint = from.entrypoint;
    config.cmd = from.cmd;
    config.working_dir = from.working_dir;
    config.on_build = from.on_build;
    config.labels = from.labels;
    config.stop_signal = from.stop_signal;
    config.stop_timeout = from.stop_timeout;
    config.shell = from.shell;
    config.args_escaped = from.args_escaped;
    if (from.healthcheck) {
        const auto& health = *from.healthcheck;
        config.healthcheck =
            oci::HealthConfig{health.test,         health.interval,       health.timeout,
                              health.start_period, health.start_interval, health.retries};
    }
    return config;
}

} // namespace shoal::engine
