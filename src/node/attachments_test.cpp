#include "node/attachments.h"

#include "net/scope.h"
#include "net/sleep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::node {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string network_id = "netnetnetnetnetnetnetnet1";

ContainerId container(char digit) { return *ContainerId::parse(std::string(64, digit)); }

/// Managers that answer as the test says, and an engine that has what it says.
struct FakeWorld final : AttachmentWorld {
    explicit FakeWorld(net::Loop& on) : loop(on) {}
    bool may_have(std::string_view) const override { return in_cluster; }
    net::Task<Result<std::string>> attach(pb::AttachNetworkRequest request, net::Until) override {
        co_await net::yield(loop);
        asked.push_back(request);
        if (refusals > 0) {
            --refusals;
            co_return refusal;
        }
        co_return "t" + std::to_string(asked.size());
    }
    net::Task<Result<void>> detach(std::string id, net::Until) override {
        co_await net::yield(loop);
        if (refusals > 0) {
            --refusals;
            co_return refusal;
        }
        co_await net::sleep(loop, net::Until(loop.in(slow_detach)));
        detached.push_back(id);
        co_return ok();
    }
    bool is_task(const ContainerId& id) const override { return tasks.contains(id); }
    bool is_on(const ContainerId& id, const NetworkId&) const override {
        return attached.contains(id);
    }
    std::vector<engine::PlaceWish> on_networks() const override { return places; }
    net::Task<Result<void>> put_off(ContainerId id, NetworkId) override {
        co_await net::yield(loop);
        attached.erase(id);
        places.clear();
        co_return ok();
    }
    net::Task<Result<void>> ensure_network(pb::NetworkAttachment attachment, net::Until) override {
        co_await net::yield(loop);
        ensured.push_back(attachment.network().id());
        co_return network_problem;
    }

    net::Loop& loop;
    bool in_cluster = true;
    Result<void> network_problem;
    std::vector<std::string> ensured;
    int refusals = 0;
    Error refusal;
    std::chrono::nanoseconds slow_detach{};
    std::vector<pb::AttachNetworkRequest> asked;
    std::vector<std::string> detached;
    std::set<ContainerId> tasks, attached;
    std::vector<engine::PlaceWish> places;
};

struct AttachmentsTest : testing::Test {
    using Outcome = Result<std::optional<engine::Place>>;

    AttachmentsTest() {
        attachments.open();
        scope.spawn(attachments.tend(net::Until(scope.cancel())));
    }
    ~AttachmentsTest() override { net::run_task(loop, scope.close()); }

    static swarm::TaskPtr task(const std::string& id, const ContainerId& of,
                               const std::vector<std::string>& names = {"web"}) {
        auto made = std::make_shared<pb::Task>();
        made->set_id(id);
        made->mutable_spec()->mutable_attachment()->set_container_id(of.text());
        auto& network = *made->add_networks();
        network.mutable_network()->set_id(network_id);
        network.add_addresses("10.0.1.5/24");
        network.add_addresses("fd00::5/64");
        for (const auto& name : names) { network.add_aliases(name); }
        return made;
    }
    void assign(const std::string& id, const ContainerId& of,
                const std::vector<std::string>& names = {"web"}) {
        controllers[id] = attachments.make_controller(task(id, of, names));
    }
    static engine::PlaceWish wish(const ContainerId& of) { return {of, "back", {}, {"web"}}; }
    net::Task<void> begin(engine::PlaceWish wanted) {
        auto outcome = co_await attachments.attach(std::move(wanted));
        outcomes.push_back(std::move(outcome));
    }
    void ask(const ContainerId& of) { scope.spawn(begin(wish(of))); }
    /// Asked for, then assigned.
    void give(const std::string& id, const ContainerId& of) {
        ask(of);
        pass(1s);
        assign(id, of);
        pass(1s);
    }
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(loop, span)); }
    static net::Task<void> wait(net::Loop& on, std::chrono::nanoseconds span) {
        co_await net::sleep(on, net::Until(on.in(span)));
    }

    static net::Task<void> run(swarm::Controller* what, net::Cancel* until,
                               std::optional<Result<void>>* ended) {
        auto outcome = co_await what->wait(net::Until(*until));
        *ended = std::move(outcome);
    }

    net::Loop loop{net::Loop::Time::Virtual};
    FakeWorld world{loop};
    Attachments attachments{loop, world};
    std::map<std::string, std::unique_ptr<swarm::Controller>> controllers;
    std::vector<Outcome> outcomes;
    net::TaskScope scope{loop};
};

TEST_F(AttachmentsTest, a_place_has_the_addresses_of_the_task_that_the_managers_assign) {
    ask(container('a'));
    pass(1s);
    EXPECT_THAT(outcomes, IsEmpty()) << "the task is not here yet";
    ASSERT_EQ(world.asked.size(), 1u);
    EXPECT_EQ(world.asked[0].config().target(), "back");
    EXPECT_EQ(world.asked[0].config().aliases(0), "web");
    assign("t1", container('a'));
    pass(1s);
    ASSERT_EQ(outcomes.size(), 1u);
    ASSERT_TRUE(outcomes[0] && *outcomes[0]);
    EXPECT_EQ((*outcomes[0])->network.text(), network_id);
    EXPECT_EQ((*outcomes[0])->ipv4, "10.0.1.5");
    EXPECT_EQ((*outcomes[0])->ipv6, "fd00::5");
}

TEST_F(AttachmentsTest, the_engine_has_the_network_before_the_container_is_attached) {
    give("t1", container('a'));
    EXPECT_THAT(world.ensured, ElementsAre(network_id));
    world.network_problem = unsupported("this kernel has no VXLAN");
    give("t2", container('b'));
    ASSERT_EQ(outcomes.size(), 2u);
    EXPECT_EQ(outcomes[1].error().message,
              "Could not attach to network back: this kernel has no VXLAN");
    attachments.settled(container('b'));
    pass(1s);
    EXPECT_THAT(world.detached, ElementsAre("t2"));
}

TEST_F(AttachmentsTest, what_is_no_network_of_the_cluster_or_a_tasks_container_is_nobodys_place) {
    world.refusals = 1;
    world.refusal = Error{Errc::NotFound, "network back not found"};
    ask(container('a'));
    world.tasks = {container('b')};
    ask(container('b'));
    pass(1s);
    ASSERT_EQ(outcomes.size(), 2u);
    for (const auto& outcome : outcomes) { EXPECT_TRUE(outcome && !*outcome); }
    EXPECT_EQ(world.asked.size(), 1u);
    world.in_cluster = false;
    ask(container('c'));
    pass(1s);
    EXPECT_TRUE(outcomes.back() && !*outcomes.back());
}

TEST_F(AttachmentsTest, a_refusal_is_told_in_dockers_words) {
    world.refusals = 1;
    world.refusal = Error{Errc::Forbidden, "network back not manually attachable"};
    ask(container('a'));
    pass(1s);
    ASSERT_EQ(outcomes.size(), 1u);
    EXPECT_EQ(outcomes[0].error().code, Errc::Forbidden);
    EXPECT_EQ(outcomes[0].error().message,
              "Could not attach to network back: network back not manually attachable");
}

TEST_F(AttachmentsTest, managers_that_cannot_be_reached_are_asked_again) {
    world.refusals = 10;
    world.refusal = Error{Errc::Unavailable, "nobody leads"};
    ask(container('a'));
    pass(5s);
    EXPECT_EQ(world.asked.size(), 11u);
    assign("t11", container('a'));
    pass(1s);
    ASSERT_EQ(outcomes.size(), 1u);
    EXPECT_TRUE(outcomes[0]);
    world.refusals = 1000;
    ask(container('b'));
    pass(21s);
    ASSERT_EQ(outcomes.size(), 2u);
    EXPECT_THAT(outcomes[1].error().message, HasSubstr("nobody leads"));
}

TEST_F(AttachmentsTest, what_does_not_come_in_time_is_given_back) {
    ask(container('a'));
    pass(21s);
    ASSERT_EQ(outcomes.size(), 1u);
    EXPECT_EQ(outcomes[0].error().code, Errc::Timeout);
    EXPECT_THAT(world.detached, IsEmpty()) << "it is being attached still";
    attachments.settled(container('a'));
    pass(1s);
    EXPECT_THAT(world.detached, ElementsAre("t1"));
}

TEST_F(AttachmentsTest, a_place_is_given_back_when_its_container_is_off_the_network) {
    give("t1", container('a'));
    pass(10s);
    world.attached = {container('a')};
    attachments.settled(container('a'));
    pass(10s);
    EXPECT_THAT(world.detached, IsEmpty());
    world.attached.clear();
    attachments.settled(container('a'));
    pass(1s);
    EXPECT_THAT(world.detached, ElementsAre("t1"));
    pass(10s);
    EXPECT_EQ(world.detached.size(), 1u) << "once";
}

TEST_F(AttachmentsTest, what_a_life_before_has_left_is_given_back_until_the_managers_know) {
    world.refusals = 2;
    world.refusal = Error{Errc::Unavailable, "nobody leads"};
    world.attached = {container('a')};
    assign("t1", container('a'));
    assign("t2", container('b'));
    pass(30s);
    EXPECT_THAT(world.detached, ElementsAre("t2"));
}

TEST_F(AttachmentsTest, a_place_that_the_managers_have_forgotten_is_asked_for_with_its_addresses) {
    world.attached = {container('a')};
    world.places = {{container('a'), network_id, {"10.0.1.5"}, {"web"}}};
    pass(1s);
    ASSERT_EQ(world.asked.size(), 1u);
    EXPECT_TRUE(world.asked[0].kept());
    EXPECT_EQ(world.asked[0].config().addresses(0), "10.0.1.5");
    assign("t1", container('a'));
    pass(30s);
    EXPECT_EQ(world.asked.size(), 1u);
    EXPECT_THAT(world.detached, IsEmpty());
}

TEST_F(AttachmentsTest, the_managers_are_told_of_other_names) {
    world.attached = {container('a')};
    world.places = {{container('a'), network_id, {"10.0.1.5"}, {"web", "aaaa"}}};
    assign("t1", container('a'), {"aaaa", "web"});
    pass(30s);
    EXPECT_THAT(world.asked, IsEmpty());
    world.places[0].names[0] = "store";
    world.refusals = 2;
    world.refusal = Error{Errc::Forbidden, "not manually attachable"};
    attachments.settled(container('a'));
    pass(100ms);
    EXPECT_EQ(world.asked.size(), 1u) << "at once";
    pass(11s);
    ASSERT_EQ(world.asked.size(), 3u) << "until they know";
    EXPECT_TRUE(world.asked[2].kept());
    EXPECT_THAT(world.asked[2].config().aliases(), ElementsAre("store", "aaaa"));
    EXPECT_TRUE(world.attached.contains(container('a'))) << "no reason to take it off";
    controllers["t1"]->update(*task("t1", container('a'), {"store", "aaaa"}));
    pass(30s);
    EXPECT_EQ(world.asked.size(), 3u);
    EXPECT_THAT(world.detached, IsEmpty());
}

TEST_F(AttachmentsTest, a_container_whose_addresses_are_others_is_taken_off) {
    world.attached = {container('a')};
    world.places = {{container('a'), network_id, {"10.0.1.5"}, {"web"}}};
    world.refusals = 100;
    world.refusal = Error{Errc::Unavailable, "nobody leads"};
    pass(12s);
    EXPECT_TRUE(world.attached.contains(container('a'))) << "nobody could be asked";
    world.refusal = Error{Errc::Exhausted, "address 10.0.1.5 is already in use in network back"};
    pass(6s);
    EXPECT_TRUE(world.attached.empty());
}

TEST_F(AttachmentsTest, a_container_that_comes_again_asks_when_its_old_place_is_given_back) {
    world.slow_detach = 3s;
    assign("t0", container('a'));
    pass(1s);
    ask(container('a'));
    pass(1s);
    EXPECT_THAT(world.asked, IsEmpty());
    pass(3s);
    EXPECT_THAT(world.detached, ElementsAre("t0"));
    EXPECT_EQ(world.asked.size(), 1u);
}

TEST_F(AttachmentsTest, a_task_that_is_known_again_takes_the_place_of_itself) {
    world.attached = {container('a')};
    assign("t1", container('a'));
    auto second = attachments.make_controller(task("t1", container('a')));
    controllers["t1"] = std::move(second); // the first ends now
    ask(container('a'));
    world.attached.clear();
    pass(1s);
    EXPECT_EQ(outcomes.size(), 1u);
}

TEST_F(AttachmentsTest, it_runs_until_it_is_told_to_end) {
    assign("t1", container('a'));
    net::Cancel cancel;
    std::optional<Result<void>> ended;
    EXPECT_EQ(controllers["t1"]->status().container.container_id(), container('a').text());
    world.attached = {container('a')};
    scope.spawn(run(controllers["t1"].get(), &cancel, &ended));
    pass(1h);
    EXPECT_FALSE(ended);
    cancel.cancel();
    pass(1s);
    EXPECT_TRUE(ended);
}

} // namespace
} // namespace shoal::node
