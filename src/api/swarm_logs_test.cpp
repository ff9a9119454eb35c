#include "api/swarm_logs.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

pb::LogMessage message(const std::string& data) {
    pb::LogMessage made;
    made.set_data(data);
    made.set_stream(pb::LOG_STREAM_STDOUT);
    made.mutable_context()->set_node_id("n1");
    made.mutable_context()->set_service_id("s1");
    made.mutable_context()->set_task_id("t1");
    *made.mutable_timestamp() = swarm::to_timestamp(Instant{std::chrono::milliseconds(1500)});
    return made;
}

TEST(SwarmLogs, tails_are_counted_as_the_protocol_does) {
    EXPECT_EQ(*swarm_log_tail(""), 0);
    EXPECT_EQ(*swarm_log_tail("all"), 0);
    EXPECT_EQ(*swarm_log_tail("0"), -1);
    EXPECT_EQ(*swarm_log_tail("10"), -11);
    EXPECT_EQ(swarm_log_tail("-3").error().message, "negative tail values not supported");
    EXPECT_EQ(swarm_log_tail("x").error().message,
              "tail value must be a positive integer or \"all\"");
}

TEST(SwarmLogs, details_always_say_where_a_line_comes_from) {
    auto line = message("hello\n");
    EXPECT_EQ(swarm_log_text(line, {}), "hello\n");
    EXPECT_EQ(swarm_log_text(line, {.timestamps = true}), "1970-01-01T00:00:01.500000000Z hello\n");
    auto& attribute = *line.add_attrs();
    attribute.set_key("colour");
    attribute.set_value("dark red");
    EXPECT_EQ(swarm_log_text(line, {.details = true}),
              "colour=dark%20red,com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,"
              "com.docker.swarm.task.id=t1 hello\n");
}

TEST(SwarmLogs, each_frame_is_one_line) {
    auto error = message("oops"); // without its end
    error.set_stream(pb::LOG_STREAM_STDERR);
    const std::vector<pb::LogMessage> lines{message("hello\n"), error};
    EXPECT_EQ(swarm_log_bytes(lines, {}, true),
              std::string("\x01\0\0\0\0\0\0\x06hello\n\x02\0\0\0\0\0\0\x05oops\n", 27));
    EXPECT_EQ(swarm_log_bytes(lines, {}, false), "hello\noops\n");
}

} // namespace
} // namespace shoal::api
