// A build that is under way, as lines for a terminal: one for each step that has begun, with its
// time, the last lines that running steps have written beneath, and a head that counts. Events come
// in, lines come out; time is an argument, nothing is printed here.
#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::cli {

/// What is kept of the output of one step, for the case that it fails.
inline constexpr std::size_t step_log_bytes_max = 4 * 1024 * 1024;

/// The output of one step as lines: a carriage return begins the line again.
class StepLog {
  public:
    void add(std::string_view text); ///< made harmless here
    void clear() { *this = StepLog(); }
    /// The last lines, the unfinished one included.
    std::vector<std::string> last(std::size_t count) const;
    /// All that is kept, "..." in front when something was dropped.
    std::vector<std::string> all() const;

  private:
    void end_line();

    std::deque<std::string> lines_;
    std::string open_; ///< the line that has not ended
    bool returned_ = false;
    bool dropped_ = false;
    std::size_t bytes_ = 0;
};

struct ScreenSize {
    std::size_t rows = 24;
    std::size_t columns = 80;
};

enum class BuildEnd { Finished, Failed, Canceled };

class BuildTree {
  public:
    explicit BuildTree(Instant begun) : begun_(begun) {}

    /// One "shoal.build" event; others are no business of this and change nothing. `now` is when it
    /// came: the daemon's clock may be another one.
    void take(const Json& message, Instant now);
    void end(Instant at, BuildEnd how);

    /// Fits the screen: what does not is left out, logs first, then what ended longest ago.
    std::vector<std::string> live(Instant now, ScreenSize screen) const;
    /// Everything, as it stays when the build is over; `columns` cuts the lines.
    std::vector<std::string> whole(Instant now, std::size_t columns) const;
    /// The failed step's name and log, and the warnings, as they are told at the end.
    std::vector<std::string> afterwards() const;

  private:
    enum class State { Waiting, Running, Cached, Done, Failed };
    struct Step {
        std::string name;
        std::vector<int> needs;
        State state = State::Waiting;
        bool cached = false;
        Instant started{};
        Instant ended{};
        std::string progress; ///< "transferring context"
        std::int64_t current = 0;
        std::int64_t bytes = 0;
        std::vector<std::string> notices;
        StepLog log;
    };

    void announce(int id, const Json& event);
    bool is_ready(const Step& step) const;
    void start(int id, Step& step, Instant at);
    void start_what_waited(Instant at);
    void take_step(const std::string& kind, int id, const Json& event, Instant at);
    void warn(const Json& event);
    std::string head(Instant now, std::size_t columns) const;
    std::vector<std::string> lines_of(const Step& step, Instant now, std::size_t columns) const;
    std::vector<std::string> log_of(const Step& step, std::size_t count, std::size_t columns) const;
    std::vector<std::string> with_log(const Step& step, Instant now, ScreenSize screen,
                                      std::size_t logs) const;
    std::map<int, std::vector<std::string>> choose(Instant now, ScreenSize screen,
                                                   std::size_t room) const;

    Instant begun_;
    std::optional<Instant> ended_;
    std::optional<nanoseconds> skew_; ///< our clock, ahead of the daemon's
    BuildEnd how_ = BuildEnd::Finished;
    std::map<int, Step> steps_;
    std::vector<int> order_; ///< of those that have begun
    std::vector<int> eager_; ///< told to have begun, but what they need has not ended
    std::vector<std::string> notices_;
    std::vector<std::string> warnings_;
};

} // namespace shoal::cli
