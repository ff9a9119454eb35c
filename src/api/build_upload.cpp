#include "api/build_upload.h"

#include "build/unpack.h"
#include "engine/settings.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/file.h"
#include "os/pipe.h"

namespace shoal::api {

namespace {

constexpr std::size_t meetings_max = 64;

/// Copies until the end; a failure is told to who unpacks.
net::Task<void> feed(net::Stream& from, net::Stream& into, std::atomic<bool>& cancelled,
                     Result<void>& outcome, net::Until until) {
    const auto copied = co_await net::copy_stream(from, into, until);
    if (!copied) {
        outcome = copied.error();
        cancelled = true;
    }
    into.close();
}

} // namespace

net::Task<Result<std::string>> UploadContext::receive(net::StreamPtr from, net::Until until) {
    engine::Env& env = engine_.env;
    path_ = env.settings.data_root + "/tmp/context-" + env.random.hex(6);
    CO_TRY(os::ensure_directory(path_, 0700));
    CO_TRY_LET(pipe, os::make_pipe());
    const auto body = net::adopt_stream(env.loop, std::move(pipe.write_end));
    const auto cancelled = std::make_shared<std::atomic<bool>>(false);
    Result<void> fed;
    net::TaskScope feeding(env.loop);
    feeding.spawn(feed(*from, *body, *cancelled, fed, until));
    const auto input = std::make_shared<os::Fd>(std::move(pipe.read_end));
    auto job = [input, path = path_, cancelled]() -> Result<bool> {
        auto unpacked = build::unpack_context(archive::source_of(*input), path, cancelled.get());
        input->reset();
        return unpacked;
    };
    auto unpacked = co_await env.storage_pool.run(std::move(job));
    net::Until never;
    co_await feeding.drain(never);
    if (!unpacked) { co_return std::move(unpacked).error().with("build context"); }
    if (!fed) { co_return std::move(fed).error().with("build context"); }
    co_return path_;
}

net::Task<void> UploadContext::remove() {
    if (path_.empty()) { co_return; }
    auto job = [path = path_] { return os::remove_tree(path); };
    auto removed = co_await engine_.env.pool.run(std::move(job));
    (void)removed; // what stays in tmp is swept at the next start
}

Result<std::shared_ptr<BuildUploads::Meeting>> BuildUploads::meet(const std::string& id) {
    const auto found = all_.find(id);
    if (found != all_.end()) { return found->second; }
    if (all_.size() >= meetings_max) {
        return Error{Errc::Unavailable, "too many contexts are on their way"};
    }
    auto meeting = std::make_shared<Meeting>(loop_);
    all_.emplace(id, meeting);
    return meeting;
}

void BuildUploads::leave(const std::string& id) {
    const auto found = all_.find(id);
    if (found == all_.end()) { return; }
    found->second->used.set();
    all_.erase(found);
}

} // namespace shoal::api
