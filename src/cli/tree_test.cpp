#include "cli/tree.h"

#include <gtest/gtest.h>

#include <set>

namespace shoal::cli {
namespace {

void check(const Group& group, const std::string& path) {
    std::set<std::string> names;
    for (const Entry& entry : group.entries) {
        const std::string here = path + " " + std::string(entry.name);
        EXPECT_TRUE(names.insert(std::string(entry.name)).second) << here << " is there twice";
        ASSERT_NE(entry.command == nullptr, entry.group == nullptr) << here;
        if (entry.group != nullptr) {
            EXPECT_FALSE(entry.group->summary.empty()) << here;
            check(*entry.group, here);
            continue;
        }
        EXPECT_NE(entry.command->action, nullptr) << here;
        EXPECT_FALSE(entry.command->summary.empty()) << here;
        std::set<std::string_view> flags;
        std::set<char> letters;
        for (const Flag* flag : flags_of(*entry.command)) {
            EXPECT_TRUE(flags.insert(flag->name).second) << here << " --" << flag->name;
            EXPECT_TRUE(flag->letter == 0 || letters.insert(flag->letter).second)
                << here << " -" << flag->letter;
            EXPECT_FALSE(flag->help.empty()) << here << " --" << flag->name;
        }
    }
}

TEST(Tree, every_command_can_be_called_and_explained) { check(root_group(), "shoal"); }

TEST(Tree, every_name_of_the_manual_leads_somewhere) {
    const auto find = [](std::string_view group, std::string_view name) {
        const Entry* top = find_entry(root_group(), group);
        return top != nullptr && top->group != nullptr && find_entry(*top->group, name) != nullptr;
    };
    for (const char* name :
         {"run",     "create", "start",  "stop",   "restart", "kill",   "pause",
          "unpause", "rm",     "rename", "update", "wait",    "attach", "exec",
          "logs",    "top",    "stats",  "cp",     "diff",    "export", "commit",
          "port",    "ls",     "ps",     "list",   "inspect", "prune",  "remove"}) {
        EXPECT_TRUE(find("container", name)) << name;
    }
    for (const char* name : {"ls", "list", "pull", "tag", "rm", "remove", "load", "save", "import",
                             "inspect", "history", "prune", "bootstrap"}) {
        EXPECT_TRUE(find("image", name)) << name;
    }
    for (const char* name : {"df", "prune", "info", "events"}) {
        EXPECT_TRUE(find("system", name)) << name;
    }
    for (const char* name : {"bash", "zsh"}) { EXPECT_TRUE(find("completion", name)) << name; }
    for (const char* name :
         {"ps", "rmi", "images", "info", "version", "events", "swarm", "build", "push"}) {
        EXPECT_NE(find_entry(root_group(), name), nullptr) << name;
    }
}

} // namespace
} // namespace shoal::cli
