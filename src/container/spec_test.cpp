#include "container/spec.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::container {
namespace {

using Words = std::vector<std::string>;

/// A container with defaults; tests change what they are about.
struct Wish {
    Config config;
    HostConfig host_config;
    HostFacts host;
    SpecInput input;

    Wish() {
        host.seccomp = false;
        host.memory_swap_accounting = true;
        host.capabilities = {known_capabilities().begin(), known_capabilities().end()};
        input.id = std::string(64, 'a');
        input.root_path = "/merged";
        input.hostname = "box";
        input.command = {"sleep", "1"};
        input.cgroup_path = "/shoal/a";
        input.user.home = "/root";
    }
    Result<Json> make() {
        input.config = &config;
        input.host_config = &host_config;
        input.host = &host;
        return make_spec(input);
    }
    Json spec() {
        auto made = make();
        EXPECT_TRUE(made) << made.error().message;
        return made ? *made : Json::object();
    }
};

Json mount_at(const Json& spec, const std::string& destination) {
    for (const auto& mount : spec["mounts"]) {
        if (mount["destination"] == destination) { return mount; }
    }
    return nullptr;
}
bool has(const Json& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}
bool has_namespace(const Json& spec, const std::string& type) {
    const auto& list = spec["linux"]["namespaces"];
    return std::any_of(list.begin(), list.end(),
                       [&](const Json& entry) { return entry["type"] == type; });
}

TEST(Spec, of_the_defaults_is_confined) {
    const Json spec = Wish().spec();
    EXPECT_EQ(spec["root"], (Json{{"path", "/merged"}, {"readonly", false}}));
    EXPECT_EQ(spec["hostname"], "box");
    for (const char* type : {"mount", "network", "uts", "pid", "ipc"}) {
        EXPECT_TRUE(has_namespace(spec, type)) << type;
    }
    EXPECT_EQ(spec["process"]["capabilities"]["bounding"].size(), 14u);
    EXPECT_TRUE(has(spec["linux"]["maskedPaths"], "/proc/kcore"));
    EXPECT_TRUE(has(spec["linux"]["readonlyPaths"], "/proc/sys"));
    EXPECT_TRUE(has(mount_at(spec, "/sys")["options"], "ro"));
    EXPECT_TRUE(has(mount_at(spec, "/sys/fs/cgroup")["options"], "ro"));
    EXPECT_EQ(spec["linux"]["resources"]["devices"][0],
              (Json{{"allow", false}, {"access", "rwm"}}));
}

TEST(Spec, of_a_privileged_one_is_open) {
    Wish wish;
    wish.host_config.privileged = true;
    const Json spec = wish.spec();
    EXPECT_EQ(spec["process"]["capabilities"]["effective"].size(), known_capabilities().size());
    EXPECT_TRUE(spec["linux"]["maskedPaths"].empty());
    EXPECT_FALSE(has(mount_at(spec, "/sys")["options"], "ro"));
    EXPECT_EQ(spec["linux"]["resources"]["devices"][0]["allow"], true);
    EXPECT_FALSE(spec["linux"].contains("seccomp"));
}

TEST(Spec, joins_namespaces_by_path_and_leaves_out_the_hosts) {
    Wish wish;
    wish.input.namespaces.network = "/run/netns/x";
    wish.input.namespaces.pid = "host";
    wish.input.namespaces.uts = "host";
    const Json spec = wish.spec();
    EXPECT_FALSE(has_namespace(spec, "pid"));
    EXPECT_FALSE(spec.contains("hostname"));
    const auto& list = spec["linux"]["namespaces"];
    EXPECT_TRUE(std::any_of(list.begin(), list.end(), [](const Json& one) {
        return one.value("path", "") == "/run/netns/x";
    }));
}

TEST(Spec, puts_parents_before_children_and_replaces_a_default) {
    Wish wish;
    wish.input.mounts = {{.source = "/h/deep", .destination = "/a/b/c"},
                         {.source = "/h/top", .destination = "/a"},
                         {.source = "/h/shm", .destination = "/dev/shm", .read_only = true}};
    const Json spec = wish.spec();
    Words order;
    for (const auto& mount : spec["mounts"]) { order.push_back(mount["destination"]); }
    EXPECT_LT(std::find(order.begin(), order.end(), "/a"),
              std::find(order.begin(), order.end(), "/a/b/c"));
    EXPECT_EQ(std::count(order.begin(), order.end(), "/dev/shm"), 1);
    EXPECT_TRUE(has(mount_at(spec, "/dev/shm")["options"], "ro"));
}

TEST(Spec, has_an_init_in_front_when_asked) {
    Wish wish;
    wish.host_config.init = true;
    EXPECT_FALSE(wish.make());
    wish.input.init_path = "/usr/bin/shoal-shim";
    const Json spec = wish.spec();
    EXPECT_EQ(spec["process"]["args"], (Words{"/sbin/docker-init", "--", "sleep", "1"}));
    EXPECT_EQ(mount_at(spec, "/sbin/docker-init")["source"], "/usr/bin/shoal-shim");
}

TEST(Spec, keeps_ulimits_within_our_own) {
    Wish wish;
    wish.host.hard_limits = {{"nofile", 1000}, {"nproc", -1}};
    wish.host_config.resources.ulimits = {{"nofile", 5000, 9000}, {"nproc", -1, -1}};
    const Json limits = wish.spec()["process"]["rlimits"];
    ASSERT_EQ(limits.size(), 2u);
    EXPECT_EQ(limits[0]["type"], "RLIMIT_NOFILE");
    EXPECT_EQ(limits[0]["hard"], 1000);
    EXPECT_EQ(limits[1]["hard"], UINT64_MAX);
}

TEST(Environment, is_the_users_over_the_defaults) {
    Wish wish;
    wish.config.env = {"PATH=/own", "A=1", "A=2", "HOSTNAME"};
    wish.config.tty = true;
    (void)wish.make();
    EXPECT_EQ(make_environment(wish.input),
              (Words{"TERM=xterm", "PATH=/own", "A=2", "HOME=/root"}));
}

TEST(Capabilities, are_added_and_dropped) {
    HostConfig host;
    HostFacts facts;
    facts.capabilities = {known_capabilities().begin(), known_capabilities().end()};
    host.cap_drop = {"ALL"};
    host.cap_add = {"net_admin", "CAP_CHOWN"};
    EXPECT_EQ(*make_capabilities(host, facts), (Words{"CAP_CHOWN", "CAP_NET_ADMIN"}));
    host.cap_drop = {"NET_RAW"};
    host.cap_add = {"ALL"};
    EXPECT_EQ(make_capabilities(host, facts)->size(), known_capabilities().size() - 1);
    host.cap_add = {"NONSENSE"};
    EXPECT_EQ(make_capabilities(host, facts).error().message, "invalid capability: \"NONSENSE\"");
    facts.capabilities = {"CAP_CHOWN"};
    host.cap_add = {};
    EXPECT_EQ(*make_capabilities(host, facts), (Words{"CAP_CHOWN"}));
}

TEST(Resources, become_the_runtimes_fields) {
    HostFacts host;
    host.memory_swap_accounting = true;
    Resources wish;
    wish.memory = 64 << 20;
    wish.memory_swap = -1;
    wish.nano_cpus = 1'500'000'000;
    wish.cpuset_cpus = "0-1";
    wish.pids_limit = 50;
    auto made = make_resources(wish, host, {});
    ASSERT_TRUE(made);
    EXPECT_EQ((*made)["memory"], (Json{{"limit", 64 << 20}, {"swap", -1}}));
    EXPECT_EQ((*made)["cpu"], (Json{{"period", 100000}, {"quota", 150000}, {"cpus", "0-1"}}));
    EXPECT_EQ((*made)["pids"], (Json{{"limit", 50}}));
    wish.pids_limit = -1;
    host.memory_swap_accounting = false;
    made = make_resources(wish, host, {});
    EXPECT_FALSE(made->contains("pids"));
    EXPECT_FALSE((*made)["memory"].contains("swap"));
}

TEST(Resources, name_the_device_that_is_not_there) {
    Resources wish;
    wish.blkio_device_read_bps = {{"/dev/absent", 1}};
    EXPECT_EQ(make_resources(wish, {}, {}).error().message, "no such block device: /dev/absent");
    EXPECT_EQ((*make_resources(wish, {},
                               {{"/dev/absent", {8, 0}}}))["blockIO"]["throttleReadBpsDevice"][0],
              (Json{{"major", 8}, {"minor", 0}, {"rate", 1}}));
}

TEST(Exec, has_the_containers_settings_and_its_own) {
    Wish wish;
    wish.config.env = {"A=1"};
    wish.config.working_dir = "/work";
    (void)wish.make();
    ExecConfig exec;
    exec.cmd = {"id"};
    exec.env = {"B=2"};
    exec.privileged = true;
    const auto process = make_exec_process({&exec, &wish.input, {.uid = 5, .gid = 6}});
    ASSERT_TRUE(process);
    EXPECT_EQ((*process)["cwd"], "/work");
    EXPECT_EQ((*process)["user"]["uid"], 5);
    EXPECT_TRUE(has((*process)["env"], "A=1") && has((*process)["env"], "B=2"));
    EXPECT_EQ((*process)["capabilities"]["effective"].size(), known_capabilities().size());
}

} // namespace
} // namespace shoal::container
