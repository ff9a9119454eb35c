// The words of POST /build?version=2, which clients with BuildKit's command of Docker 18.09
// to 20.10 use beside a session: JSON lines that carry the Control service's status messages, and
// the image's id at the end.
#pragma once

#include "api/build_status.h"
#include "api/build_words.h"

#include <deque>

namespace shoal::api {

class TraceVoice final : public BuildVoice {
  public:
    /// `quiet`: only the image's id is told, and the rest when the build fails.
    TraceVoice(Call& call, std::string build_id, std::string dockerfile, bool quiet)
        : call_(call), status_(std::move(build_id)), dockerfile_(std::move(dockerfile)),
          quiet_(quiet) {}
    net::Task<void> on(build::Event event) override;
    net::Task<Result<void>> finish(const Result<build::Built>& built, const build::Request& request,
                                   int exit_code) override;

    static constexpr std::size_t kept_bytes_max = 4 * 1024 * 1024; ///< the newest, when quiet

  private:
    void keep(Json line);
    Call& call_;
    BuildStatus status_;
    std::string dockerfile_;
    bool quiet_;
    std::deque<Json> kept_;
    std::size_t kept_bytes_ = 0;
};

} // namespace shoal::api
