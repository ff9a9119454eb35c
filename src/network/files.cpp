#include "network/files.h"

#include "base/text.h"

#include <algorithm>
#include <set>

namespace shoal::network {
namespace {

std::string line(const std::string& address, const std::vector<std::string>& names) {
    return address + "\t" + join(names, " ") + "\n";
}

std::string lines(const std::vector<HostsEntry>& entries) {
    std::string text;
    for (const auto& entry : entries) { text += line(entry.address, entry.names); }
    return text;
}

std::vector<std::string> own_names(const HostsInput& input) {
    if (input.hostname.empty()) { return {}; }
    if (input.domainname.empty()) {
        const auto dot = input.hostname.find('.');
        if (dot == std::string::npos || dot == 0) { return {input.hostname}; }
        return {input.hostname, input.hostname.substr(0, dot)};
    }
    return {input.hostname + "." + input.domainname, input.hostname};
}

} // namespace

std::string render_hosts(const HostsInput& input) {
    std::string text = "127.0.0.1\tlocalhost\n";
    if (input.ipv6) {
        text +=
            "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
            "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    }
    text += lines(input.extra);
    text += lines(input.links);
    const auto names = own_names(input);
    for (const auto& address : input.addresses) {
        if (!names.empty()) { text += line(address, names); }
    }
    return text;
}

std::string render_hosts_of_host(const std::string& host_file,
                                 const std::vector<HostsEntry>& extra) {
    std::string text = host_file;
    if (!text.empty() && text.back() != '\n') { text += '\n'; }
    return text + lines(extra);
}

Result<std::vector<HostsEntry>> parse_extra_hosts(const std::vector<std::string>& entries,
                                                  const std::vector<std::string>& gateway) {
    std::vector<HostsEntry> out;
    for (const auto& entry : entries) {
        const auto at = entry.find_first_of(":=");
        if (at == std::string::npos || at == 0) {
            return invalid("bad format for add-host: " + go_quote(entry));
        }
        const auto name = entry.substr(0, at);
        std::string address = entry.substr(at + 1);
        if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
            address = address.substr(1, address.size() - 2);
        }
        if (address == "host-gateway") {
            if (gateway.empty()) {
                return invalid("unable to derive the IP value for host-gateway");
            }
            for (const auto& each : gateway) { out.push_back({each, {name}}); }
            continue;
        }
        const auto ip = Ip::parse(address);
        if (!ip) { return invalid("invalid IP address in add-host: " + go_quote(address)); }
        out.push_back({ip->text(), {name}});
    }
    return out;
}

Resolver parse_resolv_conf(std::string_view text) {
    Resolver resolver;
    for (const auto& raw : split(text, '\n')) {
        const auto bare = trim(std::string_view(raw).substr(0, raw.find_first_of("#;")));
        std::vector<std::string> words;
        for (auto& word : split(replace_all(bare, "\t", " "), ' ')) {
            if (!word.empty()) { words.push_back(std::move(word)); }
        }
        if (words.size() < 2) { continue; }
        const std::vector<std::string> rest(words.begin() + 1, words.end());
        if (words[0] == "nameserver") { resolver.nameservers.push_back(rest[0]); }
        if (words[0] == "search" || words[0] == "domain") { resolver.search = rest; }
        if (words[0] == "options") {
            resolver.options.insert(resolver.options.end(), rest.begin(), rest.end());
        }
    }
    return resolver;
}

std::string render_resolv_conf(const Resolver& resolver) {
    std::string text;
    for (const auto& server : resolver.nameservers) { text += "nameserver " + server + "\n"; }
    if (!resolver.search.empty()) { text += "search " + join(resolver.search, " ") + "\n"; }
    if (!resolver.options.empty()) { text += "options " + join(resolver.options, " ") + "\n"; }
    return text;
}

namespace {

bool loopback(const std::string& server) {
    const auto ip = Ip::parse(server);
    return ip && ip->is_loopback();
}

/// Wishes over the host's; "." as the only search domain means none.
Resolver overlay(const Resolver& host, const ResolverWish& wish) {
    Resolver out = host;
    if (!wish.dns.empty()) { out.nameservers = wish.dns; }
    if (!wish.search.empty()) { out.search = wish.search; }
    std::erase(out.search, ".");
    if (!wish.options.empty()) { out.options = wish.options; }
    return out;
}

} // namespace

Resolver host_resolver(const Resolver& host, const ResolverWish& wish) {
    return overlay(host, wish);
}

Resolver plain_resolver(const Resolver& host, const ResolverWish& wish, bool ipv6) {
    auto out = overlay(host, wish);
    if (!wish.dns.empty()) { return out; }
    std::erase_if(out.nameservers, [&](const std::string& server) {
        const auto ip = Ip::parse(server);
        const bool unreachable =
            server.find('%') != std::string::npos || (ip && ip->is_v6() && !ipv6);
        return loopback(server) || unreachable;
    });
    if (out.nameservers.empty()) {
        out.nameservers = {"8.8.8.8", "8.8.4.4"};
        if (ipv6) {
            out.nameservers.insert(out.nameservers.end(),
                                   {"2001:4860:4860::8888", "2001:4860:4860::8844"});
        }
    }
    return out;
}

Resolver embedded_resolver(const Resolver& host, const ResolverWish& wish) {
    auto out = overlay(host, wish);
    out.nameservers = {"127.0.0.11"};
    const bool ndots =
        std::any_of(out.options.begin(), out.options.end(),
                    [](const std::string& option) { return option.starts_with("ndots:"); });
    if (!ndots) { out.options.push_back("ndots:0"); }
    return out;
}

std::vector<std::string> upstream_servers(const Resolver& host, const ResolverWish& wish) {
    auto servers = wish.dns.empty() ? host.nameservers : wish.dns;
    std::erase_if(servers, [](const std::string& server) { return !Ip::parse(server); });
    return servers;
}

namespace {
std::string env_name(const std::string& alias) {
    return replace_all(replace_all(to_upper(alias), "-", "_"), ".", "_");
}
std::string url(const LinkTarget& target, const PortKey& port) {
    return to_text(port.protocol) + "://" + target.address + ":" + std::to_string(port.port);
}
} // namespace

std::vector<std::string> link_environment(const LinkTarget& target) {
    const auto alias = env_name(target.alias);
    std::vector<std::string> out;
    auto ports = target.ports;
    std::sort(ports.begin(), ports.end());
    if (!ports.empty()) { out.push_back(alias + "_PORT=" + url(target, ports.front())); }
    for (const auto& port : ports) {
        const auto number = std::to_string(port.port);
        const auto head = alias + "_PORT_" + number + "_" + to_upper(to_text(port.protocol));
        out.push_back(head + "=" + url(target, port));
        out.push_back(head + "_ADDR=" + target.address);
        out.push_back(head + "_PORT=" + number);
        out.push_back(head + "_PROTO=" + to_text(port.protocol));
    }
    out.push_back(alias + "_NAME=/" + target.parent + "/" + target.alias);
    static const std::set<std::string> own = {"HOME", "PATH", "HOSTNAME", "TERM"};
    for (const auto& entry : target.environment) {
        const auto [name, value] = cut(entry, '=');
        if (!own.contains(name)) { out.push_back(alias + "_ENV_" + name + "=" + value); }
    }
    return out;
}

} // namespace shoal::network
