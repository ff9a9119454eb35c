// A face without a network: it writes into a store in memory, remembers what it was asked, and
// answers forwarded requests with what the test says. For tests only.
#pragma once

#include "api/swarm_test_cluster.h"

namespace shoal::api {

class FakeLogs final : public swarm::LogSource {
  public:
    std::vector<swarm::pb::LogMessage> lines;
    std::optional<Error> at_end;
    net::Task<Result<std::vector<swarm::pb::LogMessage>>> read(net::Until) override {
        auto all = std::move(lines);
        lines.clear();
        if (all.empty() && at_end) { co_return *at_end; }
        co_return all;
    }
};

class FakeAnswer final : public swarm::ForwardedAnswer {
  public:
    std::deque<std::string> pieces;
    net::Task<Result<std::string>> read(net::Until) override {
        if (pieces.empty()) { co_return std::string(); }
        auto piece = pieces.front();
        pieces.pop_front();
        co_return piece;
    }
};

class FakeFace final : public swarm::Face, public TestCluster {
  public:
    swarm::Standing own;
    bool leading = true;
    std::vector<swarm::ForwardedRequest> forwarded;
    int answer_status = 200;
    std::string answer_type = "application/json";
    std::string answer_body;
    swarm::pb::LogSelector selector;
    swarm::pb::LogSubscriptionOptions log_options;
    std::vector<swarm::pb::LogMessage> log_lines;
    std::optional<Error> log_error;
    std::optional<swarm::InitRequest> inited;
    std::optional<swarm::JoinRequest> joined;
    std::optional<bool> left;
    std::string unlocked;
    swarm::ClusterActions actions{
        [](swarm::pb::NodeRole, const swarm::pb::Cluster&) -> Result<std::string> {
            return std::string("SWMTKN-new");
        },
        [](swarm::Tx&, const swarm::pb::Cluster&, swarm::pb::Cluster&) { return ok(); },
        [](swarm::Tx&, const swarm::pb::Cluster&, swarm::pb::Cluster&) { return ok(); }};

    void become_manager() {
        own.state = swarm::LocalState::Active;
        own.manager = true;
        own.node_id = "n1";
        cluster();
    }

    swarm::Standing standing() const override { return own; }
    const swarm::Store* store() const override { return own.manager ? &held() : nullptr; }
    bool leads() const override { return leading; }
    net::Task<Result<std::int64_t>> submit(swarm::Mutation mutation, net::Until) override {
        swarm::Tx tx(TestCluster::store, now, random);
        auto done = mutation(tx);
        if (!done) {
            tx.roll_back_to(0);
            co_return std::move(done).error();
        }
        const auto revision = ++TestCluster::store.revision;
        for (const auto& change : tx.merged()) { stamp(change, revision); }
        co_return revision;
    }
    const swarm::ClusterActions& cluster_actions() override { return actions; }
    std::optional<Instant> certificate_ends(const swarm::pb::Node&) const override { return now; }
    net::Task<Result<std::string>> init(swarm::InitRequest request, net::Until) override {
        inited = std::move(request);
        become_manager();
        co_return std::string("n1");
    }
    net::Task<Result<void>> join(swarm::JoinRequest request, net::Until) override {
        joined = std::move(request);
        co_return ok();
    }
    net::Task<Result<swarm::pb::Network>> find_network(std::string ref, net::Until) override {
        const auto found = TestCluster::store.by_name<swarm::pb::Network>(ref);
        if (!found) { co_return Error{Errc::NotFound, "network " + ref + " not found"}; }
        co_return *found;
    }
    net::Task<Result<void>> leave(bool force, net::Until) override {
        left = force;
        co_return ok();
    }
    net::Task<Result<void>> unlock(std::string key, net::Until) override {
        unlocked = std::move(key);
        co_return ok();
    }
    net::Task<Result<std::string>> backup(std::string, net::Until) override {
        co_return std::string("a back-up");
    }
    net::Task<Result<std::string>> restore(swarm::RestoreRequest, net::Until) override {
        co_return std::string("n1");
    }
    net::Task<Result<std::string>> unlock_key(net::Until) override {
        co_return std::string("SWMKEY-1-x");
    }
    net::Task<Result<std::unique_ptr<swarm::ForwardedAnswer>>>
    forward(swarm::ForwardedRequest request, net::Until) override {
        forwarded.push_back(std::move(request));
        auto answer = std::make_unique<FakeAnswer>();
        answer->status = answer_status;
        answer->headers.add("Content-Type", answer_type);
        if (!answer_body.empty()) { answer->pieces.push_back(answer_body); }
        std::unique_ptr<swarm::ForwardedAnswer> given = std::move(answer);
        co_return given;
    }
    net::Task<Result<std::unique_ptr<swarm::LogSource>>>
    open_logs(swarm::pb::LogSelector of, swarm::pb::LogSubscriptionOptions options,
              net::Until) override {
        selector = std::move(of);
        log_options = std::move(options);
        auto logs = std::make_unique<FakeLogs>();
        logs->lines = log_lines;
        logs->at_end = log_error;
        std::unique_ptr<swarm::LogSource> given = std::move(logs);
        co_return given;
    }

  private:
    const swarm::Store& held() const { return TestCluster::store; }
    /// The log's revision becomes the version of what was written.
    void stamp(const swarm::Change& change, std::int64_t revision) {
        if (!swarm::exists(change.after)) { return; }
        const auto bytes = swarm::encode_object(change.after);
        auto again = swarm::decode_object(change.kind, bytes, static_cast<std::uint64_t>(revision));
        TestCluster::store.apply(change.kind, change.id, *again);
    }
};

} // namespace shoal::api
