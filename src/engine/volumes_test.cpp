#include "engine/volumes.h"

#include "engine/env.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace shoal::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Names = std::vector<std::string>;

/// Mounts of volumes stay inside this process.
const bool own_mounts =
    ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;

/// The containers that name volumes.
struct Users : VolumeUsers {
    std::map<std::string, std::vector<ContainerId>> all;
    std::vector<ContainerId> volume_users(const std::string& volume) const override {
        const auto found = all.find(volume);
        return found == all.end() ? std::vector<ContainerId>{} : found->second;
    }
};

struct VolumesTest : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create("/tmp", "shoal-volumes-"));
    Settings settings;
    net::Loop loop;
    net::Pool pool{loop, 2};
    net::Pool storage_pool{loop, 2};
    os::SystemClock clock;
    os::SystemRandom random;
    Events events{loop, clock};
    Store store = std::move(*Store::open(dir.path() + "/state.db"));
    Env env{loop, pool, storage_pool, settings, clock, random, store, events};
    Users users;
    std::optional<Volumes> volumes;
    const ContainerId web = ContainerId::fresh(random);
    const ContainerId db = ContainerId::fresh(random);

    void SetUp() override {
        ASSERT_TRUE(own_mounts);
        settings.data_root = dir.path() + "/data";
        settings.exec_root = dir.path() + "/exec";
        boot();
    }
    void TearDown() override {
        volumes.reset();
        const auto mounts = os::load_mountinfo();
        for (const auto& mount : *mounts) {
            if (!mount.target.starts_with(dir.path())) { continue; }
            ADD_FAILURE() << "left mounted: " << mount.target;
            (void)os::unmount_lazy(mount.target);
        }
    }
    /// As the daemon does at start; what was in memory is gone.
    void boot() {
        volumes.emplace(env);
        volumes->set_users(users);
        const auto loaded = run(volumes->load());
        ASSERT_TRUE(loaded) << loaded.error().message;
    }
    template <class T> T run(net::Task<T> task) { return net::run_task(loop, std::move(task)); }

    static VolumeRequest named(std::string name, std::map<std::string, std::string> options = {},
                               Labels labels = {}) {
        VolumeRequest request;
        request.name = std::move(name);
        request.options = std::move(options);
        request.labels = std::move(labels);
        return request;
    }
    VolumeInfo create(VolumeRequest request) {
        auto made = run(volumes->create(std::move(request)));
        EXPECT_TRUE(made) << made.error().message;
        return made ? std::move(*made) : VolumeInfo{};
    }
    std::string refusal(VolumeRequest request) {
        const auto made = run(volumes->create(std::move(request)));
        return made ? "created"
                    : std::string(name_of(made.error().code)) + ": " + made.error().message;
    }
    std::string mount(VolumeMountRequest request) {
        auto path = run(volumes->mount(std::move(request)));
        return path ? *path : std::string(name_of(path.error().code)) + ": " + path.error().message;
    }
    std::string mount(const std::string& name, const ContainerId& user) {
        VolumeMountRequest request;
        request.name = name;
        request.user = user;
        return mount(std::move(request));
    }
    void unmount(const std::string& name, const ContainerId& user) {
        const auto done = run(volumes->unmount(name, user));
        EXPECT_TRUE(done) << done.error().message;
    }
    std::string remove(const std::string& name, bool force = false) {
        const auto removed = run(volumes->remove(name, force));
        return removed
                   ? "removed"
                   : std::string(name_of(removed.error().code)) + ": " + removed.error().message;
    }
    Names list(const std::string& filters = "") {
        Names names;
        for (const auto& info : volumes->list(*Filters::parse(filters))) {
            names.push_back(info.name);
        }
        return names;
    }
    Names happened() {
        Names all;
        for (const auto& event : events.history(Instant::min(), Instant::max())) {
            all.push_back(event.action + " " + event.id);
        }
        return all;
    }
    std::string folder(const std::string& name) const {
        return settings.data_root + "/volumes/" + name;
    }
    static bool is_mounted(const std::string& path) {
        const auto mounts = os::load_mountinfo();
        return std::ranges::any_of(*mounts,
                                   [&](const auto& mount) { return mount.target == path; });
    }
    static void write(const std::string& path, const std::string& text) {
        ASSERT_TRUE(os::ensure_directory(path.substr(0, path.rfind('/'))));
        ASSERT_TRUE(os::write_file_atomic(path, text));
    }
    static std::string content(const std::string& path) {
        auto text = os::read_file(path);
        return text ? *text : "(" + text.error().message + ")";
    }
    /// A root file system whose /data is copied on first use.
    VolumeMountRequest first_use(const std::string& name) {
        write(dir.path() + "/rootfs/data/index.html", "from the image");
        VolumeMountRequest request;
        request.name = name;
        request.user = web;
        request.copy_root = dir.path() + "/rootfs";
        request.copy_path = "/data";
        return request;
    }
};

// --- create ---

TEST_F(VolumesTest, creates_a_directory_that_outlives_the_daemon) {
    const auto made = create(named("web", {}, {{"tier", "front"}}));
    EXPECT_EQ(made.mountpoint, folder("web") + "/_data");
    EXPECT_EQ(made.driver, "local");
    EXPECT_FALSE(made.anonymous);
    EXPECT_TRUE(os::is_directory(made.mountpoint));
    boot();
    const auto seen = volumes->inspect("web");
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->labels, (Labels{{"tier", "front"}}));
    EXPECT_EQ(seen->created, made.created);
    EXPECT_EQ(seen->mountpoint, made.mountpoint);
    EXPECT_EQ(happened(), Names{"create web"});
}

TEST_F(VolumesTest, makes_a_name_for_those_that_have_none) {
    const auto made = create({});
    EXPECT_EQ(made.name.size(), 64u);
    EXPECT_TRUE(made.anonymous);
    EXPECT_TRUE(made.labels.contains("com.docker.volume.anonymous"));
    boot();
    EXPECT_TRUE(volumes->inspect(made.name)->anonymous);
}

TEST_F(VolumesTest, gives_the_volume_that_is_there) {
    const auto made = create(named("web", {{"type", "tmpfs"}, {"device", "tmpfs"}}));
    EXPECT_EQ(create(named("web")).created, made.created);
    EXPECT_EQ(create(named("web", {{"type", "tmpfs"}, {"device", "tmpfs"}})).created, made.created);
    EXPECT_EQ(refusal(named("web", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m"}})),
              "conflict: create web: a volume named web already exists with other options");
    const auto ensured = run(
        volumes->ensure(named("web", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m"}})));
    ASSERT_TRUE(ensured) << "containers take it as it is";
    EXPECT_EQ(ensured->options, made.options);
    EXPECT_EQ(happened(), Names{"create web"});
}

TEST_F(VolumesTest, refuses_bad_names_drivers_and_options_and_leaves_nothing) {
    EXPECT_THAT(refusal(named("x")), HasSubstr("invalid: create x: volume name is too short"));
    EXPECT_THAT(refusal(named("../x")), HasSubstr("invalid: create ../x: "));
    auto foreign = named("web");
    foreign.driver = "rexray";
    EXPECT_EQ(
        refusal(foreign),
        "not found: create web: error looking up volume plugin rexray: plugin \"rexray\" not found");
    EXPECT_THAT(refusal(named("web", {{"colour", "red"}})), HasSubstr("invalid: create web: "));
    EXPECT_THAT(refusal(named("web", {{"size", "1g"}})),
                HasSubstr("quota size requested but no quota support"));
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_TRUE(os::list_directory(settings.data_root + "/volumes")->empty());
    EXPECT_THAT(happened(), IsEmpty());
}

TEST_F(VolumesTest, creates_once_when_asked_many_times_at_once) {
    net::TaskScope scope(loop);
    int made = 0;
    struct Asking {
        static net::Task<void> once(Volumes& volumes, int& made) {
            auto request = named("web");
            auto info = co_await volumes.create(std::move(request));
            if (info) { ++made; }
        }
    };
    for (int i = 0; i < 20; ++i) { scope.spawn(Asking::once(*volumes, made)); }
    run(scope.drain({}));
    EXPECT_EQ(made, 20);
    EXPECT_EQ(happened(), Names{"create web"});
}

TEST_F(VolumesTest, forgets_documents_whose_directory_is_gone) {
    create(named("web"));
    create(named("db"));
    ASSERT_TRUE(os::remove_tree(folder("web")));
    boot();
    EXPECT_THAT(list(), ElementsAre("db"));
    EXPECT_EQ(store.load_all("volume")->size(), 1u);
}

// --- mount ---

TEST_F(VolumesTest, gives_the_directory_to_its_users) {
    create(named("web"));
    EXPECT_EQ(mount("web", web), folder("web") + "/_data");
    EXPECT_EQ(mount("web", web), folder("web") + "/_data") << "twice is harmless";
    unmount("web", web);
    unmount("web", web);
    EXPECT_EQ(mount("nothing", web), "not found: get nothing: no such volume");
    EXPECT_EQ(happened(), (Names{"create web", "mount web", "mount web", "unmount web"}));
}

TEST_F(VolumesTest, mounts_a_device_for_the_first_user_and_unmounts_after_the_last) {
    const auto made =
        create(named("fast", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,mode=700"}}));
    EXPECT_FALSE(is_mounted(made.mountpoint));
    EXPECT_EQ(mount("fast", web), made.mountpoint);
    EXPECT_TRUE(is_mounted(made.mountpoint));
    EXPECT_EQ(os::stat_file_system(made.mountpoint)->bytes, 1 << 20);
    EXPECT_EQ(mount("fast", db), made.mountpoint);
    unmount("fast", web);
    EXPECT_TRUE(is_mounted(made.mountpoint)) << "still used";
    unmount("fast", db);
    EXPECT_FALSE(is_mounted(made.mountpoint));
}

TEST_F(VolumesTest, binds_a_directory_of_the_host) {
    write(dir.path() + "/host/file", "hello");
    const auto made =
        create(named("host", {{"type", "none"}, {"device", dir.path() + "/host"}, {"o", "bind"}}));
    EXPECT_EQ(content(mount("host", web) + "/file"), "hello");
    unmount("host", web);
    EXPECT_TRUE(os::list_directory(made.mountpoint)->empty());
    EXPECT_EQ(content(dir.path() + "/host/file"), "hello");
}

TEST_F(VolumesTest, that_cannot_be_mounted_say_why_and_stay_unmounted) {
    create(named("lost", {{"type", "none"}, {"device", dir.path() + "/nowhere"}, {"o", "bind"}}));
    EXPECT_THAT(mount("lost", web), HasSubstr("failed to mount local volume"));
    EXPECT_FALSE(is_mounted(folder("lost") + "/_data"));
    EXPECT_EQ(remove("lost"), "removed") << "nobody holds it";
}

TEST_F(VolumesTest, know_after_a_restart_what_is_mounted_and_by_whom) {
    const auto made = create(named("fast", {{"type", "tmpfs"}, {"device", "tmpfs"}}));
    mount("fast", web);
    write(made.mountpoint + "/kept", "x");
    boot();
    volumes->adopt("fast", web);
    EXPECT_THAT(remove("fast"), HasSubstr("volume is in use - [" + web.text() + "]"));
    mount("fast", db);
    EXPECT_EQ(content(made.mountpoint + "/kept"), "x") << "not mounted over";
    unmount("fast", db);
    EXPECT_TRUE(is_mounted(made.mountpoint));
    unmount("fast", web);
    EXPECT_FALSE(is_mounted(made.mountpoint));
}

// --- first use ---

TEST_F(VolumesTest, are_filled_from_the_image_on_first_use) {
    create(named("web"));
    const auto path = mount(first_use("web"));
    EXPECT_EQ(content(path + "/index.html"), "from the image");
    write(path + "/index.html", "changed");
    mount(first_use("web"));
    EXPECT_EQ(content(path + "/index.html"), "changed") << "only while it is empty";
}

TEST_F(VolumesTest, are_not_filled_when_nobody_wants_it) {
    create(named("web"));
    auto request = first_use("web");
    request.nocopy = true;
    EXPECT_TRUE(os::list_directory(mount(request))->empty());
}

TEST_F(VolumesTest, on_a_device_are_filled_too) {
    create(named("fast", {{"type", "tmpfs"}, {"device", "tmpfs"}}));
    EXPECT_EQ(content(mount(first_use("fast")) + "/index.html"), "from the image");
    EXPECT_EQ(content(mount(first_use("fast")) + "/index.html"), "from the image");
    unmount("fast", web);
}

TEST_F(VolumesTest, whose_directory_became_a_link_are_refused) {
    const auto made = create(named("web"));
    ASSERT_TRUE(os::remove_tree(made.mountpoint));
    ASSERT_EQ(::symlink("/tmp", made.mountpoint.c_str()), 0);
    EXPECT_THAT(mount(first_use("web")), HasSubstr("not a directory"));
    EXPECT_FALSE(os::exists("/tmp/index.html"));
}

// --- sub-paths ---

TEST_F(VolumesTest, lend_a_part_of_themselves) {
    const auto made = create(named("web"));
    write(made.mountpoint + "/site/index.html", "part");
    write(made.mountpoint + "/secret", "whole");
    VolumeMountRequest request;
    request.name = "web";
    request.user = web;
    request.subpath = "site";
    const auto path = mount(request);
    EXPECT_EQ(content(path + "/index.html"), "part");
    EXPECT_FALSE(os::exists(path + "/secret"));
    EXPECT_EQ(mount(request), path) << "twice is harmless";
    request.subpath = "secret";
    EXPECT_EQ(content(mount(request)), "whole") << "a file as well";
    unmount("web", web);
    EXPECT_FALSE(os::exists(path));
    EXPECT_EQ(content(made.mountpoint + "/secret"), "whole");
}

TEST_F(VolumesTest, lend_nothing_outside_themselves) {
    const auto made = create(named("web"));
    ASSERT_EQ(::symlink("/etc", (made.mountpoint + "/out").c_str()), 0);
    VolumeMountRequest request;
    request.name = "web";
    request.user = web;
    for (const char* subpath : {"/etc", "../web", "a/../../x", "out", "out/passwd", "missing"}) {
        request.subpath = subpath;
        EXPECT_THAT(mount(request), HasSubstr("volume subpath")) << subpath;
    }
    EXPECT_EQ(remove("web"), "removed") << "nobody holds it";
}

// --- list ---

TEST_F(VolumesTest, are_listed_by_name_label_driver_and_use) {
    create(named("web", {}, {{"tier", "front"}}));
    create(named("db", {}, {{"tier", "back"}}));
    users.all["db"] = {db};
    EXPECT_THAT(list(), ElementsAre("db", "web"));
    EXPECT_THAT(list(R"({"name":["we"]})"), ElementsAre("web"));
    EXPECT_THAT(list(R"({"label":["tier=back"]})"), ElementsAre("db"));
    EXPECT_THAT(list(R"({"driver":["local"]})"), ElementsAre("db", "web"));
    EXPECT_THAT(list(R"({"driver":["nfs"]})"), IsEmpty());
    EXPECT_THAT(list(R"({"dangling":["true"]})"), ElementsAre("web"));
    EXPECT_THAT(list(R"({"dangling":["false"]})"), ElementsAre("db"));
    EXPECT_TRUE(volumes->exists("web"));
    EXPECT_FALSE(volumes->exists("we"));
    EXPECT_EQ(volumes->inspect("we").error(), (Error{Errc::NotFound, "get we: no such volume"}));
}

TEST_F(VolumesTest, tell_their_size_and_number_of_users) {
    write(create(named("web")).mountpoint + "/file", std::string(5000, 'x'));
    create(named("fast", {{"type", "tmpfs"}, {"device", "tmpfs"}}));
    users.all["web"] = {web, db};
    mount("web", web);
    const auto sized = run(volumes->sized());
    ASSERT_TRUE(sized);
    ASSERT_EQ(sized->size(), 2u);
    EXPECT_EQ((*sized)[0].usage->size_bytes, -1) << "what a device holds is not counted";
    EXPECT_GE((*sized)[1].usage->size_bytes, 5000);
    EXPECT_EQ((*sized)[1].usage->users, 2) << "each container once";
    unmount("web", web);
}

// --- remove ---

TEST_F(VolumesTest, are_removed_with_all_they_hold) {
    write(create(named("web")).mountpoint + "/d/file", "x");
    EXPECT_EQ(remove("web"), "removed");
    EXPECT_FALSE(os::exists(folder("web")));
    EXPECT_TRUE(os::list_directory(settings.data_root + "/tmp")->empty());
    EXPECT_FALSE(volumes->exists("web"));
    EXPECT_EQ(happened(), (Names{"create web", "destroy web"}));
    EXPECT_EQ(remove("web"), "not found: get web: no such volume");
    EXPECT_EQ(remove("web", true), "removed") << "force forgives what is not there";
    boot();
    EXPECT_THAT(list(), IsEmpty());
    create(named("web"));
    EXPECT_FALSE(os::exists(folder("web") + "/_data/d")) << "a new one is empty";
}

TEST_F(VolumesTest, in_use_cannot_be_removed_not_even_by_force) {
    create(named("web"));
    users.all["web"] = {web};
    EXPECT_EQ(remove("web"), "conflict: remove web: volume is in use - [" + web.text() + "]");
    EXPECT_EQ(remove("web", true), "conflict: remove web: volume is in use - [" + web.text() + "]");
    users.all.clear();
    mount("web", db);
    EXPECT_EQ(remove("web"), "conflict: remove web: volume is in use - [" + db.text() + "]");
    unmount("web", db);
    EXPECT_EQ(remove("web"), "removed");
}

TEST_F(VolumesTest, of_the_host_survive_the_removal_of_their_volume) {
    write(dir.path() + "/host/file", "hello");
    create(named("host", {{"type", "none"}, {"device", dir.path() + "/host"}, {"o", "bind"}}));
    mount("host", web);
    boot(); // mounted, and nobody is known to use it: killed in between
    EXPECT_EQ(remove("host"), "removed");
    EXPECT_EQ(content(dir.path() + "/host/file"), "hello");
}

TEST_F(VolumesTest, half_removed_by_a_killed_daemon_are_swept) {
    write(settings.data_root + "/tmp/volume-0123/_data/x", "x");
    write(settings.data_root + "/tmp/layer-0123/x", "x");
    boot();
    EXPECT_FALSE(os::exists(settings.data_root + "/tmp/volume-0123"));
    EXPECT_TRUE(os::exists(settings.data_root + "/tmp/layer-0123")) << "somebody else's";
}

// --- prune ---

TEST_F(VolumesTest, are_pruned_when_anonymous_and_unused) {
    const auto loose = create({});
    const auto used = create({});
    create(named("web"));
    users.all[used.name] = {web};
    write(loose.mountpoint + "/file", std::string(3000, 'x'));
    const auto pruned = run(volumes->prune({}, false));
    ASSERT_TRUE(pruned);
    EXPECT_THAT(pruned->names, ElementsAre(loose.name));
    EXPECT_GE(pruned->reclaimed_bytes, 3000);
    EXPECT_EQ(list().size(), 2u);
    EXPECT_EQ(happened().back(), "prune ");
}

TEST_F(VolumesTest, are_pruned_by_label_and_with_the_word_named_ones_too) {
    create(named("web", {}, {{"keep", ""}}));
    create(named("db"));
    EXPECT_THAT(run(volumes->prune({}, false))->names, IsEmpty());
    EXPECT_THAT(
        run(volumes->prune(*Filters::parse(R"({"all":["true"],"label!":["keep"]})"), false))->names,
        ElementsAre("db"));
    EXPECT_THAT(run(volumes->prune(*Filters::parse(R"({"label":["other"]})"), true))->names,
                IsEmpty());
    EXPECT_THAT(run(volumes->prune({}, true))->names, ElementsAre("web")) << "old clients mean all";
    EXPECT_EQ(run(volumes->prune(*Filters::parse(R"({"name":["x"]})"), false)).error().message,
              "invalid filter 'name'");
    EXPECT_EQ(run(volumes->prune(*Filters::parse(R"({"all":["maybe"]})"), false)).error().code,
              Errc::Invalid);
}

// --- paths of the host ---

TEST_F(VolumesTest, tell_what_a_path_of_the_host_is) {
    write(dir.path() + "/file", "x");
    EXPECT_EQ(*run(volumes->probe_path(dir.path() + "/file")), PathKind::File);
    EXPECT_EQ(*run(volumes->probe_path(dir.path())), PathKind::Directory);
    EXPECT_EQ(*run(volumes->probe_path("/dev/null")), PathKind::Other);
    EXPECT_EQ(*run(volumes->probe_path(dir.path() + "/missing/deep")), PathKind::Missing);
    EXPECT_TRUE(run(volumes->ensure_directory(dir.path() + "/made/deep")));
    EXPECT_TRUE(os::is_directory(dir.path() + "/made/deep"));
    EXPECT_FALSE(run(volumes->ensure_directory(dir.path() + "/file/deep")));
}

} // namespace
} // namespace shoal::engine
