// ShimChannel: the daemon's control connection to one monitor, as coroutines see it. It reads the
// monitor's frames, remembers the latest state and the exit, and answers requests in order. It does
// not act on what it learns.
#pragma once

#include "container/shim_protocol.h"
#include "net/lock.h"
#include "net/scope.h"
#include "net/stream.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace shoal::engine {

class ShimChannel : public std::enable_shared_from_this<ShimChannel> {
  public:
    /// `watch`: asks the monitor for its state first (a connection made after the first one).
    static std::shared_ptr<ShimChannel> open(net::Loop& loop, net::TaskScope& scope, os::Fd socket,
                                             bool watch);

    /// The first state at or after Created. Fails with the runtime's own words when it could not
    /// create.
    net::Task<Result<container::ShimState>> wait_created(net::Until until);
    /// Waits until the monitor has said Exited or is gone.
    net::Task<net::Wake> wait_ended(net::Until until);
    /// One command and its Done or Failed. When `until` ends it first, the answer is still to come:
    /// it is dropped, and no later command takes it for its own.
    net::Task<Result<void>> request(container::Frame frame, std::string payload, net::Until until);

    const container::ShimState& state() const { return state_; }
    /// Nothing while it runs, and when the monitor died without a word.
    const std::optional<container::ShimExit>& exit() const { return exit_; }
    bool ended() const { return ended_; }
    void close();

    ShimChannel(net::Loop& loop, net::StreamPtr stream);

  private:
    static net::Task<void> read_loop(std::shared_ptr<ShimChannel> self, bool watch,
                                     net::Until until);
    void take(const container::FrameDecoder::Item& item);
    void take_answer(Result<void> answer);
    class Asking;

    net::StreamPtr stream_;
    container::FrameDecoder decoder_;
    container::ShimState state_;
    std::optional<container::ShimExit> exit_;
    std::deque<Result<void>> answers_;
    std::size_t late_ = 0;    ///< answers to come for commands that nobody waits for any more
    bool unwritable_ = false; ///< a command was written in part
    bool ended_ = false;
    net::WaitQueue changed_;
    net::Lock requests_;
};

} // namespace shoal::engine
