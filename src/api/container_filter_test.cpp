#include "api/container_filter.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

using engine::Container;
using engine::Status;

Container web() {
    Container container;
    container.id = *ContainerId::parse(std::string(60, 'a') + "beef");
    container.name = "web";
    container.created = from_unix_nanos(1'700'000'000'000'000'000);
    container.state.status = Status::Running;
    container.config.labels = {{"tier", "front"}, {"empty", ""}};
    container.config.exposed_ports["80/tcp"];
    container.config.exposed_ports["53/udp"];
    container.host_config.network_mode = "backend";
    container.endpoints["backend"];
    container::MountPoint volume;
    volume.type = "volume";
    volume.name = "data";
    volume.destination = "/var/data";
    container.mounts.push_back(volume);
    container.sandbox.ports.push_back({{80, network::Protocol::Tcp}, "0.0.0.0", 8080});
    return container;
}

bool fits(const Container& container, std::string_view filters, bool all = true) {
    auto filter = ContainerFilter::parse(*Filters::parse(filters), all, false);
    EXPECT_TRUE(filter) << filter.error().message;
    return filter && filter->matches(container);
}
bool refused(std::string_view filters) {
    const auto filter = ContainerFilter::parse(*Filters::parse(filters), true, false);
    return !filter && filter.error().code == Errc::Invalid;
}

TEST(ContainerFilter, shows_only_what_lives_unless_all_are_asked_for) {
    Container container = web();
    EXPECT_TRUE(fits(container, "", false));
    container.state.status = Status::Paused;
    EXPECT_TRUE(fits(container, "", false));
    container.state.status = Status::Restarting;
    EXPECT_TRUE(fits(container, "", false));
    container.state.status = Status::Exited;
    EXPECT_FALSE(fits(container, "", false));
    EXPECT_TRUE(fits(container, "", true));
    EXPECT_TRUE(fits(container, R"({"status":["exited"]})", false)) << "a status means all";
    EXPECT_TRUE(ContainerFilter::parse(Filters{}, false, true)->matches(container))
        << "so does a limit";
}

TEST(ContainerFilter, looks_at_names_and_ids) {
    const Container container = web();
    EXPECT_TRUE(fits(container, R"({"name":["we"]})"));
    EXPECT_TRUE(fits(container, R"({"name":["^/web$"]})"));
    EXPECT_TRUE(fits(container, R"({"name":["^web$"]})"));
    EXPECT_FALSE(fits(container, R"({"name":["^eb"]})"));
    EXPECT_TRUE(fits(container, R"({"id":["aaaaaaaaaaaa"]})"));
    EXPECT_FALSE(fits(container, R"({"id":["bbbb"]})"));
}

TEST(ContainerFilter, wants_all_labels_and_one_of_the_rest) {
    const Container container = web();
    EXPECT_TRUE(fits(container, R"({"label":["tier=front","empty"]})"));
    EXPECT_FALSE(fits(container, R"({"label":["tier=front","other"]})"));
    EXPECT_TRUE(fits(container, R"({"status":["paused","running"]})"));
    EXPECT_TRUE(fits(container, R"({"volume":["x","data"]})"));
    EXPECT_TRUE(fits(container, R"({"volume":["/var/data"]})"));
    EXPECT_FALSE(fits(container, R"({"volume":["dat"]})"));
    EXPECT_TRUE(fits(container, R"({"network":["backend"]})"));
    EXPECT_FALSE(fits(container, R"({"network":["front"]})"));
}

TEST(ContainerFilter, knows_ports) {
    const Container container = web();
    EXPECT_TRUE(fits(container, R"({"publish":["8080"]})"));
    EXPECT_TRUE(fits(container, R"({"publish":["8000-8100/tcp"]})"));
    EXPECT_FALSE(fits(container, R"({"publish":["80"]})"));
    EXPECT_FALSE(fits(container, R"({"publish":["8080/udp"]})"));
    EXPECT_TRUE(fits(container, R"({"expose":["53/udp"]})"));
    EXPECT_FALSE(fits(container, R"({"expose":["53"]})"));
}

TEST(ContainerFilter, knows_exit_codes_and_health) {
    Container container = web();
    EXPECT_FALSE(fits(container, R"({"exited":["0"]})"));
    EXPECT_TRUE(fits(container, R"({"health":["none"]})"));
    container.state.status = Status::Exited;
    EXPECT_TRUE(fits(container, R"({"exited":["0","3"]})"));
    container.state.exit_code = 2;
    EXPECT_FALSE(fits(container, R"({"exited":["0","3"]})"));
    EXPECT_FALSE(fits(container, R"({"is-task":["true"]})"));
    EXPECT_TRUE(fits(container, R"({"is-task":["false"]})"));
}

TEST(ContainerFilter, compares_times_and_ancestors) {
    const Container container = web();
    ContainerFilter filter;
    filter.all = true;
    filter.before = container.created;
    EXPECT_FALSE(filter.matches(container));
    filter.before = container.created + std::chrono::seconds(1);
    EXPECT_TRUE(filter.matches(container));
    filter.since = container.created;
    EXPECT_FALSE(filter.matches(container));
    ContainerFilter ancestor;
    ancestor.all = true;
    ancestor.by_ancestor = true;
    EXPECT_FALSE(ancestor.matches(container));
}

TEST(ContainerFilter, refuses_words_it_does_not_know) {
    EXPECT_TRUE(refused(R"({"colour":["red"]})"));
    EXPECT_TRUE(refused(R"({"status":["happy"]})"));
    EXPECT_TRUE(refused(R"({"health":["well"]})"));
    EXPECT_TRUE(refused(R"({"exited":["zero"]})"));
    EXPECT_TRUE(refused(R"({"is-task":["maybe"]})"));
    EXPECT_TRUE(refused(R"({"publish":["http"]})"));
}

} // namespace
} // namespace shoal::api
