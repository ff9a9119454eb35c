#include "net/http.h"
#include "net/http_client.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/websocket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace shoal::net {
namespace {

using std::chrono::milliseconds;
Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

Task<Result<std::string>> read_all(Stream& stream) {
    std::string all;
    char buffer[1000];
    for (;;) {
        CO_TRY_LET(got, co_await stream.read_some(buffer, late()));
        if (got == 0) { co_return all; }
        all.append(buffer, got);
    }
}

/// A server on both kinds of sockets, with a handler that shows every ability by its path.
struct World {
    explicit World(ServerLimits limits = {})
        : server(
              loop, [this](Exchange& exchange) { return handle(*this, exchange); }, limits,
              [this](std::string what) { reports.push_back(std::move(what)); }) {
        auto listener = Listener::listen_tcp(loop, "127.0.0.1", 0);
        EXPECT_TRUE(listener);
        address = *parse_address((*listener)->text());
        server.serve(std::move(*listener));
    }

    static Task<void> handle(World& world, Exchange& exchange) {
        const std::string path = exchange.request().path;
        ++world.handled;
        if (path == "/echo") { co_await echo(exchange); }
        if (path == "/stream") { co_await stream(exchange); }
        if (path == "/hijack") { co_await hijack(exchange); }
        if (path == "/ws") { co_await websocket(exchange); }
        if (path == "/wait") { co_await wait_gone(world, exchange); }
        if (path == "/throw") { throw std::runtime_error("handler broke"); }
        if (path == "/cut") {
            co_await exchange.begin(200, {});
            co_await exchange.write("half");
        }
        if (path == "/big") { co_await exchange.respond(200, {}, world.big); }
        if (path == "/ignore" || path == "*") { co_await exchange.respond(200, {}, "ignored"); }
        if (path == "/none") { co_await exchange.respond(204, {}, ""); }
    }
    static Task<void> echo(Exchange& exchange) {
        auto body = co_await exchange.read_body(1 << 20);
        if (!body) {
            const auto message = body.error().message;
            co_await exchange.respond(400, {}, message);
            co_return;
        }
        Response response;
        response.headers.add("Content-Type", "text/plain");
        response.headers.add("X-Evil", "a\r\nInjected: yes");
        response.body = exchange.request().method + " " + *body;
        co_await exchange.respond(std::move(response));
    }
    static Task<void> stream(Exchange& exchange) {
        EXPECT_FALSE(exchange.begun());
        co_await exchange.begin(200, {});
        EXPECT_TRUE(exchange.begun());
        char buffer[100];
        for (;;) {
            const auto got = co_await exchange.read_some(buffer);
            if (!got || *got == 0) { break; }
            co_await exchange.write({buffer, *got});
        }
        const std::string large(20'000, 'L');
        co_await exchange.write(large);
        co_await exchange.end();
    }
    static Task<void> hijack(Exchange& exchange) {
        Headers headers;
        const bool upgrade = exchange.request().headers.has_token("Connection", "Upgrade");
        headers.add("Content-Type", "application/vnd.docker.raw-stream");
        auto raw = co_await exchange.upgrade(upgrade ? 101 : 200, std::move(headers));
        EXPECT_TRUE(raw);
        StreamPtr stream = std::move(*raw);
        auto all = co_await read_all(*stream); // until the client has half-closed
        co_await stream->write_all("got ", std::move(all).value_or("nothing"), late());
    }
    static Task<void> websocket(Exchange& exchange) {
        auto accepted = co_await accept_websocket(exchange);
        if (!accepted) {
            const auto message = accepted.error().message;
            co_await exchange.respond(400, {}, message);
            co_return;
        }
        StreamPtr stream = std::move(*accepted);
        co_await copy_stream(*stream, *stream, late());
        co_await stream->shutdown_write(late());
    }
    static Task<void> wait_gone(World& world, Exchange& exchange) {
        co_await exchange.begin(200, {});
        const Until until(late(), exchange.gone());
        world.waiting = true;
        world.woken = co_await sleep(world.loop, until);
        co_await exchange.end();
    }

    Loop loop;
    Address address;
    int handled = 0;
    bool waiting = false;
    std::optional<Wake> woken;
    std::string big = std::string(1'000'000, 'b');
    std::vector<std::string> reports;
    HttpServer server;
};

Task<Result<StreamPtr>> raw_connection(World& world) {
    return connect(world.loop, world.address, late());
}

/// Sends bytes, half-closes if told to, and gives everything that comes back.
Task<std::string> raw_exchange(World& world, std::string bytes) {
    auto connected = co_await raw_connection(world);
    if (!connected) { co_return connected.error().message; }
    StreamPtr stream = std::move(*connected);
    co_await stream->write_all(bytes, late());
    auto all = co_await read_all(*stream);
    co_return std::move(all).value_or("failed");
}

ClientRequest make(std::string method, std::string target, std::string body = "") {
    ClientRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    return request;
}

Task<ClientResponse> ask(HttpClient& client, ClientRequest request) {
    auto response = co_await client.request(std::move(request), late());
    if (!response) { co_return ClientResponse{0, {}, response.error().message}; }
    co_return std::move(*response);
}

TEST(Http, answers_many_requests_on_one_connection) {
    World world;
    HttpClient client(world.loop, world.address);
    for (int i = 0; i < 5; ++i) {
        const auto response = run_task(world.loop, ask(client, make("POST", "/echo", "hello")));
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, "POST hello");
        EXPECT_EQ(response.headers.get_or("content-type", ""), "text/plain");
        EXPECT_TRUE(response.headers.has("Date"));
        EXPECT_FALSE(response.headers.has("Injected"));
        EXPECT_EQ(world.server.connections(), 1U);
    }
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/big"))).body, world.big);
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/none"))).status, 204);
    EXPECT_EQ(world.server.connections(), 1U);
}

TEST(Http, sends_no_body_to_head) {
    World world;
    HttpClient client(world.loop, world.address);
    const auto head = run_task(world.loop, ask(client, make("HEAD", "/big")));
    EXPECT_EQ(head.headers.get_or("Content-Length", ""), "1000000");
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(run_task(world.loop, ask(client, make("HEAD", "/stream"))).status, 200);
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/echo"))).body, "GET ");
}

TEST(Http, answers_500_when_a_handler_throws_or_is_silent) {
    World world;
    HttpClient client(world.loop, world.address);
    const auto thrown = run_task(world.loop, ask(client, make("GET", "/throw")));
    EXPECT_EQ(thrown.status, 500);
    EXPECT_NE(thrown.body.find("\"message\""), std::string::npos);
    ASSERT_EQ(world.reports.size(), 1U);
    EXPECT_EQ(world.reports[0], "GET /throw: handler broke");
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/silent"))).status, 500);
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/echo"))).status, 200);
}

TEST(Http, breaks_the_connection_off_when_an_answer_is_cut) {
    World world;
    HttpClient client(world.loop, world.address);
    const auto cut = run_task(world.loop, ask(client, make("GET", "/cut")));
    EXPECT_EQ(cut.status, 0);
    EXPECT_NE(cut.body.find("closed in the middle"), std::string::npos) << cut.body;
}

Task<std::string> stream_both_ways(World& world) {
    HttpClient client(world.loop, world.address);
    auto request = make("POST", "/stream");
    request.streamed = true;
    auto sent = co_await client.send(std::move(request), late());
    if (!sent) { co_return sent.error().message; }
    ClientExchange& exchange = **sent;
    // The head comes before the request's body has been sent.
    auto head = co_await exchange.head(late());
    EXPECT_TRUE(head && head->headers.has_token("Transfer-Encoding", "chunked"));
    std::string back;
    char buffer[100];
    for (const std::string piece : {"one ", "two ", "three "}) {
        co_await exchange.write(piece, late());
        const auto got = co_await exchange.read_some(buffer, late());
        back.append(buffer, got ? *got : 0);
    }
    co_await exchange.end_body(late());
    auto rest = co_await exchange.read_body(1 << 20, late());
    const std::string large = std::move(rest).value_or("failed");
    EXPECT_EQ(large, std::string(20'000, 'L'));
    co_return back;
}

TEST(Http, streams_both_ways_at_once) {
    World world;
    EXPECT_EQ(run_task(world.loop, stream_both_ways(world)), "one two three ");
}

TEST(Http, answers_pipelined_requests_in_order) {
    World world;
    const auto all =
        run_task(world.loop,
                 raw_exchange(world, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1"
                                     "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"
                                     "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
                                     "Connection: close\r\n\r\n2"));
    const auto one = all.find("POST 1");
    const auto two = all.find("ignored");
    const auto three = all.find("POST 2");
    EXPECT_TRUE(one < two && two < three && three != std::string::npos) << all;
    EXPECT_NE(all.find("Connection: close"), std::string::npos);
}

TEST(Http, speaks_http_1_0) {
    World world;
    const auto all = run_task(world.loop, raw_exchange(world, "GET /stream HTTP/1.0\r\n\r\n"));
    EXPECT_EQ(all.find("chunked"), std::string::npos);
    EXPECT_TRUE(all.ends_with(std::string(20'000, 'L')));
}

TEST(Http, refuses_malformed_requests_with_a_message) {
    World world({.header_bytes_max = 2000});
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"nonsense\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\n\r\n", "400"}, // no Host
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
        {"GET / HTTP/1.1\r\nHost: " + std::string(5000, 'h') + "\r\n\r\n", "431"},
    };
    for (const auto& [request, status] : cases) {
        const auto answer = run_task(world.loop, raw_exchange(world, request));
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status)) << answer;
        EXPECT_NE(answer.find("{\"message\":"), std::string::npos) << answer;
    }
    EXPECT_EQ(world.handled, 0);
}

TEST(Http, gives_up_on_slow_heads_and_idle_connections) {
    World world(
        {.header_timeout = std::chrono::seconds(1), .idle_timeout = std::chrono::seconds(1)});
    const auto slow = run_task(world.loop, raw_exchange(world, "GET / HTTP/1.1\r\nHost"));
    EXPECT_TRUE(slow.starts_with("HTTP/1.1 408")) << slow;
    EXPECT_EQ(run_task(world.loop, raw_exchange(world, "")), "");
}

Task<std::string> expect_continue(World& world) {
    auto connected = co_await raw_connection(world);
    StreamPtr stream = std::move(*connected);
    co_await stream->write_all(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
        "Connection: close\r\n\r\n",
        late());
    char buffer[100];
    const auto got = co_await stream->read_some(buffer, late());
    const std::string first(buffer, got ? *got : 0);
    EXPECT_EQ(first, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await stream->write_all("body", late());
    auto all = co_await read_all(*stream);
    co_return std::move(all).value_or("failed");
}

TEST(Http, tells_a_waiting_client_to_continue) {
    World world;
    const auto answer = run_task(world.loop, expect_continue(world));
    EXPECT_TRUE(answer.ends_with("POST body")) << answer;
    // A handler that does not want the body does not ask for it, and the connection ends.
    const auto refused = run_task(
        world.loop,
        raw_exchange(
            world,
            "POST /ignore HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 200") && refused.ends_with("ignored")) << refused;
}

TEST(Http, keeps_the_connection_after_a_body_nobody_read) {
    World world;
    HttpClient client(world.loop, world.address);
    EXPECT_EQ(
        run_task(world.loop, ask(client, make("POST", "/ignore", std::string(100'000, 'x')))).body,
        "ignored");
    EXPECT_EQ(run_task(world.loop, ask(client, make("POST", "/echo", "y"))).body, "POST y");
    EXPECT_EQ(world.server.connections(), 1U);
    EXPECT_EQ(
        run_task(world.loop, ask(client, make("POST", "/echo", std::string(2 << 20, 'x')))).status,
        400);
}

Task<std::string> hijack(World& world, bool upgrade, std::string early) {
    HttpClient client(world.loop, world.address);
    auto request = make("POST", "/hijack");
    if (upgrade) {
        request.headers.add("Connection", "Upgrade");
        request.headers.add("Upgrade", "tcp");
    }
    auto sent = co_await client.send(std::move(request), late());
    auto head = co_await (*sent)->head(late());
    EXPECT_EQ(head->status, upgrade ? 101 : 200);
    EXPECT_FALSE(head->headers.has("Transfer-Encoding") || head->headers.has("Content-Length"));
    auto raw = (*sent)->upgrade();
    StreamPtr stream = std::move(*raw);
    co_await stream->write_all(early, "late", late());
    co_await stream->shutdown_write(late());
    auto all = co_await read_all(*stream);
    co_return std::move(all).value_or("failed");
}

TEST(Http, hands_the_connection_over_with_half_close) {
    World world;
    EXPECT_EQ(run_task(world.loop, hijack(world, true, "early ")), "got early late");
    EXPECT_EQ(run_task(world.loop, hijack(world, false, "")), "got late");
}

Task<std::string> hijack_with_early_bytes(World& world) {
    auto connected = co_await raw_connection(world);
    StreamPtr stream = std::move(*connected);
    co_await stream->write_all(
        "POST /hijack HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "early",
        late());
    co_await stream->shutdown_write(late());
    auto all = co_await read_all(*stream);
    co_return std::move(all).value_or("failed");
}

TEST(Http, gives_bytes_behind_the_request_to_the_upgraded_stream) {
    World world;
    const auto all = run_task(world.loop, hijack_with_early_bytes(world));
    EXPECT_TRUE(all.starts_with("HTTP/1.1 101 UPGRADED\r\n") && all.ends_with("\r\n\r\ngot early"))
        << all;
}

Task<void> leave_while_waiting(World& world) {
    auto connected = co_await raw_connection(world);
    StreamPtr stream = std::move(*connected);
    co_await stream->write_all("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n", late());
    while (!world.waiting) { co_await yield(world.loop); }
    stream.reset();
    while (!world.woken) { co_await yield(world.loop); }
}

TEST(Http, tells_a_handler_that_its_client_is_gone) {
    World world;
    run_task(world.loop, leave_while_waiting(world));
    EXPECT_EQ(world.woken, Wake::Cancelled);
}

Task<bool> stop_with_a_running_request(World& world, Result<std::string>& answer) {
    auto idle = co_await raw_connection(world);
    HttpClient client(world.loop, world.address);
    auto sent = co_await client.send(make("GET", "/wait"), late());
    auto head = co_await (*sent)->head(late());
    EXPECT_EQ(world.server.connections(), 2U);
    co_await world.server.stop(Deadline::in(milliseconds(50)), milliseconds(500));
    EXPECT_EQ(world.server.connections(), 0U);
    answer = co_await (*sent)->read_body(100, late());
    auto again = co_await raw_connection(world);
    co_return again.has_value();
}

TEST(Http, stops_in_an_orderly_way) {
    World world;
    Result<std::string> answer = std::string("unset");
    EXPECT_FALSE(run_task(world.loop, stop_with_a_running_request(world, answer)));
    EXPECT_EQ(world.woken, Wake::Cancelled);
    EXPECT_EQ(std::move(answer).value_or("failed"), "");
}

Task<int> retry_on_a_dead_connection(World& world, HttpClient& client) {
    // The first connection dies by the idle timeout, at the moment it is used or before.
    co_await sleep(world.loop, Deadline::in(milliseconds(1200)));
    auto response = co_await ask(client, make("GET", "/echo"));
    co_return response.status;
}

TEST(Http, replaces_a_kept_connection_that_died) {
    World world({.idle_timeout = std::chrono::seconds(1)});
    HttpClient client(world.loop, world.address);
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/echo"))).status, 200);
    EXPECT_EQ(run_task(world.loop, retry_on_a_dead_connection(world, client)), 200);
}

TEST(Http, limits_the_number_of_connections) {
    World world({.connections_max = 1});
    HttpClient client(world.loop, world.address);
    EXPECT_EQ(run_task(world.loop, ask(client, make("GET", "/echo"))).status, 200);
    HttpClient other(world.loop, world.address);
    auto request = [&]() {
        return other.request(make("GET", "/echo"), Deadline::in(milliseconds(50)));
    };
    const auto waiting = run_task(world.loop, request());
    ASSERT_FALSE(waiting);
    EXPECT_EQ(waiting.error().code, Errc::Timeout);
}

std::string masked(std::string_view payload, unsigned char first_byte) {
    std::string frame{static_cast<char>(first_byte)};
    if (payload.size() < 126) {
        frame.push_back(static_cast<char>(0x80 | payload.size()));
    } else {
        frame.push_back(static_cast<char>(0x80 | 126));
        frame.push_back(static_cast<char>(payload.size() >> 8));
        frame.push_back(static_cast<char>(payload.size() & 0xff));
    }
    const std::string mask = "\x01\x02\x03\x04";
    frame += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
    }
    return frame;
}

const std::string ws_request =
    "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST(WebSocket, echoes_frames_answers_pings_and_closes) {
    World world;
    const std::string large(300, 'x');
    const auto all = run_task(
        world.loop, raw_exchange(world, ws_request + masked("ab", 0x01) + masked("cd", 0x80) +
                                            masked("ping", 0x89) + masked(large, 0x82) +
                                            masked("\x03\xe8", 0x88)));
    EXPECT_NE(all.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos); // RFC 6455, 1.3
    const auto frames = all.substr(all.find("\r\n\r\n") + 4);
    const std::string expected = std::string("\x82\x02") + "ab" + "\x82\x02" + "cd" + "\x8a\x04" +
                                 "ping" + std::string("\x82\x7e\x01\x2c", 4) + large +
                                 "\x88\x02\x03\xe8";
    EXPECT_EQ(frames, expected);
}

TEST(WebSocket, refuses_broken_handshakes_and_unmasked_frames) {
    World world;
    const auto wrong =
        run_task(world.loop,
                 raw_exchange(world, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    EXPECT_TRUE(wrong.starts_with("HTTP/1.1 400")) << wrong;
    const auto unmasked =
        run_task(world.loop, raw_exchange(world, ws_request + std::string("\x82\x01x")));
    EXPECT_TRUE(unmasked.ends_with(std::string("\x88\x02\x03\xe8"))) << unmasked;
}

} // namespace
} // namespace shoal::net
