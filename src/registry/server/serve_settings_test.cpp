#include "registry/server/serve_settings.h"
#include "registry/server/serve_tls.h"

#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

Result<ServeSettings> read(std::string_view text) {
    return apply_serve_json({}, parse_json(text).value());
}

TEST(ServeSettings, are_read_with_their_units) {
    const auto settings = read(R"({"quotas": [{"prefix": "team/", "size": "10GB"}],
        "gc": {"every": "24h", "grace": "2h", "retention": [{"repositories": "team/**",
               "keep-last": 5, "keep-younger": "30d", "keep-tags": ["v*"]}]},
        "limits": {"manifest-size": "1MB", "page": 50, "stall-timeout": "10s"},
        "log": {"access": "off"}, "shutdown-timeout": "5s", "challenge": "basic"})");
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->quotas.at(0).bytes_max, 10ll << 30);
    EXPECT_EQ(settings->gc.every, std::chrono::hours(24));
    EXPECT_EQ(settings->gc.options.grace, std::chrono::hours(2));
    EXPECT_EQ(settings->gc.options.retention.at(0).keep_younger, std::chrono::hours(24 * 30));
    EXPECT_EQ(settings->gc.options.retention.at(0).keep_last, 5);
    EXPECT_EQ(settings->http.manifest_bytes_max, 1u << 20);
    EXPECT_EQ(settings->http.page_max, 50u);
    EXPECT_EQ(settings->http.stall_timeout, std::chrono::seconds(10));
    EXPECT_EQ(settings->http.challenge, HttpOptions::Challenge::Basic);
    EXPECT_EQ(settings->access_log, "off");
}

TEST(ServeSettings, refuse_what_is_unknown_by_its_name) {
    for (const auto* text : {R"({"adress": 1})", R"({"tls": {"adress": 1}})",
                             R"({"gc": {"adress": 1}})", R"({"limits": {"adress": 1}})"}) {
        const auto settings = read(text);
        ASSERT_FALSE(settings) << text;
        EXPECT_NE(settings.error().message.find("adress"), std::string::npos);
    }
}

TEST(ServeSettings, take_the_public_address_as_browsers_write_it) {
    EXPECT_EQ(read(R"({"public-url": "HTTPS://R.Example:443"})")->http.public_url,
              "https://r.example");
    for (const auto* url : {"https://r.example/v2", "r.example", "https://ann@r.example"}) {
        const auto settings = read(R"({"public-url": ")" + std::string(url) + "\"}");
        ASSERT_FALSE(settings) << url;
        EXPECT_EQ(settings.error().message.find("public-url"), 0u) << settings.error().message;
    }
}

TEST(ServeSettings, let_nobody_open_a_registry_to_the_network) {
    ServeSettings settings;
    settings.open = true;
    EXPECT_TRUE(check_serve_settings(settings));
    settings.address = ":5000";
    EXPECT_FALSE(check_serve_settings(settings));
    settings.address = "192.0.2.1:5000";
    settings.plain_http = true;
    EXPECT_FALSE(check_serve_settings(settings));
}

TEST(ServeTls, is_plain_on_loopback_or_when_that_is_said) {
    ServeSettings settings;
    EXPECT_EQ(transport_of(settings), Transport::Plain);
    settings.names = {"registry.example"};
    EXPECT_EQ(transport_of(settings), Transport::OwnCertificate);
    settings.names.clear();
    settings.address = "0.0.0.0:5000";
    EXPECT_EQ(transport_of(settings), Transport::OwnCertificate);
    settings.plain_http = true;
    EXPECT_EQ(transport_of(settings), Transport::Plain);
    settings.plain_http = false;
    settings.tls_cert = settings.tls_key = "/x";
    EXPECT_EQ(transport_of(settings), Transport::GivenCertificate);
}

TEST(ServeTls, names_the_addresses_that_are_listened_on) {
    ServeSettings settings;
    settings.address = "192.0.2.7:5000";
    settings.names = {"registry.example"};
    const auto names = certificate_names(settings, "my_machine");
    EXPECT_EQ(names.front(), "registry.example");
    EXPECT_EQ(names.back(), "192.0.2.7");
    EXPECT_EQ(names[1], "my_machine");
    for (const auto& name : certificate_names(settings, "a machine")) {
        EXPECT_NE(name, "a machine") << "no certificate can have it";
    }
}

TEST(HostPort, reads_addresses_with_brackets_and_without_a_host) {
    EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
    EXPECT_EQ(parse_host_port(":80")->host, "");
    EXPECT_EQ(parse_host_port("a:80")->port, 80);
    for (const auto* text : {"", "a", "a:", "a:x", "::1:80", "a:70000"}) {
        EXPECT_FALSE(parse_host_port(text)) << text;
    }
}

TEST(ServeLine, takes_flags_with_and_without_equals_signs) {
    const auto line = parse_serve_line(
        {"--root=/x", "--address", ":1", "--name", "a", "--name=b", "--config", "/dev/null"},
        Rest::Refuse);
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->settings.root, "/x");
    EXPECT_EQ(line->settings.names, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(line->settings.access.directory, "/x/private");
    EXPECT_EQ(line->settings.access.admins, std::vector<std::string>{"admin"});
}

TEST(ServeLine, leaves_to_account_commands_what_is_theirs) {
    const auto line = parse_serve_line(
        {"add", "--root", "/x", "ann", "--generate", "--config=/dev/null"}, Rest::Keep);
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->words, (std::vector<std::string>{"add", "ann", "--generate"}));
    EXPECT_FALSE(parse_serve_line({"--dry-run"}, Rest::Refuse));
}

TEST(ServeLine, nobody_of_a_directory_is_an_administrator_by_his_name) {
    const auto directory = *os::TempDir::create();
    const auto admins = [&](const char* access) {
        const std::string file = directory.path() + "/registry.json";
        EXPECT_TRUE(os::write_file_atomic(file, std::string(R"({"access":)") + access + "}"));
        const auto line = parse_serve_line({"--config", file}, Rest::Refuse);
        EXPECT_TRUE(line) << line.error().message;
        return line->settings.access.admins;
    };
    const std::string ldap = R"("ldap":{"url":"ldaps://h","user-dn":"uid={},dc=x"})";
    EXPECT_EQ(admins("{}"), std::vector<std::string>{"admin"});
    EXPECT_TRUE(admins(("{" + ldap + "}").c_str()).empty());
    EXPECT_EQ(admins((R"({"admins":["ann"],)" + ldap + "}").c_str()),
              std::vector<std::string>{"ann"});
}

} // namespace
} // namespace shoal::registry
