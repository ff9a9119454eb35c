// GET /events: the past from the ring, then what happens, until the client goes or `until` has
// come.
#include "engine/events.h"
#include "api/call.h"
#include "api/daemon.h"
#include "api/event_document.h"
#include "base/time.h"
#include "engine/engine.h"

namespace shoal::api {
namespace {

const std::initializer_list<std::string_view> filter_keys = {
    "config", "container", "daemon", "event",  "image",   "label", "network",
    "node",   "plugin",    "scope",  "secret", "service", "type",  "volume"};

struct Window {
    std::optional<Instant> since;
    std::optional<Instant> until;
};

Result<Window> window_of(const Call& call, Instant now) {
    Window window;
    if (const auto text = call.query_text("since"); !text.empty()) {
        TRY_LET(since, parse_timestamp(text, now).with("since"));
        window.since = since;
    }
    if (const auto text = call.query_text("until"); !text.empty()) {
        TRY_LET(until, parse_timestamp(text, now).with("until"));
        window.until = until;
    }
    if (window.since && window.until && *window.since > *window.until) {
        return invalid("`since` time (" + call.query_text("since") +
                       ") cannot be after `until` time (" + call.query_text("until") + ")");
    }
    return window;
}

/// Counts a listener for info as long as it lives.
class Listening {
  public:
    explicit Listening(int& count) : count_(count) { ++count_; }
    ~Listening() { --count_; }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;

  private:
    int& count_;
};

net::Task<Result<void>> send_history(Call& call, Window window, Instant now,
                                     const Filters& filters) {
    if (!window.since) { co_return ok(); }
    const Instant end = window.until ? std::min(*window.until, now) : now;
    for (const auto& event : call.engine.env.events.history(*window.since, end)) {
        if (!engine::matches(event, filters)) { continue; }
        CO_TRY(co_await call.write(event_document(event)));
    }
    co_return ok();
}

} // namespace

std::string event_document(const engine::Event& event) {
    Json line = Json::object();
    if (event.type == "container" || event.type == "image") {
        line["status"] = event.action;
        line["id"] = event.id;
        const auto image = event.attributes.find("image");
        if (event.type == "container" && image != event.attributes.end()) {
            line["from"] = image->second;
        }
    }
    line["Type"] = event.type;
    line["Action"] = event.action;
    line["Actor"] = Json{{"ID", event.id}, {"Attributes", codec::write(event.attributes)}};
    line["scope"] = event.scope;
    line["time"] = unix_seconds(event.at);
    line["timeNano"] = unix_nanos(event.at);
    return dump_json(line) + "\n";
}

net::Task<Result<void>> get_events(Call& call) {
    const Instant now = call.daemon.clock.now();
    CO_TRY_LET(window, window_of(call, now));
    CO_TRY_LET(filters, call.filters());
    CO_TRY(filters.allow_only(filter_keys));
    // Listening begins before the past is read, so that nothing falls between.
    engine::Events::Subscription subscription(call.engine.env.events);
    Listening listening(call.daemon.event_listeners);
    CO_TRY(co_await call.begin(200, "application/json"));
    CO_TRY(co_await send_history(call, window, now, filters));
    net::Until until(call.gone());
    if (window.until) { until = until.no_later_than(Deadline::in(*window.until - now)); }
    while (!window.until || *window.until > now) {
        auto event = co_await subscription.next(until);
        if (!event) { break; }
        if (!engine::matches(*event, filters)) { continue; }
        CO_TRY(co_await call.write(event_document(*event)));
    }
    co_return co_await call.end();
}

} // namespace shoal::api
