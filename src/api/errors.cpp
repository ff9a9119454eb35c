#include "api/errors.h"

#include "base/assert.h"
#include "base/json.h"

namespace shoal::api {

int http_status(Errc code) {
    switch (code) {
    case Errc::NotModified:
        return 304;
    case Errc::Invalid:
        return 400;
    case Errc::Unauthorized:
        return 401;
    case Errc::Forbidden:
        return 403;
    case Errc::NotFound:
        return 404;
    case Errc::Conflict:
        return 409;
    case Errc::Unsupported:
        return 501;
    case Errc::Unavailable:
        return 503;
    case Errc::Exhausted:
    case Errc::Timeout:
    case Errc::Cancelled:
    case Errc::Internal:
        return 500;
    }
    ASSERT(false);
}

std::string error_document(std::string_view message) {
    return dump_json(Json{{"message", std::string(message)}}) + "\n";
}

} // namespace shoal::api
