#include "dockerfile/command.h"

#include <gtest/gtest.h>

namespace shoal::dockerfile {
namespace {

using oci::RunConfig;
using Words = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

const Pairs arguments{{"ARG1", "one"}, {"A", "argument"}};

RunConfig config_with(const Words& env) {
    RunConfig config;
    config.env = env;
    return config;
}

Result<Command> read(const std::string& line, const RunConfig& config) {
    auto instruction = parse_instruction(line);
    if (!instruction) { return std::move(instruction).error(); }
    Scope scope;
    scope.config = &config;
    scope.args = &arguments;
    return interpret(*instruction, scope);
}

Command command(const std::string& line, const RunConfig& config = config_with({"A=1", "U=me"})) {
    auto got = read(line, config);
    EXPECT_TRUE(got) << line << ": " << got.error().message;
    return got ? std::move(*got) : Command{};
}

template <class T> T what(const std::string& line) { return std::get<T>(command(line).what); }
Words words(const std::string& line) { return what<WordsCommand>(line).words; }
std::string text(const std::string& line) { return command(line).text; }

std::string refusal(const std::string& line) {
    const auto got = read(line, config_with({"A=1"}));
    if (got) { return "taken"; }
    EXPECT_EQ(got.error().code, Errc::Invalid);
    return got.error().message;
}

RunMount mount(const std::string& options) {
    const auto run = what<RunCommand>("RUN --mount=" + options + " x");
    EXPECT_EQ(run.mounts.size(), 1U);
    return run.mounts.front();
}
std::string wrong_mount(const std::string& options) {
    return refusal("RUN --mount=" + options + " x");
}

RunConfig after(const Words& lines, RunConfig config = {}) {
    const auto applied = apply_changes(config, lines);
    EXPECT_TRUE(applied) << applied.error().message;
    return config;
}

std::string refused_change(const std::string& line) {
    RunConfig config;
    const auto applied = apply_change(config, line);
    if (applied) { return "taken"; }
    EXPECT_EQ(applied.error().code, Errc::Invalid);
    EXPECT_EQ(config, RunConfig{}) << "half applied: " << line;
    return applied.error().message;
}

} // namespace

TEST(Command, puts_variables_in_where_docker_does) {
    EXPECT_EQ(words("USER $U:${ARG1}"), Words{"me:one"});
    EXPECT_EQ(words("USER \"$U\""), Words{"me"});
    EXPECT_EQ(words("WORKDIR /$U/a b"), Words{"/me/a b"});
    EXPECT_EQ(words("STOPSIGNAL $A"), Words{"1"});
    EXPECT_EQ(words("VOLUME /$A $U"), (Words{"/1", "me"}));
    EXPECT_EQ(words("VOLUME [\"/$A\"]"), Words{"/1"});
    EXPECT_EQ(words("EXPOSE 8$A 90"), (Words{"81/tcp", "90/tcp"}));
    EXPECT_EQ(words("FROM $U"), Words{"me"});
    EXPECT_EQ(what<PairsCommand>("LABEL $U=$A b='$A'").pairs, (Pairs{{"me", "1"}, {"b", "$A"}}));
    EXPECT_EQ(what<PairsCommand>("ENV X $A  y").pairs, (Pairs{{"X", "1  y"}}));
}

TEST(Command, leaves_variables_to_the_shell_elsewhere) {
    EXPECT_EQ(what<RunCommand>("RUN echo $A").words, Words{"echo $A"});
    EXPECT_EQ(words("CMD echo $A"), Words{"echo $A"});
    EXPECT_EQ(words("ENTRYPOINT [\"$A\"]"), Words{"$A"});
    EXPECT_EQ(words("ONBUILD RUN $A"), Words{"RUN $A"});
    EXPECT_EQ(words("SHELL [\"$A\"]"), Words{"$A"});
    EXPECT_EQ(words("MAINTAINER $A <a@b>"), Words{"$A <a@b>"});
    EXPECT_EQ(what<HealthcheckCommand>("HEALTHCHECK CMD $A").config.test,
              (Words{"CMD-SHELL", "$A"}));
}

TEST(Command, prefers_the_environment_to_arguments) {
    EXPECT_EQ(words("USER $A"), Words{"1"});
    EXPECT_EQ(words("USER $ARG1"), Words{"one"});
    EXPECT_EQ(what<PairsCommand>("ENV PATH=/x:$PATH").pairs,
              (Pairs{{"PATH", "/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}));
}

TEST(Command, sees_the_old_values_within_one_line) {
    EXPECT_EQ(what<PairsCommand>("ENV A=2 B=$A").pairs, (Pairs{{"A", "2"}, {"B", "1"}}));
}

TEST(Command, reads_arguments_one_after_the_other) {
    const auto instruction = parse_instruction("ARG X=1 Y=$X Z=$Y W=$G G V");
    Scope scope;
    const BuildArgs given{{"Y", "given"}, {"V", std::nullopt}};
    const std::map<std::string, std::string> globals{{"G", "global"}};
    scope.given = &given;
    scope.globals = &globals;
    const auto got = interpret(*instruction, scope);
    ASSERT_TRUE(got);
    const auto& args = std::get<ArgCommand>(got->what).args;
    ASSERT_EQ(args.size(), 6U);
    EXPECT_EQ(args[0].value, "1");
    EXPECT_EQ(args[2].value, "given");
    EXPECT_EQ(args[3].value, "");
    EXPECT_FALSE(args[4].value);
    EXPECT_EQ(text("ARG Q=\"a b\" R"), "ARG Q=a b R");
}

TEST(Command, says_which_variables_are_missing) {
    const auto warnings = command("USER $UU$NOTHING").warnings;
    ASSERT_EQ(warnings.size(), 2U);
    EXPECT_EQ(warnings[0].rule, "UndefinedVar");
    EXPECT_EQ(warnings[0].message, "Usage of undefined variable '$NOTHING'");
    EXPECT_EQ(warnings[1].message, "Usage of undefined variable '$UU' (did you mean $U?)");
    const auto instruction = parse_instruction("USER $NOTHING");
    Scope scope;
    const std::set<std::string> declared{"NOTHING"};
    scope.declared = &declared;
    EXPECT_TRUE(interpret(*instruction, scope)->warnings.empty());
    scope.declared = nullptr;
    Directives directives;
    directives.checks_are_errors = true;
    scope.directives = &directives;
    EXPECT_EQ(interpret(*instruction, scope).error().message,
              "lint violation found for rules: UndefinedVar\n"
              "UndefinedVar: Usage of undefined variable '$NOTHING'");
    directives.skipped_checks = {"UndefinedVar"};
    EXPECT_TRUE(interpret(*instruction, scope)->warnings.empty());
}

TEST(Command, reads_copies) {
    const auto copy = what<CopyCommand>("COPY --from=b --chown=$U --chmod=u+x --link --parents "
                                        "--exclude=*.o --exclude=$A a$A 'b' /d/");
    EXPECT_FALSE(copy.add);
    EXPECT_EQ(copy.from, "b");
    EXPECT_EQ(copy.chown, "me");
    EXPECT_EQ(copy.chmod, "u+x");
    EXPECT_TRUE(copy.link && copy.parents);
    EXPECT_EQ(copy.excludes, (Words{"*.o", "$A"}));
    EXPECT_EQ(copy.sources, (Words{"a1", "b"}));
    EXPECT_EQ(copy.destination, "/d/");
    EXPECT_EQ(what<CopyCommand>(R"(COPY ["a b", "c"])").sources, Words{"a b"});
    EXPECT_EQ(
        refusal("COPY --from=$A a b"),
        "variable expansion is not supported for --from, define a new stage with FROM using ARG "
        "from global scope as a workaround");
    EXPECT_EQ(refusal("COPY https://example.com/x b"), "source can't be a URL for COPY");
}

TEST(Command, reads_additions) {
    const auto add = what<CopyCommand>(
        "ADD --checksum=sha256:$A --keep-git-dir --unpack=false https://example.com/x /x");
    EXPECT_TRUE(add.add && add.keep_git_dir);
    EXPECT_EQ(add.checksum, "sha256:1");
    EXPECT_EQ(add.unpack, false);
    EXPECT_FALSE(what<CopyCommand>("ADD a b").unpack);
    EXPECT_EQ(refusal("ADD --checksum=x a b c"),
              "checksum can't be specified for multiple sources");
}

TEST(Command, reads_inline_files) {
    const auto copy = what<CopyCommand>("COPY <<a <<-'b' x /d/\n\"$A\" \\$A\na\n\t$A\nb\n");
    ASSERT_EQ(copy.inline_files.size(), 2U);
    EXPECT_EQ(copy.inline_files[0].name, "a");
    EXPECT_EQ(copy.inline_files[0].content, "\"1\" $A\n");
    EXPECT_EQ(copy.inline_files[1].content, "$A\n");
    EXPECT_EQ(copy.sources, Words{"x"});
}

TEST(Command, reads_scripts) {
    const auto script = what<RunCommand>("RUN <<-EOF\n\ta\n\tb\nEOF");
    EXPECT_EQ(script.script, "a\nb\n");
    EXPECT_TRUE(script.words.empty());
    const auto fed = what<RunCommand>("RUN cat <<A - <<B\na\nA\nb\nB\n");
    EXPECT_FALSE(fed.script);
    EXPECT_EQ(fed.words, Words{"cat <<A - <<B\na\nA\nb\nB"});
    EXPECT_TRUE(fed.shell);
    const auto exec = what<RunCommand>("RUN [\"a\", \"b\"]");
    EXPECT_FALSE(exec.shell);
    EXPECT_EQ(exec.words, (Words{"a", "b"}));
}

TEST(Command, reads_flags_of_run) {
    const auto run = what<RunCommand>("RUN --network=none --security=insecure x");
    EXPECT_EQ(run.network, "none");
    EXPECT_EQ(run.security, "insecure");
    EXPECT_EQ(refusal("RUN --network=web x"), "invalid network mode \"web\"");
    EXPECT_EQ(refusal("RUN --security=none x"), "security \"none\" is not valid");
}

TEST(RunMount, has_defaults_by_its_type) {
    const auto bind = mount("target=/a,source=b,from=c");
    EXPECT_EQ(bind.type, RunMount::Type::Bind);
    EXPECT_TRUE(bind.read_only && bind.has_target);
    EXPECT_EQ(bind.target + bind.source + bind.from, "/abc");
    EXPECT_FALSE(mount("type=bind,dst=/a,rw").read_only);
    EXPECT_FALSE(mount("type=bind,dst=/a,ro=false").read_only);
    const auto cache = mount("type=cache,id=go,target=/$A,sharing=locked,uid=1,gid=2,mode=0700");
    EXPECT_EQ(cache.type, RunMount::Type::Cache);
    EXPECT_FALSE(cache.read_only);
    EXPECT_EQ(cache.target, "/1");
    EXPECT_EQ(cache.id, "go");
    EXPECT_EQ(cache.sharing, RunMount::Sharing::Locked);
    EXPECT_EQ(cache.mode, 0700U);
    EXPECT_EQ(cache.uid, 1U);
    EXPECT_EQ(cache.gid, 2U);
    EXPECT_EQ(mount("type=tmpfs,target=/t,size=1m").size_bytes, 1 << 20);
    const auto secret = mount("type=secret,id=s,env=S,required");
    EXPECT_EQ(secret.env, "S");
    EXPECT_TRUE(secret.required && secret.read_only);
    EXPECT_FALSE(secret.has_target);
    EXPECT_EQ(mount("type=ssh").type, RunMount::Type::Ssh);
    EXPECT_EQ(mount(R"('"target=/a,b"')").target, "/a,b");
    EXPECT_EQ(what<RunCommand>("RUN --mount=type=ssh --mount=target=/x y").mounts.size(), 2U);
}

TEST(RunMount, is_placed_in_the_working_directory) {
    RunConfig config;
    config.working_dir = "/w";
    const auto target = [&](const std::string& options) {
        const auto run = command("RUN --mount=" + options + " x", config);
        return std::get<RunCommand>(run.what).mounts.front().target;
    };
    EXPECT_EQ(target("type=bind"), "/w");
    EXPECT_EQ(target("target=a//b/"), "/w/a/b");
    EXPECT_EQ(target("type=cache,target=/c/"), "/c");
    EXPECT_EQ(target("type=secret,id=a,target=b"), "b");
}

TEST(RunMount, is_refused_with_key_and_value) {
    EXPECT_EQ(wrong_mount("type=volume"), "unsupported mount type \"volume\"");
    EXPECT_EQ(wrong_mount("type=bing"), "unsupported mount type \"bing\" (did you mean bind?)");
    EXPECT_EQ(wrong_mount("target=/a,sourc=b"),
              "unexpected key 'sourc' in 'sourc=b' (did you mean source?)");
    EXPECT_EQ(wrong_mount("target"), "invalid field 'target' must be a key=value pair");
    EXPECT_EQ(wrong_mount("target=/a,from=$A"),
              "'from' doesn't support variable expansion, define alias stage instead");
    EXPECT_EQ(wrong_mount("target=/a,ro=perhaps"), "invalid value for ro: perhaps");
    EXPECT_EQ(wrong_mount("target=/a,required"), "unexpected key 'required' for mount type 'bind'");
    EXPECT_EQ(wrong_mount("target=/a,size=1"), "unexpected key 'size' for mount type 'bind'");
    EXPECT_EQ(wrong_mount("target=/a,env=X"), "unexpected key 'env' for mount type 'bind'");
    EXPECT_EQ(wrong_mount("type=tmpfs,target=/a,size=big"), "invalid value for size: big");
    EXPECT_EQ(wrong_mount("target=/a,uid=1"), "uid not allowed for \"bind\" type mounts");
    EXPECT_EQ(wrong_mount("type=cache,target=/a,mode=9"), "invalid value 9 for mode");
    EXPECT_EQ(wrong_mount("type=cache,target=/a,uid=-1"), "invalid value -1 for uid");
    EXPECT_EQ(wrong_mount("type=cache,target=/a,sharing=no"), "unsupported sharing value \"no\"");
    EXPECT_EQ(wrong_mount("target=/a,sharing=shared"), "invalid cache sharing set for bind mount");
    EXPECT_EQ(wrong_mount("type=secret"), "invalid secret mount. one of source, target required");
    EXPECT_EQ(wrong_mount("type=secret,id=a,source=b"), "both source and id can't be set");
    EXPECT_EQ(wrong_mount("type=secret,id=a,from=b"), "secret mount should not have a from");
    EXPECT_EQ(wrong_mount("type=secret,id=a,sharing=shared"),
              "secret mount should not define sharing");
    EXPECT_EQ(wrong_mount("type=cache"), "invalid mount target \"/\"");
    EXPECT_EQ(wrong_mount("target=/a/.."), "invalid mount target \"/\"");
    EXPECT_EQ(wrong_mount("'\"target=/a'"), "failed to parse csv mounts: a quote is open");
}

TEST(Command, writes_docker_s_text_for_the_history) {
    EXPECT_EQ(text("copy --link --chown=$U  a   b/"), "COPY --chown=me --link a b/");
    EXPECT_EQ(text("COPY <<EOF /x\nEOF"), "COPY <<EOF /x");
    EXPECT_EQ(text("ENV A=$A B=\"x y\""), "ENV A=1 B=x y");
    EXPECT_EQ(text("LABEL a=b"), "LABEL a=b");
    EXPECT_EQ(text("CMD echo hi"), R"(CMD ["/bin/sh" "-c" "echo hi"])");
    EXPECT_EQ(text("ENTRYPOINT [\"/a\", \"b\"]"), R"(ENTRYPOINT ["/a" "b"])");
    EXPECT_EQ(text("EXPOSE 80 53/udp"), "EXPOSE [53/udp 80/tcp]");
    EXPECT_EQ(text("VOLUME /a /b"), "VOLUME [/a /b]");
    EXPECT_EQ(text("SHELL [\"/bin/bash\", \"-c\"]"), "SHELL [/bin/bash -c]");
    EXPECT_EQ(text("WORKDIR b"), "WORKDIR /b");
    EXPECT_EQ(text("USER $U"), "USER me");
    EXPECT_EQ(text("STOPSIGNAL 9"), "STOPSIGNAL 9");
    EXPECT_EQ(text("ONBUILD RUN a"), "ONBUILD RUN a");
    EXPECT_EQ(text("healthcheck --retries=2 CMD x"), "HEALTHCHECK --retries=2 CMD x");
    EXPECT_EQ(text("RUN a \\\n b"), "RUN a  b");
}

TEST(Command, is_refused_with_the_line) {
    const auto file = parse("FROM a\nENV A=${B:?}\n");
    ASSERT_TRUE(file);
    EXPECT_EQ(
        interpret(file->stages[0].instructions[0], {}).error().message,
        "dockerfile parse error on line 2: failed to process \"${B:?}\": B: is not allowed to "
        "be unset");
    EXPECT_EQ(refusal("VOLUME $NONE"), "VOLUME specified can not be an empty string");
    EXPECT_EQ(refusal("ENV $NONE=1"), "ENV names can not be blank");
    EXPECT_EQ(refusal("FROM $NONE"), "base name should not be blank");
}

TEST(Change, takes_cmd_and_entrypoint_in_both_forms) {
    EXPECT_EQ(after({R"(CMD ["nginx", "-g", "daemon off;"])"}).cmd,
              (Words{"nginx", "-g", "daemon off;"}));
    EXPECT_EQ(after({"cmd echo $HOME | cat"}).cmd, (Words{"/bin/sh", "-c", "echo $HOME | cat"}));
    EXPECT_EQ(after({R"(ENTRYPOINT ["/entry"])"}).entrypoint, Words{"/entry"});
    EXPECT_EQ(after({"ENTRYPOINT exec top -b"}).entrypoint,
              (Words{"/bin/sh", "-c", "exec top -b"}));
    EXPECT_EQ(after({"CMD [not json]"}).cmd, (Words{"/bin/sh", "-c", "[not json]"}));
}

TEST(Change, runs_shell_forms_with_the_shell_that_was_set) {
    const auto config = after({R"(SHELL ["/bin/bash", "-ec"])", "CMD date"});
    EXPECT_EQ(config.shell, (Words{"/bin/bash", "-ec"}));
    EXPECT_EQ(config.cmd, (Words{"/bin/bash", "-ec", "date"}));
}

TEST(Change, drops_the_old_command_with_the_old_entry_point) {
    RunConfig image;
    image.entrypoint = {"/old"};
    image.cmd = {"serve"};
    EXPECT_TRUE(after({R"(ENTRYPOINT ["/new"])"}, image).cmd.empty());
    EXPECT_EQ(after({R"(CMD ["x"])", R"(ENTRYPOINT ["/new"])"}, image).cmd, Words{"x"});
    EXPECT_EQ(after({"USER www"}, image).cmd, Words{"serve"});
}

TEST(Change, sets_environment_and_labels) {
    const auto config = after({"ENV LANG=C.UTF-8 A=1 B='two words'", "ENV OLD the old form",
                               "ENV TWICE=$A$A", R"(LABEL org.example.a="x y" b=2)", "LABEL b=3"},
                              config_with({"PATH=/bin", "LANG=C"}));
    EXPECT_EQ(config.env, (Words{"PATH=/bin", "LANG=C.UTF-8", "A=1", "B=two words",
                                 "OLD=the old form", "TWICE=11"}));
    EXPECT_EQ(config.labels,
              (std::map<std::string, std::string>{{"org.example.a", "x y"}, {"b", "3"}}));
}

TEST(Change, exposes_ports_and_ranges) {
    const auto config =
        after({"EXPOSE 80 53/UDP 9000-9002/tcp 7/sctp", "EXPOSE 80/tcp 1.2.3.4:5:6"});
    Words ports;
    for (const auto& [port, nothing] : config.exposed_ports) { ports.push_back(port); }
    EXPECT_EQ(ports,
              (Words{"53/udp", "6/tcp", "7/sctp", "80/tcp", "9000/tcp", "9001/tcp", "9002/tcp"}));
    for (const char* bad : {"0", "65536", "80-79", "http", "-1", "1-", "80-"}) {
        EXPECT_EQ(refused_change(std::string("EXPOSE ") + bad),
                  std::string("invalid containerPort: ") + bad);
    }
    EXPECT_EQ(refused_change("EXPOSE 80/icmp"), "invalid port: \"80/icmp\": invalid proto: icmp");
    EXPECT_EQ(refused_change("EXPOSE x:80"), "invalid hostPort: x");
    EXPECT_EQ(refused_change("EXPOSE 1-65535 1-65535 1-65535 1"),
              "EXPOSE names more ports than there are");
}

TEST(Change, adds_volumes_in_both_forms) {
    const auto config = after({"VOLUME /data /var/log", R"(VOLUME ["/a b"])"});
    Words paths;
    for (const auto& [path, nothing] : config.volumes) { paths.push_back(path); }
    EXPECT_EQ(paths, (Words{"/a b", "/data", "/var/log"}));
}

TEST(Change, resolves_working_directories_against_the_one_before) {
    EXPECT_EQ(after({"WORKDIR /srv", "WORKDIR app/"}).working_dir, "/srv/app");
    EXPECT_EQ(after({"WORKDIR rel"}).working_dir, "/rel");
    EXPECT_EQ(after({"WORKDIR /a/b", "WORKDIR ../../.."}).working_dir, "/");
    EXPECT_EQ(after({"WORKDIR ${HOME}/x"}, config_with({"HOME=/home/me"})).working_dir,
              "/home/me/x");
}

TEST(Change, sets_user_and_stop_signal) {
    const auto config = after({"USER www-data:www-data", "STOPSIGNAL SIGQUIT"});
    EXPECT_EQ(config.user, "www-data:www-data");
    EXPECT_EQ(config.stop_signal, "SIGQUIT");
    for (const char* good : {"9", "kill", "SIGRTMIN+3", "RTMAX-1", "64", "sigterm"}) {
        EXPECT_EQ(after({std::string("STOPSIGNAL ") + good}).stop_signal, good);
    }
    for (const char* bad : {"0", "65", "SIG", "SIGNONE", "RTMIN-1", "-9"}) {
        EXPECT_EQ(refused_change(std::string("STOPSIGNAL ") + bad),
                  std::string("invalid signal: ") + bad);
    }
}

TEST(Change, describes_health_checks) {
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
}

TEST(Change, keeps_triggers_for_builds) {
    EXPECT_EQ(after({"ONBUILD RUN make", "onbuild COPY . /src"}).on_build,
              (Words{"RUN make", "COPY . /src"}));
}

TEST(Change, that_needs_files_or_a_container_is_refused_by_name) {
    EXPECT_EQ(refused_change("RUN make"), "run is not a valid change command");
    EXPECT_EQ(refused_change("COPY a b"), "copy is not a valid change command");
    EXPECT_EQ(refused_change("FROM scratch"), "from is not a valid change command");
    EXPECT_EQ(refused_change("ARG a"), "arg is not a valid change command");
    EXPECT_EQ(refused_change("nonsense"), "nonsense is not a valid change command");
    EXPECT_EQ(refused_change("USER"), "USER requires exactly one argument");
    EXPECT_EQ(refused_change("ENV A=${"), "failed to process \"${\": syntax error: missing '}'");
}

TEST(Change, comes_several_to_a_text_with_comments_between) {
    const auto config = after({"\n# who\nUSER me\n\n  CMD [\"a\"]  \n", "ENV A=1 \\\n B=2"});
    EXPECT_EQ(config.user, "me");
    EXPECT_EQ(config.cmd, Words{"a"});
    EXPECT_EQ(config.env, (Words{"A=1", "B=2"}));
    EXPECT_TRUE(after({}).env.empty());
}

} // namespace shoal::dockerfile
