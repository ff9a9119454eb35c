#include "container/runtime.h"

#include "os/file.h"

#include <gtest/gtest.h>

#include <csignal>

namespace shoal::container {
namespace {

using Mode = ShimConfig::Mode;

TEST(Signals, have_names_and_numbers) {
    EXPECT_EQ(parse_signal("SIGTERM"), SIGTERM);
    EXPECT_EQ(parse_signal("usr1"), SIGUSR1);
    EXPECT_EQ(parse_signal("9"), 9);
    EXPECT_EQ(parse_signal("RTMIN"), 34);
    EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
    EXPECT_EQ(parse_signal("RTMAX-1"), 63);
    for (const char* bad :
         {"", "NONSENSE", "0", "-1", "65", "RTMIN-1", "RTMAX+1", "RTMIN+40", "RTMIN+x"}) {
        EXPECT_EQ(parse_signal(bad), 0) << bad;
    }
    EXPECT_EQ(signal_name(SIGCHLD), "SIGCHLD");
    EXPECT_EQ(signal_name(40), "40");
}

TEST(RuntimeError, becomes_dockers_words_and_exit_code) {
    const auto bare = translate_runtime_error(
        "executable file `x` not found in $PATH: No such file or directory", "x", Mode::Run);
    EXPECT_EQ(bare.exit_code, 127);
    EXPECT_EQ(bare.error.code, Errc::Invalid);
    EXPECT_EQ(
        bare.error.message,
        "failed to create task for container: OCI runtime create failed: exec: \"x\": executable file "
        "not found in $PATH");
    const auto path = translate_runtime_error(
        "executable file `/x` not found: No such file or directory", "/x", Mode::Exec);
    EXPECT_EQ(path.exit_code, 127);
    EXPECT_EQ(
        path.error.message,
        "OCI runtime exec failed: exec failed: exec: \"/x\": stat /x: no such file or directory");
    EXPECT_EQ(
        translate_runtime_error("open executable: Permission denied", "/x", Mode::Run).exit_code,
        126);
    const auto other = translate_runtime_error("the disk is on fire", "x", Mode::Run);
    EXPECT_EQ(other.exit_code, 128);
    EXPECT_EQ(other.error.code, Errc::Internal);
}

TEST(RuntimeError, is_the_last_message_of_a_log_with_keys) {
    const auto failure = translate_runtime_error(
        "time=\"2026\" level=warning msg=\"first\"\n"
        R"(time="2026" level=error msg="exec: \"/etc\": permission denied")",
        "/etc", Mode::Exec);
    EXPECT_EQ(failure.exit_code, 126);
    EXPECT_EQ(failure.error.message,
              "OCI runtime exec failed: exec failed: exec: \"/etc\": permission denied");
}

TEST(RuntimeError, of_a_log_is_not_the_runtimes) {
    const auto failure = translate_runtime_error(
        std::string(log_failure_prefix) + "dial tcp://h: Connection refused", "x", Mode::Run);
    EXPECT_EQ(failure.exit_code, 128);
    EXPECT_EQ(
        failure.error.message,
        "failed to create task for container: failed to initialize logging driver: dial tcp://h: Connection refused");
}

TEST(Bundle, forgets_the_run_before) {
    auto directory = os::TempDir::create();
    ASSERT_TRUE(directory);
    ShimExit exit;
    exit.code = 3;
    const std::string file = directory->path() + "/" + std::string(exit_name);
    ASSERT_TRUE(os::write_file_atomic(file, exit_json(exit), {}));
    EXPECT_EQ(*read_exit(directory->path()), exit);
    ASSERT_TRUE(create_bundle(directory->path(), "{}"));
    EXPECT_EQ(read_exit(directory->path()).error().code, Errc::NotFound);
    EXPECT_EQ(*os::read_file(directory->path() + "/config.json"), "{}");
    EXPECT_FALSE(connect_shim(directory->path()));
}

} // namespace
} // namespace shoal::container
