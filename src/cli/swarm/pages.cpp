#include "cli/swarm/pages.h"

#include "base/text.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/page_text.h"

namespace shoal::cli::swarm {
namespace {

void labels(PageText& page, std::string_view title, const Json& labels) {
    if (labels.empty()) { return; }
    page.line("{}:", title);
    for (const auto& key : sorted_keys(labels)) {
        const std::string value = text_of(labels, key);
        page.line(" - {}{}{}", key, value.empty() ? "" : "=", value);
    }
}

void node_status(PageText& page, const Json& node) {
    const Json& status = table_of(node, "Status");
    page.line("Status:");
    page.line(" State:\t\t\t{}", capitalized(text_of(status, "State")));
    page.maybe(" Message:              \t", capitalized(text_of(status, "Message")));
    page.line(" Availability:         \t{}",
              capitalized(text_of(table_of(node, "Spec"), "Availability")));
    page.maybe(" Address:\t\t", text_of(status, "Addr"));
    if (!has(node, "ManagerStatus")) { return; }
    const Json& manager = table_of(node, "ManagerStatus");
    page.line("Manager Status:");
    page.line(" Address:\t\t{}", text_of(manager, "Addr"));
    page.line(" Raft Status:\t\t{}", capitalized(text_of(manager, "Reachability")));
    page.line(" Leader:\t\t{}", flag_of(manager, "Leader") ? "Yes" : "No");
}

void node_machine(PageText& page, const Json& description) {
    const Json& platform = table_of(description, "Platform");
    const Json& resources = table_of(description, "Resources");
    const auto memory = number_of(resources, "MemoryBytes");
    page.line("Platform:");
    page.line(" Operating System:\t{}", text_of(platform, "OS"));
    page.line(" Architecture:\t\t{}", text_of(platform, "Architecture"));
    page.line("Resources:");
    page.line(" CPUs:\t\t\t{}", number_of(resources, "NanoCPUs") / 1'000'000'000);
    page.line(" Memory:\t\t{}", memory == 0 ? "" : human_size_binary(static_cast<double>(memory)));
}

void node_engine(PageText& page, const Json& engine) {
    std::map<std::string, std::vector<std::string>> plugins;
    for (const Json& plugin : list_of(engine, "Plugins")) {
        plugins[text_of(plugin, "Type")].push_back(text_of(plugin, "Name"));
    }
    if (!plugins.empty()) { page.line("Plugins:"); }
    for (const auto& [type, names] : plugins) { page.line(" {}:\t\t{}", type, join(names, ", ")); }
    page.line("Engine Version:\t\t{}", text_of(engine, "EngineVersion"));
    labels(page, "Engine Labels", table_of(engine, "Labels"));
}

void node_authority(PageText& page, const Json& authority) {
    if (authority.empty()) { return; }
    page.line("TLS Info:");
    page.line(" TrustRoot:\n{}", text_of(authority, "TrustRoot"));
    page.line(" Issuer Subject:\t{}", text_of(authority, "CertIssuerSubject"));
    page.line(" Issuer Public Key:\t{}", text_of(authority, "CertIssuerPublicKey"));
}

} // namespace

std::string secret_page(const Json& secret) {
    const Json& spec = table_of(secret, "Spec");
    PageText page;
    page.line("ID:              {}", id_of(secret));
    page.line("Name:              {}", text_of(spec, "Name"));
    labels(page, "Labels", table_of(spec, "Labels"));
    page.line("Driver:            {}", text_of(table_of(spec, "Driver"), "Name"));
    page.line("Created at:        {}", date_of(secret, "CreatedAt"));
    page.line("Updated at:        {}", date_of(secret, "UpdatedAt"));
    return page.finish();
}

std::string config_page(const Json& config) {
    const Json& spec = table_of(config, "Spec");
    const auto data = decode_base64(text_of(spec, "Data"));
    PageText page;
    page.line("ID:\t\t\t{}", id_of(config));
    page.line("Name:\t\t\t{}", text_of(spec, "Name"));
    labels(page, "Labels", table_of(spec, "Labels"));
    page.line("Created at:            \t{}", date_of(config, "CreatedAt"));
    page.line("Updated at:            \t{}", date_of(config, "UpdatedAt"));
    page.line("Data:\n{}", data ? *data : "");
    return page.finish();
}

std::string node_page(const Json& node) {
    const Json& spec = table_of(node, "Spec");
    const Json& description = table_of(node, "Description");
    PageText page;
    page.line("ID:\t\t\t{}", id_of(node));
    page.maybe("Name:\t\t\t", text_of(spec, "Name"));
    labels(page, "Labels", table_of(spec, "Labels"));
    page.line("Hostname:              \t{}", text_of(description, "Hostname"));
    page.line("Joined at:             \t{}", date_of(node, "CreatedAt"));
    node_status(page, node);
    node_machine(page, description);
    node_engine(page, table_of(description, "Engine"));
    node_authority(page, table_of(description, "TLSInfo"));
    return page.finish();
}

} // namespace shoal::cli::swarm
