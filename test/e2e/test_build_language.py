"""The Dockerfile language from outside: what every instruction does to the image, and what is refused with which words."""
import pytest

from harness.api import OLD_DOCKER

later = pytest.mark.shoal_only("of a later Dockerfile syntax than the classic builder's")


def env_of(b):
    return dict(x.split("=", 1) for x in b.config["Env"] or [])


# ---- settings ----

def test_settings_end_up_in_the_image(build):
    b = build('''FROM busybox
MAINTAINER somebody <some@body.example>
LABEL a=1 "b b"="two words" c='single' \\
      d=continued
ENV ONE=1 TWO="2 2"
ENV OLD form of it
EXPOSE 80 81/udp 8000-8002/tcp
VOLUME /data "/more"
VOLUME ["/json", "/with space"]
USER web:webgroup
WORKDIR /srv
WORKDIR deeper
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD test -e /ok
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo", "$ONE"]
ONBUILD RUN echo triggered
ONBUILD ADD . /srv
''')
    c, image = b.config, b.image
    assert image["Author"] == "somebody <some@body.example>"
    assert c["Labels"] == {"a": "1", "b b": "two words", "c": "single", "d": "continued"}
    assert {"ONE": "1", "TWO": "2 2", "OLD": "form of it"}.items() <= env_of(b).items()
    assert set(c["ExposedPorts"]) == {"80/tcp", "81/udp", "8000/tcp", "8001/tcp", "8002/tcp"}
    assert set(c["Volumes"]) == {"/data", '/more', "/json", "/with space"}
    assert c["User"] == "web:webgroup" and c["WorkingDir"] == "/srv/deeper" and c["StopSignal"] == "SIGUSR1"
    assert c["Healthcheck"] == {"Test": ["CMD-SHELL", "test -e /ok"], "Interval": 5 * 10 ** 9, "Timeout": 3 * 10 ** 9, "StartPeriod": 60 * 10 ** 9, "Retries": 4}
    assert c["Shell"] == ["/bin/sh", "-ec"] and c["Entrypoint"] == ["/bin/sh", "-c"] and c["Cmd"] == ["echo", "$ONE"]
    assert c["OnBuild"] == ["RUN echo triggered", "ADD . /srv"]
    assert image["Os"] == "linux" and image["Architecture"]


def test_the_container_runs_as_the_image_says(build):
    b = build('FROM busybox\nENV GREETING="hello there"\nUSER web\nWORKDIR /home/web\nCMD echo "$GREETING" from $(id -un) in $(pwd)\n')
    assert b.run().out == "hello there from web in /home/web\n"
    assert b.config["Cmd"] == ["/bin/sh", "-c", 'echo "$GREETING" from $(id -un) in $(pwd)']


@pytest.mark.parametrize("text, test", [("HEALTHCHECK NONE", ["NONE"]), ('HEALTHCHECK CMD ["test", "-e", "/x"]', ["CMD", "test", "-e", "/x"]),
                                        ("HEALTHCHECK CMD a && b", ["CMD-SHELL", "a && b"])])
def test_forms_of_health_checks(build, text, test):
    assert build(f"FROM busybox\n{text}\n").config["Healthcheck"]["Test"] == test


def test_a_health_check_of_the_image_runs(build, box):
    b = build("FROM busybox\nHEALTHCHECK --interval=100ms --retries=1 CMD test -e /ok\nRUN touch /ok\nCMD sleep 1000\n")
    id = box.up(image=b.id, *("sleep", "1000"))
    box.until(id, lambda c: c["State"]["Health"]["Status"] == "healthy")


def test_cmd_and_entrypoint_forget_what_was_inherited(build):
    build('FROM busybox\nENTRYPOINT ["a"]\nCMD ["b"]\n', t="parent")
    assert build("FROM parent\n").config["Cmd"] == ["b"]
    c = build('FROM parent\nENTRYPOINT ["c"]\n').config
    assert c["Entrypoint"] == ["c"] and not c["Cmd"]
    c = build('FROM parent\nCMD ["d"]\nENTRYPOINT ["c"]\n').config
    assert c["Entrypoint"] == ["c"] and c["Cmd"] == ["d"]
    c = build('FROM parent\nENTRYPOINT []\n').config
    assert not c["Entrypoint"]
    c = build('FROM parent\nCMD []\n').config
    assert not c["Cmd"]


def test_the_shell_form_uses_the_shell_of_the_moment(build):
    b = build('FROM busybox\nRUN echo $0 > /first\nSHELL ["/bin/busybox", "ash", "-c"]\nRUN echo $0 > /second\nCMD hello\nENTRYPOINT there\n')
    assert b.data("first") == "/bin/sh\n" and b.data("second") == "ash\n"
    assert b.config["Cmd"] == ["/bin/busybox", "ash", "-c", "hello"] and b.config["Entrypoint"] == ["/bin/busybox", "ash", "-c", "there"]


def test_inherited_settings_are_kept_and_added_to(build):
    build("FROM busybox\nENV A=1 B=2\nLABEL x=1\nEXPOSE 1\nVOLUME /one\nUSER web\nWORKDIR /w\nHEALTHCHECK CMD true\nSTOPSIGNAL 9\n", t="parent")
    c = build("FROM parent\nENV B=3\nLABEL y=2\nEXPOSE 2\nVOLUME /two\n").config
    assert {"A=1", "B=3"} <= set(c["Env"]) and "B=2" not in c["Env"]
    assert c["Labels"] == {"x": "1", "y": "2"} and set(c["ExposedPorts"]) == {"1/tcp", "2/tcp"} and set(c["Volumes"]) == {"/one", "/two"}
    assert c["User"] == "web" and c["WorkingDir"] == "/w" and c["StopSignal"] == "9" and c["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]


def test_workdir_is_made_and_joined(build):
    b = build("FROM busybox\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c/./d\nRUN pwd > /where\nENV X=/x\nWORKDIR $X/y\n")
    assert b.data("where") == "/a/c/d\n" and b.config["WorkingDir"] == "/x/y"
    assert b.sh("pwd; stat -c '%U %a' .").out == "/x/y\nroot 755\n"


def test_what_is_written_into_a_volume_after_it_was_declared_is_lost(build):
    """Classic: the folder is a volume of the step's own. BuildKit keeps it, and says so; either way what came before stays."""
    b = build("FROM busybox\nRUN mkdir /v && echo kept > /v/kept\nVOLUME /v\n")
    assert b.sh("cat /v/kept").out == "kept\n"


def test_onbuild_triggers_run_in_the_child_before_its_own_steps(build):
    b = build("FROM busybox\nONBUILD COPY f /f\nONBUILD RUN echo trigger >> /order\nONBUILD ENV FROM_TRIGGER=1\n", {"f": "x"}, t="parent")
    assert b.config["OnBuild"] == ["COPY f /f", "RUN echo trigger >> /order", "ENV FROM_TRIGGER=1"]
    c = build("FROM parent\nRUN echo own $FROM_TRIGGER >> /order\n", {"f": "from the child's context"})
    assert c.above(1)["order"].data == b"trigger\nown 1\n" and c.data("f") == "from the child's context"
    assert not c.config["OnBuild"]
    assert "# Executing 3 build triggers" in c.text


@pytest.mark.parametrize("text", ["ONBUILD ONBUILD RUN x", "ONBUILD FROM busybox", "ONBUILD MAINTAINER x", "ONBUILD"])
def test_what_onbuild_does_not_take(build, text):
    build.fails(f"FROM busybox\n{text}\n", says="onbuild")


# ---- variables ----

FORMS = [("$V", "value"), ("${V}", "value"), ("x${V}y", "xvaluey"), ("$U", ""), ("${U:-default}", "default"), ("${E:-default}", "default"), ("${V:-default}", "value"),
         ("${V:+other}", "other"), ("${U:+other}", ""), (r"\$V", "$V"), ("'$V'", "$V"), ('"$V"', "value"), ("${U:-$V}", "value"), ("a\\ b", "a b")]
LATER_FORMS = [("${U-default}", "default"), ("${E-default}", ""), ("${U+other}", ""), ("${E+other}", "other"), ("${V#v}", "alue"), ("${V%e}", "valu"),
               ("${P##*/}", "c.txt"), ("${P#*/}", "b/c.txt"), ("${P%/*}", "a/b"), ("${P%%/*}", "a"), ("${V/a/A}", "vAlue"), ("${P//\\//-}", "a-b-c.txt")]


def substituted(build, forms):
    text = "FROM busybox\nARG E\nENV V=value E= P=a/b/c.txt\n" + "".join(f"LABEL l{n}={form}\n" for n, (form, _) in enumerate(forms))
    labels = build(text).config["Labels"]
    return [(form, labels[f"l{n}"]) for n, (form, _) in enumerate(forms)]


def test_forms_of_substitution(build):
    assert substituted(build, FORMS) == FORMS


@later
def test_later_forms_of_substitution(build):
    assert substituted(build, LATER_FORMS) == LATER_FORMS


@pytest.mark.parametrize("form, says", [("${U:?must be set}", "must be set"), ("${V", "{"), ("${V:!x}", "modifier")])
def test_bad_substitutions_are_refused(build, form, says):
    build.fails(f"FROM busybox\nENV V=1\nLABEL x={form}\n", says="" if OLD_DOCKER else says)


def test_the_path_is_there_to_be_added_to(build):
    """The base has no PATH of its own, and scratch has nothing at all: $PATH is the usual one."""
    usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    b = build("FROM busybox\nENV PATH=/opt/bin:$PATH\nRUN mkdir /opt && ls /opt > /f\n")
    assert env_of(b)["PATH"] == "/opt/bin:" + usual and b.sh("echo $PATH").out == f"/opt/bin:{usual}\n"
    assert env_of(build("FROM scratch\nENV P=$PATH\n"))["P"] == usual
    assert env_of(build("FROM busybox\nLABEL a=b\n"))["PATH"] == usual


def test_where_variables_are_put_in(build):
    b = build('''FROM busybox
ENV D=/dir N=name U=web P=8080 S=SIGINT
WORKDIR $D
COPY $N ${D}/copied
ADD ${N} $D/added
USER $U
EXPOSE $P
VOLUME $D/v
STOPSIGNAL $S
LABEL $N=$U
ONBUILD RUN echo $N
CMD echo $N
''', {"name": "x"})
    c = b.config
    assert c["WorkingDir"] == "/dir" and c["User"] == "web" and list(c["ExposedPorts"]) == ["8080/tcp"] and list(c["Volumes"]) == ["/dir/v"]
    assert c["StopSignal"] == "SIGINT" and c["Labels"] == {"name": "web"} and {"dir/copied", "dir/added"} <= set(b.own)
    assert c["OnBuild"] == ["RUN echo $N"] and c["Cmd"][-1] == "echo $N"


def test_one_env_line_uses_the_values_from_before_it(build):
    b = build("FROM busybox\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n")
    assert env_of(b).items() >= {"abc": "bye", "def": "hello", "ghi": "bye"}.items()


# ---- ARG ----

def test_args_have_defaults_are_given_and_are_no_part_of_the_image(build):
    text = "FROM busybox\nARG A=default\nARG B\nRUN echo \"$A-$B\" > /f\nLABEL l=$A\n"
    b = build(text)
    assert b.data("f") == "default-\n" and b.config["Labels"] == {"l": "default"} and not any(x.startswith(("A=", "B=")) for x in b.config["Env"] or [])
    b = build(text, buildargs={"A": "given", "B": "two"})
    assert b.data("f") == "given-two\n" and b.config["Labels"] == {"l": "given"}


def test_an_arg_is_known_only_after_its_line(build):
    b = build("FROM busybox\nRUN echo \"[$A]\" > /before\nARG A=1\nRUN echo \"[$A]\" > /after\n", buildargs={"A": "x"})
    assert b.data("before") == "[]\n" and b.data("after") == "[x]\n"


def test_env_wins_over_arg(build):
    assert build("FROM busybox\nARG V=arg\nENV V=env\nRUN echo $V > /f\n", buildargs={"V": "given"}).data("f") == "env\n"
    assert build("FROM busybox\nENV V=env\nARG V=arg\nRUN echo $V > /f\n", buildargs={"V": "given"}).data("f") == "env\n"
    assert build("FROM busybox\nARG V=arg\nENV KEPT=$V\n", buildargs={"V": "given"}).config["Env"][-1] == "KEPT=given"


def test_args_before_from_are_for_from_and_for_those_who_ask(build, api):
    api.post("/images/busybox/tag", repo="base", tag="two")
    b = build("ARG TAG=latest\nARG UNUSED=1\nFROM busybox:${TAG}\nRUN echo \"[$TAG]\" > /not\nARG TAG\nRUN echo \"[$TAG]\" > /asked\n")
    assert b.data("not") == "[]\n" and b.data("asked") == "[latest]\n"
    b = build("ARG IMAGE=absent:latest\nFROM $IMAGE\nARG IMAGE\nRUN echo \"$IMAGE\" > /asked\n", buildargs={"IMAGE": "base:two"})
    assert b.data("asked") == "base:two\n"
    b = build("ARG A=global\nFROM busybox\nARG A=own\nRUN echo $A > /f\n")
    assert b.data("f") == "own\n"


def test_an_arg_ends_with_its_stage(build):
    b = build("FROM busybox AS one\nARG A=1\nRUN echo \"[$A]\" > /a\nFROM busybox\nCOPY --from=one /a /a\nRUN echo \"[$A]\" > /b\n")
    assert b.data("a") == "[1]\n" and b.data("b") == "[]\n"


def test_proxy_arguments_are_predefined_and_leave_no_trace(build):
    b = build("FROM busybox\nRUN echo \"$HTTP_PROXY $no_proxy\" > /f\n", buildargs={"HTTP_PROXY": "http://proxy.example", "no_proxy": "x.example"})
    assert b.data("f") == "http://proxy.example x.example\n" and not any("PROXY" in x.upper() for x in b.config["Env"] or [])
    assert not any("proxy.example" in x["CreatedBy"] for x in b.history)
    assert "not consumed" not in b.text


def test_args_that_nothing_asks_for_are_named(build):
    assert "[Warning] One or more build-args [UNKNOWN] were not consumed" in build("FROM busybox\nARG KNOWN\n", buildargs={"UNKNOWN": "1", "KNOWN": "2"}).text


@later
def test_several_args_in_a_line_and_platform_args(build):
    b = build("FROM --platform=$BUILDPLATFORM busybox AS tool\nARG A=1 B=2 C\nARG TARGETPLATFORM TARGETOS TARGETARCH BUILDPLATFORM BUILDARCH TARGETVARIANT\n"
              "RUN echo \"$A $B [$C] $TARGETPLATFORM $TARGETOS/$TARGETARCH $BUILDPLATFORM $BUILDARCH\" > /f\n")
    arch = b.image["Architecture"]
    assert b.data("f") == f"1 2 [] linux/{arch} linux/{arch} linux/{arch} {arch}\n"


@later
def test_platform_args_are_not_there_unless_asked_for(build):
    assert build("FROM busybox\nRUN echo \"[$TARGETPLATFORM]\" > /f\n").data("f") == "[]\n"


# ---- FROM and stages ----

def test_stages_by_name_by_number_and_as_base(build):
    b = build('''FROM busybox AS First
RUN echo one > /one
FROM busybox AS second
RUN echo two > /two
FROM first AS third
RUN echo three > /three
FROM busybox
COPY --from=first /one /by-name
COPY --from=1 /two /by-number
COPY --from=third /one /three /both/
''')
    assert {k: v.data.decode() for k, v in b.own.items() if v.kind == "file"} == {
        "by-name": "one\n", "by-number": "two\n", "both/one": "one\n", "both/three": "three\n"}


def test_files_of_another_image(build):
    build("FROM busybox\nRUN echo other > /other\n", t="other:1")
    assert build("FROM scratch\nCOPY --from=other:1 /other /got\n").above(0)["got"].data == b"other\n"


def test_from_scratch_has_only_what_is_put_there(build):
    b = build('FROM scratch\nCOPY f /f\nLABEL a=b\nCMD ["/f"]\n', {"f": "x"})
    assert set(b.above(0)) == {"f"} and b.config["Cmd"] == ["/f"] and len(b.image["RootFS"]["Layers"]) == 1


def test_from_scratch_with_a_static_program_runs(build):
    b = build('FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /busybox\nENTRYPOINT ["/busybox"]\nCMD ["echo", "default"]\n')
    assert b.run().out == "default\n" and b.run("echo", "given").out == "given\n"


def test_a_target_ends_the_build_at_its_stage(build):
    text = "FROM busybox AS one\nRUN echo 1 > /one\nFROM one AS two\nRUN echo 2 > /two\nFROM two\nRUN exit 9\n"
    assert set(build(text, target="one").own) == {"one"}
    assert "two" in build(text, target="TWO").own
    build.fails(text, says="9")


@pytest.mark.parametrize("text, query, says", [
    ("FROM busybox AS a\n", {"target": "zzz"}, "zzz"),
    ("FROM busybox\nCOPY --from=nowhere /x /x\n", {}, "nowhere"),
    ("FROM busybox\nCOPY --from=1 /x /x\n", {}, ""),
    ("FROM busybox AS 1st\n", {}, "1st"),
    ("FROM busybox AS sp%ce\n", {}, "sp%ce"),
    ("FROM busybox AS\n", {}, "FROM"),
    ("FROM busybox other\n", {}, "FROM"),
    ("FROM\n", {}, "FROM"),
    ("FROM ${EMPTY}\n", {}, "blank"),
    ("ARG A\nFROM busybox${A:+\n", {}, ""),
    ("FROM UPPER\n", {}, "UPPER"),
    ("FROM absent.invalid/not/here:1\n", {}, "absent.invalid"),
])
def test_bad_stages_are_refused(build, text, query, says):
    build.fails(text, says=says, **query)


@later
def test_a_stage_cannot_refer_to_itself_or_to_a_later_one(build):
    build.fails("FROM busybox AS a\nCOPY --from=a /x /x\n", says="a")
    build.fails("FROM busybox AS a\nCOPY --from=b /bin/sh /x\nFROM busybox AS b\n", says="b")


@later
def test_stages_that_nothing_needs_are_not_run(build):
    b = build("FROM busybox AS idle\nRUN exit 7\nFROM busybox AS used\nRUN echo x > /x\nFROM busybox\nCOPY --from=used /x /x\n")
    assert b.data("x") == "x\n" and "exit 7" not in b.text


@pytest.mark.shoal_only("20.10 takes the image that it has, whatever it was asked for")
def test_a_foreign_platform_of_a_base_is_refused_by_name(build):
    build.fails("FROM --platform=linux/s390x busybox\n", says="s390x")


def test_a_platform_that_is_none_is_refused(build):
    build.fails("FROM --platform=no/such/thing/at/all busybox\n", says="no/such")


# ---- RUN ----

def test_forms_of_run(build):
    b = build('''FROM busybox
RUN echo shell $HOME > /shell
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN ["touch", "/$HOME"]
RUN echo one && \\
    # a comment in between
    echo two \\

    > /continued
RUN [ -e /shell ] && echo test > /test
''')
    assert b.data("shell") == "shell /root\n" and b.data("exec") == "exec\n" and "$HOME" in b.own and b.data("continued") == "two\n" and b.data("test") == "test\n"


def test_what_run_changes_is_a_layer(build):
    b = build("FROM busybox\nRUN echo x > /new && chown 5:6 /new && chmod 4750 /new && rm /www/index.html && mkdir -m 700 /d && ln -s new /soft && mkfifo /pipe\n")
    own = b.own
    assert (own["new"].mode, own["new"].uid, own["new"].gid) == (0o4750, 5, 6) and "www/.wh.index.html" in own
    assert own["d"].mode == 0o700 and own["soft"].link == "new" and own["pipe"].kind == "pipe"
    assert len(b.image["RootFS"]["Layers"]) == 2


def test_run_has_the_environment_user_and_folder_of_the_image(build):
    b = build("FROM busybox\nENV A=1\nWORKDIR /home/web\nUSER web\nRUN echo $A $(id -u):$(id -g) $(pwd) $HOME > out && env | sort > env\n")
    assert b.data("home/web/out") == "1 1000:1001 /home/web /home/web\n"
    names = {x.split("=")[0] for x in b.data("home/web/env").splitlines()}
    assert {"A", "HOME", "PATH"} <= names <= {"A", "HOME", "PATH", "HOSTNAME", "PWD", "SHLVL", "OLDPWD"}


def test_run_sees_standard_output_and_error_in_the_stream(build):
    b = build("FROM busybox\nRUN echo to-out; echo to-err >&2; printf no-newline\n")
    assert "to-out\n" in b.text and "to-err" in b.text and "no-newline" in b.text


@pytest.mark.parametrize("name", ["hosts", "resolv.conf", "hostname"])
def test_what_is_mounted_for_a_step_is_not_in_the_image(build, name):
    b = build(f"FROM busybox\nRUN cat /etc/{name} > /seen; echo x >> /etc/{name} || true\n")
    assert len(b.data("seen")) > 2
    seen = b.own.get(f"etc/{name}")
    assert seen is None or seen.data == b""


# ---- here-documents ----

@later
def test_heredocs_of_run(build):
    b = build('''FROM busybox
ENV V=value
RUN <<EOF
echo "first $V" > /one
echo second >> /one
EOF
RUN cat > /two <<'RAW' && cat >> /two <<-TABS
raw $V
RAW
\ttab gone $V
\tTABS
RUN <<EOF cat - > /three
piped
EOF
RUN <<EOF
#!/bin/busybox ash
echo "interpreter $V" > /four
EOF
''')
    assert b.data("one") == "first value\nsecond\n"
    assert b.data("two") == "raw $V\ntab gone value\n"
    assert b.data("four") == "interpreter value\n"
    assert b.data("three") == "piped\n"


@later
def test_heredocs_of_copy(build):
    b = build('''FROM busybox
ENV V=value
COPY <<EOF /expanded
v=$V
EOF
COPY <<"EOF" /raw
v=$V
EOF
COPY --chmod=750 --chown=web <<one <<two /folder/
1
one
2
two
COPY <<-EOF real /mixed/
\tin a tab
EOF
''', {"real": "file"})
    own = b.own
    assert own["expanded"].data == b"v=value\n" and own["raw"].data == b"v=$V\n"
    assert own["folder/one"].data == b"1\n" and own["folder/two"].data == b"2\n"
    assert (own["folder/one"].mode, own["folder/one"].uid) == (0o750, 1000)
    assert own["mixed/EOF"].data == b"in a tab\n" and own["mixed/real"].data == b"file"


@later
@pytest.mark.parametrize("text, says", [("RUN <<EOF\necho\n", "EOF"), ("COPY <<A <<B /x\n1\nA\n2\nB\n", "directory")])
def test_bad_heredocs_are_refused(build, text, says):
    build.fails("FROM busybox\n" + text, says=says)


@later
def test_a_failing_line_of_a_heredoc_is_the_shells_affair(build):
    build("FROM busybox\nRUN <<EOF\nfalse\ntrue\nEOF\n")
    build.fails("FROM busybox\nRUN <<EOF\ntrue\nexit 3\nEOF\n", says="returned a non-zero code: 3")


# ---- the text itself ----

def test_the_escape_directive(build):
    b = build("# escape=`\n\nFROM busybox\nRUN echo a `\n  b > /f\nENV P=C:\\dir\\sub\n")
    assert b.data("f") == "a b\n" and b.config["Env"][-1] == "P=C:\\dir\\sub"


def test_a_directive_after_a_comment_is_a_comment(build):
    assert build("# a comment\n# escape=`\nFROM busybox\nRUN echo a \\\n b > /f\n").data("f") == "a b\n"


def test_a_syntax_directive_fetches_nothing(build):
    build("# syntax=registry.invalid/some/frontend:1\nFROM busybox\nLABEL a=b\n")


def test_case_marks_and_line_ends(build):
    b = build("\ufefffrom busybox as x\r\n\r\n   # comment\r\n\tlabel a=1\r\nRuN echo hi > /f\r\n")
    assert b.config["Labels"] == {"a": "1"} and b.data("f").startswith("hi")


def test_an_unknown_instruction_is_refused_with_line_and_text(build):
    b = build.fails("FROM busybox\nLABEL a=b\nRUNN echo hi\n", says=["RUNN"])
    assert b.status == 400, "before the stream begins"
    assert "parse error" in b.error and ("line 3" in b.error or OLD_DOCKER)
    assert "unknown instruction: RUNN" in b.error


@pytest.mark.parametrize("text, says", [
    ("", ["Dockerfile"]),
    ("# only a comment\n", ["no instructions"]),
    ("RUN x\n", ["no build stage"]),
    ("FROM busybox\nCOPY onlyone\n", ["COPY requires at least two arguments"]),
    ("FROM busybox\nADD onlyone\n", ["ADD requires at least two arguments"]),
    ("FROM busybox\nENV\n", ["ENV"]),
    ("FROM busybox\nENV X\n", ["ENV must have two arguments"]),
    ("FROM busybox\nLABEL\n", ["LABEL"]),
    ("FROM busybox\nEXPOSE\n", ["EXPOSE"]),
    ("FROM busybox\nEXPOSE notaport\n", ["notaport"]),
    ("FROM busybox\nEXPOSE 70000\n", ["70000"]),
    ("FROM busybox\nUSER\n", ["USER requires exactly one argument"]),
    ("FROM busybox\nWORKDIR\n", ["WORKDIR requires exactly one argument"]),
    ("FROM busybox\nVOLUME\n", ["VOLUME"]),
    ("FROM busybox\nSTOPSIGNAL NOSUCH\n", ["NOSUCH"]),
    ("FROM busybox\nSHELL sh -c\n", ["SHELL requires the arguments to be in JSON form"]),
    ("FROM busybox\nHEALTHCHECK\n", ["HEALTHCHECK"]),
    ("FROM busybox\nHEALTHCHECK MAYBE\n", ["MAYBE"]),
    ("FROM busybox\nHEALTHCHECK --interval=never CMD true\n", ["never"]),
    ("FROM busybox\nHEALTHCHECK --retries=x CMD true\n", ["x"]),
    ("FROM busybox\nHEALTHCHECK CMD\n", ["HEALTHCHECK"]),
    ("FROM busybox\nCOPY --nonsense=1 a b\n", ["nonsense"]),
    ("FROM busybox\nRUN --nonsense=1 true\n", ["nonsense"]),
    ("FROM busybox\nFROM --nonsense busybox\n", ["nonsense"]),
    ("FROM busybox\nUSER --x=1 a\n", ["x"]),
    ("FROM busybox\nARG\n", ["ARG"]),
    ("FROM busybox\nMAINTAINER\n", ["MAINTAINER"]),
    ("FROM busybox\nCOPY nothere /x\n", ["nothere"]),
    ("FROM busybox\nCOPY no*there /x\n", ["no"]),
    ("FROM busybox\nCOPY --from=busybox /nothere /x\n", ["nothere"]),
    ("FROM busybox\nCOPY a b notafolder\n", ["directory"]),
])
def test_bad_instructions_are_refused_with_a_word_to_find_them_by(build, text, says):
    build.fails(text, {"a": "1", "b": "2"}, says=says)


@pytest.mark.shoal_only("20.10 names no lines in the stream")
@pytest.mark.parametrize("text, line, words", [
    ("FROM busybox\n\nRUN false\n", 3, "RUN false"),
    ("FROM busybox\nCOPY nothere /x\n", 2, "COPY nothere /x"),
    ("FROM busybox\n# c\nUSER a b\n", 3, "USER a b"),
    ("FROM busybox\nEXPOSE notaport\n", 2, "EXPOSE notaport"),
    ("FROM busybox\nRUN echo \\\n  more \\\n  words && false\n", 2, "RUN echo"),
])
def test_errors_name_file_line_and_text(build, text, line, words):
    b = build.fails(text)
    seen = b.error + "\n" + b.text
    assert words in seen and (f"Dockerfile:{line}" in seen or f"line {line}" in seen), seen


def test_a_failing_step_names_itself_and_its_code(build):
    b = build.fails("FROM busybox\nRUN echo before; exit 42\n")
    assert b.error == "The command '/bin/sh -c echo before; exit 42' returned a non-zero code: 42", b.error
    assert b.detail == {"code": 42, "message": b.error} and "before\n" in b.text


def test_a_failing_exec_form_and_an_absent_program(build):
    b = build.fails('FROM busybox\nRUN ["false"]\n')
    assert b.error == "The command 'false' returned a non-zero code: 1" and b.detail["code"] == 1
    build.fails('FROM busybox\nRUN ["/no/such/program"]\n', says="/no/such/program")


def test_a_user_who_is_not_there_is_refused(build):
    build.fails("FROM busybox\nUSER nosuchuser\nRUN true\n", says="nosuchuser")


@pytest.mark.shoal_only("the classic builder of 20.10 warns of little")
@pytest.mark.parametrize("text, says", [
    ("FROM busybox\nMAINTAINER x\n", "MAINTAINER"),
    ("FROM busybox as x\n", "as"),
    ("FROM busybox\nENV A b\n", "ENV"),
    ("FROM busybox\nCMD echo hi\n", "JSON"),
    ("FROM busybox\nWORKDIR rel\n", "WORKDIR"),
    ("FROM busybox\nENV PASSWORD=x\n", "PASSWORD"),
    ("FROM busybox\nCMD a\nCMD b\n", "CMD"),
    ("FROM busybox\nLABEL x=$NOSUCH\n", "NOSUCH"),
])
def test_legal_but_wrong_is_warned_of(build, text, says):
    b = build(text)
    assert "warning" in b.text.lower() and says in b.text, b.text


@pytest.mark.shoal_only("20.10 has no build checks")
def test_checks_can_be_skipped_and_made_errors(build):
    assert "warning" not in build("# check=skip=MaintainerDeprecated\nFROM busybox\nMAINTAINER x\n").text.lower()
    build.fails("# check=error=true\nFROM busybox\nMAINTAINER x\n", says="maintainer")
