#include "cli/ipam_options.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

std::string failure(const IpamOptions& options) {
    auto result = ipam_config(options);
    return result ? "none: " + result->dump() : result.error().message;
}

TEST(IpamOptions, gives_every_subnet_what_lies_in_it) {
    IpamOptions options;
    options.subnets = {"10.9.0.0/24", "fd00:9::/64"};
    options.gateways = {"fd00:9::1", "10.9.0.1"};
    options.ranges = {"10.9.0.128/25"};
    options.auxiliary = {{"a", "10.9.0.3"}, {"b", "10.9.0.4"}};
    EXPECT_EQ(
        ipam_config(options)->dump(),
        R"([{"Subnet":"10.9.0.0/24","IPRange":"10.9.0.128/25","Gateway":"10.9.0.1","AuxiliaryAddresses":{"a":"10.9.0.3","b":"10.9.0.4"}},)"
        R"({"Subnet":"fd00:9::/64","Gateway":"fd00:9::1"}])");
    EXPECT_EQ(ipam_config({})->dump(), "[]");
    EXPECT_EQ(ipam_config({{"nonsense"}, {}, {}, {}})->dump(),
              R"([{"Subnet":"nonsense"}])"); // the daemon will say what is wrong
}

TEST(IpamOptions, says_what_belongs_nowhere) {
    EXPECT_EQ(failure({{}, {}, {"1.2.3.4"}, {}}),
              "every ip-range or gateway must have a corresponding subnet");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {}, {"1.2.3.4"}, {}}),
              "no matching subnet for gateway 1.2.3.4");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {"10.1.0.0/16"}, {}, {}}),
              "no matching subnet for range 10.1.0.0/16");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {"bad"}, {}, {}}), "invalid CIDR address: bad");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {}, {"bad"}, {}}), "no matching subnet for gateway bad");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {}, {}, {{"a", "1.2.3.4"}}}),
              "no matching subnet for aux-address 1.2.3.4");
    EXPECT_EQ(failure({{"10.0.0.0/24"}, {}, {}, {{"a", ""}}}),
              "no matching subnet for aux-address ");
    EXPECT_EQ(failure({{"bad"}, {}, {"1.2.3.4"}, {}}), "invalid subnet: invalid CIDR address: bad");
}

TEST(IpamOptions, refuses_what_contradicts_itself) {
    EXPECT_EQ(failure({{"10.0.0.0/24", "10.0.0.0/16"}, {}, {}, {}}),
              "multiple overlapping subnet configuration is not supported");
    EXPECT_EQ(
        failure({{"10.0.0.0/16", "10.1.0.0/16"}, {}, {"10.0.0.1", "10.0.0.2"}, {}}),
        "cannot configure multiple gateways (10.0.0.2, 10.0.0.1) for the same subnet (10.0.0.0/16)");
    EXPECT_EQ(
        failure({{"10.0.0.0/16", "10.1.0.0/16"}, {"10.0.1.0/24", "10.0.2.0/24"}, {}, {}}),
        "cannot configure multiple ranges (10.0.2.0/24, 10.0.1.0/24) on the same subnet (10.0.0.0/16)");
}

} // namespace
} // namespace shoal::cli
