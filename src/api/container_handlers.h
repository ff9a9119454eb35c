// The functions that answer the operations on containers and execs, by file. Only the route table
// names them.
#pragma once

#include "api/call.h"
#include "engine/container.h"
#include "engine/containers.h"

namespace shoal::api {

// container_looks.cpp
net::Task<Result<void>> list_containers(Call& call);
net::Task<Result<void>> inspect_container(Call& call);
net::Task<Result<void>> top_container(Call& call);
net::Task<Result<void>> container_changes(Call& call);

// container_life.cpp
net::Task<Result<void>> create_container(Call& call);
net::Task<Result<void>> start_container(Call& call);
net::Task<Result<void>> stop_container(Call& call);
net::Task<Result<void>> restart_container(Call& call);
net::Task<Result<void>> kill_container(Call& call);
net::Task<Result<void>> pause_container(Call& call);
net::Task<Result<void>> unpause_container(Call& call);
net::Task<Result<void>> rename_container(Call& call);
net::Task<Result<void>> update_container(Call& call);
net::Task<Result<void>> remove_container(Call& call);
net::Task<Result<void>> prune_containers(Call& call);
net::Task<Result<void>> resize_container(Call& call);

// container_streams.cpp
net::Task<Result<void>> wait_container(Call& call);
net::Task<Result<void>> container_logs(Call& call);
net::Task<Result<void>> container_stats(Call& call);

// container_attach.cpp
net::Task<Result<void>> attach_container(Call& call);
net::Task<Result<void>> attach_container_websocket(Call& call);

// container_files.cpp
net::Task<Result<void>> stat_archive(Call& call);
net::Task<Result<void>> get_archive(Call& call);
net::Task<Result<void>> put_archive(Call& call);
net::Task<Result<void>> export_container(Call& call);

/// The container that the path names.
Result<engine::ContainerPtr> named_container(Call& call);

/// A number of the query that must be there: height and width.
struct WindowSize {
    int height = 0;
    int width = 0;
};
Result<WindowSize> window_size(const Call& call);

/// The texts of lists, which the daemon keeps between requests.
class ContainerTexts;
ContainerTexts& texts_of(Call& call);

/// An event about a container that the engine does not see: attach, detach, archive-path, ...
void publish_container_event(Call& call, const engine::Container& container, std::string action,
                             Labels extra = {});

} // namespace shoal::api
