// What a build under way tells, as BuildKit's clients draw it: pieces of work with their inputs and
// times (vertexes), progress within them, what programs write, warnings. Plain values and their
// bytes. Pure.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shoal::buildkit {

struct Vertex {
    std::string digest; ///< "sha256:<hex>": names it within the build
    std::vector<std::string> inputs;
    std::string name;
    bool cached = false;
    std::optional<Instant> started;
    std::optional<Instant> completed;
    std::string error; ///< "" while it has not failed
};
struct VertexStatus {
    std::string id; ///< unique within the vertex
    std::string vertex;
    std::string name;
    std::int64_t current = 0;
    std::int64_t total = 0; ///< 0 when unknown
    Instant at;
    std::optional<Instant> started;
    std::optional<Instant> completed;
};
struct VertexLog {
    std::string vertex;
    Instant at;
    int stream = 1; ///< 1 standard output, 2 standard error
    std::string bytes;
};
struct VertexWarning {
    std::string vertex;
    int level = 1;
    std::string text;
    std::string detail;
    std::string file;
    int first_line = 0; ///< 0 for none
    int last_line = 0;
};
struct Status {
    std::vector<Vertex> vertexes;
    std::vector<VertexStatus> statuses;
    std::vector<VertexLog> logs;
    std::vector<VertexWarning> warnings;
    bool empty() const {
        return vertexes.empty() && statuses.empty() && logs.empty() && warnings.empty();
    }
};

/// StatusResponse of the Control service.
std::string print_status(const Status& status);

} // namespace shoal::buildkit
