// Images as objects: lists, history, names, removal. Moving them in and out of the daemon is in
// transfer.cpp.
#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/image_rows.h"
#include "cli/platform.h"
#include "cli/support.h"

#include "base/text.h"
#include "base/time.h"
#include "oci/reference.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {

const std::vector<std::pair<std::string_view, std::string_view>> image_headers = {
    {"ID", "IMAGE ID"},
    {"Repository", "REPOSITORY"},
    {"Tag", "TAG"},
    {"Digest", "DIGEST"},
    {"CreatedSince", "CREATED"},
    {"CreatedAt", "CREATED AT"},
    {"Size", "SIZE"},
    {"Containers", "CONTAINERS"},
    {"VirtualSize", "SIZE"},
    {"SharedSize", "SHARED SIZE"},
    {"UniqueSize", "UNIQUE SIZE"},
};

namespace {

using client::part;

constexpr std::string_view none = "<none>";
constexpr std::string_view unknown = "N/A";

/// The short name in front of a tag or digest.
std::string familiar_name(const std::string& text) {
    const auto reference = oci::Reference::parse(text);
    return reference ? reference->familiar_name() : text.substr(0, text.find('@'));
}

Json image_row(const Json& image, Instant now, ImageRowOptions options) {
    const std::int64_t created = number_of(image, "Created");
    const std::int64_t size = number_of(image, "Size");
    const std::int64_t shared = image.contains("SharedSize") ? number_of(image, "SharedSize") : -1;
    const std::int64_t containers =
        image.contains("Containers") ? number_of(image, "Containers") : -1;
    const std::string id = text_of(image, "Id");
    Json row;
    row["Repository"] = none;
    row["Tag"] = none;
    row["Digest"] = none;
    row["ID"] = options.truncate ? short_id(id) : id;
    row["CreatedSince"] =
        created == zero_time_seconds ? "" : human_duration(now - instant_of(created)) + " ago";
    row["CreatedAt"] = date_text_of(created);
    row["Size"] = size_text(static_cast<double>(size), 3);
    row["VirtualSize"] = human_size(static_cast<double>(size));
    row["Containers"] = containers < 0 ? std::string(unknown) : std::to_string(containers);
    row["SharedSize"] = shared < 0 ? std::string(unknown) : human_size(static_cast<double>(shared));
    row["UniqueSize"] = shared < 0 || size < 0 ? std::string(unknown)
                                               : human_size(static_cast<double>(size - shared));
    return row;
}

/// Names with their tags or digests, in the order of their first appearance.
using Named = std::vector<std::pair<std::string, std::vector<std::string>>>;
Named group_by_name(const Json& references, char separator) {
    Named named;
    for (const Json& item : references) {
        if (!item.is_string()) { continue; }
        const std::string text = item.get<std::string>();
        const auto at = separator == '@' ? text.find('@') : text.rfind(separator);
        if (text.starts_with(none) || at == std::string::npos) { continue; }
        const std::string name = familiar_name(text);
        auto place = std::find_if(named.begin(), named.end(),
                                  [&](const auto& entry) { return entry.first == name; });
        if (place == named.end()) { place = named.insert(named.end(), {name, {}}); }
        place->second.push_back(text.substr(at + 1));
    }
    return named;
}

std::vector<std::string> take(Named& named, const std::string& name) {
    const auto at = std::find_if(named.begin(), named.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    if (at == named.end()) { return {}; }
    auto values = std::move(at->second);
    named.erase(at);
    return values;
}

} // namespace

std::vector<Json> image_rows(const Json& image, Instant now, ImageRowOptions options) {
    const Json base = image_row(image, now, options);
    std::vector<Json> rows;
    const auto add = [&](const std::string& name, std::string_view tag, std::string_view digest) {
        rows.push_back(base);
        rows.back()["Repository"] = name;
        rows.back()["Tag"] = tag;
        rows.back()["Digest"] = digest;
    };
    const Named tags = group_by_name(list_of(image, "RepoTags"), ':');
    Named digests = group_by_name(list_of(image, "RepoDigests"), '@');
    for (const auto& [name, values] : tags) {
        auto of_name = take(digests, name);
        if (!options.digests || of_name.empty()) { of_name.assign(1, std::string(none)); }
        for (const auto& tag : values) {
            for (const auto& digest : of_name) { add(name, tag, digest); }
        }
    }
    for (auto& [name, values] : digests) {
        if (!options.digests) { values.assign(1, std::string(none)); }
        for (const auto& digest : values) { add(name, none, digest); }
    }
    if (rows.empty()) { rows.push_back(base); }
    return rows;
}

Json image_usage_row(const Json& image, Instant now, ImageRowOptions options) {
    Json row = image_rows(image, now, options).front();
    row["Digest"] = "";
    return row;
}

namespace {

// --- ls ---

constexpr Flag images_flags[] = {
    {"all", 'a', Kind::Bool, "Show also images that are only steps of others"},
    {"digests", 0, Kind::Bool, "Show digests"},
    {"filter", 'f', Kind::List, "Show only what fits a condition (key=value)", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"no-trunc", 0, Kind::Bool, "Show ids in full"},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

constexpr std::string_view since_or_unknown =
    "{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}";

std::string images_format(App& app, const Parsed& parsed) {
    const bool digests = parsed.on("digests");
    const std::string table =
        fmt::format("table {{{{.Repository}}}}\t{{{{.Tag}}}}\t{}{{{{.ID}}}}\t{}\t{{{{.Size}}}}",
                    digests ? "{{.Digest}}\t" : "", since_or_unknown);
    const std::string raw =
        fmt::format("repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{}image_id: {{{{.ID}}}}\n"
                    "created_at: {{{{.CreatedAt}}}}\nvirtual_size: {{{{.Size}}}}\n",
                    digests ? "digest: {{.Digest}}\n" : "");
    std::string format =
        choose_format(app, parsed, {"imagesFormat", table, "{{.ID}}", raw, "image_id: {{.ID}}"});
    if (digests && format.starts_with("table") && format.find("{{.Digest}}") == std::string::npos) {
        format += "\t{{.Digest}}";
    }
    return format;
}

Result<int> images(App& app, const Parsed& parsed) {
    Filters filters = filters_of(parsed);
    if (!parsed.words.empty()) { filters.add("reference", parsed.words[0]); }
    net::Query query;
    if (parsed.on("all")) { query.emplace_back("all", "1"); }
    if (!filters.empty()) { query.emplace_back("filters", filters.to_json()); }
    TRY_LET(client, app.client());
    TRY_LET(found, client->json(client::get("/images/json", query)));
    Listing listing;
    listing.format = images_format(app, parsed);
    listing.headers = image_headers;
    listing.type_name = image_row_type;
    ImageRowOptions options;
    options.truncate = !parsed.on("no-trunc");
    options.digests =
        parsed.on("digests") || listing.format.find("{{.Digest}}") != std::string::npos;
    for (const Json& image : found) {
        for (Json& row : image_rows(image, now(), options)) {
            listing.rows.push_back(std::move(row));
        }
    }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- rm ---

constexpr Flag image_rm_flags[] = {
    {"force", 'f', Kind::Bool,
     "Remove also images that are used by stopped containers or have several names"},
    {"no-prune", 0, Kind::Bool, "Keep parents without a name"},
    {"platform", 0, Kind::Words, "Remove only the variant for this platform (os[/arch[/variant]])"},
};

Result<int> image_rm(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("force")) { query.emplace_back("force", "1"); }
    if (parsed.on("no-prune")) { query.emplace_back("noprune", "1"); }
    TRY_LET(client, app.client());
    for (const auto& text : parsed.all("platform")) {
        TRY(need_version(*client, "platform", 150));
        TRY_LET(platform, parse_platform(text));
        query.emplace_back("platforms", dump_json(platform));
    }
    std::string errors;
    bool fatal = false;
    for (const auto& name : parsed.words) {
        auto removed = client->json(client::remove("/images/" + part(name), query));
        if (!removed) {
            fatal = fatal || removed.error().code != Errc::NotFound || !parsed.on("force");
            errors += removed.error().message + "\n";
            continue;
        }
        for (const Json& step : *removed) {
            const std::string deleted = text_of(step, "Deleted");
            app.line(deleted.empty() ? "Untagged: " + text_of(step, "Untagged")
                                     : "Deleted: " + deleted);
        }
    }
    app.err(errors);
    return fatal ? App::failed : 0;
}

// --- history ---

constexpr Flag history_flags[] = {
    {"format", 0, Kind::Text, format_help},
    {"human", 'H', Kind::Bool, "Sizes and dates as people read them", "true"},
    {"no-trunc", 0, Kind::Bool, "Show everything in full"},
    {"platform", 0, Kind::Text, "History of the variant for this platform (os[/arch[/variant]])"},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

constexpr std::size_t created_by_width = 45;

Json history_row(const Json& layer, const Parsed& parsed) {
    const bool human = parsed.on("human", true);
    const bool truncate = !parsed.on("no-trunc");
    const std::int64_t created = number_of(layer, "Created");
    const std::int64_t size = number_of(layer, "Size");
    const std::string id = text_of(layer, "Id");
    const std::string by = replace_all(text_of(layer, "CreatedBy"), "\t", " ");
    Json row;
    row["ID"] = truncate ? short_id(id) : id;
    row["CreatedAt"] = rfc3339_of(created);
    row["CreatedSince"] = !human         ? rfc3339_of(created)
                          : created <= 0 ? std::string(unknown)
                                         : human_duration(now() - instant_of(created)) + " ago";
    row["CreatedBy"] = truncate ? ellipsis(by, created_by_width) : by;
    row["Size"] = human ? size_text(static_cast<double>(size), 3) : std::to_string(size);
    row["Comment"] = text_of(layer, "Comment");
    return row;
}

Result<int> history(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    net::Query query;
    if (parsed.given("platform")) {
        TRY(need_version(*client, "platform", 148));
        TRY_LET(platform, parse_platform(parsed.text("platform")));
        query.emplace_back("platform", dump_json(platform));
    }
    TRY_LET(layers,
            client->json(client::get("/images/" + part(parsed.words[0]) + "/history", query)));
    Listing listing;
    const std::string_view table =
        parsed.on("human", true)
            ? "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
            : "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
    listing.format = choose_format(app, parsed, {"", table, "{{.ID}}"});
    listing.headers = {{"ID", "IMAGE"},
                       {"CreatedSince", "CREATED"},
                       {"CreatedAt", "CREATED AT"},
                       {"CreatedBy", "CREATED BY"},
                       {"Size", "SIZE"},
                       {"Comment", "COMMENT"}};
    listing.type_name = "*image.historyContext";
    for (const Json& layer : layers) { listing.rows.push_back(history_row(layer, parsed)); }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- tag ---

Result<oci::Reference> checked_reference(const std::string& text) {
    auto reference = oci::Reference::parse(text);
    if (reference) { return reference; }
    return std::move(reference).error().with(
        fmt::format("Error parsing reference: {} is not a valid repository/tag", go_quote(text)));
}

Result<int> tag(App& app, const Parsed& parsed) {
    const std::string& source = parsed.words[0];
    if (!(source.size() == 64 && is_hex(source))) { TRY(checked_reference(source)); }
    TRY_LET(target, checked_reference(parsed.words[1]));
    if (target.has_digest()) { return invalid("refusing to create a tag with a digest reference"); }
    const auto tagged = target.with_default_tag();
    TRY_LET(client, app.client());
    TRY(client->call(client::post("/images/" + part(source) + "/tag",
                                  {{"repo", tagged.familiar_name()}, {"tag", tagged.tag()}})));
    return 0;
}

} // namespace

const Command images_command{
    "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_flags, images, {0, 1},
    "image ls, image list, images"};
const Command image_rm_command{
    "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", image_rm_flags, image_rm, {1},
    "image rm, image remove, rmi"};
const Command history_command{
    "[OPTIONS] IMAGE",       "Show how an image was made", history_flags, history, {1, 1},
    "image history, history"};
const Command tag_command{"SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
                          "Give an image one more name",
                          {},
                          tag,
                          {2, 2},
                          "image tag, tag"};

} // namespace shoal::cli
