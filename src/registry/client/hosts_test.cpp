#include "os/file.h"
#include "registry/client/hosts.h"
#include "registry/client/registry_impl.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

std::string text_of(const std::vector<Endpoint>& endpoints) {
    std::string text;
    for (const auto& one : endpoints) {
        text += (text.empty() ? "" : " ") + place_of(one.url) + (one.mirror ? " (mirror)" : "") +
                (one.verify ? "" : " (unverified)");
    }
    return text;
}

std::string endpoints(const std::string& domain, const HostSettings& settings,
                      Purpose purpose = Purpose::Pull) {
    const auto found = endpoints_of(domain, settings, purpose);
    return found ? text_of(*found) : "error: " + found.error().message;
}

TEST(RegistryHosts, are_https_and_verified) {
    EXPECT_EQ(endpoints("registry.example:5000", {}), "https://registry.example:5000");
    EXPECT_EQ(endpoints("docker.io", {}), "https://registry-1.docker.io");
}

TEST(RegistryHosts, of_this_machine_and_insecure_ones_may_be_plain) {
    EXPECT_EQ(endpoints("localhost:5000", {}),
              "https://localhost:5000 (unverified) http://localhost:5000 (unverified)");
    EXPECT_EQ(endpoints("127.0.0.5", {}),
              "https://127.0.0.5 (unverified) http://127.0.0.5 (unverified)");
    HostSettings settings;
    settings.insecure_registries = {"10.0.0.0/8", "plain.example:80"};
    EXPECT_EQ(endpoints("10.1.2.3:5000", settings),
              "https://10.1.2.3:5000 (unverified) http://10.1.2.3:5000 (unverified)");
    EXPECT_EQ(endpoints("11.1.2.3:5000", settings), "https://11.1.2.3:5000");
    EXPECT_EQ(endpoints("plain.example", settings), "https://plain.example");
}

TEST(RegistryHosts, mirrors_come_first_for_dockers_own_and_never_for_a_push) {
    HostSettings settings;
    settings.mirrors = {"https://mirror.example/prefix/"};
    EXPECT_EQ(endpoints("docker.io", settings),
              "https://mirror.example (mirror) https://registry-1.docker.io");
    EXPECT_EQ(endpoints("docker.io", settings, Purpose::Push), "https://registry-1.docker.io");
    EXPECT_EQ(endpoints("other.example", settings), "https://other.example");
}

TEST(RegistryHosts, find_certificates_by_the_name_as_it_is_written) {
    const auto directory = os::TempDir::create();
    ASSERT_TRUE(directory);
    const std::string place = directory->path() + "/h.example:5000";
    ASSERT_TRUE(os::ensure_directory(place));
    for (const char* name : {"ca.crt", "client.cert", "client.key"}) {
        ASSERT_TRUE(os::write_file_atomic(place + "/" + name, "x"));
    }
    HostSettings settings;
    settings.certificate_directories = {directory->path(), "/nonexistent"};
    const auto found = endpoints_of("h.example:5000", settings, Purpose::Pull);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->front().tls.more_ca_files, std::vector<std::string>{place + "/ca.crt"});
    EXPECT_EQ(found->front().tls.cert_file, place + "/client.cert");
    EXPECT_EQ(found->front().tls.key_file, place + "/client.key");
    ASSERT_TRUE(os::remove_file(place + "/client.key"));
    EXPECT_NE(endpoints("h.example:5000", settings).find("missing key client.key"),
              std::string::npos);
}

TEST(RegistryHosts, go_through_proxies_except_where_told_not_to) {
    HostSettings settings;
    settings.proxy = {"http://p:3128", "http://u:w@q:3129", "10.0.0.0/8,.inside.example,host:5000"};
    const auto proxy = [&](const std::string& domain) {
        const auto found = endpoints_of(domain, settings, Purpose::Pull);
        return found && found->front().proxy ? found->front().proxy->host : std::string();
    };
    EXPECT_EQ(proxy("out.example"), "q");
    EXPECT_EQ(proxy("a.inside.example"), "");
    EXPECT_EQ(proxy("10.2.3.4:5000"), "");
    EXPECT_EQ(proxy("host:5000"), "");
    EXPECT_EQ(proxy("host:5001"), "q");
    EXPECT_EQ(proxy("127.0.0.1:5000"), "");
    EXPECT_TRUE(bypasses_proxy("x", 1, "*"));
    EXPECT_FALSE(bypasses_proxy("notinside.example", 443, "inside.example"));
}

TEST(RegistryHosts, of_an_address_take_the_proxy_of_its_scheme) {
    HostSettings settings;
    settings.proxy = {"http://p:3128", "http://q:3129", "inside.example"};
    const auto proxy = [&](const std::string& address) {
        const auto found = endpoint_at(*net::parse_url(address), settings);
        return found && found->proxy ? found->proxy->host : std::string();
    };
    EXPECT_EQ(proxy("http://storage.example/x"), "p");
    EXPECT_EQ(proxy("https://storage.example/x"), "q");
    EXPECT_EQ(proxy("http://inside.example:8000/x"), "");
    EXPECT_EQ(proxy("http://127.0.0.1/x"), "");
}

Endpoint endpoint_at(const std::string& address, bool verify = true) {
    Endpoint endpoint;
    endpoint.url = *net::parse_url(address);
    endpoint.verify = verify;
    return endpoint;
}

Challenge bearer(const std::string& realm) {
    return {"bearer", {{"realm", realm}, {"service", "s"}}};
}

AuthConfig ann() {
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "secret";
    return auth;
}

TEST(TokenRequests, ask_for_the_scopes_with_name_and_password) {
    const auto plan = plan_token_request(bearer("https://auth.example/token?x=1"),
                                         {{"repository", "a/b", {"pull", "push"}}}, ann(),
                                         endpoint_at("https://h.example"), false);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->url.target,
              "/token?x=1&account=ann&service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush");
    EXPECT_TRUE(plan->with_basic);
}

TEST(TokenRequests, go_by_post_with_an_identity_token) {
    AuthConfig auth;
    auth.identity_token = "t&t";
    const auto plan = plan_token_request(bearer("https://h.example/token"), {}, auth,
                                         endpoint_at("https://h.example"), false);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->method, "POST");
    EXPECT_NE(plan->body.find("refresh_token=t%26t"), std::string::npos);
    EXPECT_FALSE(plan->with_basic);
}

TEST(TokenRequests, never_carry_credentials_to_a_realm_that_may_be_a_strangers) {
    const auto refused = [](const std::string& realm, const Endpoint& endpoint, AuthConfig auth) {
        return !plan_token_request(bearer(realm), {}, auth, endpoint, false).has_value();
    };
    EXPECT_TRUE(refused("http://h.example/token", endpoint_at("https://h.example"), ann()));
    EXPECT_TRUE(
        refused("https://evil.example/token", endpoint_at("http://h.example", false), ann()));
    EXPECT_TRUE(
        refused("https://evil.example/token", endpoint_at("https://h.example", false), ann()));
    EXPECT_TRUE(refused("https://127.0.0.1/token", endpoint_at("https://h.example"), {}));
    EXPECT_TRUE(refused("https://192.168.1.1/token", endpoint_at("https://h.example"), {}));
    EXPECT_TRUE(refused("https://172.20.0.1/token", endpoint_at("https://h.example"), {}));
    EXPECT_TRUE(refused("/token", endpoint_at("https://h.example"), {}));
    EXPECT_FALSE(refused("https://auth.example/token", endpoint_at("https://h.example"), ann()));
    EXPECT_FALSE(
        refused("http://127.0.0.1:5000/token", endpoint_at("http://127.0.0.1:5000"), ann()));
    EXPECT_FALSE(refused("https://10.example/token", endpoint_at("https://h.example"), ann()));
}

TEST(Redirects, do_not_lead_from_outside_into_our_own_network) {
    const auto from = *net::parse_url("https://h.example/v2/x");
    EXPECT_FALSE(follow(from, "https://127.0.0.1/x"));
    EXPECT_FALSE(follow(from, "https://10.0.0.1/x"));
    EXPECT_FALSE(follow(from, "http://h.example/x")) << "nor out of TLS";
    EXPECT_EQ(follow(from, "https://u:p@storage.example/x")->user, "");
    EXPECT_TRUE(follow(*net::parse_url("http://10.0.0.1:5000/v2/"), "http://10.0.0.2/x"));
}

} // namespace
} // namespace shoal::registry
