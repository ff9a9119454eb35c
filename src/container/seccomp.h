// The system call filter: our compact form of Docker's default profile, and Docker's JSON form for
// custom ones, each turned into the OCI runtime's "linux.seccomp" for one container (its
// capabilities, architecture and kernel). Pure.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <set>
#include <string>
#include <string_view>

namespace shoal::container {

struct SeccompFacts {
    std::string architecture; ///< Go's name: "amd64", "arm64", ...
    int kernel_major = 0, kernel_minor = 0;
    std::set<std::string> capabilities; ///< of the container: "CAP_SYS_ADMIN"
};

Json default_seccomp(const SeccompFacts& facts);
/// Docker's profile format (archMap, includes, excludes), or the OCI form itself.
Result<Json> custom_seccomp(std::string_view profile, const SeccompFacts& facts);

} // namespace shoal::container
