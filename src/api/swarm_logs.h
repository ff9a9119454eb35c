// Logs of services and tasks: lines of many nodes as one stream, in the frames of a container's
// logs. What a request means and what a line looks like are pure functions; where lines come from
// is the cluster's business (swarm/manager/control/face.h).
#pragma once

#include "api/call.h"
#include "container/log_reader.h"
#include "swarm/manager/control/face.h"

namespace shoal::api {

struct SwarmLogRequest {
    swarm::pb::LogSubscriptionOptions options;
    container::LogFormat format;
};
/// From the query. Fails: Invalid for no stream, a tail that is no number, a time.
Result<SwarmLogRequest> swarm_log_request(const Call& call, Instant now);
/// Of "tail": lines from the end as the protocol counts them: 0 is all of them, -1 is none, -(n+1)
/// the last n. Fails: Invalid.
Result<std::int64_t> swarm_log_tail(std::string_view text);

/// One line as the client gets it. With details it always says where it comes from; it ends with a
/// line feed, so that each frame is one line.
std::string swarm_log_text(const swarm::pb::LogMessage& message, container::LogFormat format);
/// The lines as bytes of the stream, in frames where the task has no terminal.
std::string swarm_log_bytes(const std::vector<swarm::pb::LogMessage>& lines,
                            container::LogFormat format, bool framed);

net::Task<Result<void>> service_logs(Call& call);
net::Task<Result<void>> task_logs(Call& call);

} // namespace shoal::api
