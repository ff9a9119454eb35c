#include "registry/server/serve_tls.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string text_of(const sockaddr* address) {
    char text[INET6_ADDRSTRLEN] = {};
    if (address->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        return ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    }
    if (address->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
        if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) { return ""; }
        return ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    }
    return "";
}

/// Of the interfaces that are up.
std::vector<std::string> own_addresses() {
    std::vector<std::string> all;
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) { return all; }
    for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) { continue; }
        std::string text = text_of(one->ifa_addr);
        if (!text.empty()) { all.push_back(std::move(text)); }
    }
    ::freeifaddrs(first);
    std::sort(all.begin(), all.end());
    return all;
}

bool is_any(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

} // namespace

Transport transport_of(const ServeSettings& settings) {
    if (!settings.tls_cert.empty()) { return Transport::GivenCertificate; }
    if (settings.plain_http || settings.open) { return Transport::Plain; }
    const auto place = parse_host_port(settings.address);
    const bool loopback = place && is_loopback_host(place->host);
    return loopback && settings.names.empty() ? Transport::Plain : Transport::OwnCertificate;
}

std::vector<std::string> certificate_names(const ServeSettings& settings,
                                           const std::string& machine) {
    std::vector<std::string> all;
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::ranges::find(all, name) == all.end()) { all.push_back(name); }
    };
    for (const auto& name : settings.names) { add(name); }
    const auto place = parse_host_port(settings.address);
    const std::string host = place ? place->host : "";
    if (is_certificate_name(machine)) { add(machine); }
    add("localhost");
    if (is_any(host)) {
        for (const auto& address : own_addresses()) { add(address); }
    } else {
        add(host);
    }
    return all;
}

Result<ServerFiles> prepare_certificate(const ServeSettings& settings, Instant now, Moment moment) {
    ServerFiles made;
    if (transport_of(settings) == Transport::GivenCertificate) {
        made.files = {.ca_file = "", .cert_file = settings.tls_cert, .key_file = settings.tls_key};
        return made;
    }
    const std::string directory = settings.private_directory() + "/tls";
    const std::string machine = host_name();
    if (!machine.empty() && !is_certificate_name(machine)) {
        made.warning =
            "this machine's name cannot stand in a certificate and is left out: " + machine;
    }
    const auto names = certificate_names(settings, machine);
    TRY_LET(own, ensure_certificates(directory, names, now, moment));
    made.files = {.ca_file = "", .cert_file = own.cert_file, .key_file = own.key_file};
    if (own.renewed) {
        made.made = std::string(own.fresh ? "a new authority " + own.ca_file + " and " : "") +
                    "a new certificate for " + join(names, ", ");
    }
    if (own.fresh) {
        const auto colon = settings.address.rfind(':');
        std::vector<std::string> places;
        for (const auto& name : names) {
            const bool v6 = name.find(':') != std::string::npos;
            places.push_back((v6 ? "[" + name + "]" : name) + settings.address.substr(colon));
        }
        made.instructions = certificate_instructions(own, places);
    }
    return made;
}

std::string stamp_of(const net::TlsFiles& files) {
    std::string stamp;
    for (const auto& path : {files.cert_file, files.key_file}) {
        struct stat about {};
        if (::stat(path.c_str(), &about) != 0) { return ""; }
        stamp += std::to_string(about.st_ino) + ":" + std::to_string(about.st_size) + ":" +
                 std::to_string(about.st_mtim.tv_sec) + "." +
                 std::to_string(about.st_mtim.tv_nsec) + ";";
    }
    return stamp;
}

} // namespace shoal::registry
