// What the tests of control share: a store, a transaction, and specifications that pass every
// check. For tests only.
#pragma once

#include "swarm/manager/control/services.h"

#include <gtest/gtest.h>

namespace shoal::swarm {

struct CountingRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = static_cast<std::uint8_t>(next = next * 5 + 3); }
    }
    unsigned next = 1;
};

struct ControlTest : testing::Test {
    Store store;
    CountingRandom random;
    Instant now{std::chrono::seconds(1'000'000)};
    Tx tx{store, now, random};

    static pb::ServiceSpec web(const std::string& name = "web") {
        pb::ServiceSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.mutable_task()->mutable_container()->set_image("nginx:1");
        spec.mutable_replicated()->set_replicas(2);
        return spec;
    }
    static pb::PortConfig* publish(pb::ServiceSpec& spec, std::uint32_t port,
                                   pb::PortConfig::PublishMode mode = pb::PortConfig::INGRESS) {
        auto* made = spec.mutable_endpoint()->add_ports();
        made->set_target_port(80);
        made->set_published_port(port);
        made->set_publish_mode(mode);
        return made;
    }
    pb::Node node(const std::string& id, pb::NodeRole role) {
        pb::Node made;
        made.set_id(id);
        made.set_role(role);
        made.mutable_spec()->set_desired_role(role);
        made.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
        made.mutable_status()->set_state(pb::NodeStatus::READY);
        if (role == pb::MANAGER) {
            made.mutable_manager_status()->set_reachability(pb::RaftMemberStatus::REACHABLE);
        }
        return made;
    }
    void allow_privileged() {
        pb::Cluster cluster;
        cluster.set_id("cluster");
        cluster.mutable_spec()->mutable_policy()->set_allow_privileged(true);
        tx.put(cluster);
    }
};

/// The message of a failure, "" for success.
template <class T> std::string error_of(const Result<T>& result) {
    return result ? std::string() : result.error().message;
}
template <class T> Errc code_of(const Result<T>& result) { return result.error().code; }

} // namespace shoal::swarm
