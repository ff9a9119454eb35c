#include "container/binds.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

std::string problem(std::string_view text) {
    auto mount = parse_bind(text);
    return mount ? "" : mount.error().message;
}

TEST(Bind, is_a_path_or_a_volume) {
    const auto bind = parse_bind("/host/./dir/:/in//side/:ro");
    ASSERT_TRUE(bind);
    EXPECT_EQ(bind->type, "bind");
    EXPECT_EQ(bind->source, "/host/dir");
    EXPECT_EQ(bind->destination, "/in/side");
    EXPECT_TRUE(bind->read_only && bind->create_source);
    const auto volume = parse_bind("data:/d:nocopy", "mine");
    ASSERT_TRUE(volume);
    EXPECT_EQ(volume->type, "volume");
    EXPECT_EQ(volume->name, "data");
    EXPECT_EQ(volume->driver, "mine");
    EXPECT_TRUE(volume->no_copy);
}

TEST(Bind, takes_propagation_of_a_path_alone) {
    EXPECT_EQ(parse_bind("/a:/b:rshared")->propagation, "rshared");
    EXPECT_NE(problem("vol:/b:rshared"), "");
}

TEST(Bind, refuses_what_docker_refuses) {
    for (const char* bad : {"", ":", ":/b", "/a:", "/a:relative", "./x:/b", "/a:/b:ro:rw",
                            "/a:/b:nonsense", "/a:/b:ro,rw", "/a:/", "x/y:/b"}) {
        EXPECT_NE(problem(bad), "") << bad;
    }
}

TEST(CleanPath, stays_beneath_the_root) {
    EXPECT_EQ(clean_path("/"), "/");
    EXPECT_EQ(clean_path("//a/./b/"), "/a/b");
    EXPECT_EQ(clean_path("/a/../../b"), "/b");
    EXPECT_EQ(clean_path("/.."), "/");
}

TEST(Tmpfs, keeps_its_options) {
    const auto mount = parse_tmpfs("/t", "size=64m,mode=1777,ro");
    ASSERT_TRUE(mount);
    EXPECT_EQ(mount->type, "tmpfs");
    EXPECT_EQ(mount->destination, "/t");
    EXPECT_FALSE(parse_tmpfs("relative", ""));
    EXPECT_FALSE(parse_tmpfs("/t", "nonsense=1"));
}

TEST(VolumesFrom, has_a_mode) {
    EXPECT_EQ(parse_volumes_from("c")->container, "c");
    EXPECT_TRUE(parse_volumes_from("c:ro")->read_only);
    EXPECT_FALSE(parse_volumes_from("a:b:c"));
    EXPECT_FALSE(parse_volumes_from(""));
}

TEST(PlanMounts, refuses_one_place_twice) {
    HostConfig host;
    host.binds = {"/tmp:/a", "vol:/a/"};
    const auto planned = plan_mounts({}, host);
    ASSERT_FALSE(planned);
    EXPECT_EQ(planned.error().message, "Duplicate mount point: /a");
}

TEST(PlanMounts, lets_the_request_win_over_the_images_volume) {
    Config config;
    config.volumes["/data"];
    HostConfig host;
    host.binds = {"/tmp:/data"};
    const auto planned = plan_mounts(config, host);
    ASSERT_TRUE(planned);
    ASSERT_EQ(planned->size(), 1u);
    EXPECT_EQ(planned->front().type, "bind");
}

TEST(VolumeName, is_a_word) {
    EXPECT_TRUE(validate_volume_name("a.b-c_1"));
    for (const char* bad : {"", "a", "-a", "a/b", "a b", "../x"}) {
        EXPECT_FALSE(validate_volume_name(bad)) << bad;
    }
}

} // namespace
} // namespace shoal::container
