#include "cli/credentials.h"

#include "os/file.h"

#include <gtest/gtest.h>

#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

TEST(RegistryNames, of_images_and_words_lead_to_one_key) {
    EXPECT_EQ(server_of_image("nginx"), hub_server);
    EXPECT_EQ(server_of_image("team/app"), hub_server);
    EXPECT_EQ(server_of_image("docker.io/library/nginx"), hub_server);
    EXPECT_EQ(server_of_image("localhost/x"), "localhost");
    EXPECT_EQ(server_of_image("h:5000/x/y"), "h:5000");
    EXPECT_EQ(server_of_word(""), hub_server);
    EXPECT_EQ(server_of_word("docker.io"), hub_server);
    EXPECT_EQ(server_of_word("https://h.example:5000/v2/"), "h.example:5000");
    EXPECT_EQ(server_of_word("http://h"), "h");
}

class CredentialsTest : public ::testing::Test {
  protected:
    CredentialsTest()
        : directory_(*os::TempDir::create()), file_(directory_.path() + "/cfg/config.json") {}
    Json saved() const { return *parse_json(*os::read_file(file_)); }
    Credentials open(Json config, RunHelper run = {}) const {
        return Credentials(file_, std::move(config), std::move(run));
    }
    static registry::AuthConfig ann() {
        registry::AuthConfig auth;
        auth.username = "ann";
        auth.password = "p:w";
        return auth;
    }
    os::TempDir directory_;
    std::string file_;
};

TEST_F(CredentialsTest, are_kept_in_a_private_file_with_everything_else_in_it) {
    auto credentials =
        open({{"HttpHeaders", {{"X", "y"}}}, {"auths", {{"other", {{"auth", "YTpi"}}}}}});
    ASSERT_TRUE(credentials.store("h:5000", ann()));
    struct stat status {};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(saved()["HttpHeaders"]["X"], "y");
    EXPECT_EQ(saved()["auths"]["other"]["auth"], "YTpi");
    const auto known = open(saved()).get("h:5000");
    ASSERT_TRUE(known);
    EXPECT_EQ(known->username, "ann");
    EXPECT_EQ(known->password, "p:w");
    EXPECT_TRUE(*open(saved()).erase("h:5000"));
    EXPECT_FALSE(saved()["auths"].contains("h:5000"));
    EXPECT_FALSE(*open(saved()).erase("h:5000"));
}

TEST_F(CredentialsTest, a_link_to_the_file_stays_one) {
    ASSERT_TRUE(os::ensure_directory(directory_.path() + "/cfg"));
    ASSERT_TRUE(os::write_file_atomic(directory_.path() + "/real.json", "{}"));
    ASSERT_EQ(::symlink("../real.json", file_.c_str()), 0);
    ASSERT_TRUE(open(Json::object()).store("h", ann()));
    EXPECT_NE(os::read_file(directory_.path() + "/real.json")->find("auths"), std::string::npos);
    struct stat status {};
    ASSERT_EQ(::lstat(file_.c_str(), &status), 0);
    EXPECT_TRUE(S_ISLNK(status.st_mode));
}

TEST_F(CredentialsTest, addresses_that_older_programs_wrote_are_found) {
    const auto known =
        open({{"auths", {{"https://h:5000/v1/", {{"auth", "YW5uOnB3"}}}}}}).get("h:5000");
    EXPECT_EQ(known->username, "ann");
    EXPECT_TRUE(open(Json::object()).get("h:5000")->empty());
}

TEST_F(CredentialsTest, helpers_are_asked_by_server_and_keep_the_secret_out_of_the_file) {
    std::vector<std::string> asked;
    const RunHelper run = [&](const std::string& helper, const std::string& verb,
                              const std::string& input) -> Result<std::string> {
        asked.push_back(helper + " " + verb);
        if (verb == "get" && input == "h:5000") {
            return std::string(R"({"Username":"<token>","Secret":"tok"})");
        }
        if (verb == "get") {
            return Error{Errc::NotFound, "credentials not found in native keychain"};
        }
        return std::string();
    };
    const Json config{{"credsStore", "all"}, {"credHelpers", {{"h:5000", "one"}}}};
    EXPECT_EQ(open(config, run).get("h:5000")->identity_token, "tok");
    EXPECT_TRUE(open(config, run).get("other")->empty());
    auto credentials = open(config, run);
    ASSERT_TRUE(credentials.store("other", ann()));
    EXPECT_EQ(asked, (std::vector<std::string>{"one get", "all get", "all store"}));
    EXPECT_EQ(saved()["auths"]["other"], Json::object());
    EXPECT_EQ(os::read_file(file_)->find("p:w"), std::string::npos);
}

} // namespace
} // namespace shoal::cli
