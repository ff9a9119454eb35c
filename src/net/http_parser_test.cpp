#include "net/http_parser.h"

#include <gtest/gtest.h>

namespace shoal::net {
namespace {

struct Parsed {
    RequestHead head;
    std::string body;
    std::string rest;
    bool keep_alive = false;
    bool done = false;
    std::optional<Error> error;
    int refusal = 0;
};

/// Feeds `text` in pieces of `step` bytes, as a connection would.
Parsed parse(std::string text, std::size_t step, ParserLimits limits = {}) {
    HttpParser parser(HttpParser::Kind::Request, limits);
    Parsed parsed;
    std::string pending;
    while (!parser.done()) {
        char body[64];
        auto fed = parser.feed(pending, body);
        if (!fed) {
            parsed.error = fed.error();
            parsed.refusal = parser.refusal();
            return parsed;
        }
        pending.erase(0, fed->used);
        parsed.body.append(body, fed->body);
        if (fed->used > 0) { continue; }
        if (text.empty()) { break; }
        pending += text.substr(0, step);
        text.erase(0, step);
    }
    parsed.head = parser.request();
    parsed.keep_alive = parser.keep_alive();
    parsed.done = parser.done();
    parsed.rest = pending + text;
    return parsed;
}

TEST(HttpParser, reads_a_request_in_pieces_of_any_size) {
    const std::string text =
        "POST /v1.51/x%20y?a=1&a=b%2Bc+d&flag HTTP/1.1\r\nHost: h\r\nX-Thing: value\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\nGET /";
    for (const std::size_t step : {1, 2, 3, 7, 50, 1000}) {
        const auto parsed = parse(text, step);
        ASSERT_FALSE(parsed.error) << parsed.error->message;
        EXPECT_TRUE(parsed.done);
        EXPECT_EQ(parsed.head.path, "/v1.51/x%20y");
        EXPECT_EQ(parsed.head.params("a"), (std::vector<std::string>{"1", "b+c d"}));
        ASSERT_NE(parsed.head.param("flag"), nullptr);
        EXPECT_EQ(*parsed.head.param("flag"), "");
        EXPECT_EQ(parsed.head.headers.get_or("x-thing", ""), "value");
        EXPECT_FALSE(parsed.head.headers.has("Trailer"));
        EXPECT_EQ(parsed.body, "hello world");
        EXPECT_EQ(parsed.rest, "GET /");
        EXPECT_TRUE(parsed.keep_alive);
    }
}

TEST(HttpParser, refuses_what_leaves_the_framing_in_doubt) {
    const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
    const std::vector<std::string> bad = {
        "GET\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        start + "Content-Length: -1\r\n\r\n",
        start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: gzip\r\n\r\n",
        start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        start + "Bad Header: x\r\n\r\n",
    };
    for (const auto& text : bad) {
        for (const std::size_t step : {1, 1000}) {
            const auto parsed = parse(text, step);
            EXPECT_TRUE(parsed.error) << text;
            EXPECT_GE(parsed.refusal, 400) << text;
        }
    }
}

TEST(HttpParser, names_the_limit_that_was_passed) {
    const ParserLimits limits{300, 3, 100};
    EXPECT_EQ(parse("GET /" + std::string(150, 'a') + " HTTP/1.1\r\n\r\n", 1000, limits).refusal,
              414);
    EXPECT_EQ(
        parse("GET / HTTP/1.1\r\nA: " + std::string(400, 'a') + "\r\n\r\n", 10, limits).refusal,
        431);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n", 1000, limits).refusal,
              431);
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\n\r\n", 1000, limits).error);
}

TEST(HttpParser, knows_when_a_connection_goes_on) {
    EXPECT_TRUE(parse("GET / HTTP/1.1\r\n\r\n", 9).keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 9).keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 9).keep_alive);
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 9).keep_alive);
}

TEST(Headers, compare_names_and_tokens_without_case) {
    Headers headers{{"Connection", "keep-alive, Upgrade"}, {"X", "1"}, {"x", "2"}};
    EXPECT_TRUE(headers.has_token("connection", "upgrade"));
    EXPECT_FALSE(headers.has_token("connection", "up"));
    headers.set("X", "3");
    EXPECT_EQ(headers.size(), 2U);
    EXPECT_EQ(*headers.get("x"), "3");
}

} // namespace
} // namespace shoal::net
