#include "engine/events.h"

#include "net/loop.h"
#include "os/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

using testing::ElementsAre;

/// A clock that goes on by a second with every look.
struct Ticks : Clock {
    mutable int seconds = 0;
    Instant now() const override { return Instant(std::chrono::seconds(++seconds)); }
    Steady steady() const override { return {}; }
};
Instant second(int n) { return Instant(std::chrono::seconds(n)); }

Event event(std::string type, std::string action, std::string id, Labels attributes = {}) {
    Event made;
    made.type = std::move(type);
    made.action = std::move(action);
    made.id = std::move(id);
    made.attributes = std::move(attributes);
    return made;
}
bool passes(const Event& event, const std::string& filters) {
    return matches(event, *Filters::parse(filters));
}

struct EventsTest : testing::Test {
    net::Loop loop;
    Ticks clock;
    Events events{loop, clock};

    std::vector<std::string> history(Instant since, Instant until) const {
        std::vector<std::string> ids;
        for (const auto& each : events.history(since, until)) { ids.push_back(each.id); }
        return ids;
    }
    std::string next(Events::Subscription& subscription) {
        const auto got =
            net::run_task(loop, subscription.next(Deadline::in(std::chrono::seconds(0))));
        return got ? got->id : "nothing";
    }
};

} // namespace

TEST(EventFilters, choose_by_type_action_and_scope) {
    const auto start = event("container", "start", "0123456789ab");
    EXPECT_TRUE(passes(start, ""));
    EXPECT_TRUE(
        passes(start, R"({"type":["container"],"event":["start","die"],"scope":["local"]})"));
    EXPECT_FALSE(passes(start, R"({"type":["image"]})"));
    EXPECT_FALSE(passes(start, R"({"event":["die"]})"));
    EXPECT_FALSE(passes(start, R"({"scope":["swarm"]})"));
}

TEST(EventFilters, take_an_action_without_what_follows_its_colon) {
    const auto made = event("container", "exec_create: ls -l", "0123456789ab");
    EXPECT_TRUE(passes(made, R"({"event":["exec_create"]})"));
    EXPECT_TRUE(passes(made, R"({"event":["exec_create: ls -l"]})"));
    EXPECT_FALSE(passes(made, R"({"event":["exec_start"]})"));
}

TEST(EventFilters, choose_objects_by_name_and_id) {
    const auto start =
        event("container", "start", "0123456789ab", {{"name", "web"}, {"image", "nginx:1"}});
    for (const char* wanted : {"web", "/web", "0123456789ab", "01234"}) {
        EXPECT_TRUE(passes(start, std::string(R"({"container":[")") + wanted + "\"]}")) << wanted;
    }
    EXPECT_FALSE(passes(start, R"({"container":["db"]})"));
    EXPECT_FALSE(passes(start, R"({"volume":["web"]})")) << "a container is no volume";
    EXPECT_TRUE(passes(start, R"({"image":["nginx:1"]})"));
    EXPECT_TRUE(passes(start, R"({"image":["nginx"]})"));
    EXPECT_FALSE(passes(start, R"({"image":["httpd"]})"));
}

TEST(EventFilters, choose_by_label) {
    const auto start = event("container", "start", "0123456789ab", {{"tier", "front"}});
    EXPECT_TRUE(passes(start, R"({"label":["tier"]})"));
    EXPECT_TRUE(passes(start, R"({"label":["tier=front"]})"));
    EXPECT_FALSE(passes(start, R"({"label":["tier=back"]})"));
}

TEST_F(EventsTest, are_kept_for_late_comers_by_time) {
    for (const char* id : {"a", "b", "c", "d"}) { events.publish(event("volume", "create", id)); }
    EXPECT_THAT(history(Instant::min(), Instant::max()), ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(history(second(2), second(3)), ElementsAre("b", "c"));
    EXPECT_THAT(history(second(5), second(9)), ElementsAre());
    EXPECT_EQ(events.published(), 4u);
}

TEST_F(EventsTest, are_forgotten_when_there_are_too_many) {
    for (std::size_t i = 0; i <= Events::ring_max; ++i) {
        events.publish(event("volume", "create", std::to_string(i)));
    }
    const auto ids = history(Instant::min(), Instant::max());
    EXPECT_EQ(ids.size(), Events::ring_max);
    EXPECT_EQ(ids.front(), "1");
}

TEST_F(EventsTest, reach_those_who_listen_in_order) {
    events.publish(event("volume", "create", "before"));
    Events::Subscription first(events);
    events.publish(event("volume", "create", "a"));
    Events::Subscription second(events);
    events.publish(event("volume", "create", "b"));
    EXPECT_EQ(next(first), "a");
    EXPECT_EQ(next(first), "b");
    EXPECT_EQ(next(first), "nothing");
    EXPECT_EQ(next(second), "b");
    EXPECT_EQ(next(second), "nothing");
}

TEST_F(EventsTest, lose_the_oldest_for_a_listener_that_is_too_slow) {
    Events::Subscription slow(events);
    for (std::size_t i = 0; i < Events::queue_max + 3; ++i) {
        events.publish(event("volume", "create", std::to_string(i)));
    }
    EXPECT_EQ(next(slow), "3");
}

TEST_F(EventsTest, do_not_remember_a_listener_that_has_gone) {
    { const Events::Subscription gone(events); }
    events.publish(event("volume", "create", "a"));
    EXPECT_EQ(events.published(), 1u);
}

} // namespace shoal::engine
