// What comes out of containers: attached streams, logs, samples of use, process lists.
#include "engine/containers_impl.h"

#include "net/signal.h"
#include "os/inotify.h"

namespace shoal::engine {
namespace {

constexpr std::size_t log_lines_max = 512; ///< read in one go

/// Reads a log in pieces on the pool. While following it sleeps until the log's directory or the
/// container changes.
class FollowedLogs final : public Logs {
  public:
    FollowedLogs(Env& env, EntryPtr entry, container::LogCursor cursor, bool follow)
        : env_(env), entry_(std::move(entry)), follow_(follow), news_(env.loop), scope_(env.loop),
          cursor_(std::make_shared<container::LogCursor>(std::move(cursor))) {}

    void watch(os::Inotify inotify) {
        inotify_.emplace(std::move(inotify));
        scope_.spawn(watch_files());
        scope_.spawn(watch_container());
    }

    net::Task<Result<std::vector<container::LogLine>>> read(net::Until until) override {
        for (;;) {
            const bool alive = is_alive();
            auto job = [cursor = cursor_] { return cursor->read(log_lines_max); };
            CO_TRY_LET(lines, co_await env_.pool.run(std::move(job)));
            // Asked before reading: what was written before the end is read before the end is told.
            if (!lines.empty() || !follow_ || !alive || cursor_->done()) {
                co_return std::move(lines);
            }
            const net::Wake wake = co_await news_.wait(until);
            if (wake != net::Wake::Raised) {
                co_return net::to_result(wake, "follow the log").error();
            }
        }
    }

  private:
    bool is_alive() const {
        const Status status = entry_->record->state.status;
        return !entry_->removed &&
               (entry_->record->state.running() || status == Status::Restarting);
    }
    net::Task<void> watch_files() {
        const net::Until until(scope_.cancel());
        for (;;) {
            auto readable = co_await net::wait_readable(env_.loop, inotify_->fd(), until);
            if (!readable) { co_return; }
            inotify_->drain();
            news_.raise();
        }
    }
    net::Task<void> watch_container() {
        const net::Until until(scope_.cancel());
        for (;;) {
            const net::Wake wake = co_await entry_->changed.wait(until);
            news_.raise();
            if (wake != net::Wake::Raised || entry_->removed) { co_return; }
        }
    }

    Env& env_;
    EntryPtr entry_;
    bool follow_;
    net::Signal news_;
    std::optional<os::Inotify> inotify_;
    net::TaskScope scope_;
    std::shared_ptr<container::LogCursor> cursor_;
};

} // namespace

net::Task<Result<AttachmentPtr>> Containers::attach(ContainerId id, AttachOptions options) {
    CO_TRY_LET(entry, impl_->entry(id));
    const Container& container = *entry->record;
    if (container.state.status == Status::Paused) {
        co_return conflict("container " + id.text() +
                           " is paused, unpause the container before attach");
    }
    if (container.state.status == Status::Restarting) {
        co_return conflict("container " + id.text() +
                           " is restarting, wait until the container is running before attach");
    }
    options.input = options.input && container.config.open_stdin;
    const bool running = container.state.running();
    auto attachment = std::make_shared<ShimAttachment>(impl_->env.loop, options);
    if (!running) { attachment->wait_in(entry->pending); }
    if (running) {
        const net::Until until(Deadline::in(command_limit));
        auto connected = co_await attachment->connect(impl_->bundle_dir(id), until);
        (void)connected; // it ended in this moment: the attachment is at its end
    }
    co_return AttachmentPtr(std::make_unique<ClientAttachment>(std::move(attachment)));
}

net::Task<Result<void>> Containers::resize(ContainerId id, int height, int width) {
    CO_TRY_LET(entry, impl_->entry(id));
    if (!entry->record->state.running() || !entry->shim) {
        co_return conflict("container " + id.text() + " is not running");
    }
    const std::string payload = container::encode_resize(
        {static_cast<std::uint16_t>(height), static_cast<std::uint16_t>(width)});
    const std::shared_ptr<ShimChannel> shim = entry->shim;
    const net::Until until(Deadline::in(command_limit));
    CO_TRY(co_await shim->request(container::Frame::Resize, payload, until));
    impl_->publish(*entry->record, "resize",
                   {{"height", std::to_string(height)}, {"width", std::to_string(width)}});
    co_return ok();
}

net::Task<Result<LogsPtr>> Containers::logs(ContainerId id, LogRequest request) {
    CO_TRY_LET(entry, impl_->entry(id));
    const Container& container = *entry->record;
    container::LogQuery query;
    query.driver = container.host_config.log_config.type;
    query.path = container.log_path;
    query.out = request.out;
    query.err = request.err;
    query.tail = request.tail;
    query.since = request.since;
    query.until = request.until;
    query.follow = request.follow;
    std::optional<os::Inotify> inotify;
    if (request.follow && !query.path.empty()) {
        const std::string directory = query.path.substr(0, query.path.rfind('/'));
        auto watched = os::Inotify::watch_directory(directory);
        if (watched) { inotify.emplace(std::move(*watched)); }
    }
    auto job = [query] { return container::LogCursor::open(query); };
    CO_TRY_LET(cursor, co_await impl_->env.pool.run(std::move(job)));
    auto logs = std::make_unique<FollowedLogs>(impl_->env, entry, std::move(cursor),
                                               request.follow && inotify);
    if (inotify) { logs->watch(std::move(*inotify)); }
    co_return LogsPtr(std::move(logs));
}

container::StatsSubject Containers::stats_subject(const Container& container) const {
    return {container.id.text(), "/" + container.name,
            impl_->cgroups.version == os::CgroupLayout::Version::V2};
}

net::Task<Result<container::StatsSample>> Containers::sample(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    const Container& container = *entry->record;
    if (!container.state.running()) { co_return container::StatsSample{}; }
    container::SampleStats how;
    how.pid = container.state.pid;
    how.with_networks = container::parse_mode(container.host_config.network_mode).kind != "host";
    how.host_memory_bytes = impl_->facts.memory_bytes;
    auto job = [group = impl_->cgroup(container), how, now = impl_->env.clock.now()] {
        return container::sample_stats(group, how, now);
    };
    co_return co_await impl_->env.pool.run(std::move(job));
}

net::Task<Result<container::ProcessTable>> Containers::top(ContainerId id, std::string ps_args) {
    CO_TRY_LET(entry, impl_->entry(id));
    const Container& container = *entry->record;
    if (container.state.status == Status::Restarting) {
        co_return conflict("Container " + id.text() +
                           " is restarting, wait until the container is running");
    }
    if (!container.state.running()) {
        co_return conflict("container " + id.text() + " is not running");
    }
    auto job = [group = impl_->cgroup(container), ps_args] {
        return container::list_processes(group, ps_args, Deadline::in(command_limit));
    };
    auto table = co_await impl_->env.pool.run(std::move(job));
    if (table) { impl_->publish(container, "top"); }
    co_return table;
}

} // namespace shoal::engine
