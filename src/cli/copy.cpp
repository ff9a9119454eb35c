// cp: files between a container and this machine, as tar archives over the wire. Trees are packed
// and unpacked by a thread, behind a pipe, because they block.
#include "cli/commands.h"
#include "cli/copy_plan.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/upload.h"

#include "archive/extract.h"
#include "archive/pack.h"
#include "archive/path_in_root.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "os/file.h"
#include "os/pipe.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

using client::part;

constexpr Flag cp_flags[] = {
    {"archive", 'a', Kind::Bool, "Keep the owners (uid and gid)"},
    {"follow-link", 'L', Kind::Bool, "Follow a symbolic link in SRC_PATH"},
    {"quiet", 'q', Kind::Bool,
     "Do not say how much was copied; nothing is said anyway when there is no terminal"},
};

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::uint32_t go_mode_directory = 1u << 31;
constexpr std::uint32_t go_mode_symlink = 1u << 27;
constexpr const char* stat_header = "X-Docker-Container-Path-Stat";

struct Options {
    bool keep_owners = false;
    bool follow = false;
    bool quiet = false;
};

std::string archive_path(const std::string& container) {
    return "/containers/" + part(container) + "/archive";
}

/// What is at a path in a container; nothing when that cannot be said.
std::optional<archive::PathStat> stat_in_container(client::Client& client, const CopyArgument& at) {
    client::Request request = client::get(archive_path(at.container), {{"path", at.path}});
    request.method = "HEAD";
    auto answer = client.call(std::move(request));
    if (!answer) { return std::nullopt; }
    auto stat = archive::parse_path_stat_header(answer->headers.get_or(stat_header, ""));
    if (!stat) { return std::nullopt; }
    return *stat;
}

Result<struct stat> stat_here(const std::string& path, bool follow) {
    struct stat found {};
    const int failed = follow ? ::stat(path.c_str(), &found) : ::lstat(path.c_str(), &found);
    const int number = errno;
    if (failed != 0) {
        return go_error((follow ? "stat " : "lstat ") + path, os_error(path, number));
    }
    return found;
}

void report(App& app, const Options& options, std::uint64_t bytes, const std::string& to) {
    if (!options.quiet) {
        app.error_line(fmt::format("Successfully copied {} to {}",
                                   size_text(static_cast<double>(bytes), 3), to));
    }
}

// --- from a container ---

struct Download {
    client::Client& client;
    CopyArgument from;
    CopySource source;
    std::string to; ///< "-" for standard output
    bool keep_owners = false;
    std::uint64_t bytes = 0;
};

/// What is written to at last: a link is not replaced but followed, also to what is not there yet.
Result<CopyTarget> target_here(std::string path) {
    constexpr int links_max = 10;
    struct stat found {};
    for (int link = 0; ::lstat(clean_path(path).c_str(), &found) == 0; ++link) {
        if (!S_ISLNK(found.st_mode)) { return CopyTarget{path, true, S_ISDIR(found.st_mode)}; }
        if (link == links_max) { return invalid("too many symlinks in " + path); }
        std::error_code failed;
        const std::string to = std::filesystem::read_symlink(clean_path(path), failed).string();
        if (failed) { return go_error("readlink " + path, os_error(path, failed.value())); }
        path = to.starts_with('/') ? to : split_path(path).directory + "/" + to;
    }
    const CopyTarget target{path};
    const std::string directory = split_path(path).directory;
    TRY_LET(parent, stat_here(directory, true));
    if (!S_ISDIR(parent.st_mode)) { return invalid("not a directory"); }
    return target;
}

Result<void> unpack(const os::Fd& archive, const CopyPlan& plan, bool keep_owners) {
    TRY_LET(root, os::open_directory(plan.directory));
    archive::ExtractOptions options;
    options.mode = archive::ExtractMode::Plain;
    options.no_overwrite_dir_non_dir = true;
    if (!keep_owners) { options.owner = archive::Owner{::getuid(), ::getgid()}; }
    TRY(archive::extract(renamed_archive(archive::source_of(archive), plan.from, plan.to), root,
                         options));
    return ok();
}

net::Task<void> unpack_beside(net::Pool* pool, os::Fd read_end, CopyPlan plan, bool keep_owners,
                              Result<void>* outcome) {
    auto shared = std::make_shared<os::Fd>(std::move(read_end));
    auto job = [shared, plan, keep_owners] {
        auto done = unpack(*shared, plan, keep_owners);
        shared->reset(); // whoever writes hears that nobody reads
        return done;
    };
    *outcome = co_await pool->run(std::move(job));
}

using Take = std::function<Result<void>(std::string_view)>;

net::Task<Result<void>> take_body(client::Answer* answer, const Take* take, std::uint64_t* bytes) {
    const net::Until never;
    std::string buffer(piece_bytes, '\0');
    while (true) {
        CO_TRY_LET(got, co_await answer->exchange().read_some(buffer, never));
        if (got == 0) { co_return ok(); }
        *bytes += got;
        CO_TRY((*take)(std::string_view(buffer.data(), got)));
    }
}

net::Task<Result<void>> download_tree(Download* self, client::Answer* answer) {
    auto stat = archive::parse_path_stat_header(answer->head.headers.get_or(stat_header, ""));
    if (!stat) {
        co_return std::move(stat).error().with("unable to get resource stat from response");
    }
    self->source.is_directory = (stat->mode & go_mode_directory) != 0;
    CO_TRY_LET(target, target_here(self->to));
    CO_TRY_LET(plan, plan_copy(self->source, target));
    CO_TRY_LET(pipe, os::make_pipe());
    net::Pool pool(self->client.loop(), 1);
    net::TaskScope scope(self->client.loop());
    Result<void> unpacked = ok();
    auto work = unpack_beside(&pool, std::move(pipe.read_end), plan, self->keep_owners, &unpacked);
    scope.spawn(std::move(work));
    co_await net::yield(self->client.loop());
    const Take take = [&](std::string_view bytes) { return os::write_all(pipe.write_end, bytes); };
    auto taken = co_await take_body(answer, &take, &self->bytes);
    pipe.write_end.reset();
    const net::Until never;
    co_await scope.drain(never);
    if (!unpacked) { co_return unpacked; }
    co_return taken;
}

net::Task<Result<void>> download_archive(Download* self) {
    const net::Until never;
    net::Query query;
    query.emplace_back("path", self->from.path);
    client::Request request = client::get(archive_path(self->from.container), query);
    CO_TRY_LET(answer, co_await self->client.open_async(std::move(request), never));
    if (self->to != "-") { co_return co_await download_tree(self, answer.get()); }
    const Take take = [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); };
    co_return co_await take_body(answer.get(), &take, &self->bytes);
}

/// Where a link in the container leads, with the name of the link.
void follow_in_container(client::Client& client, Download& download) {
    const auto stat = stat_in_container(client, download.from);
    if (!stat || (stat->mode & go_mode_symlink) == 0) { return; }
    std::string target = stat->link_target;
    if (!target.starts_with('/')) {
        target = split_path(download.from.path).directory + "/" + target;
    }
    download.source.called = split_path(download.from.path).base;
    download.from.path = target;
    download.source.path = target;
}

Result<int> copy_from(App& app, const CopyArgument& from, const std::string& to,
                      const Options& options) {
    if (to != "-") {
        const std::string directory = split_path(to).directory;
        if (!os::exists(directory)) {
            return invalid(
                fmt::format("invalid output path: directory \"{}\" does not exist", directory));
        }
    }
    TRY_LET(client, app.client());
    Download download{*client, from, {from.path}, to, options.keep_owners};
    if (options.follow) { follow_in_container(*client, download); }
    TRY(net::run_task(app.loop(), download_archive(&download)));
    if (to != "-") { report(app, options, download.bytes, to); }
    return 0;
}

// --- to a container ---

CopyTarget target_there(client::Client& client, CopyArgument to) {
    auto stat = stat_in_container(client, to);
    if (stat && (stat->mode & go_mode_symlink) != 0) {
        std::string target = stat->link_target;
        if (!target.starts_with('/')) { target = split_path(to.path).directory + "/" + target; }
        to.path = target;
        stat = stat_in_container(client, to);
    }
    return {to.path, stat.has_value(), stat && (stat->mode & go_mode_directory) != 0};
}

/// The source of this machine with the links resolved that are followed.
Result<CopySource> source_here(const std::string& path, bool follow) {
    CopySource source{path};
    if (follow || asserts_directory(path)) {
        std::error_code failed;
        const std::string resolved = std::filesystem::canonical(path, failed).string();
        if (failed.value() == ENOTDIR) { return invalid("not a directory"); }
        if (failed) { return go_error("lstat " + path, os_error(path, failed.value())); }
        const std::string own = split_path(path).base;
        if (own != "." && own != "/" && own != split_path(resolved).base) { source.called = own; }
        source.path = path.ends_with("/.") || path == "." ? resolved + "/." : resolved;
    }
    TRY_LET(found, stat_here(source.path, false));
    source.is_directory = S_ISDIR(found.st_mode);
    if (path.ends_with('/') && !source.is_directory) { return invalid("not a directory"); }
    return source;
}

Result<void> pack_tree(const os::Fd& into, const CopySource& source, const CopyPlan& plan,
                       std::uint64_t* bytes) {
    const SplitPath parts = split_path(source.path);
    archive::PackOptions options;
    const bool all = parts.base == "." || parts.base == "/";
    if (!all) { options.what = parts.base; }
    if (!all || plan.to != plan.from) { options.as = plan.to; }
    TRY_LET(directory, os::open_directory(parts.directory));
    TRY_LET(packed, archive::pack(directory, options, archive::sink_into(into)));
    *bytes = packed.bytes_plain;
    return ok();
}

net::Task<void> pack_beside(net::Pool* pool, os::Fd write_end, CopySource source, CopyPlan plan,
                            std::uint64_t* bytes, Result<void>* outcome) {
    auto shared = std::make_shared<os::Fd>(std::move(write_end));
    auto job = [shared, source, plan, bytes] {
        auto done = pack_tree(*shared, source, plan, bytes);
        shared->reset(); // whoever reads hears that this was all
        return done;
    };
    *outcome = co_await pool->run(std::move(job));
}

client::Request upload_request(const std::string& container, const std::string& directory,
                               const Options& options) {
    net::Query query = {{"path", directory}, {"noOverwriteDirNonDir", "true"}};
    if (options.keep_owners) { query.emplace_back("copyUIDGID", "true"); }
    client::Request request = client::get(archive_path(container), query);
    request.method = "PUT";
    request.content_type = "application/x-tar";
    return request;
}

net::Task<bool> drain(net::TaskScope* scope) {
    const net::Until never;
    co_await scope->drain(never);
    co_return true;
}

Result<int> copy_to(App& app, const std::string& from, const CopyArgument& to,
                    const Options& options) {
    TRY_LET(client, app.connected());
    const TakeBytes ignore = [](std::string_view) { return ok(); };
    const CopyTarget target = target_there(*client, to);
    if (from == "-") {
        if (!target.is_directory) {
            return invalid(
                fmt::format("destination \"{}:{}\" must be a directory", to.container, to.path));
        }
        TRY(upload(*client, upload_request(to.container, target.path, options), STDIN_FILENO,
                   ignore));
        return 0;
    }
    TRY_LET(source, source_here(from, options.follow));
    TRY_LET(plan, plan_copy(source, target));
    TRY_LET(pipe, os::make_pipe());
    net::Pool pool(app.loop(), 1);
    net::TaskScope scope(app.loop());
    Result<void> packed = ok();
    std::uint64_t bytes = 0;
    scope.spawn(pack_beside(&pool, std::move(pipe.write_end), source, plan, &bytes, &packed));
    const auto sent = upload(*client, upload_request(to.container, plan.directory, options),
                             pipe.read_end.raw(), ignore);
    pipe.read_end.reset();
    net::run_task(app.loop(), drain(&scope));
    TRY(sent);
    TRY(packed);
    report(app, options, bytes, to.container + ":" + to.path);
    return 0;
}

Result<int> copy(App& app, const Parsed& parsed) {
    if (parsed.words[0].empty()) { return invalid("source can not be empty"); }
    if (parsed.words[1].empty()) { return invalid("destination can not be empty"); }
    const CopyArgument from = parse_copy_argument(parsed.words[0]);
    const CopyArgument to = parse_copy_argument(parsed.words[1]);
    const bool quiet = parsed.given("quiet") ? parsed.on("quiet") : !is_terminal(STDOUT_FILENO);
    const Options options{parsed.on("archive"), parsed.on("follow-link"), quiet};
    if (from.container.empty() && to.container.empty()) {
        return invalid("must specify at least one container source");
    }
    if (!from.container.empty() && !to.container.empty()) {
        return invalid("copying between containers is not supported");
    }
    std::error_code failed;
    const std::string directory = std::filesystem::current_path(failed).string();
    const auto here = [&](const std::string& path) {
        return path == "-" ? path : absolute_path(path, directory);
    };
    return from.container.empty() ? copy_to(app, here(from.path), to, options)
                                  : copy_from(app, from, here(to.path), options);
}

} // namespace

const Command cp_command{
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\t$ cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files or folders between a container and this machine",
    cp_flags,
    copy,
    {2, 2},
    "container cp, cp",
    "'-' as the source reads a tar archive from stdin and unpacks it in a folder of the container.\n"
    "'-' as the destination writes a tar archive of what is in the container to stdout."};

} // namespace shoal::cli
