#include "engine/links.h"

#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

TEST(Links, tell_address_ports_name_and_environment) {
    container::Config linked;
    linked.exposed_ports["5432/tcp"];
    linked.env = {"PATH=/bin", "USER=me"};
    EXPECT_EQ(link_environment("web", "my-db", linked, "172.17.0.2"),
              (std::vector<std::string>{
                  "MY_DB_PORT=tcp://172.17.0.2:5432", "MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432",
                  "MY_DB_PORT_5432_TCP_ADDR=172.17.0.2", "MY_DB_PORT_5432_TCP_PORT=5432",
                  "MY_DB_PORT_5432_TCP_PROTO=tcp", "MY_DB_NAME=/web/my-db", "MY_DB_ENV_USER=me"}));
}

TEST(Links, tell_nothing_without_an_address) {
    EXPECT_TRUE(link_environment("web", "db", {}, "").empty());
}

} // namespace
} // namespace shoal::engine
