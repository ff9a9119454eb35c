// Images in and out of the daemon: pull, load, save, import, bootstrap. The daemon does the work;
// here are files, pipes and the progress on the terminal.
#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/platform.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/terminal.h"
#include "cli/upload.h"

#include "base/clock.h"
#include "base/text.h"
#include "client/json_stream.h"
#include "oci/reference.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

// --- progress ---

/// Prints a stream of progress as it comes.
class ProgressPrinter {
  public:
    ProgressPrinter(App& app, Progress where)
        : app_(app), where_(where), fd_(where == Progress::Stderr ? STDERR_FILENO : STDOUT_FILENO),
          text_(is_terminal(fd_) ? ProgressText::To::Terminal : ProgressText::To::Plain),
          objects_([this](const Json& message) { return show(message); }) {}

    TakeBytes take() {
        return [this](std::string_view bytes) { return objects_.feed(bytes); };
    }
    Result<void> finish() const {
        if (objects_.at_border()) { return ok(); }
        return internal("unexpected EOF");
    }

  private:
    Result<void> show(const Json& message) {
        TRY_LET(text, text_.next(message, window_size(fd_).columns));
        if (where_ == Progress::Stderr) { app_.err(text); }
        if (where_ == Progress::Stdout) {
            app_.out(text);
            app_.flush();
        }
        return ok();
    }

    App& app_;
    Progress where_;
    int fd_;
    ProgressText text_;
    client::JsonStream objects_;
};

} // namespace

Result<void> call_with_progress(App& app, client::Request request, Progress where) {
    TRY_LET(client, app.connected());
    ProgressPrinter printer(app, where);
    TRY(download(*client, std::move(request), printer.take()));
    return printer.finish();
}

namespace {

/// A file to read, or standard input.
struct Input {
    os::Fd file;
    int fd = STDIN_FILENO;
};
Result<Input> open_input(const std::string& path) {
    Input input;
    auto opened = os::open_file(path, O_RDONLY);
    if (!opened) { return go_error("open " + path, opened.error()); }
    input.file = std::move(*opened);
    input.fd = input.file.raw();
    return input;
}

Result<void> upload_with_progress(App& app, client::Request request, const Input& input) {
    TRY_LET(client, app.connected());
    request.content_type = "application/x-tar";
    ProgressPrinter printer(app, Progress::Stdout);
    TRY(upload(*client, std::move(request), input.fd, printer.take()));
    return printer.finish();
}

/// --platform where the daemon takes a document.
Result<void> add_platforms(client::Client& client, net::Query& query, const Parsed& parsed) {
    for (const auto& text : parsed.all("platform")) {
        TRY(need_version(client, "platform", 148));
        TRY_LET(platform, parse_platform(text));
        query.emplace_back("platform", dump_json(platform));
    }
    return ok();
}

// --- pull ---

Result<void> fetch(App& app, const oci::Reference& reference, const std::string& platform,
                   Progress where) {
    net::Query query{{"fromImage", reference.familiar_name()}};
    const std::string tag = reference.has_digest() ? reference.digest().text() : reference.tag();
    if (!tag.empty()) { query.emplace_back("tag", tag); }
    if (!platform.empty()) { query.emplace_back("platform", to_lower(platform)); }
    client::Request request = client::post("/images/create", query);
    TRY_LET(auth, app.registry_auth(reference.familiar_name()));
    request.headers.set("X-Registry-Auth", auth);
    return call_with_progress(app, std::move(request), where);
}

constexpr Flag pull_flags[] = {
    {"all-tags", 'a', Kind::Bool, "Fetch every tag of the repository"},
    {"disable-content-trust", 0, Kind::Bool, "Do not look for signatures", "true"},
    {"platform", 0, Kind::Text, "Fetch the image for this platform (os[/arch[/variant]])"},
    {"quiet", 'q', Kind::Bool, "Print only the name of the image"},
};

Result<int> pull(App& app, const Parsed& parsed) {
    if (!parsed.on("disable-content-trust", true)) {
        return unsupported("content trust is not supported");
    }
    TRY_LET(reference, oci::Reference::parse(parsed.words[0]));
    const bool bare = !reference.has_tag() && !reference.has_digest();
    const bool all = parsed.on("all-tags");
    if (all && !bare) { return invalid("tag can't be used with --all-tags/-a"); }
    const auto wanted = all ? reference : reference.with_default_tag();
    if (bare && !all && !parsed.on("quiet")) { app.line("Using default tag: " + wanted.tag()); }
    if (parsed.given("platform")) {
        TRY_LET(client, app.client());
        TRY(need_version(*client, "platform", 132));
    }
    TRY(fetch(app, wanted, parsed.text("platform"),
              parsed.on("quiet") ? Progress::Quiet : Progress::Stdout));
    app.line(wanted.text());
    return 0;
}

// --- load ---

constexpr Flag load_flags[] = {
    {"input", 'i', Kind::Text, "Read this file instead of standard input"},
    {"platform", 0, Kind::Words, "Load only the images for this platform (os[/arch[/variant]])"},
    {"quiet", 'q', Kind::Bool, "Print only what was loaded"},
};

Result<int> load(App& app, const Parsed& parsed) {
    Input input;
    if (const auto path = parsed.text("input"); !path.empty()) {
        TRY_LET(opened, open_input(path));
        input = std::move(opened);
    } else if (is_terminal(STDIN_FILENO)) {
        return invalid("requested load from stdin, but stdin is empty");
    }
    const bool quiet = parsed.on("quiet") || !is_terminal(STDOUT_FILENO);
    net::Query query{{"quiet", quiet ? "1" : "0"}};
    TRY_LET(client, app.client());
    TRY(add_platforms(*client, query, parsed));
    TRY(upload_with_progress(app, client::post("/images/load", query), input));
    return 0;
}

// --- save ---

/// Shows on a terminal how much has been written; the daemon does not say how much there will be.
class Counter {
  public:
    explicit Counter(App& app) : app_(app), on_(is_terminal(STDOUT_FILENO)) {}
    void add(std::size_t bytes) {
        bytes_ += static_cast<std::int64_t>(bytes);
        const auto time = std::chrono::steady_clock::now();
        if (!on_ || time - shown_ < std::chrono::milliseconds(100)) { return; }
        shown_ = time;
        show({{"status", "Saving"}, {"progressDetail", {{"current", bytes_}}}});
    }
    ~Counter() {
        if (shown_ != Steady{}) { show({{"status", ""}, {"progressDetail", Json::object()}}); }
    }

  private:
    void show(const Json& message) {
        auto text = text_.next(message, window_size(STDOUT_FILENO).columns);
        if (!text) { return; }
        app_.out(*text);
        app_.flush();
    }
    App& app_;
    bool on_;
    ProgressText text_{ProgressText::To::Terminal};
    std::int64_t bytes_ = 0;
    Steady shown_{};
};

constexpr Flag save_flags[] = {
    {"output", 'o', Kind::Text, "Write this file instead of standard output"},
    {"platform", 0, Kind::Words, "Save only the images for this platform (os[/arch[/variant]])"},
};

Result<int> save(App& app, const Parsed& parsed) {
    const std::string path = parsed.text("output");
    if (path.empty() && is_terminal(STDOUT_FILENO)) {
        return invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    net::Query query;
    for (const auto& name : parsed.words) { query.emplace_back("names", name); }
    std::optional<OutputFile> file;
    if (!path.empty()) {
        TRY_LET(made, OutputFile::create(path).with("failed to save image"));
        file.emplace(std::move(made));
    }
    TRY_LET(client, app.connected());
    TRY(add_platforms(*client, query, parsed));
    if (!file) {
        TRY(download(*client, client::get("/images/get", query),
                     [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); }));
        return 0;
    }
    Counter counter(app);
    TRY(download(*client, client::get("/images/get", query), [&](std::string_view bytes) {
        counter.add(bytes.size());
        return file->write(bytes);
    }));
    TRY(file->finish().with("failed to save image"));
    return 0;
}

// --- import ---

constexpr Flag import_flags[] = {
    {"change", 'c', Kind::List, "Dockerfile instruction for the image"},
    {"message", 'm', Kind::Text, "Comment of the image"},
    {"platform", 0, Kind::Text, "Platform of the image (os[/arch[/variant]])"},
};

Result<int> import(App& app, const Parsed& parsed) {
    const std::string& source = parsed.words[0];
    const bool remote = source.starts_with("http://") || source.starts_with("https://");
    net::Query query{{"fromSrc", remote ? source : "-"}};
    if (parsed.words.size() > 1) {
        TRY(oci::Reference::parse(parsed.words[1]));
        query.emplace_back("repo", parsed.words[1]);
    }
    if (parsed.given("message")) { query.emplace_back("message", parsed.text("message")); }
    if (parsed.given("platform")) {
        query.emplace_back("platform", to_lower(parsed.text("platform")));
    }
    for (const auto& change : parsed.all("change")) { query.emplace_back("changes", change); }
    client::Request request = client::post("/images/create", query);
    if (remote) {
        TRY(call_with_progress(app, std::move(request), Progress::Stdout));
        return 0;
    }
    Input input;
    if (source != "-") {
        TRY_LET(opened, open_input(source));
        input = std::move(opened);
    }
    TRY(upload_with_progress(app, std::move(request), input));
    return 0;
}

// --- bootstrap ---

constexpr Flag bootstrap_flags[] = {
    {"include", 0, Kind::Words, "Further packages to install"},
    {"quiet", 'q', Kind::Bool, "Print only the name of the image"},
    {"variant", 0, Kind::Text, "Which packages a base system has: a variant of mmdebstrap",
     "minbase"},
};

Result<int> bootstrap(App& app, const Parsed& parsed) {
    TRY_LET(reference, oci::Reference::parse(parsed.words[0]));
    net::Query query{{"ref", parsed.words[0]}};
    if (parsed.given("variant")) { query.emplace_back("variant", parsed.text("variant")); }
    for (const auto& package : parsed.all("include")) { query.emplace_back("include", package); }
    const bool quiet = parsed.on("quiet");
    TRY(call_with_progress(app, client::post("/images/bootstrap", query),
                           quiet ? Progress::Quiet : Progress::Stdout));
    if (quiet) { app.line(reference.with_default_tag().familiar()); }
    return 0;
}

} // namespace

Result<void> pull_image(App& app, const std::string& reference, const std::string& platform,
                        Progress progress) {
    TRY_LET(parsed, oci::Reference::parse(reference));
    return fetch(app, parsed, platform, progress);
}

const Command pull_command{"[OPTIONS] NAME[:TAG|@DIGEST]",
                           "Fetch an image from a registry",
                           pull_flags,
                           pull,
                           {1, 1},
                           "image pull, pull"};
const Command load_command{
    "[OPTIONS]", "Load images from a tar archive", load_flags, load, {0, 0}, "image load, load"};
const Command save_command{"[OPTIONS] IMAGE [IMAGE...]",
                           "Save one or more images as a tar archive",
                           save_flags,
                           save,
                           {1},
                           "image save, save"};
const Command import_command{"[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
                             "Make an image of the files in a tar archive",
                             import_flags,
                             import,
                             {1, 2},
                             "image import, import"};
const Command bootstrap_command{
    "[OPTIONS] NAME[:TAG]",
    "Make a base image of a Debian release from this machine's package sources",
    bootstrap_flags,
    bootstrap,
    {1, 1},
    "",
    "The tag is the release: $ image bootstrap debian:bookworm"};

} // namespace shoal::cli
