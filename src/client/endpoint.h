// Where the daemon is and how it is spoken to: "unix:///run/shoal/shoal.sock", "tcp://host:2376"
// with certificates, "ssh" is refused. It opens nothing by itself.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::client {

struct Endpoint {
    std::string host; ///< as people write and read it
    bool tls = false;
    bool verify = true; ///< of the server's certificate
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
};

/// Completes and checks what -H may be: "host:port" and ":port" become tcp, a path becomes unix.
/// Fails: Invalid, "invalid bind address format: x".
Result<std::string> parse_host(std::string_view text, bool tls);

} // namespace shoal::client
