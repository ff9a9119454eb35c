#include "swarm/store/etcd_process.h"

#include "base/text.h"
#include "net/sleep.h"
#include "os/file.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::swarm {
namespace {

using net::Until;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto probe_every = milliseconds(50);
constexpr auto probe_patience = seconds(2);
constexpr auto log_watch_every = seconds(20);
constexpr auto stop_patience = seconds(12);
constexpr auto kill_patience = seconds(10);
constexpr auto stable_after = seconds(60); ///< then the failures before count no more
constexpr int damages_max = 3;             ///< in a row, until it is believed
constexpr std::int64_t log_tail_bytes = 128 << 10;
constexpr std::int64_t room_bytes_min = 80 << 20; ///< a piece of its log is 64 MiB from the start

std::string link_of(const std::string& path) {
    std::error_code error;
    auto target = std::filesystem::read_symlink(path, error).string();
    return error ? "" : target;
}

std::string base_name(std::string_view path) {
    if (path.ends_with(" (deleted)")) { path.remove_suffix(10); } // replaced by an upgrade
    return std::string(path.substr(path.rfind('/') + 1));
}

std::string proc_path(pid_t pid, const char* name) {
    return "/proc/" + std::to_string(pid) + "/" + name;
}

/// The same folder whatever it is called: in another mount namespace the same name may mean another
/// one, of a daemon inside a container.
bool is_same_folder(const std::string& a, const std::string& b) {
    struct stat first {};
    struct stat second {};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// Ours: the same program, in our folder.
bool is_ours(pid_t pid, const EtcdSettings& settings) {
    return base_name(link_of(proc_path(pid, "exe"))) == base_name(settings.program) &&
           is_same_folder(proc_path(pid, "cwd"), settings.run_folder());
}

std::optional<os::ProcessIdentity> noted_process(const EtcdSettings& settings) {
    const auto text = os::read_file(settings.pid_path(), 128);
    if (!text) { return std::nullopt; }
    const auto [pid_text, start_text] = cut(trim(*text), ' ');
    const auto pid = parse_number<pid_t>(pid_text);
    const auto start = parse_number<std::uint64_t>(start_text);
    if (!pid || !start) { return std::nullopt; }
    const os::ProcessIdentity identity{*pid, *start};
    if (!os::is_alive(identity) || !is_ours(*pid, settings)) { return std::nullopt; }
    return identity;
}

/// The daemon may have died between starting it and noting it.
std::optional<os::ProcessIdentity> search_process(const EtcdSettings& settings) {
    const auto entries = os::list_directory("/proc");
    if (!entries) { return std::nullopt; }
    for (const auto& entry : *entries) {
        const auto pid = parse_number<pid_t>(entry.name);
        if (!pid || !is_ours(*pid, settings)) { continue; }
        if (auto identity = os::identify_process(*pid)) { return *identity; }
    }
    return std::nullopt;
}

std::vector<std::string> arguments_of(pid_t pid) {
    auto text = os::read_file(proc_path(pid, "cmdline"), 1 << 20).value_or("");
    if (text.ends_with('\0')) { text.pop_back(); }
    return split(text, '\0');
}

std::int64_t size_of(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : static_cast<std::int64_t>(size);
}

/// At most so many bytes from there on.
Result<std::string> read_piece(const std::string& path, std::int64_t offset, std::size_t bytes) {
    TRY_LET(fd, os::open_file(path, O_RDONLY));
    std::string piece(bytes, '\0');
    const auto got = ::pread(fd.raw(), piece.data(), piece.size(), offset);
    if (got < 0) { return os_error("read " + path, errno); }
    piece.resize(static_cast<std::size_t>(got));
    return piece;
}

/// The end of the log, from `begin` on at most.
std::string log_tail(const EtcdSettings& settings, std::int64_t begin) {
    const auto size = size_of(settings.log_path());
    const auto from = std::max(begin, size - log_tail_bytes);
    return read_piece(settings.log_path(), from, log_tail_bytes).value_or("");
}

/// Its words go on in the same file, which is why it is emptied and not renamed.
Result<void> empty_log(const EtcdSettings& settings) {
    TRY(os::write_file_atomic(settings.log_path() + ".1", log_tail(settings, 0), {.mode = 0600}));
    if (::truncate(settings.log_path().c_str(), 0) != 0) {
        return os_error("empty " + settings.log_path(), errno);
    }
    return ok();
}

/// Its last words need room too. Without them, too little of it is the likely reason.
void blame_full_disk(EtcdEnd& end, const EtcdSettings& settings) {
    const auto disk = os::stat_file_system(settings.folder);
    if (end.kind != EtcdEnd::Kind::Other || !disk || disk->free_bytes >= room_bytes_min) { return; }
    end.kind = EtcdEnd::Kind::NoSpace;
    end.error = Error{Errc::Exhausted,
                      "there is no space for the cluster's state in " + settings.data_folder() +
                          ": " + std::to_string(disk->free_bytes >> 20) +
                          " MiB are free, it needs " + std::to_string(room_bytes_min >> 20)};
}

bool has_wal(const EtcdSettings& settings) {
    const auto files = os::list_directory(settings.data_folder() + "/member/wal");
    return files && std::any_of(files->begin(), files->end(),
                                [](const os::Entry& file) { return file.name.ends_with(".wal"); });
}

} // namespace

std::string_view name_of(EtcdProcess::State state) {
    switch (state) {
    case EtcdProcess::State::Stopped:
        return "stopped";
    case EtcdProcess::State::Starting:
        return "starting";
    case EtcdProcess::State::Ready:
        return "ready";
    case EtcdProcess::State::Waiting:
        return "waiting";
    case EtcdProcess::State::Failed:
        return "failed";
    }
    return "";
}

bool EtcdProcess::has_data(const EtcdSettings& settings) { return has_wal(settings); }

EtcdProcess::EtcdProcess(net::Loop& loop, EtcdSettings settings)
    : loop_(loop), settings_(std::move(settings)), socket_path_(settings_.socket_path()),
      changed_(loop) {}
EtcdProcess::~EtcdProcess() = default;

void EtcdProcess::enter(State state) {
    if (state_ == state) { return; }
    state_ = state;
    changed_.raise();
    if (told_) { told_(); }
}

Result<void> EtcdProcess::prepare_folders() const {
    for (const auto& folder : {settings_.folder, settings_.data_folder(), settings_.run_folder()}) {
        TRY(os::ensure_directory(folder, 0700));
        if (::chmod(folder.c_str(), 0700) != 0) { return os_error("chmod " + folder, errno); }
    }
    return ok();
}

/// Data wins over what was asked for; a member that has lost its data must not begin anew, which
/// would be a second cluster.
Result<EtcdStart> EtcdProcess::plan(EtcdStart start) const {
    using Kind = EtcdStart::Kind;
    if (has_data(settings_)) {
        if (start.kind != Kind::ForceNew) { start.kind = Kind::Resume; }
        return start;
    }
    if (os::exists(settings_.marker_path())) { return etcd_damaged("it is gone", settings_); }
    if (start.kind == Kind::Resume || start.kind == Kind::ForceNew) {
        return not_found("state of a cluster in", settings_.data_folder());
    }
    return start;
}

net::Task<Result<void>> EtcdProcess::start(EtcdStart start) {
    ASSERT(!scope_ || state_ == State::Failed);
    scope_.reset(); // nothing runs in it any more
    CO_TRY(prepare_folders());
    auto planned = plan(std::move(start));
    if (!planned) { co_return std::move(planned).error(); }
    start_ = std::move(*planned);
    failure_.reset();
    failures_ = damages_ = 0;
    CO_TRY(co_await take_over_or_launch());
    scope_ = std::make_unique<net::TaskScope>(loop_);
    scope_->spawn(supervise());
    co_return ok();
}

net::Task<Result<void>> EtcdProcess::take_over_or_launch() {
    CO_TRY_LET(taken, co_await take_over());
    if (!taken) { CO_TRY(launch()); }
    was_ready_ = false;
    enter(State::Starting);
    co_return ok();
}

/// Whether there is one.
bool EtcdProcess::find_running() {
    auto found = noted_process(settings_);
    if (!found) { found = search_process(settings_); }
    if (!found) { return false; }
    auto pidfd = os::open_pidfd(*found);
    if (!pidfd) { return false; }
    identity_ = *found;
    pidfd_ = std::move(*pidfd);
    child_ = os::Process();
    return true;
}

net::Task<void> EtcdProcess::end_left_over() {
    ASSERT(!scope_);
    if (find_running()) { co_await terminate(); }
}

/// False when there is none, or it was another's and has been ended.
net::Task<Result<bool>> EtcdProcess::take_over() {
    if (!find_running()) { co_return false; }
    log_begin_ = size_of(settings_.log_path());
    const auto wanted = etcd_arguments(settings_, start_);
    if (!same_etcd(arguments_of(identity_.pid), wanted)) {
        co_await terminate();
        co_return false;
    }
    co_return true;
}

Result<void> EtcdProcess::launch() {
    TRY(os::remove_file(socket_path_)); // one left behind stops the start
    TRY_LET(log, os::open_file(settings_.log_path(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    log_begin_ = size_of(settings_.log_path());
    os::Spawn spawn;
    spawn.argv = etcd_arguments(settings_, start_);
    spawn.env = etcd_environment(settings_);
    spawn.inherit_env = false;
    spawn.cwd = settings_.run_folder();
    spawn.stdout_fd = log.raw();
    spawn.stderr_fd = log.raw();
    spawn.new_session = true; // signals to the daemon's group are not for it
    TRY_LET(child, os::Process::spawn(spawn));
    child_ = std::move(child);
    identity_ = os::identify_process(child_.pid()).value_or(os::ProcessIdentity{child_.pid(), 0});
    TRY_LET(pidfd, os::open_pidfd(child_.pid()));
    pidfd_ = std::move(pidfd);
    return os::write_file_atomic(settings_.pid_path(),
                                 std::to_string(identity_.pid) + " " +
                                     std::to_string(identity_.start_time) + "\n",
                                 {.mode = 0600});
}

net::Task<void> EtcdProcess::supervise() {
    for (;;) {
        const Steady began = loop_.now();
        co_await attend();
        if (scope_->cancel().cancelled()) { co_return; }
        note_end(began);
        if (state_ == State::Failed) { co_return; }
        for (bool runs = false; !runs;) {
            const Until pause(loop_.in(etcd_back_off(failures_)), scope_->cancel());
            const auto wake = co_await net::sleep(loop_, pause);
            if (wake == net::Wake::Cancelled) { co_return; }
            auto begun = co_await take_over_or_launch();
            runs = begun.has_value();
            if (!runs) {
                failure_ = std::move(begun).error();
                ++failures_;
            }
        }
    }
}

/// Until it ends, or somebody ends the supervision.
net::Task<void> EtcdProcess::attend() {
    net::TaskScope helpers(loop_, scope_->cancel());
    helpers.spawn(probe(helpers.cancel()));
    helpers.spawn(bound_log(helpers.cancel()));
    const Until until(scope_->cancel());
    const auto ended = co_await net::wait_readable(loop_, pidfd_, until);
    (void)ended; // cancelled otherwise
    co_await helpers.close();
}

/// Waits until it answers.
net::Task<void> EtcdProcess::probe(net::Cancel& stop) {
    EtcdLog log(loop_, socket_path_);
    for (;;) {
        const Until patience(loop_.in(probe_patience), stop);
        const auto status = co_await log.status(patience);
        if (status || stop.cancelled()) { break; }
        const Until pause(loop_.in(probe_every), stop);
        co_await net::sleep(loop_, pause);
    }
    co_await log.disconnect();
    if (stop.cancelled()) { co_return; }
    was_ready_ = true;
    failure_.reset();
    damages_ = 0;
    start_ = {}; // by force only once
    const auto marked = os::write_file_atomic(settings_.marker_path(), "");
    (void)marked; // a fence more, that may be missing
    enter(State::Ready);
}

net::Task<void> EtcdProcess::bound_log(net::Cancel& stop) {
    while (!stop.cancelled()) {
        if (size_of(settings_.log_path()) > settings_.log_bytes_max) {
            const auto emptied = empty_log(settings_);
            (void)emptied; // the disk may be full; again soon
            log_begin_ = 0;
        }
        const Until pause(loop_.in(log_watch_every), stop);
        co_await net::sleep(loop_, pause);
    }
}

void EtcdProcess::note_end(Steady began) {
    if (loop_.now() - began >= stable_after) { failures_ = 0; }
    ++failures_;
    forget_process();
    auto end = diagnose_etcd(log_tail(settings_, log_begin_), settings_);
    blame_full_disk(end, settings_);
    if (!was_ready_ && os::exists(settings_.marker_path()) && !has_wal(settings_)) {
        end = {EtcdEnd::Kind::Damaged, etcd_damaged("it is gone", settings_)};
    }
    const bool damaged = end.kind == EtcdEnd::Kind::Damaged && !was_ready_;
    damages_ = damaged ? damages_ + 1 : 0;
    failure_ = std::move(end.error);
    const bool final = end.kind == EtcdEnd::Kind::Removed || damages_ >= damages_max;
    enter(final ? State::Failed : State::Waiting);
}

net::Task<Result<void>> EtcdProcess::wait_ready(Until until) {
    while (state_ != State::Ready) {
        if (state_ == State::Failed) { co_return *failure_; }
        if (state_ == State::Stopped) { co_return Error{Errc::Unavailable, "etcd is not running"}; }
        const auto wake = co_await changed_.wait(until);
        auto woken = to_result(wake, "wait for etcd");
        if (!woken && wake == net::Wake::Timeout && failure_) {
            co_return Error{Errc::Timeout, failure_->message};
        }
        CO_TRY(std::move(woken));
    }
    co_return ok();
}

net::Task<void> EtcdProcess::terminate() {
    if (identity_.pid == 0) { co_return; }
    const auto asked = os::send_signal(pidfd_, SIGTERM);
    (void)asked; // it may have ended
    const Until patience(loop_.in(stop_patience));
    const auto ended = co_await net::wait_readable(loop_, pidfd_, patience);
    if (!ended) {
        const auto forced = os::send_signal(pidfd_, SIGKILL);
        (void)forced;
        const Until more(loop_.in(kill_patience));
        const auto gone = co_await net::wait_readable(loop_, pidfd_, more);
        (void)gone; // stuck in the kernel: nobody can do more
    }
    forget_process();
}

void EtcdProcess::forget_process() {
    if (child_.pid() >= 0 && os::has_ended(pidfd_)) {
        const auto reaped = child_.wait();
        (void)reaped;
    }
    child_ = os::Process();
    pidfd_ = os::Fd();
    identity_ = {};
    (void)os::remove_file(settings_.pid_path());
    (void)os::remove_file(socket_path_);
}

net::Task<void> EtcdProcess::stop() {
    if (scope_) {
        co_await scope_->close();
        scope_.reset();
    }
    co_await terminate();
    enter(State::Stopped);
}

net::Task<Result<void>> EtcdProcess::apply(EtcdSettings settings) {
    ASSERT(settings.folder == settings_.folder && settings.name == settings_.name);
    const bool same =
        same_etcd(etcd_arguments(settings, start_), etcd_arguments(settings_, start_)) &&
        etcd_environment(settings) == etcd_environment(settings_);
    const auto how = start_;
    const bool runs = scope_ != nullptr;
    settings_ = std::move(settings);
    if (same || !runs) { co_return ok(); }
    co_await stop();
    co_return co_await start(how);
}

} // namespace shoal::swarm
