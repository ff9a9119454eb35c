// Times as protobuf has them.
#pragma once

#include "base/time.h"
#include "control.pb.h"

namespace shoal::buildkit {

inline void set_time(moby::buildkit::v1::Timestamp& into, Instant at) {
    const std::int64_t nanos = unix_nanos(at);
    std::int64_t seconds = nanos / 1'000'000'000;
    std::int64_t rest = nanos % 1'000'000'000;
    if (rest < 0) {
        rest += 1'000'000'000;
        --seconds;
    }
    into.set_seconds(seconds);
    into.set_nanos(static_cast<std::int32_t>(rest));
}

} // namespace shoal::buildkit
