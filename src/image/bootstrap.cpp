#include "image/bootstrap.h"

#include "base/text.h"
#include "os/file.h"
#include "os/pipe.h"
#include "os/process.h"

#include <signal.h>
#include <unistd.h>

#include <mutex>
#include <thread>

namespace shoal::image {
namespace {

constexpr std::size_t sources_bytes_max = 1024 * 1024;
constexpr std::size_t words_kept_max = 4; // lines of mmdebstrap that an error shows
// Services must not start while packages are installed in a container.
constexpr const char* policy_hook =
    R"(printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d")";

bool is_of_suite(std::string_view word, std::string_view suite) {
    return word == suite ||
           (word.starts_with(suite) && (word[suite.size()] == '-' || word[suite.size()] == '/'));
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (auto& word : split(replace_all(text, "\t", " "), ' ')) {
        if (!word.empty()) { words.push_back(std::move(word)); }
    }
    return words;
}

bool is_safe(std::string_view word, std::string_view also) {
    return !word.empty() && word.front() != '-' && word.size() <= 128 &&
           std::all_of(word.begin(), word.end(), [&](unsigned char c) {
               return std::isalnum(c) != 0 ||
                      also.find(static_cast<char>(c)) != std::string_view::npos;
           });
}

std::string select_lines(std::string_view text, std::string_view suite) {
    std::string chosen;
    for (const auto& line : split(text, '\n')) {
        auto words = words_of(line);
        if (words.empty() || words.front() != "deb") { continue; }
        std::size_t at = 1;
        if (at < words.size() && words[at].starts_with('[')) {
            while (at < words.size() && !words[at].ends_with(']')) { ++at; }
            ++at;
        }
        if (at + 1 < words.size() && is_of_suite(words[at + 1], suite)) { chosen += line + "\n"; }
    }
    return chosen;
}

std::string select_stanzas(std::string_view text, std::string_view suite) {
    std::string chosen;
    std::string stanza;
    std::vector<std::string> suites;
    bool in_suites = false; // a field goes on in lines that begin with a blank
    bool disabled = false;
    const auto end_stanza = [&] {
        if (!suites.empty() && !disabled) {
            chosen += stanza + "Suites: " + join(suites, " ") + "\n\n";
        }
        stanza.clear();
        suites.clear();
        in_suites = disabled = false;
    };
    for (const auto& line : split(text, '\n')) {
        if (trim(line).empty()) {
            end_stanza();
            continue;
        }
        if (line.starts_with('#')) { continue; }
        const bool goes_on = line.starts_with(' ') || line.starts_with('\t');
        const auto [key, value] = cut(line, ':');
        if (!goes_on) { in_suites = equals_ignore_case(key, "Suites"); }
        if (!goes_on && equals_ignore_case(key, "Enabled") &&
            equals_ignore_case(trim(value), "no")) {
            disabled = true;
        }
        if (!in_suites) {
            stanza += line + "\n";
            continue;
        }
        for (auto& word : words_of(goes_on ? line : value)) {
            if (is_of_suite(word, suite)) { suites.push_back(std::move(word)); }
        }
    }
    end_stanza();
    return chosen;
}

/// Writes what the machine's sources say about the suite into `directory`; gives the files.
Result<std::vector<std::string>> write_sources(const BootstrapOptions& options,
                                               const std::string& suite,
                                               const std::string& directory) {
    std::vector<std::string> from{options.apt_directory + "/sources.list"};
    if (auto entries = os::list_directory(options.apt_directory + "/sources.list.d")) {
        for (const auto& entry : *entries) {
            from.push_back(options.apt_directory + "/sources.list.d/" + entry.name);
        }
    }
    std::vector<std::string> files;
    for (const auto& path : from) {
        const bool stanzas = path.ends_with(".sources");
        if (!stanzas && !path.ends_with(".list")) { continue; }
        const auto text = os::read_file(path, sources_bytes_max);
        if (!text) { continue; }
        const std::string chosen = select_sources(*text, suite);
        if (chosen.empty()) { continue; }
        files.push_back(directory + "/" + path.substr(path.rfind('/') + 1));
        TRY(os::write_file_atomic(files.back(), chosen));
    }
    if (files.empty()) {
        return invalid("no package sources for " + go_quote(suite) + " in " +
                       options.apt_directory);
    }
    return files;
}

/// How the machine reaches its mirrors: proxies and checks, as options for apt in the image too.
std::vector<std::string> apt_options() {
    const auto dump =
        os::run({"apt-config", "dump", "--no-empty"}, Deadline::in(std::chrono::seconds(10)));
    std::vector<std::string> options;
    if (!dump || dump->status.code != 0) { return options; }
    for (const auto& line : split(dump->out, '\n')) {
        const std::string key = to_lower(line.substr(0, line.find(' ')));
        const bool wanted = key == "acquire::http::proxy" || key == "acquire::https::proxy" ||
                            key == "acquire::check-valid-until" || key == "acquire::check-date" ||
                            key == "acquire::retries";
        if (wanted) { options.push_back("--aptopt=" + std::string(trim(line))); }
    }
    return options;
}

Result<std::string> own_suite() {
    TRY_LET(text, os::read_file("/etc/os-release", 64 * 1024));
    for (const auto& line : split(text, '\n')) {
        const auto [key, value] = cut(line, '=');
        if (key == "VERSION_CODENAME") { return replace_all(value, "\"", ""); }
    }
    return invalid("the machine's own suite is not known: name one");
}

/// mmdebstrap while it runs: its tar on one pipe, its words on another.
class Maker {
  public:
    static Result<std::unique_ptr<Maker>>
    start(std::vector<std::string> argv, const std::string& tmp, const BootstrapOptions& options) {
        TRY_LET(out, os::make_pipe());
        TRY_LET(err, os::make_pipe());
        os::Spawn spawn;
        spawn.argv = std::move(argv);
        spawn.env = {"TMPDIR=" + tmp, "LC_ALL=C.UTF-8"};
        spawn.stdout_fd = out.write_end.raw();
        spawn.stderr_fd = err.write_end.raw();
        spawn.new_session = true;
        auto process = os::Process::spawn(spawn);
        if (!process) {
            if (process.error().code == Errc::NotFound) {
                return Error{Errc::Unavailable,
                             "bootstrap needs the program mmdebstrap, which is not installed"};
            }
            return std::move(process).error();
        }
        auto maker = std::unique_ptr<Maker>(new Maker(options));
        maker->process_ = std::move(*process);
        maker->out_ = std::move(out.read_end);
        maker->err_ = std::move(err.read_end);
        maker->listener_ = std::jthread([raw = maker.get()] { raw->listen(); });
        maker->guard_ =
            std::jthread([raw = maker.get()](std::stop_token stop) { raw->guard(stop); });
        return maker;
    }
    ~Maker() {
        guard_.request_stop();
        if (!ended_) {
            ::kill(-process_.pid(), SIGKILL);
            (void)process_.wait();
        }
    }

    const os::Fd& tar() const { return out_; }

    Result<void> finish() {
        out_ = {}; // who gave up reading must not leave it writing for ever
        auto status = process_.wait();
        ended_ = true;
        guard_.request_stop();
        listener_.join();
        if (cancelled()) { return Error{Errc::Cancelled, "bootstrap: cancelled"}; }
        if (!status) { return std::move(status).error(); }
        if (status->code == 0) { return ok(); }
        const std::lock_guard lock(mutex_);
        return internal("mmdebstrap failed: " + join({words_.begin(), words_.end()}, "; "));
    }

  private:
    explicit Maker(const BootstrapOptions& options) : options_(options) {}
    bool cancelled() const { return options_.cancelled != nullptr && *options_.cancelled; }

    void listen() {
        std::string pending;
        char piece[4096];
        while (true) {
            const auto got = ::read(err_.raw(), piece, sizeof piece);
            if (got < 0 && errno == EINTR) { continue; }
            if (got <= 0) { return; }
            pending.append(piece, static_cast<std::size_t>(got));
            for (auto end = pending.find_first_of("\r\n"); end != std::string::npos;
                 end = pending.find_first_of("\r\n")) {
                say(pending.substr(0, end));
                pending.erase(0, end + 1);
            }
            if (pending.size() > sizeof piece) { pending.clear(); }
        }
    }

    void say(const std::string& line) {
        if (trim(line).empty()) { return; }
        if (options_.log) { options_.log(line); }
        const std::lock_guard lock(mutex_);
        words_.push_back(line);
        if (words_.size() > words_kept_max) { words_.erase(words_.begin()); }
    }

    /// Ends the whole session when the caller gives up; mmdebstrap takes its mounts away on
    /// SIGTERM.
    void guard(const std::stop_token& stop) {
        int rounds = 0;
        while (!stop.stop_requested()) {
            if (cancelled() && rounds == 0) { ::kill(-process_.pid(), SIGTERM); }
            if (cancelled() && ++rounds > 100) { ::kill(-process_.pid(), SIGKILL); }
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    }

    const BootstrapOptions& options_;
    os::Process process_;
    os::Fd out_;
    os::Fd err_;
    std::mutex mutex_;
    std::vector<std::string> words_;
    std::atomic<bool> ended_ = false;
    std::jthread listener_;
    std::jthread guard_;
};

} // namespace

std::string select_sources(std::string_view text, std::string_view suite) {
    for (const auto& line : split(text, '\n')) {
        if (to_lower(line).starts_with("types:")) { return select_stanzas(text, suite); }
    }
    return select_lines(text, suite);
}

Result<LoadedImage> bootstrap_image(const LayerStore& layers, const blob::Store& blobs,
                                    const BootstrapOptions& options) {
    std::string suite = options.suite;
    if (suite.empty()) {
        TRY_LET(own, own_suite());
        suite = own;
    }
    if (!is_safe(suite, "-.")) { return invalid("bootstrap: invalid suite " + go_quote(suite)); }
    if (!is_safe(options.variant, "-")) {
        return invalid("bootstrap: invalid variant " + go_quote(options.variant));
    }
    for (const auto& package : options.include) {
        if (!is_safe(package, "+-.:~=")) {
            return invalid("bootstrap: invalid package name " + go_quote(package));
        }
    }
    TRY_LET(scratch, os::TempDir::create(layers.tmp(), "bootstrap-"));
    TRY_LET(sources, write_sources(options, suite, scratch.path()));
    std::vector<std::string> argv{"mmdebstrap", "--variant=" + options.variant, "--format=tar",
                                  std::string("--customize-hook=") + policy_hook};
    if (!options.include.empty()) { argv.push_back("--include=" + join(options.include, ",")); }
    for (auto& option : apt_options()) { argv.push_back(std::move(option)); }
    argv.insert(argv.end(), {suite, "-"});
    argv.insert(argv.end(), sources.begin(), sources.end());
    TRY_LET(maker, Maker::start(std::move(argv), scratch.path(), options));
    ImportOptions how;
    how.config.cmd = {"bash"};
    how.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    how.message =
        "Debian " + suite + " (" + options.variant + ") from this machine's package sources";
    how.now = options.now;
    how.cancelled = options.cancelled;
    Maker* running = maker.get();
    how.confirm = [running] { return running->finish(); };
    return import_image(layers, blobs, archive::source_of(maker->tar()), how);
}

} // namespace shoal::image
