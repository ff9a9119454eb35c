// The stream of events, as lines for people or by a template.
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/support.h"
#include "cli/upload.h"

#include "base/text.h"
#include "base/time.h"
#include "client/json_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr Flag events_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (key=value)", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_one_help},
    {"since", 0, Kind::Text, "Begin with what happened after this time"},
    {"until", 0, Kind::Text, "Stop at this time"},
};

constexpr int bad_template = 64;

Instant time_of(const Json& event) {
    if (const auto nanos = number_of(event, "timeNano"); nanos != 0) {
        return from_unix_nanos(nanos);
    }
    return from_unix_nanos(number_of(event, "time") * 1'000'000'000);
}

/// "2026-11-24T00:31:31.123456789Z container start <id> (image=busybox, name=web)".
std::string event_line(const Json& event) {
    const Json actor = event.value("Actor", Json::object());
    std::vector<std::string> attributes;
    if (const auto at = actor.find("Attributes"); at != actor.end() && at->is_object()) {
        for (const auto& [key, value] : at->items()) {
            attributes.push_back(key + "=" +
                                 (value.is_string() ? value.get<std::string>() : value.dump()));
        }
    }
    std::sort(attributes.begin(), attributes.end());
    std::string line =
        fmt::format("{} {} {} {}", format_rfc3339_fixed(time_of(event)), text_of(event, "Type"),
                    text_of(event, "Action"), text_of(actor, "ID"));
    if (!attributes.empty()) { line += " (" + join(attributes, ", ") + ")"; }
    return line + "\n";
}

/// Go's names of fields whose names in JSON are others.
std::optional<Result<Json>> event_field(const Json& receiver, std::string_view name,
                                        std::span<const Json>) {
    constexpr std::pair<std::string_view, const char*> names[] = {
        {"Status", "status"}, {"ID", "id"},     {"From", "from"},
        {"Scope", "scope"},   {"Time", "time"}, {"TimeNano", "timeNano"}};
    if (!receiver.is_object() || !receiver.contains("Action")) { return std::nullopt; }
    for (const auto& [go, json] : names) {
        if (name != go) { continue; }
        const auto at = receiver.find(json);
        if (at != receiver.end()) { return Result<Json>(*at); }
        return Result<Json>(name.starts_with("Time") ? Json(0) : Json(""));
    }
    return std::nullopt;
}

Result<std::string> moment(const Parsed& parsed, std::string_view flag) {
    const std::string text = parsed.text(flag);
    if (text.empty()) { return text; }
    auto at = parse_timestamp(text, now());
    if (!at) {
        return invalid(
            fmt::format("failed to parse value as time or duration: {}", go_quote(text)));
    }
    const std::int64_t nanos = unix_nanos(*at);
    return fmt::format("{}.{:09}", nanos / 1'000'000'000, nanos % 1'000'000'000);
}

/// What one event becomes.
class Formatter {
  public:
    static Result<Formatter> create(const std::string& format) {
        Formatter made;
        made.json_ = format == "json";
        if (format.empty() || made.json_) { return made; }
        TRY_LET(parsed,
                Template::parse(replace_all(replace_all(format, "\\t", "\t"), "\\n", "\n")));
        made.template_.emplace(std::move(parsed));
        return made;
    }
    Result<std::string> text(const Json& event) const {
        if (json_) { return go_json(event) + "\n"; }
        if (!template_) { return event_line(event); }
        TemplateOptions options;
        options.type_name = "*events.Message";
        options.typed = true;
        options.method = event_field;
        options.kind = [](std::string_view name) {
            return name == "Attributes" ? GoKind::Map : GoKind::Unknown;
        };
        TRY_LET(text, template_->execute(event, options));
        return text + "\n";
    }

  private:
    bool json_ = false;
    std::optional<Template> template_;
};

/// A template that fits no event fails before the first one comes.
Result<Formatter> checked_formatter(const std::string& format) {
    TRY_LET(formatter, Formatter::create(format));
    const Json sample{
        {"status", ""}, {"id", ""},     {"from", ""},
        {"Type", ""},   {"Action", ""}, {"Actor", {{"ID", ""}, {"Attributes", Json::object()}}},
        {"scope", ""},  {"time", 0},    {"timeNano", 0}};
    TRY(formatter.text(sample));
    return std::move(formatter);
}

Result<int> events(App& app, const Parsed& parsed) {
    auto formatter = checked_formatter(parsed.text("format"));
    if (!formatter) {
        app.error_line("Error parsing format: " + formatter.error().message);
        return bad_template;
    }
    net::Query query;
    for (const std::string flag : {"since", "until"}) {
        TRY_LET(text, moment(parsed, flag));
        if (!text.empty()) { query.emplace_back(flag, text); }
    }
    add_filters(query, parsed);
    TRY_LET(client, app.connected());
    client::JsonStream stream([&](const Json& event) -> Result<void> {
        TRY_LET(text, formatter->text(event));
        app.out(text);
        app.flush();
        return ok();
    });
    TRY(download(*client, client::get("/events", query),
                 [&](std::string_view bytes) { return stream.feed(bytes); }));
    return 0;
}

} // namespace

const Command events_command{"[OPTIONS]",  "Show what happens in the daemon, as it happens",
                             events_flags, events,
                             {0, 0},       "system events, events"};

} // namespace shoal::cli
