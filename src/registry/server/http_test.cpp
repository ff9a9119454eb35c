#include "registry/server/access_log.h"
#include "registry/server/http_accept.h"
#include "registry/server/http_call.h"
#include "registry/server/http_etag.h"
#include "registry/server/http_guard.h"
#include "registry/server/http_route.h"

#include <cerrno>
#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

Place place_of(std::string_view path) {
    const auto place = parse_place(path);
    EXPECT_TRUE(place) << path;
    return place.value_or(Place{});
}

TEST(Route, finds_the_words_of_the_api_at_the_end_of_a_path) {
    const Place upload = place_of("/v2/blobs/uploads/blobs/uploads/abc");
    EXPECT_EQ(upload.resource, Resource::Upload);
    EXPECT_EQ(upload.name, "blobs/uploads");
    EXPECT_EQ(upload.item, "abc");
    EXPECT_EQ(place_of("/v2/a/manifests/tags/list").resource, Resource::Tags);
    EXPECT_EQ(place_of("/v2/a/blobs/uploads").resource, Resource::Uploads);
    EXPECT_EQ(place_of("/v2/a/blobs/uploads/").resource, Resource::Uploads);
    EXPECT_EQ(place_of("/v2/a/blobs/sha256%3Aab").item, "sha256:ab");
    EXPECT_EQ(place_of("/v2").resource, Resource::Base);
    EXPECT_EQ(place_of("/v2/_catalog").resource, Resource::Catalog);
}

TEST(Route, knows_no_other_paths) {
    for (const auto* path : {"/", "/v1/", "/v2x", "/v2/a", "/v2/a/manifests/", "/v2/a/%zz/list",
                             "/v2/manifests/x", "/v2/a/other/x"}) {
        EXPECT_FALSE(parse_place(path)) << path;
    }
}

TEST(Route, answers_head_where_it_answers_get) {
    for (const Route& route : routes()) {
        if (route.method != "GET") { continue; }
        EXPECT_EQ(find_route("HEAD", route.resource), &route);
    }
    EXPECT_EQ(find_route("HEAD", Resource::Uploads), nullptr);
    EXPECT_EQ(allowed_methods(Resource::Upload), "GET, HEAD, PATCH, PUT, DELETE");
}

TEST(Etag, is_matched_by_lists_weak_and_bare_tags) {
    const std::string etag = "\"sha256:ab\"";
    for (const auto* header :
         {"\"sha256:ab\"", "sha256:ab", "W/\"sha256:ab\"", "\"x\", \"sha256:ab\"", "*"}) {
        EXPECT_TRUE(matches_etag(header, etag)) << header;
    }
    for (const auto* header : {"", "\"sha256:abc\"", "sha256"}) {
        EXPECT_FALSE(matches_etag(header, etag)) << header;
    }
}

TEST(Accept, takes_anything_without_a_header_or_with_a_wildcard) {
    EXPECT_TRUE(acceptance_of({}).anything);
    EXPECT_TRUE(acceptance_of({{"Accept", "text/html, */*;q=0.1"}}).anything);
    const auto accepts = acceptance_of({{"Accept", std::string(oci::media::docker_manifest)},
                                        {"Accept", std::string(oci::media::oci_index)}});
    EXPECT_FALSE(accepts.anything);
    EXPECT_TRUE(accepts.indexes);
    EXPECT_TRUE(accepts.manifests);
}

TEST(Accept, gives_the_image_of_amd64_to_who_takes_no_index) {
    const std::string amd = "sha256:" + std::string(64, 'a');
    const std::string arm = "sha256:" + std::string(64, 'b');
    const std::string index =
        R"({"schemaVersion":2,"manifests":[{"mediaType":"m","digest":")" + arm +
        R"(","size":1,"platform":{"os":"linux","architecture":"arm64"}},{"mediaType":"m","digest":")" +
        amd + R"(","size":1,"platform":{"os":"linux","architecture":"amd64"}}]})";
    const auto chosen = stand_in_for_index({false, false, true}, index);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->text(), amd);
    EXPECT_FALSE(stand_in_for_index({true, false, true}, index));
    EXPECT_FALSE(stand_in_for_index({false, true, true}, index));
    EXPECT_FALSE(stand_in_for_index({false, false, false}, index));
    EXPECT_FALSE(stand_in_for_index({false, false, true}, "no index"));
}

TEST(Refusal, tells_a_full_disk_from_a_quota) {
    const Error disk{Errc::Exhausted, "write", ENOSPC};
    const Error quota{Errc::Exhausted, "quota of team/ exceeded"};
    EXPECT_EQ(refusal_of(disk, Code::BlobUnknown).status, 507);
    EXPECT_EQ(refusal_of(quota, Code::BlobUnknown).status, 403);
    EXPECT_EQ(refusal_of(quota, Code::BlobUnknown).problem.message, quota.message);
}

TEST(Refusal, keeps_what_went_wrong_inside_to_itself) {
    const Error inner{Errc::Internal, "secret path /x"};
    const Refusal refusal = refusal_of(inner, Code::BlobUnknown);
    EXPECT_EQ(refusal.status, 500);
    EXPECT_EQ(refusal.problem.message, "");
}

TEST(Refusal, of_a_log_in_says_nothing_but_that_there_were_too_many) {
    EXPECT_EQ(login_refusal_of({Errc::Unauthorized, "no such user"}).problem.message, "");
    EXPECT_EQ(login_refusal_of({Errc::Unavailable, "too many failed log-ins"}).status, 429);
    const auto away = login_refusal_of({Errc::Unavailable, "the directory: ldaps://dc: no route"});
    EXPECT_EQ(away.status, 503);
    EXPECT_EQ(away.problem.message, "the directory of users does not answer");
    const auto broken = login_refusal_of({Errc::Unavailable, "users cannot be read: /root/x: no"});
    EXPECT_EQ(broken.status, 503);
    EXPECT_EQ(broken.problem.message.find('/'), std::string::npos);
}

TEST(Forwarded, is_what_the_nearest_proxy_said) {
    const net::Headers headers{{"X-Forwarded-For", "10.0.0.1, 10.0.0.2"},
                               {"Other", "x"},
                               {"x-forwarded-for", "10.0.0.3 , 10.0.0.4 "}};
    EXPECT_EQ(last_forwarded(headers, "X-Forwarded-For"), "10.0.0.4");
    EXPECT_EQ(last_forwarded(headers, "Other"), "x");
    EXPECT_EQ(last_forwarded(headers, "X-Forwarded-Host"), "");
}

TEST(Scope, asks_for_what_the_operation_needs) {
    EXPECT_EQ(scope_of(Need::Push, "a/b"), "repository:a/b:pull,push");
    EXPECT_EQ(scope_of(Need::Catalog, ""), "registry:catalog:*");
    EXPECT_EQ(scope_of(Need::Known, ""), "");
}

TEST(SessionCookie, is_of_one_address) {
    const auto plain = session_cookie_of("http://localhost:5000");
    EXPECT_EQ(plain.find("shoal_registry_"), 0u);
    EXPECT_NE(plain, session_cookie_of("http://localhost:5001"));
    EXPECT_EQ(session_cookie_of("https://r.example").find("__Secure-shoal_registry_"), 0u);
}

TEST(Guard, refuses_what_pages_of_others_ask) {
    const Guard guard{false, "https://r.example", {}};
    EXPECT_TRUE(check_approach(guard, {{"Host", "r.example"}}));
    EXPECT_TRUE(check_approach(guard, {{"Origin", "https://r.example"}}));
    EXPECT_TRUE(check_approach(guard, {{"Sec-Fetch-Site", "same-origin"}}));
    EXPECT_FALSE(check_approach(guard, {{"Origin", "https://evil.example"}}));
    EXPECT_FALSE(check_approach(guard, {{"Origin", "null"}}));
    EXPECT_FALSE(check_approach(guard, {{"Sec-Fetch-Site", "cross-site"}}));
}

TEST(Origin, is_written_as_browsers_write_it) {
    const auto origin = [](std::string_view url) { return parse_origin(url).value_or("refused"); };
    EXPECT_EQ(origin("https://Registry.Example:443"), "https://registry.example");
    EXPECT_EQ(origin("HTTP://r.example:80"), "http://r.example");
    EXPECT_EQ(origin("http://r.example:443"), "http://r.example:443");
    EXPECT_EQ(origin("https://r.example:5000"), "https://r.example:5000");
    EXPECT_EQ(origin("http://[2001:DB8:0::1]:5000"), "http://[2001:db8::1]:5000");
    EXPECT_EQ(origin("http://[::1]:80"), "http://[::1]");
    for (const auto* url : {"",
                            "r.example",
                            "ftp://r.example",
                            "https://",
                            "https://:5000",
                            "https://r.example/",
                            "https://r.example/v2",
                            "https://r.example?x",
                            "https://r.example#x",
                            "https://ann@r.example",
                            "https://ann:word@r.example",
                            "https://r.example:",
                            "https://r:0",
                            "https://r:x",
                            "https://r:70000",
                            "https://[::1",
                            "https://[::1]x",
                            "https://[x]",
                            "https://::1",
                            "https://r example",
                            "https://r.example:5000/"}) {
        EXPECT_EQ(origin(url), "refused") << url;
    }
    EXPECT_EQ(parse_origin("https://ann:word@r").error().message.find("word"), std::string::npos);
}

TEST(Guard, lets_an_open_registry_be_called_by_names_of_this_machine_only) {
    const Guard guard{true, "http://localhost:5000", {"mine.example"}};
    for (const auto* host : {"localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000",
                             "LOCALHOST", "mine.example:5000"}) {
        EXPECT_TRUE(check_approach(guard, {{"Host", host}})) << host;
    }
    for (const auto* host :
         {"rebound.example:5000", "192.0.2.1:5000", "127.0.0.1.example", "[::2]"}) {
        EXPECT_FALSE(check_approach(guard, {{"Host", host}})) << host;
    }
}

TEST(AccessLine, has_no_query_and_nothing_that_breaks_it) {
    net::RequestHead request;
    request.method = "GET";
    request.target = "/v2/?token=secret";
    request.path = "/v2/\n\"x";
    request.headers.add("User-Agent", "a\"b\r\nc");
    const auto line =
        print_access_line(request, "::1", "", "now", 200, 5, std::chrono::milliseconds(1500));
    EXPECT_EQ(line, "::1 - - [now] \"GET /v2/??x HTTP/1.1\" 200 5 1.500000 \"a?b??c\"");
}

} // namespace
} // namespace shoal::registry
