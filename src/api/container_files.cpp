// Files of containers: archives in and out (docker cp) and the export of a whole root file system.
// Threads that may block read and write the trees; the bytes go through pipes.
#include "api/container_handlers.h"
#include "archive/extract.h"
#include "archive/pack.h"
#include "archive/path_in_root.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/settings.h"
#include "image/rootfs.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/file.h"
#include "os/pipe.h"
#include "os/user.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace shoal::api {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::uint64_t refused_bytes_max =
    1ull << 30; ///< read and thrown away after a failure, so that the client hears of it

/// A path of a request, found: where the tree begins and what is meant beneath it.
struct Place {
    std::shared_ptr<os::Fd> root;
    std::string path;
};

/// Where a request's path lies on this machine. `hold` keeps it mounted. Blocking.
Result<Place> open_place(const std::string& root, const std::string& path) {
    auto fd = os::open_file(root, O_PATH);
    if (!fd) { return std::move(fd).error(); }
    struct stat status {};
    if (::fstat(fd->raw(), &status) != 0) { return os_error("stat " + root, errno); }
    if (S_ISDIR(status.st_mode)) { return Place{std::make_shared<os::Fd>(std::move(*fd)), path}; }
    // A bind of a single file.
    const auto slash = root.rfind('/');
    TRY_LET(parent, os::open_file(root.substr(0, slash + 1), O_PATH | O_DIRECTORY));
    return Place{std::make_shared<os::Fd>(std::move(parent)), root.substr(slash)};
}

/// The sentences that clients look for. The container is named as they named it.
Error archive_error(Error error, const Call& call) {
    if (error.code == Errc::NotFound) {
        return {Errc::NotFound, "Could not find the file " + call.query_text("path") +
                                    " in container " + call.param("name")};
    }
    if (error.os_errno == EROFS) {
        return {Errc::Forbidden, "container rootfs is marked read-only", EROFS};
    }
    if (error.code == Errc::Conflict) { error.code = Errc::Invalid; }
    return error;
}

struct Request {
    engine::ContainerPtr container;
    std::string path;
    std::shared_ptr<engine::RootHold> hold;
    std::string root;
    std::string beneath;
};

net::Task<Result<Request>> open_request(Call& call) {
    Request request;
    request.path = call.query_text("path");
    if (request.path.empty()) { co_return invalid("bad parameter: path: cannot be empty"); }
    CO_TRY_LET(container, named_container(call));
    request.container = container;
    CO_TRY_LET(hold, co_await call.engine.containers.hold_root(container->id));
    request.hold = std::move(hold);
    std::string absolute = request.path.starts_with('/') ? request.path : "/" + request.path;
    std::tie(request.root, request.beneath) = request.hold->locate(absolute);
    co_return std::move(request);
}

struct Stated {
    Place place;
    archive::PathStat stat;
};

Result<Stated> state(const std::string& root, const std::string& beneath,
                     const std::string& asked) {
    TRY_LET(place, open_place(root, beneath));
    TRY_LET(stat, archive::stat_for_archive(*place.root, place.path));
    stat.name = archive::parse_archive_path(asked).name; // a volume's own root has another name
    return Stated{std::move(place), std::move(stat)};
}

net::Task<Result<Stated>> stat_request(Call& call, Request request) {
    auto job = [root = request.root, beneath = request.beneath, asked = request.path] {
        return state(root, beneath, asked);
    };
    const net::Until until(call.gone());
    auto stated = co_await call.engine.env.storage_pool.run_until(std::move(job), until);
    if (!stated) { co_return archive_error(std::move(stated).error(), call); }
    co_return stated;
}

/// Runs on a thread: the tree goes into the pipe.
Result<void> pack_into(const os::Fd& root, archive::PackOptions options, const os::Fd& pipe) {
    TRY(archive::pack(root, options, archive::sink_into(pipe)));
    return ok();
}

/// What `path` means as something to pack. The directory of the last component is followed, the
/// component is not.
Result<void> pack_place(const Place& place, const std::string& name, const os::Fd& pipe) {
    const auto path = archive::parse_archive_path(place.path);
    archive::PackOptions options;
    options.as = name == "/" ? "." : name;
    TRY_LET(directory, archive::open_in_root(*place.root, path.directory, archive::Follow::All));
    if (!path.last.empty() && path.last != ".") { options.what = path.last; }
    return pack_into(directory, std::move(options), pipe);
}

/// One job on a thread whose output or input the loop handles meanwhile.
class SideJob {
  public:
    SideJob(Call& call) : pool_(call.engine.env.storage_pool), scope_(call.engine.env.loop) {}
    void start(std::function<Result<void>()> job) { scope_.spawn(run(std::move(job))); }
    /// Waits for the end of the job, or gives it up when the client has gone and the storage does
    /// not answer.
    net::Task<Result<void>> finish(net::Until until) {
        const net::Wake wake = co_await scope_.drain(until);
        if (wake != net::Wake::Raised) { co_await scope_.close(); }
        co_return std::move(result_);
    }

  private:
    net::Task<void> run(std::function<Result<void>()> job) {
        const net::Until until(scope_.cancel());
        result_ = co_await pool_.run_until(std::move(job), until);
    }
    net::Pool& pool_;
    Result<void> result_;
    net::TaskScope scope_;
};

/// Sends what comes out of the pipe until its end. The answer begins with the first piece: what
/// fails before is an error with a status of its own.
net::Task<Result<void>> send_pipe(Call& call, std::string content_type, os::Fd read_end) {
    auto source = net::adopt_stream(call.engine.env.loop, std::move(read_end));
    std::vector<char> buffer(buffer_bytes);
    const net::Until until(call.gone());
    for (;;) {
        CO_TRY_LET(count, co_await source->read_some(buffer, until));
        if (count == 0) { co_return ok(); }
        if (!call.begun()) { CO_TRY(co_await call.begin(200, content_type)); }
        CO_TRY(co_await call.exchange.write(std::string_view(buffer.data(), count)));
    }
}

constexpr auto give_up_after =
    std::chrono::seconds(10); ///< for a thread to notice that its pipe is closed

net::Task<Result<void>> send_job(Call& call, std::string content_type,
                                 std::function<Result<void>(const os::Fd&)> job) {
    CO_TRY_LET(pipe, os::make_pipe());
    auto write_end = std::make_shared<os::Fd>(std::move(pipe.write_end));
    auto work = [job = std::move(job), write_end] {
        auto done = job(*write_end);
        write_end->reset();
        return done;
    };
    SideJob side(call);
    side.start(std::move(work));
    auto sent = co_await send_pipe(call, std::move(content_type), std::move(pipe.read_end));
    const net::Until until = sent ? net::Until{} : net::Until(Deadline::in(give_up_after));
    auto made = co_await side.finish(until);
    CO_TRY(std::move(sent));
    CO_TRY(std::move(made));
    co_return co_await call.end();
}

/// The request's body into the pipe. An error of the pipe is not one of the client: the thread says
/// what was wrong.
net::Task<Result<void>> receive_body(Call& call, os::Fd write_end) {
    auto sink = net::adopt_stream(call.engine.env.loop, std::move(write_end));
    std::vector<char> buffer(buffer_bytes);
    std::uint64_t refused = 0;
    const net::Until never;
    for (;;) {
        CO_TRY_LET(count, co_await call.exchange.read_some(buffer));
        if (count == 0) { co_return ok(); }
        if (refused == 0) {
            auto passed = co_await sink->write_all(std::string_view(buffer.data(), count), never);
            if (passed) { continue; }
            sink.reset();
        }
        refused += count;
        if (refused > refused_bytes_max) { co_return ok(); }
    }
}

Result<void> extract_into(const os::Fd& root, const std::string& path,
                          archive::ExtractOptions options, bool own_user, const std::string& user,
                          const os::Fd& container_root, const os::Fd& pipe) {
    TRY_LET(target, archive::open_in_root(root, path, archive::Follow::All));
    struct stat status {};
    if (::fstat(target.raw(), &status) != 0) { return os_error("stat " + path, errno); }
    if (!S_ISDIR(status.st_mode)) { return invalid("extraction point is not a directory"); }
    if (own_user && !user.empty()) {
        TRY_LET(resolved, os::resolve_user_in(os::UserRequest{user, {}}, container_root));
        options.owner = archive::Owner{resolved.uid, resolved.gid};
    }
    TRY(archive::extract(archive::source_of(pipe), target, options));
    return ok();
}

} // namespace

net::Task<Result<void>> stat_archive(Call& call) {
    CO_TRY_LET(request, co_await open_request(call));
    CO_TRY_LET(stated, co_await stat_request(call, request));
    call.set_header("X-Docker-Container-Path-Stat", archive::path_stat_header(stated.stat));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> get_archive(Call& call) {
    CO_TRY_LET(request, co_await open_request(call));
    CO_TRY_LET(stated, co_await stat_request(call, request));
    call.set_header("X-Docker-Container-Path-Stat", archive::path_stat_header(stated.stat));
    publish_container_event(call, *request.container, "archive-path");
    auto job = [place = stated.place, name = stated.stat.name](const os::Fd& pipe) {
        return pack_place(place, name, pipe);
    };
    auto sent = co_await send_job(call, "application/x-tar", std::move(job));
    if (!sent) { co_return archive_error(std::move(sent).error(), call); }
    co_return ok();
}

net::Task<Result<void>> put_archive(Call& call) {
    CO_TRY_LET(request, co_await open_request(call));
    if (!request.hold->writable(request.path)) {
        co_return Error{Errc::Forbidden, "container rootfs is marked read-only"};
    }
    archive::ExtractOptions options;
    options.mode = archive::ExtractMode::Plain;
    options.no_overwrite_dir_non_dir = call.query_bool("noOverwriteDirNonDir");
    const bool own_user = call.query_bool("copyUIDGID");
    CO_TRY_LET(pipe, os::make_pipe());
    auto read_end = std::make_shared<os::Fd>(std::move(pipe.read_end));
    // Text only: the hold belongs to the loop, while the thread may be left behind.
    auto work = [root = request.root, beneath = request.beneath,
                 container_path = request.hold->root(), options, own_user,
                 user = request.container->config.user, read_end]() -> Result<void> {
        const auto extract_all = [&]() -> Result<void> {
            TRY_LET(place, open_place(root, beneath));
            TRY_LET(container_root, os::open_file(container_path, O_PATH | O_DIRECTORY));
            return extract_into(*place.root, place.path, options, own_user, user, container_root,
                                *read_end);
        };
        auto done = extract_all();
        read_end->reset();
        return done;
    };
    SideJob side(call);
    side.start(std::move(work));
    auto received = co_await receive_body(call, std::move(pipe.write_end));
    const net::Until until = received ? net::Until{} : net::Until(Deadline::in(give_up_after));
    auto extracted = co_await side.finish(until);
    CO_TRY(std::move(received));
    if (!extracted) { co_return archive_error(std::move(extracted).error(), call); }
    publish_container_event(call, *request.container, "extract-to-dir");
    co_return co_await call.empty(200);
}

net::Task<Result<void>> export_container(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(hold, co_await call.engine.containers.hold_root(container->id));
    // Of a running container too it is the root file system alone that goes out, without volumes
    // and /proc.
    const std::string merged = container->state.running()
                                   ? image::rootfs_in(call.engine.env.settings.data_root +
                                                      "/containers/" + container->id.text())
                                         .merged
                                   : hold->root();
    CO_TRY_LET(opened, os::open_directory(merged));
    auto root = std::make_shared<os::Fd>(std::move(opened));
    publish_container_event(call, *container, "export");
    auto job = [root](const os::Fd& pipe) {
        return pack_into(*root, archive::PackOptions{}, pipe);
    };
    co_return co_await send_job(call, "application/octet-stream", std::move(job));
}

} // namespace shoal::api
