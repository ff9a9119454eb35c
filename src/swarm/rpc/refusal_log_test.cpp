#include "swarm/rpc/refusal_log.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using std::chrono::seconds;
using Lines = std::vector<std::string>;

const Error no_tls{Errc::Invalid, "handshake: wrong version number"};
const Error expired{Errc::Unauthorized, "certificate: expired"};

Steady at(int second) { return Steady(seconds(1000 + second)); }

TEST(RefusalLog, a_flood_is_one_line_a_minute_with_a_count) {
    RefusalLog log;
    EXPECT_EQ(log.refused("10.0.0.9:40001", no_tls, at(0)),
              Lines{"swarm: refused 10.0.0.9: handshake: wrong version number"});
    std::size_t said = 0;
    for (int i = 0; i < 5990; ++i) { // 100 a second
        said += log.refused("10.0.0.9:" + std::to_string(40000 + i), no_tls, at(i / 100)).size();
    }
    EXPECT_EQ(said, 0U);
    EXPECT_EQ(log.refused("10.0.0.9:1", expired, at(60)),
              Lines{"swarm: refused 10.0.0.9 5990 more times, the last one: handshake: wrong "
                    "version number"});
    EXPECT_EQ(log.due(at(119)), Lines());
    EXPECT_EQ(log.due(at(120)),
              Lines{"swarm: refused 10.0.0.9 1 more time, the last one: certificate: expired"});
}

TEST(RefusalLog, who_comes_rarely_is_told_every_time) {
    RefusalLog log;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(log.refused("10.0.0.9:1", expired, at(60 * i)),
                  Lines{"swarm: refused 10.0.0.9: certificate: expired"});
        EXPECT_EQ(log.due(at(60 * i + 59)), Lines());
    }
    EXPECT_EQ(log.due(at(600)), Lines());
    EXPECT_EQ(log.sources(), 0U);
}

TEST(RefusalLog, sources_do_not_hide_each_other) {
    RefusalLog log;
    log.refused("10.0.0.9:1", no_tls, at(0));
    log.refused("10.0.0.9:1", no_tls, at(1));
    EXPECT_EQ(log.refused("10.0.0.8:1", expired, at(2)),
              Lines{"swarm: refused 10.0.0.8: certificate: expired"});
}

TEST(RefusalLog, many_sources_are_counted_together) {
    RefusalLog log({seconds(60), 2});
    log.refused("10.0.0.1:1", no_tls, at(0));
    log.refused("10.0.0.2:1", no_tls, at(0));
    EXPECT_EQ(log.refused("10.0.0.3:7", expired, at(1)),
              Lines{"swarm: refused 10.0.0.3:7: certificate: expired"});
    for (int i = 4; i < 200; ++i) {
        EXPECT_EQ(log.refused("10.0.0." + std::to_string(i) + ":1", no_tls, at(2)), Lines());
    }
    EXPECT_EQ(log.sources(), 3U);
    EXPECT_EQ(log.due(at(61)), Lines{"swarm: refused others 196 more times, the last one: "
                                     "handshake: wrong version number"});
}

TEST(RefusalLog, an_ipv6_site_is_one_source) {
    EXPECT_EQ(refusal_source("10.1.2.3:4"), "10.1.2.3");
    EXPECT_EQ(refusal_source("[2001:db8:1:2:3:4:5:6]:80"), "2001:db8:1:2::/64");
    EXPECT_EQ(refusal_source("[2001:db8:1:2::1]:81"), "2001:db8:1:2::/64");
    EXPECT_EQ(refusal_source("[::ffff:10.1.2.3]:81"), "::ffff:10.1.2.3");
    EXPECT_EQ(refusal_source("somewhere"), "somewhere");
}

} // namespace
} // namespace shoal::swarm
