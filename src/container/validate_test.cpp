#include "container/validate.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

HostFacts facts() {
    HostFacts facts;
    facts.cpus = 2;
    facts.memory_swap_accounting = true;
    facts.capabilities = {known_capabilities().begin(), known_capabilities().end()};
    return facts;
}

/// What is said about a request that `change` was made to; "" when it is fine.
template <class F> std::string problem(F change) {
    CreateRequest request;
    request.config.image = "x";
    change(request);
    auto checked = validate_create(request, facts());
    return checked ? "" : checked.error().message;
}
using Request = CreateRequest&;

TEST(Validate, is_content_with_an_empty_request) {
    EXPECT_EQ(problem([](Request) {}), "");
}

TEST(Validate, names_the_limit_that_is_wrong) {
    EXPECT_EQ(problem([](Request r) { r.host_config.resources.memory = 1000; }),
              "Minimum memory limit allowed is 6MB");
    EXPECT_NE(problem([](Request r) {
                  r.host_config.resources.memory_swap = 10 << 20;
              }).find("You should always set the Memory limit"),
              std::string::npos);
    EXPECT_NE(problem([](Request r) {
                  r.host_config.resources.nano_cpus = 3'000'000'000;
              }).find("range of CPUs is from 0.01 to 2.00"),
              std::string::npos);
    EXPECT_NE(problem([](Request r) {
                  r.host_config.resources.cpuset_cpus = "7";
              }).find("Requested CPUs are not available"),
              std::string::npos);
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.resources.ulimits = {{"nonsense", 1, 1}};
              }),
              "invalid ulimit type: nonsense");
    EXPECT_NE(problem([](Request r) { r.host_config.resources.ulimits = {{"nofile", 2, 1}}; }), "");
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.resources.device_requests = {
                      {.driver = "nvidia", .capabilities = {{"gpu"}}}};
              }),
              "could not select device driver \"nvidia\" with capabilities: [[gpu]]");
    EXPECT_EQ(problem([](Request r) { r.host_config.resources.pids_limit = -1; }), "");
    EXPECT_NE(problem([](Request r) { r.host_config.resources.pids_limit = -2; }), "");
}

TEST(Validate, refuses_policies_that_contradict) {
    EXPECT_NE(problem([](Request r) { r.host_config.restart_policy.name = "sometimes"; }), "");
    EXPECT_NE(problem([](Request r) { r.host_config.restart_policy = {"always", 2}; }), "");
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.restart_policy.name = "always";
                  r.host_config.auto_remove = true;
              }),
              "can't create 'AutoRemove' container with restart policy");
}

TEST(Validate, refuses_modes_that_contradict) {
    const auto with_mode = [](const char* mode, auto change) {
        return problem([&](Request r) {
            r.host_config.network_mode = mode;
            change(r);
        });
    };
    EXPECT_EQ(with_mode("container:x", [](Request r) { r.config.hostname = "h"; }),
              "conflicting options: hostname and the network mode");
    EXPECT_NE(with_mode("container:x", [](Request r) { r.host_config.port_bindings["80/tcp"]; })
                  .find("port publishing"),
              std::string::npos);
    EXPECT_NE(with_mode("container:", [](Request) {}), "");
    EXPECT_NE(problem([](Request r) { r.host_config.pid_mode = "nonsense"; }), "");
    EXPECT_NE(problem([](Request r) { r.host_config.userns_mode = "private"; }), "");
}

TEST(Validate, lets_only_namespaced_sysctls_pass) {
    EXPECT_EQ(problem([](Request r) { r.host_config.sysctls["net.ipv4.ip_forward"] = "1"; }), "");
    EXPECT_EQ(problem([](Request r) { r.host_config.sysctls["kernel.shmmax"] = "1"; }), "");
    for (const char* name :
         {"kernel.panic", "vm.swappiness", "net/../kernel.panic", "fs.file-max"}) {
        EXPECT_NE(problem([&](Request r) { r.host_config.sysctls[name] = "1"; }), "") << name;
    }
    EXPECT_NE(problem([](Request r) {
                  r.host_config.sysctls["net.core.somaxconn"] = "1";
                  r.host_config.network_mode = "host";
              }),
              "");
}

TEST(Validate, knows_log_drivers_and_their_options) {
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.log_config = {"json-file",
                                              {{"max-size", "1m"}, {"mode", "non-blocking"}}};
              }),
              "");
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.log_config = {"nonsense", {}};
              }),
              "logger: no log driver named 'nonsense' is registered");
    EXPECT_EQ(problem([](Request r) {
                  r.host_config.log_config = {"json-file", {{"nonsense", "1"}}};
              }),
              "unknown log opt 'nonsense' for json-file log driver");
    EXPECT_NE(problem([](Request r) {
                  r.host_config.log_config = {"json-file", {{"mode", "sometimes"}}};
              }),
              "");
}

TEST(Validate, knows_which_runtimes_there_are) {
    CreateRequest request;
    request.host_config.runtime = "runc";
    EXPECT_EQ(validate_create(request, facts()).error().message,
              "unknown or invalid runtime name: runc");
    EXPECT_TRUE(validate_create(request, facts(), {.runtimes = {"crun", "runc"}}));
}

TEST(Update, checks_a_new_limit_against_the_old_ones) {
    Resources present;
    present.memory = 64 << 20;
    present.memory_swap = 100 << 20;
    UpdateRequest update;
    update.resources.memory = 128 << 20;
    const auto refused = validate_update(update, present, {}, false, facts());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("memoryswap"), std::string::npos);
    update.resources.memory_swap = 256 << 20;
    EXPECT_TRUE(validate_update(update, present, {}, false, facts()));
    UpdateRequest policy;
    policy.restart_policy = RestartPolicy{"always"};
    EXPECT_FALSE(validate_update(policy, {}, {}, true, facts()));
}

TEST(ContainerName, is_a_word_of_two_letters_or_more) {
    EXPECT_TRUE(validate_container_name("web_1.a-b"));
    for (const char* bad : {"", "a", "-ab", "a b", "a/b", "\xc3\xa4\xc3\xa4"}) {
        EXPECT_FALSE(validate_container_name(bad)) << bad;
    }
}

TEST(SecurityOptions, have_two_separators) {
    const auto options =
        parse_security_options({"no-new-privileges", "seccomp=unconfined", "label:disable"});
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->no_new_privileges);
    EXPECT_EQ(options->seccomp, "unconfined");
    EXPECT_EQ(options->label, (std::vector<std::string>{"disable"}));
    EXPECT_FALSE(parse_security_options({"nonsense"}));
    EXPECT_FALSE(parse_security_options({"no-new-privileges=perhaps"}));
}

TEST(Defaults, are_filled_in_once) {
    CreateRequest request;
    request.host_config.resources.memory = 64 << 20;
    CreateDefaults defaults;
    defaults.log = {"json-file", {{"max-size", "1m"}}};
    fill_defaults(request, defaults);
    EXPECT_EQ(request.host_config.network_mode, "default");
    EXPECT_EQ(request.host_config.resources.memory_swap, 128 << 20);
    EXPECT_EQ(request.host_config.log_config.config["max-size"], "1m");
    request.host_config.log_config = {"local", {}};
    fill_defaults(request, defaults);
    EXPECT_TRUE(request.host_config.log_config.config.empty());
}

} // namespace
} // namespace shoal::container
