// The access log: one line per request in the combined log format, to standard error or a file. It
// holds no query, no header but the agent, and so no secret. Lines are gathered and written about
// once a second, or when many have come together.
#pragma once

#include "net/http.h"
#include "net/scope.h"
#include "os/fd.h"

#include <string>

namespace shoal::registry {

class AccessLog {
  public:
    /// "stderr", or the path of a file that is made when missing and appended to.
    static Result<std::unique_ptr<AccessLog>> open(net::Loop& loop, const Clock& clock,
                                                   std::string target);
    ~AccessLog();

    void add(const net::RequestHead& request, std::string_view peer, std::string_view user,
             int status, std::uint64_t bytes, std::chrono::nanoseconds took);
    void flush();
    /// Opens the file anew (SIGHUP: the log was rotated).
    Result<void> reopen();
    net::Task<void> close();

    AccessLog(net::Loop& loop, const Clock& clock, std::string target, os::Fd file);

  private:
    static net::Task<void> flush_now_and_then(AccessLog& self);

    net::Loop& loop_;
    const Clock& clock_;
    std::string target_;
    os::Fd file_;
    std::string lines_;
    std::time_t second_ = 0;
    std::string time_text_;
    net::Signal filled_;
    net::TaskScope scope_; // last: destroyed first
};

/// The line, without its end. `time` is "26/Nov/2026:10:00:00 +0000".
std::string print_access_line(const net::RequestHead& request, std::string_view peer,
                              std::string_view user, std::string_view time, int status,
                              std::uint64_t bytes, std::chrono::nanoseconds took);

} // namespace shoal::registry
