#include "build/owner.h"

#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::build {
namespace {

std::uint32_t changed(std::string_view text, std::uint32_t mode, bool directory = false) {
    const auto change = ModeChange::parse(text);
    EXPECT_TRUE(change.has_value()) << text;
    return change ? change->apply(mode, directory) : 0;
}

TEST(ModeChange, takes_octal_as_it_is) {
    EXPECT_EQ(changed("755", 0600), 0755u);
    EXPECT_EQ(changed("0", 0777), 0u);
    EXPECT_EQ(changed("4711", 0644), 04711u);
}

TEST(ModeChange, knows_the_letters_of_chmod) {
    EXPECT_EQ(changed("u+x", 0644), 0744u);
    EXPECT_EQ(changed("go-w", 0666), 0644u);
    EXPECT_EQ(changed("a=r", 0777), 0444u);
    EXPECT_EQ(changed("+x", 0644), 0755u);
    EXPECT_EQ(changed("u=rwx,go=rx", 0600), 0755u);
    EXPECT_EQ(changed("u+s", 0755), 04755u);
    EXPECT_EQ(changed("+t", 0755), 01755u);
}

TEST(ModeChange, gives_execution_where_somebody_had_it_already) {
    EXPECT_EQ(changed("a+X", 0644), 0644u);
    EXPECT_EQ(changed("a+X", 0744), 0755u);
    EXPECT_EQ(changed("a+X", 0644, true), 0755u);
}

TEST(ModeChange, refuses_what_is_no_mode) {
    for (const char* text : {"999", "77777", "u", "u+q", "x", "u+x,", "+x ", "rwx"}) {
        EXPECT_FALSE(ModeChange::parse(text).has_value()) << text;
    }
    EXPECT_TRUE(ModeChange::parse("")->empty());
}

class OwnerNames : public testing::Test {
  protected:
    void SetUp() override {
        auto made = os::TempDir::create();
        ASSERT_TRUE(made.has_value());
        directory_ = std::move(*made);
        ASSERT_TRUE(os::ensure_directory(directory_.path() + "/etc").has_value());
        const std::string passwd = "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/:/bin/false\n";
        const std::string group = "root:x:0:\nstaff:x:50:\n";
        ASSERT_TRUE(os::write_file_atomic(directory_.path() + "/etc/passwd", passwd).has_value());
        ASSERT_TRUE(os::write_file_atomic(directory_.path() + "/etc/group", group).has_value());
        auto root = os::open_directory(directory_.path());
        ASSERT_TRUE(root.has_value());
        root_ = std::move(*root);
    }
    Owner owner(std::string_view text) {
        const auto found = resolve_owner(text, root_);
        EXPECT_TRUE(found.has_value()) << text;
        return found ? *found : Owner{99, 99};
    }
    os::TempDir directory_;
    os::Fd root_;
};

TEST_F(OwnerNames, come_from_the_images_own_files) {
    EXPECT_EQ(owner("www"), (Owner{33, 34}));
    EXPECT_EQ(owner("www:staff"), (Owner{33, 50}));
    EXPECT_EQ(owner("www:7"), (Owner{33, 7}));
}

TEST_F(OwnerNames, a_number_without_group_is_the_group_too) {
    EXPECT_EQ(owner("1000"), (Owner{1000, 1000}));
    EXPECT_EQ(owner("1000:5"), (Owner{1000, 5}));
}

TEST_F(OwnerNames, that_nobody_has_are_refused) {
    EXPECT_FALSE(resolve_owner("nobody-here", root_).has_value());
    EXPECT_FALSE(resolve_owner("www:nogroup-here", root_).has_value());
}

} // namespace
} // namespace shoal::build
