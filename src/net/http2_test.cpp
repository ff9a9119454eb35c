#include "net/http2.h"

#include "net/grpc.h"
#include "net/scope.h"
#include "net/sleep.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace shoal::net {
namespace {

using std::chrono::milliseconds;
Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

struct Pair {
    StreamPtr a;
    StreamPtr b;
};
Pair make_pair(Loop& loop) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {adopt_stream(loop, os::Fd(ends[0])), adopt_stream(loop, os::Fd(ends[1]))};
}

Task<Result<void>> echo(GrpcCall& call, Until until) {
    for (;;) {
        CO_TRY_LET(message, co_await call.read(until));
        if (!message) { co_return ok(); }
        CO_TRY(co_await call.write(std::move(*message), until));
    }
}
Task<Result<void>> refuse(GrpcCall& call, Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    co_return Error{Errc::NotFound, "no \"" + message + "\" (100 % sure, grüße)\n"};
}
Task<Result<void>> tell_metadata(GrpcCall& call, Until until) {
    std::string all;
    for (const auto& value : call.values("pattern")) { all += value + ";"; }
    co_return co_await call.write(std::move(all), until);
}

/// A server and a client over one socket pair.
struct World {
    Loop loop;
    GrpcServer server{loop};
    TaskScope scope{loop};
    Pair pair = make_pair(loop);
    std::optional<Http2Connection> connection;
    std::optional<Result<void>> served;
    bool gave_up = false;

    World() {
        server.add("/test/Echo", echo);
        server.add("/test/Refuse", refuse);
        server.add("/test/Metadata", tell_metadata);
        server.add("/test/Wait", [this](GrpcCall& call, Until until) { return wait(call, until); });
    }
    Task<Result<void>> wait(GrpcCall& call, Until until) {
        CO_TRY_LET(first, co_await call.read(until));
        EXPECT_TRUE(first);
        const auto second = co_await call.read(until);
        gave_up = !second && second.error().code == Errc::Cancelled;
        co_return ok();
    }
    Task<void> serve() { served = co_await server.serve(std::move(pair.b), late()); }
    Task<void> run_client() {
        const auto outcome = co_await connection->run(late());
        EXPECT_TRUE(outcome);
    }
    void start() {
        scope.spawn(serve());
        connection.emplace(loop, std::move(pair.a), Http2Role::Client);
        scope.spawn(run_client());
    }
    Task<void> stop() {
        connection->close();
        co_await scope.drain(late());
        EXPECT_EQ(scope.size(), 0U);
        EXPECT_TRUE(served.has_value() && *served);
    }
};

Task<void> ask_and_answer(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    auto answer = co_await client.unary("/test/Echo", "hello", {}, late());
    EXPECT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, "hello");
    auto refused = co_await client.unary("/test/Refuse", "it", {}, late());
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::NotFound);
    EXPECT_NE(refused.error().message.find("no \"it\" (100 % sure, grüße)\n"), std::string::npos);
    auto unknown = co_await client.unary("/test/Nothing", "", {}, late());
    EXPECT_EQ(unknown.error().code, Errc::Unsupported);
    co_await world.stop();
}
TEST(Grpc, answers_calls_with_messages_or_a_status) {
    World world;
    run_task(world.loop, ask_and_answer(world));
}

Task<void> many_values(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    GrpcMetadata metadata;
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
        metadata.add("pattern", "*.o" + std::to_string(i));
        expected += "*.o" + std::to_string(i) + ";";
    }
    auto answer = co_await client.unary("/test/Metadata", "", metadata, late());
    EXPECT_TRUE(answer) << answer.error().message;
    EXPECT_TRUE(answer && *answer == expected);
    co_await world.stop();
}
TEST(Grpc, carries_thousands_of_values_in_a_head) {
    World world;
    run_task(world.loop, many_values(world));
}

Task<void> send_much(GrpcCall& call, std::size_t& sent, std::size_t total) {
    const std::string piece(100'000, 'x');
    while (sent < total) {
        const auto written = co_await call.write(piece, late());
        EXPECT_TRUE(written);
        if (!written) { co_return; }
        sent += piece.size();
    }
    EXPECT_TRUE(call.finish_writing());
}
Task<void> slow_reader(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    auto call = client.open("/test/Echo");
    EXPECT_TRUE(call);
    std::size_t sent = 0;
    constexpr std::size_t total = 60'000'000;
    world.scope.spawn(send_much(**call, sent, total));
    co_await sleep(world.loop, Deadline::in(milliseconds(50)));
    EXPECT_LT(sent, 16'000'000U); // nobody reads: windows and buffers are full
    EXPECT_GT(sent, 1'000'000U);
    std::size_t got = 0;
    for (;;) {
        auto message = co_await (*call)->read(late());
        EXPECT_TRUE(message);
        if (!message || !*message) { break; }
        got += (*message)->size();
    }
    EXPECT_EQ(got, total);
    co_await world.stop();
}
TEST(Http2, makes_the_writer_wait_for_the_reader) {
    World world;
    run_task(world.loop, slow_reader(world));
}

Task<void> leave_a_call(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    auto call = client.open("/test/Wait");
    EXPECT_TRUE(call);
    const auto written = co_await (*call)->write("first", late());
    EXPECT_TRUE(written);
    co_await sleep(world.loop, Deadline::in(milliseconds(20)));
    call->reset();
    for (int i = 0; i < 100 && !world.gave_up; ++i) {
        co_await sleep(world.loop, Deadline::in(milliseconds(5)));
    }
    EXPECT_TRUE(world.gave_up);
    co_await world.stop();
}
TEST(Grpc, tells_the_handler_that_the_caller_has_left) {
    World world;
    run_task(world.loop, leave_a_call(world));
}

Task<void> outlive(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    auto call = client.open("/test/Wait");
    const auto written = co_await (*call)->write("first", late());
    EXPECT_TRUE(written);
    co_await sleep(world.loop, Deadline::in(milliseconds(20)));
    co_await world.stop();
    auto answer = co_await (*call)->read(late());
    EXPECT_EQ(answer.error().code, Errc::Cancelled);
    const auto more = co_await (*call)->write("second", late());
    EXPECT_EQ(more.error().code, Errc::Cancelled);
    EXPECT_FALSE(client.open("/test/Echo"));
}
TEST(Http2, streams_that_outlive_the_connection_fail) {
    World world;
    run_task(world.loop, outlive(world));
    EXPECT_TRUE(world.gave_up);
}

// --- strangers ---

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(int type, int flags, std::uint32_t id, const std::string& payload) {
    std::string bytes;
    const auto size = payload.size();
    for (const int shift : {16, 8, 0}) { bytes += static_cast<char>(size >> shift & 0xff); }
    bytes += static_cast<char>(type);
    bytes += static_cast<char>(flags);
    for (const int shift : {24, 16, 8, 0}) { bytes += static_cast<char>(id >> shift & 0xff); }
    return bytes + payload;
}
std::string settings() { return frame(4, 0, 0, ""); }
/// :method POST, :scheme http, :path / by the static table; literal fields follow.
std::string block_start() { return "\x83\x86\x84"; }
std::string literal(const std::string& name, const std::string& value) {
    std::string bytes(1, '\0'); // not indexed, new name
    const auto add = [&bytes](const std::string& text) {
        if (text.size() < 127) {
            bytes += static_cast<char>(text.size());
        } else {
            bytes += '\x7f';
            std::size_t rest = text.size() - 127;
            for (; rest >= 128; rest /= 128) { bytes += static_cast<char>(rest % 128 + 128); }
            bytes += static_cast<char>(rest);
        }
        bytes += text;
    };
    add(name);
    add(value);
    return bytes;
}

/// Writes until the server closes, then true; false when it takes everything and goes on.
Task<bool> is_cut_off(World& world, std::string first, std::string again, int times) {
    world.scope.spawn(world.serve());
    const Until until(Deadline::in(std::chrono::seconds(5)));
    auto written = co_await world.pair.a->write_all(first, until);
    char buffer[65536];
    TaskScope reading(world.loop);
    for (int i = 0; i < times && written; ++i) {
        written = co_await world.pair.a->write_all(again, until);
        if (i % 16 == 0) { co_await yield(world.loop); }
    }
    bool closed = !written;
    while (!closed) {
        const Until moment(Deadline::in(milliseconds(300)));
        const auto got = co_await world.pair.a->read_some(buffer, moment);
        if (!got && got.error().code == Errc::Timeout) { break; }
        closed = !got || *got == 0;
    }
    world.pair.a->close();
    co_await world.scope.drain(late());
    EXPECT_EQ(world.scope.size(), 0U);
    co_return closed;
}

bool cut_off(std::string first, std::string again = "", int times = 0) {
    World world;
    return run_task(world.loop, is_cut_off(world, std::move(first), std::move(again), times));
}

TEST(Http2, ends_a_connection_that_speaks_something_else) {
    EXPECT_TRUE(cut_off("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(cut_off(std::string(preface) + std::string(4000, '\xff')));
    EXPECT_TRUE(cut_off(std::string(preface) + settings() + frame(0, 0, 1, "data for no stream")));
    EXPECT_TRUE(cut_off(std::string(preface) + settings() +
                        frame(1, 4, 1, "\xff\xff\xff\xff\xff\xff\xff")));
}
TEST(Http2, a_proper_client_is_not_cut_off) {
    EXPECT_FALSE(cut_off(std::string(preface) + settings()));
}
TEST(Http2, ends_headers_that_never_end) {
    const auto begin = frame(1, 0, 1, block_start());
    const auto more = frame(9, 0, 1, literal("x", std::string(10'000, 'y')));
    EXPECT_TRUE(cut_off(std::string(preface) + settings() + begin, more, 5000));
}
TEST(Http2, ends_a_flood_of_resets) {
    std::string again;
    for (std::uint32_t id = 1; id < 60'000; id += 2) {
        again += frame(1, 5, id, block_start() + literal("content-type", "application/grpc"));
        again += frame(3, 0, id, std::string("\0\0\0\x08", 4));
    }
    EXPECT_TRUE(cut_off(std::string(preface) + settings(), again, 1));
}
TEST(Http2, ends_a_flood_of_pings) {
    std::string again;
    for (int i = 0; i < 1000; ++i) { again += frame(6, 0, 0, "12345678"); }
    EXPECT_TRUE(cut_off(std::string(preface) + settings(), again, 100));
}

Task<void> large_head(World& world) {
    world.start();
    GrpcClient client(*world.connection);
    const GrpcMetadata small{{"x", std::string(10'000, 'y')}};
    GrpcMetadata metadata;
    for (int i = 0; i < 5000; ++i) { metadata.add("x", "y"); }
    auto refused = co_await client.unary("/test/Metadata", "", metadata, late());
    EXPECT_FALSE(refused);
    auto answer = co_await client.unary("/test/Metadata", "", small, late());
    EXPECT_TRUE(answer) << "the connection goes on";
    co_await world.stop();
}
TEST(Http2, refuses_a_head_with_too_many_fields) {
    World world;
    run_task(world.loop, large_head(world));
}

Task<std::string> bad_message(World& world, std::string bytes) {
    world.start();
    auto stream = world.connection->open({{":method", "POST"},
                                          {":scheme", "http"},
                                          {":path", "/test/Echo"},
                                          {":authority", "x"},
                                          {"content-type", "application/grpc"}});
    EXPECT_TRUE(stream);
    auto written = co_await (*stream)->write(std::move(bytes), late());
    EXPECT_TRUE(written && (*stream)->finish({}));
    const auto head = co_await (*stream)->wait_head(late());
    EXPECT_TRUE(head);
    std::string status((*stream)->head().get_or("grpc-status", "none"));
    stream->reset();
    co_await world.stop();
    co_return status;
}
std::string status_for(std::string bytes) {
    World world;
    return run_task(world.loop, bad_message(world, std::move(bytes)));
}
TEST(Grpc, refuses_messages_that_lie) {
    EXPECT_EQ(status_for(std::string("\0\0\0\0\5abc", 8)), "3");      // cut off
    EXPECT_EQ(status_for(std::string("\0\0", 2)), "3");               // not even a length
    EXPECT_EQ(status_for(std::string("\1\0\0\0\1a", 6)), "12");       // compressed
    EXPECT_EQ(status_for(std::string("\0\xff\xff\xff\xff", 5)), "8"); // 4 GiB
}

} // namespace
} // namespace shoal::net
