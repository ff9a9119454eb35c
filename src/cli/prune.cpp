// Removing what nothing uses: containers, images, volumes, networks, and all of these at once.
#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/support.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

/// What --filter says, and what config.json's "pruneFilters" adds to every prune.
Filters prune_filters(App& app, const Parsed& parsed) {
    Filters filters = filters_of(parsed);
    const auto asked = filters;
    const auto has = [&](std::string_view key, const std::string& value) {
        const auto& values = asked.values(key);
        return std::find(values.begin(), values.end(), value) != values.end();
    };
    for (const Json& item : list_of(app.config(), "pruneFilters")) {
        if (!item.is_string() ||
            item.get_ref<const std::string&>().find('=') == std::string::npos) {
            continue;
        }
        const auto [key, value] = cut(item.get<std::string>(), '=');
        // What was asked for by hand is stronger than its opposite in the file.
        if ((key == "label" && has("label!", value)) || (key == "label!" && has("label", value))) {
            continue;
        }
        filters.add(key, value);
    }
    return filters;
}

net::Query query_of(const Filters& filters) {
    net::Query query;
    if (!filters.empty()) { query.emplace_back("filters", filters.to_json()); }
    return query;
}

struct Pruned {
    std::string text; ///< "" when nothing was removed
    std::int64_t bytes = 0;
};

/// A title and one line for each.
Pruned listed(std::string_view title, const Json& items, std::int64_t bytes) {
    Pruned pruned{"", bytes};
    if (items.empty()) { return pruned; }
    pruned.text = fmt::format("{}:\n", title);
    for (const Json& item : items) {
        pruned.text += (item.is_string() ? item.get<std::string>() : std::string()) + "\n";
    }
    return pruned;
}

Result<Pruned> prune_containers(client::Client& client, const Filters& filters) {
    TRY_LET(answer, client.json(client::post("/containers/prune", query_of(filters))));
    return listed("Deleted Containers", list_of(answer, "ContainersDeleted"),
                  number_of(answer, "SpaceReclaimed"));
}

Result<Pruned> prune_networks(client::Client& client, const Filters& filters) {
    TRY_LET(answer, client.json(client::post("/networks/prune", query_of(filters))));
    return listed("Deleted Networks", list_of(answer, "NetworksDeleted"), 0);
}

Result<Pruned> prune_volumes(client::Client& client, const Filters& filters) {
    TRY_LET(answer, client.json(client::post("/volumes/prune", query_of(filters))));
    return listed("Deleted Volumes", list_of(answer, "VolumesDeleted"),
                  number_of(answer, "SpaceReclaimed"));
}

enum class Which { Dangling, All };
Result<Pruned> prune_images(client::Client& client, Filters filters, Which which) {
    filters.add("dangling", which == Which::All ? "false" : "true");
    TRY_LET(answer, client.json(client::post("/images/prune", query_of(filters))));
    Json lines = Json::array();
    for (const Json& step : list_of(answer, "ImagesDeleted")) {
        const std::string untagged = text_of(step, "Untagged");
        lines.push_back(untagged.empty() ? "deleted: " + text_of(step, "Deleted")
                                         : "untagged: " + untagged);
    }
    return listed("Deleted Images", lines, number_of(answer, "SpaceReclaimed"));
}

Result<Pruned> prune_build_cache(client::Client& client, const Filters& filters, Which which,
                                 const net::Query& limits = {}) {
    net::Query query = query_of(filters);
    query.insert(query.end(), limits.begin(), limits.end());
    if (which == Which::All) { query.emplace_back("all", "1"); }
    TRY_LET(answer, client.json(client::post("/build/prune", query)));
    return listed("Deleted build cache objects", list_of(answer, "CachesDeleted"),
                  number_of(answer, "SpaceReclaimed"));
}

bool agreed(App& app, const Parsed& parsed, std::string_view warning) {
    return parsed.on("force") ||
           app.confirm(fmt::format("{}\nAre you sure you want to continue? [y/N] ", warning));
}

void say(App& app, const Pruned& pruned) {
    if (!pruned.text.empty()) { app.line(pruned.text); }
}
void say_space(App& app, std::int64_t bytes) {
    app.line("Total reclaimed space: " + human_size(static_cast<double>(bytes)));
}

// --- the single kinds ---

constexpr Flag filter_flag{
    "filter",    0,
    Kind::List,  "Remove only what fits a condition (\"until=<timestamp>\", \"label=<label>\")",
    "",          "filter",
    check_filter};
constexpr Flag force_flag{"force", 'f', Kind::Bool, "Do not ask"};
constexpr Flag plain_flags[] = {filter_flag, force_flag};
constexpr Flag image_flags[] = {
    {"all", 'a', Kind::Bool, "Remove all unused images, not only those without a name"},
    filter_flag,
    force_flag};
constexpr Flag volume_flags[] = {
    {"all", 'a', Kind::Bool, "Remove all unused volumes, not only anonymous ones"},
    filter_flag,
    force_flag};

Result<int> container_prune(App& app, const Parsed& parsed) {
    const Filters filters = prune_filters(app, parsed);
    if (!agreed(app, parsed, "WARNING! This will remove all stopped containers.")) { return 0; }
    TRY_LET(client, app.client());
    TRY_LET(pruned, prune_containers(*client, filters));
    say(app, pruned);
    say_space(app, pruned.bytes);
    return 0;
}

Result<int> network_prune(App& app, const Parsed& parsed) {
    const Filters filters = prune_filters(app, parsed);
    if (!agreed(
            app, parsed,
            "WARNING! This will remove all custom networks not used by at least one container.")) {
        return 0;
    }
    TRY_LET(client, app.client());
    TRY_LET(pruned, prune_networks(*client, filters));
    say(app, pruned);
    return 0;
}

Result<int> image_prune(App& app, const Parsed& parsed) {
    const Filters filters = prune_filters(app, parsed);
    const Which which = parsed.on("all") ? Which::All : Which::Dangling;
    if (!agreed(
            app, parsed,
            which == Which::All
                ? "WARNING! This will remove all images without at least one container associated to them."
                : "WARNING! This will remove all dangling images.")) {
        return 0;
    }
    TRY_LET(client, app.client());
    TRY_LET(pruned, prune_images(*client, filters, which));
    say(app, pruned);
    say_space(app, pruned.bytes);
    return 0;
}

constexpr int anonymous_volumes_version = 142; ///< before it, named ones went too

Result<int> volume_prune(App& app, const Parsed& parsed) {
    Filters filters = prune_filters(app, parsed);
    TRY_LET(client, app.connected());
    bool all = client->version_now() < anonymous_volumes_version;
    if (parsed.on("all")) {
        TRY(need_version(*client, "all", anonymous_volumes_version));
        if (filters.has("all")) {
            return invalid("conflicting options: cannot specify both --all and --filter all=1");
        }
        filters.add("all", "true");
        all = true;
    }
    if (!agreed(
            app, parsed,
            all ? "WARNING! This will remove all local volumes not used by at least one container."
                : "WARNING! This will remove anonymous local volumes not used by at least one container.")) {
        return 0;
    }
    TRY_LET(pruned, prune_volumes(*client, filters));
    say(app, pruned);
    say_space(app, pruned.bytes);
    return 0;
}

// --- the build cache ---

constexpr int space_version = 148; ///< before it there was keep-storage alone

constexpr Flag builder_flags[] = {
    {"all", 'a', Kind::Bool,
     "Remove all of the cache that is not in use, not only what is dangling"},
    {"builder", 0, Kind::Text, "Builder to use; there is only the daemon's own"},
    {"filter", 0, Kind::List, "Remove only what fits a condition (\"until=24h\")", "", "filter",
     check_filter},
    force_flag,
    {"keep-storage", 0, Kind::Bytes, "Keep this much of what was used last"},
    {"max-used-space", 0, Kind::Bytes, "Remove until the cache takes no more than this", "", "",
     nullptr, false, space_version},
    {"min-free-space", 0, Kind::Bytes, "Remove until this much is free on the disk", "", "",
     nullptr, false, space_version},
    {"reserved-space", 0, Kind::Bytes, "Keep this much of what was used last", "", "", nullptr,
     false, space_version},
};

Result<net::Query> space_limits(client::Client& client, const Parsed& parsed) {
    TRY_LET(version, client.version());
    net::Query limits;
    const auto add = [&](std::string_view flag, std::string name) {
        if (parsed.given(flag)) {
            limits.emplace_back(std::move(name), std::to_string(parsed.bytes(flag)));
        }
    };
    if (parsed.given("keep-storage") && parsed.given("reserved-space")) {
        return invalid("conflicting options: cannot specify both --keep-storage and "
                       "--reserved-space");
    }
    add("keep-storage", version < space_version ? "keep-storage" : "reserved-space");
    for (const char* flag : {"reserved-space", "max-used-space", "min-free-space"}) {
        add(flag, flag);
    }
    return limits;
}

Result<int> builder_prune(App& app, const Parsed& parsed) {
    const std::string builder = parsed.text("builder", "default");
    if (builder != "default" && !builder.empty()) {
        return unsupported(fmt::format("--builder {}: there is only \"default\"", builder));
    }
    const Filters filters = prune_filters(app, parsed);
    const Which which = parsed.on("all") ? Which::All : Which::Dangling;
    // Docker asks this one in a single line.
    const std::string_view question =
        which == Which::All
            ? "WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] "
            : "WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] ";
    if (!parsed.on("force") && !app.confirm(question)) { return 0; }
    TRY_LET(client, app.connected());
    TRY_LET(limits, space_limits(*client, parsed));
    TRY_LET(pruned, prune_build_cache(*client, filters, which, limits));
    say(app, pruned);
    say_space(app, pruned.bytes);
    return 0;
}

// --- everything ---

constexpr Flag system_flags[] = {
    {"all", 'a', Kind::Bool, "Remove all unused images, not only those without a name"},
    {"filter", 0, Kind::List, "Remove only what fits a condition (\"label=<key>=<value>\")", "",
     "filter", check_filter},
    force_flag,
    {"volumes", 0, Kind::Bool, "Remove unused anonymous volumes, too"},
};

std::string system_warning(const Parsed& parsed, const Filters& filters) {
    std::vector<std::string> lines{"all stopped containers",
                                   "all networks not used by at least one container"};
    if (parsed.on("volumes")) {
        lines.emplace_back("all anonymous volumes not used by at least one container");
    }
    lines.emplace_back(parsed.on("all")
                           ? "all images without at least one container associated to them"
                           : "all dangling images");
    lines.emplace_back(parsed.on("all") ? "all build cache" : "unused build cache");
    std::string text = "WARNING! This will remove:\n";
    for (const auto& line : lines) { text += "  - " + line + "\n"; }
    std::vector<std::string> limits;
    for (const std::string key : {"label", "label!", "until"}) {
        for (const auto& value : filters.values(key)) { limits.push_back(key + "=" + value); }
    }
    if (limits.empty()) { return text; }
    std::sort(limits.begin(), limits.end(), natural_less);
    text += "\n  Items to be pruned will be filtered with:\n";
    for (const auto& limit : limits) { text += "  - " + limit + "\n"; }
    return text;
}

Result<int> system_prune(App& app, const Parsed& parsed) {
    const Filters filters = prune_filters(app, parsed);
    if (parsed.on("volumes") && filters.has("until")) {
        return invalid("ERROR: The \"until\" filter is not supported with \"--volumes\"");
    }
    if (!agreed(app, parsed, system_warning(parsed, filters))) { return 0; }
    const Which which = parsed.on("all") ? Which::All : Which::Dangling;
    TRY_LET(client, app.connected());
    std::int64_t bytes = 0;
    const auto take = [&](const Result<Pruned>& pruned) -> Result<void> {
        if (!pruned) { return pruned.error(); }
        say(app, *pruned);
        bytes += pruned->bytes;
        return ok();
    };
    TRY(take(prune_containers(*client, filters)));
    TRY(take(prune_networks(*client, filters)));
    if (parsed.on("volumes")) { TRY(take(prune_volumes(*client, filters))); }
    TRY(take(prune_images(*client, filters, which)));
    if (client->version_now() >= 131) { TRY(take(prune_build_cache(*client, filters, which))); }
    say_space(app, bytes);
    return 0;
}

} // namespace

const Command container_prune_command{
    "[OPTIONS]", "Remove all stopped containers", plain_flags, container_prune, {0, 0}};
const Command network_prune_command{
    "[OPTIONS]", "Remove all networks that no container uses", plain_flags, network_prune, {0, 0}};
const Command image_prune_command{
    "[OPTIONS]", "Remove unused images", image_flags, image_prune, {0, 0}};
const Command volume_prune_command{
    "[OPTIONS]", "Remove unused volumes", volume_flags, volume_prune, {0, 0}};
const Command builder_prune_command{
    "[OPTIONS]", "Remove the build cache", builder_flags, builder_prune, {0, 0}};
const Command system_prune_command{
    "[OPTIONS]", "Remove whatever is not used", system_flags, system_prune, {0, 0}};

} // namespace shoal::cli
