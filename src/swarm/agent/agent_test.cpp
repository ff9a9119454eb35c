// How an agent looks for managers. Its sessions are tested with real managers (test/sim).
#include "swarm/agent/agent.h"

#include "swarm/agent/scripted_executor.h"

#include "net/pipe_pair.h"
#include "net/scope.h"
#include "net/sleep.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

/// Handshakes take as long as `takes` says; then the other end hangs up.
class SlowTransport final : public Transport {
  public:
    explicit SlowTransport(net::Loop& loop) : loop_(loop) {}
    net::Task<Result<net::StreamPtr>> connect(std::string address, Trust,
                                              net::Until until) override {
        const auto begun = loop_.now();
        if (!later.empty()) {
            takes = later.front();
            later.pop_front();
        }
        const auto span = takes;
        const net::Wake wake = co_await net::sleep(loop_, until.no_later_than(loop_.in(span)));
        waited.push_back(loop_.now() - begun);
        if (wake == net::Wake::Cancelled || waited.back() < span) {
            co_return net::to_result(wake, "connect to " + address).error();
        }
        auto [mine, theirs] = net::make_pipe_pair(loop_, "a", "b", {}, {});
        theirs.reset();
        co_return std::move(mine);
    }
    Result<void> listen(const std::string&) override { return invalid("not here"); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return invalid("not here"); }

    std::chrono::nanoseconds takes = 1h;
    std::deque<std::chrono::nanoseconds> later; ///< one after the other, instead
    std::vector<std::chrono::nanoseconds> waited;

  private:
    net::Loop& loop_;
};

struct SomeRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = state_ += 37; }
    }
    std::uint8_t state_ = 0;
};

struct AgentTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    LoopClock clock{loop};
    SomeRandom random;
    ScriptedExecutor executor{loop};
    MapTaskMemory memory;
    SlowTransport transport{loop};
    Agent agent{{loop, clock, random, transport, executor, memory}, {}, {}};

    AgentTest() { agent.add_manager("10.0.0.1:2377"); }
    net::Task<void> run_agent(net::Until until) {
        const auto outcome = co_await agent.run(until);
        EXPECT_TRUE(outcome);
    }
    net::Task<void> run_for(std::chrono::nanoseconds span) {
        net::TaskScope scope(loop);
        scope.spawn(run_agent(net::Until(scope.cancel())));
        co_await net::sleep(loop, loop.in(span));
        co_await scope.close();
    }
    std::vector<std::chrono::nanoseconds> first(std::size_t count) const {
        const auto& all = transport.waited;
        return {all.begin(),
                all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size()))};
    }
};

using Spans = std::vector<std::chrono::nanoseconds>;

TEST(ConnectTime, grows_with_each_that_took_too_long) {
    const Agent::Settings settings;
    EXPECT_EQ(connect_time(settings, 0), 2s);
    EXPECT_EQ(connect_time(settings, 1), 4s);
    EXPECT_EQ(connect_time(settings, 2), 8s);
    EXPECT_EQ(connect_time(settings, 3), 10s);
    EXPECT_EQ(connect_time(settings, 1'000'000), 10s);
    Agent::Settings patient;
    patient.connect_timeout = 20s;
    EXPECT_EQ(connect_time(patient, 5), 20s);
}

TEST_F(AgentTest, where_handshakes_are_slow_it_gives_them_more_time) {
    transport.takes = 9s;
    net::run_task(loop, run_for(90s));
    // It has found how long they take, and stays with that.
    EXPECT_EQ(first(5), (Spans{2s, 4s, 8s, 9s, 9s}));
}

TEST_F(AgentTest, who_never_answers_is_not_waited_for_longer_and_longer) {
    net::run_task(loop, run_for(90s));
    EXPECT_EQ(first(5), (Spans{2s, 4s, 8s, 10s, 10s}));
}

TEST_F(AgentTest, after_a_fast_one_it_is_impatient_again) {
    transport.later = {1h, 1h, 10ms, 1h, 1h};
    net::run_task(loop, run_for(60s));
    EXPECT_EQ(first(5), (Spans{2s, 4s, 10ms, 2s, 4s}));
}

} // namespace
} // namespace shoal::swarm
