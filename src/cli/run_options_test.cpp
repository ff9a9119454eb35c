#include "cli/run_options.h"

#include "cli/commands.h"
#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Result<RunOptions> read(std::vector<std::string> words) {
    words.push_back("busybox");
    auto parsed = parse_flags(flags_of(run_command_table), words, true);
    if (!parsed) { return std::move(parsed).error(); }
    return read_run_options(*parsed, "/work");
}
std::string error(std::vector<std::string> words) {
    auto options = read(std::move(words));
    return options ? "" : options.error().message;
}
Json body(std::vector<std::string> words) { return read(std::move(words))->body; }

TEST(RunOptions, nothing_given_is_an_attached_container_in_the_default_network) {
    EXPECT_EQ(
        dump_json(body({})),
        R"({"Image":"busybox","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":false,)"
        R"("StdinOnce":false,"HostConfig":{"NetworkMode":"default","RestartPolicy":{"Name":"no","MaximumRetryCount":0}},)"
        R"("NetworkingConfig":{"EndpointsConfig":{}}})");
}

TEST(RunOptions, streams_follow_the_flags) {
    const Json interactive = body({"-it"});
    EXPECT_TRUE(interactive["AttachStdin"] && interactive["OpenStdin"] &&
                interactive["StdinOnce"] && interactive["Tty"]);
    const Json detached = body({"-d", "-i"});
    EXPECT_TRUE(detached["OpenStdin"]);
    EXPECT_FALSE(detached["StdinOnce"].get<bool>() || detached["AttachStdout"].get<bool>());
    const Json chosen = body({"-a", "STDERR"});
    EXPECT_TRUE(chosen["AttachStderr"] && !chosen["AttachStdout"].get<bool>());
}

TEST(RunOptions, the_last_setting_of_a_name_counts) {
    EXPECT_EQ(body({"-e", "A=1", "-e", "B=2", "-e", "A=3"})["Env"], (Json{"A=3", "B=2"}));
    EXPECT_EQ(body({"--ulimit", "nofile=5", "--ulimit", "core=1", "--ulimit",
                    "nofile=6"})["HostConfig"]["Ulimits"],
              (Json{{{"Name", "core"}, {"Soft", 1}, {"Hard", 1}},
                    {{"Name", "nofile"}, {"Soft", 6}, {"Hard", 6}}}));
}

TEST(RunOptions, files_of_settings) {
    auto folder = os::TempDir::create();
    const std::string path = folder->path() + "/env", bad = folder->path() + "/bad";
    ASSERT_TRUE(os::write_file_atomic(path, "A=1\n# comment\n\n  B=2 \nSHOAL_NOT_SET\nC\r\n"));
    ASSERT_TRUE(os::write_file_atomic(bad, "A B=1\n"));
    EXPECT_EQ(body({"--env-file", path})["Env"], (Json{"A=1", "B=2 "}));
    EXPECT_EQ(body({"--label-file", path})["Labels"],
              (Json{{"A", "1"}, {"B", "2 "}, {"SHOAL_NOT_SET", ""}, {"C", ""}}));
    EXPECT_EQ(error({"--env-file", bad}),
              "invalid env file (" + bad + "): variable 'A B' contains whitespaces");
    EXPECT_EQ(error({"--env-file", "/nonexist"}), "open /nonexist: no such file or directory");
}

TEST(RunOptions, the_flags_of_one_network_mean_the_first) {
    const Json two = body({"--network", "one", "--network", "name=two,alias=b", "--ip", "10.0.0.2",
                           "--network-alias", "a"});
    EXPECT_EQ(two["HostConfig"]["NetworkMode"], "one");
    EXPECT_EQ(
        dump_json(two["NetworkingConfig"]["EndpointsConfig"]),
        R"({"one":{"Aliases":["a"],"IPAMConfig":{"IPv4Address":"10.0.0.2"}},"two":{"Aliases":["b"]}})");
}

TEST(RunOptions, what_contradicts_itself_is_refused) {
    EXPECT_EQ(error({"--rm", "--restart", "always"}),
              "conflicting options: cannot specify both --restart and --rm");
    EXPECT_EQ(error({"--no-healthcheck", "--health-cmd", "x"}),
              "--no-healthcheck conflicts with --health-* options");
    EXPECT_EQ(
        error({"--network", "foo", "--network", "host"}),
        "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
    EXPECT_EQ(error({"--network", "foo", "--network", "foo"}),
              "network \"foo\" is specified multiple times");
    EXPECT_EQ(error({"--network-alias", "a"}),
              "network-scoped aliases are only supported for user-defined networks");
    EXPECT_EQ(error({"--network", "name=foo,ip=1.2.3.4", "--ip", "1.2.3.5"}),
              "conflicting options: cannot specify both --ip and per-network IPv4 address");
    EXPECT_EQ(error({"--log-driver", "none", "--log-opt", "a=b"}),
              "invalid logging opts for driver none");
}

TEST(RunOptions, what_is_not_supported_is_refused_by_name) {
    EXPECT_EQ(error({"--use-api-socket"}), "--use-api-socket is not supported");
    EXPECT_NE(error({"--disable-content-trust=false"}), "");
}

TEST(RunOptions, wrong_values_name_the_flag) {
    EXPECT_EQ(
        error({"-a", "foo"}),
        "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR");
    EXPECT_EQ(error({"-e", "=x"}),
              "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x");
    EXPECT_EQ(error({"--pid", "foo"}), "--pid: invalid PID mode");
    EXPECT_EQ(error({"--restart", "on-failure:x"}),
              "invalid restart policy format: maximum retry count must be an integer");
    EXPECT_EQ(error({"--pull", "foo"}),
              "invalid pull option: 'foo': must be one of \"always\", \"missing\" or \"never\"");
    EXPECT_EQ(error({"--security-opt", "foo"}), "Invalid --security-opt: \"foo\"");
}

TEST(RunOptions, a_seccomp_profile_is_sent_along) {
    auto folder = os::TempDir::create();
    const std::string path = folder->path() + "/profile.json";
    ASSERT_TRUE(os::write_file_atomic(path, "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }\n"));
    EXPECT_EQ(body({"--security-opt", "seccomp=" + path})["HostConfig"]["SecurityOpt"][0],
              "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
}

} // namespace
} // namespace shoal::cli
