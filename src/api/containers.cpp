// The table of the operations on containers.
#include "api/container_handlers.h"
#include "api/router.h"
#include "engine/engine.h"
#include "engine/events.h"

namespace shoal::api {

Result<engine::ContainerPtr> named_container(Call& call) {
    return call.engine.containers.find(call.param("name"));
}

Result<WindowSize> window_size(const Call& call) {
    constexpr std::int64_t cells_max = 65535;
    TRY_LET(height, call.query_int("h"));
    TRY_LET(width, call.query_int("w"));
    if (!call.has_query("h") || !call.has_query("w")) {
        return invalid("resize: h and w are required");
    }
    if (height < 0 || height > cells_max || width < 0 || width > cells_max) {
        return invalid("resize: h and w must be between 0 and 65535");
    }
    return WindowSize{static_cast<int>(height), static_cast<int>(width)};
}

void publish_container_event(Call& call, const engine::Container& container, std::string action,
                             Labels extra) {
    engine::Event event{"container", std::move(action), container.id.text(),
                        container.config.labels};
    event.attributes["image"] = container.config.image;
    event.attributes["name"] = container.name;
    event.attributes.insert(extra.begin(), extra.end());
    call.engine.env.events.publish(std::move(event));
}

void add_container_routes(Router& router) {
    const auto add = [&router](const char* method, const char* operation, Right right,
                               Handler handler) {
        router.add(method, std::string("/containers/{name:.*}") + operation, right, handler);
    };
    router.add("GET", "/containers/json", Right::Read, list_containers);
    router.add("GET", "/containers/ps", Right::Read, list_containers);
    router.add("POST", "/containers/create", Right::Write, create_container);
    router.add("POST", "/containers/prune", Right::Write, prune_containers);
    add("GET", "/json", Right::Read, inspect_container);
    add("GET", "/top", Right::Read, top_container);
    add("GET", "/changes", Right::Read, container_changes);
    add("GET", "/logs", Right::Stream, container_logs);
    add("GET", "/stats", Right::Stream, container_stats);
    add("GET", "/export", Right::Stream, export_container);
    add("HEAD", "/archive", Right::Read, stat_archive);
    add("GET", "/archive", Right::Stream, get_archive);
    add("PUT", "/archive", Right::Exec, put_archive);
    add("GET", "/attach/ws", Right::Exec, attach_container_websocket);
    add("POST", "/attach", Right::Exec, attach_container);
    add("POST", "/start", Right::Write, start_container);
    add("POST", "/stop", Right::Write, stop_container);
    add("POST", "/restart", Right::Write, restart_container);
    add("POST", "/kill", Right::Write, kill_container);
    add("POST", "/pause", Right::Write, pause_container);
    add("POST", "/unpause", Right::Write, unpause_container);
    add("POST", "/wait", Right::Write, wait_container);
    add("POST", "/resize", Right::Exec, resize_container);
    add("POST", "/rename", Right::Write, rename_container);
    add("POST", "/update", Right::Write, update_container);
    add("DELETE", "", Right::Write, remove_container);
}

} // namespace shoal::api
