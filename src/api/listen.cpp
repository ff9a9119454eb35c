#include "api/listen.h"

#include "net/systemd.h"

#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace shoal::api {
namespace {

using engine::HostAddress;

/// The socket's group; without such a group the socket is root's alone.
Result<std::optional<gid_t>> group_of(const std::string& name) {
    if (name.empty()) { return std::optional<gid_t>(); }
    std::vector<char> buffer(16384);
    group entry{};
    group* found = nullptr;
    (void)getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found != nullptr) { return std::optional<gid_t>(found->gr_gid); }
    if (name != engine::Settings{}.group) { return invalid("group: there is no group " + name); }
    return std::optional<gid_t>();
}

class Opener {
  public:
    Opener(net::Loop& loop, const engine::Settings& settings) : loop_(loop), settings_(settings) {}

    Result<Endpoints> open() {
        auto hosts = settings_.hosts;
        if (hosts.empty()) { hosts.emplace_back(engine::default_host); }
        inherited_ = net::take_inherited_sockets();
        for (const auto& host : hosts) { TRY(add_host(host)); }
        return std::move(endpoints_);
    }

  private:
    Result<void> add_host(const std::string& text) {
        TRY_LET(host, engine::parse_host(text));
        if (host.kind == HostAddress::Kind::Inherited) { return add_inherited(host.path); }
        if (host.kind == HostAddress::Kind::Tcp) {
            TRY_LET(listener, net::Listener::listen_tcp(loop_, host.host, host.port));
            return add(std::move(listener));
        }
        TRY_LET(group, group_of(settings_.group));
        net::UnixSocketOptions options;
        options.group = group;
        TRY_LET(listener, net::Listener::listen_unix(loop_, host.path, options));
        return add(std::move(listener));
    }

    Result<void> add_inherited(const std::string& name) {
        bool found = false;
        for (auto& socket : inherited_) {
            if (!socket.fd || (!name.empty() && socket.name != name)) { continue; }
            TRY_LET(listener, net::Listener::adopt(loop_, std::move(socket.fd)));
            TRY(add(std::move(listener)));
            found = true;
        }
        if (!found) {
            return invalid("fd://" + name + ": no such socket was handed over by systemd");
        }
        return ok();
    }

    Result<void> add(std::unique_ptr<net::Listener> listener) {
        Endpoint endpoint;
        if (listener->is_tcp()) {
            const bool encrypted = settings_.tls || settings_.tls_verify;
            if (!listener->is_loopback() && !settings_.tls_verify) {
                return invalid(listener->text() + ": refused beyond loopback without tlsverify");
            }
            if (encrypted) { TRY(ensure_tls()); }
            if (!encrypted) { endpoints_.insecure_hosts.push_back(listener->text()); }
            if (encrypted) { endpoint.tls = endpoints_.tls; }
        }
        spdlog::info("API listen on {}", listener->text());
        endpoint.listener = std::move(listener);
        endpoints_.all.push_back(std::move(endpoint));
        return ok();
    }

    Result<void> ensure_tls() {
        if (endpoints_.tls) { return ok(); }
        const auto clients = settings_.tls_verify ? net::ClientCertificates::Required
                                                  : net::ClientCertificates::Ignore;
        TRY_LET(tls, net::TlsServer::create(tls_files(settings_), clients));
        endpoints_.tls = tls;
        return ok();
    }

    net::Loop& loop_;
    const engine::Settings& settings_;
    std::vector<net::InheritedSocket> inherited_;
    Endpoints endpoints_;
};

} // namespace

net::TlsFiles tls_files(const engine::Settings& settings) {
    return {settings.tls_ca_cert, settings.tls_cert, settings.tls_key};
}

Result<Endpoints> open_endpoints(net::Loop& loop, const engine::Settings& settings) {
    return Opener(loop, settings).open();
}

} // namespace shoal::api
