#include "buildkit/status.h"

#include "base/time.h"
#include "buildkit/message.h"
#include "buildkit/timestamp.h"
#include "control.pb.h"

namespace shoal::buildkit {

namespace v1 = moby::buildkit::v1;

namespace {

void add(v1::StatusResponse& out, const Vertex& from) {
    v1::Vertex& to = *out.add_vertexes();
    to.set_digest(from.digest);
    for (const auto& input : from.inputs) { to.add_inputs(input); }
    to.set_name(from.name);
    to.set_cached(from.cached);
    if (from.started) { set_time(*to.mutable_started(), *from.started); }
    if (from.completed) { set_time(*to.mutable_completed(), *from.completed); }
    to.set_error(from.error);
}

void add(v1::StatusResponse& out, const VertexStatus& from) {
    v1::VertexStatus& to = *out.add_statuses();
    to.set_id(from.id);
    to.set_vertex(from.vertex);
    to.set_name(from.name);
    to.set_current(from.current);
    to.set_total(from.total);
    set_time(*to.mutable_timestamp(), from.at);
    if (from.started) { set_time(*to.mutable_started(), *from.started); }
    if (from.completed) { set_time(*to.mutable_completed(), *from.completed); }
}

void add(v1::StatusResponse& out, const VertexLog& from) {
    v1::VertexLog& to = *out.add_logs();
    to.set_vertex(from.vertex);
    set_time(*to.mutable_timestamp(), from.at);
    to.set_stream(from.stream);
    to.set_msg(from.bytes);
}

void add(v1::StatusResponse& out, const VertexWarning& from) {
    v1::VertexWarning& to = *out.add_warnings();
    to.set_vertex(from.vertex);
    to.set_level(from.level);
    to.set_short_(from.text);
    if (!from.detail.empty()) { to.add_detail(from.detail); }
    if (from.first_line == 0) { return; }
    to.mutable_info()->set_filename(from.file);
    pb::Range& range = *to.add_ranges();
    range.mutable_start()->set_line(from.first_line);
    range.mutable_end()->set_line(from.last_line);
}

} // namespace

std::string print_status(const Status& status) {
    v1::StatusResponse out;
    for (const auto& vertex : status.vertexes) { add(out, vertex); }
    for (const auto& one : status.statuses) { add(out, one); }
    for (const auto& log : status.logs) { add(out, log); }
    for (const auto& warning : status.warnings) { add(out, warning); }
    return print_message(out);
}

} // namespace shoal::buildkit
