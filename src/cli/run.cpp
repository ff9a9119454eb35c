// run, create and start: making a container, and being its terminal until it ends.
#include "cli/commands.h"
#include "cli/pull.h"
#include "cli/run_options.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/wait.h"

#include "base/text.h"
#include "oci/reference.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

using client::part;

constexpr int own_address_version = 144; ///< a MAC address belongs to the endpoint alone

constexpr Flag run_only_flags[] = {
    {"detach", 'd', Kind::Bool, "Run the container in the background and print its ID"},
    {"detach-keys", 0, Kind::Text, "Keys that leave the container without ending it"},
    {"sig-proxy", 0, Kind::Bool, "Hand the signals that arrive on to the process", "true"},
};

// --- creating ---

/// --cidfile: must not be there before, and goes away again when no container came of it.
class CidFile {
  public:
    static Result<CidFile> create(const std::string& path) {
        CidFile file;
        if (path.empty()) { return file; }
        auto opened = os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (!opened && opened.error().os_errno == EEXIST) {
            return conflict(
                "container ID file found, make sure the other container isn't running or delete " +
                path);
        }
        if (!opened) {
            return go_error("open " + path, opened.error())
                .with("failed to create the container ID file");
        }
        file.path_ = path;
        file.fd_ = std::move(*opened);
        return file;
    }
    CidFile(CidFile&& other) noexcept
        : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
    CidFile& operator=(CidFile&&) = delete;
    ~CidFile() {
        if (!path_.empty()) { ::unlink(path_.c_str()); }
    }
    Result<void> write(std::string_view id) {
        if (path_.empty()) { return ok(); }
        TRY(os::write_all(fd_, id).with("failed to write the container ID to the file"));
        path_.clear();
        return ok();
    }

  private:
    CidFile() = default;
    std::string path_;
    os::Fd fd_;
};

/// Proxies of config.json go into the environment, unless it has them already.
void add_proxies(App& app, Json& body) {
    Json environment = list_of(body, "Env");
    const auto is_set = [&](const std::string& name) {
        return std::any_of(environment.begin(), environment.end(), [&](const Json& item) {
            return cut(item.get<std::string>(), '=').first == name;
        });
    };
    for (const auto& [name, value] : proxy_variables(app)) {
        if (!is_set(name)) { environment.push_back(name + "=" + value); }
    }
    if (!environment.empty()) { body["Env"] = environment; }
}

void warn_of_local_dns(App& app, const Json& body) {
    for (const Json& server : list_of(body["HostConfig"], "Dns")) {
        const std::string address = server.get<std::string>();
        if (address.starts_with("127.") || address == "::1") {
            return app.error_line(
                fmt::format("WARNING: Localhost DNS ({}) may fail in containers.", address));
        }
    }
}

/// The image's name when it is one that could be fetched; "" for ids.
Result<std::string> reference_of(const std::string& image) {
    const bool has_prefix = image.starts_with("sha256:");
    const std::string_view digits = std::string_view(image).substr(has_prefix ? 7 : 0);
    if (digits.size() == 64 && is_hex(digits)) { return std::string(); }
    TRY_LET(reference, oci::Reference::parse(image));
    return reference.with_default_tag().familiar();
}

Result<std::string> create_container(App& app, RunOptions options) {
    TRY_LET(cidfile, CidFile::create(options.cidfile));
    TRY_LET(reference, reference_of(options.image));
    add_proxies(app, options.body);
    const WindowSize window = window_size(STDOUT_FILENO);
    if (window.rows != 0) {
        options.body["HostConfig"]["ConsoleSize"] = {window.rows, window.columns};
    }
    TRY_LET(client, app.connected());
    if (client->version_now() >= own_address_version) { options.body.erase("MacAddress"); }
    const Progress progress = options.quiet ? Progress::Quiet : Progress::Stderr;
    if (options.pull == "always" && !reference.empty()) {
        TRY(pull_image(app, reference, options.platform, progress));
    }
    net::Query query;
    if (!options.name.empty()) { query.emplace_back("name", options.name); }
    if (!options.platform.empty()) { query.emplace_back("platform", options.platform); }
    const client::Request request = client::post("/containers/create", query, options.body);
    auto created = client->json(request);
    if (!created && created.error().code == Errc::NotFound && options.pull == "missing" &&
        !reference.empty()) {
        app.error_line(fmt::format("Unable to find image '{}' locally", reference));
        TRY(pull_image(app, reference, options.platform, progress));
        created = client->json(request);
    }
    if (!created) { return std::move(created).error(); }
    for (const Json& warning : list_of(*created, "Warnings")) {
        app.error_line("WARNING: " + warning.get<std::string>());
    }
    warn_of_local_dns(app, options.body);
    const std::string id = text_of(*created, "Id");
    TRY(cidfile.write(id));
    return id;
}

/// Docker tells failures before the container runs apart by their words.
int failure_code(std::string_view message) {
    const auto says = [&](std::string_view words) {
        return message.find(words) != std::string_view::npos;
    };
    if (says("executable file not found") || says("no such file or directory") ||
        says("system cannot find the file specified")) {
        return 127;
    }
    if (says("permission denied") || says("is a directory")) { return 126; }
    return 125;
}

/// "docker: <message>" and the hint to --help on stderr.
int report(App& app, std::string_view command, const Error& error, int code) {
    app.err(with_hint(app, app.globals.program + " " + std::string(command), error.message));
    return code;
}

Result<RunOptions> options_of(const Parsed& parsed) {
    std::error_code failed;
    const std::string directory = std::filesystem::current_path(failed).string();
    return read_run_options(parsed, failed ? "/" : directory);
}

// --- running ---

struct Foreground {
    App& app;
    client::Client& client;
    std::string id;
    bool removed = false; ///< the daemon removes it when it has ended
    SessionOptions session{};
};

client::Request attach_request(const Foreground& foreground, const std::string& detach_keys) {
    net::Query query = {{"stream", "1"}};
    if (foreground.session.input) { query.emplace_back("stdin", "1"); }
    if (foreground.session.output) { query.emplace_back("stdout", "1"); }
    if (foreground.session.errors) { query.emplace_back("stderr", "1"); }
    if (!detach_keys.empty()) { query.emplace_back("detachKeys", detach_keys); }
    return client::post("/containers/" + foreground.id + "/attach", query);
}

net::Task<Result<void>> start_container(Foreground* self) {
    net::Until never;
    CO_TRY_LET(started, co_await self->client.call_async(
                            client::post("/containers/" + self->id + "/start"), never));
    (void)started;
    co_return ok();
}

/// Attaches, waits, starts: in this order nothing is missed, however short-lived the process.
net::Task<Result<int>> run_attached(Foreground* self, std::string detach_keys) {
    net::Until never;
    Session session(self->app, self->client, self->session);
    session.follow_signals("/containers/" + self->id + "/kill");
    CO_TRY_LET(connection,
               co_await self->client.hijack_async(attach_request(*self, detach_keys), never));
    session.begin(std::move(connection));
    ExitWait exit(self->client, self->id, self->removed ? WaitFor::Removed : WaitFor::NextExit);
    CO_TRY(co_await exit.begin());
    auto started = co_await start_container(self);
    if (!started) {
        if (self->removed) {
            auto gone = co_await exit.code();
            (void)gone;
        }
        co_return std::move(started).error();
    }
    session.follow_window("/containers/" + self->id + "/resize");
    CO_TRY_LET(end, co_await session.end());
    if (end == SessionEnd::Detached) { co_return 0; }
    co_return co_await exit.code();
}

net::Task<Result<void>> run_detached(Foreground* self) {
    ExitWait exit(self->client, self->id, WaitFor::Removed);
    if (self->removed) { CO_TRY(co_await exit.begin()); }
    auto started = co_await start_container(self);
    if (!started && self->removed) {
        auto gone = co_await exit.code();
        (void)gone;
    }
    co_return started;
}

SessionOptions session_of(const Json& config, const Parsed& parsed) {
    SessionOptions session;
    session.tty = config.value("Tty", false);
    session.input = config.value("AttachStdin", false);
    session.output = config.value("AttachStdout", false);
    session.errors = config.value("AttachStderr", false);
    session.proxy_signals = parsed.on("sig-proxy", true) && !session.tty;
    return session;
}

Result<int> run(App& app, const Parsed& parsed) {
    auto options = options_of(parsed);
    if (!options) { return report(app, "run", options.error(), 125); }
    if (parsed.on("detach") && parsed.given("attach")) {
        return invalid("conflicting options: cannot specify both --attach and --detach");
    }
    SessionOptions session = session_of(options->body, parsed);
    TRY(check_input_terminal(session.input, session.tty));
    const bool in_background = !session.input && !session.output && !session.errors;
    DetachChoice keys;
    if (!in_background) {
        TRY_LET(chosen, detach_keys_of(app, parsed));
        keys = chosen;
    }
    session.detach_keys = keys.bytes;
    const bool removed = options->body["HostConfig"].value("AutoRemove", false);
    auto id = create_container(app, std::move(*options));
    if (!id) { return report(app, "run", id.error(), failure_code(id.error().message)); }
    TRY_LET(client, app.client());
    Foreground foreground{app, *client, *id, removed, session};
    if (in_background) {
        auto started = net::run_task(app.loop(), run_detached(&foreground));
        if (!started) {
            return report(app, "run", started.error(), failure_code(started.error().message));
        }
        app.line(*id);
        return 0;
    }
    auto code = net::run_task(app.loop(), run_attached(&foreground, keys.text));
    if (!code && !code.error().message.empty()) {
        return report(app, "run", code.error(), failure_code(code.error().message));
    }
    return code;
}

Result<int> create(App& app, const Parsed& parsed) {
    auto options = options_of(parsed);
    if (!options) { return report(app, "create", options.error(), 125); }
    TRY_LET(id, create_container(app, std::move(*options)));
    app.line(id);
    return 0;
}

// --- start ---

constexpr Flag start_flags[] = {
    {"attach", 'a', Kind::Bool, "Attach STDOUT and STDERR, and hand signals on"},
    {"checkpoint", 0, Kind::Text, "Start from this checkpoint (not supported)", "", "", nullptr,
     true},
    {"checkpoint-dir", 0, Kind::Text, "Folder of the checkpoint (not supported)", "", "", nullptr,
     true},
    {"detach-keys", 0, Kind::Text, "Keys that leave the container without ending it"},
    {"interactive", 'i', Kind::Bool, "Attach the container's STDIN"},
};

Result<int> start_all(App& app, const std::vector<std::string>& names) {
    TRY_LET(client, app.connected());
    std::vector<std::string> failed;
    for (const auto& name : names) {
        auto started = client->call(client::post("/containers/" + part(name) + "/start"));
        if (started) {
            app.line(name);
            continue;
        }
        app.error_line(started.error().message);
        failed.push_back(name);
    }
    if (failed.empty()) { return 0; }
    return invalid("Error: failed to start containers: " + join(failed, ", "));
}

Result<int> start_one(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(container, client->json(client::get("/containers/" + part(parsed.words[0]) + "/json")));
    TRY_LET(keys, detach_keys_of(app, parsed));
    const Json& config = container["Config"];
    Foreground foreground{app, *client, text_of(container, "Id"),
                          container["HostConfig"].value("AutoRemove", false)};
    foreground.session.tty = config.value("Tty", false);
    foreground.session.input = parsed.on("interactive") && config.value("OpenStdin", false);
    foreground.session.proxy_signals = !foreground.session.tty;
    foreground.session.detach_keys = keys.bytes;
    return net::run_task(app.loop(), run_attached(&foreground, keys.text));
}

Result<int> start(App& app, const Parsed& parsed) {
    for (const std::string_view flag : {"checkpoint", "checkpoint-dir"}) {
        if (parsed.given(flag)) { return unsupported(fmt::format("--{} is not supported", flag)); }
    }
    if (!parsed.on("attach") && !parsed.on("interactive")) { return start_all(app, parsed.words); }
    if (parsed.words.size() > 1) {
        return invalid("you cannot start and attach multiple containers at once");
    }
    return start_one(app, parsed);
}

} // namespace

const Command run_command_table{"[OPTIONS] IMAGE [COMMAND] [ARG...]",
                                "Create and run a new container from an image",
                                create_flags(),
                                run,
                                {1},
                                "container run, run",
                                "",
                                true,
                                125,
                                run_only_flags};
const Command create_command{"[OPTIONS] IMAGE [COMMAND] [ARG...]",
                             "Create a new container",
                             create_flags(),
                             create,
                             {1},
                             "container create, create",
                             "",
                             true};
const Command start_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                            "Start one or more stopped containers",
                            start_flags,
                            start,
                            {1},
                            "container start, start"};

} // namespace shoal::cli
