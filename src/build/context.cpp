// What a build reads: its Dockerfile, the context and named contexts, trees of stages and images.
// Each tree is made ready once, when the first step asks for it, and only with the files that the
// Dockerfile names where that is known beforehand.
#include "archive/path_in_root.h"
#include "base/text.h"
#include "blob/hash.h"
#include "build/job.h"
#include "build/remote.h"
#include "build/unpack.h"
#include "buildkit/session.h"
#include "engine/registries.h"
#include "engine/settings.h"
#include "net/pool.h"
#include "os/file.h"

#include <fcntl.h>

namespace shoal::build {
namespace {

constexpr std::size_t ignore_bytes_max = 1024 * 1024;

Error no_dockerfile(const std::string& name) {
    return Error{Errc::NotFound, "Cannot locate specified Dockerfile: " + name};
}

/// The text of a file in a directory that strangers filled; nothing when it is not there.
Result<std::optional<std::string>> read_optional(const std::string& directory,
                                                 const std::string& name, std::size_t bytes_max) {
    TRY_LET(root, os::open_directory(directory));
    auto text = archive::read_in_root(root, name, bytes_max);
    if (!text && text.error().code == Errc::NotFound) { return std::optional<std::string>(); }
    if (!text) { return std::move(text).error(); }
    return std::optional<std::string>(std::move(*text));
}

} // namespace

net::Task<Result<std::string>> Job::work_dir(std::string_view kind) {
    if (work_.empty()) {
        work_ = env_.settings.data_root + "/tmp/build-" + env_.random.hex(6);
        CO_TRY(os::ensure_directory(work_, 0700));
    }
    const std::string path = work_ + "/" + std::string(kind) + "-" + std::to_string(next_dir_++);
    CO_TRY(os::ensure_directory(path, 0755));
    co_return path;
}

// --- the Dockerfile ---

net::Task<Result<void>> Job::load_dockerfile() {
    std::string text;
    std::optional<std::string> ignore;
    const std::string own_ignore = request_.dockerfile + ".dockerignore";
    if (request_.context.kind == ContextSource::Kind::Remote) {
        CO_TRY_LET(tree, co_await context_tree(""));
        request_.context = {ContextSource::Kind::Directory, tree.path, ""};
        trees_.clear();
    }
    std::string directory = request_.context.path;
    if (request_.context.kind == ContextSource::Kind::Session && !request_.dockerfile_text) {
        CO_TRY_LET(made, co_await work_dir("dockerfile"));
        buildkit::SyncRequest wish;
        wish.name = "dockerfile";
        wish.include = {request_.dockerfile, own_ignore};
        if (request_.dockerfile == "Dockerfile") { wish.include.push_back("dockerfile"); }
        wish.follow_paths = wish.include;
        CO_TRY(co_await request_.session->sync(wish, made, until()));
        directory = made;
    }
    if (request_.dockerfile_text) {
        text = *request_.dockerfile_text;
    } else if (directory.empty()) {
        co_return no_dockerfile(request_.dockerfile);
    } else {
        auto read = read_optional(directory, request_.dockerfile, dockerfile::dockerfile_bytes_max);
        if (!read) { co_return std::move(read).error().with(request_.dockerfile); }
        if (!*read && request_.dockerfile == "Dockerfile") {
            CO_TRY_LET(lower,
                       read_optional(directory, "dockerfile", dockerfile::dockerfile_bytes_max));
            if (lower) { request_.dockerfile = "dockerfile"; }
            *read = std::move(lower);
        }
        if (!*read) { co_return no_dockerfile(request_.dockerfile); }
        text = std::move(**read);
    }
    if (!directory.empty()) {
        CO_TRY_LET(own, read_optional(directory, own_ignore, ignore_bytes_max));
        ignore = std::move(own);
    }
    if (trim(text).empty()) {
        co_return invalid("the Dockerfile (" + request_.dockerfile + ") cannot be empty");
    }
    CO_TRY_LET(file, dockerfile::parse(text));
    file_ = std::move(file);
    co_return co_await load_ignore_file(ignore.value_or(""));
}

net::Task<Result<void>> Job::load_ignore_file(std::string beside_dockerfile) {
    std::optional<std::string> text;
    if (!beside_dockerfile.empty()) { text = beside_dockerfile; }
    std::string directory = request_.context.path;
    if (!text && request_.context.kind == ContextSource::Kind::Session) {
        CO_TRY_LET(made, co_await work_dir("ignore"));
        buildkit::SyncRequest wish;
        wish.name = request_.context.name;
        wish.include = {".dockerignore"};
        wish.follow_paths = wish.include;
        CO_TRY(co_await request_.session->sync(wish, made, until()));
        directory = made;
    }
    if (!text && !directory.empty()) {
        CO_TRY_LET(read, read_optional(directory, ".dockerignore", ignore_bytes_max));
        text = std::move(read);
    }
    if (!text) { co_return ok(); }
    CO_TRY_LET(patterns, dockerfile::parse_ignore_file(*text));
    CO_TRY_LET(list, dockerfile::PatternList::create(patterns));
    ignore_patterns_ = patterns;
    if (!list.empty()) { ignored_ = std::move(list); }
    co_return ok();
}

/// What the needed stages take from the main context, as far as the text says it; empty for all.
std::vector<std::string> Job::wanted_paths() const {
    std::set<std::string> paths;
    for (const auto& planned : plan_.stages) {
        const auto& stage = file_.stages[static_cast<std::size_t>(planned.index)];
        for (const auto& instruction : stage.instructions) {
            using dockerfile::Kind;
            const auto kind = instruction.kind;
            if (kind == Kind::Run) {
                for (const auto& flag : instruction.flags) {
                    if (flag.name == "mount") { return {}; }
                }
                continue;
            }
            if (kind == Kind::Onbuild || (kind != Kind::Copy && kind != Kind::Add)) { continue; }
            const bool elsewhere =
                std::any_of(instruction.flags.begin(), instruction.flags.end(),
                            [](const auto& flag) { return flag.name == "from"; });
            if (elsewhere) { continue; }
            const std::string& text = instruction.rest;
            if (text.find_first_of("$\"'\\") != std::string::npos ||
                !instruction.heredocs.empty()) {
                return {};
            }
            std::vector<std::string> words;
            if (instruction.json) {
                words = *instruction.json;
            } else {
                for (auto& word : split(replace_all(text, "\t", " "), ' ')) {
                    if (!word.empty()) { words.push_back(std::move(word)); }
                }
            }
            for (std::size_t i = 0; i + 1 < words.size(); ++i) {
                const std::string clean = clean_relative(words[i]);
                if (clean.empty()) { return {}; }
                paths.insert(clean);
            }
        }
        // A base of ours may bring triggers that take files too.
        if (planned.base.kind == dockerfile::Origin::Kind::Image) {
            const auto base = engine_.images.resolve(planned.base.name);
            const auto wanted = oci::parse_platform(planned.platform.empty() ? request_.platform
                                                                             : planned.platform);
            // One that has to be pulled may bring them too.
            if (!base || !wanted || !is_for(*base, *wanted) ||
                !base->config->config.on_build.empty()) {
                return {};
            }
        }
    }
    return {paths.begin(), paths.end()};
}

// --- trees ---

namespace {

/// What a pull says, without its bars: it is told when the pull is through.
class PullWords : public engine::Lines {
  public:
    void say(Json line) override {
        const bool bar =
            line.contains("progressDetail") && line["progressDetail"].contains("current");
        if (bar || !line.contains("status")) { return; }
        const std::string id = line.contains("id") ? line["id"].get<std::string>() + ": " : "";
        words.push_back(id + line["status"].get<std::string>());
    }
    std::vector<std::string> words;
};

oci::Platform platform_of(const engine::ImageInfo& image) {
    const auto& config = *image.config;
    return {config.architecture, config.os, config.os_version, {}, config.variant};
}

bool is_foreign(const oci::Platform& platform) {
    return !platform.architecture.empty() && platform.architecture != oci::host_architecture();
}

/// "sha256:4bcf...", "4bcf63911fcb", or the beginning of either.
bool is_id_of(const engine::ImageInfo& image, std::string_view name) {
    const std::string id = image.id.text();
    const std::string_view digits = std::string_view(id).substr(id.find(':') + 1);
    return id.starts_with(name) || (name.size() >= 4 && digits.starts_with(name));
}

} // namespace

bool is_for(const engine::ImageInfo& image, const oci::Platform& wanted) {
    return oci::satisfies(platform_of(image), wanted);
}

net::Task<Result<registry::AuthConfig>> Job::credentials_for(std::string domain) {
    registry::AuthConfig auth;
    const bool hub = domain == "docker.io";
    if (request_.session) {
        const std::string host = hub ? "registry-1.docker.io" : domain;
        CO_TRY_LET(login, co_await request_.session->registry_login(host, until()));
        (login.name.empty() ? auth.identity_token : auth.password) = login.secret;
        auth.username = login.name;
        co_return auth;
    }
    const auto known = request_.credentials.find(hub ? "https://index.docker.io/v1/" : domain);
    if (known != request_.credentials.end()) { auth = known->second; }
    co_return auth;
}

net::Task<Result<oci::ImageId>> Job::pull_image(oci::Reference reference, oci::Platform platform,
                                                const Step* step) {
    auto turn = co_await pulls_lock_.acquire(); // several stages may start from the same image
    const bool foreign = is_foreign(platform);
    const std::string key =
        reference.familiar() + (foreign ? " " + oci::platform_text(platform) : "");
    if (const auto known = pulled_.find(key); known != pulled_.end()) { co_return known->second; }
    engine::ImagePullRequest request;
    request.reference = reference;
    request.platform = platform;
    request.keep_tag = foreign; // it is what this machine runs by that name
    CO_TRY_LET(auth, co_await credentials_for(reference.domain()));
    request.auth = std::move(auth);
    PullWords lines;
    auto pulled = co_await engine_.images.pull(std::move(request), lines, until());
    if (pulled) { // before anything waits, so that nobody removes it
        pulled_[key] = *pulled;
        tree_holds_.push_back(engine_.images.hold(*pulled));
    }
    for (auto& line : lines.words) { co_await emit(Event::Kind::Notice, step, line); }
    co_return pulled;
}

net::Task<Result<engine::ImageInfo>> Job::find_image(std::string name, std::string platform,
                                                     const Step* step) {
    CO_TRY_LET(wanted, oci::parse_platform(platform));
    auto here = engine_.images.resolve(name);
    const bool other = here && !is_for(*here, wanted);
    auto reference = oci::Reference::parse(name);
    // An id is no name that a registry could know.
    if (here && is_id_of(*here, name)) { reference = invalid(name + " is an image's id"); }
    const bool missing = !here && here.error().code == Errc::NotFound;
    if (!other && (!reference || (!missing && !(request_.pull && here)))) { co_return here; }
    Error failure;
    if (reference) {
        auto pulled = co_await pull_image(reference->with_default_tag(), wanted, step);
        if (pulled) { co_return engine_.images.resolve(pulled->text()); }
        failure = std::move(pulled).error();
    }
    if (!other || failure.code == Errc::Cancelled) { co_return failure; }
    co_return Error{Errc::NotFound,
                    "image with reference " + name +
                        " was found but does not match the specified platform: wanted " +
                        oci::platform_text(wanted) +
                        ", actual: " + oci::platform_text(platform_of(*here)) +
                        (failure.message.empty() ? "" : ": " + failure.message)};
}

net::Task<Result<Tree>> Job::tree_of(const dockerfile::Origin& origin) {
    switch (origin.kind) {
    case dockerfile::Origin::Kind::Stage: {
        CO_TRY(co_await wait_for_stage(origin.stage));
        co_return co_await image_tree(stage_of(origin.stage)->image);
    }
    case dockerfile::Origin::Kind::Context:
        co_return co_await context_tree(origin.name);
    case dockerfile::Origin::Kind::Image: {
        CO_TRY_LET(found, co_await find_image(origin.name, request_.platform, nullptr));
        co_return co_await image_tree(found.id);
    }
    case dockerfile::Origin::Kind::Scratch:
        co_return co_await image_tree(oci::ImageId());
    }
    co_return internal("origin of no kind");
}

net::Task<Result<Tree>> Job::image_tree(oci::ImageId image) {
    auto turn = co_await trees_lock_.acquire();
    const std::string key = "image " + image.text();
    if (const auto known = trees_.find(key); known != trees_.end()) { co_return known->second; }
    if (!image.empty()) { tree_holds_.push_back(engine_.images.hold(image)); }
    CO_TRY_LET(path, co_await work_dir("image"));
    CO_TRY(co_await engine_.images.mount_image(image, path, image::Below::Nothing));
    Tree tree{path, false, true, "image " + image.text()};
    trees_[key] = tree;
    co_return tree;
}

net::Task<Result<Tree>> Job::context_tree(std::string name) {
    auto turn = co_await trees_lock_.acquire();
    const std::string key = "context " + name;
    if (const auto known = trees_.find(key); known != trees_.end()) { co_return known->second; }
    ContextSource source = request_.context;
    if (!name.empty()) {
        const auto found = request_.contexts.find(name);
        if (found == request_.contexts.end()) { co_return invalid("no build context " + name); }
        source = found->second;
    }
    if (source.kind == ContextSource::Kind::Image) {
        turn.release(); // it may have to be pulled
        CO_TRY_LET(image, co_await find_image(source.name, request_.platform, nullptr));
        const auto hold = engine_.images.hold(image.id);
        co_return co_await image_tree(image.id);
    }
    CO_TRY_LET(tree, co_await load_context(name, source));
    trees_[key] = tree;
    co_return tree;
}

net::Task<Result<Tree>> Job::load_context(std::string name, ContextSource source) {
    switch (source.kind) {
    case ContextSource::Kind::None:
        co_return invalid("there is no build context to take files from");
    case ContextSource::Kind::Directory: {
        Tree tree{source.path, true, false, ""};
        if (name.empty() && ignored_) {
            auto job = [path = source.path, patterns = *ignored_]() -> Result<void> {
                TRY_LET(root, os::open_directory(path));
                return remove_ignored(root, patterns);
            };
            CO_TRY(co_await env_.pool.run(std::move(job)));
        }
        co_return tree;
    }
    case ContextSource::Kind::Session:
        co_return co_await sync_context(name, source.name);
    case ContextSource::Kind::Remote:
        co_return co_await fetch_context(name, source.name);
    case ContextSource::Kind::Image:
        break;
    }
    co_return unsupported("the build context " + name + " is of a kind that is not supported");
}

/// The client's directory. Where it says which one it is (the shared key), the copy of the last
/// build is brought up to date; two builds of one directory at a time do not share it.
net::Task<Result<Tree>> Job::sync_context(std::string name, std::string client_name) {
    if (!request_.session) { co_return invalid("the build context needs a session"); }
    const Step* step = add_step(Step{.stage = -1,
                                     .stage_name = {},
                                     .number = 0,
                                     .total = 0,
                                     .text = {},
                                     .name = "[internal] load build context",
                                     .needs = {}});
    co_await emit(Event::Kind::Announced, step);
    co_await emit(Event::Kind::Started, step);
    buildkit::SyncRequest wish;
    wish.name = client_name;
    if (name.empty()) {
        wish.exclude = ignore_patterns_;
        wish.follow_paths = wanted_paths();
    }
    Tree tree;
    tree.ours = true;
    const std::string& shared = request_.session->shared_key();
    std::string place;
    if (!shared.empty()) {
        KeyMaker key;
        key.add("context").add(shared).add(client_name).add(request_.dockerfile);
        place = key.finish();
    }
    if (!place.empty() && !builder_.places.in_use(place)) {
        CO_TRY_LET(lease, builder_.places.take(
                              {place, "source.local", "local source for " + client_name}));
        tree.path = lease.path();
        leases_.push_back(std::move(lease));
    } else {
        place.clear();
        CO_TRY_LET(made, co_await work_dir("context"));
        tree.path = made;
    }
    auto synced = co_await request_.session->sync(std::move(wish), tree.path, until());
    if (!synced) {
        co_await emit(Event::Kind::Failed, step, synced.error().message);
        co_return std::move(synced).error().with("load build context");
    }
    Event progress;
    progress.kind = Event::Kind::Progress;
    progress.step = step;
    progress.text = "transferring context";
    progress.current = progress.total = synced->bytes;
    co_await emit(std::move(progress));
    co_await emit(Event::Kind::Done, step);
    if (!place.empty()) { builder_.background.spawn(builder_.places.measure(place)); }
    co_return tree;
}

net::Task<Result<Tree>> Job::fetch_context(std::string name, std::string address) {
    CO_TRY_LET(git, parse_git_address(address));
    CO_TRY_LET(directory, co_await work_dir("remote"));
    Tree tree;
    tree.ours = true;
    if (git) {
        CO_TRY_LET(checkout, co_await fetch_git(env_, *git, directory, false, until()));
        tree.path = checkout.path;
        co_return tree;
    }
    CO_TRY_LET(file, co_await fetch_file(env_, address, directory, until()));
    tree.path = directory + "/tree";
    CO_TRY(os::ensure_directory(tree.path, 0755));
    auto job = [file, into = tree.path, cancelled = cancelled_]() -> Result<bool> {
        TRY_LET(fd, os::open_file(file.path, O_RDONLY));
        if (!is_archive(fd)) { return false; }
        return unpack_context(archive::source_of(fd), into, cancelled.get());
    };
    CO_TRY_LET(unpacked, co_await env_.pool.run(std::move(job)));
    if (unpacked) { co_return tree; }
    if (!name.empty()) { co_return invalid(address + " is no archive"); }
    // A plain file is the Dockerfile itself, without any context.
    CO_TRY_LET(text, os::read_file(file.path, dockerfile::dockerfile_bytes_max));
    request_.dockerfile_text = text;
    co_return tree;
}

} // namespace shoal::build
