#include "api/build_trace.h"

#include "base/text.h"

namespace shoal::api {

net::Task<void> TraceVoice::on(build::Event event) {
    const auto status = status_.take(event, dockerfile_);
    if (status.empty()) { co_return; }
    Json line{{"id", "moby.buildkit.trace"}, {"aux", base64(buildkit::print_status(status))}};
    if (quiet_) {
        keep(std::move(line));
        co_return;
    }
    const auto sent = co_await call_.progress(std::move(line));
    (void)sent; // a client that is gone ends the build by its own way
}

void TraceVoice::keep(Json line) {
    const auto size_of = [](const Json& kept) {
        return kept["aux"].get_ref<const std::string&>().size();
    };
    kept_bytes_ += size_of(line);
    kept_.push_back(std::move(line));
    while (kept_bytes_ > kept_bytes_max) {
        kept_bytes_ -= size_of(kept_.front());
        kept_.pop_front();
    }
}

net::Task<Result<void>> TraceVoice::finish(const Result<build::Built>& built,
                                           const build::Request& request, int exit_code) {
    (void)request;
    (void)exit_code; // these clients have it from the step's error
    if (built && quiet_) {
        Json line{{"stream", oci::prefixed(built->id) + "\n"}};
        CO_TRY(co_await call_.progress(std::move(line)));
    } else if (!built) {
        for (auto& line : kept_) { CO_TRY(co_await call_.progress(std::move(line))); }
    } else {
        Json aux{{"ID", oci::prefixed(built->id)}};
        Json line{{"id", "moby.image.id"}, {"aux", std::move(aux)}};
        CO_TRY(co_await call_.progress(std::move(line)));
    }
    Result<void> outcome = built ? ok() : Result<void>(built.error());
    co_return co_await call_.finish_progress(std::move(outcome));
}

} // namespace shoal::api
