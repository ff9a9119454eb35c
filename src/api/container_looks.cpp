// Looking at containers: list, inspect, top, changes.
#include "api/container_filter.h"
#include "api/container_handlers.h"
#include "api/container_texts.h"
#include "api/daemon.h"
#include "engine/engine.h"
#include "engine/settings.h"

namespace shoal::api {

ContainerTexts& texts_of(Call& call) {
    if (!call.daemon.container_texts) {
        call.daemon.container_texts = std::make_shared<ContainerTexts>();
    }
    return *call.daemon.container_texts;
}

namespace {

constexpr int parents_max = 256; ///< of an image

/// The image itself or one it was made from.
bool descends_from(const engine::Images& images, const engine::ImageId& image,
                   const engine::ImageId& ancestor) {
    engine::ImageId at = image;
    for (int i = 0; i < parents_max && !at.empty(); ++i) {
        if (at == ancestor) { return true; }
        const auto info = images.find(at);
        if (!info) { return false; }
        at = info->parent;
    }
    return false;
}

void find_ancestors(Call& call, ContainerFilter& filter) {
    for (const auto& name : filter.filters.values("ancestor")) {
        const auto ancestor = call.engine.images.resolve(name);
        if (!ancestor) { continue; } // nothing descends from what is not there
        for (const auto& container : call.engine.containers.all()) {
            if (descends_from(call.engine.images, container->image_id, ancestor->id)) {
                filter.ancestors.insert(container->image_id.text());
            }
        }
    }
}

Result<ContainerFilter> list_filter(Call& call, std::int64_t limit) {
    TRY_LET(filters, call.filters());
    TRY_LET(filter, ContainerFilter::parse(std::move(filters), call.query_bool("all"), limit > 0));
    find_ancestors(call, filter);
    for (const auto& name : filter.filters.values("before")) {
        TRY_LET(other, call.engine.containers.find(name));
        filter.before = std::min(filter.before.value_or(other->created), other->created);
    }
    for (const auto& name : filter.filters.values("since")) {
        TRY_LET(other, call.engine.containers.find(name));
        filter.since = std::max(filter.since.value_or(other->created), other->created);
    }
    return std::move(filter);
}

} // namespace

net::Task<Result<void>> list_containers(Call& call) {
    CO_TRY_LET(limit, call.query_int("limit"));
    CO_TRY_LET(filter, list_filter(call, limit));
    ContainerTexts& texts = texts_of(call);
    const Instant now = call.daemon.clock.now();
    const bool with_size = call.query_bool("size");
    if (filter.filters.empty() && limit <= 0 && !with_size) {
        co_return co_await call.json_text(200,
                                          texts.list(call.engine, call.version, filter.all, now));
    }
    std::string body = "[";
    std::int64_t count = 0;
    for (const auto& container : call.engine.containers.all()) {
        if (!filter.matches(*container)) { continue; }
        if (limit > 0 && count == limit) { break; }
        std::optional<engine::Sizes> sizes;
        if (with_size) {
            auto measured = co_await call.engine.containers.sizes(container->id);
            if (!measured) { continue; } // removed meanwhile
            sizes = *measured;
        }
        body += count++ == 0 ? "" : ",";
        body += texts.element(call.engine, *container, call.version, now, sizes);
    }
    co_return co_await call.json_text(200, body + "]\n");
}

net::Task<Result<void>> inspect_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    std::optional<engine::Sizes> sizes;
    if (call.query_bool("size")) {
        CO_TRY_LET(measured, co_await call.engine.containers.sizes(container->id));
        sizes = measured;
    }
    DocumentContext context;
    context.version = call.version;
    context.data_root = call.engine.env.settings.data_root;
    if (const auto image = call.engine.images.find(container->image_id)) {
        for (auto layer = image->layers.rbegin(); layer != image->layers.rend(); ++layer) {
            context.layer_dirs.push_back(context.data_root + "/layers/" + layer->text() + "/diff");
        }
    }
    context.network_id = [&call](const std::string& name) {
        const auto network = call.engine.networks.find(name);
        return network ? network->id.text() : std::string();
    };
    co_return co_await call.json(200, inspect_document(*container, context, sizes));
}

net::Task<Result<void>> top_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    const std::string asked = call.query_text("ps_args");
    CO_TRY_LET(table, co_await call.engine.containers.top(container->id, asked));
    Json document{{"Titles", table.titles}, {"Processes", table.processes}};
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> container_changes(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(changes, co_await call.engine.containers.changes(container->id));
    Json list = Json::array();
    for (const auto& change : changes) {
        list.push_back(Json{{"Path", change.path}, {"Kind", static_cast<int>(change.kind)}});
    }
    co_return co_await call.json(200, std::move(list));
}

} // namespace shoal::api
