#include "buildkit/session.h"

#include "buildkit/packet.h"
#include "buildkit/session_server.h"
#include "buildkit/words.h"
#include "net/grpc.h"
#include "net/grpc_stream.h"
#include "net/listener.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "os/file.h"
#include "os/pipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::buildkit {
namespace {

using net::Task;
Deadline late() { return Deadline::in(std::chrono::seconds(30)); }

struct Folder {
    os::TempDir dir = *os::TempDir::create();
    const std::string& path() const { return dir.path(); }
    std::string at(const std::string& name) const { return dir.path() + "/" + name; }
    void file(const std::string& name, const std::string& text) const {
        const auto slash = name.rfind('/');
        if (slash != std::string::npos) {
            ASSERT_TRUE(os::ensure_directory(at(name.substr(0, slash))));
        }
        ASSERT_TRUE(os::write_file_atomic(at(name), text));
    }
    std::string read(const std::string& name) const {
        auto text = os::read_file(at(name), 1 << 30);
        return text ? *text : "(" + text.error().message + ")";
    }
};

/// A daemon's side and a client's side over a socket pair.
struct World {
    net::Loop loop;
    net::Pool pool{loop, 4};
    Sessions sessions{loop, pool};
    net::TaskScope scope{loop};
    Folder context;
    Folder target;
    Offered offered;
    net::StreamPtr daemon_end;
    net::StreamPtr client_end;

    World() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        daemon_end = net::adopt_stream(loop, os::Fd(ends[0]));
        client_end = net::adopt_stream(loop, os::Fd(ends[1]));
        offered.directories["context"] = context.path();
    }
    Task<void> run_daemon(std::vector<std::string> methods) {
        Sessions::Offer offer{"id", "name", "key", std::move(methods)};
        const auto outcome =
            co_await sessions.run(std::move(daemon_end), std::move(offer), scope.cancel());
        EXPECT_TRUE(outcome);
    }
    Task<void> run_client() {
        const auto outcome =
            co_await serve_session(loop, std::move(client_end), offered, scope.cancel());
        EXPECT_TRUE(outcome);
    }
    Task<std::shared_ptr<Session>> start() {
        scope.spawn(run_daemon(methods_of(offered)));
        scope.spawn(run_client());
        auto found = co_await sessions.find("id", late());
        EXPECT_TRUE(found);
        co_return *found;
    }
    Task<Result<Synced>> sync(std::shared_ptr<Session> session) {
        SyncRequest request;
        request.name = "context";
        co_return co_await session->sync(std::move(request), target.path(), late());
    }
};
#define RUN(world, function) net::run_task((world).loop, function(world))

Task<void> two_syncs(World& world) {
    world.context.file("a/b", "text");
    world.context.file("a/empty", "");
    world.context.file("big", std::string(3'000'000, 'x'));
    world.context.file("ünï 100%", "name");
    EXPECT_EQ(::symlink("big", world.context.at("link").c_str()), 0);
    EXPECT_EQ(::link(world.context.at("big").c_str(), world.context.at("same").c_str()), 0);
    const auto session = co_await world.start();
    auto first = co_await world.sync(session);
    EXPECT_TRUE(first) << first.error().message;
    if (!first) { co_return; }
    EXPECT_EQ(first->files, 5);
    EXPECT_GT(first->bytes, 3'000'000);
    EXPECT_EQ(world.target.read("link").size(), 3'000'000U);
    EXPECT_EQ(world.target.read("ünï 100%"), "name");

    world.context.file("a/b", "other text");
    EXPECT_EQ(::unlink(world.context.at("a/empty").c_str()), 0);
    auto second = co_await world.sync(session);
    EXPECT_TRUE(second);
    EXPECT_EQ(second->files, 1);
    EXPECT_EQ(second->kept, 3);
    EXPECT_LT(second->bytes, 2000);
    EXPECT_EQ(world.target.read("a/b"), "other text");
    EXPECT_FALSE(os::exists(world.target.at("a/empty")));
    co_await world.scope.close();
}
TEST(Session, sends_a_directory_and_then_only_what_changed) {
    World world;
    RUN(world, two_syncs);
}

Task<void> wishes(World& world) {
    world.context.file("a.c", "1");
    world.context.file("a.o", "2");
    world.context.file("übrig.o", "3");
    const auto session = co_await world.start();
    SyncRequest request;
    request.name = "context";
    request.exclude = {"*.o", "!übrig.o"};
    auto synced = co_await session->sync(request, world.target.path(), late());
    EXPECT_TRUE(synced) << synced.error().message;
    EXPECT_TRUE(os::exists(world.target.at("übrig.o")));
    EXPECT_FALSE(os::exists(world.target.at("a.o")));
    request.name = "/etc";
    auto refused = co_await session->sync(request, world.target.path(), late());
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::NotFound);
    co_await world.scope.close();
}
TEST(Session, sends_what_the_patterns_say_from_what_is_offered) {
    World world;
    RUN(world, wishes);
}

Task<void> many_files(World& world) {
    for (int i = 0; i < 3000; ++i) {
        world.context.file("d" + std::to_string(i % 50) + "/" + std::to_string(i),
                           std::to_string(i));
    }
    const auto session = co_await world.start();
    auto synced = co_await world.sync(session);
    EXPECT_TRUE(synced) << synced.error().message;
    EXPECT_EQ(synced->files, 3000);
    EXPECT_EQ(world.target.read("d7/2957"), "2957");
    co_await world.scope.close();
}
TEST(Session, sends_thousands_of_files) {
    World world;
    RUN(world, many_files);
}

Task<void> secrets(World& world) {
    world.offered.secrets["token"] = std::string("s3\0cret", 7);
    const auto session = co_await world.start();
    auto secret = co_await session->read_secret("token", late());
    EXPECT_TRUE(secret);
    EXPECT_EQ(*secret, std::string("s3\0cret", 7));
    auto missing = co_await session->read_secret("other", late());
    EXPECT_EQ(missing.error().code, Errc::NotFound);
    auto agent = co_await session->check_agent("default", late());
    EXPECT_EQ(agent.error().code, Errc::NotFound);
    co_await world.scope.close();
}
TEST(Session, gives_secrets_by_id) {
    World world;
    RUN(world, secrets);
}

Task<void> echo_once(net::Listener& listener) {
    auto stream = co_await listener.accept(late());
    EXPECT_TRUE(stream);
    char buffer[100];
    std::string all;
    for (;;) {
        const auto got = co_await (*stream)->read_some(buffer, late());
        if (!got || *got == 0) { break; }
        all.append(buffer, *got);
    }
    const auto sent = co_await (*stream)->write_all("heard " + all, late());
    EXPECT_TRUE(sent);
}
Task<void> agents(World& world) {
    const auto path = world.target.at("agent.sock");
    auto listener = net::Listener::listen_unix(world.loop, path, {});
    EXPECT_TRUE(listener);
    world.offered.agents["default"] = path;
    const auto session = co_await world.start();
    world.scope.spawn(echo_once(**listener));
    const auto checked = co_await session->check_agent("default", late());
    EXPECT_TRUE(checked);
    auto agent = co_await session->dial_agent("default", late());
    EXPECT_TRUE(agent);
    auto sent = co_await (*agent)->write_all("ques", "tion", late());
    EXPECT_TRUE(sent);
    sent = co_await (*agent)->shutdown_write(late());
    EXPECT_TRUE(sent);
    std::string answer;
    for (;;) {
        char buffer[100];
        const auto got = co_await (*agent)->read_some(buffer, late());
        EXPECT_TRUE(got);
        if (!got || *got == 0) { break; }
        answer.append(buffer, *got);
    }
    EXPECT_EQ(answer, "heard question");
    auto other = co_await session->dial_agent("other", late());
    char buffer[10];
    const auto refused = co_await (*other)->read_some(buffer, late());
    EXPECT_EQ(refused.error().code, Errc::NotFound);
    co_await world.scope.close();
}
TEST(Session, connects_to_the_agent_of_the_client) {
    World world;
    RUN(world, agents);
}

Task<void> outputs(World& world) {
    Folder built;
    built.file("usr/bin/x", std::string(500'000, 'b'));
    EXPECT_EQ(::symlink("/usr/bin", built.at("bin").c_str()), 0);
    world.offered.output_directory = world.target.at("out");
    const auto session = co_await world.start();
    const auto sent = co_await session->send_tree(built.path(), {}, late());
    EXPECT_TRUE(sent) << sent.error().message;
    EXPECT_EQ(world.target.read("out/usr/bin/x").size(), 500'000U);
    co_await world.scope.close();
}
TEST(Session, puts_a_tree_into_the_clients_directory) {
    World world;
    RUN(world, outputs);
}

Task<void> output_file(World& world) {
    const os::Fd file = *os::open_file(world.target.at("out.tar"), O_RDWR | O_CREAT, 0644);
    world.offered.output_fd = file.raw();
    world.context.file("result", std::string(1'000'000, 'r'));
    const auto session = co_await world.start();
    auto input = os::open_file(world.context.at("result"), O_RDONLY);
    TarOutput output{{{"buildkit-attachable-exporter-id", "0"}}};
    const auto sent = co_await session->send_file(std::move(*input), output, late());
    EXPECT_TRUE(sent) << sent.error().message;
    EXPECT_EQ(world.target.read("out.tar").size(), 1'000'000U);
    co_await world.scope.close();
}
TEST(Session, sends_a_file_to_the_client) {
    World world;
    RUN(world, output_file);
}

Task<void> leaving(World& world) {
    world.context.file("big", std::string(1'000'000, 'x'));
    const auto session = co_await world.start();
    auto taken = world.sessions.check({"id", "", "", {}});
    EXPECT_FALSE(taken);
    EXPECT_FALSE(world.sessions.check({"", "", "", {}}));
    auto missing =
        co_await world.sessions.find("other", Deadline::in(std::chrono::milliseconds(5)));
    EXPECT_EQ(missing.error().code, Errc::NotFound);
    co_await world.scope.close();
    auto failed = co_await world.sync(session);
    EXPECT_FALSE(failed);
    EXPECT_TRUE(world.sessions.check({"id", "", "", {}}));
}
TEST(Session, ends_with_its_connection) {
    World world;
    RUN(world, leaving);
}

/// A session inside a call, as clients do that have no other connection.
struct Nested {
    World& world;
    net::GrpcServer server;
    explicit Nested(World& in) : world(in), server(in.loop) {
        server.add("/test/Session",
                   [this](net::GrpcCall& call, net::Until until) { return answer(call, until); });
    }
    Task<Result<void>> answer(net::GrpcCall& call, net::Until until) {
        const std::shared_ptr<net::GrpcCall> borrowed(std::shared_ptr<void>(), &call);
        auto stream = net::make_bytes_stream(world.loop, borrowed, "inside");
        Sessions::Offer offer{"id", "", "", methods_of(world.offered)};
        co_return co_await world.sessions.run(std::move(stream), std::move(offer), until);
    }
    Task<void> run() {
        const auto outcome =
            co_await server.serve(std::move(world.daemon_end), world.scope.cancel());
        EXPECT_TRUE(outcome);
    }
    Task<void> run_client(net::Http2Connection& connection) {
        const auto outcome = co_await connection.run(world.scope.cancel());
        EXPECT_TRUE(outcome);
    }
    Task<void> serve(net::StreamPtr stream) {
        const auto outcome = co_await serve_session(world.loop, std::move(stream), world.offered,
                                                    world.scope.cancel());
        EXPECT_TRUE(outcome);
    }
};
Task<void> nested(World& world) {
    world.context.file("a/b", std::string(2'000'000, 'n'));
    Nested inside(world);
    net::Http2Connection connection(world.loop, std::move(world.client_end),
                                    net::Http2Role::Client);
    world.scope.spawn(inside.run());
    world.scope.spawn(inside.run_client(connection));
    auto opened = net::GrpcClient(connection).open("/test/Session");
    EXPECT_TRUE(opened);
    std::shared_ptr<net::GrpcCall> call = std::move(*opened);
    world.scope.spawn(inside.serve(net::make_bytes_stream(world.loop, std::move(call), "outside")));
    const auto session = co_await world.sessions.find("id", late());
    EXPECT_TRUE(session);
    if (!session) { co_return; }
    auto synced = co_await world.sync(*session);
    EXPECT_TRUE(synced) << synced.error().message;
    EXPECT_EQ(world.target.read("a/b").size(), 2'000'000U);
    co_await world.scope.close();
}
TEST(Session, may_live_inside_a_call) {
    World world;
    RUN(world, nested);
}

// --- a hostile client ---

Packet listed(const std::string& path, std::uint32_t mode, std::int64_t size) {
    Packet packet;
    packet.kind = Packet::Kind::Entry;
    packet.entry.path = path;
    packet.entry.mode = mode;
    packet.entry.size = size;
    return packet;
}
Packet plain(Packet::Kind kind, std::uint32_t id = 0, const std::string& data = "") {
    Packet packet;
    packet.kind = kind;
    packet.id = id;
    packet.data = data;
    return packet;
}

struct Hostile {
    net::GrpcServer server;
    std::vector<std::string> script;
    explicit Hostile(net::Loop& loop) : server(loop) {
        server.add(method_sync,
                   [this](net::GrpcCall& call, net::Until until) { return play(call, until); });
    }
    Task<Result<void>> play(net::GrpcCall& call, net::Until until) {
        for (auto& message : script) { CO_TRY(co_await call.write(message, until)); }
        for (;;) {
            CO_TRY_LET(message, co_await call.read(until));
            if (!message) { co_return ok(); }
        }
    }
    Task<void> run(net::StreamPtr stream, net::Until until) {
        const auto outcome = co_await server.serve(std::move(stream), until);
        EXPECT_TRUE(outcome);
    }
};
Task<Result<Synced>> sync_with(World& world, Hostile& hostile) {
    world.scope.spawn(world.run_daemon({method_sync}));
    world.scope.spawn(hostile.run(std::move(world.client_end), world.scope.cancel()));
    auto session = co_await world.sessions.find("id", late());
    EXPECT_TRUE(session);
    auto outcome = co_await world.sync(*session);
    co_await world.scope.close();
    co_return outcome;
}
std::string outcome_of(const std::vector<Packet>& packets, const std::string& raw = "") {
    World world;
    Hostile hostile(world.loop);
    for (const auto& packet : packets) { hostile.script.push_back(print_packet(packet)); }
    if (!raw.empty()) { hostile.script.push_back(raw); }
    auto outcome = net::run_task(world.loop, sync_with(world, hostile));
    return outcome ? "success" : outcome.error().message;
}

TEST(Session, refuses_clients_that_lie) {
    using Kind = Packet::Kind;
    EXPECT_NE(outcome_of({listed("../x", S_IFREG | 0644, 3)}).find("not clean"), std::string::npos);
    EXPECT_NE(outcome_of({listed("b", S_IFREG, 0), listed("a", S_IFREG, 0)}).find("out of order"),
              std::string::npos);
    EXPECT_NE(outcome_of({plain(Kind::Data, 5, "x")}).find("not asked for"), std::string::npos);
    EXPECT_NE(outcome_of({plain(Kind::Request, 5)}).find("asked for something"), std::string::npos);
    EXPECT_NE(outcome_of({plain(Kind::Failed, 0, "no such file")}).find("no such file"),
              std::string::npos);
    EXPECT_NE(outcome_of({plain(Kind::EndOfList), plain(Kind::EndOfList)}).find("twice"),
              std::string::npos);
    EXPECT_NE(outcome_of({}, "\xff\xff\xff\xff").find("not a message"), std::string::npos);
    EXPECT_EQ(outcome_of({plain(Kind::EndOfList), plain(Kind::Finished)}), "success");
}

// --- speed ---

Task<void> large_file(World& world) {
    world.context.file("big", std::string(256 << 20, 'x'));
    const auto session = co_await world.start();
    const auto before = std::chrono::steady_clock::now();
    auto synced = co_await world.sync(session);
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_TRUE(synced) << synced.error().message;
    const double seconds = std::chrono::duration<double>(took).count();
    std::printf("256 MiB in %.3f s: %.0f MB/s\n", seconds, 268.4 / seconds);
    co_await world.scope.close();
}
TEST(Session, sends_a_large_file) {
    World world;
    RUN(world, large_file);
}

} // namespace
} // namespace shoal::buildkit
