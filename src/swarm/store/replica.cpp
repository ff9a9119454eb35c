#include "swarm/store/replica.h"

#include "net/sleep.h"

#include <set>

namespace shoal::swarm {
namespace {
constexpr std::chrono::milliseconds retry_pause(200);
constexpr std::chrono::seconds list_limit(30);
} // namespace

Replica::Replica(net::Loop& loop, Log& log, const Sealer& sealer, Told told)
    : loop_(loop), log_(log), sealer_(sealer), told_(std::move(told)), loaded_(loop),
      waiting_(loop) {}

Result<ObjectPtr> Replica::open(const ObjectName& name, const std::string& key,
                                const std::string& value, std::int64_t revision) const {
    TRY_LET(plain, sealer_.open(key, value));
    return decode_object(name.kind, plain, static_cast<std::uint64_t>(revision)).with(key);
}

void Replica::finish(std::vector<Change> changes, std::int64_t revision) {
    store_.revision = std::max(store_.revision, revision);
    if (!changes.empty()) { told_(changes); }
    waiting_.wake_all();
}

Result<void> Replica::take_listing(const Log::Listing& listing) {
    if (listing.revision < store_.revision) { return ok(); } // the writer was faster
    std::vector<Change> changes;
    std::set<std::pair<Kind, std::string>> listed;
    for (const LogEntry& entry : listing.entries) {
        const auto name = parse_object_key(entry.key);
        if (!name) { continue; }
        listed.emplace(name->kind, name->id);
        auto before = store_.object(name->kind, name->id);
        if (version_of(before) == static_cast<std::uint64_t>(entry.revision)) { continue; }
        TRY_LET(after, open(*name, entry.key, entry.value, entry.revision));
        changes.push_back({name->kind, name->id, std::move(before), std::move(after)});
    }
    const auto drop_unlisted = [&]<class T>(const Store::Table<T>& table) {
        for (const auto& [id, held] : table) {
            if (!listed.contains({KindOf<T>::value, id})) {
                changes.push_back({KindOf<T>::value, id, ObjectPtr(held), {}});
            }
        }
    };
    drop_unlisted(store_.all<pb::Cluster>());
    drop_unlisted(store_.all<pb::Node>());
    drop_unlisted(store_.all<pb::Network>());
    drop_unlisted(store_.all<pb::Secret>());
    drop_unlisted(store_.all<pb::Config>());
    drop_unlisted(store_.all<pb::Service>());
    drop_unlisted(store_.all<pb::Task>());
    for (const Change& change : changes) { store_.apply(change.kind, change.id, change.after); }
    loaded_.set();
    finish(std::move(changes), listing.revision);
    return ok();
}

Result<void> Replica::take_events(const LogEvents& batch) {
    std::vector<Change> changes;
    for (const auto& event : batch.events) {
        const auto name = parse_object_key(event.key);
        if (!name || event.revision <= store_.revision) { continue; }
        Change change{name->kind, name->id, store_.object(name->kind, name->id), {}};
        if (event.value) {
            TRY_LET(after, open(*name, event.key, *event.value, event.revision));
            change.after = std::move(after);
        }
        store_.apply(change.kind, change.id, change.after);
        changes.push_back(std::move(change));
    }
    finish(std::move(changes), batch.revision);
    return ok();
}

void Replica::apply(const std::vector<Change>& changes, std::int64_t revision) {
    for (const Change& change : changes) { store_.apply(change.kind, change.id, change.after); }
    finish(changes, revision);
}

/// Lists, then watches until the watch is lost. An error that is not the log's: Invalid.
net::Task<Result<void>> Replica::follow(net::Until until) {
    const net::Until limit = until.no_later_than(loop_.in(list_limit));
    const std::string prefix(log_prefix);
    CO_TRY_LET(listing, co_await log_.list(prefix, limit));
    CO_TRY(take_listing(listing));
    CO_TRY_LET(watch, co_await log_.watch(prefix, listing.revision + 1, until));
    for (;;) {
        CO_TRY_LET(batch, co_await watch->read(until));
        CO_TRY(take_events(batch));
    }
}

net::Task<Result<void>> Replica::run(net::Until until) {
    while (!until.cancelled()) {
        auto outcome = co_await follow(until);
        if (!outcome && outcome.error().code == Errc::Invalid) { co_return outcome; }
        co_await net::sleep(loop_, until.no_later_than(loop_.in(retry_pause)));
    }
    co_return ok();
}

net::Task<Result<void>> Replica::wait_for(std::int64_t revision, net::Until until) {
    while (store_.revision < revision || !loaded()) {
        const net::Wake wake = co_await waiting_.wait(until);
        if (wake != net::Wake::Raised) { co_return net::to_result(wake, "wait for the store"); }
    }
    co_return ok();
}

} // namespace shoal::swarm
