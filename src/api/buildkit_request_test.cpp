#include "api/buildkit_request.h"

#include "api/build_status.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

using Kind = build::ContextSource::Kind;

build::Request read(const buildkit::Attributes& attributes) {
    auto request = request_of_attributes(attributes, "session");
    EXPECT_TRUE(request) << request.error().message;
    return request ? std::move(*request) : build::Request{};
}
std::string refusal(const buildkit::Attributes& attributes) {
    const auto request = request_of_attributes(attributes, "session");
    return request ? "" : request.error().message;
}

TEST(BuildkitRequest, reads_the_attributes_of_dockerfile_builds) {
    const auto request = read({{"filename", "sub/Dockerfile"},
                               {"target", "app"},
                               {"platform", "linux/amd64"},
                               {"build-arg:A", "1"},
                               {"build-arg:SOURCE_DATE_EPOCH", "0"},
                               {"label:x.y", "z"},
                               {"no-cache", "one,two"},
                               {"image-resolve-mode", "pull"},
                               {"add-hosts", "a=1.2.3.4,b=::1"},
                               {"force-network-mode", "none"},
                               {"shm-size", "1024"},
                               {"ulimit", "nofile=10:20,core=0"},
                               {"cgroup-parent", "/x"},
                               {"context:base", "docker-image://debian:12"},
                               {"context:assets", "local:assets"},
                               {"local-sessionid:context", "session"},
                               {"vcs:revision", "abc"}});
    EXPECT_EQ(request.dockerfile, "sub/Dockerfile");
    EXPECT_EQ(request.target, "app");
    EXPECT_EQ(request.args.at("A"), "1");
    EXPECT_EQ(request.labels.at("x.y"), "z");
    EXPECT_EQ(request.no_cache_stages, (std::vector<std::string>{"one", "two"}));
    EXPECT_FALSE(request.no_cache);
    EXPECT_TRUE(request.pull);
    EXPECT_EQ(request.extra_hosts, (std::vector<std::string>{"a:1.2.3.4", "b:::1"}));
    EXPECT_EQ(request.network, "none");
    EXPECT_EQ(request.shm_size_bytes, 1024);
    ASSERT_EQ(request.resources.ulimits.size(), 2U);
    EXPECT_EQ(request.resources.ulimits[0].hard, 20);
    EXPECT_EQ(request.resources.ulimits[1].hard, 0);
    EXPECT_EQ(request.resources.cgroup_parent, "/x");
    EXPECT_EQ(request.contexts.at("base").kind, Kind::Image);
    EXPECT_EQ(request.contexts.at("base").name, "debian:12");
    EXPECT_EQ(request.contexts.at("assets").kind, Kind::Session);
    EXPECT_EQ(request.context.kind, Kind::Session);
    EXPECT_EQ(request.context.name, "context");
    EXPECT_TRUE(read({{"no-cache", ""}}).no_cache);
    EXPECT_EQ(read({{"context", "https://example.com/x.git#main"}}).context.kind, Kind::Remote);
}

TEST(BuildkitRequest, refuses_by_name_what_it_does_not_know) {
    EXPECT_NE(refusal({{"frobnicate", "1"}}).find("frobnicate"), std::string::npos);
    EXPECT_NE(refusal({{"platform", "linux/amd64,linux/arm64"}}).find("several platforms"),
              std::string::npos);
    EXPECT_NE(refusal({{"attest:provenance", "mode=max"}}).find("attest:provenance"),
              std::string::npos);
    EXPECT_NE(refusal({{"requestid", "frontend.outline"}}).find("requestid"), std::string::npos);
    EXPECT_NE(refusal({{"local-sessionid:context", "other"}}), "");
    EXPECT_NE(refusal({{"context:x", "oci-layout://y"}}).find("oci-layout"), std::string::npos);
    EXPECT_NE(refusal({{"ulimit", "nofile"}}), "");
    EXPECT_NE(refusal({{"add-hosts", "name"}}), "");
}

buildkit::SolveRequest plain() {
    buildkit::SolveRequest request;
    request.ref = "r";
    request.frontend = "dockerfile.v0";
    return request;
}
TEST(BuildkitRequest, judges_what_stands_around_the_frontend) {
    EXPECT_TRUE(check_solve(plain()));
    auto request = plain();
    request.cache_exports = {{"inline", {}}};
    request.cache_imports = {{"registry", {{"ref", "a/b"}}}};
    request.entitlements = {"network.host"};
    request.exporters = {{"moby", {{"name", "a,b:2"}}}};
    EXPECT_TRUE(check_solve(request));
    EXPECT_EQ(outputs_of(request)->front().names, (std::vector<std::string>{"a", "b:2"}));
    request.exporters = {{"image", {{"push", "true"}}}};
    EXPECT_FALSE(check_solve(request));
    request = plain();
    request.entitlements = {"security.insecure"};
    EXPECT_EQ(check_solve(request).error().code, Errc::Forbidden);
    request = plain();
    request.cache_exports = {{"gha", {}}};
    EXPECT_FALSE(check_solve(request));
    request = plain();
    request.has_definition = true;
    EXPECT_FALSE(check_solve(request));
}

TEST(BuildkitRequest, reads_filters_of_its_own_form) {
    const auto filters = filters_of({"type==regular", "id~=abc", "private=true"});
    ASSERT_TRUE(filters);
    EXPECT_EQ(filters->values("type").front(), "regular");
    EXPECT_EQ(filters->values("id").front(), "abc");
    EXPECT_FALSE(filters_of({"nonsense"}));
}

TEST(BuildStatus, repeats_all_that_is_known_of_a_vertex) {
    BuildStatus status("salt");
    build::Step first;
    first.name = "[1/2] FROM x";
    build::Step second;
    second.id = 1;
    second.name = "[2/2] RUN y";
    second.needs = {0};
    build::Event event;
    event.step = &first;
    event.at = Instant(std::chrono::seconds(5));
    const auto announced = status.take(event, "Dockerfile").vertexes.at(0);
    event.step = &second;
    event.kind = build::Event::Kind::Started;
    const auto started = status.take(event, "Dockerfile").vertexes.at(0);
    EXPECT_EQ(started.inputs, std::vector<std::string>{announced.digest});
    EXPECT_EQ(started.started, event.at);
    event.kind = build::Event::Kind::Output;
    event.text = "words";
    event.error_stream = true;
    const auto log = status.take(event, "Dockerfile").logs.at(0);
    EXPECT_EQ(log.vertex, started.digest);
    EXPECT_EQ(log.stream, 2);
    event.kind = build::Event::Kind::Failed;
    const auto failed = status.take(event, "Dockerfile").vertexes.at(0);
    EXPECT_EQ(failed.error, "words");
    EXPECT_EQ(failed.started, event.at);
    EXPECT_TRUE(failed.completed);
    EXPECT_FALSE(buildkit::print_status({{failed}, {}, {log}, {}}).empty());
}

} // namespace
} // namespace shoal::api
