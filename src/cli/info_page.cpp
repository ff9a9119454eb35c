#include "cli/info_page.h"

#include "base/text.h"
#include "cli/formats.h"
#include "cli/support.h"
#include "cli/swarm/pages.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

class Page {
  public:
    explicit Page(const Json& info) : info_(info) {}

    std::string run() {
        counts();
        storage();
        plugins();
        swarm();
        programs();
        security();
        machine();
        daemon();
        registries();
        rest();
        return std::move(text_);
    }

  private:
    template <class... T> void line(fmt::format_string<T...> format, T&&... values) {
        text_ += fmt::format(format, std::forward<T>(values)...) + "\n";
    }
    /// Left out when the daemon says nothing.
    void maybe(std::string_view title, const std::string& value) {
        if (!value.empty()) { line(" {}: {}", title, value); }
    }
    void always(std::string_view title, const std::string& value) { line(" {}: {}", title, value); }
    std::string text(std::string_view member) const { return text_of(info_, member); }
    bool on(const char* member) const { return flag_of(info_, member); }
    static std::string shown(const Json& value) {
        return value.is_string() ? value.get<std::string>() : value.dump();
    }
    Json object(const char* member) const {
        const auto at = info_.find(member);
        return at != info_.end() && at->is_object() ? *at : Json::object();
    }

    void counts() {
        line(" Containers: {}", number_of(info_, "Containers"));
        line("  Running: {}", number_of(info_, "ContainersRunning"));
        line("  Paused: {}", number_of(info_, "ContainersPaused"));
        line("  Stopped: {}", number_of(info_, "ContainersStopped"));
        line(" Images: {}", number_of(info_, "Images"));
        maybe("Server Version", text("ServerVersion"));
    }

    void storage() {
        always("Storage Driver", text("Driver"));
        for (const Json& pair : list_of(info_, "DriverStatus")) {
            if (pair.is_array() && pair.size() == 2) {
                line("  {}: {}", shown(pair[0]), shown(pair[1]));
            }
        }
        maybe("Logging Driver", text("LoggingDriver"));
        maybe("Cgroup Driver", text("CgroupDriver"));
        maybe("Cgroup Version", text("CgroupVersion"));
    }

    void plugins() {
        const Json plugins = object("Plugins");
        text_ += " Plugins:\n";
        for (const char* kind : {"Volume", "Network", "Authorization", "Log"}) {
            std::vector<std::string> names;
            for (const Json& name : list_of(plugins, kind)) { names.push_back(shown(name)); }
            if (kind == std::string_view("Authorization") && names.empty()) { continue; }
            line("  {}: {}", kind, join(names, " "));
        }
        if (list_of(info_, "CDISpecDirs").empty()) { return; }
        text_ += " CDI spec directories:\n";
        for (const Json& folder : list_of(info_, "CDISpecDirs")) { line("  {}", shown(folder)); }
    }

    void swarm() { text_ += swarm::info_section(object("Swarm")); }

    void programs() {
        std::vector<std::string> runtimes;
        const Json known = object("Runtimes"); // items() must not outlive it
        for (const auto& [name, value] : known.items()) { runtimes.push_back(name); }
        std::sort(runtimes.begin(), runtimes.end());
        if (!runtimes.empty()) { always("Runtimes", join(runtimes, " ")); }
        maybe("Default Runtime", text("DefaultRuntime"));
        maybe("Init Binary", text("InitBinary"));
        maybe("containerd version", text_of(object("ContainerdCommit"), "ID"));
        // Whichever runtime it is, clients know it under this name.
        maybe("runc version", text_of(object("RuncCommit"), "ID"));
        maybe("init version", text_of(object("InitCommit"), "ID"));
    }

    void security() {
        const Json& options = list_of(info_, "SecurityOptions");
        if (options.empty()) { return; }
        text_ += " Security Options:\n";
        for (const Json& option : options) {
            for (const auto& part : split(shown(option), ',')) {
                const auto [key, value] = cut(part, '=');
                if (key == "name") { line("  {}", value); }
                if (key == "profile") { line("   Profile: {}", value); }
            }
        }
    }

    void machine() {
        maybe("Kernel Version", text("KernelVersion"));
        maybe("Operating System", text("OperatingSystem"));
        maybe("OSType", text("OSType"));
        maybe("Architecture", text("Architecture"));
        line(" CPUs: {}", number_of(info_, "NCPU"));
        line(" Total Memory: {}",
             human_size_binary(static_cast<double>(number_of(info_, "MemTotal"))));
        maybe("Name", text("Name"));
        maybe("ID", text("ID"));
        maybe("Docker Root Dir", text("DockerRootDir"));
    }

    void daemon() {
        line(" Debug Mode: {}", on("Debug"));
        if (on("Debug")) {
            line("  File Descriptors: {}", number_of(info_, "NFd"));
            line("  Goroutines: {}", number_of(info_, "NGoroutines"));
            line("  System Time: {}", text("SystemTime"));
            line("  EventsListeners: {}", number_of(info_, "NEventsListener"));
        }
        maybe("HTTP Proxy", text("HttpProxy"));
        maybe("HTTPS Proxy", text("HttpsProxy"));
        maybe("No Proxy", text("NoProxy"));
        const Json& labels = list_of(info_, "Labels");
        if (!labels.empty()) { text_ += " Labels:\n"; }
        for (const Json& label : labels) { line("  {}", shown(label)); }
        line(" Experimental: {}", on("ExperimentalBuild"));
    }

    void registries() {
        const Json config = object("RegistryConfig");
        const Json& blocks = list_of(config, "InsecureRegistryCIDRs");
        const Json indexes = config.value("IndexConfigs", Json::object());
        if (!blocks.empty() || !indexes.empty()) { text_ += " Insecure Registries:\n"; }
        for (const auto& [name, index] : indexes.items()) {
            if (index.is_object() && !flag_of(index, "Secure")) {
                line("  {}", text_of(index, "Name"));
            }
        }
        for (const Json& block : blocks) { line("  {}", shown(block)); }
        const Json& mirrors = list_of(config, "Mirrors");
        if (!mirrors.empty()) { text_ += " Registry Mirrors:\n"; }
        for (const Json& mirror : mirrors) { line("  {}", shown(mirror)); }
    }

    void rest() {
        line(" Live Restore Enabled: {}", on("LiveRestoreEnabled"));
        maybe("Product License", text("ProductLicense"));
        const Json& pools = list_of(info_, "DefaultAddressPools");
        if (!pools.empty()) { text_ += " Default Address Pools:\n"; }
        for (const Json& pool : pools) {
            line("   Base: {}, Size: {}", text_of(pool, "Base"), number_of(pool, "Size"));
        }
        maybe("Firewall Backend", text_of(object("FirewallBackend"), "Driver"));
    }

    const Json& info_;
    std::string text_;
};

} // namespace

std::string info_page(const Json& info) { return Page(info).run(); }

} // namespace shoal::cli
