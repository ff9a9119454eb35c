// EtcdProcess: this manager's member of etcd as a child process that is kept running: begun, taken
// over again after a crash of the daemon, restarted after its own, ended with the daemon. It
// speaks to etcd only to see whether it answers (store/etcd_log.h speaks to it), and knows nothing
// of the cluster's other members.
#pragma once

#include "swarm/store/etcd_log.h"
#include "swarm/store/etcd_settings.h"

#include "os/pidfd.h"
#include "os/process.h"

namespace shoal::swarm {

class EtcdProcess {
  public:
    enum class State {
        Stopped,
        Starting, ///< runs, and does not answer yet; so it is without a quorum too
        Ready,
        Waiting, ///< has ended; starts again in a moment
        Failed,  ///< starting again would not help: failure() says what does
    };

    EtcdProcess(net::Loop& loop, EtcdSettings settings);
    /// Leaves the process running unless stop() was awaited: the next daemon takes it over.
    ~EtcdProcess();
    EtcdProcess(const EtcdProcess&) = delete;
    EtcdProcess& operator=(const EtcdProcess&) = delete;

    /// Begins it, or takes over the one that runs there already with the same settings, and keeps
    /// it running from now on. Fails at once for what cannot be: no such program, no data to
    /// resume, damage that can be seen.
    net::Task<Result<void>> start(EtcdStart start);
    /// Success when it answers; the failure when it is Failed; Timeout: still not, which is so
    /// without a quorum too.
    net::Task<Result<void>> wait_ready(net::Until until);
    /// Ends it in order, by force after a while.
    net::Task<void> stop();
    /// Ends the one that runs in the folder, whoever started it. Before start() only.
    net::Task<void> end_left_over();
    /// Restarts it with other settings (folder and name stay) if they make a difference.
    net::Task<Result<void>> apply(EtcdSettings settings);

    State state() const { return state_; }
    /// Of the last end, until it is Ready again.
    const std::optional<Error>& failure() const { return failure_; }
    /// Called after each change of state(), on the loop.
    void on_change(std::function<void()> told) { told_ = std::move(told); }
    const EtcdSettings& settings() const { return settings_; }
    const std::string& socket_path() const { return socket_path_; }
    pid_t pid() const { return identity_.pid; } ///< 0: none
    bool taken_over() const { return identity_.pid != 0 && child_.pid() < 0; }

    /// Whether there is a member's data in the folder.
    static bool has_data(const EtcdSettings& settings);

  private:
    Result<void> prepare_folders() const;
    Result<EtcdStart> plan(EtcdStart start) const;
    net::Task<Result<void>> take_over_or_launch();
    bool find_running();
    net::Task<Result<bool>> take_over();
    Result<void> launch();
    net::Task<void> supervise();
    net::Task<void> attend();
    net::Task<void> probe(net::Cancel& stop);
    net::Task<void> bound_log(net::Cancel& stop);
    void note_end(Steady began);
    net::Task<void> terminate();
    void forget_process();
    void enter(State state);

    net::Loop& loop_;
    EtcdSettings settings_;
    std::string socket_path_;
    EtcdStart start_;
    State state_ = State::Stopped;
    std::optional<Error> failure_;
    int failures_ = 0;       ///< in a row
    int damages_ = 0;        ///< in a row
    bool was_ready_ = false; ///< this run of it
    std::function<void()> told_;
    net::Signal changed_;

    os::Process child_; ///< empty when taken over
    os::Fd pidfd_;
    os::ProcessIdentity identity_;
    std::int64_t log_begin_ = 0; ///< where this run's words begin in the log
    std::unique_ptr<net::TaskScope> scope_;
};

std::string_view name_of(EtcdProcess::State state);

} // namespace shoal::swarm
