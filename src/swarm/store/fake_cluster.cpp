#include "swarm/store/fake_log.h"

#include "net/sleep.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

using net::Until;
using std::chrono::seconds;

constexpr auto healthy_after = seconds(5); ///< before it takes part in changes of membership
constexpr auto compact_every = std::chrono::minutes(5);
constexpr std::uint64_t chances = 1'000'000;

Error timed_out() { return {Errc::Timeout, "etcdserver: request timed out"}; }
Error unhealthy() { return {Errc::Unavailable, "etcdserver: unhealthy cluster"}; }

} // namespace

FakeCluster::FakeCluster(net::Loop& loop, Random& random, FakeSettings settings)
    : loop_(loop), random_(random), settings_(settings), scope_(loop) {
    scope_.spawn(tick_for_ever());
    scope_.spawn(compact_for_ever());
}
FakeCluster::~FakeCluster() = default;

// --- time and chance ---

nanoseconds FakeCluster::draw(FakeSpan span) {
    const auto width = (span.most - span.least).count();
    if (width <= 0) { return span.least; }
    return span.least + nanoseconds(random_.below(static_cast<std::uint64_t>(width) + 1));
}

bool FakeCluster::happens(double probability) {
    return static_cast<double>(random_.below(chances)) < probability * chances;
}

net::Task<void> FakeCluster::pass(nanoseconds span) {
    if (span <= span.zero()) { co_return; }
    const Until until(loop_.in(span));
    co_await net::sleep(loop_, until);
}

// --- who reaches whom ---

FakeCluster::Member* FakeCluster::find(const std::string& id) {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : &found->second;
}
const FakeCluster::Member* FakeCluster::find(const std::string& id) const {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : &found->second;
}

bool FakeCluster::alive(const Call& call) const {
    const Member* member = find(call.member);
    return member != nullptr && member->up && member->boot == call.boot;
}

bool FakeCluster::linked(const Member& from, const Member& to) const {
    if (!from.up || !to.up || from.out || to.out) { return false; }
    return &from == &to || !cuts_.contains({from.id, to.id});
}

std::size_t FakeCluster::voters() const {
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(),
                      [](const auto& one) { return !one.second.out && !one.second.learner; }));
}

std::size_t FakeCluster::connected_voters(const Member& member) const {
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(), [this, &member](const auto& one) {
            return !one.second.out && !one.second.learner && connected(member, one.second);
        }));
}

bool FakeCluster::runs(const std::string& id) const {
    const Member* member = find(id);
    return member != nullptr && member->up;
}

std::vector<std::string> FakeCluster::member_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, member] : members_) {
        if (!member.out) { ids.push_back(id); }
    }
    return ids;
}

// --- processes ---

std::string FakeCluster::bootstrap(std::string name, std::string peer_url) {
    ASSERT(members_.empty());
    Member member;
    member.id = random_.hex(8);
    member.name = std::move(name);
    member.peer_url = std::move(peer_url);
    member.moved = std::make_unique<net::Signal>(loop_);
    auto& held = members_.emplace(member.id, std::move(member)).first->second;
    boot(held);
    held.campaign_at = loop_.now();
    return held.id;
}

Result<std::string> FakeCluster::join(std::string name, const std::string& peer_url) {
    for (auto& [id, member] : members_) {
        if (member.out || member.peer_url != peer_url) { continue; }
        member.name = std::move(name);
        boot(member);
        return id;
    }
    return not_found("member", peer_url);
}

void FakeCluster::boot(Member& member) {
    ASSERT(!member.up && !member.out);
    member.up = true;
    member.ready = false;
    ++member.boot;
    member.applied = member.stored;
    member.view.clear();
    member.heard = {};
    member.campaign_at = loop_.now() + draw({settings_.election, 2 * settings_.election});
    member.whole_since = Steady::max();
}

/// Its process has ended: who waited for it is told.
void FakeCluster::stop(Member& member) {
    member.up = false;
    member.ready = false;
    member.view.clear();
    if (leader_ == member.id) { leader_.clear(); }
    std::vector<CallPtr> broken;
    for (const auto& [number, call] : calls_) {
        if (call->member == member.id) { broken.push_back(call); }
    }
    for (const auto& call : broken) {
        const Errc code = call->write ? Errc::Internal : Errc::Unavailable;
        end(*call, Error{code, "the connection has ended"});
    }
    member.moved->raise();
}

void FakeCluster::crash(const std::string& id) {
    Member* member = find(id);
    if (member != nullptr && member->up) { stop(*member); }
}

void FakeCluster::restart(const std::string& id) {
    Member* member = find(id);
    if (member != nullptr && !member->up && !member->out) { boot(*member); }
}

void FakeCluster::force_new_cluster(const std::string& id) {
    Member* survivor = find(id);
    ASSERT(survivor != nullptr && !survivor->out);
    for (auto& [other_id, other] : members_) {
        if (other.up) { stop(other); }
        other.out = &other != survivor;
    }
    for (const auto& entry : pending_) {
        entry->fate = Entry::Fate::Dropped;
        entry->settled.set();
    }
    pending_.clear();
    revisions_.resize(survivor->stored + 1);
    history_.roll_back(revisions_.back());
    survivor->learner = false;
    boot(*survivor);
    survivor->campaign_at = loop_.now();
}

// --- faults ---

void FakeCluster::cut(const std::string& from, const std::string& to) { cuts_.insert({from, to}); }
void FakeCluster::heal(const std::string& from, const std::string& to) { cuts_.erase({from, to}); }
void FakeCluster::heal_all() { cuts_.clear(); }
void FakeCluster::isolate(const std::string& id) {
    for (const auto& [other, member] : members_) {
        if (other == id) { continue; }
        cut(id, other);
        cut(other, id);
    }
}

void FakeCluster::slow_disk(const std::string& id, nanoseconds more) {
    if (Member* member = find(id)) { member->disk_more = more; }
}

void FakeCluster::set_full(bool full) { full_ = full; }

void FakeCluster::compact(std::int64_t before_revision) { history_.compact(before_revision); }

net::Task<void> FakeCluster::compact_for_ever() {
    for (;;) {
        co_await pass(compact_every);
        if (settings_.kept_revisions > 0) {
            history_.compact(history_.revision() - settings_.kept_revisions);
        }
    }
}

// --- elections ---

net::Task<void> FakeCluster::tick_for_ever() {
    for (;;) {
        tick();
        co_await pass(settings_.heartbeat);
    }
}

void FakeCluster::tick() {
    keep_leading();
    for (auto& [id, member] : members_) {
        if (!member.up || member.out) { continue; }
        note_connections(member);
        doubt_leadership(member);
        campaign(member);
    }
}

/// The leader's heartbeat: whom it reaches follows it.
void FakeCluster::keep_leading() {
    Member* leader = find(leader_);
    if (leader == nullptr) { return; }
    if (has_quorum(*leader)) { leader->quorum_seen = loop_.now(); }
    for (auto& [id, member] : members_) {
        if (!linked(*leader, member)) { continue; }
        member.view = leader_;
        member.term = term_;
        member.heard = loop_.now();
        member.ready = true;
        member.campaign_at = loop_.now() + draw({settings_.election, 2 * settings_.election});
        if (connected(*leader, member)) { replicate_to(member); }
    }
}

void FakeCluster::replicate_to(Member& member) {
    const std::size_t all = revisions_.size() - 1;
    if (member.stored == all && member.applied == all) { return; }
    member.stored = all;
    scope_.spawn(apply_later(member.id, member.boot, all));
}

void FakeCluster::note_connections(Member& member) {
    if (connected_voters(member) < voters()) {
        member.whole_since = Steady::max();
    } else if (member.whole_since == Steady::max()) {
        member.whole_since = loop_.now();
    }
}

/// Whoever thinks that it leads gives up when it has not seen a quorum for long, and who follows
/// when it has heard nothing.
void FakeCluster::doubt_leadership(Member& member) {
    if (member.view.empty()) { return; }
    const Steady seen = member.view == member.id ? member.quorum_seen : member.heard;
    if (loop_.now() - seen <= settings_.election) { return; }
    if (leader_ == member.id) { leader_.clear(); }
    member.view.clear();
    member.campaign_at = loop_.now() + draw({settings_.heartbeat, settings_.election});
}

void FakeCluster::campaign(Member& member) {
    if (member.learner || !member.view.empty() || loop_.now() < member.campaign_at) { return; }
    if (wins(member)) {
        lead(member);
        return;
    }
    member.campaign_at = loop_.now() + draw({settings_.election, 2 * settings_.election});
}

/// A vote needs a voter that hears from no leader and has nothing that the candidate lacks.
bool FakeCluster::wins(const Member& member) const {
    std::size_t votes = 0;
    for (const auto& [id, voter] : members_) {
        if (voter.out || voter.learner || !connected(member, voter)) { continue; }
        const bool content = !voter.view.empty() && loop_.now() - voter.heard < settings_.election;
        if (!content && voter.stored <= member.stored) { ++votes; }
    }
    return votes >= voters() / 2 + 1;
}

void FakeCluster::lead(Member& member) {
    ASSERT(member.stored + 1 == revisions_.size()); // what is committed is never lost
    leader_ = member.id;
    ++term_;
    member.view = member.id;
    member.term = term_;
    member.heard = member.quorum_seen = loop_.now();
    member.ready = true;
    settle_pending(member);
    apply_up_to(member, revisions_.size() - 1);
    scope_.spawn(announce(term_));
}

/// The others hear of it before the next heartbeat.
net::Task<void> FakeCluster::announce(std::uint64_t term) {
    co_await pass(draw(settings_.faults.network));
    if (term == term_) { keep_leading(); }
}

/// What the last leader had not got through is decided now: some of the first entries had reached
/// the new one, the others are lost.
void FakeCluster::settle_pending(const Member& new_leader) {
    const auto lost = std::find_if(pending_.begin(), pending_.end(), [&](const EntryPtr& entry) {
        return !entry->spread && entry->leader != new_leader.id;
    });
    const auto may_survive = static_cast<std::uint64_t>(lost - pending_.begin());
    const std::size_t survive = random_.below(may_survive + 1);
    auto all = std::exchange(pending_, {});
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i < survive) {
            commit_one(*all[i]);
        } else {
            all[i]->fate = Entry::Fate::Dropped;
        }
        all[i]->settled.set();
    }
}

// --- writes ---

FakeCluster::CallPtr FakeCluster::begin(const std::string& member, bool write) {
    auto call = std::make_shared<Call>(loop_);
    call->number = ++calls_made_;
    call->member = member;
    call->boot = find(member)->boot;
    call->write = write;
    calls_.emplace(call->number, call);
    return call;
}

FakeCluster::CallPtr FakeCluster::begin_write(const std::string& member, Effect effect) {
    auto call = begin(member, true);
    scope_.spawn(write(call, std::move(effect)));
    return call;
}

void FakeCluster::end(Call& call, std::optional<Error> error) {
    if (call.ended.is_set()) { return; }
    if (error) { call.error = std::move(error); }
    call.ended.set();
    calls_.erase(call.number);
}

net::Task<void> FakeCluster::write(CallPtr call, Effect effect) {
    const Steady deadline = loop_.now() + request_timeout();
    auto entry = std::make_shared<Entry>(loop_);
    entry->call = call;
    entry->effect = std::move(effect);
    const bool lost = happens(settings_.faults.lose_request);
    co_await pass(draw(settings_.faults.client));
    bool proposed = false;
    if (!lost) { proposed = co_await propose(entry, deadline); }
    if (proposed) { scope_.spawn(replicate(entry)); }
    co_await answer_write(std::move(entry), deadline);
}

/// To the leader, as the member knows it. False when it is lost on the way.
net::Task<bool> FakeCluster::propose(EntryPtr entry, Steady deadline) {
    const Call& call = *entry->call;
    while (alive(call) && find(call.member)->view.empty() && loop_.now() < deadline) {
        co_await pass(settings_.heartbeat);
    }
    if (!alive(call) || loop_.now() >= deadline) { co_return false; }
    const std::string leader = find(call.member)->view;
    if (leader != call.member) {
        if (!linked(*find(call.member), *find(leader))) { co_return false; }
        co_await pass(draw(settings_.faults.network));
    }
    if (leader_ != leader) { co_return false; }
    entry->leader = leader;
    entry->term = term_;
    const Member& at = *find(leader);
    entry->spread = std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
        return one.first != leader && !one.second.learner && linked(at, one.second);
    });
    pending_.push_back(entry);
    co_return true;
}

/// How long until a majority has it on disk and has said so; nothing without a quorum.
std::optional<nanoseconds> FakeCluster::quorum_time(const Member& leader) {
    std::vector<nanoseconds> all;
    for (const auto& [id, voter] : members_) {
        if (voter.out || voter.learner || !connected(leader, voter)) { continue; }
        auto span = draw(settings_.faults.disk) + voter.disk_more;
        if (&voter != &leader) {
            span += draw(settings_.faults.network) + draw(settings_.faults.network);
        }
        all.push_back(span);
    }
    const std::size_t quorum = voters() / 2 + 1;
    if (all.size() < quorum) { return std::nullopt; }
    std::sort(all.begin(), all.end());
    return all[quorum - 1];
}

net::Task<void> FakeCluster::replicate(EntryPtr entry) {
    while (entry->fate == Entry::Fate::Pending) {
        const Member* leader = find(entry->leader);
        const bool leads = leader_ == entry->leader && term_ == entry->term;
        const auto span = leads ? quorum_time(*leader) : std::nullopt;
        co_await pass(span.value_or(settings_.heartbeat));
        if (!span || entry->fate != Entry::Fate::Pending) { continue; }
        if (leader_ == entry->leader && term_ == entry->term && has_quorum(*leader)) {
            commit_through(entry);
        }
    }
}

/// Entries are committed in order.
void FakeCluster::commit_through(const EntryPtr& last) {
    const auto end = std::next(std::find(pending_.begin(), pending_.end(), last));
    const std::vector<EntryPtr> ready(pending_.begin(), end);
    pending_.erase(pending_.begin(), end);
    for (const auto& entry : ready) {
        commit_one(*entry);
        entry->settled.set();
    }
}

void FakeCluster::commit_one(Entry& entry) {
    const Member& leader = *find(leader_);
    std::vector<Member*> reached; // before it, since it may remove the leader itself
    for (auto& [id, member] : members_) {
        if (linked(leader, member)) { reached.push_back(&member); }
    }
    entry.effect(*entry.call);
    entry.fate = Entry::Fate::Committed;
    entry.index = revisions_.size();
    revisions_.push_back(history_.revision());
    for (Member* member : reached) {
        member->stored = entry.index;
        if (member == &leader && leader.up) {
            apply_up_to(*member, entry.index);
        } else {
            scope_.spawn(apply_later(member->id, member->boot, entry.index));
        }
    }
}

void FakeCluster::apply_up_to(Member& member, std::size_t index) {
    member.stored = std::max(member.stored, index);
    if (index <= member.applied) { return; }
    member.applied = index;
    member.moved->raise();
}

net::Task<void> FakeCluster::apply_later(std::string id, std::uint64_t boot, std::size_t index) {
    co_await pass(draw(settings_.faults.network) + draw(settings_.faults.lag));
    Member& member = *find(id);
    if (!member.up || member.boot != boot || index >= revisions_.size()) { co_return; }
    apply_up_to(member, index);
}

net::Task<void> FakeCluster::answer_write(EntryPtr entry, Steady deadline) {
    const CallPtr call = entry->call;
    const Until until{Deadline(deadline)};
    co_await entry->settled.wait(until);
    const bool lost = happens(settings_.faults.lose_reply);
    if (entry->fate != Entry::Fate::Committed || lost) {
        co_await pass(deadline - loop_.now());
        end(*call, timed_out());
        co_return;
    }
    while (alive(*call) && find(call->member)->applied < entry->index) {
        if (loop_.now() >= deadline) {
            end(*call, timed_out());
            co_return;
        }
        const Until soon(loop_.in(settings_.heartbeat));
        co_await find(call->member)->moved->wait(soon);
    }
    co_await pass(draw(settings_.faults.client));
    end(*call, std::nullopt);
}

// --- reads ---

FakeCluster::CallPtr FakeCluster::begin_read(const std::string& member) {
    auto call = begin(member, false);
    scope_.spawn(read(call));
    return call;
}

/// The leader makes sure of its quorum and says how far the member has to be.
net::Task<void> FakeCluster::read(CallPtr call) {
    const Steady deadline = loop_.now() + request_timeout();
    co_await pass(draw(settings_.faults.client));
    std::optional<std::size_t> wanted;
    while (alive(*call) && loop_.now() < deadline) {
        const Member& member = *find(call->member);
        if (wanted && member.applied >= *wanted) {
            call->revision = revision_of(member);
            co_await pass(draw(settings_.faults.client));
            end(*call, std::nullopt);
            co_return;
        }
        const Member* leader = find(member.view);
        const bool sure = leader != nullptr && leader_ == leader->id &&
                          connected(member, *leader) && has_quorum(*leader);
        if (!wanted && sure) {
            wanted = revisions_.size() - 1;
            co_await pass(draw(settings_.faults.network) + draw(settings_.faults.network));
            continue;
        }
        const Until soon(loop_.in(settings_.heartbeat));
        co_await member.moved->wait(soon);
    }
    end(*call, Error{Errc::Unavailable, "etcdserver: request timed out"});
}

// --- membership ---

std::optional<Error> FakeCluster::may_change(const Member& asked) const {
    const bool whole =
        asked.whole_since != Steady::max() && loop_.now() - asked.whole_since >= healthy_after;
    const bool alone = voters() == 1 && !asked.learner;
    if (!whole && !alone) { return unhealthy(); }
    return std::nullopt;
}

void FakeCluster::add_learner(Call& call, const std::string& peer_url) {
    for (const auto& [id, member] : members_) {
        if (member.out) { continue; }
        if (member.peer_url == peer_url) {
            call.error = Error{Errc::Conflict, "etcdserver: Peer URLs already exists"};
            return;
        }
        if (member.learner) {
            call.error =
                Error{Errc::Unavailable, "etcdserver: too many learner members in cluster"};
            return;
        }
    }
    Member member;
    member.id = random_.hex(8);
    member.peer_url = peer_url;
    member.learner = true;
    member.moved = std::make_unique<net::Signal>(loop_);
    call.added = {member.id, "", peer_url, true};
    members_.emplace(member.id, std::move(member));
}

void FakeCluster::promote(Call& call, const std::string& id) {
    Member* member = find(id);
    if (member == nullptr || member->out) {
        call.error = Error{Errc::NotFound, "etcdserver: member not found"};
        return;
    }
    const bool ready = member->up && 10 * member->stored >= 9 * (revisions_.size() - 1);
    if (member->learner && !ready) {
        call.error = Error{Errc::Unavailable, "etcdserver: can only promote a learner member "
                                              "which is in sync with leader"};
        return;
    }
    member->learner = false;
}

void FakeCluster::set_peer_url(Call& call, const std::string& id, const std::string& peer_url) {
    Member* member = find(id);
    if (member == nullptr || member->out) {
        call.error = Error{Errc::NotFound, "etcdserver: member not found"};
        return;
    }
    for (const auto& [other_id, other] : members_) {
        if (other_id == id || other.out || other.peer_url != peer_url) { continue; }
        call.error = Error{Errc::Conflict, "etcdserver: Peer URLs already exists"};
        return;
    }
    member->peer_url = peer_url;
}

void FakeCluster::remove(Call& call, const std::string& id) {
    Member* member = find(id);
    if (member == nullptr || member->out) {
        call.error = Error{Errc::NotFound, "etcdserver: member not found"};
        return;
    }
    const Member* leader = find(leader_);
    const bool active = !member->learner && leader != nullptr && connected(*leader, *member);
    if (active && (voters() == 1 || connected_voters(*leader) - 1 < (voters() - 1) / 2 + 1)) {
        call.error = unhealthy();
        return;
    }
    const bool told = leader != nullptr && linked(*leader, *member);
    if (told) { stop(*member); }
    member->out = true;
    member->up = false;
}

std::optional<Error> FakeCluster::move_leader(const std::string& from, const std::string& to) {
    if (leader_ != from) { return Error{Errc::Conflict, "etcdserver: not leader"}; }
    Member* target = find(to);
    if (target == nullptr || target->out || target->learner) {
        return Error{Errc::Invalid, "etcdserver: bad leader transferee"};
    }
    if (to == from) { return std::nullopt; }
    if (!connected(*find(from), *target) || !has_quorum(*target)) { return unhealthy(); }
    target->stored = revisions_.size() - 1;
    lead(*target);
    return std::nullopt;
}

} // namespace shoal::swarm
