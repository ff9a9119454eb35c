#include "base/codec.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

enum class Colour { Red, Blue };
bool from_text(std::string_view text, Colour& colour) {
    colour = text == "red" ? Colour::Red : Colour::Blue;
    return text == "red" || text == "blue";
}
std::string to_text(Colour colour) { return colour == Colour::Red ? "red" : "blue"; }

struct Inner {
    std::vector<std::string> test;
    int retries = 0;
};
template <class V> void describe(V& v, Inner& inner) {
    v("Test", inner.test);
    v("Retries", inner.retries, codec::omit);
}

struct Outer {
    std::string name;
    std::optional<std::vector<std::string>> cmd;
    std::map<std::string, Inner> parts;
    Colour colour = Colour::Red;
    std::int64_t memory = 0;
    bool tty = false;
};
template <class V> void describe(V& v, Outer& outer) {
    v("Name", outer.name);
    v("Cmd", outer.cmd);
    v("Parts", outer.parts, codec::omit);
    v("Colour", outer.colour);
    v("Memory", outer.memory, codec::omit);
    v("Tty", outer.tty);
    v.ignore("CpuCount");
    v.refuse("KernelMemory", "is not supported");
}

std::string error_of(std::string_view text) {
    const auto parsed = codec::parse<Outer>(text);
    return parsed ? "" : parsed.error().message;
}

TEST(Codec, reads_what_it_writes) {
    const auto outer = codec::parse<Outer>(
        R"({"Name":"a","Cmd":["x"],"Parts":{"p":{"Test":["t"],"Retries":3}},"Colour":"blue","Memory":7,"Tty":true})");
    ASSERT_TRUE(outer);
    EXPECT_EQ(
        codec::print(*outer),
        R"({"Name":"a","Cmd":["x"],"Parts":{"p":{"Test":["t"],"Retries":3}},"Colour":"blue","Memory":7,"Tty":true})");
}

TEST(Codec, matches_names_without_regard_to_case_as_go_does) {
    const auto outer = codec::parse<Outer>(R"({"name":"a","TTY":true})");
    ASSERT_TRUE(outer);
    EXPECT_EQ(outer->name, "a");
    EXPECT_TRUE(outer->tty);
}

TEST(Codec, takes_null_as_not_given) {
    const auto outer =
        codec::parse<Outer>(R"({"Name":null,"Cmd":null,"Parts":null,"Memory":null})");
    ASSERT_TRUE(outer);
    EXPECT_EQ(codec::print(*outer), R"({"Name":"","Cmd":null,"Colour":"red","Tty":false})");
}

TEST(Codec, names_the_path_of_a_wrong_type) {
    EXPECT_EQ(error_of(R"({"Memory":"1g"})"), "Memory: expected a whole number, got a string");
    EXPECT_EQ(error_of(R"({"Parts":{"p":{"Test":[1]}}})"),
              "Parts.p.Test[0]: expected a string, got a whole number");
    EXPECT_EQ(error_of(R"({"Colour":"green"})"), "Colour: invalid value \"green\"");
    EXPECT_EQ(error_of(R"([])"), "expected an object, got an array");
}

TEST(Codec, refuses_unknown_members_unless_told_otherwise) {
    EXPECT_EQ(error_of(R"({"Parts":{"p":{"Tset":[]}}})"), "Parts.p.Tset: unknown field");
    EXPECT_TRUE(codec::parse<Outer>(R"({"Extra":1})", codec::Unknown::Ignore));
    EXPECT_EQ(error_of(R"({"Parts":{"p":{"Tset":null}}})"), "");
}

TEST(Codec, refuses_the_same_member_in_two_spellings) {
    EXPECT_EQ(error_of(R"({"Name":"a","name":"b"})"), "name: unknown field");
}

TEST(Codec, refuses_by_name_what_is_not_supported_but_accepts_its_empty_form) {
    EXPECT_EQ(error_of(R"({"KernelMemory":5})"), "KernelMemory: is not supported");
    EXPECT_EQ(error_of(R"({"KernelMemory":0,"CpuCount":9})"), "");
}

TEST(Codec, refuses_numbers_out_of_range) {
    EXPECT_EQ(error_of(R"({"Memory":99999999999999999999})"),
              "Memory: expected a whole number, got a number with a fraction");
    EXPECT_EQ(error_of(R"({"Parts":{"p":{"Retries":3000000000}}})"),
              "Parts.p.Retries: out of range");
}

TEST(Codec, writes_maps_of_many_members_in_little_time) {
    std::map<std::string, std::string> many;
    for (int i = 0; i < 100'000; ++i) { many.emplace("key" + std::to_string(i), "value"); }
    const auto written = codec::write(many);
    EXPECT_EQ(written.size(), many.size());
    EXPECT_EQ(written.begin().key(), "key0");
    EXPECT_EQ(*codec::read<decltype(many)>(written, "", codec::Unknown::Refuse), many);
}

} // namespace
} // namespace shoal
