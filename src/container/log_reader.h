// Reads the log of a container back, whichever of json-file and local wrote it, across rotated and
// compressed files, with since, until, tail and streams. A LogCursor is continued for `follow`:
// when it has nothing more, the caller waits (inotify on the log's directory, or the end of the
// container) and asks again. Synchronous.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "container/config.h"
#include "os/fd.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::container {

struct LogLine {
    Instant at;
    bool is_stderr = false;
    bool partial = false; ///< more of the same line follows
    std::string text;     ///< with its newline, unless partial
    StringMap attributes;
};

struct LogQuery {
    std::string driver = "json-file"; ///< or "local"; others cannot be read back: Unsupported
    std::string path;                 ///< the newest file
    bool out = true;
    bool err = true;
    std::optional<std::int64_t> tail; ///< nothing: all
    Instant since;                    ///< never: from the beginning
    Instant until;                    ///< never: to the end
    bool follow = false;
};

class LogCursor {
  public:
    /// A log that does not exist (yet) is empty. Damaged lines are skipped.
    static Result<LogCursor> open(LogQuery query);
    LogCursor(LogCursor&&) noexcept;
    LogCursor& operator=(LogCursor&&) noexcept;
    ~LogCursor();

    /// Up to `lines_max` further lines, in order; an empty list when there is nothing more now.
    Result<std::vector<LogLine>> read(std::size_t lines_max);
    /// True when `until` has been passed, or the end was reached without follow.
    bool done() const;

  private:
    struct State;
    explicit LogCursor(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The line as the logs endpoint sends it, without the frame: "[timestamp ][details ]text".
struct LogFormat {
    bool timestamps = false;
    bool details = false;
};
std::string format_log_line(const LogLine& line, LogFormat format);

/// The log's files, newest first, for removal and sizes: path, path.1, path.2.gz, ...
std::vector<std::string> log_files(const std::string& path);
Result<void> remove_logs(const std::string& path);

} // namespace shoal::container
