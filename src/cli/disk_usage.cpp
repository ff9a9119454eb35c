// What takes up how much space: `system df`, short and in full.
#include "cli/commands.h"
#include "cli/container_rows.h"
#include "cli/formats.h"
#include "cli/image_rows.h"
#include "cli/support.h"
#include "cli/usage.h"
#include "cli/volume_rows.h"

#include "base/text.h"
#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shoal::cli {
namespace {

std::string size_of(std::int64_t bytes) { return human_size(static_cast<double>(bytes)); }

std::string with_percent(std::int64_t part, std::int64_t whole) {
    if (whole <= 0) { return size_of(part); }
    return fmt::format("{} ({}%)", size_of(part), part * 100 / whole);
}

Json summary_row(std::string_view type, std::size_t total, std::int64_t active, std::int64_t size,
                 std::string reclaimable) {
    return {{"Type", type},
            {"TotalCount", std::to_string(total)},
            {"Active", std::to_string(active)},
            {"Size", size_of(size)},
            {"Reclaimable", std::move(reclaimable)}};
}

Json images_summary(const Json& usage) {
    const Json& images = list_of(usage, "Images");
    const std::int64_t total = number_of(usage, "LayersSize");
    std::int64_t used = 0;
    std::int64_t active = 0;
    for (const Json& image : images) {
        if (number_of(image, "Containers") == 0) { continue; }
        if (number_of(image, "Containers") > 0) { ++active; }
        const auto size = number_of(image, "Size");
        const auto shared = number_of(image, "SharedSize");
        if (size != -1 && shared != -1) { used += size - shared; }
    }
    return summary_row("Images", images.size(), active, total, with_percent(total - used, total));
}

bool is_active(const Json& container) {
    const std::string state = text_of(container, "State");
    return state.find("running") != std::string::npos ||
           state.find("paused") != std::string::npos ||
           state.find("restarting") != std::string::npos;
}

Json containers_summary(const Json& usage) {
    const Json& containers = list_of(usage, "Containers");
    std::int64_t total = 0;
    std::int64_t idle = 0;
    std::int64_t active = 0;
    for (const Json& container : containers) {
        const auto size = number_of(container, "SizeRw");
        total += size;
        if (is_active(container)) {
            ++active;
        } else {
            idle += size;
        }
    }
    return summary_row("Containers", containers.size(), active, total, with_percent(idle, total));
}

Json volumes_summary(const Json& usage) {
    const Json& volumes = list_of(usage, "Volumes");
    std::int64_t total = 0;
    std::int64_t idle = 0;
    std::int64_t active = 0;
    for (const Json& volume : volumes) {
        const auto data = volume.find("UsageData");
        if (data == volume.end() || !data->is_object()) { continue; }
        const auto size = std::max<std::int64_t>(0, number_of(*data, "Size")); // -1: not known
        const auto users = number_of(*data, "RefCount");
        total += size;
        if (users > 0) { ++active; }
        if (users == 0) { idle += size; }
    }
    return summary_row("Local Volumes", volumes.size(), active, total, with_percent(idle, total));
}

Json cache_summary(const Json& usage) {
    const Json& records = list_of(usage, "BuildCache");
    std::int64_t used = 0;
    std::int64_t active = 0;
    for (const Json& record : records) {
        if (!flag_of(record, "InUse")) { continue; }
        ++active;
        if (!flag_of(record, "Shared")) { used += number_of(record, "Size"); }
    }
    const std::int64_t total = build_cache_bytes(usage);
    return summary_row("Build Cache", records.size(), active, total, size_of(total - used));
}

Json cache_row(const Json& record, Instant now, bool truncate) {
    const auto since = [&](const char* member) {
        const auto at = parse_rfc3339(text_of(record, member));
        return at && *at != Instant{} ? human_duration(now - *at) + " ago" : std::string();
    };
    const std::string id = text_of(record, "ID");
    return {{"ID", truncate ? short_id(id) : id},
            {"Parent", text_of(record, "Parent")},
            {"CacheType", text_of(record, "Type")},
            {"Description", text_of(record, "Description")},
            {"InUse", flag_of(record, "InUse") ? "true" : "false"},
            {"Shared", flag_of(record, "Shared") ? "true" : "false"},
            {"Size", size_of(number_of(record, "Size"))},
            {"CreatedAt", text_of(record, "CreatedAt")},
            {"CreatedSince", since("CreatedAt")},
            {"LastUsedAt", text_of(record, "LastUsedAt")},
            {"LastUsedSince", since("LastUsedAt")},
            {"UsageCount", std::to_string(number_of(record, "UsageCount"))}};
}

} // namespace

std::int64_t build_cache_bytes(const Json& usage) {
    std::int64_t total = 0;
    for (const Json& record : list_of(usage, "BuildCache")) {
        if (!flag_of(record, "Shared")) { total += number_of(record, "Size"); }
    }
    return total;
}

std::vector<Json> usage_summary(const Json& usage) {
    return {images_summary(usage), containers_summary(usage), volumes_summary(usage),
            cache_summary(usage)};
}

UsageRows usage_rows(const Json& usage, Instant now, bool truncate) {
    UsageRows rows;
    for (const Json& image : list_of(usage, "Images")) {
        rows.images.push_back(image_usage_row(image, now, {truncate, false}));
    }
    for (Json container : list_of(usage, "Containers")) {
        container.erase("SizeRootFs"); // what the image takes is counted with the images
        rows.containers.push_back(container_row(container, now, truncate));
    }
    for (const Json& volume : list_of(usage, "Volumes")) {
        rows.volumes.push_back(volume_row(volume));
    }
    for (const Json& record : list_of(usage, "BuildCache")) {
        rows.build_cache.push_back(cache_row(record, now, truncate));
    }
    return rows;
}

namespace {

constexpr Flag df_flags[] = {
    {"format", 0, Kind::Text, format_help},
    {"verbose", 'v', Kind::Bool, "Show every object"},
};

Result<std::string> section(std::string_view format,
                            std::vector<std::pair<std::string_view, std::string_view>> headers,
                            const std::vector<Json>& rows) {
    Listing listing;
    listing.format = format;
    listing.headers = std::move(headers);
    listing.rows = rows;
    return render(listing);
}

Result<std::string> verbose_page(const UsageRows& rows, std::int64_t cache_bytes) {
    TRY_LET(
        images,
        section(
            "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
            image_headers, rows.images));
    TRY_LET(
        containers,
        section(
            "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
            container_headers, rows.containers));
    TRY_LET(volumes,
            section("table {{.Name}}\t{{.Links}}\t{{.Size}}", volume_headers, rows.volumes));
    TRY_LET(
        cache,
        section(
            "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
            {{"ID", "CACHE ID"},
             {"CacheType", "CACHE TYPE"},
             {"Size", "SIZE"},
             {"CreatedSince", "CREATED"},
             {"LastUsedSince", "LAST USED"},
             {"UsageCount", "USAGE"},
             {"Shared", "SHARED"}},
            rows.build_cache));
    return fmt::format(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n\n{}",
        images, containers, volumes, size_of(cache_bytes), cache);
}

/// As templates see them: without the labels that rows keep aside, members in order.
Json shown(const std::vector<Json>& rows) {
    Json all = Json::array();
    for (const Json& row : rows) {
        std::map<std::string, Json> members;
        for (const auto& [name, value] : row.items()) { members.emplace(name, value); }
        members.erase(std::string(labels_member));
        all.push_back(members);
    }
    return all;
}

Result<int> verbose(App& app, const Json& usage, const std::string& format) {
    const bool table = format.starts_with("table");
    const UsageRows rows = usage_rows(usage, now(), table);
    if (format == "table") {
        TRY_LET(page, verbose_page(rows, build_cache_bytes(usage)));
        app.out(page);
        return 0;
    }
    std::string text = replace_all(
        replace_all(table ? trim(std::string_view(format).substr(5)) : format, "\\t", "\t"), "\\n",
        "\n");
    if (text == "json") { text = "{{json .}}"; }
    TRY_LET(prepared, Template::parse(text).with("template parsing error"));
    TemplateOptions options;
    options.type_name = "*formatter.diskUsageContext";
    options.escape_objects = true;
    const Json document{{"Images", shown(rows.images)},
                        {"Containers", shown(rows.containers)},
                        {"Volumes", shown(rows.volumes)},
                        {"BuildCache", shown(rows.build_cache)}};
    TRY_LET(page, prepared.execute(document, options).with("template parsing error"));
    app.out(page);
    return 0;
}

Result<int> df(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(usage, client->json(client::get("/system/df")));
    const bool full = parsed.on("verbose");
    const std::string format = choose_format(
        app, parsed,
        {"",
         full ? "table"
              : "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
         "",
         "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n"});
    if (full) { return verbose(app, usage, format); }
    Listing listing;
    listing.format = format;
    listing.headers = {{"Type", "TYPE"},
                       {"TotalCount", "TOTAL"},
                       {"Active", "ACTIVE"},
                       {"Size", "SIZE"},
                       {"Reclaimable", "RECLAIMABLE"}};
    listing.type_name = "*formatter.diskUsageImagesContext";
    listing.rows = usage_summary(usage);
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

} // namespace

const Command system_df_command{
    "[OPTIONS]", "Show how much space images, containers and volumes take", df_flags, df, {0, 0}};

} // namespace shoal::cli
