#include "volume/locality.h"

#include <gtest/gtest.h>

#include <map>

namespace shoal::volume {
namespace {

os::MountInfo mount_at(std::string target, std::string type) {
    os::MountInfo mount;
    mount.target = std::move(target);
    mount.type = std::move(type);
    return mount;
}

class Locality : public ::testing::Test {
  protected:
    bool hangs(const std::string& path) {
        return may_hang(path, mounts, [this](const std::string& at) -> std::optional<std::string> {
            looked_at.push_back(at);
            const auto found = links.find(at);
            if (found == links.end()) { return std::nullopt; }
            return found->second;
        });
    }
    std::vector<os::MountInfo> mounts{mount_at("/", "ext4"), mount_at("/home", "nfs4"),
                                      mount_at("/srv", "xfs"), mount_at("/mnt/f", "fuse.sshfs")};
    std::map<std::string, std::string> links;
    std::vector<std::string> looked_at;
};

TEST_F(Locality, local_disks_do_not_hang) {
    EXPECT_FALSE(hangs("/"));
    EXPECT_FALSE(hangs("/srv/data"));
    EXPECT_FALSE(hangs("/homework"));
}

TEST_F(Locality, file_servers_and_fuse_may) {
    EXPECT_TRUE(hangs("/home"));
    EXPECT_TRUE(hangs("/home/anna/data"));
    EXPECT_TRUE(hangs("/mnt/f/x"));
    EXPECT_TRUE(hangs("/srv/../home/x"));
    EXPECT_TRUE(hangs("//home//x"));
}

TEST_F(Locality, never_touches_what_may_hang) {
    EXPECT_TRUE(hangs("/home/anna"));
    for (const auto& path : looked_at) { EXPECT_FALSE(path.starts_with("/home")) << path; }
}

TEST_F(Locality, follows_links_by_name) {
    links["/srv/anna"] = "/home/anna";
    links["/srv/up"] = "../home";
    links["/srv/here"] = "data";
    EXPECT_TRUE(hangs("/srv/anna/x"));
    EXPECT_TRUE(hangs("/srv/up"));
    EXPECT_FALSE(hangs("/srv/here/x"));
}

TEST_F(Locality, a_circle_of_links_counts_as_hanging) {
    links["/srv/a"] = "b";
    links["/srv/b"] = "a";
    EXPECT_TRUE(hangs("/srv/a"));
}

TEST_F(Locality, the_mount_on_top_counts) {
    mounts.push_back(mount_at("/home", "tmpfs"));
    EXPECT_FALSE(hangs("/home/x"));
}

} // namespace
} // namespace shoal::volume
