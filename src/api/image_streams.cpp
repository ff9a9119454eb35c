// Images in and out of the daemon: load, save, import, bootstrap. A thread that may block works on
// the archive; its bytes and its progress go through pipes, which the loop fills and empties.
#include "api/image_handlers.h"
#include "base/text.h"
#include "engine/engine.h"
#include "net/download.h"
#include "net/scope.h"
#include "os/pipe.h"

namespace shoal::api {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::chrono::seconds rest_timeout{
    30}; ///< for a client that still sends what nobody wants any more
constexpr std::chrono::seconds answer_timeout{60}; ///< of a server that an archive is fetched from
constexpr std::chrono::seconds stall_timeout{120}; ///< the same, between two pieces

/// One request whose work reads and writes pipes.
class Piped {
  public:
    explicit Piped(Call& call)
        : call_(call), cancelled_(std::make_shared<std::atomic<bool>>(false)),
          gone_(call.gone(), [flag = cancelled_] { *flag = true; }), feeding_(call.engine.env.loop),
          working_(call.engine.env.loop) {}

    /// What the work writes into this pipe becomes the answer.
    Result<void> answer_from(os::Fd engine::ImageStreamJob::*end) {
        TRY_LET(pipe, os::make_pipe());
        job.*end = std::move(pipe.write_end);
        answer_ = net::adopt_stream(call_.engine.env.loop, std::move(pipe.read_end));
        return ok();
    }
    /// The request's body is what the work reads.
    Result<void> feed_body() {
        TRY(open_input());
        feeding_.spawn(feed());
        return ok();
    }
    /// The work reads what a server sends.
    Result<void> feed_download(std::unique_ptr<net::Download> download) {
        TRY(open_input());
        feeding_.spawn(feed_from(std::move(download)));
        return ok();
    }
    engine::ImageStreamJob take_job() {
        job.cancelled = cancelled_;
        return std::move(job);
    }
    void start(net::Task<Result<void>> task) { working_.spawn(work(std::move(task))); }

    /// Sends what comes until the work has ended; gives its outcome.
    net::Task<Result<void>> send(std::string content_type) {
        std::vector<char> buffer(buffer_bytes);
        Result<void> sent = ok();
        while (true) {
            net::Until never;
            auto got = co_await answer_->read_some(buffer, never);
            if (!got || *got == 0) { break; }
            if (!sent) { continue; } // the client has gone: the work still has to end
            if (!call_.begun()) { sent = co_await call_.begin(200, content_type); }
            if (sent) {
                const std::string_view bytes(buffer.data(), *got);
                sent = co_await call_.exchange.write(bytes);
            }
            if (!sent) { *cancelled_ = true; }
        }
        net::Until never;
        co_await working_.drain(never);
        const net::Until soon(Deadline::in(rest_timeout));
        co_await feeding_.drain(soon);
        co_await feeding_.close();
        if (!sent) { co_return sent; }
        if (!outcome_ && !fed_) { co_return fed_; } // the reason, not what followed from it
        co_return outcome_;
    }

    engine::ImageStreamJob job;

  private:
    Result<void> open_input() {
        TRY_LET(pipe, os::make_pipe());
        job.input = std::move(pipe.read_end);
        body_ = net::adopt_stream(call_.engine.env.loop, std::move(pipe.write_end));
        return ok();
    }

    net::Task<void> work(net::Task<Result<void>> task) { outcome_ = co_await std::move(task); }

    /// To its end, even when nobody wants it any more: some clients hear an answer only then.
    net::Task<void> feed() {
        std::vector<char> buffer(buffer_bytes);
        bool wanted = true;
        while (true) {
            const net::Until until(feeding_.cancel());
            auto got = co_await call_.exchange.read_some(buffer, until);
            if (!got) { *cancelled_ = true; }
            if (!got || *got == 0) { break; }
            if (!wanted) { continue; }
            const std::string_view bytes(buffer.data(), *got);
            auto written = co_await body_->write_all(bytes, until);
            wanted = written.has_value();
        }
        body_->close();
    }

    net::Task<void> feed_from(std::unique_ptr<net::Download> download) {
        std::vector<char> buffer(buffer_bytes);
        while (true) {
            const net::Until until(Deadline::in(stall_timeout), feeding_.cancel());
            auto got = co_await download->read_some(buffer, until);
            if (!got) {
                fed_ = std::move(got).error();
                *cancelled_ = true;
            }
            if (!fed_ || *got == 0) { break; }
            const std::string_view bytes(buffer.data(), *got);
            const net::Until never(feeding_.cancel());
            auto written = co_await body_->write_all(bytes, never);
            if (!written) { break; } // nobody wants the rest
        }
        body_->close();
    }

    Call& call_;
    std::shared_ptr<std::atomic<bool>> cancelled_;
    net::Cancel::Registration gone_;
    net::StreamPtr answer_;
    net::StreamPtr body_;
    Result<void> fed_ = ok();
    Result<void> outcome_ = ok();
    net::TaskScope feeding_;
    net::TaskScope working_;
};

template <class T> net::Task<Result<void>> without_value(net::Task<Result<T>> task) {
    auto done = co_await std::move(task);
    if (!done) { co_return std::move(done).error(); }
    co_return ok();
}

net::Task<Result<void>> save_named(Call& call, std::vector<std::string> names) {
    CO_TRY(call.engine.images.check_names(names));
    for (const auto& name : names) { CO_TRY(check_platform(call, name)); }
    Piped piped(call);
    CO_TRY(piped.answer_from(&engine::ImageStreamJob::output));
    piped.start(call.engine.images.save(std::move(names), piped.take_job()));
    CO_TRY(co_await piped.send("application/x-tar"));
    co_return co_await call.end();
}

/// "repo" and "tag" as one name, as import and commit take it.
Result<std::string> new_name(const Call& call) {
    const std::string repo = call.query_text("repo");
    const std::string tag = call.query_text("tag");
    if (repo.empty()) { return std::string(); }
    TRY_LET(reference, oci::Reference::parse(repo));
    if (tag.empty()) { return reference.with_default_tag().familiar(); }
    TRY_LET(tagged, reference.with_tag(tag));
    return tagged.familiar();
}

net::Task<Result<void>> import_image(Call& call) {
    const std::string source = call.query_text("fromSrc");
    engine::ImageImportRequest request;
    CO_TRY_LET(name, new_name(call));
    request.reference = name;
    request.changes = call.query_all("changes");
    request.message = call.query_text("message");
    CO_TRY_LET(platform, platform_of(call));
    request.platform = platform;
    call.note(name);
    Piped piped(call);
    CO_TRY(piped.answer_from(&engine::ImageStreamJob::progress));
    if (source == "-") {
        CO_TRY(piped.feed_body());
    } else {
        CO_TRY_LET(url, net::parse_url(source));
        request.source = url.text();
        const net::Until until(Deadline::in(answer_timeout), call.gone());
        auto started = co_await net::Download::start(call.engine.env.loop, url, until);
        if (!started) {
            co_return internal("download " + request.source + ": " + started.error().message);
        }
        CO_TRY(co_await call.begin(200, "application/json"));
        Json line{{"status", "Downloading from " + request.source}};
        CO_TRY(co_await call.progress(std::move(line)));
        CO_TRY(piped.feed_download(std::move(*started)));
    }
    piped.start(without_value(call.engine.images.import(std::move(request), piped.take_job())));
    auto outcome = co_await piped.send("application/json");
    co_return co_await call.finish_progress(std::move(outcome));
}

} // namespace

net::Task<Result<void>> load_images(Call& call) {
    CO_TRY_LET(platform, platform_of(call));
    Piped piped(call);
    piped.job.quiet = call.query_bool("quiet");
    CO_TRY(piped.answer_from(&engine::ImageStreamJob::progress));
    CO_TRY(piped.feed_body());
    piped.start(call.engine.images.load(piped.take_job(), platform));
    auto outcome = co_await piped.send("application/json");
    co_return co_await call.finish_progress(std::move(outcome));
}

net::Task<Result<void>> save_images(Call& call) {
    auto names = call.query_all("names");
    if (names.empty()) { co_return invalid("names: no image is named"); }
    co_return co_await save_named(call, std::move(names));
}

net::Task<Result<void>> save_image(Call& call) {
    std::vector<std::string> names{call.param("name")};
    co_return co_await save_named(call, std::move(names));
}

net::Task<Result<void>> create_image(Call& call) {
    if (call.has_query("fromSrc")) { co_return co_await import_image(call); }
    if (!call.query_text("fromImage").empty()) { co_return co_await pull_image(call); }
    co_return invalid("fromImage or fromSrc is needed");
}

net::Task<Result<void>> bootstrap_image(Call& call) {
    engine::ImageBootstrapRequest request;
    request.reference = call.query_text("ref");
    if (const auto variant = call.query_text("variant"); !variant.empty()) {
        request.variant = variant;
    }
    for (const auto& list : call.query_all("include")) {
        for (auto& package : split(list, ',')) { request.include.push_back(std::move(package)); }
    }
    call.note(request.reference);
    Piped piped(call);
    CO_TRY(piped.answer_from(&engine::ImageStreamJob::progress));
    piped.start(without_value(call.engine.images.bootstrap(std::move(request), piped.take_job())));
    auto outcome = co_await piped.send("application/json");
    co_return co_await call.finish_progress(std::move(outcome));
}

} // namespace shoal::api
