// The words of POST /build?version=2, which clients with BuildKit's command of Docker 18.09
// to 20.10 use beside a session: JSON lines that carry the Control service's status messages, and
// the image's id at the end.
#pragma once

#include "api/build_status.h"
#include "api/build_words.h"

namespace shoal::api {

class TraceVoice final : public BuildVoice {
  public:
    TraceVoice(Call& call, std::string build_id, std::string dockerfile)
        : call_(call), status_(std::move(build_id)), dockerfile_(std::move(dockerfile)) {}
    net::Task<void> on(build::Event event) override;
    net::Task<Result<void>> finish(const Result<build::Built>& built, const build::Request& request,
                                   int exit_code) override;

  private:
    Call& call_;
    BuildStatus status_;
    std::string dockerfile_;
};

} // namespace shoal::api
