#include "cli/container_rows.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/formats.h"
#include "cli/support.h"
#include "cli/table.h"
#include "oci/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace shoal::cli {
namespace {

constexpr std::size_t command_width = 20;
constexpr std::size_t mount_width = 15;

struct Port {
    std::int64_t inside = 0;
    std::string ip;
    std::int64_t outside = 0;
    std::string protocol;
    auto operator<=>(const Port&) const = default;
};

struct Range {
    std::string ip;
    std::string protocol;
    std::int64_t first = 0;
    std::int64_t last = 0;
};

std::string address_text(const std::string& ip, const std::string& port) {
    return ip.find(':') == std::string::npos ? ip + ":" + port : "[" + ip + "]:" + port;
}

std::string range_text(const Range& range) {
    const std::string ports = range.first == range.last
                                  ? std::to_string(range.first)
                                  : fmt::format("{}-{}", range.first, range.last);
    const std::string inside = ports + "/" + range.protocol;
    return range.ip.empty() ? inside : address_text(range.ip, ports) + "->" + inside;
}

/// Short where the image is only known by its id, without the digest where the name has a tag too.
std::string image_text(const Json& container, bool truncate) {
    const std::string image = text_of(container, "Image");
    if (image.empty()) { return "<no image>"; }
    if (!truncate) { return image; }
    const std::string id = short_id(text_of(container, "ImageID"));
    if (!id.empty() && id == short_id(image)) { return id; }
    const auto reference = oci::Reference::parse(image);
    if (reference && reference->has_digest() && reference->has_tag()) {
        if (const auto tagged = reference->with_tag(reference->tag())) {
            return tagged->familiar();
        }
    }
    return image;
}

std::string names_text(const Json& container, bool truncate) {
    std::vector<std::string> names;
    for (const Json& item : list_of(container, "Names")) {
        std::string name = item.is_string() ? item.get<std::string>() : "";
        name.erase(0, name.starts_with('/') ? 1 : 0);
        if (truncate && name.find('/') != std::string::npos) { continue; } // a link's name
        names.push_back(std::move(name));
    }
    return join(names, ",");
}

std::string size_column(const Json& container) {
    const auto own = number_of(container, "SizeRw");
    const auto all = number_of(container, "SizeRootFs");
    std::string text = size_text(static_cast<double>(own), 3);
    if (all > 0) { text += fmt::format(" (virtual {})", size_text(static_cast<double>(all), 3)); }
    return text;
}

std::pair<std::string, int> mounts_text(const Json& container, bool truncate) {
    std::vector<std::string> names;
    int local = 0;
    for (const Json& mount : list_of(container, "Mounts")) {
        const std::string name =
            text_of(mount, "Name").empty() ? text_of(mount, "Source") : text_of(mount, "Name");
        names.push_back(truncate ? ellipsis(name, mount_width) : name);
        if (text_of(mount, "Driver") == "local") { ++local; }
    }
    return {join(names, ","), local};
}

std::string networks_text(const Json& container) {
    std::vector<std::string> names;
    const auto settings = container.find("NetworkSettings");
    if (settings == container.end() || !settings->is_object()) { return ""; }
    const auto networks = settings->find("Networks");
    if (networks == settings->end() || !networks->is_object()) { return ""; }
    for (const auto& [name, value] : networks->items()) { names.push_back(name); }
    std::sort(names.begin(), names.end());
    return join(names, ",");
}

} // namespace

const std::vector<std::pair<std::string_view, std::string_view>> container_headers = {
    {"ID", "CONTAINER ID"},      {"Names", "NAMES"},
    {"Image", "IMAGE"},          {"Command", "COMMAND"},
    {"CreatedAt", "CREATED AT"}, {"Ports", "PORTS"},
    {"RunningFor", "CREATED"},   {"State", "STATE"},
    {"Status", "STATUS"},        {"Size", "SIZE"},
    {"Labels", "LABELS"},        {"Mounts", "MOUNTS"},
    {"Networks", "NETWORKS"},    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Platform", "PLATFORM"},
};

std::string ports_text(const Json& ports) {
    std::vector<Port> all;
    for (const Json& port : ports) {
        all.push_back({number_of(port, "PrivatePort"), text_of(port, "IP"),
                       number_of(port, "PublicPort"), text_of(port, "Type")});
    }
    std::sort(all.begin(), all.end());
    // A range goes on as long as the next port of the same address and protocol is its neighbour;
    // what is mapped to another number stands for itself, at the end.
    std::vector<std::string> texts, mapped;
    std::vector<Range> open;
    for (const Port& port : all) {
        if (!port.ip.empty() && port.outside != port.inside) {
            mapped.push_back(fmt::format("{}->{}/{}",
                                         address_text(port.ip, std::to_string(port.outside)),
                                         port.inside, port.protocol));
            continue;
        }
        const auto at = std::find_if(open.begin(), open.end(), [&](const Range& range) {
            return range.ip == port.ip && range.protocol == port.protocol;
        });
        if (at == open.end()) {
            open.push_back({port.ip, port.protocol, port.inside, port.inside});
        } else if (port.inside == at->last + 1) {
            at->last = port.inside;
        } else {
            texts.push_back(range_text(*at));
            at->first = at->last = port.inside;
        }
    }
    for (const Range& range : open) { texts.push_back(range_text(range)); }
    texts.insert(texts.end(), mapped.begin(), mapped.end());
    return join(texts, ", ");
}

Json container_row(const Json& container, Instant now, bool truncate) {
    const std::string id = text_of(container, "Id");
    const std::string command = text_of(container, "Command");
    const std::int64_t created = number_of(container, "Created");
    const auto [mounts, local] = mounts_text(container, truncate);
    const Json labels = labels_of(container);
    Json row;
    row["ID"] = truncate ? short_id(id) : id;
    row["Names"] = names_text(container, truncate);
    row["Image"] = image_text(container, truncate);
    row["Command"] = go_quote(truncate ? ellipsis(command, command_width) : command);
    row["CreatedAt"] = date_text_of(created);
    row["RunningFor"] = human_duration(now - instant_of(created)) + " ago";
    row["Ports"] = ports_text(list_of(container, "Ports"));
    row["State"] = text_of(container, "State");
    row["Status"] = text_of(container, "Status");
    row["Size"] = size_column(container);
    row["Labels"] = labels_text(labels);
    row[std::string(labels_member)] = labels;
    row["Mounts"] = mounts;
    row["LocalVolumes"] = std::to_string(local);
    row["Networks"] = networks_text(container);
    row["Platform"] = nullptr;
    return row;
}

} // namespace shoal::cli
