#include "cli/swarm/values.h"

#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

template <class T> std::string shown(const Result<T>& result) {
    if (!result) { return result.error().message; }
    return Json(*result).dump();
}
template <> std::string shown(const Result<void>& result) {
    return result ? "ok" : result.error().message;
}

struct Case {
    const char* text;
    const char* expected;
};

TEST(Publish, reads_the_short_and_the_long_form) {
    constexpr Case cases[] = {
        {"80", R"([{"Protocol":"tcp","TargetPort":80,"PublishMode":"ingress"}])"},
        {"53:5353/udp",
         R"([{"Protocol":"udp","TargetPort":5353,"PublishedPort":53,"PublishMode":"ingress"}])"},
        {"80-81:90-91",
         R"([{"Protocol":"tcp","TargetPort":90,"PublishedPort":80,"PublishMode":"ingress"},{"Protocol":"tcp","TargetPort":91,"PublishedPort":81,"PublishMode":"ingress"}])"},
        {"80-81:90",
         R"([{"Protocol":"tcp","TargetPort":90,"PublishedPort":80,"PublishMode":"ingress"},{"Protocol":"tcp","TargetPort":90,"PublishedPort":81,"PublishMode":"ingress"}])"},
        {"target=80,published=8080,mode=HOST,protocol=sctp",
         R"([{"Protocol":"sctp","PublishMode":"host","TargetPort":80,"PublishedPort":8080}])"},
        {"published=8080", "missing mandatory field 'target'"},
        {"target=80,mode=x", "invalid publish mode value (x): must be either 'ingress' or 'host'"},
        {"target=99999",
         "invalid target port (99999): value must be an integer: value out of range"},
        {"target=x", "invalid target port (x): value must be an integer: invalid syntax"},
        {"target=80,other=1", "invalid field key: other"},
        {"1.2.3.4:80:80", "hostip is not supported"},
    };
    for (const auto& [text, expected] : cases) { EXPECT_EQ(shown(parse_publish(text)), expected); }
}

TEST(References, have_a_file_and_who_it_belongs_to) {
    constexpr Case cases[] = {
        {"s", R"({"File":{"Name":"s","UID":"0","GID":"0","Mode":292},"SecretName":"s"})"},
        {"source=s,target=/t,uid=1,gid=2,mode=0400",
         R"({"File":{"Name":"/t","UID":"1","GID":"2","Mode":256},"SecretName":"s"})"},
        {"src=s,mode=0x1ff",
         R"({"File":{"Name":"s","UID":"0","GID":"0","Mode":511},"SecretName":"s"})"},
        {"target=t", "source is required"},
        {"source=s,x", "invalid field 'x' must be a key=value pair"},
        {"source=s,x=1", "invalid field in secret request: x"},
        {"source=s,mode=08",
         "invalid mode specified: strconv.ParseUint: parsing \"08\": invalid syntax"},
    };
    for (const auto& [text, expected] : cases) { EXPECT_EQ(shown(parse_secret(text)), expected); }
    EXPECT_EQ(shown(parse_config("c")),
              R"({"File":{"Name":"c","UID":"0","GID":"0","Mode":292},"ConfigName":"c"})");
}

TEST(Preferences, only_spread) {
    EXPECT_EQ(shown(parse_preference("spread=node.labels.z")),
              R"({"Spread":{"SpreadDescriptor":"node.labels.z"}})");
    EXPECT_EQ(shown(parse_preference("pack=x")),
              "unsupported placement preference pack (only spread is supported)");
    EXPECT_EQ(shown(parse_preference("x")),
              "placement preference must be of the format \"<strategy>=<arg>\"");
}

TEST(GenericResources, are_counted) {
    EXPECT_EQ(
        shown(parse_generic_resources({"gpu=2", "none=0"})),
        R"([{"DiscreteResourceSpec":{"Kind":"gpu","Value":2}},{"DiscreteResourceSpec":{"Kind":"none"}}])");
    EXPECT_NE(shown(parse_generic_resources({"gpu=UUID"})).find("`gpu=UUID`"), std::string::npos);
    EXPECT_EQ(shown(check_generic_resource("gpu")),
              "invalid generic-resource format `gpu` expected `name=value`");
}

TEST(CredentialSpec, names_where_it_is) {
    EXPECT_EQ(shown(parse_credential_spec("config://a")),
              R"({"Config":"a","File":"","Registry":""})");
    EXPECT_EQ(shown(parse_credential_spec("")), R"({"Config":"","File":"","Registry":""})");
    EXPECT_NE(shown(parse_credential_spec("a")).find("must be prefixed"), std::string::npos);
}

TEST(ShellWords, are_split_as_a_shell_does) {
    constexpr Case cases[] = {
        {"", "[]"},
        {"a  b\tc", R"(["a","b","c"])"},
        {R"(a "b c" 'd "e' f\ g)", R"(["a","b c","d \"e","f g"])"},
        {R"(x"y"z '')", R"(["xyz",""])"},
        {"a # the rest\nb", R"(["a","b"])"},
        {"a#b", R"(["a#b"])"},
        {"'a", "EOF found when expecting closing quote"},
        {"a\\", "EOF found after escape character"},
    };
    for (const auto& [text, expected] : cases) { EXPECT_EQ(shown(shell_words(text)), expected); }
}

TEST(Values, that_are_numbers) {
    EXPECT_EQ(shown(check_ratio("0.5")), "ok");
    EXPECT_EQ(shown(check_ratio("x")), "strconv.ParseFloat: parsing \"x\": invalid syntax");
    EXPECT_EQ(shown(check_positive_duration("-1s")), "duration cannot be negative");
    EXPECT_EQ(swarm_host("a:1.2.3.4"), "1.2.3.4 a");
    EXPECT_EQ(swarm_host("b=[::1]"), "::1 b");
}

} // namespace
} // namespace shoal::cli::swarm
