// COPY and ADD: sources are found and digested first, which makes the key; only when the cache has
// nothing are they copied, into an overlay above the image so far, whose upper directory then is
// the layer.
#include "archive/extract.h"
#include "base/text.h"
#include "blob/hash.h"
#include "build/job.h"
#include "build/remote.h"
#include "build/unpack.h"
#include "container/binds.h"
#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace shoal::build {
namespace {

using dockerfile::CopyCommand;

constexpr std::int64_t link_from_bytes = 64 * 1024;

const CopyCommand& command_of(const Prepared& work) {
    return std::get<CopyCommand>(work.command.what);
}

Error copy_failed(const CopyCommand& command, Error error, bool context) {
    const std::string name = command.add ? "ADD" : "COPY";
    if (error.code == Errc::NotFound && context) {
        return Error{Errc::Invalid, name +
                                        " failed: file not found in build context or excluded "
                                        "by .dockerignore: " +
                                        error.message};
    }
    return Error{error.code == Errc::NotFound ? Errc::Invalid : error.code,
                 name + " failed: " + error.message};
}

/// "/srv/" of "srv/" in "/"; keeps a slash at the end.
std::string absolute_destination(const std::string& destination, const std::string& working_dir) {
    const std::string base = working_dir.empty() ? "/" : working_dir;
    const std::string joined =
        destination.starts_with('/') ? destination : base + "/" + destination;
    const bool directory = destination.ends_with('/') || destination.ends_with("/.") ||
                           destination == "." || destination == "..";
    const std::string clean = "/" + clean_relative(joined);
    return directory && clean != "/" ? clean + "/" : clean;
}

/// A fetched file has the server's date or none: the same bytes give the same layer.
Result<void> set_time(const std::string& path, Instant at) {
    const timespec time{at.time_since_epoch().count() / 1'000'000'000, 0};
    const timespec times[2] = {time, time};
    if (::utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) {
        return os_error("set the time of " + path, errno);
    }
    return ok();
}

/// What a thread needs to copy; values only.
struct CopyJob {
    std::string merged;
    std::string names_root; ///< where names of --chown are looked up
    std::string destination;
    CopyCommand command;
    std::vector<CopySource> sources;
    std::optional<dockerfile::PatternList> exclude;
    bool links = true; ///< large files of our own trees may become hard links
    std::shared_ptr<std::atomic<bool>> cancelled;
};
struct CopyDone {
    std::vector<std::pair<std::string, std::vector<Deferred>>> links; ///< by source tree
};

class CopyWork {
  public:
    explicit CopyWork(CopyJob& job) : job_(job) {}

    Result<CopyDone> run() {
        TRY_LET(root, os::open_directory(job_.merged));
        root_ = std::move(root);
        if (!job_.command.chown.empty()) {
            TRY_LET(names, os::open_directory(job_.names_root));
            TRY_LET(owner, resolve_owner(job_.command.chown, names));
            owner_ = owner;
        }
        TRY_LET(mode, ModeChange::parse(job_.command.chmod));
        mode_ = std::move(mode);
        std::size_t items = job_.command.inline_files.size();
        for (const auto& source : job_.sources) { items += source.selection.items.size(); }
        if (items > 1 && !job_.destination.ends_with('/') && job_.destination != "/") {
            return invalid("When using " + std::string(job_.command.add ? "ADD" : "COPY") +
                           " with more than one source file, the destination must be a directory "
                           "and end with a /");
        }
        many_ = items > 1;
        for (auto& source : job_.sources) { TRY(copy_source(source)); }
        for (const auto& file : job_.command.inline_files) {
            const auto file_mode = mode_.apply(0644, false);
            TRY(write_inline({&root_, job_.destination}, file.name, file.content, many_,
                             {owner_.value_or(Owner{}), file_mode}));
        }
        if (job_.command.link) { TRY(fix_times()); }
        return std::move(done_);
    }

  private:
    Result<void> copy_source(const CopySource& source) {
        TRY_LET(tree, os::open_directory(source.tree.path));
        CopyRules rules;
        rules.owner = owner_;
        if (!rules.owner && !source.tree.image) { rules.owner = Owner{}; }
        rules.mode = mode_;
        rules.exclude = job_.exclude ? &*job_.exclude : nullptr;
        rules.parents = job_.command.parents;
        rules.devices = source.tree.image;
        rules.cancelled = job_.cancelled.get();
        if (source.tree.ours && !source.tree.image && job_.links) {
            rules.defer_from_bytes = link_from_bytes;
        }
        std::vector<Selected> plain;
        for (const auto& item : source.selection.items) {
            TRY_LET(unpacked, unpack_if_asked(source, tree, item));
            if (!unpacked) { plain.push_back(item); }
        }
        if (plain.empty()) { return ok(); }
        CopyTarget target{&root_, job_.destination};
        if (many_ && !target.path.ends_with('/')) { target.path += '/'; }
        TRY_LET(deferred, copy_selected(tree, plain, target, rules));
        if (!deferred.empty()) { done_.links.emplace_back(source.tree.path, std::move(deferred)); }
        return ok();
    }

    /// Directories on the way to the destination have no time of their own: a layer that is
    /// independent of what lies below is the same whenever it is made.
    Result<void> fix_times() const {
        const timespec epoch[2] = {};
        std::string at;
        for (const auto& part : split(clean_relative(job_.destination), '/')) {
            at += (at.empty() ? "" : "/") + part;
            os::OpenBeneath how;
            how.flags = O_RDONLY | O_DIRECTORY;
            how.no_links = true;
            const auto directory = os::open_beneath(root_, at, how);
            if (!directory) { break; }
            if (::futimens(directory->raw(), epoch) != 0) { return os_error("utimens", errno); }
        }
        return ok();
    }

    /// ADD's own: a local archive is unpacked, a fetched one only with --unpack.
    Result<bool> unpack_if_asked(const CopySource& source, const os::Fd& tree,
                                 const Selected& item) {
        if (!job_.command.add || item.directory) { return false; }
        if (!job_.command.unpack.value_or(!source.fetched)) { return false; }
        os::OpenBeneath how;
        how.flags = O_RDONLY | O_NONBLOCK;
        how.no_links = true;
        TRY_LET(file, os::open_beneath(tree, item.path, how));
        struct stat status {};
        if (::fstat(file.raw(), &status) != 0 || !S_ISREG(status.st_mode)) { return false; }
        if (!is_archive(file)) { return false; }
        TRY_LET(into, ensure_path(root_, job_.destination, owner_.value_or(Owner{})));
        archive::ExtractOptions options;
        options.mode = archive::ExtractMode::Plain;
        if (owner_) { options.owner = archive::Owner{owner_->uid, owner_->gid}; }
        options.cancelled = job_.cancelled.get();
        TRY(archive::extract(archive::source_of(file), into, options));
        return true;
    }

    CopyJob& job_;
    os::Fd root_;
    std::optional<Owner> owner_;
    ModeChange mode_;
    bool many_ = false;
    CopyDone done_;
};

Result<void> link_all(const CopyDone& done, const std::string& upper) {
    TRY_LET(root, os::open_directory(upper));
    for (const auto& [path, files] : done.links) {
        TRY_LET(tree, os::open_directory(path));
        TRY(link_deferred(tree, root, files));
    }
    return ok();
}

} // namespace

net::Task<Result<CopySource>> Job::select(Prepared* work, Tree tree,
                                          std::vector<std::string> paths) {
    const CopyCommand& command = command_of(*work);
    auto job = [this, tree, paths, parents = command.parents, excludes = command.excludes,
                cancelled = cancelled_]() -> Result<Selection> {
        TRY_LET(root, os::open_directory(tree.path));
        TRY_LET(exclude, dockerfile::PatternList::create(excludes));
        SelectRequest request;
        request.root = &root;
        request.sources = paths;
        request.exclude = exclude.empty() ? nullptr : &exclude;
        request.parents = parents;
        request.owners = tree.image;
        request.cache = tree.ours ? &builder_.hashes : nullptr;
        request.cancelled = cancelled.get();
        return select_files(request);
    };
    auto selection = co_await env_.pool.run(std::move(job));
    if (!selection) { co_return copy_failed(command, std::move(selection).error(), !tree.image); }
    co_return CopySource{tree, std::move(*selection), false};
}

/// ADD of an address: fetched into a tree of its own.
net::Task<Result<CopySource>> Job::fetch_source(Prepared* work, std::string address) {
    const CopyCommand& command = command_of(*work);
    CO_TRY_LET(directory, co_await work_dir("fetch"));
    CopySource source;
    source.fetched = true;
    source.tree = Tree{directory, true, false, ""};
    CO_TRY_LET(git, parse_git_address(address));
    if (git) {
        CO_TRY_LET(checkout,
                   co_await fetch_git(env_, *git, directory, command.keep_git_dir, until()));
        source.tree.path = checkout.path;
        if (!command.checksum.empty() && command.checksum != checkout.commit) {
            co_return invalid("ADD failed: commit mismatch " + checkout.commit + ": " +
                              command.checksum);
        }
        const std::vector<std::string> everything{"."};
        CO_TRY_LET(all, co_await select(work, source.tree, everything));
        source.selection = std::move(all.selection);
        co_return source;
    }
    CO_TRY_LET(file, co_await fetch_file(env_, address, directory, until()));
    if (!command.checksum.empty() && command.checksum != "sha256:" + file.digest_hex) {
        co_return invalid("ADD failed: digest mismatch sha256:" + file.digest_hex + ": " +
                          command.checksum);
    }
    if (file.name.empty() && work->destination.ends_with('/')) {
        co_return invalid("ADD failed: cannot determine filename from url: " + address);
    }
    const std::string name = file.name.empty() ? "download" : file.name;
    source.selection.items = {Selected{"download", name, false}};
    source.selection.digest = blob::hash(name + " " + file.digest_hex);
    CO_TRY(set_time(file.path, file.modified));
    co_return source;
}

net::Task<Result<void>> Job::prepare_copy(Prepared* work) {
    const CopyCommand& command = command_of(*work);
    if (!command.checksum.empty() && !command.add) {
        co_return invalid("COPY does not take --checksum");
    }
    work->destination = absolute_destination(command.destination, work->stage.config.working_dir);
    Error problem;
    const auto origin = origin_of(work->stage, command.from, &problem);
    if (!problem.message.empty()) { co_return problem; }
    std::vector<std::string> paths;
    std::vector<std::string> addresses;
    for (const auto& source : command.sources) {
        CO_TRY_LET(git, parse_git_address(source));
        const bool remote = command.add && (git || is_http_address(source));
        (remote ? addresses : paths).push_back(source);
    }
    if (!command.checksum.empty() && (addresses.size() != 1 || !paths.empty())) {
        co_return invalid("ADD --checksum needs exactly one source, and that an address");
    }
    // Their line of the history does not say all that counts.
    if (!command.inline_files.empty() || command.unpack || command.parents || command.link ||
        !command.excludes.empty()) {
        work->cacheable = false;
    }
    KeyMaker key = base_key(work->stage, command.add ? "ADD" : "COPY");
    key.add(command.chown).add(command.chmod).add(work->destination);
    key.add(command.link ? "link" : "").add(command.parents ? "parents" : "");
    key.add(command.unpack ? (*command.unpack ? "unpack" : "whole") : "");
    key.add(join(command.excludes, "\n"));
    for (const auto& file : command.inline_files) { key.add(file.name).add(file.content); }
    KeyMaker shortcut = key;
    if (!paths.empty()) {
        CO_TRY_LET(tree, co_await tree_of(origin));
        if (!tree.id.empty() && addresses.empty()) {
            // The same paths of the same image: no need to look into it.
            shortcut.add("by id").add(tree.id).add(join(paths, "\n"));
            work->shortcut = shortcut.finish();
            const auto known = builder_.shortcuts.find(work->shortcut);
            if (known != builder_.shortcuts.end() && !work->stage.no_cache &&
                builder_.cache.find(known->second, env_.clock.now())) {
                work->key = known->second;
                co_return ok();
            }
        }
        CO_TRY_LET(source, co_await select(work, tree, paths));
        work->sources.push_back(std::move(source));
    }
    for (const auto& address : addresses) {
        CO_TRY_LET(source, co_await fetch_source(work, address));
        work->sources.push_back(std::move(source));
    }
    std::vector<std::string> digests;
    bool one_directory = false;
    for (const auto& source : work->sources) {
        digests.push_back(source.selection.digest.hex());
        one_directory = source.selection.items.size() == 1 && source.selection.items[0].directory;
    }
    key.add(join(digests, " "));
    work->key = key.finish();
    const bool many = work->sources.size() > 1 ||
                      (!work->sources.empty() && work->sources[0].selection.items.size() > 1);
    const std::string what = many ? "multi:" : (one_directory ? "dir:" : "file:");
    const std::string content = work->sources.empty() || many
                                    ? blob::hash(join(digests, " ") + work->key).hex()
                                    : digests[0];
    work->created_by = join(shell_of(work->stage.config), " ") + " #(nop) " +
                       (command.add ? "ADD " : "COPY ") +
                       (command.chown.empty() ? "" : "--chown=" + command.chown + " ") +
                       (command.chmod.empty() ? "" : "--chmod=" + command.chmod + " ") + what +
                       content + " in " + work->destination + " ";
    co_return ok();
}

net::Task<Result<oci::ImageId>> Job::copy(Prepared* work) {
    const CopyCommand& command = command_of(*work);
    if (work->sources.empty() && command.inline_files.empty()) {
        // The record that made looking into the sources needless went away meanwhile.
        co_return Error{Errc::Unavailable, "the build cache was pruned meanwhile: build again"};
    }
    CO_TRY_LET(directory, co_await work_dir("step"));
    const oci::ImageId below = command.link ? oci::ImageId() : work->stage.image;
    CO_TRY_LET(root, co_await engine_.images.mount_rootfs(below, directory));
    CopyJob job;
    job.merged = job.names_root = root.merged;
    if (command.link && !command.chown.empty()) {
        auto names = co_await image_tree(work->stage.image);
        if (names) { job.names_root = names->path; }
    }
    job.destination = work->destination;
    job.command = command;
    job.sources = work->sources;
    job.cancelled = cancelled_;
    if (!command.excludes.empty()) {
        CO_TRY_LET(exclude, dockerfile::PatternList::create(command.excludes));
        job.exclude = std::move(exclude);
    }
    job.links = !epoch_; // a changed time would change the tree that the link comes from
    auto run = [job = std::move(job)]() mutable { return CopyWork(job).run(); };
    auto copied = co_await env_.pool.run(std::move(run));
    auto unmounted = co_await engine_.images.unmount_rootfs(directory);
    if (!copied) {
        const auto& sources = work->sources;
        const bool context = !sources.empty() && !sources[0].tree.image;
        co_return copy_failed(command, std::move(copied).error(), context);
    }
    CO_TRY(std::move(unmounted));
    auto link = [done = std::move(*copied), upper = root.upper] { return link_all(done, upper); };
    CO_TRY(co_await env_.pool.run(std::move(link)));
    co_return co_await make_image(work, work->stage.config, root.upper, false);
}

dockerfile::Origin Job::origin_of(const StageRun& stage, std::string_view from,
                                  Error* problem) const {
    if (from.empty()) { return dockerfile::Origin{dockerfile::Origin::Kind::Context, -1, ""}; }
    std::vector<std::string> contexts;
    for (const auto& [name, source] : request_.contexts) { contexts.push_back(name); }
    auto origin = dockerfile::resolve_from(file_, stage.plan.index, from, contexts);
    if (!origin) {
        *problem = std::move(origin).error();
        return {};
    }
    return *origin;
}

} // namespace shoal::build
