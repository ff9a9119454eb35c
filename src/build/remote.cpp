#include "build/remote.h"

#include "base/text.h"
#include "base/time.h"
#include "blob/hash.h"
#include "net/download.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/process.h"

#include <fcntl.h>

namespace shoal::build {
namespace {

constexpr std::chrono::minutes git_limit{20};
constexpr std::chrono::seconds connect_limit{60};
constexpr std::chrono::seconds stall_limit{120};
constexpr std::size_t buffer_bytes = 256 * 1024;

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> all) {
    return std::any_of(all.begin(), all.end(),
                       [&](std::string_view one) { return text.starts_with(one); });
}

} // namespace

bool is_http_address(std::string_view text) {
    return starts_with_any(text, {"http://", "https://"});
}

Result<std::optional<GitAddress>> parse_git_address(std::string_view text) {
    const auto [base, fragment] = cut(text, '#');
    const bool by_name = is_http_address(base) && base.ends_with(".git");
    const bool by_scheme = starts_with_any(base, {"git://", "ssh://", "git@"});
    const bool bare = base.starts_with("github.com/");
    if (!by_name && !by_scheme && !bare) { return std::optional<GitAddress>(); }
    GitAddress address;
    address.url = bare ? "https://" + base : base;
    std::tie(address.ref, address.subdir) = cut(fragment, ':');
    if (address.ref.starts_with('-')) { return invalid("invalid git ref " + address.ref); }
    for (const auto& part : split(address.subdir, '/')) {
        if (part == "..") { return invalid("invalid git sub-directory " + address.subdir); }
    }
    return std::optional<GitAddress>(std::move(address));
}

namespace {

/// A git that reads nobody's settings, asks nothing, and speaks these protocols only.
Result<std::string> git(std::vector<std::string> words, const std::string& directory,
                        Deadline deadline) {
    os::Run run;
    run.argv = {"git",
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "core.symlinks=true",
                "-c",
                "protocol.allow=never",
                "-c",
                "protocol.https.allow=always",
                "-c",
                "protocol.http.allow=always",
                "-c",
                "protocol.git.allow=always",
                "-c",
                "protocol.ssh.allow=always",
                "-c",
                "advice.detachedHead=false",
                "-c",
                "init.defaultBranch=main"};
    run.argv.insert(run.argv.end(), words.begin(), words.end());
    run.env = {"GIT_TERMINAL_PROMPT=0",       "GIT_CONFIG_NOSYSTEM=1",
               "GIT_CONFIG_GLOBAL=/dev/null", "GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes",
               "GIT_LFS_SKIP_SMUDGE=1",       "HOME=/nonexistent"};
    run.cwd = directory;
    run.deadline = deadline;
    auto done = os::run(run);
    if (!done && done.error().code == Errc::NotFound) {
        return unsupported("building from git needs the program git on this machine");
    }
    if (!done) { return std::move(done).error(); }
    if (done->status.code != 0) {
        return invalid("git " + words.front() + ": " + std::string(trim(done->err)));
    }
    return std::string(trim(done->out));
}

/// The commit that the server's HEAD names.
Result<std::string> head_of(const std::string& directory, Deadline deadline) {
    TRY_LET(line, git({"ls-remote", "origin", "HEAD"}, directory, deadline));
    return cut(line, '\t').first;
}

/// Servers that do not give away single commits are asked for everything.
Result<void> fetch_ref(const GitAddress& address, const std::string& directory, Deadline deadline) {
    const std::string ref = address.ref.empty() ? "HEAD" : address.ref;
    auto shallow =
        git({"fetch", "-q", "--depth", "1", "--no-tags", "origin", "--", ref}, directory, deadline);
    if (shallow) {
        TRY(git({"checkout", "-q", "FETCH_HEAD"}, directory, deadline));
        return ok();
    }
    auto whole = git({"fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"},
                     directory, deadline);
    if (!whole) { return std::move(shallow).error(); }
    auto commit =
        git({"rev-parse", "-q", "--verify", "origin/" + ref + "^{commit}"}, directory, deadline);
    if (!commit) {
        commit = address.ref.empty()
                     ? head_of(directory, deadline)
                     : git({"rev-parse", "-q", "--verify", ref + "^{commit}"}, directory, deadline);
    }
    if (!commit) { return invalid("git: " + address.url + " has no " + ref); }
    TRY(git({"checkout", "-q", "--detach", *commit}, directory, deadline));
    return ok();
}

Result<GitCheckout> clone(const GitAddress& address, const std::string& directory,
                          bool keep_git_dir) {
    const Deadline deadline = Deadline::in(git_limit);
    TRY(git({"init", "-q", "."}, directory, deadline));
    TRY(git({"remote", "add", "origin", address.url}, directory, deadline));
    TRY(fetch_ref(address, directory, deadline));
    TRY_LET(commit, git({"rev-parse", "HEAD"}, directory, deadline));
    // Sub-modules come from where the repository says; over the same protocols only.
    TRY(git({"submodule", "update", "-q", "--init", "--recursive", "--depth=1"}, directory,
            deadline));
    if (!keep_git_dir) { TRY(os::remove_tree(directory + "/.git")); }
    GitCheckout checkout;
    checkout.commit = commit;
    checkout.path = directory;
    if (!address.subdir.empty()) {
        TRY_LET(root, os::open_directory(directory));
        os::OpenBeneath how;
        how.flags = O_RDONLY | O_DIRECTORY;
        how.no_links = true;
        auto found = os::open_beneath(root, address.subdir, how);
        if (!found) { return invalid("git sub-directory " + address.subdir + " is not there"); }
        checkout.path = directory + "/" + address.subdir;
    }
    return checkout;
}

} // namespace

net::Task<Result<GitCheckout>> fetch_git(engine::Env& env, GitAddress address,
                                         std::string directory, bool keep_git_dir,
                                         net::Until until) {
    auto job = [address, directory, keep_git_dir] {
        return clone(address, directory, keep_git_dir);
    };
    co_return co_await env.storage_pool.run_until(std::move(job), until);
}

Instant parse_http_date(std::string_view text) {
    static constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto words = split(text, ' ');
    const Instant none{std::chrono::seconds(0)};
    if (words.size() != 6 || words[5] != "GMT" || words[2].size() != 3) { return none; }
    const auto month = months.find(words[2]);
    if (month == std::string_view::npos || month % 3 != 0) { return none; }
    std::string number = std::to_string(month / 3 + 1);
    if (number.size() == 1) { number.insert(0, "0"); }
    const auto at = parse_rfc3339(words[3] + "-" + number + "-" + words[1] + "T" + words[4] + "Z");
    return at ? *at : none;
}

net::Task<Result<Downloaded>> fetch_file(engine::Env& env, std::string url, std::string directory,
                                         net::Until until) {
    CO_TRY_LET(parsed, net::parse_url(url));
    const net::Until connected = until.no_later_than(Deadline::in(connect_limit));
    auto started = co_await net::Download::start(env.loop, parsed, connected);
    if (!started) { co_return std::move(started).error().with("download " + parsed.text()); }
    Downloaded file;
    file.path = directory + "/download";
    const std::string target = cut(cut(parsed.target, '?').first, '#').first;
    file.name = target.substr(target.rfind('/') + 1);
    CO_TRY_LET(out, os::open_file(file.path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    blob::Hasher hasher;
    std::vector<char> buffer(buffer_bytes);
    while (true) {
        const net::Until step = until.no_later_than(Deadline::in(stall_limit));
        CO_TRY_LET(got, co_await (*started)->read_some(buffer, step));
        if (got == 0) { break; }
        const std::string_view bytes(buffer.data(), got);
        file.bytes += static_cast<std::int64_t>(got);
        if (file.bytes > download_bytes_max) {
            co_return Error{Errc::Exhausted, "download " + parsed.text() + ": too large"};
        }
        hasher.update(bytes);
        CO_TRY(os::write_all(out, bytes));
    }
    file.digest_hex = hasher.finish().hex();
    file.modified = parse_http_date((*started)->last_modified());
    co_return file;
}

} // namespace shoal::build
