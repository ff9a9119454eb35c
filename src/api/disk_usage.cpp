// GET /system/df: what images, containers and volumes take on disk.
#include "api/container_handlers.h"
#include "api/container_texts.h"
#include "api/daemon.h"
#include "api/image_document.h"
#include "api/router.h"
#include "api/volume_document.h"
#include "base/time.h"
#include "build/builder.h"
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

Json cache_record_document(const build::CacheRecord& record, int version) {
    Json row{{"ID", record.id}};
    if (version < 142) {
        row["Parent"] = record.parent;
    } else if (!record.parent.empty()) {
        row["Parents"] = Json::array({record.parent});
    }
    row["Type"] = record.type;
    row["Description"] = record.description;
    row["InUse"] = record.in_use;
    row["Shared"] = record.shared;
    row["Size"] = record.size_bytes;
    row["CreatedAt"] = format_rfc3339(record.created);
    row["LastUsedAt"] = format_rfc3339(record.last_used);
    row["UsageCount"] = record.usage_count;
    return row;
}

net::Task<Result<Json>> container_rows(Call& call) {
    Json rows = Json::array();
    const Instant now = call.daemon.clock.now();
    for (const auto& container : call.engine.containers.all()) {
        auto sizes = co_await call.engine.containers.sizes(container->id);
        if (!sizes && sizes.error().code == Errc::NotFound) { continue; } // removed meanwhile
        if (!sizes) { co_return std::move(sizes).error(); }
        const std::string text =
            texts_of(call).element(call.engine, *container, call.version, now, *sizes);
        CO_TRY_LET(row, parse_json(text));
        rows.push_back(std::move(row));
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
    std::int64_t cache_bytes = 0;
    for (const auto& record : call.daemon.builder.cache()) {
        cache_bytes += record.shared ? 0 : record.size_bytes;
        if (!types.contains("build-cache")) { continue; }
        document["BuildCache"].push_back(cache_record_document(record, call.version));
    }
    if (types.contains("image")) {
        document["Images"] = Json::array();
        for (const auto& image : usage.images) {
            document["Images"].push_back(image_summary_document(image, call.version));
        }
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
    if (call.version < 142) { document["BuilderSize"] = cache_bytes; }
    co_return co_await call.json(200, std::move(document));
}

} // namespace shoal::api
