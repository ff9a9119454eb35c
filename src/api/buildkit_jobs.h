// Builds that BuildKit's clients have asked for: one job per ref, from its solve until its status
// has been read. It carries what several calls on several connections share: events on their way
// to whoever draws them, and, when the client steers the build by the gateway, its results.
#pragma once

#include "api/build_status.h"
#include "buildkit/control.h"
#include "engine/images.h"
#include "net/scope.h"
#include "net/signal.h"

#include <deque>
#include <memory>
#include <optional>

namespace shoal::api {

class BuildJob final : public build::Listener {
  public:
    BuildJob(net::Loop& loop, const Clock& clock, buildkit::SolveRequest asked)
        : request(std::move(asked)), returned(loop), loop_(loop), clock_(clock),
          status_(request.ref), news_(loop), room_(loop) {}

    const buildkit::SolveRequest request;
    std::string dockerfile = "Dockerfile";
    /// Results of the gateway's solves, by reference; held so that nobody removes them meanwhile.
    struct Held {
        oci::ImageId image;
        engine::Images::Hold hold;
    };
    std::map<std::string, Held> results;
    net::Flag returned; ///< the client that steers has said how it ended: `outcome`
    buildkit::Returned outcome;

    net::Task<void> on(build::Event event) override;
    /// A piece of work that is no step of the Dockerfile: shown from begin to end.
    void begin_work(const std::string& name);
    void end_work(const std::string& name, const std::string& error);

    /// One reader at a time. The next message, nothing when the build has ended and all is told.
    net::Task<Result<std::optional<std::string>>> next_status(net::Until until);
    bool being_read() const { return readers_ > 0; }
    bool was_read() const { return told_end_; }
    void count_reader(int change) { readers_ += change; }
    /// No more events come.
    void end();

    static constexpr std::size_t waiting_bytes_max = 4 * 1024 * 1024;

  private:
    void tell(const buildkit::Status& status);

    net::Loop& loop_;
    const Clock& clock_;
    BuildStatus status_;
    std::deque<std::string> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::map<std::string, buildkit::Vertex> work_;
    net::Signal news_;
    net::Signal room_;
    int readers_ = 0;
    bool ended_ = false;
    bool told_end_ = false;
};
using BuildJobPtr = std::shared_ptr<BuildJob>;

class BuildJobs {
  public:
    explicit BuildJobs(net::Loop& loop) : loop_(loop), arrivals_(loop), leaving_(loop) {}

    /// Fails: Conflict for a ref that is in use; Unavailable.
    Result<BuildJobPtr> add(BuildJobPtr job);
    /// The solve may still be on its way: waits for it a little. Fails: NotFound.
    net::Task<Result<BuildJobPtr>> find(std::string ref, net::Until until);
    /// The build has ended; its status can be read for a while.
    void finish(const BuildJobPtr& job);

  private:
    net::Task<void> forget_later(BuildJobPtr job);

    net::Loop& loop_;
    std::map<std::string, BuildJobPtr> jobs_;
    net::WaitQueue arrivals_;
    net::TaskScope leaving_; // last: its tasks go first
};

} // namespace shoal::api
