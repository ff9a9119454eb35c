#include "swarm/store/etcd_upkeep.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr std::chrono::seconds calm_pause(60);
constexpr std::chrono::seconds full_pause(5);
constexpr std::chrono::seconds call_limit(30);
constexpr std::chrono::seconds rewrite_limit(300); ///< of gigabytes on a slow disk

bool is_full(const LogStatus& status) {
    const auto& alarms = status.alarms;
    return std::find(alarms.begin(), alarms.end(), "NOSPACE") != alarms.end();
}

/// The revision at which the log is now.
net::Task<Result<std::int64_t>> revision_of(EtcdLog& log, net::Until until) {
    CO_TRY_LET(listing, co_await log.list("/", until));
    co_return listing.revision;
}

} // namespace

EtcdCare plan_care(const LogStatus& status, std::int64_t quota_bytes) {
    EtcdCare care;
    const std::int64_t size = status.database_bytes;
    if (!is_full(status)) {
        care.defragment = size >= defragment_bytes_min && status.in_use_bytes * 2 <= size;
        return care;
    }
    const std::int64_t wanted = quota_bytes / 10 * 9;
    care.compact = status.leads() && size > wanted;
    care.defragment = size > wanted && status.in_use_bytes < size / 10 * 9;
    care.clear_alarms = status.leads() && size <= wanted;
    return care;
}

std::chrono::seconds care_pause(const LogStatus& status) {
    return is_full(status) ? full_pause : calm_pause;
}

net::Task<Result<void>> tend_etcd(net::Loop& loop, EtcdLog& log, std::int64_t quota_bytes,
                                  net::Until until) {
    const net::Until limit = until.no_later_than(loop.in(call_limit));
    CO_TRY_LET(status, co_await log.status(limit));
    EtcdCare care = plan_care(status, quota_bytes);
    if (care.compact) {
        CO_TRY_LET(revision, co_await revision_of(log, limit));
        CO_TRY(co_await log.compact(revision, limit));
        CO_TRY_LET(compacted, co_await log.status(limit));
        care = plan_care(compacted, quota_bytes);
    }
    if (care.defragment) {
        CO_TRY(co_await log.defragment(until.no_later_than(loop.in(rewrite_limit))));
        const net::Until again = until.no_later_than(loop.in(call_limit));
        CO_TRY_LET(rewritten, co_await log.status(again));
        care = plan_care(rewritten, quota_bytes);
    }
    if (care.clear_alarms) {
        CO_TRY(co_await log.clear_space_alarms(until.no_later_than(loop.in(call_limit))));
    }
    co_return ok();
}

} // namespace shoal::swarm
