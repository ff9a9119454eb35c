#include "api/log.h"

#include "base/json.h"
#include "base/time.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace shoal::api {
namespace {

class JsonLines : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const auto level = spdlog::level::to_string_view(message.level);
        const Json line{{"time", format_rfc3339_fixed(message.time)},
                        {"level", std::string(level.data(), level.size())},
                        {"msg", std::string(message.payload.data(), message.payload.size())}};
        const auto text = dump_json(line) + "\n";
        out.append(text.data(), text.data() + text.size());
    }
    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<JsonLines>();
    }
};

spdlog::level::level_enum level_of(const engine::Settings& settings) {
    if (settings.debug || settings.log_level == "debug") { return spdlog::level::debug; }
    if (settings.log_level == "warn") { return spdlog::level::warn; }
    if (settings.log_level == "error") { return spdlog::level::err; }
    if (settings.log_level == "fatal") { return spdlog::level::critical; }
    return spdlog::level::info;
}

} // namespace

void set_log_level(const engine::Settings& settings) { spdlog::set_level(level_of(settings)); }

void set_up_log(const engine::Settings& settings) {
    auto logger = std::make_shared<spdlog::logger>(
        "shoald", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (settings.log_format == "json") {
        logger->set_formatter(std::make_unique<JsonLines>());
    } else {
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %l %v");
    }
    spdlog::set_default_logger(std::move(logger));
    set_log_level(settings);
}

} // namespace shoal::api
