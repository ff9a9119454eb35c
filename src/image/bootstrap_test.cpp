// With a stand-in for mmdebstrap: what it is asked, and what becomes of its tar. The real one is
// for the end-to-end tests.
#include "image/bootstrap.h"

#include "archive/test_tools.h"
#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

namespace shoal::image {
namespace {

using archive::test::file;
using archive::test::tar_of;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

struct Bootstrap : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    LayerStore layers = std::move(*LayerStore::create(dir.path() + "/data"));
    blob::Store blobs =
        std::move(*blob::Store::create(dir.path() + "/data/blobs", dir.path() + "/data/tmp"));
    BootstrapOptions options;
    std::string path_before = std::getenv("PATH");
    std::string tar = tar_of({file("etc/debian_version", "12.9\n")});

    void SetUp() override {
        options.suite = "bookworm";
        options.apt_directory = dir.path() + "/apt";
        options.now = from_unix_nanos(1'700'000'000'000'000'000);
        write("apt/sources.list",
              "deb http://mirror/debian bookworm main\ndeb http://mirror/debian trixie main\n");
        write("tar", tar);
        ASSERT_TRUE(os::ensure_directory(dir.path() + "/bin"));
        ::setenv("PATH", (dir.path() + "/bin:" + path_before).c_str(), 1);
        maker("cat " + dir.path() + "/tar");
    }
    void TearDown() override {
        ::setenv("PATH", path_before.c_str(), 1);
        EXPECT_EQ(os::list_directory(layers.tmp())->size(), 0u) << "half-made things are left";
    }

    void write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        const auto path = dir.path() + "/" + name;
        ASSERT_TRUE(os::ensure_directory(path.substr(0, path.rfind('/'))));
        ASSERT_TRUE(os::write_file_atomic(path, text, {.mode = mode}));
    }
    /// The stand-in: keeps its arguments and the last one's content, then does `script`.
    void maker(const std::string& script) const {
        write("bin/mmdebstrap",
              "#!/bin/sh\nprintf '%s\\n' \"$@\" > " + dir.path() + "/asked\n" +
                  "for last; do :; done; cat \"$last\" > " + dir.path() + "/sources\n" + script +
                  "\n",
              0755);
    }
    std::string asked() const { return os::read_file(dir.path() + "/asked").value_or(""); }
    std::string sources() const { return os::read_file(dir.path() + "/sources").value_or(""); }
    Result<LoadedImage> run() const { return bootstrap_image(layers, blobs, options); }
    std::string refusal(Errc code) const {
        const auto made = run();
        if (made) { return "made"; }
        EXPECT_EQ(made.error().code, code);
        EXPECT_TRUE(layers.list()->empty());
        EXPECT_TRUE(blobs.list()->empty());
        return made.error().message;
    }
};

} // namespace

TEST_F(Bootstrap, makes_an_image_of_what_the_maker_packs) {
    options.include = {"ca-certificates", "curl"};
    const auto made = run();
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->config->rootfs.diff_ids, std::vector{blob::hash(tar)});
    EXPECT_EQ(made->config->config.cmd, Words{"bash"});
    EXPECT_THAT(made->config->config.env.at(0), HasSubstr("PATH=/usr/local/sbin"));
    EXPECT_EQ(made->config->created, options.now);
    EXPECT_THAT(made->config->comment, HasSubstr("bookworm (minbase)"));
    EXPECT_EQ(*os::read_file(layers.diff_path(made->layers.at(0).id) + "/etc/debian_version"),
              "12.9\n");
    EXPECT_THAT(asked(), HasSubstr("--variant=minbase\n--format=tar\n"));
    EXPECT_THAT(asked(), HasSubstr("--include=ca-certificates,curl\n"));
    EXPECT_THAT(asked(), HasSubstr("\nbookworm\n-\n")) << "suite, then standard output";
    EXPECT_EQ(sources(), "deb http://mirror/debian bookworm main\n");
}

TEST_F(Bootstrap, takes_the_machines_own_suite_when_none_is_named) {
    options.suite.clear();
    std::string own;
    for (const auto& line : split(*os::read_file("/etc/os-release"), '\n')) {
        if (line.starts_with("VERSION_CODENAME=")) { own = line.substr(17); }
    }
    if (own.empty()) { GTEST_SKIP() << "this machine names no suite"; }
    write("apt/sources.list", "deb http://mirror/debian " + own + " main\n");
    ASSERT_TRUE(run());
    EXPECT_THAT(asked(), HasSubstr("\n" + own + "\n-\n"));
}

TEST_F(Bootstrap, looks_into_every_sources_file_of_the_machine) {
    ASSERT_TRUE(os::remove_file(options.apt_directory + "/sources.list"));
    write("apt/sources.list.d/debian.sources",
          "Types: deb\nURIs: http://mirror\nSuites: bookworm trixie\nComponents: main\n");
    write("apt/sources.list.d/notes.txt", "deb http://mirror/debian bookworm main\n");
    ASSERT_TRUE(run());
    EXPECT_THAT(asked(), HasSubstr("/debian.sources\n"));
    EXPECT_THAT(asked(), Not(HasSubstr("notes")));
    EXPECT_EQ(sources(), "Types: deb\nURIs: http://mirror\nComponents: main\nSuites: bookworm\n\n");
}

TEST_F(Bootstrap, refuses_what_it_has_no_sources_for_and_what_is_no_name) {
    options.suite = "sid";
    EXPECT_EQ(refusal(Errc::Invalid), "no package sources for \"sid\" in " + options.apt_directory);
    options.suite = "--help";
    EXPECT_EQ(refusal(Errc::Invalid), "bootstrap: invalid suite \"--help\"");
    options.suite = "a/../b";
    EXPECT_EQ(refusal(Errc::Invalid), "bootstrap: invalid suite \"a/../b\"");
    options.suite = "bookworm";
    options.variant = "min base";
    EXPECT_EQ(refusal(Errc::Invalid), "bootstrap: invalid variant \"min base\"");
    options.variant = "minbase";
    options.include = {"curl,--hook"};
    EXPECT_EQ(refusal(Errc::Invalid), "bootstrap: invalid package name \"curl,--hook\"");
    EXPECT_EQ(asked(), "") << "the maker was not started";
}

TEST_F(Bootstrap, says_when_the_maker_is_not_installed) {
    ::setenv("PATH", (dir.path() + "/nowhere").c_str(), 1);
    EXPECT_EQ(refusal(Errc::Unavailable),
              "bootstrap needs the program mmdebstrap, which is not installed");
}

TEST_F(Bootstrap, tells_the_makers_words_and_the_last_of_them_when_it_fails) {
    std::mutex mutex;
    Words heard;
    options.log = [&](const std::string& line) {
        const std::lock_guard guard(mutex);
        heard.push_back(line);
    };
    maker("for i in 1 2 3 4 5 6; do echo \"line $i\" >&2; done; cat " + dir.path() +
          "/tar; exit 3");
    EXPECT_EQ(refusal(Errc::Internal), "mmdebstrap failed: line 3; line 4; line 5; line 6");
    EXPECT_EQ(heard.size(), 6u);
}

TEST_F(Bootstrap, ends_a_maker_whose_tar_cannot_be_read) {
    // It would write for ever: the end of the reader must be its end too.
    maker("exec yes 'this is no tar'");
    EXPECT_THAT(refusal(Errc::Internal), HasSubstr("mmdebstrap failed"));
}

TEST_F(Bootstrap, ends_a_maker_that_is_cancelled) {
    std::atomic<bool> cancelled = false;
    options.cancelled = &cancelled;
    options.log = [&](const std::string& line) { cancelled = line == "begun"; };
    maker("echo begun >&2; exec sleep 600");
    EXPECT_EQ(refusal(Errc::Cancelled), "bootstrap: cancelled");
}

// --- sources ---

TEST(Sources, in_lines_are_chosen_by_suite) {
    EXPECT_EQ(
        select_sources("# a comment\n"
                       "deb http://m/debian bookworm main contrib\n"
                       "deb [ arch=amd64 signed-by=/k.gpg ] http://m/debian bookworm-updates main\n"
                       "deb [arch=amd64] http://m/security bookworm-security main\n"
                       "deb http://m/debian-security bookworm/updates main\n"
                       "deb-src http://m/debian bookworm main\n"
                       "deb http://m/debian bookwormy main\n"
                       "deb http://m/debian trixie main\n"
                       "deb\nnonsense bookworm\n",
                       "bookworm"),
        "deb http://m/debian bookworm main contrib\n"
        "deb [ arch=amd64 signed-by=/k.gpg ] http://m/debian bookworm-updates main\n"
        "deb [arch=amd64] http://m/security bookworm-security main\n"
        "deb http://m/debian-security bookworm/updates main\n");
    EXPECT_EQ(select_sources("", "bookworm"), "");
}

TEST(Sources, in_stanzas_keep_their_fields_and_only_the_wanted_suites) {
    EXPECT_EQ(
        select_sources(
            "Types: deb\nURIs: http://m/debian\nSuites: trixie bookworm bookworm-updates\n"
            "# a comment\nComponents: main\nSigned-By:\n -----BEGIN PGP-----\n .\n abc\n"
            "\n"
            "Types: deb\nURIs: http://m/other\nSuites: trixie\nComponents: main\n"
            "\n\n"
            "types: deb\nuris: http://m/security\nsuites:\n bookworm-security\n trixie-security\nComponents: main\n",
            "bookworm"),
        "Types: deb\nURIs: http://m/debian\nComponents: main\nSigned-By:\n -----BEGIN PGP-----\n .\n abc\n"
        "Suites: bookworm bookworm-updates\n\n"
        "types: deb\nuris: http://m/security\nComponents: main\nSuites: bookworm-security\n\n");
}

TEST(Sources, that_are_switched_off_are_left_out) {
    EXPECT_EQ(select_sources("Enabled: no\nTypes: deb\nURIs: http://m\nSuites: bookworm\n"
                             "\n"
                             "Types: deb\nURIs: http://n\nSuites: bookworm\nEnabled: yes\n",
                             "bookworm"),
              "Types: deb\nURIs: http://n\nEnabled: yes\nSuites: bookworm\n\n");
}

} // namespace shoal::image
