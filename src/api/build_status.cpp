#include "api/build_status.h"

#include "archive/hash.h"

namespace shoal::api {

using build::Event;
using Kind = build::Event::Kind;

std::string BuildStatus::digest_of(int step) const {
    return archive::sha256_of(salt_ + ":" + std::to_string(step));
}

buildkit::Vertex& BuildStatus::vertex_of(const build::Step& step) {
    const auto [place, is_new] = vertexes_.try_emplace(step.id);
    buildkit::Vertex& vertex = place->second;
    if (is_new) {
        vertex.digest = digest_of(step.id);
        vertex.name = step.name;
        for (const int needed : step.needs) { vertex.inputs.push_back(digest_of(needed)); }
    }
    return vertex;
}

void BuildStatus::add_step(const Event& event, buildkit::Status& status) {
    buildkit::Vertex& vertex = vertex_of(*event.step);
    if (event.kind != Kind::Announced && !vertex.started) { vertex.started = event.at; }
    if (event.kind == Kind::Cached) { vertex.cached = true; }
    if (event.kind == Kind::Failed) { vertex.error = event.text; }
    if (event.kind == Kind::Done || event.kind == Kind::Failed) { vertex.completed = event.at; }
    status.vertexes.push_back(vertex);
}

void BuildStatus::add_progress(const Event& event, buildkit::Status& status) {
    buildkit::VertexStatus progress;
    progress.id = event.text;
    progress.vertex = vertex_of(*event.step).digest;
    progress.name = event.text;
    progress.current = event.current;
    progress.total = event.total;
    progress.at = event.at;
    progress.started =
        progress_begun_.try_emplace(progress.vertex + event.text, event.at).first->second;
    if (event.total > 0 && event.current >= event.total) { progress.completed = event.at; }
    status.statuses.push_back(std::move(progress));
}

void BuildStatus::add_log(const Event& event, buildkit::Status& status) {
    buildkit::VertexLog log;
    log.vertex = vertex_of(*event.step).digest;
    log.at = event.at;
    log.stream = event.error_stream ? 2 : 1;
    log.bytes = event.text;
    if (event.kind == Kind::Notice && !log.bytes.ends_with('\n')) { log.bytes += '\n'; }
    status.logs.push_back(std::move(log));
}

buildkit::Status BuildStatus::take(const Event& event, const std::string& dockerfile) {
    buildkit::Status status;
    switch (event.kind) {
    case Kind::Announced:
    case Kind::Started:
    case Kind::Cached:
    case Kind::Done:
    case Kind::Failed:
        if (event.step != nullptr) { add_step(event, status); }
        break;
    case Kind::Progress:
        if (event.step != nullptr) { add_progress(event, status); }
        break;
    case Kind::Output:
    case Kind::Notice:
        if (event.step != nullptr) { add_log(event, status); }
        break;
    case Kind::Warning: {
        if (!event.warning || vertexes_.empty()) { break; }
        buildkit::VertexWarning warning;
        warning.vertex = vertexes_.begin()->second.digest; // it belongs to no step
        warning.text = event.warning->rule + ": " + event.warning->message;
        warning.file = dockerfile;
        warning.first_line = event.warning->lines.first;
        warning.last_line = event.warning->lines.last;
        status.warnings.push_back(std::move(warning));
        break;
    }
    case Kind::Container:
    case Kind::Removed:
        break; // only classic clients are told
    }
    return status;
}

} // namespace shoal::api
