// GET /system/df: what images, containers and volumes take on disk.
#include "api/call.h"
#include "api/router.h"
#include "api/volume_document.h"
#include "base/text.h"
#include "base/time.h"
#include "engine/engine.h"

#include <set>

namespace shoal::api {
namespace {

using Types = std::set<std::string>;

/// `type=container&type=image...`; none is all.
Result<Types> types_of(const Call& call) {
    const Types known{"container", "image", "volume", "build-cache"};
    Types types;
    for (const auto& type : call.query_all("type")) {
        if (!known.contains(type)) { return invalid("unknown object type: " + type); }
        types.insert(type);
    }
    return types.empty() ? known : types;
}

Json image_row(const engine::ImageSummary& image) {
    Json row{{"Containers", image.containers}};
    row["Created"] = image.info.config ? unix_seconds(image.info.config->created) : 0;
    row["Id"] = oci::prefixed(image.info.id);
    row["Labels"] = image.info.config ? codec::write(image.info.config->config.labels) : Json(nullptr);
    row["ParentId"] = oci::prefixed(image.info.parent);
    row["RepoDigests"] = image.info.repo_digests;
    row["RepoTags"] = image.info.repo_tags;
    row["SharedSize"] = image.shared_size_bytes;
    row["Size"] = image.info.size_bytes;
    return row;
}

Json mount_rows(const engine::Container& container) {
    Json rows = Json::array();
    for (const auto& mount : container.mounts) {
        Json row{{"Type", mount.type}, {"Source", mount.source}, {"Destination", mount.destination}};
        if (!mount.name.empty()) { row["Name"] = mount.name; }
        if (!mount.driver.empty()) { row["Driver"] = mount.driver; }
        row["Mode"] = mount.mode;
        row["RW"] = !mount.read_only;
        row["Propagation"] = mount.propagation;
        rows.push_back(std::move(row));
    }
    return rows;
}

Json container_row(const engine::Container& container, const engine::Sizes& sizes) {
    Json row{{"Id", container.id.text()}, {"Names", Json::array({"/" + container.name})}};
    row["Image"] = container.config.image;
    row["ImageID"] = oci::prefixed(container.image_id);
    auto words = container.args;
    words.insert(words.begin(), container.path);
    row["Command"] = join(words, " ");
    row["Created"] = unix_seconds(container.created);
    row["Ports"] = Json::array();
    row["SizeRw"] = sizes.rw_bytes;
    row["SizeRootFs"] = sizes.root_bytes;
    row["Labels"] = codec::write(container.config.labels);
    row["State"] = to_text(container.state.status);
    row["Status"] = to_text(container.state.status);
    row["HostConfig"] = Json{{"NetworkMode", container.host_config.network_mode}};
    row["NetworkSettings"] = Json{{"Networks", Json::object()}};
    row["Mounts"] = mount_rows(container);
    return row;
}

net::Task<Result<Json>> container_rows(Call& call) {
    Json rows = Json::array();
    for (const auto& container : call.engine.containers.all()) {
        auto sizes = co_await call.engine.containers.sizes(container->id);
        if (!sizes && sizes.error().code == Errc::NotFound) { continue; } // removed meanwhile
        if (!sizes) { co_return std::move(sizes).error(); }
        rows.push_back(container_row(*container, *sizes));
    }
    co_return std::move(rows);
}

} // namespace

net::Task<Result<void>> get_disk_usage(Call& call) {
    CO_TRY_LET(types, types_of(call));
    Json document = Json::object();
    const auto usage = call.engine.images.usage();
    document["LayersSize"] = types.contains("image") ? usage.layers_bytes : 0;
    document["Images"] = nullptr;
    document["Containers"] = nullptr;
    document["Volumes"] = nullptr;
    document["BuildCache"] = types.contains("build-cache") ? Json::array() : Json(nullptr);
    if (types.contains("image")) {
        document["Images"] = Json::array();
        for (const auto& image : usage.images) { document["Images"].push_back(image_row(image)); }
    }
    if (types.contains("container")) {
        CO_TRY_LET(rows, co_await container_rows(call));
        document["Containers"] = std::move(rows);
    }
    if (types.contains("volume")) {
        CO_TRY_LET(volumes, co_await call.engine.volumes.sized());
        document["Volumes"] = Json::array();
        for (const auto& info : volumes) { document["Volumes"].push_back(volume_document(info)); }
    }
    if (call.version < 142) { document["BuilderSize"] = 0; }
    co_return co_await call.json(200, std::move(document));
}

} // namespace shoal::api
