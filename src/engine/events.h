// Events: what happened to objects, told to whoever listens and kept in a short ring for
// late-comers. It is not a log: the ring forgets, and a listener that is too slow loses the oldest
// events and is told so.
#pragma once

#include "base/clock.h"
#include "base/filters.h"
#include "net/loop.h"
#include "net/signal.h"
#include "net/task.h"

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::engine {

struct Event {
    std::string type;   ///< container image volume network daemon ...
    std::string action; ///< "start", "exec_create: ls", "health_status: healthy"
    std::string id;     ///< the actor's
    Labels attributes;
    Instant at{}; ///< set by publish()
    std::string scope = "local";
};

/// Docker's rule for the `filters` of GET /events.
bool matches(const Event& event, const Filters& filters);

class Events {
  public:
    Events(net::Loop& loop, Clock& clock) : loop_(loop), clock_(clock) {}
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    void publish(Event event);
    /// Events of the ring with since <= at <= until, oldest first.
    std::vector<Event> history(Instant since, Instant until) const;

    /// How many there have been: a cache of what events tell about is good while this stands still.
    std::uint64_t published() const { return published_; }

    class Subscription {
      public:
        explicit Subscription(Events& events);
        ~Subscription();
        Subscription(const Subscription&) = delete;
        Subscription& operator=(const Subscription&) = delete;
        /// The next event; nothing when the wait ended first.
        net::Task<std::optional<Event>> next(net::Until until);

      private:
        friend class Events;
        Events& events_;
        std::deque<Event> queue_;
        net::Signal arrived_;
    };

    static constexpr std::size_t ring_max = 256;
    static constexpr std::size_t queue_max = 4096;

  private:
    net::Loop& loop_;
    Clock& clock_;
    std::uint64_t published_ = 0;
    std::deque<Event> ring_;
    std::set<Subscription*> subscriptions_;
};

} // namespace shoal::engine
