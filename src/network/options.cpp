#include "network/options.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::network {
namespace {

constexpr std::string_view bridge_prefix = "com.docker.network.bridge.";
constexpr std::string_view generic_prefix = "com.docker.network.";

Error bad_value(const std::string& option, const std::string& value) {
    return invalid("invalid value " + go_quote(value) + " for network option " + option);
}

Result<bool> flag(const std::string& option, const std::string& value) {
    const auto parsed = parse_bool(value);
    if (!parsed) { return bad_value(option, value); }
    return *parsed;
}

Result<int> mtu_of(const std::string& option, const std::string& value) {
    const auto parsed = parse_number<int>(value);
    if (!parsed || (*parsed != 0 && *parsed < 68) || *parsed > 65535) {
        return bad_value(option, value);
    }
    return *parsed;
}

Result<GatewayMode> gateway_mode(const std::string& option, const std::string& value,
                                 bool internal) {
    if (value == "nat" || value.empty()) { return GatewayMode::Nat; }
    if (value == "nat-unprotected") { return GatewayMode::NatUnprotected; }
    if (value == "routed") { return GatewayMode::Routed; }
    if (value == "isolated" && internal) { return GatewayMode::Isolated; }
    if (value == "isolated") {
        return invalid("gateway mode 'isolated' can only be used for an internal network");
    }
    return bad_value(option, value);
}

/// The part behind `prefix`, or "".
std::string behind(const std::string& text, std::string_view prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string();
}

Result<bool> read_generic(const std::string& option, const std::string& value, int& mtu,
                          std::string& prefix) {
    const auto key = behind(option, generic_prefix);
    if (key == "driver.mtu" || key == "mtu") {
        TRY_LET(parsed, mtu_of(option, value));
        mtu = parsed;
        return true;
    }
    if (key == "container_iface_prefix" || key == "container_interface_prefix") {
        TRY(check_link_name(value + "0"));
        prefix = value;
        return true;
    }
    return key == "enable_ipv4" || key == "enable_ipv6" || key == "internal";
}

Result<bool> read_bridge_option(const std::string& option, const std::string& value, bool internal,
                                BridgeOptions& out) {
    const auto key = behind(option, bridge_prefix);
    const auto set_flag = [&](bool& field) -> Result<bool> {
        TRY_LET(parsed, flag(option, value));
        field = parsed;
        return true;
    };
    const auto set_mode = [&](GatewayMode& field) -> Result<bool> {
        TRY_LET(parsed, gateway_mode(option, value, internal));
        field = parsed;
        return true;
    };
    if (key == "default_bridge") { return set_flag(out.default_bridge); }
    if (key == "enable_icc") { return set_flag(out.icc); }
    if (key == "enable_ip_masquerade") { return set_flag(out.masquerade); }
    if (key == "inhibit_ipv4") { return set_flag(out.inhibit_ipv4); }
    if (key == "gateway_mode_ipv4") { return set_mode(out.gateway_v4); }
    if (key == "gateway_mode_ipv6") { return set_mode(out.gateway_v6); }
    if (key == "name") {
        TRY(check_link_name(value));
        out.bridge = value;
        return true;
    }
    if (key == "host_binding_ipv4") {
        const auto ip = Ip::parse(value);
        if (!ip || !ip->is_v4()) { return bad_value(option, value); }
        out.host_binding = value;
        out.host_binding_given = true;
        return true;
    }
    return false;
}

Result<bool> read_vlan_option(const std::string& driver, const std::string& option,
                              const std::string& value, VlanOptions& out) {
    const bool macvlan = driver == "macvlan";
    const auto one_of = [&](std::string& field,
                            std::initializer_list<std::string_view> allowed) -> Result<bool> {
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
            return bad_value(option, value);
        }
        field = value;
        return true;
    };
    if (option == "parent" || option == "com.docker.network.parent") {
        TRY(check_link_name(value));
        out.parent = value;
        return true;
    }
    if (option == driver + "_mode") {
        return macvlan ? one_of(out.mode, {"bridge", "private", "vepa", "passthru"})
                       : one_of(out.mode, {"l2", "l3", "l3s"});
    }
    if (option == "ipvlan_flag" && !macvlan) {
        return one_of(out.flag, {"bridge", "private", "vepa"});
    }
    return false;
}

} // namespace

Result<void> check_link_name(const std::string& name) {
    const bool letters = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    });
    if (!letters || name.empty() || name.size() > 15 || name == "." || name == "..") {
        return invalid("invalid network interface name " + go_quote(name));
    }
    return ok();
}

Result<void> check_network_name(const std::string& name) {
    const auto good = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    if (trim(name).empty()) { return invalid("invalid name: name is empty"); }
    if (name.size() > 255 || std::isalnum(static_cast<unsigned char>(name[0])) == 0 ||
        !std::all_of(name.begin(), name.end(), good)) {
        return invalid(
            "invalid name: " + go_quote(name) +
            ": only letters, digits, '_', '.' and '-' are allowed, the first a letter or digit");
    }
    return ok();
}

Result<BridgeOptions> parse_bridge_options(const std::map<std::string, std::string>& options,
                                           bool internal) {
    BridgeOptions out;
    for (const auto& [option, value] : options) {
        TRY_LET(known, read_bridge_option(option, value, internal, out));
        if (known) { continue; }
        TRY_LET(generic, read_generic(option, value, out.mtu, out.interface_prefix));
        if (!generic) {
            return invalid("unknown option " + go_quote(option) + " for network driver bridge");
        }
    }
    return out;
}

Result<VlanOptions> parse_vlan_options(const std::string& driver,
                                       const std::map<std::string, std::string>& options) {
    VlanOptions out;
    out.mode = driver == "macvlan" ? "bridge" : "l2";
    out.flag = "bridge";
    for (const auto& [option, value] : options) {
        TRY_LET(known, read_vlan_option(driver, option, value, out));
        if (known) { continue; }
        TRY_LET(generic, read_generic(option, value, out.mtu, out.interface_prefix));
        if (!generic) {
            return invalid("unknown option " + go_quote(option) + " for network driver " + driver);
        }
    }
    return out;
}

std::optional<VlanParent> parse_vlan_parent(const std::string& parent) {
    const auto dot = parent.rfind('.');
    if (dot == std::string::npos || dot == 0) { return std::nullopt; }
    const auto id = parse_number<int>(std::string_view(parent).substr(dot + 1));
    if (!id || *id < 1 || *id > 4094) { return std::nullopt; }
    return VlanParent{parent.substr(0, dot), *id};
}

Result<EndpointOptions> parse_endpoint_options(const std::map<std::string, std::string>& options) {
    EndpointOptions out;
    for (const auto& [option, value] : options) {
        if (option == "com.docker.network.endpoint.ifname") {
            TRY(check_link_name(value));
            if (value == "lo") { return invalid("invalid network interface name \"lo\""); }
            out.interface = value;
        } else if (option == "com.docker.network.endpoint.sysctls") {
            for (const auto& entry : split(value, ',')) {
                const auto name = cut(entry, '=').first;
                const auto parts = split(name, '.');
                if (parts.size() < 5 || parts[0] != "net" || parts[3] != "IFNAME") {
                    return invalid(
                        "unrecognised network interface sysctl '" + entry +
                        "'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'");
                }
                out.sysctls.push_back(entry);
            }
        } else {
            return invalid("unknown option " + go_quote(option) + " of a network endpoint");
        }
    }
    return out;
}

std::string bridge_link_name(const Definition& network, const BridgeOptions& options) {
    return options.bridge.empty() ? "br-" + network.id.short_text() : options.bridge;
}

} // namespace shoal::network
