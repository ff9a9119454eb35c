#include "swarm/store/leader_writer.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::milliseconds retry_pause(100);
constexpr std::chrono::seconds full_pause(1); ///< the log has no space
constexpr std::chrono::seconds commit_limit(5);
constexpr std::size_t mutations_max = 1024; ///< of one transaction
constexpr std::size_t waiting_max = 65'536; ///< mutations; one more is refused
constexpr int rounds_max = 16;              ///< of reconcilers that give each other work
constexpr std::size_t part_writes_max = log_writes_max - 1; // the fence is one
constexpr std::size_t part_bytes_max = log_txn_bytes_max / 2;

Error not_leading() { return Error{Errc::Unavailable, "this manager does not lead"}; }

bool is_unsure(const Error& error) {
    return error.code != Errc::Unavailable && error.code != Errc::Exhausted &&
           error.code != Errc::Invalid;
}

/// Makes the log's revision the object's version, in the object itself: until now nobody but this
/// writer and its reconcilers had it.
void stamp(Change& change, std::int64_t revision) {
    if (!change.meta) { return; }
    change.meta->mutable_version()->set_index(static_cast<std::uint64_t>(revision));
    change.meta.reset();
}

} // namespace

LeaderWriter::LeaderWriter(net::Loop& loop, Log& log, Sealer& sealer, Replica& replica,
                           const Clock& clock, Random& random)
    : loop_(loop), log_(log), sealer_(sealer), replica_(replica), clock_(clock), random_(random),
      work_(loop) {}

net::Task<Result<std::int64_t>> LeaderWriter::submit(Mutation mutation, net::Until until) {
    if (!leads_) { co_return not_leading(); }
    if (waiting_.size() >= waiting_max) {
        co_return Error{Errc::Unavailable, "too many changes wait for the cluster's store"};
    }
    const auto mine = std::make_shared<Waiting>(loop_, std::move(mutation));
    waiting_.push_back(mine);
    work_.raise();
    const net::Wake wake = co_await mine->done.wait(until);
    if (wake != net::Wake::Raised) {
        mine->abandoned = true; // if it has not begun it never will
        co_return net::to_result(wake, "wait for the cluster's store").error();
    }
    co_return std::move(*mine->outcome);
}

void LeaderWriter::fail_waiting(const Error& error) {
    const auto all = std::exchange(waiting_, {});
    for (const WaitingPtr& one : all) { one->finish(error); }
}

LogWrite LeaderWriter::encode(const Change& change) {
    LogWrite write{object_key(change.kind, change.id), std::nullopt};
    if (exists(change.after)) {
        write.value = sealer_.seal(write.key, encode_object(change.after));
    }
    return write;
}

/// Writes with the fence. When somebody else has moved it, deposed_ is set. A lost
/// answer is looked into until it is known; `until` ends that with the unsure error.
net::Task<Result<std::int64_t>> LeaderWriter::write(LogTxn txn, std::string fence,
                                                    net::Until until) {
    const std::string key(fence_key);
    txn.guards.push_back({key, fence_revision_});
    txn.writes.push_back({key, fence});
    bool unsure = false;
    for (;;) {
        const net::Until limit = until.no_later_than(loop_.in(commit_limit));
        LogTxn copy = txn;
        auto outcome = co_await log_.commit(std::move(copy), limit);
        if (outcome && outcome->applied) {
            fence_revision_ = outcome->revision;
            trouble_.clear();
            co_return outcome->revision;
        }
        if (!outcome && outcome.error().code == Errc::Exhausted) {
            // What filled the log may have been this very write.
            trouble_ = outcome.error().message;
            const auto held = co_await log_.get(key, limit);
            const bool written = held && *held && (*held)->value == fence;
            if (!written) { co_return outcome.error(); }
            fence_revision_ = (*held)->revision;
            co_return fence_revision_;
        }
        if (!outcome) {
            trouble_ = outcome.error().message;
            unsure = unsure || is_unsure(outcome.error());
            if (!unsure) { co_return outcome.error(); }
            if (until.cancelled()) { co_return outcome.error(); }
            co_await net::sleep(loop_, until.no_later_than(loop_.in(retry_pause)));
            continue; // the same again: if the first came through, the guard says so
        }
        auto held = co_await log_.get(key, limit);
        if (!held) {
            if (until.cancelled()) { co_return held.error(); }
            co_await net::sleep(loop_, until.no_later_than(loop_.in(retry_pause)));
            continue;
        }
        if (unsure && *held && (*held)->value == fence) {
            fence_revision_ = (*held)->revision;
            trouble_.clear();
            co_return fence_revision_;
        }
        deposed_ = true;
        if (!unsure) { co_return Error{Errc::Unavailable, "another manager leads"}; }
        co_return internal("another manager leads; whether this was written is not known");
    }
}

net::Task<Result<void>> LeaderWriter::commit_part(std::vector<Change> part, net::Until until) {
    LogTxn txn;
    for (const Change& change : part) { txn.writes.push_back(encode(change)); }
    auto fence = node_id_ + " " + random_.hex(16);
    CO_TRY_LET(revision, co_await write(std::move(txn), std::move(fence), until));
    for (Change& change : part) { stamp(change, revision); }
    working_.revision = revision;
    replica_.apply(part, revision);
    co_return ok();
}

/// In as few transactions as the log's limits allow. What was committed before an error stays.
net::Task<Result<void>> LeaderWriter::commit(std::vector<Change> changes, net::Until until) {
    std::vector<Change> part;
    std::size_t bytes = 0;
    for (Change& change : changes) {
        const std::size_t size = std::visit(
            [](const auto& held) -> std::size_t {
                if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
                    return 0;
                } else {
                    return held->ByteSizeLong();
                }
            },
            change.after);
        if (!part.empty() && (part.size() >= part_writes_max || bytes + size > part_bytes_max)) {
            CO_TRY(co_await commit_part(std::exchange(part, {}), until));
            bytes = 0;
        }
        bytes += size;
        part.push_back(std::move(change));
    }
    if (!part.empty()) { CO_TRY(co_await commit_part(std::move(part), until)); }
    co_return ok();
}

std::optional<Instant> LeaderWriter::reconcile(Tx& tx,
                                               const std::vector<Reconciler*>& reconcilers) {
    std::size_t seen = 0;
    const auto tell = [&] {
        for (; seen < tx.changes().size(); ++seen) {
            const Change change = tx.changes()[seen];
            for (Reconciler* one : reconcilers) { one->observe(tx.store(), change); }
        }
    };
    tell();
    for (int turn = 0; turn < rounds_max; ++turn) {
        std::optional<Instant> due;
        for (Reconciler* one : reconcilers) {
            const auto next = one->run(tx);
            if (next && (!due || *next < *due)) { due = next; }
        }
        if (tx.changes().size() == seen) { return due; }
        tell();
    }
    return tx.now(); // they go on in the next transaction
}

net::Task<Result<void>> LeaderWriter::round(const std::vector<Reconciler*>& reconcilers,
                                            net::Until until) {
    std::vector<WaitingPtr> taken;
    Tx tx(working_, clock_.now(), random_);
    while (!waiting_.empty() && taken.size() < mutations_max) {
        const WaitingPtr next = waiting_.front();
        waiting_.pop_front();
        if (next->abandoned) { continue; }
        const auto mark = tx.changes().size();
        const auto outcome = next->mutation(tx);
        if (outcome) {
            taken.push_back(next);
        } else {
            tx.roll_back_to(mark);
            next->finish(outcome.error());
        }
    }
    due_ = reconcile(tx, reconcilers);
    auto changes = tx.merged();
    auto outcome = co_await commit(std::move(changes), until);
    if (outcome) {
        for (const WaitingPtr& one : taken) { one->finish(fence_revision_); }
        co_return ok();
    }
    // Back to what is committed, and what waited waits again.
    working_ = replica_.store();
    for (Reconciler* one : reconcilers) { one->rebuild(working_); }
    const bool lost = (deposed_ || until.cancelled()) && is_unsure(outcome.error());
    const bool hopeless = outcome.error().code == Errc::Exhausted || // now, or for ever
                          outcome.error().code == Errc::Invalid;
    if (lost || hopeless) {
        for (const WaitingPtr& one : taken) { one->finish(outcome.error()); }
    } else {
        waiting_.insert(waiting_.begin(), taken.begin(), taken.end());
    }
    co_return outcome;
}

net::Task<Result<void>> LeaderWriter::work(std::vector<Reconciler*> reconcilers, net::Until until) {
    while (!until.cancelled()) {
        const auto outcome = co_await round(reconcilers, until);
        if (!outcome) {
            if (deposed_) { co_return conflict("another manager leads"); }
            const bool full = outcome.error().code == Errc::Exhausted;
            const auto pause = full ? nanoseconds(full_pause) : retry_pause;
            co_await net::sleep(loop_, until.no_later_than(loop_.in(pause)));
            continue;
        }
        if (!waiting_.empty()) { continue; }
        net::Until wait = until;
        if (due_) { wait = until.no_later_than(loop_.in(*due_ - clock_.now())); }
        (void)co_await work_.wait(wait);
    }
    co_return ok();
}

net::Task<Result<void>> LeaderWriter::take_office(net::Until until) {
    CO_TRY_LET(held, co_await log_.get(std::string(fence_key), until));
    fence_revision_ = held ? held->revision : 0;
    deposed_ = false;
    auto fence = node_id_ + " " + random_.hex(16);
    LogTxn nothing;
    CO_TRY_LET(revision, co_await write(std::move(nothing), std::move(fence), until));
    CO_TRY(co_await replica_.wait_for(revision, until));
    co_return ok();
}

net::Task<Result<void>> LeaderWriter::lead(std::string node_id,
                                           std::vector<Reconciler*> reconcilers,
                                           std::function<void()> began, net::Until until) {
    node_id_ = std::move(node_id);
    CO_TRY(co_await take_office(until));
    working_ = replica_.store();
    for (Reconciler* one : reconcilers) { one->rebuild(working_); }
    leads_ = true;
    began();
    auto outcome = co_await work(std::move(reconcilers), until);
    leads_ = false;
    fail_waiting(not_leading());
    working_.clear();
    co_return outcome;
}

} // namespace shoal::swarm
