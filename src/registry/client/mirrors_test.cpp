// Mirrors that have less than they promised: the next endpoint is asked.
#include "blob/hash.h"
#include "net/http.h"
#include "net/scope.h"
#include "registry/client/registry_impl.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

constexpr std::string_view manifest_type = "application/vnd.oci.image.manifest.v1+json";

net::Until soon() { return Deadline::in(std::chrono::seconds(20)); }

/// What a place does with a request for the blob.
enum class Blob { Gives, HasNot, BreaksOff, Lies };

/// One server of the registry or of a mirror, with the manifest "{}" for every tag.
class Place {
  public:
    Place(net::Loop& loop, Blob blob)
        : server_(loop, [this](net::Exchange& exchange) { return answer(exchange); }), blob_(blob) {
        auto listener = net::Listener::listen_tcp(loop, "127.0.0.1", 0);
        port_ = (*listener)->port();
        server_.serve(std::move(*listener));
    }
    Endpoint endpoint(bool mirror) const {
        Endpoint made;
        made.url = *net::parse_url("http://127.0.0.1:" + std::to_string(port_));
        made.url.target.clear();
        made.mirror = mirror;
        return made;
    }
    net::Task<void> stop() { return server_.stop(Deadline::in(std::chrono::seconds(0))); }

    std::string bytes = std::string(50'000, 'x') + std::string(50'000, 'y');
    std::vector<std::string> asked; ///< paths, each with its range
    std::string challenge;
    std::vector<std::string> authorizations;

  private:
    net::Task<void> answer(net::Exchange& exchange) {
        const auto& request = exchange.request();
        const std::string authorization(request.headers.get_or("Authorization", ""));
        if (!authorization.empty()) { authorizations.push_back(authorization); }
        if (request.path == "/v2/") {
            net::Headers headers;
            if (!challenge.empty()) { headers.add("WWW-Authenticate", challenge); }
            net::Response hello{challenge.empty() ? 200 : 401, std::move(headers), ""};
            auto sent = co_await exchange.respond(std::move(hello));
            (void)sent;
            co_return;
        }
        asked.push_back(request.path + " " + std::string(request.headers.get_or("Range", "")));
        if (request.path.find("/manifests/") != std::string::npos) {
            net::Headers headers;
            headers.add("Content-Type", std::string(manifest_type));
            net::Response manifest{200, std::move(headers), "{}"};
            auto sent = co_await exchange.respond(std::move(manifest));
            (void)sent;
            co_return;
        }
        co_await give_blob(exchange);
    }

    net::Task<void> give_blob(net::Exchange& exchange) {
        if (blob_ == Blob::HasNot) {
            net::Response nothing{404, {}, R"({"errors":[{"code":"BLOB_UNKNOWN"}]})"};
            auto sent = co_await exchange.respond(std::move(nothing));
            (void)sent;
            co_return;
        }
        const std::string range(exchange.request().headers.get_or("Range", ""));
        const std::size_t from = range.empty() ? 0 : std::stoul(range.substr(6));
        const std::string rest = bytes.substr(from);
        net::Headers headers;
        headers.add("Content-Length", std::to_string(rest.size()));
        if (from > 0) {
            headers.add("Content-Range", "bytes " + std::to_string(from) + "-" +
                                             std::to_string(bytes.size() - 1) + "/" +
                                             std::to_string(bytes.size()));
        }
        auto begun = co_await exchange.begin(from > 0 ? 206 : 200, std::move(headers));
        if (!begun) { co_return; }
        // Once it gives a third, and later nothing at all.
        const std::size_t part =
            blob_ != Blob::BreaksOff ? rest.size() : (from > 0 ? 0 : bytes.size() / 3);
        const std::string piece =
            blob_ == Blob::Lies ? std::string(part, 'z') : rest.substr(0, part);
        auto written = co_await exchange.write(piece);
        (void)written;
        if (part == rest.size()) {
            auto ended = co_await exchange.end();
            (void)ended;
        }
    }

    net::HttpServer server_;
    Blob blob_;
    std::uint16_t port_ = 0;
};

/// Two mirrors and the registry.
class Mirrors : public ::testing::Test {
  protected:
    void set_up(Blob first, Blob second, Blob last = Blob::Gives, AuthConfig auth = {}) {
        for (const Blob one : {first, second, last}) {
            places.push_back(std::make_unique<Place>(loop, one));
        }
        auto impl = std::make_unique<Registry::Impl>(loop, ClientOptions{});
        impl->domain = "docker.io";
        impl->auth = std::move(auth);
        for (const auto& place : places) {
            impl->endpoints.push_back(place->endpoint(place != places.back()));
        }
        registry = std::make_shared<Registry>(std::move(impl));
        repository.emplace(registry, "a/b", Purpose::Pull);
        blob.digest = blob::hash(places.back()->bytes);
        blob.size = static_cast<std::int64_t>(places.back()->bytes.size());
    }
    void TearDown() override {
        for (auto& place : places) { net::run_task(loop, place->stop()); }
    }
    Result<std::string> read() {
        return net::run_task(loop, repository->read_blob(blob, 1 << 20, soon()));
    }

    net::Loop loop;
    std::vector<std::unique_ptr<Place>> places;
    std::shared_ptr<Registry> registry;
    std::optional<Repository> repository;
    oci::Descriptor blob;
};

TEST_F(Mirrors, without_a_blob_give_way_to_the_next_and_at_last_to_the_registry) {
    set_up(Blob::HasNot, Blob::HasNot);
    ASSERT_TRUE(net::run_task(loop, repository->manifest("1", soon())));
    EXPECT_EQ(places[0]->asked.size(), 1u); // it is the mirror that has the manifest
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, places.back()->bytes);
    EXPECT_EQ(places[1]->asked.size(), 1u);
    EXPECT_EQ(places[2]->asked.size(), 1u);
}

TEST_F(Mirrors, that_break_off_are_gone_on_from_at_the_next) {
    set_up(Blob::BreaksOff, Blob::Gives);
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, places.back()->bytes);
    ASSERT_EQ(places[1]->asked.size(), 1u);
    EXPECT_NE(places[1]->asked.front().find("bytes=33333-"), std::string::npos);
    EXPECT_TRUE(places[2]->asked.empty());
}

TEST_F(Mirrors, that_give_other_bytes_are_read_anew_from_the_next) {
    set_up(Blob::Lies, Blob::Lies);
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, places.back()->bytes);
    EXPECT_EQ(places[2]->asked.size(), 1u);
}

TEST_F(Mirrors, fail_with_the_words_of_the_registry_itself) {
    set_up(Blob::HasNot, Blob::BreaksOff, Blob::HasNot);
    const auto got = read();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::NotFound);
}

net::Task<void> keep(net::Task<Result<std::string>> task, std::vector<Result<std::string>>* into) {
    auto got = co_await std::move(task);
    into->push_back(std::move(got));
}

net::Task<void> drain(net::TaskScope* scope) {
    net::Until never;
    co_await scope->drain(never);
}

TEST_F(Mirrors, that_fail_several_readers_at_one_time_are_left_once) {
    set_up(Blob::HasNot, Blob::Gives);
    std::vector<Result<std::string>> got;
    net::TaskScope scope(loop);
    for (int n = 0; n < 4; ++n) {
        scope.spawn(keep(repository->read_blob(blob, 1 << 20, soon()), &got));
    }
    net::run_task(loop, drain(&scope));
    ASSERT_EQ(got.size(), 4u);
    for (const auto& one : got) { EXPECT_TRUE(one) << one.error().message; }
    EXPECT_TRUE(places[2]->asked.empty()); // nobody passed the second mirror over
}

TEST_F(Mirrors, never_see_the_log_in_that_is_for_the_registry) {
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "pw";
    set_up(Blob::HasNot, Blob::HasNot, Blob::Gives, auth);
    for (auto& place : places) { place->challenge = "Basic realm=\"x\""; }
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE(places[0]->authorizations.empty());
    EXPECT_TRUE(places[1]->authorizations.empty());
    EXPECT_FALSE(places[2]->authorizations.empty());
}

} // namespace
} // namespace shoal::registry
