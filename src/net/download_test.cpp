#include "net/download.h"
#include "net/http.h"

#include <gtest/gtest.h>

namespace shoal::net {
namespace {

std::string shown(std::string_view text) {
    const auto url = parse_url(text);
    return url ? url->text() : "invalid";
}
std::string led(std::string_view from, std::string_view location) {
    const auto url = follow_redirect(*parse_url(from), location);
    return url ? url->text() : "invalid";
}

TEST(Url, has_a_scheme_a_host_a_port_and_a_target) {
    EXPECT_EQ(shown("http://a.example/x.tar"), "http://a.example/x.tar");
    EXPECT_EQ(shown("a.example/x.tar"), "http://a.example/x.tar");
    EXPECT_EQ(shown("HTTPS://a.example:443"), "https://a.example/");
    EXPECT_EQ(shown("https://[::1]:8443/x?y=1#part"), "https://[::1]:8443/x?y=1");
    EXPECT_EQ(shown("http://a.example?y"), "http://a.example/?y");
}

TEST(Url, is_refused_when_it_cannot_be_one) {
    for (const auto* bad : {"", "http://", "ftp://a/x", "http://a:0/", "http://a:x/",
                            "http://[::1/", "http://a/ b", "http://a/\r\nX: y", "http://user@/x"}) {
        EXPECT_EQ(shown(bad), "invalid") << bad;
    }
}

TEST(Url, never_shows_its_password) {
    const auto url = parse_url("https://me:s%40crt@a.example/x");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->user, "me:s@crt");
    EXPECT_EQ(url->text(), "https://a.example/x");
}

TEST(Redirect, is_relative_to_where_it_was_given) {
    EXPECT_EQ(led("http://a:81/d/x?q", "y"), "http://a:81/d/y");
    EXPECT_EQ(led("http://a:81/d/x?q", "?z"), "http://a:81/d/x?z");
    EXPECT_EQ(led("http://a:81/d/x", "/y"), "http://a:81/y");
    EXPECT_EQ(led("http://a:81/d/x", "//b/y"), "http://b/y");
    EXPECT_EQ(led("http://a/x", "https://b/y"), "https://b/y");
}

TEST(Redirect, neither_gives_up_encryption_nor_gives_away_a_password) {
    EXPECT_EQ(led("https://a/x", "http://a/x"), "invalid");
    EXPECT_EQ(led("https://a/x", ""), "invalid");
    const auto from = *parse_url("http://me:secret@a/x");
    EXPECT_EQ(follow_redirect(from, "http://a/y")->user, "me:secret");
    EXPECT_EQ(follow_redirect(from, "http://b/y")->user, "");
    EXPECT_EQ(follow_redirect(from, "http://a:81/y")->user, "");
}

Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

Task<void> serve(Exchange& exchange) {
    const auto& request = exchange.request();
    Headers headers;
    Result<void> sent;
    if (request.path == "/file") { sent = co_await exchange.respond(200, {}, "the file"); }
    if (request.path == "/who") {
        const std::string who(request.headers.get_or("Authorization", "nobody"));
        sent = co_await exchange.respond(200, {}, who);
    }
    if (request.path == "/there") {
        headers.add("Location", "file");
        sent = co_await exchange.respond(302, std::move(headers), "");
    }
    if (request.path == "/round") {
        headers.add("Location", "/round");
        sent = co_await exchange.respond(301, std::move(headers), "");
    }
    if (request.path == "/absent") { sent = co_await exchange.respond(404, {}, "no"); }
    EXPECT_TRUE(sent);
}

struct World {
    World() : server(loop, serve) {
        auto listener = Listener::listen_tcp(loop, "127.0.0.1", 0);
        EXPECT_TRUE(listener);
        base = "127.0.0.1:" + std::to_string(parse_address((*listener)->text())->port);
        server.serve(std::move(*listener));
    }
    ~World() { run_task(loop, server.stop(late())); }

    Task<std::string> fetch(std::string address) {
        auto url = parse_url(address);
        auto started = co_await Download::start(loop, *url, late());
        if (!started) { co_return started.error().message; }
        std::string all;
        char buffer[3];
        for (;;) {
            const auto got = co_await (*started)->read_some(buffer, late());
            if (!got || *got == 0) { co_return all; }
            all.append(buffer, *got);
        }
    }
    std::string get(const std::string& path) {
        return run_task(loop, fetch("http://" + base + path));
    }

    Loop loop;
    HttpServer server;
    std::string base;
};

TEST(Download, gives_the_file_where_the_redirect_leads) {
    World world;
    EXPECT_EQ(world.get("/file"), "the file");
    EXPECT_EQ(world.get("/there"), "the file");
}

TEST(Download, says_what_the_server_said) {
    World world;
    EXPECT_NE(world.get("/absent").find("/absent answered 404 Not Found"), std::string::npos);
    EXPECT_NE(world.get("/round").find("redirected too often"), std::string::npos);
}

TEST(Download, shows_the_password_to_the_server) {
    World world;
    const auto who = run_task(world.loop, world.fetch("http://me:secret@" + world.base + "/who"));
    EXPECT_EQ(who, "Basic bWU6c2VjcmV0");
}

} // namespace
} // namespace shoal::net
