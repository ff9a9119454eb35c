#include "base/error.h"

#include "base/assert.h"

#include <cctype>
#include <cerrno>
#include <cstring>

namespace shoal {

std::string_view name_of(Errc code) {
    switch (code) {
    case Errc::Invalid:
        return "invalid";
    case Errc::Unauthorized:
        return "unauthorized";
    case Errc::Forbidden:
        return "forbidden";
    case Errc::NotFound:
        return "not found";
    case Errc::Conflict:
        return "conflict";
    case Errc::NotModified:
        return "not modified";
    case Errc::Unsupported:
        return "unsupported";
    case Errc::Unavailable:
        return "unavailable";
    case Errc::Exhausted:
        return "exhausted";
    case Errc::Timeout:
        return "timeout";
    case Errc::Cancelled:
        return "cancelled";
    case Errc::Internal:
        return "internal";
    }
    return "internal";
}

Error Error::with(std::string_view context) && {
    message.insert(0, std::string(context) + ": ");
    return std::move(*this);
}

Error Error::with(std::string_view context) const& { return Error(*this).with(context); }

Error invalid(std::string message) { return {Errc::Invalid, std::move(message)}; }

Error not_found(std::string_view kind, std::string_view name) {
    return {Errc::NotFound, "No such " + std::string(kind) + ": " + std::string(name)};
}

Error conflict(std::string message) { return {Errc::Conflict, std::move(message)}; }
Error unsupported(std::string message) { return {Errc::Unsupported, std::move(message)}; }
Error internal(std::string message) { return {Errc::Internal, std::move(message)}; }

Error os_error(std::string what, int os_errno) {
    Errc code = Errc::Internal;
    if (os_errno == ENOENT) { code = Errc::NotFound; }
    if (os_errno == EEXIST) { code = Errc::Conflict; }
    if (os_errno == ENOSPC || os_errno == EDQUOT) { code = Errc::Exhausted; }
    if (os_errno == ETIMEDOUT) { code = Errc::Timeout; }
    // As Go prints it: clients look for "no such file or directory" in what we say.
    std::string reason = strerrordesc_np(os_errno) != nullptr ? strerrordesc_np(os_errno)
                                                              : "error " + std::to_string(os_errno);
    reason.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(reason.front())));
    return {code, std::move(what) + ": " + reason, os_errno};
}

void ErrorList::add(Error error) { errors_.push_back(std::move(error)); }

Error ErrorList::joined() const {
    ASSERT(!errors_.empty());
    Error all = errors_.front();
    for (std::size_t i = 1; i < errors_.size(); ++i) { all.message += "; " + errors_[i].message; }
    return all;
}

} // namespace shoal
