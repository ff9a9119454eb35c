// Waiting for something in the swarm that takes its time: what to show comes as messages, as
// daemons send them for pulls, and is drawn with bars on a terminal, line by line elsewhere.
// Between two looks there is a pause, which Ctrl-C ends.
#pragma once

#include "cli/app.h"
#include "cli/progress.h"

#include <map>
#include <memory>

namespace shoal::net {
class UnixSignals;
}

namespace shoal::cli::swarm {

/// {"id": "1/3", "status": ...}: one line that is drawn over again. The counts make a bar; `unit`
/// "" shows none of their numbers.
struct Bar {
    std::int64_t current = 0, total = 0;
    std::string_view unit = "";
};
Json progress_message(std::string_view id, std::string_view text, Bar bar = {});
/// A line that stays.
Json plain_message(std::string_view id, std::string_view text);

class Watch {
  public:
    enum class Show { Everything, Nothing };
    Watch(App& app, Show show);
    ~Watch();

    void show(const Json& message);
    enum class Pause { Over, Interrupted };
    Pause pause();

  private:
    App& app_;
    Show show_;
    bool terminal_;
    ProgressText text_;
    std::map<std::string, std::string> shown_; ///< by id: a line is printed when it has changed
    std::unique_ptr<net::UnixSignals> signals_;
};

} // namespace shoal::cli::swarm
