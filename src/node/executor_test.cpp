// The executor on a real engine, in namespaces of its own: containers run.
#include "node/executor.h"

#include "base/text.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/loop.h"
#include "net/pool.h"
#include "node/task_config.h"
#include "node/task_secrets.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shoal::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string cgroup_parent = "/shoal-node-test-" + std::to_string(::getpid());
const std::string image = "127.0.0.1:1/busybox"; // of a registry that is not there

bool raise_loopback() {
    const os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    return ::ioctl(socket.raw(), SIOCSIFFLAGS, &request) == 0;
}

/// Before any thread is there.
const bool own_namespaces = ::unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 &&
                            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            raise_loopback();

std::string own_folder() {
    char path[4096];
    const auto size = ::readlink("/proc/self/exe", path, sizeof path);
    const std::string program(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    return program.substr(0, program.rfind('/'));
}

// --- an image with busybox, as a tar ---

std::string tar_entry(const std::string& name, char type, const std::string& link,
                      const std::string& data) {
    std::string head(512, '\0');
    const auto put = [&head](std::size_t at, const std::string& text) {
        head.replace(at, text.size(), text);
    };
    const auto octal = [](std::size_t value, int width) {
        std::string digits;
        for (int i = 0; i < width; ++i, value /= 8) {
            digits.insert(digits.begin(), static_cast<char>('0' + value % 8));
        }
        return digits;
    };
    put(0, name);
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, octal(data.size(), 11));
    put(136, "00000000000");
    put(148, "        ");
    head[156] = type;
    put(157, link);
    put(257, std::string("ustar\0", 6) + "00");
    std::size_t sum = 0;
    for (const char c : head) { sum += static_cast<unsigned char>(c); }
    put(148, octal(sum, 6) + std::string("\0 ", 2));
    std::string padded = data;
    padded.resize((data.size() + 511) / 512 * 512, '\0');
    return head + padded;
}

std::string busybox_tar() {
    std::string tar = tar_entry("bin/", '5', "", "");
    tar += tar_entry("bin/busybox", '0', "", os::read_file("/bin/busybox").value());
    for (const char* applet : {"sh", "cat", "sleep", "stat", "echo", "test", "env"}) {
        tar += tar_entry(std::string("bin/") + applet, '2', "busybox", "");
    }
    return tar + std::string(1024, '\0');
}

// --- a node ---

struct Node {
    Node(const std::string& directory, net::Loop& on) : loop(on) {
        settings.data_root = directory + "/data";
        settings.exec_root = directory + "/exec";
        settings.shim_path = own_folder() + "/shoal-shim";
        settings.init_path = settings.shim_path;
        settings.cgroup_parent = cgroup_parent;
        settings.labels = {"disk=ssd"};
        settings.node_generic_resources = {"gpu=a"};
        (void)os::ensure_directory(settings.data_root);
        store.emplace(std::move(*engine::Store::open(settings.data_root + "/state.db")));
        env.emplace(engine::Env{loop, pool, storage_pool, settings, clock, random, *store, events});
        engine.emplace(*env);
        executor.emplace(*engine, ExecutorSettings{false, directory + "/network_map"});
        pb::Node node;
        node.set_id("nodeid");
        executor->configure(node);
    }
    net::Loop& loop;
    engine::Settings settings;
    net::Pool pool{loop, 4};
    net::Pool storage_pool{loop, 2};
    os::SystemClock clock;
    os::SystemRandom random;
    engine::Events events{loop, clock};
    std::optional<engine::Store> store;
    std::optional<engine::Env> env;
    std::optional<engine::Engine> engine;
    std::optional<EngineExecutor> executor;
};

struct ExecutorTest : testing::Test {
    os::TempDir directory = std::move(*os::TempDir::create("/var/tmp", "shoal-node-"));
    net::Loop loop;
    std::optional<Node> node;
    swarm::Dependencies dependencies;
    std::vector<pb::LogMessage> lines;

    void SetUp() override {
        if (::geteuid() != 0) { GTEST_SKIP() << "needs root"; }
        ASSERT_TRUE(own_namespaces);
        if (!os::exists(own_folder() + "/shoal-shim")) {
            GTEST_SKIP() << "shoal-shim is not built";
        }
        boot();
        const std::string tar = directory.path() + "/image.tar";
        ASSERT_TRUE(os::write_file_atomic(tar, busybox_tar()));
        engine::ImageStreamJob job;
        job.input = std::move(*os::open_file(tar, O_RDONLY));
        engine::ImageImportRequest request;
        request.reference = image;
        const auto made = run(node->engine->images.import(request, std::move(job)));
        ASSERT_TRUE(made) << made.error().message;
    }
    void TearDown() override {
        if (!node) { return; }
        for (const auto& container : node->engine->containers.all()) {
            ADD_FAILURE() << "left: " << container->name;
            engine::RemoveOptions options;
            options.force = true;
            (void)run(node->engine->containers.remove(container->id, options));
        }
        halt(true);
        EXPECT_TRUE(os::Cgroup(*os::detect_cgroups(), cgroup_parent).remove());
        for (const auto& mount : *os::load_mountinfo()) {
            if (!mount.target.starts_with(directory.path())) { continue; }
            ADD_FAILURE() << "left mounted: " << mount.target;
            (void)os::unmount_lazy(mount.target);
        }
    }
    template <class T> T run(net::Task<T> task) { return net::run_task(loop, std::move(task)); }
    void boot() {
        node.emplace(directory.path(), loop);
        const auto started = run(node->engine->start());
        ASSERT_TRUE(started) << started.error().message;
        const auto swept = run(node->executor->sweep());
        ASSERT_TRUE(swept) << swept.error().message;
        const auto restored = run(node->executor->restore_networks());
        ASSERT_TRUE(restored) << restored.error().message;
    }
    void halt(bool for_good) {
        node->settings.live_restore = !for_good;
        run(node->executor->close());
        run(node->engine->stop(Deadline::in(std::chrono::seconds(10))));
        node.reset();
    }

    static pb::Task shell(const std::string& script) {
        pb::Task task;
        task.set_id("0123456789abcdefghijklmno");
        task.set_service_id("serviceid");
        task.set_node_id("nodeid");
        task.set_slot(1);
        task.mutable_service_annotations()->set_name("web");
        auto& container = *task.mutable_spec()->mutable_container();
        container.set_image(image);
        container.add_command("/bin/sh");
        container.add_args("-c");
        container.add_args(script);
        return task;
    }
    std::unique_ptr<swarm::Controller> controller(const pb::Task& task) {
        return node->executor->make_controller(std::make_shared<const pb::Task>(task),
                                               dependencies);
    }
    void give_secret(pb::Task& task, const std::string& bytes) {
        auto secret = std::make_shared<pb::Secret>();
        secret->mutable_spec()->set_data(bytes);
        dependencies.secrets["sid"] = secret;
        auto& reference = *task.mutable_spec()->mutable_container()->add_secrets();
        reference.set_secret_id("sid");
        reference.set_secret_name("pw");
        reference.mutable_file()->set_name("pw");
        reference.mutable_file()->set_uid("7");
        reference.mutable_file()->set_mode(0440);
    }
    static std::string failure(const Result<void>& result) {
        return result ? "" : result.error().message;
    }
    net::Task<Result<void>> keep(pb::LogMessage line) {
        lines.push_back(std::move(line));
        co_return ok();
    }
    void read_logs(swarm::Controller& of, std::int64_t tail = 0) {
        pb::LogSubscriptionOptions options;
        options.set_tail(tail);
        const auto take = [this](pb::LogMessage line) { return keep(std::move(line)); };
        lines.clear();
        const auto read = run(of.logs(options, take, {}));
        EXPECT_TRUE(read) << read.error().message;
    }
};

TEST_F(ExecutorTest, a_task_runs_to_its_end_with_its_secret_in_memory) {
    auto task = shell("cat /run/secrets/pw; stat -c %u:%a /run/secrets/pw; echo $SLOT >&2; exit 3");
    task.mutable_spec()->mutable_container()->add_env("SLOT={{.Task.Slot}}");
    give_secret(task, "s3cret\n");
    const auto web = controller(task);
    EXPECT_EQ(failure(run(web->prepare({}))), "");
    EXPECT_EQ(failure(run(web->prepare({}))), "") << "finds what is there";
    const auto found = node->engine->containers.find("web.1.0123456789abcdefghijklmno");
    ASSERT_TRUE(found);
    EXPECT_EQ(web->status().container.container_id(), (*found)->id.text());
    ASSERT_TRUE(remove_task_files(task_files_root(node->settings.exec_root) + "/" + task.id()))
        << "as a restart of the machine does";
    EXPECT_EQ(failure(run(web->start({}))), "");
    EXPECT_EQ(failure(run(web->wait({}))), "task: non-zero exit (3)");
    EXPECT_EQ(web->status().container.exit_code(), 3);
    read_logs(*web);
    ASSERT_EQ(lines.size(), 3u);
    std::string out, err;
    for (const auto& line : lines) {
        (line.stream() == pb::LOG_STREAM_STDERR ? err : out) += line.data();
    }
    EXPECT_EQ(out, "s3cret\n7:440\n");
    EXPECT_EQ(err, "1\n");
    EXPECT_EQ(lines[0].context().task_id(), task.id());
    read_logs(*web, -2);
    EXPECT_EQ(lines.size(), 1u);
    EXPECT_TRUE(tasks_with_files(task_files_root(node->settings.exec_root)).empty())
        << "the secret went with the program";
    EXPECT_THAT(node->executor->known_tasks(), ElementsAre(task.id()));
    EXPECT_EQ(failure(run(web->remove({}))), "");
    EXPECT_TRUE(node->executor->known_tasks().empty());
    EXPECT_EQ(web->status().container.exit_code(), 3) << "remembered";
}

TEST_F(ExecutorTest, a_task_is_found_again_after_a_restart_of_the_daemon) {
    auto task = shell("trap 'exit 0' TERM; while true; do sleep 0.1; done");
    give_secret(task, "s3cret");
    {
        const auto web = controller(task);
        EXPECT_EQ(failure(run(web->prepare({}))), "");
        EXPECT_EQ(failure(run(web->start({}))), "");
    }
    halt(false);
    boot();
    EXPECT_THAT(tasks_with_files(task_files_root(node->settings.exec_root)),
                ElementsAre(task.id()));
    EXPECT_THAT(node->executor->known_tasks(), ElementsAre(task.id()));
    dependencies = {};
    pb::Task known; // all that an agent may know of it
    known.set_id(task.id());
    const auto web = controller(known);
    EXPECT_GT(web->status().container.pid(), 0);
    EXPECT_EQ(failure(run(web->start({}))), "") << "it runs";
    EXPECT_EQ(failure(run(web->shutdown({}))), "");
    EXPECT_EQ(failure(run(web->shutdown({}))), "") << "harmless";
    EXPECT_EQ(failure(run(web->wait({}))), "");
    EXPECT_EQ(failure(run(web->remove({}))), "");
    EXPECT_TRUE(node->executor->known_tasks().empty());
}

TEST_F(ExecutorTest, files_of_tasks_without_a_container_are_swept) {
    auto task = shell("true");
    give_secret(task, "s3cret");
    const auto directory_of_task = task_files_root(node->settings.exec_root) + "/" + task.id();
    const std::vector<TaskFile> files{{"secret-0", "/x", "s3cret", 0, 0, 0400}};
    ASSERT_TRUE(place_task_files(directory_of_task, files));
    EXPECT_THAT(node->executor->known_tasks(), ElementsAre(task.id()));
    EXPECT_TRUE(run(node->executor->sweep()));
    EXPECT_FALSE(os::exists(directory_of_task));
}

TEST_F(ExecutorTest, health_decides_when_a_task_has_started) {
    auto task = shell("sleep 0.5; echo up > /ready; sleep 1000");
    auto& health = *task.mutable_spec()->mutable_container()->mutable_healthcheck();
    for (const char* word : {"CMD-SHELL", "test -e /ready || { echo not yet; exit 1; }"}) {
        health.add_test(word);
    }
    *health.mutable_interval() = swarm::to_duration(std::chrono::milliseconds(100));
    *health.mutable_timeout() = swarm::to_duration(std::chrono::seconds(5));
    health.set_retries(100);
    *task.mutable_spec()->mutable_container()->mutable_stop_grace_period() = pb::Duration();
    const auto web = controller(task);
    EXPECT_EQ(failure(run(web->prepare({}))), "");
    EXPECT_EQ(failure(run(web->start({}))), "");
    const auto container = *node->engine->containers.find(web->status().container.container_id());
    EXPECT_EQ(container->health.status, container::HealthStatus::Healthy);
    EXPECT_EQ(failure(run(web->remove({}))), "");
    health.set_retries(2);
    health.set_test(1, "echo broken; exit 1");
    const auto bad = controller(task);
    EXPECT_EQ(failure(run(bad->prepare({}))), "");
    EXPECT_EQ(failure(run(bad->start({}))), "task: unhealthy container: broken");
    EXPECT_EQ(bad->status().container.pid(), 0) << "it was stopped";
    EXPECT_EQ(failure(run(bad->remove({}))), "");
}

TEST_F(ExecutorTest, a_port_of_the_node_is_told_with_its_real_number) {
    auto task = shell("sleep 1000");
    for (const std::uint32_t published : {0u, 18080u}) {
        auto& port = *task.mutable_endpoint()->add_ports();
        port.set_name("p" + std::to_string(published));
        port.set_target_port(published == 0 ? 80 : 81);
        port.set_published_port(published);
        port.set_publish_mode(pb::PortConfig::HOST);
    }
    const auto web = controller(task);
    EXPECT_EQ(failure(run(web->prepare({}))), "");
    EXPECT_EQ(failure(run(web->start({}))), "");
    const auto ports = web->status().ports;
    ASSERT_EQ(ports.ports_size(), 2);
    EXPECT_EQ(ports.ports(0).name(), "p0");
    EXPECT_GT(ports.ports(0).published_port(), 0u);
    EXPECT_EQ(ports.ports(1).published_port(), 18080u);
    EXPECT_EQ(failure(run(web->remove({}))), "");
}

TEST_F(ExecutorTest, a_wait_that_is_given_up_leaves_the_task_alone) {
    const auto web = controller(shell("sleep 1000"));
    EXPECT_EQ(failure(run(web->prepare({}))), "");
    EXPECT_EQ(failure(run(web->start({}))), "");
    net::Cancel cancel;
    cancel.cancel();
    const auto given_up = run(web->wait(net::Until(cancel)));
    ASSERT_FALSE(given_up);
    EXPECT_EQ(given_up.error().code, Errc::Cancelled);
    EXPECT_GT(web->status().container.pid(), 0);
    EXPECT_EQ(failure(run(web->remove({}))), "");
}

TEST_F(ExecutorTest, what_cannot_be_is_said_at_once) {
    auto task = shell("true");
    auto& network = *task.add_networks()->mutable_network();
    network.mutable_spec()->mutable_annotations()->set_name("backend");
    network.mutable_driver_state()->set_name("overlay");
    const auto refused = run(controller(task)->prepare({}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Invalid) << "the managers have given it no id";
    auto absent = shell("true");
    absent.mutable_spec()->mutable_container()->set_image("127.0.0.1:1/none:x");
    const auto web = controller(absent);
    const auto missing = run(web->prepare({}));
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("pull 127.0.0.1:1/none:x"));
    EXPECT_NE(missing.error().code, Errc::Unavailable) << "not to be tried again by this task";
    EXPECT_EQ(failure(run(web->remove({}))), "");
}

TEST_F(ExecutorTest, a_container_with_a_tasks_labels_and_another_name_is_no_task) {
    container::CreateRequest request;
    request.config.image = image;
    request.config.cmd = {"/bin/sh"};
    request.config.labels[std::string(label_task_id)] = "0123456789abcdefghijklmno";
    request.config.labels[std::string(label_task_name)] = "web.1.0123456789abcdefghijklmno";
    const auto made = run(node->engine->containers.create(request, "copy", ""));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(node->executor->known_tasks().empty());
    EXPECT_TRUE(run(node->engine->containers.remove(made->id, {})));
}

TEST_F(ExecutorTest, the_node_describes_itself) {
    const auto node_description = run(node->executor->describe({}));
    ASSERT_TRUE(node_description);
    EXPECT_FALSE(node_description->hostname().empty());
    EXPECT_GT(node_description->resources().nano_cpus(), 0);
    EXPECT_GT(node_description->resources().memory_bytes(), 0);
    EXPECT_EQ(node_description->resources().generic(0).named_resource_spec().value(), "a");
    EXPECT_EQ(node_description->engine().labels().at("disk"), "ssd");
    EXPECT_FALSE(node_description->shoal_version().empty());
    std::vector<std::string> networks;
    for (const auto& plugin : node_description->engine().plugins()) {
        if (plugin.type() == "Network") { networks.push_back(plugin.name()); }
    }
    EXPECT_THAT(networks, testing::Contains("overlay"));
}

swarm::NetworkMap map_with(const std::string& network_id, const std::string& task_id) {
    swarm::NetworkMap map;
    const auto change = [&map](const std::string& key, auto fill) {
        swarm::mpb::MapChange made;
        made.set_key(key);
        fill(*made.mutable_item());
        map.change(made);
    };
    change("node/nodeid", [](swarm::mpb::MapItem& item) {
        item.mutable_node()->set_index(1);
        item.mutable_node()->set_address("127.0.0.1");
    });
    change("network/" + network_id, [&](swarm::mpb::MapItem& item) {
        item.mutable_network()->set_id(network_id);
        item.mutable_network()->set_name("backend");
        item.mutable_network()->set_vni(4097);
        item.mutable_network()->add_subnets("10.0.1.0/24");
        item.mutable_network()->add_gateways("10.0.1.1");
    });
    change("endpoint/" + network_id + "/" + task_id, [&](swarm::mpb::MapItem& item) {
        auto& endpoint = *item.mutable_endpoint();
        endpoint.set_task_id(task_id);
        endpoint.set_network_id(network_id);
        endpoint.add_addresses("10.0.1.5");
        endpoint.set_node(1);
    });
    return map;
}

TEST_F(ExecutorTest, a_task_has_its_place_on_a_network_of_the_cluster_also_after_a_restart) {
    const std::string network_id = "app000000000000000000000a";
    auto task = shell("trap 'exit 0' TERM; sleep 1000 & wait");
    const auto map = map_with(network_id, task.id());
    const auto applied = run(node->executor->apply_network_map(map, {}, true, {}));
    ASSERT_TRUE(applied) << applied.error().message;
    auto& attachment = *task.add_networks();
    attachment.add_addresses("10.0.1.5/24");
    auto& network = *attachment.mutable_network();
    network.set_id(network_id);
    network.mutable_spec()->mutable_annotations()->set_name("backend");
    auto& driver = *network.mutable_driver_state();
    driver.set_name("overlay");
    (*driver.mutable_options())["com.docker.network.driver.overlay.vxlanid_list"] = "4097";
    auto& config = *network.mutable_ipam()->add_configs();
    config.set_subnet("10.0.1.0/24");
    config.set_gateway("10.0.1.1");
    auto web = controller(task);
    ASSERT_EQ(failure(run(web->prepare({}))), "");
    ASSERT_EQ(failure(run(web->start({}))), "");
    const auto members = [&] {
        const auto view = node->engine->networks.inspect(network_id);
        return view && view->members.size() == 1 ? view->members[0].ipv4 : "none";
    };
    EXPECT_EQ(members(), "10.0.1.5/24");
    web.reset();
    halt(false);
    boot();
    EXPECT_EQ(members(), "10.0.1.5/24");
    const NetworkId id = *NetworkId::parse(network_id);
    EXPECT_TRUE(os::exists(node->settings.exec_root + "/overlays/" + id.text()));
    web = controller(task);
    EXPECT_EQ(failure(run(web->shutdown({}))), "");
    EXPECT_EQ(failure(run(web->remove({}))), "");
    EXPECT_TRUE(run(node->executor->leave_networks()));
    EXPECT_FALSE(os::exists(node->settings.exec_root + "/overlays/" + id.text()));
    EXPECT_FALSE(os::exists(directory.path() + "/network_map"));
}

} // namespace
} // namespace shoal::node
