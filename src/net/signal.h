// Signal: "something changed, look again", from one coroutine to others on the same loop. Flag:
// "this has happened", for good. Neither is thread safe; another thread posts to the loop
// (Loop::post). Unix signals are in unix_signals.h.
#pragma once

#include "net/wait_queue.h"

namespace shoal::net {

/// raise() wakes everybody who waits now; when nobody waits, the next wait returns at once. Several
/// raises with nobody waiting count as one.
class Signal {
  public:
    explicit Signal(Loop& loop) : queue_(loop) {}
    void raise();
    Task<Wake> wait(Until until);

  private:
    WaitQueue queue_;
    bool raised_ = false;
};

/// Once set, every wait returns at once until clear().
class Flag {
  public:
    explicit Flag(Loop& loop) : queue_(loop) {}
    void set();
    void clear() { set_ = false; }
    bool is_set() const { return set_; }
    Task<Wake> wait(Until until);

  private:
    WaitQueue queue_;
    bool set_ = false;
};

} // namespace shoal::net
