#include "cli/contexts.h"

#include "cli/output_file.h"
#include "os/file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

namespace shoal::cli {
namespace {

TEST(Contexts, are_stored_as_docker_stores_them) {
    auto folder = *os::TempDir::create();
    const Contexts contexts(folder.path());
    Context context;
    context.name = "there";
    context.description = "a test";
    context.host = "tcp://10.0.0.1:2376";
    context.skip_tls_verify = true;
    ASSERT_TRUE(contexts.save(context));
    ASSERT_TRUE(contexts.save_tls("there", {"CA", "CERT", "KEY"}));
    EXPECT_EQ(
        *os::read_file(contexts.meta_dir("there") + "/meta.json"),
        R"({"Name":"there","Metadata":{"Description":"a test"},"Endpoints":{"docker":{"Host":"tcp://10.0.0.1:2376","SkipTLSVerify":true}}})");
    struct stat seen {};
    ASSERT_EQ(::stat((contexts.tls_dir("there") + "/docker/key.pem").c_str(), &seen), 0);
    EXPECT_EQ(seen.st_mode & 0777, 0600u);
    const auto endpoint = Contexts::endpoint_of(*contexts.load("there"));
    EXPECT_TRUE(endpoint.tls);
    EXPECT_FALSE(endpoint.verify);
    EXPECT_EQ(contexts.list().size(), 1u);
    ASSERT_TRUE(contexts.remove("there"));
    EXPECT_FALSE(os::exists(contexts.tls_dir("there")));
    EXPECT_EQ(contexts.remove("there").error().message, "context \"there\" does not exist");
}

TEST(Contexts, keep_what_others_have_stored_with_them) {
    auto folder = *os::TempDir::create();
    const Contexts contexts(folder.path());
    ASSERT_TRUE(os::ensure_directory(contexts.meta_dir("a1")));
    ASSERT_TRUE(os::write_file_atomic(
        contexts.meta_dir("a1") + "/meta.json",
        R"({"Name":"a1","Metadata":{"Description":"d","More":1},"Endpoints":{"docker":{"Host":"unix:///x"},"other":{"y":2}}})"));
    auto context = *contexts.load("a1");
    context.description = "";
    ASSERT_TRUE(contexts.save(context));
    EXPECT_EQ(
        *os::read_file(contexts.meta_dir("a1") + "/meta.json"),
        R"({"Name":"a1","Metadata":{"More":1},"Endpoints":{"docker":{"Host":"unix:///x","SkipTLSVerify":false},"other":{"y":2}}})");
}

TEST(Contexts, bear_damaged_files) {
    auto folder = *os::TempDir::create();
    const Contexts contexts(folder.path());
    ASSERT_TRUE(os::ensure_directory(contexts.meta_dir("a1")));
    for (const char* text : {"{", "[]", R"({"Name":1,"Metadata":[],"Endpoints":"x"})",
                             R"({"Endpoints":{"docker":3}})"}) {
        ASSERT_TRUE(os::write_file_atomic(contexts.meta_dir("a1") + "/meta.json", text));
        auto loaded = contexts.load("a1");
        if (loaded) { EXPECT_EQ(loaded->host, ""); }
        (void)contexts.list();
    }
    EXPECT_EQ(contexts.load("nope").error().message, "context \"nope\": context not found: open " +
                                                         contexts.meta_dir("nope") +
                                                         "/meta.json: no such file or directory");
}

TEST(Contexts, have_names_that_can_be_said) {
    EXPECT_TRUE(Contexts::check_name("a.b+c-1_d"));
    EXPECT_FALSE(Contexts::check_name("a"));
    EXPECT_FALSE(Contexts::check_name("../x"));
    EXPECT_EQ(Contexts::check_name("default").error().message,
              "\"default\" is a reserved context name");
}

TEST(OutputFile, appears_only_when_it_is_complete) {
    auto folder = *os::TempDir::create();
    const std::string path = folder.path() + "/out";
    {
        auto file = *OutputFile::create(path);
        ASSERT_TRUE(file.write("half"));
        EXPECT_TRUE(os::list_directory(folder.path())->empty());
    }
    EXPECT_TRUE(os::list_directory(folder.path())->empty());
    ASSERT_TRUE(os::write_file_atomic(path, "old"));
    auto file = *OutputFile::create(path);
    ASSERT_TRUE(file.write("one "));
    ASSERT_TRUE(file.write("two"));
    EXPECT_EQ(*os::read_file(path), "old");
    ASSERT_TRUE(file.finish());
    EXPECT_EQ(*os::read_file(path), "one two");
    EXPECT_EQ(os::list_directory(folder.path())->size(), 1u);
}

TEST(OutputFile, refuses_what_is_no_place_for_a_file) {
    const auto failure = [](const std::string& path) {
        auto file = OutputFile::create(path);
        return file ? std::string() : file.error().message;
    };
    EXPECT_EQ(failure("/nonexistent/x"),
              "invalid output path: stat /nonexistent: no such file or directory");
    EXPECT_EQ(failure("/tmp"), "cannot write to a directory");
    EXPECT_EQ(failure("/dev/full"), "cannot write to a character device file");
}

} // namespace
} // namespace shoal::cli
