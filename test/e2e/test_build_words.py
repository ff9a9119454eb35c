"""The classic answer of POST /build, word for word: what clients print, parse and look for; and what is an error before it begins."""
import re

import pytest

from harness.api import OLD_DOCKER
from harness.build import TAR, context

ID = "[0-9a-f]{12}"


def shape(b):
    """The stream with ids as <id>. Docker starts a container for every step; here only RUN has one: those lines go."""
    found, text, step = [], re.sub(rf"\b{ID}\b", "<id>", b.text), ""
    for line in text.split("\n"):
        if re.match(r"Step \d+/\d+ : ", line):
            step = line.split(" : ")[1].split()[0].upper()
        if step == "RUN" or not (line.startswith(" ---> Running in") or line.startswith("Removing intermediate container")):
            found.append(line)
    return "\n".join(found)


def test_the_classic_words(build):
    b = build("FROM busybox\nENV A=b\nRUN echo hello\nCOPY f /f\nCMD [\"sh\"]\n", {"f": "x"}, t=("words:1", "words:two"))
    assert shape(b) == """Step 1/5 : FROM busybox
 ---> <id>
Step 2/5 : ENV A=b
 ---> <id>
Step 3/5 : RUN echo hello
 ---> Running in <id>
hello
Removing intermediate container <id>
 ---> <id>
Step 4/5 : COPY f /f
 ---> <id>
Step 5/5 : CMD ["sh"]
 ---> <id>
Successfully built <id>
Successfully tagged words:1
Successfully tagged words:two
"""


def test_ids_in_the_words_are_those_of_the_images(build, api):
    b = build("FROM busybox\nRUN echo hello > /f\n", t="words")
    arrows = re.findall(rf"^ ---> ({ID})$", b.text, re.M)
    assert arrows[0] == api.get("/images/busybox/json")["Id"][7:19] and arrows[-1] == b.id[7:19]
    assert f"Successfully built {b.id[7:19]}\n" in b.text and b.id == api.get("/images/words/json")["Id"]
    assert re.search(rf"^ ---> Running in ({ID})\n", b.text, re.M)[1] == re.search(rf"^Removing intermediate container ({ID})\n", b.text, re.M)[1]


def test_the_words_of_a_cached_build(build):
    text = "FROM busybox\nENV A=b\nRUN echo hello\nCOPY f /f\n"
    build(text, {"f": "x"})
    assert shape(build(text, {"f": "x"})) == """Step 1/4 : FROM busybox
 ---> <id>
Step 2/4 : ENV A=b
 ---> Using cache
 ---> <id>
Step 3/4 : RUN echo hello
 ---> Using cache
 ---> <id>
Step 4/4 : COPY f /f
 ---> Using cache
 ---> <id>
Successfully built <id>
"""


def test_the_words_of_scratch_and_of_stages(build):
    b = build("FROM busybox AS one\nRUN echo 1 > /1\nFROM scratch\nCOPY --from=one /1 /1\n")
    assert shape(b) == """Step 1/4 : FROM busybox AS one
 ---> <id>
Step 2/4 : RUN echo 1 > /1
 ---> Running in <id>
Removing intermediate container <id>
 ---> <id>
Step 3/4 : FROM scratch
 ---> 
Step 4/4 : COPY --from=one /1 /1
 ---> <id>
Successfully built <id>
"""


def test_continued_lines_and_args_are_shown_on_one_line(build):
    b = build("ARG TAG=latest\nFROM busybox:$TAG\nARG X=1\nRUN echo a \\\n   b \\\n   c > /f\n")
    steps = re.findall(r"^Step (\d+/\d+) : (.*)$", b.text, re.M)
    assert steps == [("1/4", "ARG TAG=latest"), ("2/4", "FROM busybox:$TAG"), ("3/4", "ARG X=1"), ("4/4", "RUN echo a    b    c > /f")]


def test_triggers_and_labels_of_the_request_are_shown(build):
    build("FROM busybox\nONBUILD ENV O=1\n", t="parent")
    b = build("FROM parent\nENV A=1\n", labels={"b": "2", "a": "1"})
    assert shape(b) == """Step 1/4 : FROM parent
# Executing 1 build trigger
 ---> <id>
Step 2/4 : ENV A=1
 ---> <id>
Step 3/4 : LABEL a=1
 ---> <id>
Step 4/4 : LABEL b=2
 ---> <id>
Successfully built <id>
"""


def test_instructions_are_shown_as_they_are_written(build):
    assert "Step 2/2 : env a=b\n" in build("from busybox\nenv a=b\n").text


def test_the_stream_is_json_with_stream_members(build):
    b = build("FROM busybox\nRUN printf 'a\\nb\\nc'\n")
    assert b.status == 200 and b.headers["content-type"] == "application/json" and "content-length" not in b.headers
    assert all(set(o) <= {"stream", "aux", "errorDetail", "error", "status", "id", "progressDetail", "progress"} for o in b.objects)
    assert [a for a in b.aux] == [{"ID": b.id}] and re.fullmatch("sha256:[0-9a-f]{64}", b.id)
    assert b.body.endswith(b"}\r\n") and b"}\r\n{" in b.body


def test_output_arrives_while_the_step_runs(build):
    with build.stream("FROM busybox\nRUN echo ear''ly; sleep 3; echo la''te\n") as s:
        assert b"late" not in s.read_until(b"early")
        assert b"Successfully built" in s.read()


def test_quiet_gives_the_id_alone(build, api):
    b = build("FROM busybox\nRUN echo not shown\n", q=1, t="quiet")
    id = api.get("/images/quiet/json")["Id"]
    assert b.text.strip() == id and "not shown" not in b.text and "Step" not in b.text


def test_quiet_shows_the_log_of_what_fails(build):
    b = build.fails("FROM busybox\nRUN echo the reason; exit 3\n", q=1)
    assert "returned a non-zero code: 3" in b.error
    assert "\nthe reason\n" in b.text


def test_errors_in_the_stream_have_both_members(build):
    b = build.fails("FROM busybox\nRUN exit 5\n")
    assert b.status == 200 and b.objects[-1] == {"errorDetail": {"code": 5, "message": b.error}, "error": b.error}
    assert "Successfully" not in b.text
    b = build.fails("FROM busybox\nCOPY absent /x\n")
    assert b.status == 200 and b.objects[-1]["errorDetail"]["message"] == b.objects[-1]["error"]
    assert "code" not in b.detail or b.detail["code"] in (0, 1)


@pytest.mark.parametrize("query, says", [
    ({"t": "UPPER"}, "invalid reference format"), ({"t": "a b"}, "invalid reference format"), ({"t": "a:b:c"}, "invalid reference format"), ({"t": "scratch" + "x" * 300}, "name"),
    ({"buildargs": "{"}, "build"), ({"labels": "["}, ""), ({"cachefrom": "{"}, ""), ({"ulimits": "{"}, ""),
    ({"shmsize": "x"}, "shm" if not OLD_DOCKER else "x"), ({"platform": "a/b/c/d/e"}, "a/b"),
    ({"version": "3"}, "version"),
])
def test_bad_queries_are_refused_before_the_stream(build, query, says):
    b = build.fails("FROM busybox\n", **query)
    assert b.status in (400, 501) or OLD_DOCKER and b.status == 500, b.status
    assert says.lower() in b.error.lower(), b.error


@pytest.mark.shoal_only("20.10 takes them silently")
@pytest.mark.parametrize("query", [{"memory": "x"}, {"cpuquota": "1x"}, {"memory": "-5"}, {"cpusetcpus": "x-y"}])
def test_more_bad_queries_are_refused_by_name(build, query):
    b = build.fails("FROM busybox\nRUN true\n", **query, says=list(query)[0][:6])


def test_a_bad_dockerfile_is_refused_before_the_stream(build):
    for text in ("FROM busybox\nNONSENSE\n", "", "RUN x\n", "FROM busybox\nCOPY x\n"):
        b = build.fails(text)
        assert b.status == 400 and b.headers["content-type"].startswith("application/json"), (text, b.status)


def test_the_body_may_say_that_it_is_gzip_or_nothing(api):
    r = api.raw("POST", "/build", context("FROM busybox\n", mode="w:gz"), headers=TAR)
    assert r.status == 200 and b"Successfully built" in r.body
    r = api.raw("POST", "/build", context("FROM busybox\n"), headers={"Content-Encoding": "identity", "Content-Type": "application/tar"})
    assert r.status == 200 and b"Successfully built" in r.body


def test_the_registrys_header_may_be_nonsense_as_long_as_nobody_needs_it(api):
    r = api.raw("POST", "/build", context("FROM busybox\n"), headers={**TAR, "X-Registry-Config": "e30="})
    assert r.status == 200 and b"Successfully built" in r.body


@pytest.mark.parametrize("prefix", ["/v1.24", "/v1.41", ""])
def test_every_version_of_the_api_builds(api, prefix):
    r = api.raw("POST", prefix + "/build", context("FROM busybox\nRUN true\n"), headers=TAR, rm=1)
    assert r.status == 200 and b"Successfully built" in r.body and r.json_stream()[-1]["stream"].startswith("Successfully built")


# ---- the same, seen through clients ----

CLASSIC = {"DOCKER_BUILDKIT": "0"}


def test_a_command_line_prints_the_words(cli, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text("FROM busybox\nRUN echo hello from a step\n")
    out = cli("build", "-t", "cli:1", str(tmp_path / "c"), env=CLASSIC).out
    assert "Step 2/2 : RUN echo hello from a step" in out and "\nhello from a step\n" in out and "Successfully tagged cli:1" in out
    out = cli("build", "-t", "cli:1", str(tmp_path / "c"), env=CLASSIC).out
    assert " ---> Using cache" in out


def test_a_command_line_fails_with_the_steps_code(cli, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text("FROM busybox\nRUN echo why; exit 17\n")
    r = cli("build", str(tmp_path / "c"), env=CLASSIC, ok=17)
    assert "why" in r.out and "returned a non-zero code: 17" in r.err


def test_quiet_on_a_command_line_prints_the_id(cli, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text("FROM busybox\nRUN true\n")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", cli("build", "-q", str(tmp_path / "c"), env=CLASSIC).out)


def test_a_dockerfile_from_standard_input(cli):
    out = cli("build", "-t", "stdin", "-", input="FROM busybox\nLABEL from=stdin\n", env=CLASSIC).out
    assert "Successfully tagged stdin:latest" in out
    assert cli.out("inspect", "-f", '{{index .Config.Labels "from"}}', "stdin") == "stdin"


def test_a_context_from_standard_input(cli):
    cli("build", "-t", "stdin", "-", input=context("FROM busybox\nCOPY f /f\n", {"f": "in the tar"}, "w:gz"), env=CLASSIC)
    assert cli.out("run", "--rm", "stdin", "cat", "/f") == "in the tar"


def test_a_dockerfile_outside_the_context(cli, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/f").write_text("x")
    (tmp_path / "Outside").write_text("FROM busybox\nCOPY f /f\n")
    cli("build", "-t", "outside", "-f", str(tmp_path / "Outside"), str(tmp_path / "c"), env=CLASSIC)
    assert cli.out("run", "--rm", "outside", "cat", "/f") == "x"
    cli("build", "-t", "outside", "-f", "-", str(tmp_path / "c"), input="FROM busybox\nCOPY f /g\n", env=CLASSIC)
    assert cli.out("run", "--rm", "outside", "cat", "/g") == "x"


def test_iidfile_has_the_id(cli, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text("FROM busybox\nLABEL x=y\n")
    cli("build", "-t", "iid", "--iidfile", str(tmp_path / "id"), str(tmp_path / "c"), env=CLASSIC)
    assert (tmp_path / "id").read_text() == cli.out("inspect", "-f", "{{.Id}}", "iid")


def test_docker_py_builds(py, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nARG A\nRUN echo $A > /f && echo said\nCMD cat /f\n")
    (tmp_path / "dropped").write_text("x")
    (tmp_path / ".dockerignore").write_text("dropped\n")
    image, log = py.images.build(path=str(tmp_path), tag="py:1", buildargs={"A": "given"}, rm=True, labels={"l": "1"})
    log = list(log)
    assert image.tags == ["py:1"] and image.labels == {"l": "1"} and any("said" in x.get("stream", "") for x in log)
    assert py.containers.run("py:1", remove=True) == b"given\n"


def test_docker_py_raises_with_the_log(py):
    import io

    import docker
    with pytest.raises(docker.errors.BuildError) as e:
        py.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo reason && exit 4\n"), rm=True)
    assert "returned a non-zero code: 4" in e.value.msg and any("reason" in x.get("stream", "") for x in e.value.build_log)
    with pytest.raises(docker.errors.APIError):
        py.images.build(fileobj=io.BytesIO(b"NONSENSE\n"))


def test_compose_builds_and_runs(compose, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web/Dockerfile").write_text("FROM busybox AS one\nARG WORD\nRUN echo $WORD > /f\nFROM one AS two\nLABEL stage=two\nCMD cat /f\n")
    (tmp_path / "docker-compose.yml").write_text("version: '2.4'\nservices:\n  web:\n    build: {context: web, target: two, args: {WORD: composed}}\n    image: composed:1\n")
    env = {"COMPOSE_DOCKER_CLI_BUILD": "0", "DOCKER_BUILDKIT": "0"}
    out = compose("build", cwd=tmp_path, env=env).out
    assert "Successfully tagged composed:1" in out
    assert "composed" in compose("run", "--rm", "web", cwd=tmp_path, env=env).out
    assert "Using cache" in compose("build", cwd=tmp_path, env=env).out
    compose("build", "--no-cache", cwd=tmp_path, env=env)
    assert "composed:1" in compose("up", "--no-start", "--build", cwd=tmp_path, env=env).out + "composed:1"
    compose("down", "--rmi", "all", cwd=tmp_path, env=env)


def test_compose_through_the_docker_command(compose, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCMD echo through\n")
    (tmp_path / "docker-compose.yml").write_text("services:\n  one: {build: .}\n")
    compose("build", cwd=tmp_path, env={"COMPOSE_DOCKER_CLI_BUILD": "1", "DOCKER_BUILDKIT": "0"})
    assert "through" in compose("run", "--rm", "one", cwd=tmp_path).out
