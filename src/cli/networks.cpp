// Networks: create, ls, rm, connect, disconnect.
#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/ipam_options.h"
#include "cli/listing.h"
#include "cli/support.h"

#include "base/text.h"
#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

using client::part;

// --- create ---

constexpr Flag create_flags_of_network[] = {
    {"attachable", 0, Kind::Bool, "Let containers be attached by hand"},
    {"aux-address", 0, Kind::Map, "Addresses that containers must not get (name=address)"},
    {"config-from", 0, Kind::Text, "Network to take the configuration from"},
    {"config-only", 0, Kind::Bool, "Create only a configuration for other networks"},
    {"driver", 'd', Kind::Text, "Driver of the network", "bridge"},
    {"gateway", 0, Kind::Words, "Gateway of a subnet, IPv4 or IPv6"},
    {"ingress", 0, Kind::Bool, "Create the routing mesh of a swarm"},
    {"internal", 0, Kind::Bool, "No way out to other networks"},
    {"ip-range", 0, Kind::Words, "Part of a subnet to take addresses of containers from"},
    {"ipam-driver", 0, Kind::Text, "Driver that manages addresses", "default"},
    {"ipam-opt", 0, Kind::Map, "Option for the address driver"},
    {"ipv4", 0, Kind::Bool, "Give containers IPv4 addresses", "true"},
    {"ipv6", 0, Kind::Bool, "Give containers IPv6 addresses"},
    {"label", 0, Kind::List, "Label of the network"},
    {"opt", 'o', Kind::Map, "Option for the driver"},
    {"scope", 0, Kind::Text, "Scope of the network"},
    {"subnet", 0, Kind::Words, "Subnet in CIDR form"},
};

Result<Json> create_body(const Parsed& parsed) {
    IpamOptions options{parsed.all("subnet"), parsed.all("ip-range"), parsed.all("gateway"), {}};
    for (const auto& text : parsed.all("aux-address")) {
        options.auxiliary.push_back(cut(text, '='));
    }
    TRY_LET(config, ipam_config(options));
    Json body;
    body["Name"] = parsed.words[0];
    body["CheckDuplicate"] = true; // looked at by daemons before API 1.44
    body["Driver"] = parsed.text("driver", "bridge");
    if (parsed.given("scope")) { body["Scope"] = parsed.text("scope"); }
    if (parsed.given("ipv4")) { body["EnableIPv4"] = parsed.on("ipv4"); }
    if (parsed.given("ipv6")) { body["EnableIPv6"] = parsed.on("ipv6"); }
    body["IPAM"] = {{"Driver", parsed.text("ipam-driver", "default")},
                    {"Options", label_map(parsed.all("ipam-opt"))},
                    {"Config", config}};
    body["Internal"] = parsed.on("internal");
    body["Attachable"] = parsed.on("attachable");
    body["Ingress"] = parsed.on("ingress");
    body["ConfigOnly"] = parsed.on("config-only");
    if (parsed.given("config-from")) {
        body["ConfigFrom"] = {{"Network", parsed.text("config-from")}};
    }
    body["Options"] = label_map(parsed.all("opt"));
    body["Labels"] = label_map(parsed.all("label"));
    return body;
}

Result<int> create(App& app, const Parsed& parsed) {
    TRY_LET(body, create_body(parsed));
    TRY_LET(client, app.client());
    if (!parsed.on("ipv4", true)) { TRY(need_version(*client, "ipv4", 148)); }
    TRY_LET(made, client->json(client::post("/networks/create", {}, body)));
    if (const auto warning = text_of(made, "Warning"); !warning.empty()) {
        app.error_line("WARNING: " + warning);
    }
    app.line(text_of(made, "Id"));
    return 0;
}

// --- ls ---

constexpr Flag ls_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"driver=bridge\")", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"no-trunc", 0, Kind::Bool, "Show ids in full"},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

Json network_row(const Json& network, bool truncate) {
    const std::string id = text_of(network, "Id");
    const auto created = parse_rfc3339(text_of(network, "Created"));
    const Json labels = labels_of(network);
    Json row;
    row["ID"] = truncate ? short_id(id) : id;
    for (const char* member : {"Name", "Driver", "Scope"}) {
        row[member] = text_of(network, member);
    }
    row["IPv4"] = flag_of(network, "EnableIPv4") ? "true" : "false";
    row["IPv6"] = flag_of(network, "EnableIPv6") ? "true" : "false";
    row["Internal"] = flag_of(network, "Internal") ? "true" : "false";
    row["CreatedAt"] = date_text(created ? *created : Instant{});
    row["Labels"] = labels_text(labels);
    row[std::string(labels_member)] = labels;
    return row;
}

Result<int> ls(App& app, const Parsed& parsed) {
    net::Query query;
    add_filters(query, parsed);
    TRY_LET(client, app.client());
    TRY_LET(found, client->json(client::get("/networks", query)));
    Listing listing;
    listing.format = choose_format(
        app, parsed,
        {"networksFormat", "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", "{{.ID}}",
         "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
         "network_id: {{.ID}}"});
    listing.headers = {{"ID", "NETWORK ID"},     {"Name", "NAME"},     {"Driver", "DRIVER"},
                       {"Scope", "SCOPE"},       {"IPv4", "IPV4"},     {"IPv6", "IPV6"},
                       {"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"}};
    listing.type_name = "*network.networkContext";
    for (const Json& network : found) {
        listing.rows.push_back(network_row(network, !parsed.on("no-trunc")));
    }
    std::stable_sort(listing.rows.begin(), listing.rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Name"), text_of(b, "Name"));
    });
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- rm ---

constexpr Flag rm_flags[] = {{"force", 'f', Kind::Bool, "A network that is not there is no error"}};

constexpr std::string_view ingress_question =
    "WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run "
    "the same docker engine version. Otherwise, removal may not be effective and functionality of "
    "newly create ingress networks will be impaired.\nAre you sure you want to continue? [y/N] ";

/// All ports that services publish stand on the routing mesh.
bool may_go(App& app, client::Client& client, const std::string& name) {
    const auto network = client.json(client::get("/networks/" + part(name)));
    return !network || !flag_of(*network, "Ingress") || app.confirm(ingress_question);
}

Result<int> rm(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    int code = 0;
    for (const auto& name : parsed.words) {
        if (!may_go(app, *client, name)) { continue; }
        auto done = client->call(client::remove("/networks/" + part(name)));
        if (done) {
            app.line(name);
        } else if (done.error().code != Errc::NotFound || !parsed.on("force")) {
            app.error_line(done.error().message);
            code = App::failed;
        }
    }
    return code;
}

// --- connect, disconnect ---

Result<void> check_link(std::string_view text) {
    if (text.empty()) { return invalid("empty string specified for links"); }
    if (std::count(text.begin(), text.end(), ':') > 1) {
        return invalid(fmt::format("bad format for links: {}", text));
    }
    return ok();
}

constexpr Flag connect_flags[] = {
    {"alias", 0, Kind::Words, "Further name of the container in this network"},
    {"driver-opt", 0, Kind::Words, "Option for the network's driver"},
    {"gw-priority", 0, Kind::Int,
     "The network with the highest priority gives the default gateway"},
    {"ip", 0, Kind::Text, "IPv4 address (\"172.30.100.104\")"},
    {"ip6", 0, Kind::Text, "IPv6 address (\"2001:db8::33\")"},
    {"link", 0, Kind::List, "Name for another container (container[:alias])", "", "", check_link},
    {"link-local-ip", 0, Kind::Words, "Link-local address of the container"},
};

Result<Json> connect_settings(client::Client& client, const Parsed& parsed) {
    Json options = Json::object();
    for (const auto& text : parsed.all("driver-opt")) {
        if (text.find('=') == std::string::npos) {
            return invalid("invalid key/value pair format in driver options");
        }
        const auto [key, value] = cut(text, '=');
        options[to_lower(trim(key))] = to_lower(trim(value));
    }
    Json links = Json::array();
    for (const auto& link : parsed.all("link")) {
        links.push_back(link.find(':') == std::string::npos ? link + ":" + link : link);
    }
    Json settings;
    settings["IPAMConfig"] = {{"IPv4Address", parsed.text("ip")},
                              {"IPv6Address", parsed.text("ip6")},
                              {"LinkLocalIPs", parsed.all("link-local-ip")}};
    settings["Links"] = links;
    settings["Aliases"] = parsed.all("alias");
    settings["DriverOpts"] = options;
    if (const auto priority = parsed.number("gw-priority"); priority && *priority != 0) {
        TRY(need_version(client, "gw-priority", 148));
        settings["GwPriority"] = *priority;
    }
    return settings;
}

Result<int> connect(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(settings, connect_settings(*client, parsed));
    const Json body{{"Container", parsed.words[1]}, {"EndpointConfig", settings}};
    TRY(client->call(client::post("/networks/" + part(parsed.words[0]) + "/connect", {}, body)));
    return 0;
}

constexpr Flag disconnect_flags[] = {
    {"force", 'f', Kind::Bool, "Disconnect also a container that is gone or hangs"}};

Result<int> disconnect(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    const Json body{{"Container", parsed.words[1]}, {"Force", parsed.on("force")}};
    TRY(client->call(client::post("/networks/" + part(parsed.words[0]) + "/disconnect", {}, body)));
    return 0;
}

} // namespace

const Command network_create_command{
    "[OPTIONS] NETWORK", "Create a network", create_flags_of_network, create, {1, 1}};
const Command network_ls_command{"[OPTIONS]", "List networks", ls_flags,
                                 ls,          {0, 0},          "network ls, network list"};
const Command network_rm_command{
    "[OPTIONS] NETWORK [NETWORK...]", "Remove one or more networks", rm_flags, rm, {1},
    "network rm, network remove"};
const Command network_connect_command{"[OPTIONS] NETWORK CONTAINER",
                                      "Connect a container to a network",
                                      connect_flags,
                                      connect,
                                      {2, 2}};
const Command network_disconnect_command{"[OPTIONS] NETWORK CONTAINER",
                                         "Disconnect a container from a network",
                                         disconnect_flags,
                                         disconnect,
                                         {2, 2}};

} // namespace shoal::cli
