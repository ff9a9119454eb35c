// Network namespaces: named ones (a bind mount keeps them), and work done inside one. A thread that
// works inside is made for it and ends with it, so that no other thread ever changes namespace. It
// knows nothing of links.
#pragma once

#include "os/fd.h"

#include <functional>
#include <string>
#include <vector>

namespace shoal::os {

/// Makes a namespace, keeps it at `path` (file and parents are created), and runs `inside` in it
/// before returning. On any failure nothing stays. Fails: Conflict when something is at `path`
/// already.
Result<Fd> create_netns(const std::string& path, const std::function<Result<void>()>& inside);
/// A namespace without a name: it lives as long as the descriptor or a process in it.
Result<Fd> create_anonymous_netns();
Result<Fd> open_netns(const std::string& path);
/// The namespace of the calling thread.
Result<Fd> current_netns();
/// Takes the name away; the kernel ends the namespace when nobody uses it. Absent is success.
Result<void> remove_netns(const std::string& path);
/// True when `path` is a mounted namespace.
bool is_netns(const std::string& path);

/// Runs `job` inside on a thread of its own and waits for it.
Result<void> run_in_netns(const Fd& netns, const std::function<Result<void>()>& job);

struct SocketKind {
    int domain = 0;
    int type = 0; ///< SOCK_CLOEXEC is added
    int protocol = 0;
};
/// A socket that belongs to the namespace and may be used from anywhere.
Result<Fd> socket_in_netns(const Fd& netns, SocketKind kind);

} // namespace shoal::os
