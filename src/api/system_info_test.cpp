#include "api/system_info.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

Json info_of(const engine::Settings& settings, const HostFacts& facts) {
    InfoValues values{settings, facts};
    values.id = "id";
    values.running = 2;
    values.paused = 1;
    values.stopped = 3;
    values.images = 4;
    values.warnings = info_warnings(facts, {});
    return info_document(values);
}

TEST(Info, has_every_member_that_clients_read) {
    const auto info = info_of({}, {});
    for (const auto* name : {"ID",
                             "Containers",
                             "ContainersRunning",
                             "ContainersPaused",
                             "ContainersStopped",
                             "Images",
                             "Driver",
                             "DriverStatus",
                             "DockerRootDir",
                             "Plugins",
                             "MemoryLimit",
                             "SwapLimit",
                             "CpuCfsPeriod",
                             "CpuCfsQuota",
                             "CPUShares",
                             "CPUSet",
                             "PidsLimit",
                             "OomKillDisable",
                             "IPv4Forwarding",
                             "Debug",
                             "NFd",
                             "NGoroutines",
                             "SystemTime",
                             "LoggingDriver",
                             "CgroupDriver",
                             "CgroupVersion",
                             "NEventsListener",
                             "KernelVersion",
                             "OperatingSystem",
                             "OSVersion",
                             "OSType",
                             "Architecture",
                             "NCPU",
                             "MemTotal",
                             "IndexServerAddress",
                             "RegistryConfig",
                             "GenericResources",
                             "HttpProxy",
                             "HttpsProxy",
                             "NoProxy",
                             "Name",
                             "Labels",
                             "ExperimentalBuild",
                             "ServerVersion",
                             "Runtimes",
                             "DefaultRuntime",
                             "Swarm",
                             "LiveRestoreEnabled",
                             "Isolation",
                             "InitBinary",
                             "ContainerdCommit",
                             "RuncCommit",
                             "InitCommit",
                             "SecurityOptions",
                             "Warnings",
                             "CDISpecDirs"}) {
        EXPECT_TRUE(info.contains(name)) << name;
    }
    EXPECT_EQ(info["Containers"], 6);
    EXPECT_EQ(info["Swarm"]["LocalNodeState"], "inactive");
    EXPECT_EQ(info["Swarm"]["ControlAvailable"], false);
    EXPECT_TRUE(info["Warnings"].is_array());
    EXPECT_EQ(info["Driver"], "overlay2");
}

TEST(Info, shows_settings_as_they_are) {
    engine::Settings settings;
    settings.data_root = "/srv/shoal";
    settings.labels = {"a=b"};
    settings.insecure_registries = {"reg.example:5000", "10.0.0.0/8"};
    settings.registry_mirrors = {"https://mirror.example/"};
    settings.default_address_pools = {{"10.10.0.0/16", 24}};
    settings.runtimes["kata"] = {"/usr/bin/kata", {"--x"}};
    const auto info = info_of(settings, {});
    EXPECT_EQ(info["DockerRootDir"], "/srv/shoal");
    EXPECT_EQ(info["Labels"][0], "a=b");
    EXPECT_EQ(info["RegistryConfig"]["IndexConfigs"]["reg.example:5000"]["Secure"], false);
    EXPECT_EQ(info["RegistryConfig"]["InsecureRegistryCIDRs"].back(), "10.0.0.0/8");
    EXPECT_EQ(info["RegistryConfig"]["Mirrors"][0], "https://mirror.example/");
    EXPECT_EQ(info["DefaultAddressPools"][0]["Size"], 24);
    EXPECT_EQ(info["Runtimes"]["kata"]["path"], "/usr/bin/kata");
    EXPECT_EQ(info["Runtimes"]["crun"]["path"], "crun");
}

TEST(Info, shows_proxies_without_their_passwords) {
    const engine::Settings settings;
    const HostFacts facts;
    InfoValues values{settings, facts};
    values.proxies = {"http://ann:secret@proxy:3128/", "proxy:3129", "localhost,.inside"};
    const auto info = info_document(values);
    EXPECT_EQ(info["HttpProxy"], "http://xxxxx:xxxxx@proxy:3128/");
    EXPECT_EQ(info["HttpsProxy"], "proxy:3129");
    EXPECT_EQ(info["NoProxy"], "localhost,.inside");
}

TEST(Info, warns_of_an_open_port_and_of_missing_limits) {
    const auto warnings = info_warnings({}, {"tcp://127.0.0.1:2375"});
    ASSERT_FALSE(warnings.empty());
    EXPECT_NE(warnings[0].find("tcp://127.0.0.1:2375"), std::string::npos);
    EXPECT_NE(std::ranges::find(warnings, "WARNING: No memory limit support"), warnings.end());
}

TEST(VersionDocument, has_the_engine_as_a_component) {
    HostFacts facts;
    facts.go_architecture = "amd64";
    const auto version = version_document(facts, {{"crun", {"1.8.1", "f8a0"}}}, 124);
    EXPECT_EQ(version["ApiVersion"], "1.51");
    EXPECT_EQ(version["MinAPIVersion"], "1.24");
    EXPECT_EQ(version["Components"][0]["Name"], "Engine");
    EXPECT_EQ(version["Components"][0]["Details"]["ApiVersion"], "1.51");
    EXPECT_EQ(version["Components"][1]["Name"], "crun");
    EXPECT_EQ(version["Os"], "linux");
}

} // namespace
} // namespace shoal::api
