// The pages of `version` and `info` against what the docker command prints for the same answers.
#include "cli/info_page.h"
#include "cli/version.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Json json(const char* text) { return *parse_json(text); }

const char* docker_version = R"({"Platform":{"Name":""},"Components":[
    {"Name":"Engine","Version":"20.10.24","Details":{"ApiVersion":"1.41","Arch":"amd64","BuildTime":"2026-05-07T21:09:36.000000000+00:00","Experimental":"false",
     "GitCommit":"5d6db84","GoVersion":"go1.19.8","KernelVersion":"6.18","MinAPIVersion":"1.12","Os":"linux"}},
    {"Name":"containerd","Version":"1.6.20","Details":{"GitCommit":"1.6.20-1"}},{"Name":"docker-init","Version":"0.19.0","Details":{"GitCommit":""}}],
    "Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","GitCommit":"5d6db84","GoVersion":"go1.19.8","Os":"linux","Arch":"amd64"})";

const ClientFacts facts{"0.1.0", "1.41", "1.51", "default", "amd64"};

TEST(VersionPage, has_dockers_layout) {
    EXPECT_EQ(version_page(version_document(facts, json(docker_version))),
              "Client:\n"
              " Version:           0.1.0\n"
              " API version:       1.41 (downgraded from 1.51)\n"
              " OS/Arch:           linux/amd64\n"
              " Context:           default\n"
              "\n"
              "Server:\n"
              " Engine:\n"
              "  Version:          20.10.24\n"
              "  API version:      1.41 (minimum version 1.12)\n"
              "  Go version:       go1.19.8\n"
              "  Git commit:       5d6db84\n"
              "  Built:            Thu May  7 21:09:36 2026\n"
              "  OS/Arch:          linux/amd64\n"
              "  Experimental:     false\n"
              " containerd:\n"
              "  Version:          1.6.20\n"
              "  GitCommit:        1.6.20-1\n"
              " docker-init:\n"
              "  Version:          0.19.0\n"
              "  GitCommit:        \n");
}

TEST(VersionPage, shows_the_client_alone_without_a_daemon) {
    EXPECT_EQ(
        version_page(version_document({"0.1.0", "1.51", "1.51", "x", "arm64"}, nullptr)),
        "Client:\n Version:           0.1.0\n API version:       1.51\n OS/Arch:           linux/arm64\n Context:           x\n");
}

TEST(VersionDocument, makes_an_engine_of_a_daemon_that_names_no_components) {
    const Json document = version_document(
        facts,
        json(
            R"({"Version":"1.2","ApiVersion":"1.24","Os":"linux","Arch":"amd64","Experimental":true})"));
    EXPECT_EQ(document["Server"]["Components"][0]["Name"], "Engine");
    EXPECT_EQ(document["Server"]["Components"][0]["Details"]["Experimental"], "true");
    EXPECT_EQ(go_architecture("x86_64"), "amd64");
}

TEST(InfoPage, has_dockers_layout) {
    EXPECT_EQ(
        info_page(json(
            R"({"Containers":3,"ContainersRunning":1,"ContainersPaused":0,"ContainersStopped":2,"Images":4,"ServerVersion":"1.0","Driver":"overlay2",
        "DriverStatus":[["Backing Filesystem","extfs"],["Supports d_type","true"]],"LoggingDriver":"json-file","CgroupDriver":"cgroupfs","CgroupVersion":"1",
        "Plugins":{"Volume":["local"],"Network":["bridge","host"],"Authorization":null,"Log":["json-file","none"]},"Swarm":{"LocalNodeState":"inactive"},
        "Runtimes":{"runc":{},"crun":{}},"DefaultRuntime":"crun","InitBinary":"docker-init","ContainerdCommit":{"ID":""},"RuncCommit":{"ID":"1.8"},"InitCommit":{"ID":""},
        "SecurityOptions":["name=seccomp,profile=builtin","name=cgroupns"],"KernelVersion":"6.1","OperatingSystem":"Debian","OSType":"linux","Architecture":"x86_64",
        "NCPU":2,"MemTotal":25276514304,"Name":"host","ID":"AB","DockerRootDir":"/var/lib/shoal","Debug":true,"NFd":30,"NGoroutines":4,"SystemTime":"now","NEventsListener":1,
        "HttpProxy":"","Labels":["a=b"],"ExperimentalBuild":false,"RegistryConfig":{"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{"r":{"Name":"r","Secure":false}},
        "Mirrors":["http://m/"]},"LiveRestoreEnabled":true,"DefaultAddressPools":[{"Base":"10.0.0.0/8","Size":24}],"FirewallBackend":{"Driver":"nftables"}})")),
        " Containers: 3\n  Running: 1\n  Paused: 0\n  Stopped: 2\n Images: 4\n Server Version: 1.0\n Storage Driver: overlay2\n  Backing Filesystem: extfs\n"
        "  Supports d_type: true\n Logging Driver: json-file\n Cgroup Driver: cgroupfs\n Cgroup Version: 1\n Plugins:\n  Volume: local\n  Network: bridge host\n"
        "  Log: json-file none\n Swarm: inactive\n Runtimes: crun runc\n Default Runtime: crun\n Init Binary: docker-init\n runc version: 1.8\n Security Options:\n"
        "  seccomp\n   Profile: builtin\n  cgroupns\n Kernel Version: 6.1\n Operating System: Debian\n OSType: linux\n Architecture: x86_64\n CPUs: 2\n"
        " Total Memory: 23.54GiB\n Name: host\n ID: AB\n Docker Root Dir: /var/lib/shoal\n Debug Mode: true\n  File Descriptors: 30\n  Goroutines: 4\n"
        "  System Time: now\n  EventsListeners: 1\n Labels:\n  a=b\n Experimental: false\n Insecure Registries:\n  r\n  127.0.0.0/8\n Registry Mirrors:\n  http://m/\n"
        " Live Restore Enabled: true\n Default Address Pools:\n   Base: 10.0.0.0/8, Size: 24\n Firewall Backend: nftables\n");
}

TEST(Pages, bear_answers_of_the_wrong_shape) {
    EXPECT_NE(
        version_page(version_document(
            facts,
            json(
                R"({"Components":[1,"x",{"Name":"Engine","Details":3},{"Details":{"BuildTime":4,"More":[]}}],"Experimental":"x"})"))),
        "");
    EXPECT_NE(
        info_page(json(
            R"({"Swarm":3,"Plugins":[],"Runtimes":[],"RegistryConfig":{"IndexConfigs":[1],"Mirrors":[1]},"DriverStatus":[1,[2,3]],"Debug":"x","Labels":{}})")),
        "");
}

TEST(InfoPage, bears_an_answer_that_says_nothing) {
    EXPECT_NE(info_page(Json::object()).find(" Swarm: \n"), std::string::npos);
}

} // namespace
} // namespace shoal::cli
