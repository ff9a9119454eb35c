#include "swarm/store/etcd_log.h"

#include "base/text.h"

#include "swarm/store/proto/etcd.pb.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

namespace etcd = etcdserverpb;
using net::Until;

constexpr std::int64_t first_page_entries = 256;
constexpr std::int64_t page_entries_max = 16'384;
constexpr std::size_t page_bytes_wanted = 2 << 20;
constexpr int listings_max = 3; ///< when compaction overtakes one

template <class Message> Result<Message> parse(std::string_view bytes) {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return internal("etcd: an answer that is none");
    }
    return message;
}

std::string hex_of(std::uint64_t id) {
    if (id == 0) { return ""; }
    std::array<char, 16> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), id, 16);
    (void)error; // it fits
    return std::string(text.data(), end);
}

Result<std::uint64_t> member_number(std::string_view id) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number, 16);
    if (error != std::errc{} || end != id.data() + id.size() || number == 0) {
        return invalid("\"" + std::string(id) + "\" is no member's id");
    }
    return number;
}

etcd::TxnRequest request_of(LogTxn txn) {
    etcd::TxnRequest request;
    for (auto& guard : txn.guards) {
        auto* compare = request.add_compare();
        compare->set_result(etcd::Compare::EQUAL);
        compare->set_target(etcd::Compare::MOD); // 0 for a key that does not exist
        compare->set_key(std::move(guard.key));
        compare->set_mod_revision(guard.revision);
    }
    for (auto& write : txn.writes) {
        auto* op = request.add_success();
        if (write.value) {
            op->mutable_request_put()->set_key(std::move(write.key));
            op->mutable_request_put()->set_value(std::move(*write.value));
        } else {
            op->mutable_request_delete_range()->set_key(std::move(write.key));
        }
    }
    return request;
}

LogEntry entry_of(etcd::KeyValue& kv) {
    return {std::move(*kv.mutable_key()), std::move(*kv.mutable_value()), kv.mod_revision()};
}

LogMember member_of(const etcd::Member& member) {
    LogMember out;
    out.id = hex_of(member.id());
    out.name = member.name();
    if (member.peerurls_size() > 0) { out.peer_url = member.peerurls(0); }
    out.learner = member.islearner();
    return out;
}

LogStatus status_of(const etcd::StatusResponse& answer) {
    LogStatus status;
    status.member_id = hex_of(answer.header().member_id());
    status.leader_id = hex_of(answer.leader());
    status.term = answer.raftterm();
    status.database_bytes = answer.dbsize();
    status.in_use_bytes = answer.dbsizeinuse();
    status.learner = answer.islearner();
    for (const char* alarm : {"NOSPACE", "CORRUPT"}) {
        const bool on =
            std::any_of(answer.errors().begin(), answer.errors().end(), [alarm](const auto& text) {
                return text.find(alarm) != std::string::npos;
            });
        if (on) { status.alarms.emplace_back(alarm); }
    }
    return status;
}

/// A stream of its own per watch.
class EtcdWatch final : public LogWatch {
  public:
    explicit EtcdWatch(net::GrpcCallPtr call) : call_(std::move(call)) {}

    net::Task<Result<LogEvents>> read(Until until) override {
        for (;;) {
            CO_TRY_LET(answer, co_await next(until));
            CO_TRY(check_canceled(answer));
            take(answer);
            if (answer.fragment() || collected_.events.empty()) { continue; }
            collected_.revision = collected_.events.back().revision;
            co_return std::exchange(collected_, {});
        }
    }

    net::Task<Result<void>> wait_created(Until until) {
        CO_TRY_LET(answer, co_await next(until));
        if (!answer.created()) { co_return internal("etcd: a watch begins without a word"); }
        if (answer.canceled()) { canceled_ = std::move(answer); } // read() tells
        co_return ok();
    }

  private:
    net::Task<Result<etcd::WatchResponse>> next(Until until) {
        if (canceled_) { co_return *canceled_; }
        auto message = co_await call_->read(until);
        if (!message) {
            co_return translate_etcd_error(std::move(message).error(), CallKind::Read,
                                           until.cancelled());
        }
        if (!*message) { co_return Error{Errc::Unavailable, "etcd: the watch has ended"}; }
        co_return parse<etcd::WatchResponse>(**message);
    }
    Result<void> check_canceled(etcd::WatchResponse& answer) {
        if (!answer.canceled()) { return ok(); }
        canceled_ = answer;
        if (answer.compact_revision() > 0) {
            return Error{Errc::NotFound, "the log's history before revision " +
                                             std::to_string(answer.compact_revision()) +
                                             " has been compacted"};
        }
        return translate_etcd_error({Errc::Unavailable, answer.cancel_reason()}, CallKind::Read,
                                    false)
            .with("etcd ended the watch");
    }
    void take(etcd::WatchResponse& answer) {
        for (auto& event : *answer.mutable_events()) {
            auto entry = entry_of(*event.mutable_kv());
            LogEvents::Event out{std::move(entry.key), std::nullopt, entry.revision};
            if (event.type() == etcd::Event::PUT) { out.value = std::move(entry.value); }
            collected_.events.push_back(std::move(out));
        }
    }

    net::GrpcCallPtr call_; ///< may outlive its connection, and fails then
    LogEvents collected_;   ///< of fragments
    std::optional<etcd::WatchResponse> canceled_;
};

Error not_reached(Error error, const std::string& path) {
    const bool gave_up = error.code == Errc::Timeout || error.code == Errc::Cancelled;
    if (!gave_up) { error.code = Errc::Unavailable; }
    return std::move(error).with("etcd at " + path);
}

} // namespace

std::string range_end_of(std::string_view prefix) {
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) { end.pop_back(); }
    if (end.empty()) { return std::string(1, '\0'); } // all keys
    end.back() = static_cast<char>(end.back() + 1);
    return end;
}

EtcdLog::EtcdLog(net::Loop& loop, std::string socket_path)
    : loop_(loop), socket_path_(std::move(socket_path)), connecting_(loop), scope_(loop) {}
EtcdLog::~EtcdLog() = default;

net::Task<void> EtcdLog::run(ConnectionPtr connection) {
    const Until until(scope_.cancel());
    const auto outcome = co_await connection->run(until);
    (void)outcome; // those whose calls it ended are told
}

net::Task<Result<EtcdLog::ConnectionPtr>> EtcdLog::connection(Until until) {
    if (connection_ && !connection_->ended()) { co_return connection_; }
    CO_TRY_LET(guard, co_await connecting_.acquire(until));
    (void)guard;
    if (connection_ && !connection_->ended()) { co_return connection_; }
    auto stream = co_await net::connect_unix(loop_, socket_path_, until);
    if (!stream) { co_return not_reached(std::move(stream).error(), socket_path_); }
    connection_ =
        std::make_shared<net::Http2Connection>(loop_, std::move(*stream), net::Http2Role::Client);
    scope_.spawn(run(connection_));
    co_return connection_;
}

net::Task<void> EtcdLog::disconnect() {
    if (connection_) { connection_->close(); }
    const Until until(loop_.in(std::chrono::seconds(1)));
    const auto drained = co_await scope_.drain(until);
    if (drained != net::Wake::Raised) { scope_.destroy_all(); }
    connection_.reset();
}

net::Task<Result<std::string>> EtcdLog::call(std::string method, std::string request, CallKind kind,
                                             Until until) {
    CO_TRY_LET(over, co_await connection(until));
    net::GrpcClient client(*over);
    auto answer = co_await client.unary("/etcdserverpb." + method, std::move(request), {}, until);
    if (!answer) {
        co_return translate_etcd_error(std::move(answer).error(), kind, until.cancelled());
    }
    co_return answer;
}

net::Task<Result<LogCommit>> EtcdLog::commit(LogTxn txn, Until until) {
    CO_TRY(check_txn(txn));
    auto request = request_of(std::move(txn)).SerializeAsString();
    CO_TRY_LET(bytes, co_await call("KV/Txn", std::move(request), CallKind::Write, until));
    CO_TRY_LET(answer, parse<etcd::TxnResponse>(bytes));
    co_return LogCommit{answer.succeeded(), answer.header().revision()};
}

net::Task<Result<EtcdLog::PageRead>> EtcdLog::read_page(Page page, Until until) {
    etcd::RangeRequest request;
    request.set_key(page.from);
    request.set_range_end(page.end);
    request.set_revision(page.revision);
    request.set_limit(page.entries_max);
    CO_TRY_LET(bytes,
               co_await call("KV/Range", request.SerializeAsString(), CallKind::Read, until));
    CO_TRY_LET(answer, parse<etcd::RangeResponse>(bytes));
    PageRead read;
    read.revision = page.revision != 0 ? page.revision : answer.header().revision();
    read.more = answer.more();
    read.bytes = bytes.size();
    for (auto& kv : *answer.mutable_kvs()) { read.entries.push_back(entry_of(kv)); }
    co_return read;
}

namespace {

/// So many entries that a page has about the wanted size, if they go on as they began.
std::int64_t next_page_entries(std::size_t entries, std::size_t bytes) {
    const auto each = std::max<std::size_t>(1, bytes / std::max<std::size_t>(1, entries));
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(page_bytes_wanted / each), 1,
                                    page_entries_max);
}

} // namespace

net::Task<Result<Log::Listing>> EtcdLog::list_once(std::string prefix, Until until) {
    Listing listing;
    Page page{prefix.empty() ? std::string(1, '\0') : prefix, range_end_of(prefix), 0,
              first_page_entries};
    for (;;) {
        auto read = co_await read_page(page, until);
        if (!read && read.error().code == Errc::Exhausted && page.entries_max > 1) {
            page.entries_max = std::max<std::int64_t>(1, page.entries_max / 4);
            continue; // the page was larger than a message may be
        }
        if (!read) { co_return std::move(read).error(); }
        page.revision = listing.revision = read->revision;
        page.entries_max = next_page_entries(read->entries.size(), read->bytes);
        std::move(read->entries.begin(), read->entries.end(), std::back_inserter(listing.entries));
        if (!read->more || listing.entries.empty()) { co_return listing; }
        page.from = listing.entries.back().key + '\0';
    }
}

net::Task<Result<Log::Listing>> EtcdLog::list(std::string prefix, Until until) {
    for (int tries = 1;; ++tries) {
        auto listing = co_await list_once(prefix, until);
        const bool compacted = !listing && listing.error().code == Errc::NotFound;
        if (compacted && tries == listings_max) {
            co_return Error{Errc::Unavailable, std::move(listing).error().message};
        }
        if (!compacted) { co_return listing; }
    }
}

net::Task<Result<std::optional<LogEntry>>> EtcdLog::get(std::string key, Until until) {
    etcd::RangeRequest request;
    request.set_key(std::move(key));
    CO_TRY_LET(bytes,
               co_await call("KV/Range", request.SerializeAsString(), CallKind::Read, until));
    CO_TRY_LET(answer, parse<etcd::RangeResponse>(bytes));
    std::optional<LogEntry> entry;
    if (answer.kvs_size() > 0) { entry = entry_of(*answer.mutable_kvs(0)); }
    co_return entry;
}

net::Task<Result<std::unique_ptr<LogWatch>>> EtcdLog::watch(std::string prefix,
                                                            std::int64_t revision, Until until) {
    if (revision <= 0) { co_return invalid("a watch begins at a revision"); }
    CO_TRY_LET(over, co_await connection(until));
    net::GrpcClient client(*over);
    auto call = client.open("/etcdserverpb.Watch/Watch");
    if (!call) { co_return Error{Errc::Unavailable, std::move(call).error().message}; }
    etcd::WatchRequest request;
    auto& create = *request.mutable_create_request();
    create.set_range_end(range_end_of(prefix));
    create.set_key(prefix.empty() ? std::string(1, '\0') : std::move(prefix));
    create.set_start_revision(revision);
    create.set_fragment(true); // else many revisions at once outgrow a message
    const auto written = co_await (*call)->write(request.SerializeAsString(), until);
    (void)written; // reading tells why
    auto watch = std::make_unique<EtcdWatch>(std::move(*call));
    CO_TRY(co_await watch->wait_created(until));
    co_return std::unique_ptr<LogWatch>(std::move(watch));
}

net::Task<Result<LogStatus>> EtcdLog::status(Until until) {
    CO_TRY_LET(bytes, co_await call("Maintenance/Status", "", CallKind::Read, until));
    CO_TRY_LET(answer, parse<etcd::StatusResponse>(bytes));
    co_return status_of(answer);
}

net::Task<Result<std::vector<LogMember>>> EtcdLog::members(Until until) {
    etcd::MemberListRequest request;
    request.set_linearizable(true);
    CO_TRY_LET(bytes, co_await call("Cluster/MemberList", request.SerializeAsString(),
                                    CallKind::Read, until));
    CO_TRY_LET(answer, parse<etcd::MemberListResponse>(bytes));
    std::vector<LogMember> all;
    for (const auto& member : answer.members()) { all.push_back(member_of(member)); }
    co_return all;
}

net::Task<Result<LogMember>> EtcdLog::add_learner(std::string peer_url, Until until) {
    etcd::MemberAddRequest request;
    request.add_peerurls(std::move(peer_url));
    request.set_islearner(true);
    CO_TRY_LET(bytes, co_await call("Cluster/MemberAdd", request.SerializeAsString(),
                                    CallKind::Write, until));
    CO_TRY_LET(answer, parse<etcd::MemberAddResponse>(bytes));
    co_return member_of(answer.member());
}

net::Task<Result<void>> EtcdLog::promote(std::string member_id, Until until) {
    CO_TRY_LET(number, member_number(member_id));
    etcd::MemberPromoteRequest request;
    request.set_id(number);
    auto answer =
        co_await call("Cluster/MemberPromote", request.SerializeAsString(), CallKind::Write, until);
    if (!answer && answer.error().code != Errc::NotModified) {
        co_return std::move(answer).error();
    }
    co_return ok();
}

net::Task<Result<void>> EtcdLog::set_peer_url(std::string member_id, std::string peer_url,
                                              Until until) {
    CO_TRY_LET(number, member_number(member_id));
    etcd::MemberUpdateRequest request;
    request.set_id(number);
    request.add_peerurls(std::move(peer_url));
    CO_TRY(
        co_await call("Cluster/MemberUpdate", request.SerializeAsString(), CallKind::Write, until));
    co_return ok();
}

net::Task<Result<void>> EtcdLog::remove(std::string member_id, Until until) {
    CO_TRY_LET(number, member_number(member_id));
    etcd::MemberRemoveRequest request;
    request.set_id(number);
    CO_TRY(
        co_await call("Cluster/MemberRemove", request.SerializeAsString(), CallKind::Write, until));
    co_return ok();
}

net::Task<Result<void>> EtcdLog::move_leader(std::string member_id, Until until) {
    CO_TRY_LET(number, member_number(member_id));
    etcd::MoveLeaderRequest request;
    request.set_targetid(number);
    CO_TRY(co_await call("Maintenance/MoveLeader", request.SerializeAsString(), CallKind::Write,
                         until));
    co_return ok();
}

net::Task<Result<void>> EtcdLog::snapshot(std::function<Result<void>(std::string_view)> take,
                                          Until until) {
    CO_TRY_LET(over, co_await connection(until));
    net::GrpcClient client(*over);
    CO_TRY_LET(call, client.open("/etcdserverpb.Maintenance/Snapshot"));
    const auto written = co_await call->write("", until);
    if (written) { CO_TRY(call->finish_writing()); }
    for (;;) {
        auto message = co_await call->read(until);
        if (!message) {
            co_return translate_etcd_error(std::move(message).error(), CallKind::Read,
                                           until.cancelled());
        }
        if (!*message) { co_return ok(); }
        CO_TRY_LET(piece, parse<etcd::SnapshotResponse>(**message));
        CO_TRY(take(piece.blob()));
    }
}

net::Task<Result<void>> EtcdLog::compact(std::int64_t revision, Until until) {
    etcd::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(true);
    auto done = co_await call("KV/Compact", request.SerializeAsString(), CallKind::Write, until);
    if (!done && done.error().code != Errc::NotFound) { co_return std::move(done).error(); }
    co_return ok(); // NotFound: compacted beyond that already
}

net::Task<Result<void>> EtcdLog::defragment(Until until) {
    CO_TRY(co_await call("Maintenance/Defragment", "", CallKind::Write, until));
    co_return ok();
}

net::Task<Result<void>> EtcdLog::clear_space_alarms(Until until) {
    etcd::AlarmRequest request;
    CO_TRY_LET(bytes, co_await call("Maintenance/Alarm", request.SerializeAsString(),
                                    CallKind::Read, until));
    CO_TRY_LET(alarms, parse<etcd::AlarmResponse>(bytes));
    request.set_action(etcd::AlarmRequest::DEACTIVATE);
    for (const auto& alarm : alarms.alarms()) {
        if (alarm.alarm() != etcd::NOSPACE) { continue; }
        request.set_memberid(alarm.memberid());
        request.set_alarm(alarm.alarm());
        CO_TRY(co_await call("Maintenance/Alarm", request.SerializeAsString(), CallKind::Write,
                             until));
    }
    co_return ok();
}

} // namespace shoal::swarm
