#include "swarm/store/fake_log.h"

#include "net/sleep.h"

#include <algorithm>

namespace shoal::swarm {

using net::Until;

namespace {

Error refused() { return {Errc::Unavailable, "no member runs here"}; }
Error lost() { return {Errc::Unavailable, "the connection has ended"}; }
Error learner() { return {Errc::Unavailable, "etcdserver: rpc not supported for learner"}; }

bool puts(const LogTxn& txn) {
    return std::any_of(txn.writes.begin(), txn.writes.end(),
                       [](const LogWrite& write) { return write.value.has_value(); });
}

} // namespace

class FakeWatch final : public LogWatch {
  public:
    FakeWatch(FakeCluster& cluster, std::string member, std::string prefix, std::int64_t from)
        : cluster_(cluster), member_(std::move(member)), prefix_(std::move(prefix)), next_(from),
          boot_(cluster.find(member_)->boot) {}

    net::Task<Result<LogEvents>> read(Until until) override {
        for (;;) {
            const auto* member = cluster_.find(member_);
            if (!member->up || member->boot != boot_) { co_return lost(); }
            if (next_ < cluster_.history_.compacted()) {
                co_return Error{Errc::NotFound, "the log's history before revision " +
                                                    std::to_string(cluster_.history_.compacted()) +
                                                    " has been compacted"};
            }
            auto events = take();
            if (!events.events.empty()) {
                co_await cluster_.pass(cluster_.draw(cluster_.faults().lag));
                co_return events;
            }
            const auto wake = co_await member->moved->wait(until);
            CO_TRY(to_result(wake, "read the watch"));
        }
    }

  private:
    LogEvents take() {
        const auto to = cluster_.revision_of(*cluster_.find(member_));
        constexpr std::uint64_t batch_max = 8;
        const auto count = 1 + cluster_.random_.below(batch_max);
        auto events = cluster_.history_.events(prefix_, {next_, to, count});
        next_ = std::max(next_, events.events.empty() ? to + 1 : events.revision + 1);
        return events;
    }

    FakeCluster& cluster_;
    std::string member_;
    std::string prefix_;
    std::int64_t next_;
    std::uint64_t boot_;
};

class FakeLog final : public Log {
  public:
    FakeLog(FakeCluster& cluster, std::string id) : cluster_(cluster), id_(std::move(id)) {}

    net::Task<Result<LogCommit>> commit(LogTxn txn, Until until) override {
        CO_TRY(check_txn(txn));
        CO_TRY(co_await reach_voter(until));
        const bool full = cluster_.full_ || cluster_.history_.bytes() > quota();
        if (full && puts(txn)) {
            co_return Error{Errc::Exhausted, "etcdserver: mvcc: database space exceeded"};
        }
        FakeCluster::Effect effect = [&cluster = cluster_, txn](FakeCluster::Call& call) {
            call.commit = cluster.history_.apply(txn);
        };
        const auto call = cluster_.begin_write(id_, std::move(effect));
        CO_TRY(co_await wait(call, until));
        co_return call->commit;
    }

    net::Task<Result<Listing>> list(std::string prefix, Until until) override {
        CO_TRY_LET(revision, co_await read_revision(until));
        co_return Listing{cluster_.history_.list(prefix, revision), revision};
    }

    net::Task<Result<std::optional<LogEntry>>> get(std::string key, Until until) override {
        CO_TRY_LET(revision, co_await read_revision(until));
        co_return cluster_.history_.get(key, revision);
    }

    net::Task<Result<std::unique_ptr<LogWatch>>> watch(std::string prefix, std::int64_t revision,
                                                       Until until) override {
        if (revision <= 0) { co_return invalid("a watch begins at a revision"); }
        CO_TRY(co_await reach_voter(until));
        co_await cluster_.pass(cluster_.draw(cluster_.faults().client));
        if (!cluster_.find(id_)->up) { co_return lost(); }
        std::unique_ptr<LogWatch> made =
            std::make_unique<FakeWatch>(cluster_, id_, std::move(prefix), revision);
        co_return made;
    }

    net::Task<Result<LogStatus>> status(Until until) override {
        CO_TRY(co_await reach(until));
        co_await cluster_.pass(cluster_.draw(cluster_.faults().client));
        const auto* member = cluster_.find(id_);
        if (!member->up) { co_return lost(); }
        LogStatus status;
        status.member_id = id_;
        status.leader_id = member->view;
        status.term = member->term;
        status.database_bytes = cluster_.history_.bytes();
        status.learner = member->learner;
        if (cluster_.full_ || status.database_bytes > quota()) {
            status.alarms.emplace_back("NOSPACE");
        }
        co_return status;
    }

    net::Task<Result<std::vector<LogMember>>> members(Until until) override {
        CO_TRY(co_await read_revision(until));
        std::vector<LogMember> all;
        for (const auto& [id, member] : cluster_.members_) {
            if (member.out) { continue; }
            all.push_back({id, member.name, member.peer_url, member.learner});
        }
        co_return all;
    }

    net::Task<Result<LogMember>> add_learner(std::string peer_url, Until until) override {
        CO_TRY(co_await reach_voter(until));
        auto no = cluster_.may_change(*cluster_.find(id_));
        if (no) { co_return std::move(*no); }
        FakeCluster::Effect effect = [&cluster = cluster_, peer_url](FakeCluster::Call& call) {
            cluster.add_learner(call, peer_url);
        };
        const auto call = cluster_.begin_write(id_, std::move(effect));
        CO_TRY(co_await wait(call, until));
        co_return call->added;
    }

    net::Task<Result<void>> promote(std::string member_id, Until until) override {
        CO_TRY(co_await reach_voter(until));
        FakeCluster::Effect effect = [&cluster = cluster_, member_id](FakeCluster::Call& call) {
            cluster.promote(call, member_id);
        };
        const auto call = cluster_.begin_write(id_, std::move(effect));
        co_return co_await wait(call, until);
    }

    net::Task<Result<void>> set_peer_url(std::string member_id, std::string peer_url,
                                         Until until) override {
        CO_TRY(co_await reach_voter(until));
        FakeCluster::Effect effect = [&cluster = cluster_, member_id,
                                      peer_url](FakeCluster::Call& call) {
            cluster.set_peer_url(call, member_id, peer_url);
        };
        const auto call = cluster_.begin_write(id_, std::move(effect));
        co_return co_await wait(call, until);
    }

    net::Task<Result<void>> remove(std::string member_id, Until until) override {
        CO_TRY(co_await reach_voter(until));
        FakeCluster::Effect effect = [&cluster = cluster_, member_id](FakeCluster::Call& call) {
            cluster.remove(call, member_id);
        };
        const auto call = cluster_.begin_write(id_, std::move(effect));
        co_return co_await wait(call, until);
    }

    net::Task<Result<void>> move_leader(std::string member_id, Until until) override {
        CO_TRY(co_await reach_voter(until));
        co_await cluster_.pass(cluster_.draw(cluster_.faults().client));
        auto no = cluster_.move_leader(id_, member_id);
        if (no) { co_return std::move(*no); }
        co_return ok();
    }

    net::Task<Result<void>> snapshot(std::function<Result<void>(std::string_view)> take,
                                     Until until) override {
        CO_TRY(co_await reach_voter(until));
        const auto revision = cluster_.revision_of(*cluster_.find(id_));
        CO_TRY(take("fake snapshot " + std::to_string(revision) + "\n"));
        for (const auto& entry : cluster_.history_.list("", revision)) {
            CO_TRY(take(entry.key + " " + std::to_string(entry.value.size()) + "\n" + entry.value));
        }
        co_return ok();
    }

  private:
    std::int64_t quota() const { return cluster_.settings_.quota_bytes; }

    /// A member answers nothing before it has heard of a leader.
    net::Task<Result<void>> reach(Until until) {
        for (;;) {
            const auto* member = cluster_.find(id_);
            if (member == nullptr || !member->up) { co_return refused(); }
            if (member->ready) { co_return ok(); }
            if (until.deadline.at() <= cluster_.loop_.now()) {
                co_return to_result(net::Wake::Timeout, "wait for the answer");
            }
            const Until soon = until.no_later_than(cluster_.loop_.in(cluster_.settings_.heartbeat));
            const auto wake = co_await net::sleep(cluster_.loop_, soon);
            if (wake == net::Wake::Cancelled) { co_return to_result(wake, "wait for the answer"); }
        }
    }
    net::Task<Result<void>> reach_voter(Until until) {
        CO_TRY(co_await reach(until));
        if (cluster_.find(id_)->learner) { co_return learner(); }
        co_return ok();
    }
    net::Task<Result<void>> wait(FakeCluster::CallPtr call, Until until) {
        const auto wake = co_await call->ended.wait(until);
        CO_TRY(to_result(wake, "wait for the answer"));
        if (call->error) { co_return *call->error; }
        co_return ok();
    }
    net::Task<Result<std::int64_t>> read_revision(Until until) {
        for (;;) {
            CO_TRY(co_await reach_voter(until));
            const auto call = cluster_.begin_read(id_);
            CO_TRY(co_await wait(call, until));
            if (call->revision >= cluster_.history_.compacted()) { co_return call->revision; }
        }
    }

    FakeCluster& cluster_;
    std::string id_;
};

std::unique_ptr<Log> FakeCluster::log(std::string id) {
    return std::make_unique<FakeLog>(*this, std::move(id));
}

} // namespace shoal::swarm
