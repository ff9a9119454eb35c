// `service inspect --pretty`. The layout, with its blanks and empty lines, is what people and
// scripts know from Docker.
#include "base/text.h"
#include "base/time.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/page_text.h"
#include "cli/swarm/pages.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

using Names = std::map<std::string, std::string>;

class ServicePage {
  public:
    ServicePage(const Json& service, const Names& networks)
        : service_(service), spec_(table_of(service, "Spec")),
          task_(table_of(spec_, "TaskTemplate")), container_(table_of(task_, "ContainerSpec")),
          networks_(networks) {}

    std::string run() {
        head();
        update_status();
        placement();
        update_config("UpdateConfig", "Update order:      ");
        update_config("RollbackConfig", "Rollback order:    ");
        process();
        settings();
        files();
        log_driver();
        resources();
        networks();
        ports();
        health();
        return page_.finish() + "\n"; // an empty line ends it
    }

  private:
    static std::string words(const std::vector<std::string>& all) { return join(all, " "); }
    static std::string span(const Json& object, const char* member) {
        return format_duration(nanoseconds(number_of(object, member)));
    }
    /// " key=value" or " key", in order.
    void pairs(std::string_view indent, std::string_view between, const Json& table) {
        for (const auto& key : sorted_keys(table)) {
            const std::string value = text_of(table, key);
            page_.line("{}{}{}{}", indent, key, value.empty() ? "" : between, value);
        }
    }

    void head() {
        page_.line("\nID:\t\t{}", id_of(service_));
        page_.line("Name:\t\t{}", text_of(spec_, "Name"));
        const Json& labels = table_of(spec_, "Labels");
        if (!labels.empty()) { page_.line("Labels:"); }
        pairs(" ", "=", labels);
        const Json& mode = table_of(spec_, "Mode");
        if (has(mode, "Global")) {
            page_.line("Service Mode:\tGlobal");
        } else if (has(mode, "Replicated")) {
            page_.line("Service Mode:\tReplicated");
            const Json& replicated = table_of(mode, "Replicated");
            if (has(replicated, "Replicas")) {
                page_.line(" Replicas:\t{}", number_of(replicated, "Replicas"));
            }
        } else {
            page_.line("Service Mode:");
        }
    }

    void update_status() {
        const Json& status = table_of(service_, "UpdateStatus");
        const std::string state = text_of(status, "State");
        if (state.empty()) { return; }
        page_.line("UpdateStatus:");
        page_.line(" State:\t\t{}", state);
        if (has(status, "StartedAt")) { page_.line(" Started:\t{}", ago_of(status, "StartedAt")); }
        if (state == "completed" && has(status, "CompletedAt")) {
            page_.line(" Completed:\t{}", ago_of(status, "CompletedAt"));
        }
        page_.line(" Message:\t{}", text_of(status, "Message"));
    }

    void placement() {
        const Json& placement = table_of(task_, "Placement");
        std::vector<std::string> preferences;
        for (const Json& preference : list_of(placement, "Preferences")) {
            if (has(preference, "Spread")) {
                preferences.push_back("spread=" +
                                      text_of(table_of(preference, "Spread"), "SpreadDescriptor"));
            }
        }
        const auto constraints = texts_of(placement, "Constraints");
        const auto most = number_of(placement, "MaxReplicas");
        page_.line("Placement:");
        if (!constraints.empty()) { page_.line(" Constraints:\t[{}]", words(constraints)); }
        if (!preferences.empty()) { page_.line(" Preferences:   [{}]", words(preferences)); }
        if (most != 0) { page_.line(" Max Replicas Per Node:   {}", most); }
    }

    void update_config(const char* member, std::string_view order) {
        if (!has(spec_, member)) { return; }
        const Json& config = table_of(spec_, member);
        const Json& ratio = inside(config, {"MaxFailureRatio"});
        page_.line("{}:", member);
        page_.line(" Parallelism:\t{}", number_of(config, "Parallelism"));
        if (number_of(config, "Delay") > 0) { page_.line(" Delay:\t\t{}", span(config, "Delay")); }
        page_.line(" On failure:\t{}", text_of(config, "FailureAction"));
        if (number_of(config, "Monitor") > 0) {
            page_.line(" Monitoring Period: {}", span(config, "Monitor"));
        }
        page_.line(" Max failure ratio: {}", ratio.is_number() ? ratio.get<float>() : 0.0F);
        page_.line(" {}{}", order, text_of(config, "Order"));
    }

    void process() {
        page_.line("ContainerSpec:");
        page_.line(" Image:\t\t{}", text_of(container_, "Image"));
        if (const auto args = texts_of(container_, "Args"); !args.empty()) {
            page_.line(" Args:\t\t{} ", words(args));
        }
        if (const auto env = texts_of(container_, "Env"); !env.empty()) {
            page_.line(" Env:\t\t{} ", words(env));
        }
        page_.maybe(" Dir:\t\t", text_of(container_, "Dir"));
        if (has(container_, "Init")) { page_.line(" Init:\t\t{}", flag_of(container_, "Init")); }
        page_.maybe(" User: ", text_of(container_, "User"));
    }

    void settings() {
        const auto added = texts_of(container_, "CapabilityAdd");
        const auto dropped = texts_of(container_, "CapabilityDrop");
        if (!added.empty() || !dropped.empty()) { page_.line("Capabilities:"); }
        page_.maybe(" Add: ", join(added, ", "));
        page_.maybe(" Drop: ", join(dropped, ", "));
        const Json& sysctls = table_of(container_, "Sysctls");
        if (!sysctls.empty()) { page_.line("SysCtls:"); }
        pairs(" ", ": ", sysctls);
        std::map<std::string, std::string> limits;
        for (const Json& limit : list_of(container_, "Ulimits")) {
            limits[text_of(limit, "Name")] =
                fmt::format("{}:{}", number_of(limit, "Soft"), number_of(limit, "Hard"));
        }
        if (!limits.empty()) { page_.line("Ulimits:"); }
        for (const auto& [name, limit] : limits) { page_.line(" {}: {}", name, limit); }
    }

    void files() {
        const Json& mounts = list_of(container_, "Mounts");
        if (!mounts.empty()) { page_.line("Mounts:"); }
        for (const Json& mount : mounts) {
            page_.line(" Target:\t{}", text_of(mount, "Target"));
            page_.line("  Source:\t{}", text_of(mount, "Source"));
            page_.line("  ReadOnly:\t{}", flag_of(mount, "ReadOnly"));
            page_.line("  Type:\t\t{}", text_of(mount, "Type"));
        }
        references("Configs", "ConfigName");
        references("Secrets", "SecretName");
    }
    void references(const char* member, const char* name) {
        const Json& all = list_of(container_, member);
        if (!all.empty()) { page_.line("{}:", member); }
        for (const Json& one : all) {
            page_.line(" Target:\t{}", text_of(table_of(one, "File"), "Name"));
            page_.line("  Source:\t{}", text_of(one, name));
        }
    }

    void log_driver() {
        if (!has(task_, "LogDriver")) { return; }
        const Json& driver = table_of(task_, "LogDriver");
        const Json& options = table_of(driver, "Options");
        page_.line("Log Driver:");
        page_.maybe(" Name:\t\t", text_of(driver, "Name"));
        if (!options.empty()) { page_.line(" LogOpts:"); }
        pairs("  ", ":       ", options);
        page_.line("");
    }

    void resources() {
        if (!has(task_, "Resources")) { return; }
        const Json& resources = table_of(task_, "Resources");
        const Json& limits = table_of(resources, "Limits");
        const auto pids = number_of(limits, "Pids");
        page_.line("Resources:");
        amounts(" Reservations:", table_of(resources, "Reservations"), false);
        amounts(" Limits:", limits, pids > 0);
        if (pids > 0) { page_.line("  PIDs:\t\t{}", pids); }
    }
    void amounts(std::string_view title, const Json& amounts, bool always) {
        const auto cpus = number_of(amounts, "NanoCPUs");
        const auto memory = number_of(amounts, "MemoryBytes");
        if (!always && cpus <= 0 && memory <= 0) { return; }
        page_.line("{}", title);
        if (cpus > 0) { page_.line("  CPU:\t\t{}", static_cast<double>(cpus) / 1e9); }
        if (memory != 0) {
            page_.line("  Memory:\t{}", human_size_binary(static_cast<double>(memory)));
        }
    }

    void networks() {
        const Json& networks = list_of(task_, "Networks");
        std::string names;
        for (const Json& network : networks) {
            const std::string target = text_of(network, "Target");
            const auto at = networks_.find(target);
            names += " " + (at != networks_.end() ? at->second : target);
        }
        if (!networks.empty()) { page_.line("Networks:{} ", names); }
        page_.line("Endpoint Mode:\t{}", text_of(table_of(spec_, "EndpointSpec"), "Mode"));
    }

    void ports() {
        const Json& ports = list_of(table_of(service_, "Endpoint"), "Ports");
        if (!ports.empty()) { page_.line("Ports:"); }
        for (const Json& port : ports) {
            page_.line(" PublishedPort = {}", number_of(port, "PublishedPort"));
            page_.line("  Protocol = {}", text_of(port, "Protocol"));
            page_.line("  TargetPort = {}", number_of(port, "TargetPort"));
            page_.line("  PublishMode = {}{}", text_of(port, "PublishMode"),
                       &port == &ports.back() ? " " : "");
        }
    }

    void health() {
        if (!has(container_, "Healthcheck")) { return; }
        const Json& check = table_of(container_, "Healthcheck");
        const auto test = texts_of(check, "Test");
        page_.line(" Healthcheck:");
        page_.line("  Interval = {}", span(check, "Interval"));
        page_.line("  Retries = {}", number_of(check, "Retries"));
        page_.line("  StartPeriod =\t{}", span(check, "StartPeriod"));
        page_.line("  Timeout =\t{}", span(check, "Timeout"));
        if (!test.empty()) { page_.line("  Tests:"); }
        for (std::size_t i = 0; i < test.size(); ++i) {
            page_.line("\t Test = {}{}", test[i], i + 1 == test.size() ? " " : "");
        }
    }

    const Json& service_;
    const Json& spec_;
    const Json& task_;
    const Json& container_;
    const Names& networks_;
    PageText page_;
};

} // namespace

std::string service_page(const Json& service, const std::map<std::string, std::string>& networks) {
    return ServicePage(service, networks).run();
}

} // namespace shoal::cli::swarm
