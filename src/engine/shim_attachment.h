// ShimAttachment: a client's attachment to a container or exec, through its own connection to the
// monitor. It can be made before there is a monitor; then it waits for connect(). It owns the
// connection and nothing else, and is shared: the client may leave while a start is connecting it.
#pragma once

#include "engine/containers.h"
#include "net/signal.h"
#include "net/stream.h"

#include <memory>
#include <set>
#include <string>

namespace shoal::engine {

class ShimAttachment;
/// Attachments that wait for the next start. An attachment takes itself out when it is connected or
/// given up.
using PendingAttachments = std::set<std::shared_ptr<ShimAttachment>>;

class ShimAttachment final : public Attachment,
                             public std::enable_shared_from_this<ShimAttachment> {
  public:
    ShimAttachment(net::Loop& loop, AttachOptions options)
        : loop_(loop), options_(options), decided_(loop) {}

    /// Until somebody calls connect() or give_up().
    void wait_in(std::shared_ptr<PendingAttachments> pending);
    /// Connects to the monitor in `directory`. On failure the attachment is at its end.
    net::Task<Result<void>> connect(std::string directory, net::Until until);
    /// There will be no monitor: whoever waits sees the end.
    void give_up();

    net::Task<Result<Output>> read(net::Until until) override;
    net::Task<Result<void>> write(std::string data, net::Until until) override;
    net::Task<Result<void>> close_input() override;

  private:
    net::Task<Result<void>> greet(net::Until until);
    /// Waits for connect() or give_up(); false at the end.
    net::Task<Result<bool>> ready(net::Until until);
    net::Task<Result<bool>> fill(std::size_t bytes, net::Until until);

    net::Loop& loop_;
    AttachOptions options_;
    std::shared_ptr<PendingAttachments> pending_;
    net::StreamPtr stream_;
    net::Flag decided_;
    bool input_closed_ = false;
    std::string buffer_;
};

/// What the client holds: destroying it detaches.
class ClientAttachment final : public Attachment {
  public:
    explicit ClientAttachment(std::shared_ptr<ShimAttachment> streams)
        : streams_(std::move(streams)) {}
    ~ClientAttachment() override { streams_->give_up(); }
    net::Task<Result<Output>> read(net::Until until) override { return streams_->read(until); }
    net::Task<Result<void>> write(std::string data, net::Until until) override {
        return streams_->write(std::move(data), until);
    }
    net::Task<Result<void>> close_input() override { return streams_->close_input(); }

  private:
    std::shared_ptr<ShimAttachment> streams_;
};

} // namespace shoal::engine
