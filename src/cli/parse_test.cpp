#include "cli/command.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

constexpr Flag table[] = {
    {"all", 'a', Kind::Bool, ""},      {"interactive", 'i', Kind::Bool, ""},
    {"env", 'e', Kind::List, ""},      {"publish", 'p', Kind::List, ""},
    {"name", 0, Kind::Text, ""},       {"shares", 'c', Kind::Int, ""},
    {"weight", 0, Kind::Uint16, ""},   {"memory", 'm', Kind::Bytes, ""},
    {"swap", 0, Kind::MemorySwap, ""}, {"interval", 0, Kind::Duration, ""},
    {"include", 0, Kind::Words, ""},   {"hostname", 'h', Kind::Text, ""},
};
constexpr Command command{.usage = "", .summary = "", .flags = table};

Result<Parsed> parse(std::vector<std::string> words, bool flags_first = false) {
    return parse_flags(flags_of(command), words, flags_first);
}
std::string error(std::vector<std::string> words) {
    auto parsed = parse(std::move(words));
    return parsed ? "" : parsed.error().message;
}
using Words = std::vector<std::string>;

TEST(Parse, flags_and_arguments_mix_unless_flags_come_first) {
    auto mixed = parse({"x", "-a", "y"});
    ASSERT_TRUE(mixed);
    EXPECT_EQ(mixed->words, (Words{"x", "y"}));
    EXPECT_TRUE(mixed->on("all"));
    auto first = parse({"-a", "image", "-i", "--nonsense"}, true);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->words, (Words{"image", "-i", "--nonsense"}));
    EXPECT_FALSE(first->on("interactive"));
}

TEST(Parse, two_dashes_end_the_flags) {
    auto parsed = parse({"-a", "--", "-i", "x"});
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->words, (Words{"-i", "x"}));
}

TEST(Parse, values_come_behind_an_equals_sign_or_as_the_next_word) {
    auto parsed = parse({"--name=a=b", "-eA=1", "-e", "B", "-p=80", "-h=", "-h", "-x"});
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->text("name"), "a=b");
    EXPECT_EQ(parsed->all("env"), (Words{"A=1", "B"}));
    EXPECT_EQ(parsed->all("publish"), Words{"80"});
    EXPECT_EQ(parsed->all("hostname"), (Words{"=", "-x"}))
        << "as pflag reads a lone '=' behind a letter";
}

TEST(Parse, letters_are_joined) {
    auto parsed = parse({"-aie", "A=1"});
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->on("all") && parsed->on("interactive"));
    EXPECT_EQ(parsed->text("env"), "A=1");
}

TEST(Parse, booleans_take_a_value_only_behind_an_equals_sign) {
    EXPECT_FALSE(parse({"--all=false"})->on("all"));
    EXPECT_TRUE(parse({"--all=T"})->on("all"));
    EXPECT_EQ(parse({"--all", "false"})->words, Words{"false"});
    EXPECT_EQ(
        error({"--all=foo"}),
        "invalid argument \"foo\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"foo\": invalid syntax");
}

TEST(Parse, what_is_wrong_is_said_as_docker_says_it) {
    EXPECT_EQ(error({"--nonsense"}), "unknown flag: --nonsense");
    EXPECT_EQ(error({"--nonsense=1"}), "unknown flag: --nonsense");
    EXPECT_EQ(error({"-z"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(error({"-aiz"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(error({"--=x"}), "bad flag syntax: --=x");
    EXPECT_EQ(error({"---x"}), "bad flag syntax: ---x");
    EXPECT_EQ(error({"--name"}), "flag needs an argument: --name");
    EXPECT_EQ(error({"-aip"}), "flag needs an argument: 'p' in -p");
}

TEST(Parse, whole_numbers_are_read_as_go_reads_them) {
    const auto number = [](std::string text) {
        return parse({"--shares", std::move(text)})->number("shares");
    };
    EXPECT_EQ(number("10"), 10);
    EXPECT_EQ(number("+5"), 5);
    EXPECT_EQ(number("-5"), -5);
    EXPECT_EQ(number("0x10"), 16);
    EXPECT_EQ(number("010"), 8);
    EXPECT_EQ(number("0b11"), 3);
    EXPECT_EQ(number("1_000"), 1000);
    EXPECT_EQ(
        error({"-c", "1__0"}),
        "invalid argument \"1__0\" for \"-c, --shares\" flag: strconv.ParseInt: parsing \"1__0\": invalid syntax");
    EXPECT_EQ(
        error({"--shares", "x"}),
        "invalid argument \"x\" for \"-c, --shares\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
    EXPECT_EQ(
        error({"--weight", "70000"}),
        "invalid argument \"70000\" for \"--weight\" flag: strconv.ParseUint: parsing \"70000\": value out of range");
}

TEST(Parse, sizes_and_times) {
    EXPECT_EQ(parse({"-m", "1.5g"})->bytes("memory"), 1'610'612'736);
    EXPECT_EQ(parse({"--swap", "-1"})->bytes("swap"), -1);
    EXPECT_EQ(
        error({"--interval", "1"}),
        "invalid argument \"1\" for \"--interval\" flag: time: missing unit in duration \"1\"");
    EXPECT_EQ(
        error({"--interval", "5x"}),
        "invalid argument \"5x\" for \"--interval\" flag: time: unknown unit \"x\" in duration \"5x\"");
    EXPECT_NE(error({"-m", "lots"}), "");
}

TEST(Parse, words_are_separated_by_commas_and_lists_are_not) {
    auto parsed = parse({"--include", "a,b", "--include=c", "-e", "A=1,2"});
    EXPECT_EQ(parsed->all("include"), (Words{"a", "b", "c"}));
    EXPECT_EQ(parsed->all("env"), Words{"A=1,2"});
}

TEST(Parse, help_ends_the_reading) {
    EXPECT_TRUE(parse({"--help", "--nonsense"})->on("help"));
    EXPECT_EQ(parse({"-h", "x"})->text("hostname"), "x") << "a command's own -h wins";
}

TEST(Parse, the_number_of_arguments) {
    const auto message = [](Arguments arguments, Words words) {
        Command counted;
        counted.arguments = arguments;
        Parsed parsed;
        parsed.path = "shoal x";
        parsed.words = std::move(words);
        auto checked = check_arguments(counted, parsed);
        return checked ? "" : checked.error().message;
    };
    EXPECT_EQ(message({0, 0}, {"a"}), "'shoal x' accepts no arguments");
    EXPECT_EQ(message({1, 1}, {}), "'shoal x' requires 1 argument");
    EXPECT_EQ(message({2, 2}, {"a"}), "'shoal x' requires 2 arguments");
    EXPECT_EQ(message({1}, {}), "'shoal x' requires at least 1 argument");
    EXPECT_EQ(message({0, 1}, {"a", "b"}), "'shoal x' requires at most 1 argument");
    EXPECT_EQ(message({1, 2}, {}), "'shoal x' requires at least 1 and at most 2 arguments");
    EXPECT_EQ(message({1}, {"a", "b", "c"}), "");
}

} // namespace
} // namespace shoal::cli
