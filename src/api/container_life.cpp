// Create, start, stop and the other changes of a container's state.
#include "api/container_handlers.h"
#include "api/create_shaping.h"
#include "api/stream_pump.h"
#include "base/text.h"
#include "container/config_codec.h"
#include "engine/engine.h"
#include "oci/manifest.h"

namespace shoal::api {

namespace {

Result<void> check_platform(Call& call, const std::string& image_name) {
    const std::string text = call.query_text("platform");
    if (text.empty() || call.version < 141) { return ok(); }
    TRY_LET(wanted, oci::parse_platform(text));
    TRY_LET(image, call.engine.images.resolve(image_name));
    oci::Platform have;
    have.os = image.config->os;
    have.architecture = image.config->architecture;
    have.variant = image.config->variant;
    if (oci::satisfies(have, wanted)) { return ok(); }
    return Error{Errc::NotFound,
                 "image with reference " + image_name +
                     " was found but does not match the specified platform: wanted " +
                     oci::platform_text(wanted) + ", actual: " + oci::platform_text(have)};
}

struct StopWish {
    std::string signal;
    std::optional<std::chrono::milliseconds> grace;
};
Result<StopWish> stop_wish(const Call& call) {
    StopWish wish;
    if (call.version >= 142) { wish.signal = call.query_text("signal"); }
    if (!call.query_text("t").empty()) {
        TRY_LET(seconds, call.query_int("t"));
        if (!std::in_range<int>(seconds)) { return invalid("t: out of range"); }
        wish.grace = std::chrono::seconds(seconds);
    }
    return wish;
}

net::Task<Result<void>> kill_named(Call& call) {
    CO_TRY_LET(container, named_container(call));
    co_return co_await call.engine.containers.kill(container->id, call.query_text("signal"));
}

} // namespace

net::Task<Result<void>> create_container(Call& call) {
    CO_TRY_LET(request, co_await call.body<container::CreateRequest>());
    if (request.config.image.empty()) { co_return invalid("Config.Image: no image specified"); }
    CO_TRY_LET(warnings, shape_create(request, call.version));
    CO_TRY(check_platform(call, request.config.image));
    auto& containers = call.engine.containers;
    CO_TRY_LET(created, co_await containers.create(std::move(request), call.query_text("name"),
                                                   call.query_text("platform")));
    call.note(created.id.text());
    warnings.insert(warnings.end(), created.warnings.begin(), created.warnings.end());
    Json document{{"Id", created.id.text()}, {"Warnings", Json(warnings)}};
    co_return co_await call.json(201, std::move(document));
}

net::Task<Result<void>> start_container(Call& call) {
    CO_TRY_LET(body, co_await call.body_text());
    const std::string_view text = trim(body);
    if (!text.empty() && text != "{}" && text != "null") {
        co_return invalid(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    }
    for (const char* name : {"checkpoint", "checkpoint-dir"}) {
        if (!call.query_text(name).empty()) {
            co_return unsupported("checkpoints are not supported");
        }
    }
    if (const std::string keys = call.query_text("detachKeys"); !keys.empty()) {
        CO_TRY(detach_key_bytes(keys));
    }
    CO_TRY_LET(container, named_container(call));
    CO_TRY(co_await call.engine.containers.start(container->id));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> stop_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(wish, stop_wish(call));
    CO_TRY(co_await call.engine.containers.stop(container->id, wish.signal, wish.grace));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> restart_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(wish, stop_wish(call));
    CO_TRY(co_await call.engine.containers.restart(container->id, wish.signal, wish.grace));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> kill_container(Call& call) {
    auto killed = co_await kill_named(call);
    if (!killed) {
        co_return std::move(killed).error().with("cannot kill container: " + call.param("name"));
    }
    co_return co_await call.empty(204);
}

net::Task<Result<void>> pause_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY(co_await call.engine.containers.pause(container->id));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> unpause_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY(co_await call.engine.containers.unpause(container->id));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> rename_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    const std::string name = call.query_text("name");
    if (name.empty()) { co_return invalid("Neither old nor new names may be empty"); }
    CO_TRY(co_await call.engine.containers.rename(container->id, name));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> update_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(request, co_await call.body<container::UpdateRequest>());
    shape_update(request, call.version);
    CO_TRY_LET(warnings, co_await call.engine.containers.update(container->id, std::move(request)));
    Json document{{"Warnings", warnings.empty() ? Json(nullptr) : Json(warnings)}};
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> remove_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    engine::RemoveOptions options;
    options.force = call.query_bool("force");
    options.volumes = call.query_bool("v");
    options.link = call.query_bool("link");
    CO_TRY(co_await call.engine.containers.remove(container->id, options));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> prune_containers(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(pruned, co_await call.engine.containers.prune(std::move(filters)));
    Json ids = pruned.ids.empty() ? Json(nullptr) : Json::array();
    for (const auto& id : pruned.ids) { ids.push_back(id.text()); }
    Json document{{"ContainersDeleted", std::move(ids)},
                  {"SpaceReclaimed", pruned.reclaimed_bytes}};
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> resize_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(size, window_size(call));
    CO_TRY(co_await call.engine.containers.resize(container->id, size.height, size.width));
    co_return co_await call.empty(200);
}

} // namespace shoal::api
