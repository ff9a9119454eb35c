// Operations on a cluster over HTTP, from the request to the answer, with a cluster in memory.
#include "api/call.h"
#include "api/daemon.h"
#include "api/dispatch.h"
#include "api/meters.h"
#include "api/swarm_test_face.h"
#include "build/builder.h"
#include "buildkit/session.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/http_client.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::LocalState;

struct Folder {
    std::string path = [] {
        char name[] = "/tmp/shoal-api-XXXXXX";
        return std::string(mkdtemp(name));
    }();
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

engine::Settings settings_in(const std::string& folder) {
    engine::Settings settings;
    settings.data_root = folder;
    settings.exec_root = folder + "/run";
    return settings;
}

struct Answer {
    int status = 0;
    std::string body;
    net::Headers headers;
    Json json() const { return parse_json(body).value_or(Json()); }
    std::string message() const { return json().value("message", ""); }
};

net::Task<Result<net::ClientResponse>> send(net::HttpClient& client, net::ClientRequest request) {
    const net::Until until(Deadline::in(std::chrono::seconds(20)));
    co_return co_await client.request(std::move(request), until);
}

/// A daemon whose engine was never started, with the routes that this is about.
class SwarmRoutesTest : public testing::Test {
  protected:
    SwarmRoutesTest()
        : server_(loop_, [this](net::Exchange& exchange) { return dispatcher_.answer(exchange); }) {
        add_system_routes(router_);
        add_network_routes(router_);
        add_swarm_routes(router_);
        daemon_.swarm = &face;
        auto listener = net::Listener::listen_tcp(loop_, "127.0.0.1", 0);
        EXPECT_TRUE(listener);
        address_ = *net::parse_address((*listener)->text());
        server_.serve(std::move(*listener));
    }
    Answer ask(const std::string& method, const std::string& target, const std::string& body = "",
               net::Headers headers = {}) {
        net::HttpClient client(loop_, address_);
        net::ClientRequest request;
        request.method = method;
        request.target = target;
        request.headers = std::move(headers);
        if (!body.empty()) { request.headers.set("Content-Type", "application/json"); }
        request.body = body;
        auto got = net::run_task(loop_, send(client, std::move(request)));
        if (!got) { return {0, got.error().message, {}}; }
        return {got->status, got->body, got->headers};
    }
    std::string create(const std::string& body) {
        return ask("POST", "/services/create", body).json().value("ID", "");
    }
    static constexpr auto web =
        R"({"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"nginx"}}})";

    FakeFace face;

  private:
    Folder folder_;
    net::Loop loop_;
    os::SystemClock clock_;
    net::Pool pool_{loop_, 2};
    net::Pool storage_pool_{loop_, 2};
    engine::Settings settings_ = settings_in(folder_.path);
    engine::Store store_ = *engine::Store::open(folder_.path + "/engine.db");
    engine::Events events_{loop_, clock_};
    engine::Env env_{loop_, pool_, storage_pool_, settings_, clock_, face.random, store_, events_};
    engine::Engine engine_{env_};
    build::Builder builder_{engine_};
    buildkit::Sessions sessions_{loop_, pool_};
    Meters meters_;

  protected:
    Daemon daemon_{engine_, builder_, sessions_, settings_, clock_, meters_};

  private:
    Router router_;
    Dispatcher dispatcher_{daemon_, router_};
    net::Address address_;
    net::HttpServer server_;
};

TEST_F(SwarmRoutesTest, outside_a_swarm_every_operation_says_so) {
    for (const char* path : {"/services", "/nodes/x", "/tasks", "/secrets", "/configs/x", "/swarm",
                             "/swarm/unlockkey", "/services/x/logs?stdout=1"}) {
        const auto answer = ask("GET", path);
        EXPECT_EQ(answer.status, 503) << path;
        EXPECT_TRUE(answer.message().starts_with("This node is not a swarm manager. Use \"docker"))
            << path << answer.body;
    }
    EXPECT_EQ(ask("POST", "/services/create", web).status, 503);
    EXPECT_EQ(ask("POST", "/swarm/leave").message(), "This node is not part of a swarm");
    EXPECT_EQ(ask("POST", "/swarm/unlock", "{}").message(), "This node is not part of a swarm");
    const auto overlay = ask("POST", "/networks/create", R"({"Name":"o","Driver":"overlay"})");
    EXPECT_EQ(overlay.status, 403);
    EXPECT_TRUE(overlay.message().starts_with("This node is not a swarm manager."));
}

TEST_F(SwarmRoutesTest, a_daemon_without_the_cluster_part_is_outside_a_swarm) {
    daemon_.swarm = nullptr;
    EXPECT_EQ(ask("GET", "/services").status, 503);
    EXPECT_EQ(ask("POST", "/services/create", web).status, 503);
    EXPECT_EQ(ask("POST", "/swarm/init", "{}").status, 501);
    EXPECT_EQ(ask("POST", "/swarm/join", R"({"RemoteAddrs":["x"]})").status, 501);
    EXPECT_EQ(ask("POST", "/swarm/leave").status, 503);
    EXPECT_EQ(ask("GET", "/_ping").headers.get_or("Swarm", ""), "inactive");
    EXPECT_EQ(ask("GET", "/networks").status, 200);
}

TEST_F(SwarmRoutesTest, a_swarm_is_begun_once) {
    const auto begun = ask("POST", "/swarm/init", R"({"ListenAddr":"0.0.0.0:2377"})");
    EXPECT_EQ(begun.status, 200);
    EXPECT_EQ(begun.json(), "n1");
    EXPECT_EQ(face.inited->listen_addr, "0.0.0.0:2377");
    const auto again = ask("POST", "/swarm/init", "{}");
    EXPECT_EQ(again.status, 503);
    EXPECT_TRUE(again.message().starts_with("This node is already part of a swarm"));
    EXPECT_EQ(ask("POST", "/swarm/join", R"({"RemoteAddrs":["x"]})").status, 503);
    EXPECT_EQ(ask("GET", "/_ping").headers.get_or("Swarm", ""), "active/manager");
    EXPECT_EQ(ask("GET", "/swarm").json()["JoinTokens"]["Worker"], "SWMTKN-w");
    EXPECT_EQ(ask("POST", "/swarm/leave?force=1").status, 200);
    EXPECT_EQ(face.left, true);
}

TEST_F(SwarmRoutesTest, wrong_settings_begin_nothing) {
    const auto refused =
        ask("POST", "/swarm/init", R"({"Spec":{"CAConfig":{"NodeCertExpiry":1000}}})");
    EXPECT_EQ(refused.status, 400);
    const auto overlapping =
        ask("POST", "/swarm/init", R"({"DefaultAddrPool":["10.0.0.0/8","10.1.0.0/16"]})");
    EXPECT_EQ(overlapping.status, 400);
    EXPECT_EQ(overlapping.message(),
              "invalid base pool \"10.1.0.0/16\": it overlaps with 10.0.0.0/8");
    EXPECT_EQ(ask("POST", "/swarm/init", R"({"SubnetSize":30})").message(),
              "subnet size is out of range: 30");
    EXPECT_EQ(ask("POST", "/swarm/init", R"({"DataPathPort":80})").message(),
              "Datapath port number is not in valid range (1024-49151) : 80");
    EXPECT_FALSE(face.inited);
}

TEST_F(SwarmRoutesTest, a_locked_manager_is_unlocked) {
    face.own.state = LocalState::Locked;
    EXPECT_TRUE(ask("GET", "/nodes").message().starts_with("Swarm is encrypted and needs"));
    EXPECT_EQ(ask("POST", "/swarm/unlock", R"({"UnlockKey":"SWMKEY-1-a"})").status, 200);
    EXPECT_EQ(face.unlocked, "SWMKEY-1-a");
    face.become_manager();
    const auto not_locked = ask("POST", "/swarm/unlock", R"({"UnlockKey":"x"})");
    EXPECT_EQ(not_locked.status, 409);
    EXPECT_EQ(not_locked.message(), "swarm is not locked");
    EXPECT_EQ(ask("GET", "/swarm/unlockkey").json()["UnlockKey"], "SWMKEY-1-x");
}

TEST_F(SwarmRoutesTest, settings_and_tokens_are_changed_by_version) {
    face.become_manager();
    EXPECT_EQ(ask("POST", "/swarm/update?version=x", "{}").status, 400);
    const auto late = ask("POST", "/swarm/update?version=7", "{}");
    EXPECT_EQ(late.status, 500);
    EXPECT_EQ(late.message(), "update out of sequence");
    EXPECT_EQ(ask("POST", "/swarm/update?version=0&rotateWorkerToken=true",
                  R"({"Orchestration":{"TaskHistoryRetentionLimit":2}})")
                  .status,
              200);
    const auto json = ask("GET", "/swarm").json();
    EXPECT_EQ(json["JoinTokens"]["Worker"], "SWMTKN-new");
    EXPECT_EQ(json["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"], 2);
}

TEST_F(SwarmRoutesTest, a_service_lives) {
    face.become_manager();
    const auto made = ask("POST", "/services/create", web);
    EXPECT_EQ(made.status, 201);
    const auto id = made.json().value("ID", "");
    EXPECT_EQ(made.body, R"({"ID":")" + id + R"(","Warnings":null})" + "\n");
    EXPECT_EQ(ask("POST", "/services/create", web).status, 409);
    auto shown = ask("GET", "/services/web").json();
    EXPECT_EQ(shown["ID"], id);
    EXPECT_EQ(shown["Version"]["Index"], 1);
    EXPECT_FALSE(shown["Spec"].contains("UpdateConfig"));
    EXPECT_TRUE(
        ask("GET", "/services/web?insertDefaults=true").json()["Spec"].contains("UpdateConfig"));
    auto spec = shown["Spec"];
    spec["Mode"]["Replicated"]["Replicas"] = 3;
    const auto updated = ask("POST", "/services/web/update?version=1", spec.dump());
    EXPECT_EQ(updated.status, 200);
    EXPECT_EQ(updated.body, "{\"Warnings\":null}\n");
    const auto listed = ask("GET", "/services?status=true").json();
    EXPECT_EQ(listed[0]["ServiceStatus"]["DesiredTasks"], 3);
    EXPECT_FALSE(ask("GET", "/services").json()[0].contains("ServiceStatus"));
    EXPECT_EQ(ask("POST", "/services/web/update?version=2&rollback=previous", spec.dump()).status,
              200);
    EXPECT_EQ(ask("GET", "/services/web").json()["Spec"]["Mode"]["Replicated"]["Replicas"], 1);
    EXPECT_EQ(ask("POST", "/services/web/update?version=3&rollback=next", spec.dump()).message(),
              "unrecognized rollback option next");
    const auto removed = ask("DELETE", "/services/web");
    EXPECT_EQ(removed.status, 200);
    EXPECT_EQ(removed.body, "");
    const auto gone = ask("GET", "/services/web");
    EXPECT_EQ(gone.status, 404);
    EXPECT_EQ(gone.message(), "service web not found");
}

TEST_F(SwarmRoutesTest, a_service_without_a_name_gets_one) {
    face.become_manager();
    const auto id = create(R"({"TaskTemplate":{"ContainerSpec":{"Image":"nginx"}}})");
    EXPECT_FALSE(ask("GET", "/services/" + id).json()["Spec"].value("Name", "").empty());
}

TEST_F(SwarmRoutesTest, credentials_come_by_header_and_stay) {
    face.become_manager();
    const auto auth = [this] {
        return face.TestCluster::store.by_name<pb::Service>("web")
            ->spec()
            .task()
            .container()
            .pull_options()
            .registry_auth();
    };
    ask("POST", "/services/create", web, {{"X-Registry-Auth", "one"}});
    EXPECT_EQ(auth(), "one");
    ask("POST", "/services/web/update?version=1", web);
    EXPECT_EQ(auth(), "one");
    ask("POST", "/services/web/update?version=2", web, {{"X-Registry-Auth", "two"}});
    EXPECT_EQ(auth(), "two");
    ask("POST", "/services/web/update?version=3&registryAuthFrom=previous-spec", web);
    EXPECT_EQ(auth(), "one");
    EXPECT_EQ(ask("POST", "/services/web/update?version=4&registryAuthFrom=x", web).status, 400);
    EXPECT_EQ(ask("GET", "/services/web").body.find("one"), std::string::npos);
}

TEST_F(SwarmRoutesTest, secrets_and_configs_live) {
    face.become_manager();
    const auto made = ask("POST", "/secrets/create", R"({"Name":"key","Data":"eHg="})");
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(ask("GET", "/secrets/key").json()["Spec"].dump(), R"({"Name":"key","Labels":{}})");
    EXPECT_EQ(
        ask("POST", "/secrets/key/update?version=1", R"({"Name":"key","Labels":{"a":"b"}})").status,
        200);
    EXPECT_EQ(ask("GET", "/secrets").json()[0]["Spec"]["Labels"]["a"], "b");
    EXPECT_EQ(ask("DELETE", "/secrets/key").status, 204);
    EXPECT_EQ(ask("DELETE", "/secrets/key").status, 404);
    EXPECT_EQ(ask("POST", "/configs/create", R"({"Name":"c","Data":"eHg="})").status, 201);
    EXPECT_EQ(ask("GET", "/configs/c").json()["Spec"]["Data"], "eHg=");
    EXPECT_EQ(ask("DELETE", "/configs/c").status, 204);
}

TEST_F(SwarmRoutesTest, nodes_are_changed_and_removed) {
    face.become_manager();
    face.node("n1", "alpha", pb::MANAGER);
    face.node("n2", "beta");
    EXPECT_EQ(ask("GET", "/nodes").json().size(), 2u);
    EXPECT_EQ(
        ask("POST", "/nodes/beta/update?version=0", R"({"Role":"worker","Availability":"drain"})")
            .status,
        200);
    EXPECT_EQ(ask("GET", "/nodes/beta").json()["Spec"]["Availability"], "drain");
    EXPECT_EQ(ask("DELETE", "/nodes/beta").status, 400);
    EXPECT_EQ(ask("DELETE", "/nodes/beta?force=true").status, 200);
    EXPECT_EQ(ask("GET", "/nodes/beta").message(), "node beta not found");
    EXPECT_EQ(
        ask("POST", "/nodes/n1/update?version=0", R"({"Role":"worker","Availability":"active"})")
            .message(),
        "attempting to demote the last manager of the swarm");
}

TEST_F(SwarmRoutesTest, tasks_are_listed_and_found_by_name) {
    face.become_manager();
    const auto service = face.service("s1", "web");
    face.task("t1", service, 1, "n1");
    EXPECT_EQ(ask("GET", "/tasks").json()[0]["ID"], "t1");
    EXPECT_EQ(ask("GET", "/tasks/web.1.t1").json()["ServiceID"], "s1");
    EXPECT_EQ(ask("GET", "/tasks/none").message(), "task none not found");
}

TEST_F(SwarmRoutesTest, a_manager_that_does_not_lead_reads_itself_and_passes_the_rest_on) {
    face.become_manager();
    face.service("s1", "web");
    face.leading = false;
    face.answer_status = 201;
    face.answer_body = R"({"ID":"from the leader"})";
    EXPECT_EQ(ask("GET", "/services/web").status, 200);
    EXPECT_TRUE(face.forwarded.empty());
    const auto answer = ask("POST", "/v1.50/services/create?x=1", web, {{"X-Registry-Auth", "a"}});
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, face.answer_body);
    ASSERT_EQ(face.forwarded.size(), 1u);
    EXPECT_EQ(face.forwarded[0].method, "POST");
    EXPECT_EQ(face.forwarded[0].target, "/v1.50/services/create?x=1");
    EXPECT_EQ(face.forwarded[0].body, web);
    EXPECT_EQ(face.forwarded[0].headers.get_or("X-Registry-Auth", ""), "a");
    EXPECT_EQ(face.forwarded[0].headers.get_or("Content-Type", ""), "application/json");
}

TEST_F(SwarmRoutesTest, a_request_is_passed_on_once) {
    face.become_manager();
    face.leading = false;
    const auto answer = ask("DELETE", "/services/web", "", {{"X-Shoal-Forwarded", "1"}});
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(face.forwarded.empty());
}

TEST_F(SwarmRoutesTest, empty_answers_and_streams_come_back_from_the_leader) {
    face.become_manager();
    face.leading = false;
    face.answer_status = 204;
    face.answer_type = "";
    EXPECT_EQ(ask("DELETE", "/secrets/x").status, 204);
    face.answer_status = 200;
    face.answer_type = "application/vnd.docker.multiplexed-stream";
    face.answer_body = "frames";
    const auto logs = ask("GET", "/services/x/logs?stdout=1");
    EXPECT_EQ(logs.body, "frames");
    EXPECT_EQ(logs.headers.get_or("Content-Type", ""), face.answer_type);
}

TEST_F(SwarmRoutesTest, logs_come_in_frames_with_their_origin) {
    face.become_manager();
    face.service("s1", "web");
    pb::LogMessage line;
    line.set_data("hello");
    line.set_stream(pb::LOG_STREAM_STDOUT);
    line.mutable_context()->set_task_id("t1");
    face.log_lines.push_back(line);
    const auto logs = ask("GET", "/services/web/logs?stdout=1&stderr=1&details=1&tail=5&follow=1");
    EXPECT_EQ(logs.status, 200);
    EXPECT_EQ(logs.body.substr(0, 4), std::string("\x01\0\0\0", 4));
    EXPECT_NE(logs.body.find("com.docker.swarm.task.id=t1 hello\n"), std::string::npos);
    EXPECT_EQ(face.selector.service_ids(0), "s1");
    EXPECT_EQ(face.log_options.streams_size(), 2);
    EXPECT_EQ(face.log_options.tail(), -6);
    EXPECT_TRUE(face.log_options.follow());
    EXPECT_EQ(ask("GET", "/services/web/logs").status, 400);
    EXPECT_EQ(ask("GET", "/services/none/logs?stdout=1").status, 404);
    face.log_lines.clear();
    face.log_error = internal("warning: incomplete log stream");
    EXPECT_NE(ask("GET", "/services/web/logs?stdout=1")
                  .body.find("Error grabbing logs: warning: incomplete log stream\n"),
              std::string::npos);
}

TEST_F(SwarmRoutesTest, overlay_networks_are_made_shown_and_removed) {
    face.become_manager();
    const auto made =
        ask("POST", "/networks/create",
            R"({"Name":"back","Driver":"overlay","Attachable":true,"ConfigFrom":null,)"
            R"("IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"10.9.0.0/24"}]},)"
            R"("Options":{"encrypted":""},"Labels":{"a":"b"}})");
    EXPECT_EQ(made.status, 201) << made.body;
    const auto shown = ask("GET", "/networks/back?scope=swarm").json();
    EXPECT_EQ(shown["Id"], made.json()["Id"]);
    EXPECT_EQ(shown["Driver"], "overlay");
    EXPECT_EQ(shown["Attachable"], true);
    EXPECT_EQ(shown["IPAM"]["Config"][0]["Subnet"], "10.9.0.0/24");
    EXPECT_EQ(ask("GET", "/networks").json().back()["Name"], "back");
    EXPECT_EQ(ask("GET", R"(/networks?filters={"scope":["local"]})").body.find("back"),
              std::string::npos);
    EXPECT_EQ(ask("GET", "/networks/back?scope=local").status, 404);
    EXPECT_EQ(ask("POST", "/networks/create", R"({"Name":"back","Driver":"overlay"})").status, 409);
    EXPECT_EQ(ask("POST", "/networks/create", R"({"Name":"back","Driver":"bridge"})").status, 409);
    create(
        R"({"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a"},"Networks":[{"Target":"back"}]}})");
    EXPECT_EQ(ask("DELETE", "/networks/back").status, 400);
    EXPECT_EQ(ask("POST", "/networks/prune").json()["NetworksDeleted"], nullptr);
    ask("DELETE", "/services/web");
    EXPECT_EQ(ask("POST", "/networks/prune").json()["NetworksDeleted"].dump(), R"(["back"])");
    EXPECT_EQ(ask("GET", "/networks/back").status, 404);
}

TEST_F(SwarmRoutesTest, a_follower_removes_networks_through_the_leader) {
    face.become_manager();
    face.network("o1", "back");
    face.leading = false;
    face.answer_status = 204;
    EXPECT_EQ(ask("DELETE", "/networks/back").status, 204);
    EXPECT_EQ(face.forwarded.back().target, "/networks/o1");
    face.answer_status = 400;
    face.answer_body = R"({"message":"network o1 is in use by service web"})";
    EXPECT_EQ(ask("DELETE", "/networks/back").message(), "network o1 is in use by service web");
    face.answer_status = 201;
    face.answer_body = R"({"Id":"x","Warning":""})";
    EXPECT_EQ(ask("POST", "/networks/create", R"({"Name":"two","Driver":"overlay"})").json()["Id"],
              "x");
    EXPECT_EQ(face.forwarded.back().target, "/networks/create");
}

TEST_F(SwarmRoutesTest, networks_of_the_leaders_own_are_no_matter_to_a_request_that_was_passed_on) {
    face.become_manager();
    ASSERT_EQ(ask("POST", "/networks/create", R"({"Name":"mine","ConfigOnly":true})").status, 201);
    const std::string wish = R"({"Name":"mine","Driver":"overlay"})";
    EXPECT_EQ(ask("POST", "/networks/create", wish).status, 409);
    EXPECT_EQ(ask("POST", "/networks/create", wish, {{"X-Shoal-Forwarded", "1"}}).status, 201);
    const auto again = ask("POST", "/networks/create", wish, {{"X-Shoal-Forwarded", "1"}});
    EXPECT_EQ(again.message(), "network with name mine already exists");
}

TEST_F(SwarmRoutesTest, a_service_is_rebalanced_or_only_said_how) {
    face.become_manager();
    face.node("n1", "alpha");
    face.node("n2", "beta");
    auto service = face.service("s1", "web");
    service.mutable_spec()->mutable_replicated()->set_replicas(4);
    face.put(service);
    for (int slot = 1; slot <= 4; ++slot) {
        face.task("t" + std::to_string(slot), service, slot, "n1");
    }
    const auto requested = [this] {
        return face.TestCluster::store.get<pb::Service>("s1")->rebalance().state();
    };
    auto moves = ask("POST", "/shoal/services/web/rebalance?dry-run=1").json()["Moves"];
    EXPECT_EQ(moves.size(), 2u);
    EXPECT_EQ(moves[0]["From"], "n1");
    EXPECT_EQ(moves[0]["To"], "n2");
    EXPECT_EQ(requested(), pb::Rebalance::NONE);
    EXPECT_EQ(ask("POST", "/shoal/services/web/rebalance").json()["Moves"].size(), 2u);
    EXPECT_EQ(requested(), pb::Rebalance::REQUESTED);
    EXPECT_EQ(ask("POST", "/shoal/services/none/rebalance").status, 404);
}

TEST_F(SwarmRoutesTest, a_rebalance_plans_only_what_the_scheduler_would_do) {
    face.become_manager();
    auto small = face.node("n2", "beta");
    small.mutable_description()->mutable_resources()->set_memory_bytes(10);
    face.put(small);
    face.node("n1", "alpha");
    auto service = face.service("s1", "web");
    service.mutable_spec()->mutable_replicated()->set_replicas(4);
    face.put(service);
    for (int slot = 1; slot <= 4; ++slot) {
        auto task = face.task("t" + std::to_string(slot), service, slot, "n1");
        auto& wanted = *task.mutable_spec()->mutable_resources()->mutable_reservations();
        wanted.set_memory_bytes(1000);
        face.put(task);
    }
    const auto moves = ask("POST", "/shoal/services/web/rebalance").json()["Moves"];
    EXPECT_TRUE(moves.empty()) << moves.dump();
}

TEST_F(SwarmRoutesTest, info_shows_the_cluster) {
    face.become_manager();
    face.node("n1", "alpha", pb::MANAGER);
    face.node("n2", "beta", pb::MANAGER);
    const auto info = ask("GET", "/info").json();
    EXPECT_EQ(info["Swarm"]["LocalNodeState"], "active");
    EXPECT_EQ(info["Swarm"]["Managers"], 2);
    EXPECT_NE(info["Warnings"].dump().find("two-manager"), std::string::npos);
}

} // namespace
} // namespace shoal::api
