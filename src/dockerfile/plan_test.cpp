#include "dockerfile/plan.h"

#include <gtest/gtest.h>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;
using From = Origin::Kind;

File file_of(const std::string& text) {
    auto parsed = parse(text);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? std::move(*parsed) : File{};
}

PlanRequest request_for(const std::string& target, const BuildArgs& args = {}) {
    PlanRequest request;
    request.target = target;
    request.args = args;
    request.platforms = {"linux/amd64", "linux/arm64"};
    return request;
}

Plan plan(const std::string& text, const PlanRequest& request = request_for("")) {
    auto made = make_plan(file_of(text), request);
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Plan{};
}

std::string refusal(const std::string& text, const PlanRequest& request = request_for("")) {
    const auto made = make_plan(file_of(text), request);
    if (made) { return "taken"; }
    EXPECT_EQ(made.error().code, Errc::Invalid);
    return made.error().message.substr(0, made.error().message.find('\n'));
}

std::vector<int> needed(const std::string& text, const std::string& target = "") {
    std::vector<int> indices;
    for (const auto& stage : plan(text, request_for(target)).stages) {
        indices.push_back(stage.index);
    }
    return indices;
}

Words rules(const std::string& text) {
    Words all;
    for (const auto& warning : plan(text).warnings) {
        all.push_back(warning.rule + ": " + warning.message);
    }
    return all;
}

const std::string diamond =
    "FROM a AS base\nRUN 1\nFROM base AS left\nRUN 2\nFROM base AS right\nRUN 3\n"
    "FROM b AS unused\nRUN 4\nFROM scratch AS last\nCOPY --from=left /x /x\n"
    "RUN --mount=from=right,target=/r y\n";

} // namespace

TEST(Plan, has_only_the_stages_that_are_needed) {
    EXPECT_EQ(needed(diamond), (std::vector<int>{0, 1, 2, 4}));
    EXPECT_EQ(needed(diamond, "LEFT"), (std::vector<int>{0, 1}));
    EXPECT_EQ(needed(diamond, "3"), (std::vector<int>{3}));
    auto all = request_for("");
    all.all_stages = true;
    EXPECT_EQ(plan(diamond, all).stages.size(), 5U);
}

TEST(Plan, says_what_each_stage_needs_and_builds_upon) {
    const auto made = plan(diamond);
    ASSERT_EQ(made.stages.size(), 4U);
    EXPECT_EQ(made.stages[0].base.kind, From::Image);
    EXPECT_EQ(made.stages[0].base.name, "a");
    EXPECT_TRUE(made.stages[0].needs.empty());
    EXPECT_EQ(made.stages[1].base.kind, From::Stage);
    EXPECT_EQ(made.stages[1].base.stage, 0);
    EXPECT_EQ(made.stages[3].base.kind, From::Scratch);
    EXPECT_EQ(made.stages[3].needs, (std::vector<int>{1, 2}));
}

TEST(Plan, numbers_the_steps) {
    const auto made = plan(diamond);
    EXPECT_EQ(made.steps, 9);
    EXPECT_EQ(made.stages[0].first_step, 1);
    EXPECT_EQ(made.stages[1].first_step, 3);
    EXPECT_EQ(made.stages[3].first_step, 7);
}

TEST(Plan, follows_numbers_and_triggers) {
    EXPECT_EQ(needed("FROM a\nFROM b\nFROM c\nCOPY --from=0 x y"), (std::vector<int>{0, 2}));
    EXPECT_EQ(needed("FROM a AS x\nFROM b AS base\nONBUILD COPY --from=x y z\nFROM base"),
              (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(
        needed(
            "FROM a AS x\nFROM b AS base\nONBUILD RUN --mount=from=x,target=/m <<E\na\nE\nFROM base"),
        (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(needed("FROM a AS x\nFROM b AS base\nONBUILD COPY --from=x y z", "base"),
              (std::vector<int>{1}));
}

TEST(Plan, puts_global_arguments_into_FROM) {
    const auto made = plan("ARG V=1\nARG N=alpine:$V\nARG E\nFROM ${N}-x\n");
    ASSERT_EQ(made.stages.size(), 1U);
    EXPECT_EQ(made.stages[0].base.name, "alpine:1-x");
    EXPECT_EQ(made.globals.at("N"), "alpine:1");
    EXPECT_EQ(made.globals.count("E"), 0U);
    const auto given = plan("ARG V=1\nFROM a:$V", request_for("", {{"V", "2"}, {"X", "3"}}));
    EXPECT_EQ(given.stages[0].base.name, "a:2");
    EXPECT_EQ(
        plan("ARG V=1\nFROM a:$V", request_for("", {{"V", std::nullopt}})).stages[0].base.name,
        "a:1");
    EXPECT_EQ(plan("ARG B=x\nFROM a AS x\nFROM $B").stages.size(), 2U);
}

TEST(Plan, knows_the_platform) {
    const auto made = plan("FROM --platform=$BUILDPLATFORM a AS b\nFROM --platform=linux/arm/7 b");
    EXPECT_EQ(made.stages[0].platform, "linux/amd64");
    EXPECT_EQ(made.stages[1].platform, "linux/arm/v7");
    EXPECT_EQ(made.globals.at("TARGETPLATFORM"), "linux/arm64");
    EXPECT_EQ(made.globals.at("TARGETOS"), "linux");
    EXPECT_EQ(made.globals.at("TARGETARCH"), "arm64");
    EXPECT_EQ(made.globals.at("TARGETVARIANT"), "");
    EXPECT_EQ(made.globals.at("BUILDARCH"), "amd64");
    EXPECT_EQ(made.globals.at("TARGETSTAGE"), "default");
    EXPECT_EQ(plan("FROM --platform=x86_64 a").stages[0].platform, "linux/amd64");
    EXPECT_EQ(plan("FROM --platform=windows a").stages[0].platform, "windows/amd64");
    EXPECT_EQ(plan("FROM a").stages[0].platform, "");
    EXPECT_EQ(refusal("FROM --platform=$TARGETPLATFROM a"),
              "dockerfile parse error on line 1: empty platform value from expression "
              "$TARGETPLATFROM (did you mean TARGETPLATFORM?)");
    EXPECT_EQ(
        refusal("FROM --platform=commodore a"),
        "dockerfile parse error on line 1: failed to parse platform commodore: \"commodore\": "
        "unknown operating system or architecture");
    EXPECT_TRUE(refusal("FROM --platform=a/b/c/d a").ends_with("os[/architecture[/variant]]"));
}

TEST(Plan, refuses_what_leads_nowhere) {
    EXPECT_EQ(refusal("FROM a AS build", request_for("biuld")),
              "target stage \"biuld\" could not be found (did you mean build?)");
    EXPECT_EQ(refusal("FROM a", request_for("7")), "target stage \"7\" could not be found");
    EXPECT_EQ(refusal("FROM $NONE"),
              "dockerfile parse error on line 1: base name ($NONE) should not be blank");
    EXPECT_EQ(
        refusal("ARG A=${\nFROM a"),
        "dockerfile parse error on line 1: failed to process \"${\": syntax error: missing '}'");
    EXPECT_EQ(refusal("FROM a\nCOPY --from=later x y\nFROM b AS later\nFROM c\nCOPY --from=0 x y"),
              "dockerfile parse error on line 2: cannot copy from stage \"later\", it needs to be "
              "defined before current stage \"stage-0\"");
    EXPECT_EQ(
        refusal("FROM a AS x\nRUN --mount=from=y,target=/m z\nFROM b AS y\nFROM x"),
        "dockerfile parse error on line 2: cannot mount from stage \"y\" to \"/m\", stage needs "
        "to be defined before current command");
    EXPECT_EQ(refusal("FROM a AS unused\nCOPY --from=b x y\nFROM c AS b"),
              "dockerfile parse error on line 2: cannot copy from stage \"b\", it needs to be "
              "defined before current stage \"unused\"");
    EXPECT_EQ(refusal("FROM a\nCOPY --from=5 x y"),
              "dockerfile parse error on line 2: invalid stage index 5");
    EXPECT_EQ(refusal("FROM a\nCOPY --from=-1 x y"),
              "dockerfile parse error on line 2: invalid stage index -1");
}

TEST(Plan, refuses_circles) {
    EXPECT_EQ(refusal("FROM a AS x\nCOPY --from=x y z"),
              "dockerfile parse error on line 2: circular dependency detected on stage: x");
    EXPECT_EQ(refusal("FROM a AS x\nCOPY --from=y 1 2\nFROM b AS y\nCOPY --from=x 1 2"),
              "dockerfile parse error on line 2: circular dependency detected on stage: x");
    EXPECT_EQ(refusal("FROM a AS x\nCOPY --from=z 1 2\nFROM x AS y\nFROM y AS z"),
              "dockerfile parse error on line 2: circular dependency detected on stage: x");
    EXPECT_EQ(refusal("FROM a\nCOPY --from=0 x y"),
              "dockerfile parse error on line 2: circular dependency detected on stage: stage-0");
}

TEST(Plan, takes_names_of_later_stages_in_FROM_for_images) {
    const auto made = plan("FROM debian AS debian\nFROM later AS x\nFROM x AS later\n");
    EXPECT_EQ(made.stages[0].base.kind, From::Image);
    EXPECT_EQ(made.stages[0].base.name, "later");
    EXPECT_EQ(plan("FROM debian AS debian\n").stages[0].base.name, "debian");
}

TEST(Plan, prefers_named_contexts) {
    auto request = request_for("");
    request.contexts = {"alpine", "src"};
    const std::string text =
        "FROM x AS src\nFROM alpine:latest AS a\nFROM scratch\nCOPY --from=src . .\n"
        "COPY --from=a . .\nCOPY --from=0 . .\n";
    const auto made = plan(text, request);
    ASSERT_EQ(made.stages.size(), 2U);
    EXPECT_EQ(made.stages[0].base.kind, From::Context);
    EXPECT_EQ(made.stages[0].base.name, "alpine");
    const auto file = file_of(text);
    EXPECT_EQ(resolve_from(file, 2, "src", request.contexts)->kind, From::Context);
    EXPECT_EQ(resolve_from(file, 2, "0", request.contexts)->name, "src");
    EXPECT_EQ(resolve_from(file, 2, "A", {})->stage, 1);
    EXPECT_EQ(resolve_from(file, 2, "", {})->kind, From::Context);
    EXPECT_EQ(resolve_from(file, 2, "busybox", {})->name, "busybox");
    EXPECT_EQ(resolve_from(file, 2, "scratch", {})->kind, From::Scratch);
}

TEST(Plan, warns) {
    EXPECT_EQ(rules("ARG VERSION=1\nFROM a:1$VERSOIN"),
              (Words{"UndefinedArgInFrom: FROM argument 'VERSOIN' is not declared (did you mean "
                     "VERSION?)"}));
    EXPECT_EQ(rules("ARG N\nFROM a:1$N"), Words{});
    EXPECT_EQ(
        rules("FROM --platform=$TARGETPLATFORM a"),
        (Words{"RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM "
               "is redundant as this is the default behavior"}));
    EXPECT_EQ(
        rules("FROM --platform=linux/amd64 a"),
        (Words{"FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant "
               "value \"linux/amd64\""}));
    EXPECT_EQ(rules("FROM --platform=linux/amd64 a AS on-amd64"), Words{});
    EXPECT_EQ(rules("# check=skip=all\nFROM --platform=linux/amd64 a"), Words{});
    const auto given = plan("ARG V\nFROM a:$V", request_for("", {{"V", "1"}}));
    ASSERT_EQ(given.warnings.size(), 1U);
    EXPECT_EQ(given.warnings[0].message,
              "Default value for ARG a:$V results in empty or invalid base image name");
}

TEST(Plan, shows_the_line_that_is_wrong_and_obeys_checks_as_errors) {
    const auto wrong = make_plan(file_of("FROM a AS x\nFROM $NONE\n"), request_for(""));
    EXPECT_EQ(wrong.error().message,
              "dockerfile parse error on line 2: base name ($NONE) should not be blank\n"
              "   1 |     FROM a AS x\n   2 | >>> FROM $NONE");
    const auto strict =
        make_plan(file_of("# check=error=true\nFROM --platform=linux a as b\n"), request_for(""));
    EXPECT_EQ(strict.error().message,
              "lint violation found for rules: FromAsCasing, FromPlatformFlagConstDisallowed\n"
              "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)\n"
              "FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "
              "\"linux\" (line 2)");
}

TEST(BuildArgument, is_the_client_s_or_the_default_or_the_global_one) {
    const std::map<std::string, std::string> globals{{"A", "global"}};
    EXPECT_EQ(arg_value({"A", "default"}, {{"A", "client"}}, globals), "client");
    EXPECT_EQ(arg_value({"A", "default"}, {{"A", std::nullopt}}, globals), "default");
    EXPECT_EQ(arg_value({"A", std::nullopt}, {}, globals), "global");
    EXPECT_EQ(arg_value({"B", std::nullopt}, {}, globals), std::nullopt);
    EXPECT_TRUE(is_proxy_arg("HTTP_PROXY") && is_proxy_arg("no_proxy"));
    EXPECT_FALSE(is_proxy_arg("Http_Proxy") || is_proxy_arg("PROXY"));
}

TEST(BuildArgument, that_nobody_declares_is_named) {
    const auto file = file_of("ARG G\nFROM a AS x\nARG X\nFROM b\nARG Y Z=1\n");
    const auto made = make_plan(file, request_for(""));
    const BuildArgs given{{"G", "1"}, {"X", "1"},          {"Y", "1"},
                          {"Z", "1"}, {"http_proxy", "1"}, {"TARGETARCH", "1"}};
    EXPECT_EQ(unused_args(file, *made, given), Words{"X"});
}

} // namespace shoal::dockerfile
