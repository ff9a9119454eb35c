#include "node/task_secrets.h"

#include "os/file.h"
#include "os/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace shoal::node {
namespace {

using testing::HasSubstr;

struct TaskSecrets : testing::Test {
    TaskSecrets() { task.set_id("taskid"); }
    pb::SecretReference& add_secret(const std::string& name, const std::string& bytes) {
        auto secret = std::make_shared<pb::Secret>();
        secret->mutable_spec()->set_data(bytes);
        dependencies.secrets["id-" + name] = secret;
        auto& reference = *spec.add_secrets();
        reference.set_secret_id("id-" + name);
        reference.set_secret_name(name);
        reference.mutable_file()->set_name(name);
        reference.mutable_file()->set_mode(0400);
        return reference;
    }
    pb::ConfigReference& add_config(const std::string& name, const std::string& bytes,
                                    bool is_template = false) {
        auto config = std::make_shared<pb::Config>();
        config->mutable_spec()->set_data(bytes);
        if (is_template) { config->mutable_spec()->mutable_templating()->set_name("golang"); }
        dependencies.configs["id-" + name] = config;
        auto& reference = *spec.add_configs();
        reference.set_config_id("id-" + name);
        reference.set_config_name(name);
        reference.mutable_file()->set_name(name);
        reference.mutable_file()->set_mode(0444);
        return reference;
    }
    Result<std::vector<TaskFile>> plan() {
        return plan_task_files(task, spec, dependencies, template_data(task, {}));
    }
    pb::Task task;
    pb::ContainerSpec spec;
    swarm::Dependencies dependencies;
};

TEST_F(TaskSecrets, files_lie_where_users_expect_them) {
    auto& secret = add_secret("pw", "s3cret");
    secret.mutable_file()->set_uid("7");
    secret.mutable_file()->set_gid("8");
    add_secret("key", "k").mutable_file()->set_name("/etc/key");
    add_config("app.conf", "x=1");
    const auto files = plan();
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_EQ(files->size(), 3u);
    EXPECT_EQ((*files)[0].target, "/run/secrets/pw");
    EXPECT_EQ((*files)[0].bytes, "s3cret");
    EXPECT_EQ((*files)[0].uid, 7u);
    EXPECT_EQ((*files)[0].gid, 8u);
    EXPECT_EQ((*files)[0].mode, 0400u);
    EXPECT_EQ((*files)[1].target, "/etc/key");
    EXPECT_EQ((*files)[2].target, "/app.conf");
    EXPECT_NE((*files)[0].name, (*files)[1].name);
}

TEST_F(TaskSecrets, templates_read_the_tasks_own_secrets_configs_and_variables) {
    add_secret("pw", "s3cret");
    add_config("base", "b{{.Task.ID}}");
    add_config("all", "{{secret \"pw\"}} {{config \"base\"}} {{env \"WHO\"}} {{.Task.ID}}", true);
    spec.add_env("WHO=joe");
    const auto files = plan();
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ((*files)[1].bytes, "b{{.Task.ID}}") << "not a template";
    EXPECT_EQ((*files)[2].bytes, "s3cret b{{.Task.ID}} joe taskid");
}

TEST_F(TaskSecrets, a_copy_for_this_task_alone_goes_before_the_common_one) {
    add_secret("pw", "common");
    auto own = std::make_shared<pb::Secret>();
    own->mutable_spec()->set_data("own");
    dependencies.secrets["id-pw.taskid"] = own;
    EXPECT_EQ(plan()->at(0).bytes, "own");
}

TEST_F(TaskSecrets, what_is_missing_or_wrong_is_named) {
    add_secret("pw", "x");
    dependencies.secrets.clear();
    EXPECT_EQ(plan().error().message, "secret pw was not sent to this node");
    spec.clear_secrets();
    add_secret("pw", "x").mutable_file()->set_uid("joe");
    EXPECT_EQ(plan().error().message, "secret pw: user id joe is not a number");
    spec.clear_secrets();
    add_config("bad", "{{secret \"nope\"}}", true);
    EXPECT_THAT(plan().error().message, HasSubstr("secret target nope not found"));
    spec.clear_configs();
    add_config("spec", "x").mutable_runtime();
    EXPECT_THAT(plan().error().message, HasSubstr("only files"));
}

TEST_F(TaskSecrets, files_are_in_memory_with_owner_and_mode_and_go_with_the_task) {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0) { GTEST_SKIP() << "needs root"; }
    ASSERT_EQ(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    auto place = os::TempDir::create();
    ASSERT_TRUE(place);
    const std::string root = place->path() + "/tasks";
    const std::string id = "0123456789abcdefghijklmno";
    const std::string directory = root + "/" + id;
    const std::vector<TaskFile> files{{"secret-0", "/run/secrets/pw", "s3cret", 7, 8, 0400}};
    for (int again = 0; again < 2; ++again) {
        const auto placed = place_task_files(directory, files);
        ASSERT_TRUE(placed) << placed.error().message;
    }
    EXPECT_EQ(os::stat_file_system(directory)->name, "tmpfs");
    struct stat seen {};
    ASSERT_EQ(::stat((directory + "/secret-0").c_str(), &seen), 0);
    EXPECT_EQ(seen.st_uid, 7u);
    EXPECT_EQ(seen.st_gid, 8u);
    EXPECT_EQ(seen.st_mode & 07777, 0400u);
    EXPECT_EQ(*os::read_file(directory + "/secret-0"), "s3cret");
    EXPECT_THAT(tasks_with_files(root), testing::ElementsAre(id));
    ASSERT_TRUE(remove_task_files(directory));
    EXPECT_FALSE(os::exists(directory));
    EXPECT_TRUE(remove_task_files(directory));
    EXPECT_TRUE(tasks_with_files(root).empty());
}

} // namespace
} // namespace shoal::node
