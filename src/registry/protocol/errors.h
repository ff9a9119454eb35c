// The error document of the OCI distribution specification: {"errors":[{code,message,detail}]}, its
// codes with their HTTP statuses, and the words to show for an answer of somebody else's registry.
// It is text in and out; who failed and why is the caller's knowledge.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::registry {

enum class Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TagInvalid,
    PaginationNumberInvalid,
    RangeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    Unavailable,
    Unknown,
};
std::string_view name_of(Code code); ///< "BLOB_UNKNOWN"
int status_of(Code code);            ///< 404

struct Problem {
    Code code = Code::Unknown;
    std::string message;   ///< "": the standard sentence of the code
    Json detail = nullptr; ///< null: left out
};
std::string print_errors(const std::vector<Problem>& problems);

/// The messages of an answer with an error status, for people: "denied: requested access to the
/// resource is denied". `body` may be anything; what is not an error document is cut to one short
/// printable line. The error's code follows from the status: 404 NotFound, 401 Unauthorized, 403
/// Forbidden (or the nearest there is), 429 and 5xx Unavailable.
Error error_of_answer(int status, std::string_view body);

} // namespace shoal::registry
