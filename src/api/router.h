// The table of operations: which method and path is answered by which function, and what right that
// needs. Patterns have literal segments, `{name}` for one segment and at most one `{name:.*}` that
// may contain slashes:
// "/containers/{name:.*}/json". It finds a route by method and first segment, without regular
// expressions. It does not know versions, errors or sockets: see api/server.h and api/call.h.
#pragma once

#include "base/result.h"
#include "net/task.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::api {

class Call;
using Handler = net::Task<Result<void>> (*)(Call&);

/// What a caller must be allowed to do. Everything but Ping, Read and Stream leaves a line in the
/// audit log.
enum class Right {
    Ping,   ///< is anybody there: no information about objects
    Read,   ///< list and inspect
    Stream, ///< read the output of programs: logs, stats, events, export, archive out
    Write,  ///< create, change, remove objects
    Exec,   ///< run or talk to a program: exec, attach, archive in
    Build,  ///< make images: build, commit, import, load, pull
    Share,  ///< give data to others: push, log in at a registry
    Admin,  ///< the daemon itself and the cluster
};
std::string_view name_of(Right right);
bool is_audited(Right right);

struct Route {
    std::string method; ///< "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"
    std::string pattern;
    Right right;
    Handler handler;
};

/// Values of a pattern's names, decoded. Few, so a list.
using Params = std::vector<std::pair<std::string, std::string>>;

class Router {
  public:
    /// Patterns with more literal segments win; among equals the first one added. Two equal
    /// patterns are a bug.
    void add(Route route);
    void add(std::string_view method, std::string_view pattern, Right right, Handler handler) {
        add(Route{std::string(method), std::string(pattern), right, handler});
    }

    struct Match {
        const Route* route = nullptr; ///< null: page not found
        Params params;
    };
    /// `path` is decoded and without version prefix and query.
    Match find(std::string_view method, std::string_view path) const;
    std::vector<Route> routes() const;

  private:
    struct Segment {
        enum class Kind { Literal, One, Rest } kind = Kind::Literal;
        std::string text; ///< literal text or the name
    };
    struct Compiled {
        Route route;
        std::vector<Segment> segments;
        int literals = 0;
    };
    static bool matches(const Compiled& compiled, const std::vector<std::string_view>& parts,
                        Params* params);
    std::map<std::string, std::vector<Compiled>, std::less<>>
        by_head_; ///< "GET containers" -> best first
};

// Each area adds its operations; api/server.cpp calls them all.
void add_system_routes(Router& router);
void add_absent_routes(
    Router& router); ///< plugins and checkpoints: answered as Docker does without
void add_volume_routes(Router& router);
void add_image_routes(Router& router);
void add_registry_routes(Router& router);
void add_build_routes(Router& router);
void add_build_session_routes(Router& router);
void add_buildkit_routes(Router& router);
void add_container_routes(Router& router);
void add_exec_routes(Router& router);
void add_network_routes(Router& router);
void add_swarm_routes(Router& router); ///< nodes, services, tasks, secrets and configs too

} // namespace shoal::api
