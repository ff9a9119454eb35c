// FakeCluster: a whole replicated log with its members inside this process, in (virtual) time, for
// simulations: it keeps the contract of Log where the real one keeps it and fails where the real
// one may fail. Elections, quorums, followers that lag, answers that are lost, links that are cut
// one way. It decides by rules of its own and sends no messages: it is not an implementation of
// Raft. All chance comes from the Random it is given.
#pragma once

#include "swarm/store/fake_history.h"

#include "net/scope.h"
#include "net/signal.h"

#include <map>
#include <set>

namespace shoal::swarm {

struct FakeSpan {
    nanoseconds least{0};
    nanoseconds most{0};
};
/// The weather. May be changed at any time.
struct FakeFaults {
    double lose_request = 0; ///< a write is never proposed; the caller waits
    double lose_reply = 0;   ///< a write is done, and the caller waits
    FakeSpan client{nanoseconds(50'000), nanoseconds(300'000)};     ///< to a member, one way
    FakeSpan network{nanoseconds(200'000), nanoseconds(2'000'000)}; ///< between members, one way
    FakeSpan disk{nanoseconds(500'000), nanoseconds(3'000'000)};
    FakeSpan lag{nanoseconds(0), nanoseconds(5'000'000)}; ///< of followers and of watches
};
struct FakeSettings {
    nanoseconds heartbeat{50'000'000};
    nanoseconds election{500'000'000};
    std::int64_t quota_bytes = std::int64_t{2} << 30;
    std::int64_t kept_revisions = 0; ///< compacts by itself, once in five minutes; 0: never
    FakeFaults faults;
};

class FakeCluster {
  public:
    FakeCluster(net::Loop& loop, Random& random, FakeSettings settings = {});
    ~FakeCluster();
    FakeCluster(const FakeCluster&) = delete;
    FakeCluster& operator=(const FakeCluster&) = delete;

    // Members' processes, by id.
    /// The first member of a new cluster. Gives its id.
    std::string bootstrap(std::string name, std::string peer_url);
    /// A member that another has added begins to run. NotFound: nobody has added that address.
    Result<std::string> join(std::string name, const std::string& peer_url);
    void crash(const std::string& id);   ///< SIGKILL; what it had is on its disk
    void restart(const std::string& id); ///< harmless when it runs
    /// It becomes the only member, with what it has; the others are gone for good.
    void force_new_cluster(const std::string& id);
    /// This member as its own process sees it; may be made before the member runs, and any number
    /// of times.
    std::unique_ptr<Log> log(std::string id);

    // Faults.
    FakeFaults& faults() { return settings_.faults; }
    void cut(const std::string& from, const std::string& to); ///< one way
    void heal(const std::string& from, const std::string& to);
    void isolate(const std::string& id); ///< both ways, from all
    void heal_all();
    void slow_disk(const std::string& id, nanoseconds more); ///< 0: as usual
    /// The database is full, as if by its quota, until false.
    void set_full(bool full);
    void compact(std::int64_t before_revision);

    // What no member could know.
    std::string leader() const {
        return leader_;
    } ///< the one that can commit; "" while there is none
    std::uint64_t term() const { return term_; }
    const FakeHistory& history() const { return history_; }
    bool runs(const std::string& id) const;
    std::vector<std::string> member_ids() const;

  private:
    friend class FakeLog;
    friend class FakeWatch;

    struct Member {
        std::string id;
        std::string name;
        std::string peer_url;
        bool learner = false;
        bool out = false; ///< removed from the cluster
        bool up = false;
        bool ready = false;      ///< answers; from its first leader on
        std::uint64_t boot = 0;  ///< counts its starts
        std::size_t stored = 0;  ///< entries on its disk
        std::size_t applied = 0; ///< entries that it shows
        std::string view;        ///< who leads, as it thinks
        std::uint64_t term = 0;
        Steady heard{};       ///< from a leader
        Steady campaign_at{}; ///< if it hears nothing
        Steady quorum_seen{}; ///< as a leader
        Steady whole_since{}; ///< sees all voters; Steady::max(): it does not
        nanoseconds disk_more{0};
        std::unique_ptr<net::Signal> moved; ///< applied more, or ended
    };
    /// What a process waits for.
    struct Call {
        explicit Call(net::Loop& loop) : ended(loop) {}
        std::uint64_t number = 0;
        std::string member;
        std::uint64_t boot = 0;
        bool write = false;
        net::Flag ended;
        std::optional<Error> error;
        LogCommit commit;
        LogMember added;
        std::int64_t revision = 0; ///< a read may show this
    };
    using CallPtr = std::shared_ptr<Call>;
    using Effect = std::function<void(Call&)>;
    struct Entry {
        explicit Entry(net::Loop& loop) : settled(loop) {}
        CallPtr call;
        Effect effect;
        std::string leader;
        std::uint64_t term = 0;
        bool spread = false; ///< somebody but the leader may have it
        std::size_t index = 0;
        enum class Fate { Pending, Committed, Dropped } fate = Fate::Pending;
        net::Flag settled; ///< no longer pending
    };
    using EntryPtr = std::shared_ptr<Entry>;

    // Time and chance.
    nanoseconds draw(FakeSpan span);
    bool happens(double probability);
    net::Task<void> pass(nanoseconds span);
    nanoseconds request_timeout() const { return std::chrono::seconds(5) + 2 * settings_.election; }

    // Who reaches whom.
    Member* find(const std::string& id);
    const Member* find(const std::string& id) const;
    bool alive(const Call& call) const; ///< the process it was made to still runs
    bool linked(const Member& from, const Member& to) const;
    bool connected(const Member& a, const Member& b) const { return linked(a, b) && linked(b, a); }
    std::size_t voters() const;
    std::size_t connected_voters(const Member& member) const; ///< itself included
    bool has_quorum(const Member& member) const {
        return connected_voters(member) >= voters() / 2 + 1;
    }

    // Elections.
    net::Task<void> tick_for_ever();
    void tick();
    void keep_leading();
    void note_connections(Member& member);
    void doubt_leadership(Member& member);
    void campaign(Member& member);
    bool wins(const Member& member) const;
    void lead(Member& member);
    net::Task<void> announce(std::uint64_t term);
    void settle_pending(const Member& new_leader);
    void replicate_to(Member& member);
    void boot(Member& member);
    void stop(Member& member);

    // Writes and reads.
    CallPtr begin(const std::string& member, bool write);
    CallPtr begin_write(const std::string& member, Effect effect);
    CallPtr begin_read(const std::string& member);
    net::Task<void> write(CallPtr call, Effect effect);
    net::Task<bool> propose(EntryPtr entry, Steady deadline);
    net::Task<void> replicate(EntryPtr entry);
    net::Task<void> answer_write(EntryPtr entry, Steady deadline);
    net::Task<void> read(CallPtr call);
    net::Task<void> apply_later(std::string id, std::uint64_t boot, std::size_t index);
    net::Task<void> compact_for_ever();
    std::optional<nanoseconds> quorum_time(const Member& leader);
    void commit_through(const EntryPtr& entry);
    void commit_one(Entry& entry);
    void apply_up_to(Member& member, std::size_t index);
    void end(Call& call, std::optional<Error> error);
    std::int64_t revision_of(const Member& member) const { return revisions_[member.applied]; }

    // Membership, as effects of entries.
    std::optional<Error> may_change(const Member& asked) const;
    void add_learner(Call& call, const std::string& peer_url);
    void promote(Call& call, const std::string& id);
    void set_peer_url(Call& call, const std::string& id, const std::string& peer_url);
    void remove(Call& call, const std::string& id);
    std::optional<Error> move_leader(const std::string& from, const std::string& to);

    net::Loop& loop_;
    Random& random_;
    FakeSettings settings_;
    FakeHistory history_;
    std::vector<std::int64_t> revisions_{1}; ///< after so many entries
    std::map<std::string, Member> members_;
    std::set<std::pair<std::string, std::string>> cuts_;
    std::string leader_;
    std::uint64_t term_ = 1;
    std::vector<EntryPtr> pending_; ///< in the leader's order
    std::map<std::uint64_t, CallPtr> calls_;
    std::uint64_t calls_made_ = 0;
    std::uint64_t members_made_ = 0;
    bool full_ = false;
    net::TaskScope scope_;
};

} // namespace shoal::swarm
