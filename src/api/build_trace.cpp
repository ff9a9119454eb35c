#include "api/build_trace.h"

#include "base/text.h"

namespace shoal::api {

net::Task<void> TraceVoice::on(build::Event event) {
    const auto status = status_.take(event, dockerfile_);
    if (status.empty()) { co_return; }
    Json line{{"id", "moby.buildkit.trace"}, {"aux", base64(buildkit::print_status(status))}};
    const auto sent = co_await call_.progress(std::move(line));
    (void)sent; // a client that is gone ends the build by its own way
}

net::Task<Result<void>> TraceVoice::finish(const Result<build::Built>& built,
                                           const build::Request& request, int exit_code) {
    (void)request;
    (void)exit_code; // these clients have it from the step's error
    if (built) {
        Json aux{{"ID", oci::prefixed(built->id)}};
        Json line{{"id", "moby.image.id"}, {"aux", std::move(aux)}};
        CO_TRY(co_await call_.progress(std::move(line)));
    }
    Result<void> outcome = built ? ok() : Result<void>(built.error());
    co_return co_await call_.finish_progress(std::move(outcome));
}

} // namespace shoal::api
