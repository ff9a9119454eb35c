#include "engine/events.h"

#include <algorithm>

namespace shoal::engine {
namespace {

std::string attribute(const Event& event, const char* name) {
    const auto found = event.attributes.find(name);
    return found == event.attributes.end() ? "" : found->second;
}

/// A filter of an object's kind ("container", "volume", ...) matches its id or name, or how one of
/// them begins.
bool names_object(const Event& event, const Filters& filters, const char* kind) {
    if (!filters.has(kind)) { return true; }
    if (event.type != kind) { return false; }
    const std::string name = attribute(event, "name");
    return std::any_of(
        filters.values(kind).begin(), filters.values(kind).end(), [&](const auto& wanted) {
            return name.starts_with(wanted) || "/" + name == wanted || event.id.starts_with(wanted);
        });
}

bool names_image(const Event& event, const Filters& filters) {
    if (!filters.has("image")) { return true; }
    const std::string name = attribute(event, event.type == "image" ? "name" : "image");
    const std::string without_tag = name.substr(0, name.rfind(':'));
    return std::any_of(filters.values("image").begin(), filters.values("image").end(),
                       [&](const auto& wanted) {
                           return wanted == name || wanted == without_tag ||
                                  (event.type == "image" && event.id == wanted);
                       });
}

/// "exec_create: ls" and "health_status: healthy" also match without what follows the colon.
bool has_action(const Event& event, const Filters& filters) {
    return filters.exact("event", event.action) ||
           filters.exact("event", event.action.substr(0, event.action.find(':')));
}

} // namespace

bool matches(const Event& event, const Filters& filters) {
    for (const char* kind : {"container", "daemon", "volume", "network", "plugin", "node",
                             "service", "secret", "config"}) {
        if (!names_object(event, filters, kind)) { return false; }
    }
    return filters.exact("type", event.type) && filters.exact("scope", event.scope) &&
           has_action(event, filters) && names_image(event, filters) &&
           filters.labels("label", event.attributes);
}

void Events::publish(Event event) {
    event.at = clock_.now();
    ++published_;
    for (Subscription* subscription : subscriptions_) {
        if (subscription->queue_.size() >= queue_max) { subscription->queue_.pop_front(); }
        subscription->queue_.push_back(event);
        subscription->arrived_.raise();
    }
    ring_.push_back(std::move(event));
    if (ring_.size() > ring_max) { ring_.pop_front(); }
}

std::vector<Event> Events::history(Instant since, Instant until) const {
    std::vector<Event> found;
    std::copy_if(ring_.begin(), ring_.end(), std::back_inserter(found),
                 [&](const Event& event) { return event.at >= since && event.at <= until; });
    return found;
}

Events::Subscription::Subscription(Events& events) : events_(events), arrived_(events.loop_) {
    events_.subscriptions_.insert(this);
}

Events::Subscription::~Subscription() { events_.subscriptions_.erase(this); }

net::Task<std::optional<Event>> Events::Subscription::next(net::Until until) {
    while (queue_.empty()) {
        const net::Wake wake = co_await arrived_.wait(until);
        if (wake != net::Wake::Raised && queue_.empty()) { co_return std::nullopt; }
    }
    Event event = std::move(queue_.front());
    queue_.pop_front();
    co_return event;
}

} // namespace shoal::engine
