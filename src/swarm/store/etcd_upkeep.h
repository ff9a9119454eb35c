// What keeps an etcd member small and able to write: when to forget history, when to give the disk
// back what that freed, when to take back the alarm that there is no space. Pure but for
// tend_etcd(); what is forgotten is only history, never a value.
#pragma once

#include "swarm/store/etcd_log.h"

namespace shoal::swarm {

struct EtcdCare {
    bool compact = false;    ///< forget all history; the leader's
    bool defragment = false; ///< this member answers nothing meanwhile
    bool clear_alarms = false;
};
/// Files smaller than this are left alone.
inline constexpr std::int64_t defragment_bytes_min = std::int64_t{64} << 20;

/// What is due. A full store is compacted first, and its alarm taken back once the file is well
/// below `quota_bytes`; otherwise a file is rewritten that is mostly empty.
EtcdCare plan_care(const LogStatus& status, std::int64_t quota_bytes);
/// Until that is looked at again.
std::chrono::seconds care_pause(const LogStatus& status);

/// Does what is due, once. What cannot be done now is due the next time.
net::Task<Result<void>> tend_etcd(net::Loop& loop, EtcdLog& log, std::int64_t quota_bytes,
                                  net::Until until);

} // namespace shoal::swarm
