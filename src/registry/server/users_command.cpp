#include "registry/server/users_command.h"

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "registry/server/htpasswd.h"
#include "registry/server/robots.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

constexpr std::size_t generated_bytes = 12;

int fail(const std::string& message) {
    fmt::print(stderr, "{}\n", message);
    return 1;
}
int fail(const Error& error) { return fail(error.message); }

/// One line of standard input, without its end.
std::string read_line() {
    std::string line;
    char c = 0;
    while (line.size() < 1024 && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') { line += c; }
    if (line.ends_with('\r')) { line.pop_back(); }
    return line;
}

std::string ask(const char* prompt) {
    fmt::print(stderr, "{}", prompt);
    termios before{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        termios silent = before;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    std::string line = read_line();
    if (terminal) {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fmt::print(stderr, "\n");
    }
    return line;
}

/// What a command takes beside its verb.
struct Verb {
    std::string_view name;
    bool of_somebody; ///< a name follows
    std::vector<std::string_view> flags;
};
struct Command {
    std::string_view name;
    std::string_view usage;
    std::vector<Verb> verbs;
};

Command user_command() {
    return {"user",
            "usage: shoal registry user add|passwd|rm NAME [--password-stdin | --generate]\n"
            "       shoal registry user ls",
            {{"add", true, {"--password-stdin", "--generate"}},
             {"passwd", true, {"--password-stdin", "--generate"}},
             {"rm", true, {}},
             {"ls", false, {}}}};
}
Command robot_command() {
    return {"robot",
            "usage: shoal registry robot add NAME [--expires 90d] | rm NAME | ls",
            {{"add", true, {"--expires"}}, {"rm", true, {}}, {"ls", false, {}}}};
}

struct Wish {
    std::string verb;
    std::string name;
    bool from_stdin = false;
    bool generate = false;
    std::string expires;
};

/// The words, sorted: `flags` as they were written, without values.
struct Sorted {
    Wish wish;
    std::vector<std::string> flags;
    std::vector<std::string> plain;
};

Result<Sorted> sort_words(const std::vector<std::string>& words, const Command& command) {
    Sorted sorted;
    for (std::size_t n = 0; n < words.size(); ++n) {
        const auto [flag, value] = cut(words[n], '=');
        const bool attached = words[n].size() > flag.size();
        if (!flag.starts_with('-')) {
            sorted.plain.push_back(words[n]);
            continue;
        }
        sorted.flags.push_back(flag);
        if (flag == "--password-stdin" && !attached) {
            sorted.wish.from_stdin = true;
        } else if (flag == "--generate" && !attached) {
            sorted.wish.generate = true;
        } else if (flag == "--expires") {
            const bool follows = !attached && n + 1 < words.size();
            sorted.wish.expires = follows ? words[++n] : value;
            if (sorted.wish.expires.empty()) {
                return invalid("flag needs an argument: --expires");
            }
        } else {
            return invalid("unknown flag: " + words[n] + "\n" + std::string(command.usage));
        }
    }
    return sorted;
}

Result<Wish> parse(const std::vector<std::string>& words, const Command& command) {
    TRY_LET(sorted, sort_words(words, command));
    if (sorted.plain.empty()) { return invalid(std::string(command.usage)); }
    const std::string& word = sorted.plain.front();
    const auto verb = std::ranges::find(command.verbs, word, &Verb::name);
    const std::string place = std::string(command.name) + " " + word;
    if (verb == command.verbs.end()) { return invalid("unknown command: " + place); }
    for (const auto& flag : sorted.flags) {
        if (std::ranges::find(verb->flags, flag) == verb->flags.end()) {
            return invalid(place + " does not take " + flag);
        }
    }
    if (sorted.wish.generate && sorted.wish.from_stdin) {
        return invalid("either --password-stdin or --generate");
    }
    if (sorted.plain.size() != (verb->of_somebody ? 2 : 1)) {
        return invalid(std::string(command.usage));
    }
    sorted.wish.verb = word;
    if (verb->of_somebody) { sorted.wish.name = sorted.plain[1]; }
    return std::move(sorted.wish);
}

Result<std::string> password_for(const Wish& wish, Random& random) {
    if (wish.generate) { return random.hex(generated_bytes); }
    if (wish.from_stdin) { return read_line(); }
    if (::isatty(STDIN_FILENO) == 0) {
        return invalid("no terminal to ask for the password: use --password-stdin or --generate");
    }
    std::string first = ask("Password: ");
    if (first != ask("Again: ")) { return invalid("the passwords differ"); }
    return first;
}

Result<void> change_user(const Wish& wish, PasswordFile& file, Random& random) {
    const bool known = file.hashes.contains(wish.name);
    if (wish.verb == "rm") {
        if (!known) { return not_found("user", wish.name); }
        file.hashes.erase(wish.name);
        return ok();
    }
    if (!is_user_name(wish.name)) { return invalid("invalid user name: " + wish.name); }
    if (wish.verb == "add" && known) { return conflict("user " + wish.name + " exists already"); }
    if (wish.verb == "passwd" && !known) { return not_found("user", wish.name); }
    TRY_LET(password, password_for(wish, random));
    TRY_LET(hash, hash_password(password, random));
    file.hashes[wish.name] = hash;
    if (wish.generate) { fmt::print("{}\n", password); }
    return ok();
}

/// The end of "90d", "12h", or "" for none.
Result<Instant> end_of(const std::string& text, Instant now) {
    if (text.empty()) { return Instant(); }
    if (text.ends_with('d')) {
        const auto days = parse_number<int>(text.substr(0, text.size() - 1));
        if (days && *days > 0 && *days < 36'500) { return now + std::chrono::hours(24) * *days; }
        return invalid("invalid --expires: " + text);
    }
    TRY_LET(span, parse_duration(text));
    if (span <= nanoseconds(0)) { return invalid("invalid --expires: " + text); }
    return now + span;
}

std::string shown(Instant at) {
    return at == Instant() ? "never"
                           : format_rfc3339(std::chrono::time_point_cast<std::chrono::seconds>(at));
}

} // namespace

int run_user_command(const std::vector<std::string>& words, const std::string& htpasswd_file,
                     Random& random) {
    const auto wish = parse(words, user_command());
    if (!wish) { return fail(wish.error()); }
    const auto lock = os::LockFile::acquire(htpasswd_file + ".lock");
    if (!lock) { return fail(lock.error()); }
    auto file = load_htpasswd(htpasswd_file);
    if (!file) { return fail(file.error()); }
    if (wish->verb == "ls") {
        for (const auto& [name, hash] : file->hashes) { fmt::print("{}\n", name); }
        for (const auto& complaint : file->complaints) {
            fmt::print(stderr, "{}: {}\n", htpasswd_file, complaint);
        }
        return 0;
    }
    if (!file->complaints.empty()) {
        return fail(htpasswd_file + ": " + file->complaints.front() +
                    ": mend it first, or it would be lost");
    }
    const auto changed = change_user(*wish, *file, random);
    if (!changed) { return fail(changed.error()); }
    const auto saved = save_htpasswd(htpasswd_file, file->hashes);
    return saved ? 0 : fail(saved.error());
}

int run_robot_command(const std::vector<std::string>& words, const std::string& robots_file,
                      const Clock& clock, Random& random) {
    const auto wish = parse(words, robot_command());
    if (!wish) { return fail(wish.error()); }
    const auto lock = os::LockFile::acquire(robots_file + ".lock");
    if (!lock) { return fail(lock.error()); }
    auto robots = load_robots(robots_file);
    if (!robots) { return fail(robots.error()); }
    const Instant now = clock.now();
    if (wish->verb == "ls") {
        for (const auto& robot : *robots) {
            const bool over = robot.expires != Instant() && now >= robot.expires;
            fmt::print("{}\t{}{}\n", robot.name, shown(robot.expires), over ? "\texpired" : "");
        }
        return 0;
    }
    const std::string name =
        wish->name.starts_with(robot_prefix) ? wish->name : std::string(robot_prefix) + wish->name;
    const auto same = [&](const Robot& robot) { return robot.name == name; };
    const bool known = std::any_of(robots->begin(), robots->end(), same);
    if (wish->verb == "rm") {
        if (!known) { return fail(not_found("robot", name)); }
        std::erase_if(*robots, same);
    } else {
        if (!is_robot_name(name)) { return fail("invalid robot name: " + name); }
        if (known) { return fail("robot " + name + " exists already"); }
        const auto end = end_of(wish->expires, now);
        if (!end) { return fail(end.error()); }
        NewRobot made = make_robot(name, now, *end, random);
        robots->push_back(made.robot);
        const auto saved = save_robots(robots_file, *robots);
        if (!saved) { return fail(saved.error()); }
        fmt::print("{}\n{}\n", made.robot.name, made.secret);
        return 0;
    }
    const auto saved = save_robots(robots_file, *robots);
    return saved ? 0 : fail(saved.error());
}

Result<std::string> ensure_first_admin(const std::string& htpasswd_file, const std::string& name,
                                       Random& random) {
    const auto has_any = [](const PasswordFile& file) {
        return !file.hashes.empty() || !file.complaints.empty();
    };
    TRY_LET(there, load_htpasswd(htpasswd_file));
    if (has_any(there)) { return std::string(); } // perhaps where nothing can be locked
    // Others may begin at the same time on the same directory.
    const auto lock = os::LockFile::wait_for(htpasswd_file + ".lock");
    if (!lock) { return lock.error(); }
    TRY_LET(file, load_htpasswd(htpasswd_file));
    if (has_any(file)) { return std::string(); }
    std::string password = random.hex(generated_bytes);
    TRY_LET(hash, hash_password(password, random));
    file.hashes[name] = hash;
    TRY(save_htpasswd(htpasswd_file, file.hashes));
    return password;
}

} // namespace shoal::registry
