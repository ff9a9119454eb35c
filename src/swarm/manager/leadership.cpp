#include "swarm/manager/leadership.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {
constexpr std::chrono::milliseconds beat(100);
constexpr std::chrono::milliseconds leaderless_beat(20); ///< an election takes tenths of a second
constexpr std::chrono::seconds status_limit(2);
/// So long without an answer of our own member, and we no longer count as leader.
constexpr std::chrono::seconds silence_max(3);
} // namespace

Leadership::Leadership(net::Loop& loop, Log& log, LeaderWriter& writer, LeaderDuties& duties,
                       std::string node_id)
    : loop_(loop), log_(log), writer_(writer), duties_(duties), node_id_(std::move(node_id)),
      look_(loop) {}

net::Task<void> Leadership::lead(net::Cancel* cancel) {
    bool began = false;
    const auto begin = [this, &began] {
        began = true;
        duties_.began();
    };
    std::function<void()> told = begin;
    const net::Until until(*cancel);
    const auto outcome =
        co_await writer_.lead(node_id_, duties_.reconcilers(), std::move(told), until);
    (void)outcome; // whoever leads now shows in the next status
    if (began) { co_await duties_.ended(); }
    leading_ = false;
}

void Leadership::take(Result<LogStatus> status) {
    const std::string before = status_ ? status_->leader_id : "";
    status_.reset();
    if (status) { status_ = std::move(*status); }
    if ((status_ ? status_->leader_id : "") != before) { duties_.leader_changed(); }
}

net::Task<Result<void>> Leadership::run(net::Until until) {
    std::unique_ptr<net::TaskScope> office;
    auto heard = loop_.now();
    while (!until.cancelled()) {
        const net::Until limit = until.no_later_than(loop_.in(status_limit));
        auto status = co_await log_.status(limit);
        if (status) { heard = loop_.now(); }
        const bool silent = !status && loop_.now() - heard > silence_max;
        if (status || silent) { take(std::move(status)); }
        const bool should = status_ && status_->leads();
        if (office && (!should || !leading_)) {
            co_await office->close();
            office.reset();
        }
        if (should && !office && !until.cancelled()) {
            office = std::make_unique<net::TaskScope>(loop_);
            leading_ = true;
            office->spawn(lead(&office->cancel()));
        }
        const bool leaderless = status_ && status_->leader_id.empty();
        const auto pause = leaderless ? leaderless_beat : beat;
        (void)co_await look_.wait(until.no_later_than(loop_.in(pause)));
    }
    if (office) { co_await office->close(); }
    co_return ok();
}

} // namespace shoal::swarm
