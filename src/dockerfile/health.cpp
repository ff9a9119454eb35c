#include "dockerfile/command_parts.h"

#include "base/text.h"
#include "base/time.h"
#include "dockerfile/flags.h"
#include "dockerfile/words.h"

namespace shoal::dockerfile {
namespace {

/// Zero, which inherits, or at least a millisecond.
Result<nanoseconds> interval(const FlagValues& flags, const std::string& name) {
    const auto text = flags.text(name);
    if (text.empty()) { return nanoseconds(0); }
    TRY_LET(span, parse_duration(text).with("HEALTHCHECK --" + name));
    if (span != nanoseconds(0) && span < std::chrono::milliseconds(1)) {
        return invalid("Interval " + go_quote(name) + " cannot be less than 1ms");
    }
    return span;
}

Result<int> retries(const FlagValues& flags) {
    const auto text = flags.text("retries");
    if (text.empty()) { return 0; }
    const auto count = parse_number<int>(text);
    if (!count) { return invalid("HEALTHCHECK --retries: invalid number " + go_quote(text)); }
    if (*count < 0) { return invalid("--retries cannot be negative (" + text + ")"); }
    return *count;
}

Result<std::vector<std::string>> test_of(const std::string& kind, std::string_view command) {
    using Words = std::vector<std::string>;
    if (kind == "NONE") {
        if (!command.empty()) { return invalid("HEALTHCHECK NONE takes no arguments"); }
        return Words{"NONE"};
    }
    if (kind != "CMD") {
        return invalid("Unknown type " + go_quote(kind) + " in HEALTHCHECK (try CMD)");
    }
    TRY_LET(json, parse_json_words(command));
    if (command.empty() || (json && json->empty())) {
        return invalid("Missing command after HEALTHCHECK CMD");
    }
    if (!json) { return Words{"CMD-SHELL", std::string(command)}; }
    Words test{"CMD"};
    test.insert(test.end(), json->begin(), json->end());
    return test;
}

} // namespace

Result<oci::HealthConfig> read_health(const Instruction& instruction) {
    if (instruction.rest.empty()) { return invalid("HEALTHCHECK requires at least one argument"); }
    TRY_LET(flags,
            FlagValues::read(
                instruction.flags,
                {{"interval"}, {"timeout"}, {"start-period"}, {"start-interval"}, {"retries"}}));
    const auto [kind, command] = split_name(instruction.rest);
    oci::HealthConfig health;
    TRY_LET(test, test_of(to_upper(kind), command));
    health.test = std::move(test);
    if (health.test.front() == "NONE") { return health; }
    TRY_LET(every, interval(flags, "interval"));
    TRY_LET(timeout, interval(flags, "timeout"));
    TRY_LET(start_period, interval(flags, "start-period"));
    TRY_LET(start_interval, interval(flags, "start-interval"));
    TRY_LET(count, retries(flags));
    health.interval = every;
    health.timeout = timeout;
    health.start_period = start_period;
    health.start_interval = start_interval;
    health.retries = count;
    return health;
}

} // namespace shoal::dockerfile
