// A small cluster in memory for tests of the API: a store, its objects by a line each, and a face
// that writes into it. For tests only.
#pragma once

#include "swarm/manager/control/face.h"

#include <deque>

namespace shoal::api {

struct TestRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = static_cast<std::uint8_t>(next = next * 5 + 3); }
    }
    unsigned next = 1;
};

struct TestCluster {
    swarm::Store store;
    TestRandom random;
    Instant now{std::chrono::seconds(1'000'000)};

    template <class T> swarm::Ptr<T> put(T object) {
        swarm::Tx tx(store, now, random);
        return tx.put(std::move(object));
    }
    void cluster() {
        swarm::pb::Cluster made;
        made.set_id("cluster1");
        made.mutable_spec()->mutable_annotations()->set_name("default");
        made.mutable_root_ca()->mutable_join_tokens()->set_worker("SWMTKN-w");
        put(made);
    }
    swarm::pb::Node node(const std::string& id, const std::string& host,
                         swarm::pb::NodeRole role = swarm::pb::WORKER) {
        swarm::pb::Node made;
        made.set_id(id);
        made.set_role(role);
        made.mutable_spec()->set_desired_role(role);
        made.mutable_spec()->set_membership(swarm::pb::NodeSpec::ACCEPTED);
        made.mutable_description()->set_hostname(host);
        made.mutable_status()->set_state(swarm::pb::NodeStatus::READY);
        put(made);
        return made;
    }
    swarm::pb::Service service(const std::string& id, const std::string& name) {
        swarm::pb::Service made;
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name(name);
        made.mutable_spec()->mutable_task()->mutable_container()->set_image("nginx");
        made.mutable_spec()->mutable_replicated()->set_replicas(1);
        made.mutable_spec_version()->set_index(1);
        put(made);
        return made;
    }
    swarm::pb::Task task(const std::string& id, const swarm::pb::Service& service, int slot,
                         const std::string& node) {
        swarm::pb::Task made;
        made.set_id(id);
        made.set_service_id(service.id());
        made.set_slot(static_cast<std::uint64_t>(slot));
        made.set_node_id(node);
        *made.mutable_spec() = service.spec().task();
        *made.mutable_spec_version() = service.spec_version();
        *made.mutable_service_annotations() = service.spec().annotations();
        made.mutable_status()->set_state(swarm::pb::RUNNING);
        made.set_desired_state(swarm::pb::RUNNING);
        put(made);
        return made;
    }
    swarm::pb::Network network(const std::string& id, const std::string& name) {
        swarm::pb::Network made;
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name(name);
        made.mutable_spec()->mutable_driver_config()->set_name("overlay");
        put(made);
        return made;
    }
};

} // namespace shoal::api
