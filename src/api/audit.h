// One line for each request that may change something: who, what, result. Lines carry names and
// statuses, never bodies, headers or query values, where secrets travel. Pure; the server writes
// the line to the log.
#pragma once

#include <chrono>
#include <string>

namespace shoal::api {

struct AuditRecord {
    std::string who; ///< "uid 1000", "cn admin", "127.0.0.1:4711"
    std::string method;
    std::string path; ///< decoded, without query
    std::string right;
    std::string object; ///< what the operation made or meant, as noted by its handler
    int status = 0;     ///< 0: the client went away before an answer
    std::string error;
    std::chrono::milliseconds took{0};
};
/// audit: who="uid 0" what="POST /containers/create" right=write object="3f..." status=201 ms=12
std::string audit_line(const AuditRecord& record);

/// Cuts what looks like a credential out of a sentence: user:password@ in addresses, and the words
/// behind "password", "token", "secret", "auth" and an equals sign or colon.
std::string redact(std::string text);

} // namespace shoal::api
