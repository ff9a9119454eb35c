// The client against a registry that misbehaves on purpose.
#include "base/text.h"
#include "blob/hash.h"
#include "net/http.h"
#include "registry/client/repository.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

using Handler = std::function<net::Task<void>(net::Exchange&)>;

/// A server on a free port of loopback, and a client for it.
class Fake {
  public:
    explicit Fake(Handler handler) : server_(loop, std::move(handler)) {
        auto listener = net::Listener::listen_tcp(loop, "127.0.0.1", 0);
        port_ = (*listener)->port();
        server_.serve(std::move(*listener));
    }
    ~Fake() { net::run_task(loop, server_.stop(Deadline::in(std::chrono::seconds(0)))); }

    std::string domain() const { return "127.0.0.1:" + std::to_string(port_); }
    Repository repository(AuthConfig auth = {}, Purpose purpose = Purpose::Push,
                          ProxySettings proxy = {}) {
        ClientOptions options;
        options.hosts.proxy = std::move(proxy);
        options.user_agent = "test";
        auto made = Registry::create(loop, options, domain(), std::move(auth), Purpose::Push);
        return Repository(*made, "a/b", purpose);
    }
    template <class T> T run(net::Task<T> task) { return net::run_task(loop, std::move(task)); }

    net::Loop loop;

  private:
    net::HttpServer server_;
    std::uint16_t port_ = 0;
};

net::Until soon() { return Deadline::in(std::chrono::seconds(20)); }

net::Task<void> say(net::Exchange& exchange, int status, net::Headers headers, std::string body) {
    net::Response response{status, std::move(headers), std::move(body)};
    auto sent = co_await exchange.respond(std::move(response));
    (void)sent;
}

net::Task<Result<std::string>> read_all(std::unique_ptr<BlobReader> reader) {
    std::string all;
    std::vector<char> buffer(1000);
    while (true) {
        CO_TRY_LET(got, co_await reader->read_some(buffer, soon()));
        if (got == 0) { co_return all; }
        all.append(buffer.data(), got);
    }
}

net::Task<Result<std::string>> fetch(Repository* repository, oci::Descriptor blob) {
    CO_TRY_LET(reader, co_await repository->blob(std::move(blob), soon()));
    co_return co_await read_all(std::move(reader));
}

oci::Descriptor descriptor_of(const std::string& bytes) {
    oci::Descriptor blob;
    blob.digest = blob::hash(bytes);
    blob.size = static_cast<std::int64_t>(bytes.size());
    return blob;
}

TEST(Retrying, is_for_what_may_pass) {
    EXPECT_TRUE(is_worth_retrying({Errc::Unavailable, ""}));
    EXPECT_TRUE(is_worth_retrying({Errc::Timeout, ""}));
    EXPECT_FALSE(is_worth_retrying({Errc::NotFound, ""}));
    EXPECT_FALSE(is_worth_retrying({Errc::Invalid, ""}));
    EXPECT_FALSE(is_worth_retrying({Errc::Unauthorized, ""}));
}

struct Breaking {
    std::string bytes = std::string(50'000, 'x') + std::string(50'000, 'y');
    int asked = 0;
    bool ranges = true;
    std::vector<std::string> seen;

    net::Task<void> operator()(net::Exchange& exchange) {
        const auto& request = exchange.request();
        if (request.path == "/v2/") {
            net::Headers with1{};
            co_await say(exchange, 200, std::move(with1), "");
            co_return;
        }
        ++asked;
        const std::string range(request.headers.get_or("Range", ""));
        seen.push_back(range);
        std::size_t from = 0;
        net::Headers headers;
        if (ranges && !range.empty()) {
            from = *parse_number<std::size_t>(range.substr(6, range.size() - 7));
            headers.add("Content-Range", "bytes " + std::to_string(from) + "-" +
                                             std::to_string(bytes.size() - 1) + "/" +
                                             std::to_string(bytes.size()));
        }
        headers.add("Content-Length", std::to_string(bytes.size() - from));
        const int status = headers.has("Content-Range") ? 206 : 200;
        auto begun = co_await exchange.begin(status, std::move(headers));
        if (!begun) { co_return; }
        const std::size_t part = asked < 3 ? 30'000 : bytes.size();
        const std::string piece = bytes.substr(from, part);
        auto written = co_await exchange.write(piece);
        if (from + piece.size() == bytes.size()) {
            auto ended = co_await exchange.end();
            (void)ended;
        }
        (void)written; // else it is broken off in the middle
    }
};

TEST(BlobReader, goes_on_from_the_last_byte_after_a_broken_connection) {
    Breaking server;
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    auto repository = fake.repository();
    const auto got = fake.run(fetch(&repository, descriptor_of(server.bytes)));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, server.bytes);
    EXPECT_EQ(server.seen, (std::vector<std::string>{"", "bytes=30000-", "bytes=60000-"}));
}

TEST(BlobReader, skips_what_it_has_when_the_server_knows_no_ranges) {
    Breaking server;
    server.ranges = false;
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    auto repository = fake.repository();
    const auto got = fake.run(fetch(&repository, descriptor_of(server.bytes)));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, server.bytes);
}

TEST(BlobReader, does_not_believe_a_length_that_is_not_the_blobs) {
    Breaking server;
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    auto repository = fake.repository();
    auto blob = descriptor_of(server.bytes);
    blob.size -= 1;
    const auto got = fake.run(fetch(&repository, blob));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::Invalid);
    EXPECT_EQ(server.asked, 1);
}

struct Guarded {
    std::string scheme;
    std::string realm;
    std::vector<std::string> authorizations;
    std::vector<std::string> tokens_asked;
    std::string redirect_to;

    net::Task<void> operator()(net::Exchange& exchange) {
        const auto& request = exchange.request();
        const std::string authorization(request.headers.get_or("Authorization", ""));
        if (request.path == "/token") {
            tokens_asked.push_back(request.target + " " + authorization);
            net::Headers with2{};
            co_await say(exchange, 200, std::move(with2),
                         R"({"token":"tok)" + std::to_string(tokens_asked.size()) + "\"}");
            co_return;
        }
        authorizations.push_back(request.path + " " + authorization);
        if (authorization.empty() || authorization == "Bearer tok1") {
            const std::string challenge = scheme == "Basic"
                                              ? "Basic realm=\"x\""
                                              : "Bearer realm=\"" + realm + "\",service=\"s\"";
            net::Headers with3{{"WWW-Authenticate", challenge}};
            co_await say(exchange, 401, std::move(with3), "");
            co_return;
        }
        if (!redirect_to.empty() && request.path.find("/blobs/") != std::string::npos) {
            net::Headers with4{{"Location", redirect_to}};
            co_await say(exchange, 307, std::move(with4), "");
            co_return;
        }
        net::Headers with5{{"Content-Type", "application/vnd.oci.image.index.v1+json"}};
        co_await say(exchange, 200, std::move(with5), "{}");
    }
};

TEST(Registry, answers_a_basic_challenge_with_name_and_password) {
    Guarded server;
    server.scheme = "Basic";
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    auto repository = fake.repository(auth);
    const auto got = fake.run(repository.manifest("latest", soon()));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(server.authorizations.back(), "/v2/a/b/manifests/latest Basic " + base64("ann:pw"));
    auto nobody = fake.repository();
    const auto refused = fake.run(nobody.manifest("latest", soon()));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("no basic auth credentials"), std::string::npos);
}

TEST(Registry, gets_a_new_token_when_one_is_refused) {
    Guarded server;
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    server.realm = "http://" + fake.domain() + "/token";
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    auto repository = fake.repository(auth);
    const auto got = fake.run(repository.manifest("latest", soon()));
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(server.tokens_asked.size(), 2u);
    EXPECT_EQ(server.tokens_asked[0],
              "/token?account=ann&service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush "
              "Basic " +
                  base64("ann:pw"));
    EXPECT_EQ(server.authorizations.back(), "/v2/a/b/manifests/latest Bearer tok2");
}

TEST(Registry, takes_no_credentials_along_to_another_host) {
    std::vector<std::string> storage_saw;
    const std::string bytes = "hello";
    Guarded server;
    server.scheme = "Basic";
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    net::HttpServer storage(fake.loop, [&](net::Exchange& exchange) {
        storage_saw.emplace_back(exchange.request().headers.get_or("Authorization", "none"));
        return say(exchange, 200, {}, bytes);
    });
    auto listener = net::Listener::listen_tcp(fake.loop, "127.0.0.1", 0);
    server.redirect_to = "http://127.0.0.1:" + std::to_string((*listener)->port()) + "/x";
    storage.serve(std::move(*listener));
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    auto repository = fake.repository(auth);
    const auto got = fake.run(fetch(&repository, descriptor_of(bytes)));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, bytes);
    EXPECT_EQ(storage_saw, std::vector<std::string>{"none"});
    fake.run(storage.stop(Deadline::in(std::chrono::seconds(0))));
}

TEST(Registry, asks_plain_storage_through_the_proxy_of_http) {
    std::vector<std::string> asked_http;
    std::vector<std::string> asked_https;
    const std::string bytes = "hello";
    Guarded server;
    server.scheme = "Basic";
    server.redirect_to = "http://storage.example/x";
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    net::HttpServer http(fake.loop, [&](net::Exchange& exchange) {
        asked_http.emplace_back(exchange.request().target);
        return say(exchange, 200, {}, bytes);
    });
    net::HttpServer https(fake.loop, [&](net::Exchange& exchange) {
        asked_https.emplace_back(exchange.request().target);
        return say(exchange, 502, {}, "");
    });
    const auto serve = [&](net::HttpServer& proxy) {
        auto listener = net::Listener::listen_tcp(fake.loop, "127.0.0.1", 0);
        const std::string address = "http://127.0.0.1:" + std::to_string((*listener)->port());
        proxy.serve(std::move(*listener));
        return address;
    };
    const std::string http_address = serve(http);
    const std::string https_address = serve(https);
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    auto repository = fake.repository(auth, Purpose::Pull, {http_address, https_address, ""});
    const auto got = fake.run(fetch(&repository, descriptor_of(bytes)));
    EXPECT_TRUE(got) << got.error().message;
    EXPECT_EQ(asked_http, std::vector<std::string>{"http://storage.example/x"});
    EXPECT_TRUE(asked_https.empty());

    auto direct =
        fake.repository(auth, Purpose::Pull, {http_address, https_address, "storage.example"});
    EXPECT_FALSE(fake.run(direct.head_blob(blob::hash(bytes), soon()))); // there is no such host
    EXPECT_EQ(asked_http.size(), 1u);
    fake.run(http.stop(Deadline::in(std::chrono::seconds(0))));
    fake.run(https.stop(Deadline::in(std::chrono::seconds(0))));
}

TEST(Registry, ends_redirects_that_lead_in_a_circle) {
    Guarded server;
    server.scheme = "Basic";
    Fake fake([&](net::Exchange& exchange) { return server(exchange); });
    server.redirect_to = "/v2/a/b/blobs/again";
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    auto repository = fake.repository(auth);
    const auto got = fake.run(fetch(&repository, descriptor_of("x")));
    ASSERT_FALSE(got);
    EXPECT_LT(server.authorizations.size(), 100u);
}

TEST(Repository, checks_a_manifest_against_the_digest_that_was_asked_for) {
    Fake fake([](net::Exchange& exchange) { return say(exchange, 200, {}, "{}"); });
    auto repository = fake.repository();
    EXPECT_TRUE(fake.run(repository.manifest(blob::hash("{}").text(), soon())));
    const auto wrong = fake.run(repository.manifest(blob::hash("x").text(), soon()));
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().message.find("manifest verification failed"), std::string::npos);
}

TEST(Repository, does_not_read_pages_of_tags_for_ever) {
    int pages = 0;
    Fake fake([&](net::Exchange& exchange) {
        ++pages;
        return say(exchange, 200, {{"Link", "</v2/a/b/tags/list>; rel=\"next\""}},
                   R"({"tags":["a","b c"]})");
    });
    auto repository = fake.repository();
    const auto tags = fake.run(repository.tags(soon()));
    ASSERT_TRUE(tags);
    EXPECT_EQ(*tags, std::vector<std::string>{"a"}); // and what is no tag is left out
    EXPECT_LE(pages, 3);
}

} // namespace
} // namespace shoal::registry
