#include "dockerfile/instruction.h"

#include "base/text.h"

#include <gtest/gtest.h>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;

File file_of(const std::string& text) {
    auto parsed = parse(text);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? std::move(*parsed) : File{};
}

/// Of a file that has one stage from "a".
Instruction one(const std::string& text) {
    const auto file = file_of("FROM a\n" + text);
    EXPECT_EQ(file.stages.size(), 1U);
    EXPECT_EQ(file.stages.front().instructions.size(), 1U) << text;
    return file.stages.front().instructions.front();
}

/// What is said of a wrong file, without the excerpt.
std::string refusal(const std::string& text) {
    const auto parsed = parse(text);
    if (parsed) { return "taken"; }
    EXPECT_EQ(parsed.error().code, Errc::Invalid);
    return parsed.error().message.substr(0, parsed.error().message.find('\n'));
}

/// Of a wrong second line, without its number.
std::string wrong(const std::string& line) {
    const std::string prefix = "dockerfile parse error on line 2: ";
    const auto message = refusal("FROM a\n" + line);
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return message.substr(std::min(prefix.size(), message.size()));
}

Words rules(const std::string& text) {
    Words all;
    for (const auto& warning : file_of(text).warnings) {
        all.push_back(warning.rule + ":" + std::to_string(warning.lines.first));
    }
    return all;
}

std::string message_of(const std::string& text) {
    const auto warnings = file_of(text).warnings;
    return warnings.empty() ? "" : warnings.back().message;
}

} // namespace

TEST(Dockerfile, is_read_into_stages) {
    const auto file =
        file_of("ARG V=1\nFROM --platform=$X alpine:$V AS Build\nRUN a\nFROM scratch\n"
                "COPY --from=build /a /b\nCMD [\"/b\"]\n");
    ASSERT_EQ(file.stages.size(), 2U);
    ASSERT_EQ(file.global_args.size(), 1U);
    EXPECT_EQ(file.global_args[0].rest, "V=1");
    EXPECT_EQ(file.stages[0].name, "build");
    EXPECT_EQ(file.stages[0].base, "alpine:$V");
    EXPECT_EQ(file.stages[0].platform, "$X");
    EXPECT_EQ(file.stages[0].from.lines, (Lines{2, 2}));
    EXPECT_EQ(file.stages[1].base, "scratch");
    ASSERT_EQ(file.stages[1].instructions.size(), 2U);
    const auto& copy = file.stages[1].instructions[0];
    EXPECT_EQ(copy.kind, Kind::Copy);
    ASSERT_EQ(copy.flags.size(), 1U);
    EXPECT_EQ(copy.flags[0].name, "from");
    EXPECT_EQ(copy.flags[0].value, "build");
    EXPECT_EQ(copy.rest, "/a /b");
    EXPECT_EQ(copy.text, "COPY --from=build /a /b");
    EXPECT_EQ(file.stages[1].instructions[1].json, Words{"/b"});
    EXPECT_EQ(file.source.size(), 6U);
}

TEST(Dockerfile, may_have_directives_at_its_top) {
    const auto file =
        file_of("# syntax = docker/dockerfile:1 \n#Escape=`\n# check=skip=A,B;error=true\n"
                "FROM a\nRUN a `\n  b \\\n");
    EXPECT_EQ(file.directives.syntax, "docker/dockerfile:1");
    EXPECT_EQ(file.directives.escape, '`');
    EXPECT_EQ(file.directives.skipped_checks, (Words{"A", "B"}));
    EXPECT_TRUE(file.directives.checks_are_errors);
    EXPECT_EQ(file.stages[0].instructions[0].rest, "a   b \\");
}

TEST(Dockerfile, has_no_directives_further_down) {
    EXPECT_EQ(file_of("# a comment\n# escape=`\nFROM a").directives.escape, '\\');
    EXPECT_EQ(file_of("\n# escape=`\nFROM a").directives.escape, '\\');
    EXPECT_EQ(file_of("# unknown=x\n# escape=`\nFROM a").directives.escape, '\\');
    EXPECT_EQ(file_of("FROM a\n# escape=`\nRUN b").directives.escape, '\\');
    EXPECT_EQ(file_of("#!/usr/bin/env builder\n# syntax=x\nFROM a").directives.syntax, "x");
    EXPECT_EQ(refusal("# escape=x\nFROM a"),
              "dockerfile parse error on line 1: invalid escape token 'x' does not match ` or \\");
    EXPECT_EQ(refusal("# syntax=a\n# syntax=b\nFROM a"),
              "dockerfile parse error on line 2: only one syntax parser directive can be used");
    EXPECT_EQ(
        refusal("# check=nothing\nFROM a"),
        "dockerfile parse error on line 1: failed to parse check options: invalid check option "
        "\"nothing\"");
    EXPECT_EQ(refusal("# check=else=1\nFROM a"),
              "dockerfile parse error on line 1: failed to parse "
              "check options: invalid check option \"else\"");
}

TEST(Dockerfile, joins_continued_lines) {
    const auto run = one("RUN a \\\n  && b\\  \n#comment\n  # another\n\n   && c \\\n");
    EXPECT_EQ(run.rest, "a   && b   && c");
    EXPECT_EQ(run.lines, (Lines{2, 7}));
    EXPECT_EQ(one("RUN echo \\\\\n").rest, "echo \\\\");
    EXPECT_EQ(one("RU\\\nN x").rest, "x");
    EXPECT_EQ(one("\\\nRUN x").rest, "x");
    EXPECT_EQ(one("RUN a # no comment\n").rest, "a # no comment");
    EXPECT_EQ(one("   \n\t# indented\n   run\tx  ").text, "run x");
    EXPECT_EQ(rules("FROM a\nRUN a \\\n\n b\n"), (Words{"NoEmptyContinuation:4"}));
}

TEST(Dockerfile, may_come_from_other_editors) {
    const auto file = file_of("\xEF\xBB\xBF# escape=`\r\nFROM a\r\nRUN b `\r\n c\r\n");
    EXPECT_EQ(file.directives.escape, '`');
    EXPECT_EQ(file.stages[0].base, "a");
    EXPECT_EQ(file.stages[0].instructions[0].rest, "b  c");
}

TEST(Dockerfile, keeps_flags_apart_from_words) {
    const auto copy = one(R"(COPY --chown="a b":c --link --exclude='*.o' --chmod=\u+x -- --x /y)");
    ASSERT_EQ(copy.flags.size(), 4U);
    EXPECT_EQ(copy.flags[0].value, "a b:c");
    EXPECT_EQ(copy.flags[1].name, "link");
    EXPECT_FALSE(copy.flags[1].has_value);
    EXPECT_EQ(copy.flags[2].value, "*.o");
    EXPECT_EQ(copy.flags[3].value, "u+x");
    EXPECT_EQ(copy.rest, "--x /y");
}

TEST(Dockerfile, knows_the_json_form) {
    EXPECT_EQ(one(R"(RUN ["a", "b c", "\u00e4"])").json, (Words{"a", "b c", "\xC3\xA4"}));
    EXPECT_EQ(one("CMD []").json, Words{});
    EXPECT_FALSE(one("CMD ['a']").json);
    EXPECT_FALSE(one("RUN [ -f x ] || y").json);
    EXPECT_FALSE(one("RUN [\"a\"] b").json);
    EXPECT_EQ(one(R"(VOLUME ["/a b", "/c"])").json, (Words{"/a b", "/c"}));
    EXPECT_FALSE(one(R"(USER ["a"])").json);
    EXPECT_EQ(wrong("CMD [\"a\", 1]"),
              "when using JSON array syntax, arrays must be comprised of strings only");
}

TEST(Dockerfile, has_here_documents) {
    const auto run = one("RUN cat <<EOF >x && 3<<-'END' y\n a\n\tb $C\nEOF\n\tc\n\tEND\n");
    ASSERT_EQ(run.heredocs.size(), 2U);
    EXPECT_EQ(run.heredocs[0].name, "EOF");
    EXPECT_EQ(run.heredocs[0].content, " a\n\tb $C\n");
    EXPECT_TRUE(run.heredocs[0].expand);
    EXPECT_FALSE(run.heredocs[0].chomp);
    EXPECT_EQ(run.heredocs[1].name, "END");
    EXPECT_EQ(run.heredocs[1].content, "\tc\n");
    EXPECT_FALSE(run.heredocs[1].expand);
    EXPECT_TRUE(run.heredocs[1].chomp);
    EXPECT_EQ(run.heredocs[1].descriptor, 3);
    EXPECT_EQ(run.lines, (Lines{2, 7}));
    EXPECT_EQ(one("COPY << EOF /x\n# kept\n\n\\\nEOF").heredocs[0].content, "# kept\n\n\\\n");
    EXPECT_EQ(one("RUN a <<\"E F\"\nx\nE F").heredocs[0].name, "E F");
    EXPECT_EQ(one("ONBUILD RUN <<EOF\nx\nEOF").heredocs[0].content, "x\n");
}

TEST(Dockerfile, sees_here_documents_only_where_they_are) {
    EXPECT_TRUE(one("RUN cat <<<word").heredocs.empty());
    EXPECT_TRUE(one("RUN echo '<<EOF'").heredocs.empty());
    EXPECT_TRUE(one("RUN [\"<<EOF\"]").heredocs.empty());
    EXPECT_TRUE(one("CMD cat <<EOF").heredocs.empty());
    EXPECT_TRUE(one("RUN echo $((1<<3))").heredocs.empty());
    EXPECT_EQ(wrong("RUN <<EOF\nx\n EOF"), "unterminated heredoc");
    EXPECT_EQ(wrong("COPY a <<EOF\nx\nEOF"), "COPY cannot accept a heredoc as a destination");
    std::string many = "RUN";
    for (std::size_t i = 0; i <= heredocs_max; ++i) { many += " <<E"; }
    EXPECT_EQ(wrong(many), "more than 100 here-documents");
}

TEST(Dockerfile, is_refused_with_the_line_and_its_text) {
    EXPECT_EQ(parse("FROM a\n\nRUNN b\nRUN c").error().message,
              "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)\n"
              "   1 |     FROM a\n"
              "   2 |\n"
              "   3 | >>> RUNN b\n"
              "   4 |     RUN c");
    EXPECT_EQ(wrong("nonsense x"), "unknown instruction: nonsense");
    EXPECT_EQ(wrong("copi a b"), "unknown instruction: copi (did you mean copy?)");
}

TEST(Dockerfile, needs_a_stage) {
    EXPECT_EQ(refusal(""), "the Dockerfile cannot be empty");
    EXPECT_EQ(refusal("# nothing\n\n"), "file with no instructions");
    EXPECT_EQ(refusal("ARG A=1"), "dockerfile contains no stages to build");
    EXPECT_EQ(refusal("RUN a\nFROM b"),
              "dockerfile parse error on line 1: no build stage in current context");
}

TEST(Dockerfile, refuses_wrong_FROM_lines) {
    EXPECT_EQ(wrong("FROM"), "FROM requires either one or three arguments");
    EXPECT_EQ(wrong("FROM a b"), "FROM requires either one or three arguments");
    EXPECT_EQ(wrong("FROM a is b"), "FROM requires either one or three arguments");
    EXPECT_EQ(wrong("FROM a AS 1b"),
              "invalid name for build stage: \"1b\", name can't start with a "
              "number or contain symbols");
    EXPECT_EQ(wrong("FROM a AS b$"),
              "invalid name for build stage: \"b$\", name can't start with a "
              "number or contain symbols");
    EXPECT_EQ(wrong("FROM --platfrom=x a"), "unknown flag: --platfrom (did you mean platform?)");
    EXPECT_EQ(wrong("FROM --platform a"), "missing a value on flag: --platform");
}

TEST(Dockerfile, refuses_flags_by_name) {
    EXPECT_EQ(wrong("COPY --chwon=1 a b"), "unknown flag: --chwon (did you mean chown?)");
    EXPECT_EQ(wrong("COPY --checksum=1 a b"), "unknown flag: --checksum");
    EXPECT_EQ(wrong("ADD --from=x a b"), "unknown flag: --from");
    EXPECT_EQ(wrong("ADD --parents a b"), "unknown flag: --parents");
    EXPECT_EQ(wrong("RUN --device=x a"), "unknown flag: --device");
    EXPECT_EQ(wrong("CMD --x a"), "unknown flag: --x");
    EXPECT_EQ(wrong("ENV --x A=1"), "unknown flag: --x");
    EXPECT_EQ(wrong("STOPSIGNAL --x 9"), "unknown flag: --x");
    EXPECT_EQ(wrong("COPY --chown=1 --chown=2 a b"), "duplicate flag specified: --chown");
    EXPECT_EQ(wrong("COPY --chown a b"), "missing a value on flag: --chown");
    EXPECT_EQ(wrong("COPY --link= a b"), "missing a value on flag: --link");
    EXPECT_EQ(wrong("COPY --link=maybe a b"),
              "expecting boolean value for flag --link, not: maybe");
}

TEST(Dockerfile, refuses_missing_arguments) {
    EXPECT_EQ(wrong("COPY a"), "COPY requires at least two arguments, but only one was provided. "
                               "Destination could not be determined");
    EXPECT_EQ(wrong("ADD"), "ADD requires at least two arguments, but only one was provided. "
                            "Destination could not be determined");
    EXPECT_EQ(wrong("COPY [\"a\"]"), "COPY requires at least two arguments, but only one was "
                                     "provided. Destination could not be determined");
    for (const char* name :
         {"ENV", "LABEL", "ARG", "EXPOSE", "VOLUME", "ONBUILD", "HEALTHCHECK", "SHELL"}) {
        EXPECT_EQ(wrong(name), std::string(name) + " requires at least one argument");
    }
    for (const char* name : {"USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER"}) {
        EXPECT_EQ(wrong(name), std::string(name) + " requires exactly one argument");
    }
    EXPECT_EQ(wrong("USER a b"), "USER requires exactly one argument");
    EXPECT_EQ(wrong("EXPOSE notaport"), "invalid containerPort: notaport");
    EXPECT_EQ(wrong("RUN []"), "RUN requires at least one argument");
    EXPECT_EQ(wrong("ENV A"), "ENV must have two arguments");
    EXPECT_EQ(wrong("LABEL A"), "LABEL must have two arguments");
    EXPECT_EQ(wrong("ENV A=1 B"),
              "Syntax error - can't find = in \"B\". Must be of the form: name=value");
    EXPECT_EQ(wrong("ENV =x"), "ENV names can not be blank");
    EXPECT_EQ(wrong("ARG =x"), "ARG names can not be blank");
    EXPECT_EQ(wrong("VOLUME [\"\"]"), "VOLUME specified can not be an empty string");
}

TEST(Dockerfile, refuses_wrong_triggers_and_shells) {
    EXPECT_EQ(wrong("ONBUILD ONBUILD RUN a"),
              "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    EXPECT_EQ(wrong("ONBUILD from a"), "FROM isn't allowed as an ONBUILD trigger");
    EXPECT_EQ(wrong("ONBUILD MAINTAINER a"), "MAINTAINER isn't allowed as an ONBUILD trigger");
    EXPECT_EQ(wrong("ONBUILD RUM a"), "unknown instruction: RUM (did you mean RUN?)");
    EXPECT_EQ(wrong("SHELL /bin/bash"), "SHELL requires the arguments to be in JSON form");
    EXPECT_EQ(wrong("SHELL []"), "SHELL requires at least one argument");
}

TEST(Dockerfile, refuses_wrong_health_checks) {
    EXPECT_EQ(wrong("HEALTHCHECK curl"), "Unknown type \"CURL\" in HEALTHCHECK (try CMD)");
    EXPECT_EQ(wrong("HEALTHCHECK CMD"), "Missing command after HEALTHCHECK CMD");
    EXPECT_EQ(wrong("HEALTHCHECK NONE x"), "HEALTHCHECK NONE takes no arguments");
    EXPECT_EQ(wrong("HEALTHCHECK --often=1s CMD x"), "unknown flag: --often");
    EXPECT_EQ(wrong("HEALTHCHECK --interval=1us CMD x"),
              "Interval \"interval\" cannot be less than 1ms");
    EXPECT_EQ(wrong("HEALTHCHECK --retries=-1 CMD x"), "--retries cannot be negative (-1)");
    EXPECT_EQ(wrong("HEALTHCHECK --retries=x CMD x"),
              "HEALTHCHECK --retries: invalid number \"x\"");
    EXPECT_TRUE(wrong("HEALTHCHECK --interval=soon CMD x").starts_with("HEALTHCHECK --interval: "));
}

TEST(Dockerfile, has_limits) {
    EXPECT_EQ(refusal(std::string(dockerfile_bytes_max + 1, '\n')),
              "the Dockerfile has more than 4194304 bytes");
    std::string many = "FROM a\n";
    for (std::size_t i = 0; i < instructions_max; ++i) { many += "RUN b\n"; }
    EXPECT_EQ(refusal(many), "dockerfile parse error on line 10001: more than 10000 instructions");
}

TEST(Dockerfile, reads_single_instructions) {
    const auto run = parse_instruction("run <<EOF\na\nEOF");
    ASSERT_TRUE(run);
    EXPECT_EQ(run->kind, Kind::Run);
    EXPECT_EQ(run->heredocs.front().content, "a\n");
    EXPECT_EQ(run->lines, (Lines{0, 0}));
    EXPECT_EQ(parse_instruction("RUN a\nRUN b").error().message,
              "more than one instruction in \"RUN a\\nRUN b\"");
    EXPECT_EQ(parse_instruction(" ").error().message, "there is no instruction");
}

TEST(Dockerfile, shows_where_something_is) {
    const auto file = file_of("FROM a\nRUN b \\\n  c\nRUN d\nRUN e\nRUN f\n");
    EXPECT_EQ(excerpt(file, {2, 3}), "   1 |     FROM a\n   2 | >>> RUN b \\\n   3 | >>>   c\n"
                                     "   4 |     RUN d\n   5 |     RUN e");
    EXPECT_EQ(excerpt(file, {}), "");
    EXPECT_EQ(excerpt(file, {99, 99}), "");
}

TEST(BuildCheck, looks_at_casing) {
    EXPECT_EQ(rules("FROM a AS B"), (Words{"StageNameCasing:1"}));
    EXPECT_EQ(message_of("FROM a AS B"), "Stage name 'B' should be lowercase");
    EXPECT_EQ(rules("FROM a as b"), (Words{"FromAsCasing:1"}));
    EXPECT_EQ(message_of("FROM a as b"), "'as' and 'FROM' keywords' casing do not match");
    EXPECT_EQ(rules("from a as b"), Words{});
    EXPECT_EQ(rules("FROM a\nrun b\nUSER c"), (Words{"ConsistentInstructionCasing:2"}));
    EXPECT_EQ(message_of("FROM a\nrun b\nUSER c"),
              "Command 'run' should match the case of the command majority (uppercase)");
    EXPECT_EQ(message_of("from a\nrun b\nUser c"),
              "Command 'User' should match the case of the command majority (lowercase)");
}

TEST(BuildCheck, looks_at_stage_names) {
    EXPECT_EQ(message_of("FROM a AS b\nFROM c AS b"),
              "Duplicate stage name \"b\", stage names should be unique");
    EXPECT_EQ(rules("FROM a AS b\nFROM c AS b"), (Words{"DuplicateStageName:2"}));
    EXPECT_EQ(message_of("FROM a AS scratch"),
              "Stage name should not use the same name as reserved stage \"scratch\"");
}

TEST(BuildCheck, looks_at_legacy_forms) {
    EXPECT_EQ(message_of("FROM a\nENV A b"),
              "\"ENV key=value\" should be used instead of legacy \"ENV key value\" format");
    EXPECT_EQ(rules("FROM a\nLABEL a b"), (Words{"LegacyKeyValueFormat:2"}));
    EXPECT_EQ(message_of("FROM a\nMAINTAINER me"),
              "Maintainer instruction is deprecated in favor of using label");
    EXPECT_EQ(message_of("FROM a\nCMD b"),
              "JSON arguments recommended for CMD to prevent unintended "
              "behavior related to OS signals");
    EXPECT_EQ(rules("FROM a AS b\nSHELL [\"x\"]\nCMD b\nFROM b\nCMD c"), Words{});
}

TEST(BuildCheck, looks_at_secrets) {
    EXPECT_EQ(message_of("FROM a\nARG GITHUB_TOKEN"),
              "Do not use ARG or ENV instructions for sensitive data (ARG \"GITHUB_TOKEN\")");
    EXPECT_EQ(rules("FROM a\nENV api_key=1 AUTH=2"),
              (Words{"SecretsUsedInArgOrEnv:2", "SecretsUsedInArgOrEnv:2"}));
    EXPECT_EQ(rules("FROM a\nARG PUBLIC_KEY\nENV KEY_FILE=a MONKEY=b"), Words{});
}

TEST(BuildCheck, looks_at_repeated_instructions_and_relative_directories) {
    EXPECT_EQ(rules("FROM a\nCMD [\"b\"]\nCMD [\"c\"]\nFROM d\nCMD [\"e\"]"),
              (Words{"MultipleInstructionsDisallowed:2"}));
    EXPECT_EQ(message_of("FROM a\nWORKDIR b"),
              "Relative workdir \"b\" can have unexpected results if the base image changes");
    EXPECT_EQ(rules("FROM a AS x\nWORKDIR /b\nWORKDIR c\nFROM x\nWORKDIR d\nFROM a\nWORKDIR $e"),
              Words{});
}

TEST(BuildCheck, can_be_turned_off) {
    const std::string wrong = "FROM a as B\nENV A b\n";
    EXPECT_EQ(rules(wrong).size(), 3U);
    EXPECT_EQ(rules("# check=skip=all\n" + wrong), Words{});
    EXPECT_EQ(rules("# check=skip=FromAsCasing,StageNameCasing\n" + wrong),
              (Words{"LegacyKeyValueFormat:3"}));
    EXPECT_EQ(rules("FROM a\n# check=skip=LegacyKeyValueFormat\nENV A b\nENV C d\n"),
              (Words{"LegacyKeyValueFormat:4"}));
}

TEST(BuildCheck, can_be_made_an_error) {
    const auto file = file_of("# check=error=true\nFROM a as B\n");
    EXPECT_TRUE(check_warnings(file.directives, file.warnings)
                    .error()
                    .message.starts_with(
                        "lint violation found for rules: FromAsCasing, StageNameCasing\n"));
    EXPECT_TRUE(check_warnings(file.directives, {}));
    EXPECT_TRUE(check_warnings(file_of("FROM a as B").directives, file.warnings));
}

} // namespace shoal::dockerfile
