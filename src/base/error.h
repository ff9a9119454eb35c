// An error as a value: a code that some caller acts on, a sentence for people, and the errno behind
// it. It is not an exception and not a log line: functions return it, context is added on the way
// up, and the shell at the top decides what to show. Messages are lower case, without a full stop,
// and name the object.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// A code exists only where some caller behaves differently because of it.
enum class Errc {
    Invalid,      ///< the request is wrong; HTTP 400
    Unauthorized, ///< who are you; 401
    Forbidden,    ///< known, and not allowed; 403
    NotFound,     ///< no such object; 404
    Conflict,     ///< the object's present state forbids it; 409
    NotModified,  ///< already so; 304
    Unsupported,  ///< never possible here; 501
    Unavailable,  ///< not now; 503
    Exhausted,    ///< a limit or a pool is used up, the disk is full; 500
    Timeout,      ///< the deadline passed; 500
    Cancelled,    ///< the caller went away or the daemon is stopping; 500
    Internal,     ///< anything else; 500
};

std::string_view name_of(Errc code);

struct [[nodiscard]] Error {
    Errc code = Errc::Internal;
    std::string message;
    int os_errno = 0; ///< 0 when no system call failed

    /// Puts `context` in front: "pull alpine:3: connection reset".
    Error with(std::string_view context) &&;
    Error with(std::string_view context) const&;

    bool operator==(const Error&) const = default;
};

Error invalid(std::string message);
Error not_found(std::string_view kind, std::string_view name); ///< "No such container: web"
Error conflict(std::string message);
Error unsupported(std::string message);
Error internal(std::string message);

/// The error of a failed system call; `what` names call and object: "open /run/x". ENOENT and
/// EEXIST keep their meaning (NotFound, Conflict), ENOSPC and EDQUOT become Exhausted.
Error os_error(std::string what, int os_errno);

/// Collects the failures of a teardown that goes on: one Error naming every step that failed.
class ErrorList {
  public:
    void add(Error error);
    template <class R> void add(R&& result) {
        if (!result) { add(std::forward<R>(result).error()); }
    }
    bool empty() const { return errors_.empty(); }
    Error joined() const; ///< requires !empty()

  private:
    std::vector<Error> errors_;
};

} // namespace shoal
