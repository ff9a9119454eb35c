// `build`: an image from a Dockerfile. The daemon builds; here the context is packed and sent, or
// what the daemon asks for is served, and what it says is shown.
#include "cli/build_answer.h"
#include "cli/build_archive.h"
#include "cli/build_place.h"
#include "cli/build_request.h"
#include "cli/build_screen.h"
#include "cli/build_session.h"
#include "cli/build_words.h"
#include "cli/commands.h"
#include "cli/pull.h"
#include "cli/support.h"
#include "cli/terminal.h"
#include "net/unix_signals.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>

#include <unistd.h>

namespace shoal::cli {
namespace {

std::optional<std::string> variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// Shoal's daemon says so; it knows more than the classic way of building.
Result<bool> is_shoal(client::Client& client) {
    TRY_LET(version, client.json(client::get("/version")));
    const auto platform = version.find("Platform");
    return platform != version.end() && text_of(*platform, "Name") == "Shoal";
}

class Build {
  public:
    Build(App& app, client::Client& client, BuildOptions options, BuildContext context)
        : app_(app), client_(client), options_(std::move(options)), context_(std::move(context)) {}

    Result<int> run() {
        TRY_LET(shoal, is_shoal(client_));
        shoal_ = shoal;
        if (!shoal_ && !options_.only_shoal.empty()) {
            return unsupported(fmt::format("--{} is not supported by this daemon: it needs Shoal's",
                                           options_.only_shoal.front()));
        }
        add_proxy_args();
        TRY(plan_output());
        TRY(choose_display());
        TRY(plan_session_if_needed());
        TRY(plan_body());
        remove_old_report(options_.id_file);
        auto outcome = net::run_task(app_.loop(), run_all());
        return conclude(std::move(outcome));
    }

  private:
    // --- before ---

    void add_proxy_args() {
        for (auto& [name, value] : proxy_variables(app_)) {
            options_.args.try_emplace(name, value);
        }
    }

    Result<void> plan_output() {
        if (!options_.output) { return ok(); }
        TRY_LET(names, image_names(*options_.output));
        for (auto& name : names) {
            options_.query.emplace_back("t", name);
            options_.tags.push_back(std::move(name));
        }
        return place_.prepare(*options_.output).with("--output");
    }

    bool output_is_stdout() const { return options_.output && options_.output->destination == "-"; }

    Result<void> choose_display() {
        const auto to = output_is_stdout() ? BuildWords::To::Stderr : BuildWords::To::Stdout;
        const int fd = output_is_stdout() ? STDERR_FILENO : STDOUT_FILENO;
        const bool terminal = is_terminal(fd);
        if (options_.progress == BuildProgress::Terminal && !terminal) {
            return invalid("--progress tty: the output is no terminal");
        }
        if (options_.progress == BuildProgress::Terminal && !shoal_) {
            return unsupported("--progress tty is not supported by this daemon: it needs Shoal's");
        }
        if (options_.quiet) {
            words_.emplace(app_, BuildWords::To::Nowhere);
        } else if (shoal_ && terminal && options_.progress != BuildProgress::Plain) {
            screen_.emplace(app_, fd);
        } else {
            words_.emplace(app_, to);
        }
        return ok();
    }

    /// The classic way can be asked for, as Docker's command can be; it is enough where nothing is
    /// wanted that needs the other.
    Result<void> plan_session_if_needed() {
        if (!shoal_) { return ok(); }
        const bool classic = variable("DOCKER_BUILDKIT") == "0";
        const bool useful = context_.kind == BuildContext::Kind::Directory && !classic;
        if (!useful && options_.only_shoal.empty()) { return ok(); }
        TRY_LET(session, plan_session(options_, context_));
        session_.emplace(std::move(session));
        TRY_LET(contexts, named_contexts(options_, session_->offered));
        query_.contexts = std::move(contexts);
        query_.session = session_->id;
        if (!place_.directory().empty()) {
            session_->offered.output_directory = place_.directory();
        }
        session_->offered.output_fd = place_.descriptor();
        return ok();
    }

    Result<void> plan_body() {
        query_.dockerfile = context_.dockerfile;
        switch (context_.kind) {
        case BuildContext::Kind::Remote:
            query_.remote = context_.place;
            return ok();
        case BuildContext::Kind::Stdin: {
            TRY_LET(body, archive_.take_stdin(context_));
            body_.emplace(std::move(body));
            break;
        }
        case BuildContext::Kind::Directory:
            if (session_) { return plan_synced_context(); }
            TRY_LET(body, archive_.pack(context_, options_.compress ? archive::Compression::Gzip
                                                                    : archive::Compression::None));
            body_.emplace(std::move(body));
            break;
        }
        query_.dockerfile = body_->dockerfile;
        if (!words_) { return ok(); }
        body_->body.sent = [this](std::int64_t bytes) { words_->sent(bytes); };
        body_->body.ended = [this](std::int64_t bytes) { words_->ended(bytes); };
        return ok();
    }

    /// The daemon asks for what it needs.
    Result<void> plan_synced_context() {
        query_.remote = "client-session";
        const std::string path = context_.outside ? context_.outside_path : context_.dockerfile;
        const std::string name = path.substr(path.rfind('/') + 1);
        query_.dockerfile = name.empty() ? "Dockerfile" : name;
        return ok();
    }

    // --- while it builds ---

    client::Request request() {
        query_.events = screen_.has_value();
        client::Request request = client::post("/build", build_query(options_, query_));
        if (auto config = registry_config(
                Credentials(app_.globals.config_dir + "/config.json", app_.config()));
            !config.empty()) {
            request.headers.set("X-Registry-Config", std::move(config));
        }
        request.content_type = "application/x-tar";
        return request;
    }

    Result<void> show(const Json& message) {
        return screen_ ? screen_->show(message) : words_->show(message);
    }

    static net::Task<void> serve(Build* self, net::StreamPtr stream, net::Until until) {
        auto served = co_await buildkit::serve_session(self->app_.loop(), std::move(stream),
                                                       self->session_->offered, until);
        if (!served && !until.cancelled()) { self->served_ = std::move(served); }
    }

    static net::Task<void> stop_at_signal(Build* self, net::UnixSignals* signals,
                                          net::Until until) {
        auto number = co_await signals->next(until);
        if (!number) { co_return; }
        self->interrupted_ = *number;
        self->given_up_.cancel();
    }

    net::Task<Result<void>> run_all() {
        net::UnixSignals signals(app_.loop(), {SIGINT, SIGTERM});
        net::TaskScope beside(app_.loop());
        const net::Until while_building(beside.cancel());
        beside.spawn(stop_at_signal(this, &signals, while_building));
        if (session_) {
            CO_TRY_LET(stream, co_await open_session(&client_, &*session_, given_up_));
            beside.spawn(serve(this, std::move(stream), while_building));
        }
        if (screen_) { beside.spawn(screen_->keep_drawing(while_building)); }
        const TakeBytes take = [this](std::string_view bytes) { return answer_.feed(bytes); };
        auto outcome = co_await exchange(&take);
        co_await beside.close();
        co_return outcome;
    }

    net::Task<Result<void>> exchange(const TakeBytes* take) {
        if (body_) {
            co_return co_await upload_async(&client_, request(), std::move(body_->body), take,
                                            given_up_);
        }
        co_return co_await download_async(&client_, request(), take, given_up_);
    }

    // --- afterwards ---

    std::string kept_words() const {
        return words_ ? words_->kept_sending() + words_->kept() : std::string();
    }

    /// What belongs to a failure beside its message. How the session ended matters only then.
    void tell_more() {
        app_.err(kept_words());
        if (!served_) { app_.error_line("session: " + served_.error().message); }
    }

    Result<int> conclude(Result<void> outcome) {
        if (outcome) { outcome = answer_.finish(); }
        const auto& failure = answer_.failure();
        if (screen_) {
            screen_->end(interrupted_ != 0     ? BuildEnd::Canceled
                         : !outcome || failure ? BuildEnd::Failed
                                               : BuildEnd::Finished);
        }
        if (interrupted_ != 0) { return 128 + interrupted_; }
        if (!outcome || failure) { tell_more(); }
        if (!outcome) { return std::move(outcome).error(); }
        if (failure) {
            app_.error_line(failure->message);
            return failure->code;
        }
        return write_results();
    }

    Result<int> write_results() {
        std::string id = answer_.id();
        if (id.empty() && words_) { id = id_in(words_->kept()); }
        if (options_.quiet && output_is_stdout()) { app_.error_line(id); }
        if (options_.quiet && !output_is_stdout()) { app_.line(id); }
        TRY(place_.finish().with("--output"));
        for (const auto& tag : options_.push ? options_.tags : std::vector<std::string>()) {
            TRY(push_image(app_, tag, options_.quiet ? Progress::Quiet : Progress::Stdout)
                    .with("push " + tag));
        }
        if (!options_.id_file.empty()) {
            if (id.empty()) {
                return invalid("server did not provide an image ID. Cannot write " +
                               options_.id_file);
            }
            TRY(write_report(options_.id_file, id));
        }
        if (!options_.metadata_file.empty()) {
            TRY(write_report(options_.metadata_file,
                             pretty_json(build_metadata(id, options_.tags)) + "\n"));
        }
        return 0;
    }

    App& app_;
    client::Client& client_;
    BuildOptions options_;
    BuildContext context_;
    bool shoal_ = false;
    BuildQuery query_;
    BuildPlace place_;
    std::optional<BuildSession> session_;
    std::optional<BuildScreen> screen_; ///< this one
    std::optional<BuildWords> words_;   ///< or this one
    ContextArchive archive_{app_.loop()};
    std::optional<ContextBody> body_;
    BuildAnswer answer_{[this](const Json& message) { return show(message); }};
    Result<void> served_ = ok();
    net::Cancel given_up_;
    int interrupted_ = 0;
};

Result<int> build(App& app, const Parsed& parsed) {
    TRY_LET(options, read_build_options(parsed, variable));
    TRY_LET(context, choose_context(options.context, options.file));
    TRY_LET(client, app.connected());
    return Build(app, *client, std::move(options), std::move(context)).run();
}

} // namespace

const Command build_command{.usage = "[OPTIONS] PATH | URL | -",
                            .summary = "Make an image of what a Dockerfile says",
                            .flags = build_flags(),
                            .action = build,
                            .arguments = {1, 1},
                            .aliases = "image build, build, builder build"};

} // namespace shoal::cli
