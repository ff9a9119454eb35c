#include "cli/build_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::optional<std::string> environment(const std::string& name) {
    if (name == "KNOWN") { return "its value"; }
    if (name == "SSH_AUTH_SOCK") { return "/run/agent.sock"; }
    return std::nullopt;
}

const Command command{.usage = "", .summary = "", .flags = build_flags()};

Result<BuildOptions> read(std::vector<std::string> words,
                          const Environment& variables = environment) {
    words.emplace_back(".");
    TRY_LET(parsed, parse_flags(flags_of(command), words, false));
    return read_build_options(parsed, variables);
}

std::string failure(std::vector<std::string> words) {
    auto options = read(std::move(words));
    return options ? "none" : options.error().message;
}

TEST(BuildOptions, nothing_given_asks_for_nothing) {
    const auto options = read({});
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->query.empty());
    EXPECT_TRUE(options->only_shoal.empty());
    EXPECT_EQ(options->context, ".");
}

TEST(BuildOptions, classic_flags_become_parameters) {
    const auto options = read({"-t",
                               "a",
                               "--tag=b:1",
                               "--no-cache",
                               "--pull",
                               "--target",
                               "dev",
                               "--rm=false",
                               "--force-rm",
                               "--squash",
                               "-m",
                               "64m",
                               "--memory-swap",
                               "-1",
                               "-c",
                               "512",
                               "--cpu-quota",
                               "1000",
                               "--cpu-period",
                               "2000",
                               "--cpuset-cpus",
                               "0-1",
                               "--cpuset-mems",
                               "0",
                               "--cgroup-parent",
                               "/x",
                               "--shm-size",
                               "1m",
                               "--network",
                               "none",
                               "--add-host",
                               "h=[::1]",
                               "--security-opt",
                               "seccomp=unconfined,apparmor=x",
                               "--isolation",
                               "Hyperv",
                               "--platform",
                               "Linux/AMD64",
                               "--label",
                               "k=v",
                               "--ulimit",
                               "nofile=1:2",
                               "--cache-from",
                               "x,y"});
    ASSERT_TRUE(options);
    EXPECT_THAT(
        options->query,
        ElementsAre(Pair("t", "a"), Pair("t", "b:1"), Pair("target", "dev"),
                    Pair("platform", "linux/amd64"), Pair("labels", R"({"k":"v"})"),
                    Pair("squash", "1"), Pair("nocache", "1"), Pair("pull", "1"),
                    Pair("cachefrom", R"(["x","y"])"), Pair("rm", "0"), Pair("forcerm", "1"),
                    Pair("networkmode", "none"), Pair("extrahosts", "h:::1"),
                    Pair("securityopt", "seccomp=unconfined"), Pair("securityopt", "apparmor=x"),
                    Pair("isolation", "hyperv"), Pair("cpushares", "512"), Pair("cpuquota", "1000"),
                    Pair("cpuperiod", "2000"), Pair("cpusetcpus", "0-1"), Pair("cpusetmems", "0"),
                    Pair("cgroupparent", "/x"), Pair("memory", "67108864"), Pair("memswap", "-1"),
                    Pair("shmsize", "1048576"),
                    Pair("ulimits", R"([{"Name":"nofile","Soft":1,"Hard":2}])")));
    EXPECT_TRUE(options->only_shoal.empty());
}

TEST(BuildOptions, defaults_are_not_sent) {
    const auto options = read({"--network", "default", "--isolation", "default", "--rm", "--load",
                               "--provenance=false", "--sbom=0", "--call", "build", "--builder",
                               "default", "--disable-content-trust", "--compress"});
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->query.empty());
    EXPECT_TRUE(options->compress);
}

TEST(BuildOptions, a_build_arg_without_value_takes_the_environments) {
    const auto options =
        read({"--build-arg", "KNOWN", "--build-arg", "OTHER", "--build-arg", "A=b=c"});
    ASSERT_TRUE(options);
    EXPECT_THAT(options->args, ElementsAre(Pair("A", "b=c"), Pair("KNOWN", "its value"),
                                           Pair("OTHER", std::nullopt)));
}

TEST(BuildOptions, what_is_not_supported_is_refused_by_name) {
    for (const std::string flag : {"allow", "annotation", "attest", "policy", "print"}) {
        EXPECT_THAT(failure({"--" + flag, "x"}), HasSubstr("--" + flag + " is not supported"));
    }
    for (const std::string flag : {"check", "debug", "stream"}) {
        EXPECT_THAT(failure({"--" + flag}), HasSubstr("--" + flag + " is not supported"));
    }
    EXPECT_THAT(failure({"--provenance", "mode=max"}), HasSubstr("--provenance"));
    EXPECT_THAT(failure({"--sbom=true"}), HasSubstr("--sbom"));
    EXPECT_THAT(failure({"--call", "check"}), HasSubstr("--call"));
    EXPECT_THAT(failure({"--builder", "mine"}), HasSubstr("--builder mine"));
    EXPECT_THAT(failure({"--disable-content-trust=false"}), HasSubstr("content trust"));
    EXPECT_THAT(failure({"--progress", "rawjson"}), HasSubstr("--progress rawjson"));
    EXPECT_THAT(failure({"--cache-to", "type=registry,ref=x"}),
                HasSubstr("--cache-to type=registry,ref=x is not supported"));
    EXPECT_THAT(failure({"--cache-from", "type=gha"}), HasSubstr("type=gha is not supported"));
    EXPECT_THAT(failure({"-o", "a", "-o", "b"}), HasSubstr("--output"));
    EXPECT_THAT(failure({"--platform", "a/b,c/d"}), HasSubstr("--platform: more than one"));
    EXPECT_THAT(failure({"--platform", "a/b", "--platform", "c/d"}), HasSubstr("--platform"));
    EXPECT_THAT(failure({"--output", "type=registry"}),
                HasSubstr("--output: type=registry is not supported"));
    EXPECT_THAT(failure({"--output", "type=image,push=true"}), HasSubstr("use --push"));
}

TEST(BuildOptions, bad_values_are_refused_while_they_are_parsed) {
    EXPECT_THAT(failure({"-t", "BAD^"}),
                HasSubstr("invalid argument \"BAD^\" for \"-t, --tag\" flag"));
    EXPECT_THAT(failure({"--build-arg", "=x"}), HasSubstr("invalid environment variable: =x"));
    EXPECT_THAT(failure({"--label", "=x"}), HasSubstr("empty name"));
    EXPECT_THAT(failure({"--add-host", "x"}), HasSubstr("bad format for add-host"));
    EXPECT_THAT(failure({"--memory", "bad"}), HasSubstr("invalid size: 'bad'"));
}

TEST(BuildOptions, progress_is_also_the_environments) {
    EXPECT_EQ(read({})->progress, BuildProgress::Auto);
    EXPECT_EQ(read({"--progress", "plain"})->progress, BuildProgress::Plain);
    EXPECT_EQ(read({"--progress=tty"})->progress, BuildProgress::Terminal);
    const auto plain = [](const std::string& name) {
        return name == "BUILDKIT_PROGRESS" ? std::optional<std::string>("plain") : std::nullopt;
    };
    EXPECT_EQ(read({}, plain)->progress, BuildProgress::Plain);
    EXPECT_EQ(read({"--progress", "auto"}, plain)->progress, BuildProgress::Auto);
}

TEST(BuildOptions, what_only_shoal_understands_is_named) {
    const auto options =
        read({"--secret", "id=a,src=b", "--ssh", "default", "--build-context", "x=dir",
              "--no-cache-filter", "s,t", "--cache-to", "type=inline", "-o", "out"});
    ASSERT_TRUE(options);
    EXPECT_THAT(options->only_shoal, ElementsAre("cache-to", "no-cache-filter", "secret", "ssh",
                                                 "build-context", "output"));
    EXPECT_THAT(options->query, ElementsAre(Pair("nocachefilter", R"(["s","t"])")));
    EXPECT_THAT(options->contexts, ElementsAre(Pair("x", "dir")));
    EXPECT_TRUE(read({"-o", "type=docker"})->only_shoal.empty());
}

TEST(BuildOutput, the_short_forms) {
    const auto directory = parse_output("out/dir");
    ASSERT_TRUE(directory);
    EXPECT_EQ(directory->type, "local");
    EXPECT_EQ(directory->destination, "out/dir");
    const auto tar = parse_output("-");
    EXPECT_EQ(tar->type, "tar");
    EXPECT_EQ(tar->destination, "-");
}

TEST(BuildOutput, attributes_are_kept_for_the_daemon) {
    const auto output = parse_output("type=oci,dest=a.tar,compression=zstd,\"name=a,b\"");
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_EQ(output->destination, "a.tar");
    EXPECT_THAT(output->attributes, ElementsAre(Pair("compression", "zstd"), Pair("name", "a,b")));
}

TEST(BuildOutput, says_what_is_missing) {
    for (const char* text : {"type=local", "type=tar", "type=oci", "dest=x", "type=local,dest=-",
                             "type=image,dest=x", "type=tar,x"}) {
        EXPECT_FALSE(parse_output(text)) << text;
    }
}

TEST(BuildSecret, comes_from_a_file_or_a_variable) {
    const auto of = [](std::string_view text) { return parse_secret(text, environment); };
    EXPECT_EQ(of("id=a,src=f")->file, "f");
    EXPECT_EQ(of("id=a,source=f,type=file")->file, "f");
    EXPECT_EQ(of("id=a,env=V")->variable, "V");
    EXPECT_EQ(of("type=env,id=a,src=V")->variable, "V");
    EXPECT_EQ(of("id=KNOWN")->variable, "KNOWN");
    EXPECT_EQ(of("id=unknown")->file, "unknown");
    EXPECT_EQ(of("id=KNOWN,type=file")->file, "KNOWN");
    EXPECT_FALSE(of("src=f"));
    EXPECT_FALSE(of("id=a,what=f"));
    EXPECT_FALSE(of("id=a,type=socket"));
    EXPECT_FALSE(of("id=a,src=f,env=V"));
    EXPECT_FALSE(of("a"));
}

TEST(BuildAgent, is_a_socket) {
    EXPECT_EQ(parse_agent("default", environment)->socket, "/run/agent.sock");
    EXPECT_EQ(parse_agent("x=/a/b", environment)->socket, "/a/b");
    EXPECT_EQ(parse_agent("x=/a/b", environment)->id, "x");
    EXPECT_FALSE(parse_agent("x=/a,/b", environment));
    EXPECT_FALSE(parse_agent("=x", environment));
    const auto nothing = [](const std::string&) { return std::optional<std::string>(); };
    EXPECT_THAT(parse_agent("default", nothing).error().message, HasSubstr("SSH_AUTH_SOCK"));
}

TEST(BuildCache, images_in_both_spellings) {
    EXPECT_THAT(*parse_cache_from("a,b:1"), ElementsAre("a", "b:1"));
    EXPECT_THAT(*parse_cache_from("type=registry,ref=a/b:1"), ElementsAre("a/b:1"));
    EXPECT_FALSE(parse_cache_from("type=registry"));
    EXPECT_FALSE(parse_cache_from("type=local,src=x"));
}

} // namespace
} // namespace shoal::cli
