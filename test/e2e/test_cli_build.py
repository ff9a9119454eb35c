"""`build` on the command line: what is sent, what is shown, what is written, how it ends."""
import io
import json
import os
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time

import pytest

from harness import build as build_module
from harness import cli as cli_module
from harness import daemon as daemon_module
from harness.host import until

SHOAL = os.path.join(daemon_module.BIN, "shoal")
PROGRAMS = {"docker28": cli_module.PROGRAMS["docker28"], "docker20": cli_module.PROGRAMS["docker20"], "shoal": SHOAL}
DEPRECATED = re.compile(r"DEPRECATED: .*\n(?: +.*\n)*\n?")


def make(name, daemon, tmp_path, **env):
    program = PROGRAMS[name]
    if not program or not os.path.exists(program):
        pytest.skip(f"{name} is not on this machine")
    cli = cli_module.Cli(program, daemon.socket, str(tmp_path))
    cli.env.update(env)
    return cli


@pytest.fixture(params=["docker28", "docker20", "shoal"])
def classic(request, daemon, tmp_path):
    """Every command line, the classic way, against any daemon."""
    return make(request.param, daemon, tmp_path, DOCKER_BUILDKIT="0")


@pytest.fixture
def all_classic(daemon, tmp_path):
    return {name: make(name, daemon, tmp_path, DOCKER_BUILDKIT="0") for name in ("docker28", "shoal")}


@pytest.fixture(params=["0", "1"], ids=["classic", "session"])
def either(request, daemon, shoal):
    """shoal in both ways that it has to send a context to its daemon."""
    shoal.env["DOCKER_BUILDKIT"] = request.param
    return shoal


@pytest.fixture
def folder(tmp_path):
    """folder(dockerfile, {name: text}) -> path of a context."""
    def write(dockerfile=None, files=None, name="ctx"):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        return build_module.write_folder(path, dockerfile, files)
    return write


def blurred(text):
    """What differs from build to build taken out."""
    text = DEPRECATED.sub("", text)
    text = re.sub(r"[0-9a-f]{64}", "<id>", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "<short>", text)
    return re.sub(r"context to Docker daemon +\S+", "context to Docker daemon <size>", text)


def words(r):
    return r.code, blurred(r.out), blurred(r.err).replace("docker", "shoal")


def content(api, image, path):
    """A file of an image, without running it."""
    id = api.post("/containers/create", {"Image": image, "Cmd": ["x"]})["Id"]
    r = api.raw("GET", f"/containers/{id}/archive", path=path)
    api.delete(f"/containers/{id}")
    if r.status == 404:
        return None
    with tarfile.open(fileobj=io.BytesIO(r.body)) as tar:
        return tar.extractfile(tar.next()).read().decode()


def names(api, image, path):
    id = api.post("/containers/create", {"Image": image, "Cmd": ["x"]})["Id"]
    r = api.raw("GET", f"/containers/{id}/archive", path=path)
    api.delete(f"/containers/{id}")
    with tarfile.open(fileobj=io.BytesIO(r.body)) as tar:
        return sorted(m.name.split("/", 1)[1] for m in tar if "/" in m.name)


# --- every command line, every daemon ---

def test_words_and_result(classic, folder, api):
    r = classic("build", "-t", "one", "-t", "two:x", folder("FROM busybox\nRUN echo hello\nCOPY a /a\n", {"a": "content"}))
    assert re.search(r"^Step 1/3 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2/3 : RUN echo hello\n ---> Running in [0-9a-f]{12}\nhello\n", r.out, re.M)
    assert re.search(r"^Successfully built [0-9a-f]{12}\nSuccessfully tagged one:latest\nSuccessfully tagged two:x\n$", r.out, re.M)
    assert content(api, "two:x", "/a") == "content"


def test_sending_is_told(classic, folder):
    out = classic("build", folder("FROM busybox\n"), input=b"").out
    assert b"Sending build context to Docker daemon  2.048kB\r\r\n" in out


def test_a_failing_step_gives_its_code(classic, folder):
    r = classic("build", folder("FROM busybox\nRUN exit 7\n"), ok=7)
    assert r.err.endswith("The command '/bin/sh -c exit 7' returned a non-zero code: 7\n")


def test_a_bad_dockerfile_is_1(classic, folder):
    assert "unknown instruction: RUNN" in classic("build", folder("FROM busybox\nRUNN x\n"), ok=1).err


def test_quiet_prints_the_id_alone(classic, folder, api):
    out = classic.out("build", "-q", "-t", "quiet", folder("FROM busybox\nRUN echo noise\n"))
    assert out == api.get("/images/quiet/json")["Id"]


def test_quiet_tells_everything_when_it_fails(classic, folder):
    r = classic("build", "-q", folder("FROM busybox\nRUN echo noise && exit 3\n"), ok=3)
    assert r.out == "" and "returned a non-zero code: 3" in r.err


def test_iidfile(classic, folder, api, tmp_path):
    (tmp_path / "iid").write_text("old and much longer than an id of any kind could be" * 3)
    classic("build", "--iidfile", str(tmp_path / "iid"), "-t", "x", folder("FROM busybox\nLABEL a=b\n"))
    assert (tmp_path / "iid").read_text() == api.get("/images/x/json")["Id"]
    classic("build", "--iidfile", str(tmp_path / "iid"), folder("FROM busybox\nRUN false\n"), ok=1)
    assert not (tmp_path / "iid").exists()


def test_a_dockerfile_on_standard_input(classic, api):
    classic("build", "-t", "x", "-", input="FROM busybox\nLABEL from=stdin\n")
    assert api.get("/images/x/json")["Config"]["Labels"] == {"from": "stdin"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_context_on_standard_input(classic, api, mode):
    data = build_module.context("FROM busybox\nCOPY a /a\n", {"a": "of the tar"}, mode)
    classic("build", "-t", "x", "-", input=data)
    assert content(api, "x", "/a") == "of the tar"


def test_a_dockerfile_within_a_context_on_standard_input(classic, api):
    data = build_module.context("FROM nowhere\n", {"sub/D": "FROM busybox\nLABEL which=sub\n"})
    classic("build", "-t", "x", "-f", "sub/D", "-", input=data)
    assert api.get("/images/x/json")["Config"]["Labels"] == {"which": "sub"}


def test_a_dockerfile_of_standard_input_with_a_folder(classic, folder, api):
    path = folder("FROM nowhere\n", {"a": "1"})
    classic("build", "-t", "x", "-f", "-", path, input="FROM busybox\nCOPY . /all/\n")
    assert names(api, "x", "/all") == ["Dockerfile", "a"] or names(api, "x", "/all") == [".dockerignore", "Dockerfile", "a"]


def test_a_dockerfile_outside_of_the_context(classic, folder, api, tmp_path):
    (tmp_path / "My.file").write_text("FROM busybox\nCOPY . /all/\n")
    classic("build", "-t", "x", "-f", str(tmp_path / "My.file"), folder(None, {"a": "1"}))
    assert "a" in names(api, "x", "/all") and not [n for n in names(api, "x", "/all") if "file" in n.lower()]


def test_a_dockerfile_relative_to_where_one_stands(classic, folder, api, tmp_path):
    path = folder("FROM nowhere\n", {"sub/D": "FROM busybox\nLABEL which=sub\n"})
    classic("build", "-t", "x", "-f", "sub/D", ".", cwd=path)
    assert api.get("/images/x/json")["Config"]["Labels"] == {"which": "sub"}


def test_what_is_ignored_is_not_sent(classic, folder, api):
    big = os.urandom(3_000_000)
    path = folder("FROM busybox\nCOPY . /all/\n", {".dockerignore": "big\n*.tmp\n!keep.tmp\nDockerfile\n", "big": big, "a": "1", "x.tmp": "2", "keep.tmp": "3"})
    r = classic("build", "-t", "x", path)
    assert re.search(r"daemon +[\d.]+kB", r.out) and names(api, "x", "/all") == [".dockerignore", "a", "keep.tmp"]


def test_everything_belongs_to_root(classic, folder, box, api):
    path = folder("FROM busybox\nCOPY a /a\n", {"a": "1"})
    os.chown(path + "/a", 1234, 1234)
    classic("build", "-t", "x", path)
    assert box.run("stat", "-c", "%u:%g", "/a", image="x").out == "0:0\n"


def test_a_large_context(classic, folder, box):
    data = os.urandom(20_000_000)
    classic("build", "-t", "x", folder("FROM busybox\nCOPY big /big\n", {"big": data}), timeout=120)
    assert box.run("wc", "-c", "/big", image="x").out.split()[0] == "20000000"


def test_compressed(classic, folder, api):
    r = classic("build", "--compress", "-t", "x", folder("FROM busybox\nCOPY a /a\n", {"a": "x" * 100_000}))
    assert re.search(r"daemon +\d{3}B", r.out) and content(api, "x", "/a") == "x" * 100_000


def test_options_reach_the_daemon(classic, folder, api):
    path = folder("FROM busybox AS first\nARG A\nARG B\nARG C=default\nRUN echo $A-$B-$C > /args\nFROM first\nRUN false\n")
    classic("build", "-t", "x", "--build-arg", "A=1", "--build-arg", "B", "--build-arg", "C=", "--target", "first", "--label", "k=v", "--label", "l",
            "--network", "none", "--add-host", "h:1.2.3.4", "--shm-size", "1m", "--ulimit", "nofile=100:200", "-m", "64m", "--memory-swap", "-1",
            "--cpu-shares", "100", "--force-rm", "--no-cache", path, env={"B": "of the environment"})
    assert content(api, "x", "/args") == "1-of the environment-\n"
    assert api.get("/images/x/json")["Config"]["Labels"] == {"k": "v", "l": ""}


def test_steps_run_with_what_was_asked_for(classic, folder):
    path = folder("FROM busybox\nRUN grep 'h$' /etc/hosts; ulimit -n; df -k /dev/shm | tail -1; ip link | grep -c ^\n")
    out = classic("build", "--no-cache", "--add-host", "h:1.2.3.4", "--ulimit", "nofile=100:200", "--shm-size", "1m", "--network", "none", path).out
    assert re.search(r"1\.2\.3\.4\s+h\n100\n\S+ +1024 ", out)


def test_proxies_of_the_config_file(classic, folder, tmp_path):
    with open(str(tmp_path) + "/.docker/config.json", "w") as f:
        json.dump({"proxies": {"default": {"httpProxy": "http://proxy.example:3128"}}}, f)
    out = classic("build", "--no-cache", folder("FROM busybox\nRUN echo $HTTP_PROXY $http_proxy\n")).out
    assert "http://proxy.example:3128 http://proxy.example:3128\n" in out


def test_the_cache_is_used_and_not_used(classic, folder):
    path = folder("FROM busybox\nRUN echo cached by %d\n" % time.time_ns())
    assert "Using cache" not in classic("build", path).out
    assert "Using cache" in classic("build", path).out
    assert "Using cache" not in classic("build", "--no-cache", path).out


def test_containers_of_steps_stay_when_asked(classic, folder, api):
    classic("build", "--rm=false", "--no-cache", folder("FROM busybox\nRUN true\n"))
    assert len(api.get("/containers/json", all=1)) == 1


@pytest.mark.parametrize("name", ["image", "builder"])
def test_other_names(classic, folder, name):
    assert "Successfully built" in classic(name, "build", folder("FROM busybox\n")).out


def test_a_context_of_an_address(classic, api, tmp_path):
    """Docker's command downloads it by itself; the result is the same."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"FROM busybox\nLABEL from=web\n" if "Dockerfile" in self.path else \
                build_module.context("FROM busybox\nCOPY a /a\n", {"a": "of the web"}, "w:gz")
            self.send_response(200)
            self.send_header("Content-Type", "text/plain" if "Dockerfile" in self.path else "application/gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        classic("build", "-t", "x", address + "/context.tar.gz")
        assert content(api, "x", "/a") == "of the web"
        classic("build", "-t", "y", address + "/Dockerfile")
        assert api.get("/images/y/json")["Config"]["Labels"] == {"from": "web"}
    finally:
        server.shutdown()


def test_an_interrupted_build_ends_at_the_daemon_too(classic, folder, api):
    p = classic.start("build", "--no-cache", folder("FROM busybox\nRUN sleep 1000\n"))
    until(lambda: api.get("/containers/json"), 20, what="the step")
    p.send_signal(signal.SIGINT)
    assert p.wait(20) != 0
    p.communicate()
    until(lambda: not api.get("/containers/json"), 20, what="the end of the step")


# --- the same words ---

CASES = {
    "all steps": (["--no-cache"], "FROM busybox AS a\nARG X=1\nENV A=b\nRUN echo out\nCOPY a /a\nFROM a\nLABEL k=v\nUSER web\nWORKDIR /w\nCMD [\"sh\"]\n"),
    "tags": (["--no-cache", "-t", "one", "-t", "two:2"], "FROM busybox\nLABEL x=y\n"),
    "unused argument": (["--no-cache", "--build-arg", "NOPE=1"], "FROM busybox\nLABEL x=y\n"),
    "error stream": (["--no-cache"], "FROM busybox\nRUN echo err >&2\n"),
    "failure": (["--no-cache"], "FROM busybox\nRUN exit 9\n"),
    "absent target": (["--target", "nope"], "FROM busybox\n"),
    "empty file": ([], ""),
    "bad instruction": ([], "FROM busybox\nRUNN\n"),
    "absent file": (["--no-cache"], "FROM busybox\nCOPY nope /\n"),
    "no such flag": (["--nonsense"], "FROM busybox\n"),
    "bad tag": (["-t", "a:b:c"], "FROM busybox\n"),
    "bad size": (["-m", "lots"], "FROM busybox\n"),
    "bad label": (["--label", "=x"], "FROM busybox\n"),
    "absent dockerfile": (["-f", "nope"], "FROM busybox\n"),
    "quiet": (["-q", "--no-cache"], "FROM busybox\nLABEL x=z\n"),
    "quiet failure": (["-q", "--no-cache"], "FROM busybox\nRUN exit 9\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_words_are_dockers(all_classic, folder, case):
    flags, text = CASES[case]
    path = folder(text, {"a": "1"})
    seen = {name: words(cli("build", *flags, path, ok=None)) for name, cli in all_classic.items()}
    assert seen["shoal"] == seen["docker28"]


@pytest.mark.parametrize("args", [["no/such/dir"], [], ["a", "b"], ["-f", "-", "-"], ["file"], ["--help"]])
def test_wrong_arguments_say_what_docker_says(all_classic, tmp_path, args):
    (tmp_path / "file").write_text("x")
    seen = {name: words(cli("build", *args, ok=None, cwd=str(tmp_path), input="")) for name, cli in all_classic.items()}
    if args == ["--help"]:  # our own sentences, the same flags
        for name in re.findall(r"--([\w-]+)", seen["docker28"][1]):
            assert f"--{name}" in seen["shoal"][1], name
    else:
        assert seen["shoal"] == seen["docker28"]


# --- refusals ---

@pytest.mark.parametrize("flag", ["--push", "--allow=x", "--attest=type=sbom", "--annotation=a=b", "--check", "--call=lint", "--progress=rawjson",
                                  "--cache-to=type=local,dest=x", "--cache-from=type=gha", "--output=type=registry", "--builder=mine",
                                  "--provenance=true", "--sbom=true", "--disable-content-trust=false"])
def test_unsupported_options_are_refused_by_name(daemon, tmp_path, folder, flag):
    shoal = make("shoal", daemon, tmp_path)
    r = shoal("build", flag, folder("FROM busybox\n"), ok=1)
    assert flag.split("=")[0].lstrip("-") in r.err.replace("content trust", "disable-content-trust") and r.out == ""


@pytest.mark.parametrize("command", ["bake", "create", "du", "imagetools", "inspect", "ls", "rm", "use", "version"])
def test_commands_of_buildx_alone_are_refused_by_name(daemon, tmp_path, command):
    shoal = make("shoal", daemon, tmp_path)
    assert f"shoal buildx {command}: not supported" in shoal("buildx", command, "--whatever", ok=1).err


def test_what_needs_shoals_daemon_says_so(daemon, tmp_path, folder):
    if daemon_module.IS_SHOAL:
        pytest.skip("this is Shoal's daemon")
    shoal = make("shoal", daemon, tmp_path)
    for flag in (["--secret", "id=x,src=Dockerfile"], ["-o", "out"], ["--build-context", "x=."], ["--no-cache-filter", "x"]):
        assert f"--{flag[0].lstrip('-').replace('o', 'output', 1) if flag[0] == '-o' else flag[0].lstrip('-')} is not supported by this daemon" \
            in shoal("build", *flag, folder("FROM busybox\n"), ok=1).err


# --- both ways of shoal ---

def test_both_ways_give_the_same_image(shoal, folder, api):
    path = folder("FROM busybox\nCOPY . /all/\nRUN echo x > /x\n", {"a/b": "1", "c": "2", ".dockerignore": "c\n"})
    shoal("build", "-t", "one", path, env={"DOCKER_BUILDKIT": "0"})
    shoal("build", "-t", "two", path)
    assert api.get("/images/one/json")["Id"] == api.get("/images/two/json")["Id"]


def test_a_folder_by_either_way(either, folder, api):
    either("build", "-t", "x", folder("FROM busybox\nCOPY a/b /b\n", {"a/b": "content", "unused": "x"}))
    assert content(api, "x", "/b") == "content"


def test_own_ignore_file_of_a_dockerfile(either, folder, api):
    text = "FROM busybox\nCOPY . /all/\n"
    path = folder(None, {"D": text, "D.dockerignore": "b\nD*\n", ".dockerignore": "a\n", "a": "1", "b": "2"})
    either("build", "-t", "x", "-f", path + "/D", path)
    assert names(api, "x", "/all") == [".dockerignore", "a"]
    outside = folder(text, {"Dockerfile.dockerignore": "b\n"}, name="other")
    either("build", "-t", "y", "-f", outside + "/Dockerfile", path)
    assert {"a", "D"} < set(names(api, "y", "/all")) and "b" not in names(api, "y", "/all")


def test_dockerfile_outside_and_on_standard_input(either, folder, api, tmp_path):
    path = folder(None, {"a": "1"})
    (tmp_path / "D").write_text("FROM busybox\nCOPY a /from-file\n")
    either("build", "-t", "x", "-f", str(tmp_path / "D"), path)
    either("build", "-t", "y", "-f", "-", path, input="FROM busybox\nCOPY a /from-stdin\n")
    assert content(api, "x", "/from-file") == content(api, "y", "/from-stdin") == "1"


def test_codes_and_messages(either, folder):
    r = either("build", folder("FROM busybox\nRUN echo noise; exit 7\n"), ok=7)
    assert r.err == "The command '/bin/sh -c echo noise; exit 7' returned a non-zero code: 7\n"
    assert "\nnoise\n" in r.out


def test_interrupt(either, folder, api):
    p = either.start("build", "--no-cache", folder("FROM busybox\nRUN sleep 1000\n"))
    until(lambda: api.get("/containers/json"), 20, what="the step")
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 130
    p.communicate()
    until(lambda: not api.get("/containers/json"), 20, what="the end of the step")


# --- what only the session can do ---

def test_only_what_is_asked_for_is_read(shoal, folder, api):
    """A file that cannot be read does no harm when nothing copies it: it is never opened."""
    path = folder("FROM busybox\nCOPY a /a\n", {"a": "1"})
    os.mkfifo(path + "/pipe")
    os.symlink("/nowhere", path + "/dangling")
    shoal("build", "-t", "x", path, timeout=30)
    assert content(api, "x", "/a") == "1"


def test_secrets(shoal, folder, tmp_path, api):
    (tmp_path / "key").write_text("of a file")
    path = folder("FROM busybox\nRUN --mount=type=secret,id=file cat /run/secrets/file > /file\nRUN --mount=type=secret,id=var,target=/v cat /v > /variable\n"
                  "RUN --mount=type=secret,id=NAMED cat /run/secrets/NAMED > /named\n")
    shoal("build", "-t", "x", "--secret", f"id=file,src={tmp_path}/key", "--secret", "id=var,env=VAR", "--secret", "id=NAMED", path,
          env={"VAR": "of the environment", "NAMED": "by its name"})
    assert [content(api, "x", p) for p in ("/file", "/variable", "/named")] == ["of a file", "of the environment", "by its name"]


def test_a_secret_that_is_not_there(shoal, folder):
    assert "no such file" in shoal("build", "--secret", "id=x,src=/no/such/file", folder("FROM busybox\n"), ok=1).err


def test_secrets_with_a_context_on_standard_input(shoal, api):
    data = build_module.context("FROM busybox\nRUN --mount=type=secret,id=S cat /run/secrets/S > /s\n")
    shoal("build", "-t", "x", "--secret", "id=S", "-", input=data, env={"S": "secret"})
    assert content(api, "x", "/s") == "secret"


def test_agent(shoal, folder, tmp_path, api):
    """Something that answers like an agent: it has no identities."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "agent"))
    server.listen()

    def answer():
        while True:
            try:
                c, _ = server.accept()
            except OSError:
                return
            if c.recv(100):
                c.sendall(b"\0\0\0\5\x0c\0\0\0\0")
            c.close()
    threading.Thread(target=answer, daemon=True).start()
    path = folder("FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo there > /found\n")
    shoal("build", "-t", "x", "--ssh", "default", path, env={"SSH_AUTH_SOCK": str(tmp_path / "agent")})
    assert content(api, "x", "/found") == "there\n"
    assert "keys are not supported" in shoal("build", "--ssh", f"default={path}/Dockerfile", path, ok=1).err
    server.close()


def test_named_contexts(shoal, folder, tmp_path, api):
    other = folder(None, {"b": "of the other"}, name="other")
    path = folder("FROM base\nCOPY --from=more b /b\n")
    shoal("build", "-t", "x", "--build-context", f"more={other}", "--build-context", "base=docker-image://busybox", path)
    assert content(api, "x", "/b") == "of the other"


def test_output_to_a_folder(shoal, folder, tmp_path):
    path = folder("FROM scratch\nCOPY a /dir/a\nCOPY b /b\n", {"a": "1", "b": "2"})
    shoal("build", "-o", str(tmp_path / "out"), path)
    assert (tmp_path / "out/dir/a").read_text() == "1" and (tmp_path / "out/b").read_text() == "2"


@pytest.mark.parametrize("spelling", ["-", "type=tar,dest=-"])
def test_output_as_tar_to_standard_output(shoal, folder, spelling):
    path = folder("FROM scratch\nCOPY a /a\n", {"a": "1"})
    r = subprocess.run([shoal.program, "build", "-o", spelling, path], env=shoal.env, capture_output=True, timeout=60)
    assert r.returncode == 0, r.stderr
    with tarfile.open(fileobj=io.BytesIO(r.stdout)) as tar:
        assert [m.name.strip("./") for m in tar if m.isfile()] == ["a"]
    assert b"Step 1/2" in r.stderr
    quiet = subprocess.run([shoal.program, "build", "-q", "-o", spelling, path], env=shoal.env, capture_output=True, timeout=60)
    assert quiet.stdout == r.stdout and re.fullmatch(rb"sha256:[0-9a-f]{64}\n", quiet.stderr)


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_output_as_an_image_archive(shoal, folder, tmp_path, api, kind):
    path = folder("FROM busybox\nCOPY a /a\n", {"a": "1"})
    shoal("build", "-t", "name:tag", "-o", f"type={kind},dest={tmp_path}/image.tar", path)
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert ("manifest.json" if kind == "docker" else "index.json") in tar.getnames()
    for tag in ("name:tag",):
        api.raw("DELETE", f"/images/{tag}", force=1)
    shoal("load", "-i", str(tmp_path / "image.tar"))
    assert content(api, "name:tag", "/a") == "1"


def test_a_failed_build_leaves_no_output(shoal, folder, tmp_path):
    shoal("build", "-o", f"type=tar,dest={tmp_path}/out.tar", folder("FROM busybox\nRUN false\n"), ok=1)
    assert not (tmp_path / "out.tar").exists()


def test_metadata(shoal, folder, tmp_path, api):
    shoal("build", "-t", "x", "--metadata-file", str(tmp_path / "meta"), folder("FROM busybox\nLABEL a=b\n"))
    meta = json.loads((tmp_path / "meta").read_text())
    assert meta["containerimage.config.digest"] == api.get("/images/x/json")["Id"] and meta["image.name"] == "docker.io/library/x:latest"


def test_image_output_has_the_name(shoal, folder, api):
    shoal("build", "-o", "type=image,name=named:1", folder("FROM busybox\nLABEL a=c\n"))
    assert api.get("/images/named:1/json")["Config"]["Labels"] == {"a": "c"}


# --- on a terminal ---

def screen_of(data, columns=80):
    """What a terminal would show: enough of one for what is drawn here."""
    lines, row, col = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", data):
        if part == "\n":
            row += 1
            while row >= len(lines):
                lines.append("")
            col = 0
        elif part == "\r":
            col = 0
        elif part.startswith("\x1b["):
            count = int(part[2:-1] or 0) if part[2:-1].isdigit() or not part[2:-1] else 0
            if part[-1] == "A":
                row = max(0, row - max(1, count))
            elif part[-1] == "K":
                lines[row] = lines[row][:col] if count == 0 else ""
            elif part[-1] == "J":
                lines[row] = lines[row][:col]
                del lines[row + 1:]
        else:
            lines[row] = lines[row][:col].ljust(col) + part + lines[row][col + len(part):]
            col += len(part)
    return [line.rstrip() for line in lines]


def test_a_tree_on_a_terminal(shoal, folder):
    path = folder("FROM busybox AS a\nRUN echo hello; sleep 0.3\nFROM busybox AS b\nCOPY --from=a /etc/passwd /p\nCOPY x /x\n", {"x": "1"})
    t = shoal.tty("build", "--no-cache", "-t", "tree", path)
    assert t.finish(60) == 0
    shown = screen_of(t.data.decode())
    assert re.fullmatch(r"\[\+\] Building \d+\.\ds \((\d+)/\1\) FINISHED", shown[0]), shown
    text = "\n".join(shown)
    for what in (r"^ => \[a 2/2\] RUN echo hello; sleep 0\.3 +\d+\.\ds$", r"^ => \[b 2/3\] COPY --from=a ", r"^ => \[b 3/3\] COPY x /x +\d+\.\ds$"):
        assert re.search(what, text, re.M), text
    assert all(len(line) < 80 for line in shown)


def test_running_steps_show_their_output(shoal, folder):
    t = shoal.tty("build", "--no-cache", folder("FROM busybox\nRUN echo first-words; read x < /dev/null; sleep 2\n"))
    t.expect(" => => # first-words")
    assert t.finish(60) == 0
    assert "first-words" not in "\n".join(screen_of(t.data.decode())).replace("RUN echo first-words", "")


def test_cached_steps_are_marked(shoal, folder):
    path = folder("FROM busybox\nRUN echo cached-%d\n" % time.time_ns())
    shoal("build", path)
    t = shoal.tty("build", path)
    assert t.finish(60) == 0 and re.search(r"^ => CACHED \[2/2\] RUN echo cached", "\n".join(screen_of(t.data.decode())), re.M)


def test_a_failure_on_a_terminal_shows_the_whole_log(shoal, folder):
    t = shoal.tty("build", "--no-cache", folder("FROM busybox\nRUN for i in $(seq 100); do echo line-$i; done; exit 5\n"), rows=10)
    assert t.finish(60) == 5
    text = "\n".join(screen_of(t.data.decode()))
    assert all(f"\nline-{i}\n" in text for i in range(1, 101))
    assert re.search(r"^ => ERROR \[2/2\] RUN for", text, re.M) and text.rstrip().endswith("returned a non-zero code: 5")


def test_output_of_programs_cannot_drive_the_terminal(shoal, folder):
    t = shoal.tty("build", "--no-cache", folder("FROM busybox\nRUN printf 'a\\033[2Jb\\033]0;title\\007c\\033[31md\\n'; sleep 0.5; exit 1\n"))
    t.finish(60)
    assert b"\x1b[2J" not in t.data and b"\x1b]" not in t.data and b"\x1b[31m" not in t.data and b"\nabcd" in t.data.replace(b"\r", b"")


def test_an_interrupt_on_a_terminal(shoal, folder, api):
    t = shoal.tty("build", "--no-cache", folder("FROM busybox\nRUN echo up; sleep 1000\n"))
    t.expect("# up")
    t.send("\x03")
    assert t.finish(20) == 130
    text = "\n".join(screen_of(t.data.decode()))
    assert re.search(r"^\[\+\] Building .* CANCELED$", text, re.M) and re.search(r"^ => CANCELED \[2/2\] RUN echo up", text, re.M)
    until(lambda: not api.get("/containers/json"), 20, what="the end of the step")


def test_a_small_terminal_is_never_exceeded(shoal, folder):
    text = "FROM busybox\n" + "".join(f"RUN echo {i}-{'x' * 100}; echo {'y' * 200}\n" for i in range(15))
    t = shoal.tty("build", "--no-cache", folder(text), rows=6, columns=30)
    assert t.finish(120) == 0
    data = t.data.decode()
    ups = [int(n) for n in re.findall(r"\x1b\[(\d+)A", data)]
    assert ups and max(ups) <= 5
    assert all(len(line) < 30 for line in screen_of(data))


def test_plain_on_a_terminal_is_the_classic_words(shoal, folder):
    t = shoal.tty("build", "--progress", "plain", folder("FROM busybox\nLABEL plain=1\n"))
    assert t.finish(60) == 0 and b"Step 1/2 : FROM busybox\r\n" in t.data and b"\x1b[" not in t.data


def test_tty_without_a_terminal_is_refused(shoal, folder):
    assert "no terminal" in shoal("build", "--progress", "tty", folder("FROM busybox\n"), ok=1).err


def test_quiet_on_a_terminal(shoal, folder):
    t = shoal.tty("build", "-q", folder("FROM busybox\nLABEL quiet=1\n"))
    assert t.finish(60) == 0 and re.fullmatch(rb"sha256:[0-9a-f]{64}\r\n", t.data)


def test_warnings_are_told_at_the_end(shoal, folder):
    t = shoal.tty("build", folder("FROM busybox AS Upper\nLABEL w=1\n"))
    assert t.finish(60) == 0 and "StageNameCasing" in t.data.decode()


# --- the cache ---

def test_builder_prune(shoal, folder, api):
    path = folder("FROM busybox\nRUN head -c 1000000 /dev/urandom > /x\n")
    shoal("build", path)
    assert re.search(r"^Build Cache +[1-9]", shoal("system", "df").out, re.M)
    assert "CACHE ID" in shoal("system", "df", "-v").out
    r = shoal("builder", "prune", input="n\n")
    assert r.out == "WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] "
    r = shoal("builder", "prune", "-a", input="y\n")
    assert r.out.startswith("WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] Deleted build cache objects:\n")
    assert re.search(r"\n\nTotal reclaimed space: \S+B\n$", r.out)
    assert shoal("builder", "prune", "-af").out == "Total reclaimed space: 0B\n"
    assert re.search(r"^Build Cache +0 +0 +0B +0B$", shoal("system", "df").out, re.M)


def test_builder_prune_filters(shoal, folder):
    shoal("build", folder("FROM busybox\nRUN echo %d\n" % time.time_ns()))
    assert shoal("builder", "prune", "-af", "--filter", "until=24h").out == "Total reclaimed space: 0B\n"
    assert "invalid argument" in shoal("builder", "prune", "--keep-storage", "lots", ok=125).err
    assert shoal("buildx", "prune", "-af", "--keep-storage", "100g").out == "Total reclaimed space: 0B\n"


def test_system_prune_takes_the_cache(shoal, folder):
    shoal("build", "-q", folder("FROM busybox\nRUN echo %d\n" % time.time_ns()))
    shoal("system", "prune", "-af", timeout=60)  # what belonged to images went with them
    assert re.search(r"^Build Cache +0 +0 +0B +0B$", shoal("system", "df").out, re.M)
