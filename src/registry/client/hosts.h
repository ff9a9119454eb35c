// How a registry's name becomes places to ask: mirrors first, then the registry itself, each with
// its TLS files from certs.d, or without TLS where the settings allow that, and the proxy on the
// way. It decides from values and looks only at the certificate directories; it connects to
// nothing.
#pragma once

#include "base/result.h"
#include "net/download.h" // Url
#include "net/tls.h"

#include <string>
#include <vector>

namespace shoal::registry {

/// HTTP_PROXY, HTTPS_PROXY and NO_PROXY (either case), read by the caller.
struct ProxySettings {
    std::string http;
    std::string https;
    std::string none; ///< "localhost,10.0.0.0/8,.example"
};

struct HostSettings {
    std::vector<std::string>
        certificate_directories;                  ///< "/etc/shoal/certs.d", "/etc/docker/certs.d"
    std::vector<std::string> insecure_registries; ///< "host", "host:port", "10.0.0.0/8"
    std::vector<std::string> mirrors;             ///< addresses, for docker.io only, as Docker
    ProxySettings proxy;
};

struct Endpoint {
    net::Url url;        ///< scheme, host, port; target is the path in front of /v2/, often ""
    bool mirror = false; ///< pull only; its failures are not final
    bool verify = true;  ///< false: any certificate will do (an insecure registry)
    net::TlsFiles tls;   ///< ca "" is the system's store
    std::vector<std::string> more_ca_files; ///< further *.crt of the directory, trusted too
    std::string host_header;                ///< "host:port" as people write it
    std::optional<net::Url> proxy;
};

/// In the order in which they are to be tried. `domain` is that of an oci::Reference. Loopback
/// addresses (127.0.0.0/8, ::1, localhost) and insecure registries get https without verification
/// first and http after it, as Docker has it. Fails: Invalid for settings that cannot be read, for
/// a client.cert without its client.key, naming the file.
enum class Purpose { Pull, Push };
Result<std::vector<Endpoint>> endpoints_of(const std::string& domain, const HostSettings& settings,
                                           Purpose purpose);

/// One place by its address alone, as a registry sends its clients there (storage, token service):
/// `url.tls` says whether certificates, and which proxy, belong to it. Fails as endpoints_of().
Result<Endpoint> endpoint_at(net::Url url, const HostSettings& settings);

/// Does NO_PROXY let this host go directly.
bool bypasses_proxy(const std::string& host, std::uint16_t port, std::string_view none);

} // namespace shoal::registry
