#include "swarm/member/etcd_host.h"

#include "net/sleep.h"
#include "os/file.h"
#include "swarm/store/etcd_upkeep.h"

namespace shoal::swarm {
namespace {

constexpr mode_t secret_mode = 0600;
constexpr mode_t folder_mode = 0700;
constexpr std::chrono::seconds status_limit(5);
constexpr std::chrono::seconds ready_limit(20); ///< without a quorum it answers nothing: go on

EtcdStart::Kind kind_of(LogStart::How how) {
    switch (how) {
    case LogStart::How::New:
        return EtcdStart::Kind::Bootstrap;
    case LogStart::How::Join:
        return EtcdStart::Kind::Join;
    case LogStart::How::Again:
        return EtcdStart::Kind::Resume;
    case LogStart::How::ForceNew:
        return EtcdStart::Kind::ForceNew;
    }
    return EtcdStart::Kind::Resume;
}

} // namespace

EtcdHost::EtcdHost(net::Loop& loop, std::string folder, std::string program)
    : loop_(loop), folder_(std::move(folder)), program_(std::move(program)) {}

EtcdHost::~EtcdHost() = default;

EtcdSettings EtcdHost::settings_for(const LogStart& how) const {
    EtcdSettings settings;
    settings.program = program_;
    settings.folder = folder_;
    settings.name = how.name;
    settings.peer_listen_url = "https://" + how.listen_address;
    settings.peer_url = how.peer_url;
    settings.peer_tls =
        EtcdPeerTls{folder_ + "/peer.crt", folder_ + "/peer.key", folder_ + "/peers-ca.crt", ""};
    if (how.heartbeat_ms > 0) { settings.heartbeat = std::chrono::milliseconds(how.heartbeat_ms); }
    if (how.election_ms > 0) { settings.election = std::chrono::milliseconds(how.election_ms); }
    if (how.snapshot_interval > 0) {
        settings.snapshot_count = static_cast<std::int64_t>(how.snapshot_interval);
    }
    return settings;
}

Result<void> EtcdHost::write_certificates(const LogStart& how) const {
    TRY(os::ensure_directory(folder_, folder_mode));
    const os::WriteFile secret{secret_mode, os::Sync::Yes};
    TRY(os::write_file_atomic(folder_ + "/peer.crt", how.cert, secret));
    TRY(os::write_file_atomic(folder_ + "/peer.key", how.key, secret));
    return os::write_file_atomic(folder_ + "/peers-ca.crt", how.ca_cert, secret);
}

net::Task<Result<Log*>> EtcdHost::start(LogStart how, net::Until until) {
    ASSERT(!process_);
    CO_TRY(write_certificates(how));
    process_ = std::make_unique<EtcdProcess>(loop_, settings_for(how));
    EtcdStart start{kind_of(how.how), how.members};
    auto begun = co_await process_->start(std::move(start));
    if (begun) {
        const net::Until limit = until.no_later_than(loop_.in(ready_limit));
        begun = co_await process_->wait_ready(limit);
        // Others may be needed before it answers.
        const bool waits = !begun && begun.error().code == Errc::Timeout && !until.cancelled();
        if (waits && how.how != LogStart::How::New) { begun = ok(); }
    }
    if (!begun) {
        co_await stop();
        co_return begun.error();
    }
    log_ = std::make_unique<EtcdLog>(loop_, process_->socket_path());
    co_return static_cast<Log*>(log_.get());
}

net::Task<void> EtcdHost::stop() {
    if (log_) { co_await log_->disconnect(); }
    log_.reset();
    if (process_) { co_await process_->stop(); }
    process_.reset();
}

net::Task<void> EtcdHost::end_left_over() {
    if (process_) { co_return; }
    EtcdSettings settings;
    settings.program = program_;
    settings.folder = folder_;
    EtcdProcess left_over(loop_, std::move(settings));
    co_await left_over.end_left_over();
}

net::Task<Result<void>> EtcdHost::apply(LogStart how, net::Until until) {
    if (!process_) { co_return Error{Errc::Unavailable, "etcd is not running"}; }
    CO_TRY(co_await process_->apply(settings_for(how)));
    if (process_->state() == EtcdProcess::State::Stopped) { // it could not be started the last time
        EtcdStart again;
        CO_TRY(co_await process_->start(std::move(again)));
    }
    co_return co_await process_->wait_ready(until);
}

net::Task<void> EtcdHost::tend(net::Until until) {
    while (!until.cancelled()) {
        const net::Until limit = until.no_later_than(loop_.in(status_limit));
        const auto status = co_await log_->status(limit);
        if (status) {
            const std::int64_t quota_bytes = process_->settings().quota_bytes;
            const auto tended = co_await tend_etcd(loop_, *log_, quota_bytes, until);
            (void)tended; // due again the next time
        }
        const auto pause = status ? care_pause(*status) : std::chrono::seconds(status_limit);
        co_await net::sleep(loop_, until.no_later_than(loop_.in(pause)));
    }
}

Result<void> EtcdHost::erase() {
    ASSERT(!process_);
    return os::remove_tree(folder_);
}

bool EtcdHost::has_data() const {
    EtcdSettings settings;
    settings.folder = folder_;
    return EtcdProcess::has_data(settings);
}

bool EtcdHost::was_removed() const {
    // Of all its ends only that one is Forbidden.
    return process_ && process_->state() == EtcdProcess::State::Failed && process_->failure() &&
           process_->failure()->code == Errc::Forbidden;
}

std::string EtcdHost::trouble() const {
    if (!process_ || !process_->failure()) { return ""; }
    return process_->failure()->message;
}

} // namespace shoal::swarm
