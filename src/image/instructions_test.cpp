#include "image/instructions.h"

#include <gtest/gtest.h>

namespace shoal::image {
namespace {

using oci::RunConfig;
using Words = std::vector<std::string>;

RunConfig after(const Words& lines, RunConfig config = {}) {
    const auto applied = apply_instructions(config, lines);
    EXPECT_TRUE(applied) << applied.error().message;
    return config;
}

std::string refusal(const std::string& line) {
    RunConfig config;
    const auto applied = apply_instruction(config, line);
    if (applied) { return "taken"; }
    EXPECT_EQ(applied.error().code, Errc::Invalid);
    EXPECT_EQ(config, RunConfig{}) << "half applied: " << line;
    return applied.error().message;
}

Words words(const std::string& text, const Words& env = {}) {
    auto split = split_words(text, env);
    return split ? std::move(*split) : Words{"error: " + split.error().message};
}

} // namespace

TEST(Instructions, take_cmd_and_entrypoint_in_both_forms) {
    EXPECT_EQ(after({R"(CMD ["nginx", "-g", "daemon off;"])"}).cmd,
              (Words{"nginx", "-g", "daemon off;"}));
    EXPECT_EQ(after({"cmd echo $HOME | cat"}).cmd, (Words{"/bin/sh", "-c", "echo $HOME | cat"}));
    EXPECT_EQ(after({R"(ENTRYPOINT ["/entry"])"}).entrypoint, (Words{"/entry"}));
    EXPECT_EQ(after({"ENTRYPOINT exec top -b"}).entrypoint,
              (Words{"/bin/sh", "-c", "exec top -b"}));
    EXPECT_EQ(after({"CMD [not json]"}).cmd, (Words{"/bin/sh", "-c", "[not json]"}));
}

TEST(Instructions, run_shell_forms_with_the_shell_that_was_set) {
    const auto config = after({R"(SHELL ["/bin/bash", "-ec"])", "CMD date"});
    EXPECT_EQ(config.shell, (Words{"/bin/bash", "-ec"}));
    EXPECT_EQ(config.cmd, (Words{"/bin/bash", "-ec", "date"}));
    EXPECT_EQ(refusal("SHELL /bin/bash"), "SHELL requires the arguments to be in JSON form");
    EXPECT_EQ(refusal("SHELL []"), "SHELL requires the arguments to be in JSON form");
}

TEST(Instructions, drop_the_old_command_with_the_old_entry_point) {
    RunConfig image;
    image.entrypoint = {"/old"};
    image.cmd = {"serve"};
    EXPECT_TRUE(after({R"(ENTRYPOINT ["/new"])"}, image).cmd.empty());
    EXPECT_EQ(after({R"(CMD ["x"])", R"(ENTRYPOINT ["/new"])"}, image).cmd, Words{"x"});
    EXPECT_EQ(after({"USER www"}, image).cmd, Words{"serve"});
}

TEST(Instructions, set_environment_and_labels) {
    RunConfig image;
    image.env = {"PATH=/bin", "LANG=C"};
    const auto config = after({"ENV LANG=C.UTF-8 A=1 B='two words'", "ENV OLD the old  form",
                               "ENV TWICE=$A$A", R"(LABEL org.example.a="x y" b=2)", "LABEL b=3"},
                              image);
    EXPECT_EQ(config.env, (Words{"PATH=/bin", "LANG=C.UTF-8", "A=1", "B=two words",
                                 "OLD=the old form", "TWICE=11"}));
    EXPECT_EQ(config.labels,
              (std::map<std::string, std::string>{{"org.example.a", "x y"}, {"b", "3"}}));
    EXPECT_EQ(refusal("ENV"), "ENV requires at least one argument");
    EXPECT_EQ(refusal("ENV A"), "ENV must have two arguments");
    EXPECT_EQ(refusal("ENV A=1 B"),
              "Syntax error - can't find = in \"B\". Must be of the form: name=value");
    EXPECT_EQ(refusal("LABEL =x"), "LABEL names can not be blank");
}

TEST(Instructions, expose_ports_and_ranges) {
    const auto config = after({"EXPOSE 80 53/UDP 9000-9002/tcp 7/sctp", "EXPOSE 80/tcp"});
    Words ports;
    for (const auto& [port, nothing] : config.exposed_ports) { ports.push_back(port); }
    EXPECT_EQ(ports, (Words{"53/udp", "7/sctp", "80/tcp", "9000/tcp", "9001/tcp", "9002/tcp"}));
    for (const char* bad : {"0", "65536", "80-79", "http", "80/icmp", "-1", "1-", "80-"}) {
        EXPECT_EQ(refusal(std::string("EXPOSE ") + bad),
                  std::string("Invalid containerPort: ") + bad);
    }
    EXPECT_EQ(refusal("EXPOSE"), "EXPOSE requires at least one argument");
}

TEST(Instructions, add_volumes_in_both_forms) {
    const auto config = after({"VOLUME /data /var/log", R"(VOLUME ["/a b"])"});
    Words paths;
    for (const auto& [path, nothing] : config.volumes) { paths.push_back(path); }
    EXPECT_EQ(paths, (Words{"/a b", "/data", "/var/log"}));
    EXPECT_EQ(refusal(R"(VOLUME [""])"), "VOLUME specified can not be an empty string");
    EXPECT_EQ(refusal("VOLUME"), "VOLUME requires at least one argument");
}

TEST(Instructions, resolve_working_directories_against_the_one_before) {
    EXPECT_EQ(after({"WORKDIR /srv", "WORKDIR app/"}).working_dir, "/srv/app");
    EXPECT_EQ(after({"WORKDIR rel"}).working_dir, "/rel");
    EXPECT_EQ(after({"WORKDIR /a/b", "WORKDIR ../../.."}).working_dir, "/");
    RunConfig image;
    image.env = {"HOME=/home/me"};
    EXPECT_EQ(after({"WORKDIR ${HOME}/x"}, image).working_dir, "/home/me/x");
}

TEST(Instructions, set_user_and_stop_signal) {
    const auto config = after({"USER www-data:www-data", "STOPSIGNAL SIGQUIT"});
    EXPECT_EQ(config.user, "www-data:www-data");
    EXPECT_EQ(config.stop_signal, "SIGQUIT");
    EXPECT_EQ(refusal("USER a b"), "USER requires exactly one argument");
    EXPECT_EQ(refusal("STOPSIGNAL"), "STOPSIGNAL requires exactly one argument");
}

TEST(Instructions, describe_health_checks) {
    const auto config = after(
        {"HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --start-interval=100ms --retries=7 "
         "CMD curl -f http://localhost/ || exit 1"});
    ASSERT_TRUE(config.healthcheck);
    EXPECT_EQ(config.healthcheck->test,
              (Words{"CMD-SHELL", "curl -f http://localhost/ || exit 1"}));
    EXPECT_EQ(config.healthcheck->interval, std::chrono::seconds(5));
    EXPECT_EQ(config.healthcheck->timeout, std::chrono::minutes(1));
    EXPECT_EQ(config.healthcheck->start_period, std::chrono::seconds(2));
    EXPECT_EQ(config.healthcheck->start_interval, std::chrono::milliseconds(100));
    EXPECT_EQ(config.healthcheck->retries, 7);
    EXPECT_EQ(after({R"(HEALTHCHECK CMD ["true", "-x"])"}).healthcheck->test,
              (Words{"CMD", "true", "-x"}));
    EXPECT_EQ(after({"HEALTHCHECK none"}).healthcheck->test, Words{"NONE"});
    EXPECT_EQ(refusal("HEALTHCHECK CMD"), "Missing command after HEALTHCHECK CMD");
    EXPECT_EQ(refusal("HEALTHCHECK curl"), "Unknown type \"curl\" in HEALTHCHECK (try CMD)");
    EXPECT_EQ(refusal("HEALTHCHECK --often=1s CMD x"), "Unknown flag: often");
    EXPECT_EQ(refusal("HEALTHCHECK --retries=0 CMD x"),
              "HEALTHCHECK --retries: must be at least 1 (not 0)");
    EXPECT_EQ(refusal("HEALTHCHECK --interval=1us CMD x"),
              "HEALTHCHECK --interval: Interval \"interval\" cannot be less than 1ms");
    EXPECT_NE(refusal("HEALTHCHECK --interval=soon CMD x"), "taken");
}

TEST(Instructions, keep_triggers_for_builds) {
    EXPECT_EQ(after({"ONBUILD RUN make", "onbuild COPY . /src"}).on_build,
              (Words{"RUN make", "COPY . /src"}));
    EXPECT_EQ(refusal("ONBUILD"), "ONBUILD requires at least one argument");
    EXPECT_EQ(refusal("ONBUILD onbuild RUN x"),
              "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    EXPECT_EQ(refusal("ONBUILD FROM x"), "FROM isn't allowed as an ONBUILD trigger");
}

TEST(Instructions, that_need_files_or_a_container_are_refused_by_name) {
    EXPECT_EQ(refusal("RUN make"), "run is not a valid change command");
    EXPECT_EQ(refusal("COPY a b"), "copy is not a valid change command");
    EXPECT_EQ(refusal("FROM scratch"), "from is not a valid change command");
    EXPECT_EQ(refusal("nonsense"), "nonsense is not a valid change command");
}

TEST(Instructions, come_several_to_a_text_with_comments_between) {
    const auto config = after({"\n# who\nUSER me\n\n  CMD [\"a\"]  \n"});
    EXPECT_EQ(config.user, "me");
    EXPECT_EQ(config.cmd, Words{"a"});
}

TEST(Words, are_split_with_quotes_and_escapes) {
    EXPECT_EQ(words("  a\tb  c "), (Words{"a", "b", "c"}));
    EXPECT_EQ(words(R"('a b' "c d" e\ f)"), (Words{"a b", "c d", "e f"}));
    EXPECT_EQ(words(R"(x'y'"z")"), Words{"xyz"});
    EXPECT_EQ(words(R"('' "")"), (Words{"", ""}));
    EXPECT_EQ(words(R"("a\"b\\c\d")"), Words{R"(a"b\c\d)"});
    EXPECT_EQ(words(R"('\n')"), Words{R"(\n)"});
    EXPECT_TRUE(words("").empty());
    EXPECT_EQ(words("'a"),
              Words{"error: unexpected end of statement while looking for matching single-quote"});
    EXPECT_EQ(words("\"a"),
              Words{"error: unexpected end of statement while looking for matching double-quote"});
}

TEST(Words, take_variables_from_the_environment) {
    const Words env{"A=1", "EMPTY=", "LONG=x=y"};
    EXPECT_EQ(words("$A ${A}b $LONG", env), (Words{"1", "1b", "x=y"}));
    EXPECT_EQ(words("\"$A\" '$A' \\$A", env), (Words{"1", "$A", "$A"}));
    EXPECT_EQ(words("a$NONE.b a$ $1", env), (Words{"a.b", "a$", "$1"}));
    EXPECT_EQ(words("${NONE:-d} ${EMPTY:-d} ${A:-d}", env), (Words{"d", "d", "1"}));
    EXPECT_EQ(words("x${NONE:+d} x${EMPTY:+d} x${A:+d}", env), (Words{"x", "x", "xd"}));
    EXPECT_EQ(words("${A", env), Words{"error: syntax error: bad variable in '${A'"});
    EXPECT_EQ(words("${}", env), Words{"error: syntax error: bad variable in '${}'"});
    EXPECT_EQ(words("${A#1}", env), Words{"error: unsupported modifier (#1) in substitution"});
}

} // namespace shoal::image
