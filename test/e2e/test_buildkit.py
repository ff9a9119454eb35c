"""BuildKit's way in: sessions, the trace stream of the docker command of 2020, and the Control service that newer ones speak."""
import json
import os
import socket
import threading
import time

import pytest

from harness import cli as cli_module
from harness.build import context, write_folder

pytestmark = pytest.mark.shoal_only("the peer's own tests are its own")
BUILDKIT = {"DOCKER_BUILDKIT": "1"}


@pytest.fixture
def docker20(daemon, tmp_path):
    if not os.path.exists("/usr/bin/docker"):
        pytest.skip("docker is not on this machine")
    return cli_module.Cli("/usr/bin/docker", daemon.socket, str(tmp_path / "home"))


def config_of(api, name):
    return api.get(f"/images/{name}/json")["Config"]


# --- the docker command of 20.10 ---

def test_a_build_through_a_session(docker20, api, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox AS one\nRUN echo from-run > /made\nFROM busybox\nCOPY --from=one /made /made\n"
                          "COPY a/ /a/\nLABEL what=session\n", {"a/b": "text", "a/link": "x", "ignored.o": "1", ".dockerignore": "*.o\n"})
    r = docker20("build", "--progress=plain", "-t", "viasession", folder, env=BUILDKIT)
    assert "RUN echo from-run" in r.err and "DONE" in r.err
    assert config_of(api, "viasession")["Labels"] == {"what": "session"}
    assert docker20.out("run", "--rm", "viasession", "cat", "/made", "/a/b") == "from-run\ntext"


def test_the_second_build_sends_only_what_changed(docker20, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nCOPY . /c/\nRUN cat /c/small\n", {"big": "x" * 3_000_000, "small": "1"})
    docker20("build", "--progress=plain", folder, env=BUILDKIT)
    again = docker20("build", "--progress=plain", folder, env=BUILDKIT)
    assert "CACHED" in again.err
    (tmp_path / "c" / "small").write_text("two")
    third = docker20("build", "--progress=plain", folder, env=BUILDKIT)
    assert "two" in third.err


def test_only_the_image_id_is_printed_when_asked(docker20, api, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nLABEL a=b\n")
    r = docker20("build", "-q", "--iidfile", str(tmp_path / "iid"), folder, env=BUILDKIT)
    image = r.out.strip()
    assert image.startswith("sha256:") and (tmp_path / "iid").read_text() == image
    assert config_of(api, image)["Labels"] == {"a": "b"}


def test_a_failing_step_is_told(docker20, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nRUN echo before; exit 7\n")
    r = docker20("build", "--progress=plain", folder, env=BUILDKIT, ok=False)
    assert "before" in r.err and "7" in r.err.splitlines()[-1]


def test_a_secret_reaches_the_step_and_nothing_else(docker20, api, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size\n")
    (tmp_path / "token").write_text("a-very-secret-word")
    docker20("build", "--secret", f"id=token,src={tmp_path}/token", "-t", "withsecret", folder, env=BUILDKIT)
    assert docker20.out("run", "--rm", "withsecret", "cat", "/size") == "18"
    assert "a-very-secret-word" not in json.dumps([api.get("/images/withsecret/json"), api.get("/images/withsecret/history")])
    r = docker20("build", "--no-cache", folder, env=BUILDKIT, ok=None)
    assert r.code != 0 or "token" not in r.out  # optional unless required=true


def test_the_result_as_a_directory(docker20, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM scratch\nCOPY a /deep/a\nCOPY a /b\n", {"a": "text"})
    docker20("build", "--output", f"type=local,dest={tmp_path}/out", folder, env=BUILDKIT)
    assert (tmp_path / "out/deep/a").read_text() == "text" and (tmp_path / "out/b").read_text() == "text"


def test_the_result_as_a_tar(docker20, tmp_path):
    import tarfile
    folder = write_folder(tmp_path / "c", "FROM scratch\nCOPY a /deep/a\n", {"a": "text"})
    docker20("build", "--output", f"type=tar,dest={tmp_path}/out.tar", folder, env=BUILDKIT)
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.extractfile("deep/a").read() == b"text"


def test_outputs_that_are_not_supported_are_named(docker20, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\n")
    r = docker20("build", "--output", "type=registry,name=x/y", folder, env=BUILDKIT, ok=False)
    assert "not supported" in r.err


def test_the_session_of_a_refused_build_is_hung_up(api, daemon):
    """A client that hears of the refusal while its session still opens waits for the session's end."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(daemon.socket)
    s.settimeout(20)
    s.sendall(b"POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: refused\r\n\r\n")
    assert b" 101 " in s.recv(4096)
    r = api.raw("POST", "/build", session="refused", remote="client-session", version="2", outputs=json.dumps([{"Type": "registry", "Attrs": {}}]))
    assert r.status == 501 and "not supported" in r.message
    while s.recv(65536):
        pass
    s.close()


def test_a_dockerfile_from_outside_the_context(docker20, tmp_path):
    folder = write_folder(tmp_path / "c", None, {"a": "text"})
    (tmp_path / "Elsewhere").write_text("FROM busybox\nCOPY a /a\nRUN cat /a\n")
    r = docker20("build", "--progress=plain", "-f", str(tmp_path / "Elsewhere"), folder, env=BUILDKIT)
    assert "text" in r.err


def test_a_context_from_standard_input(docker20, tmp_path):
    data = context("FROM busybox\nCOPY a /a\nRUN cat /a\n", {"a": "from-a-tar"})
    r = docker20("build", "--progress=plain", "-", input=data, env=BUILDKIT)
    assert b"from-a-tar" in r.err
    r = docker20("build", "--progress=plain", "-", input="FROM busybox\nRUN echo alone-here\n", env=BUILDKIT)
    assert "alone-here" in r.err
    docker20("build", "-", input=b"\x1f\x8b" + b"no archive" * 100, env=BUILDKIT, ok=False)


# --- buildx ---

@pytest.fixture
def buildx(daemon, tmp_path):
    places = ("/usr/libexec/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", os.path.dirname(os.environ.get("E2E_BUILDX", "/-/")))
    plugin = next((p for p in (f"{place}/docker-buildx" for place in places) if os.path.exists(p)), None)
    program = cli_module.PROGRAMS["docker28"] or "/usr/bin/docker"
    if plugin is None or not os.path.exists(program):
        pytest.skip("buildx is not on this machine")
    docker = cli_module.Cli(program, daemon.socket, str(tmp_path / "home"))
    plugins = tmp_path / "home/.docker/cli-plugins"
    plugins.mkdir()
    (plugins / "docker-buildx").symlink_to(plugin)
    return docker


def test_buildx_builds(buildx, api, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nARG A\nRUN --mount=type=secret,id=s echo $A $(cat /run/secrets/s) > /made\nCOPY a /a\n", {"a": "text"})
    (tmp_path / "s").write_text("whisper")
    r = buildx("buildx", "build", "--progress=plain", "-t", "byx", "--build-arg", "A=1", "--label", "l=m", "--secret", f"id=s,src={tmp_path}/s",
               "--metadata-file", str(tmp_path / "meta"), folder)
    assert "RUN --mount=type=secret" in r.err and config_of(api, "byx")["Labels"] == {"l": "m"}
    assert json.loads((tmp_path / "meta").read_text())["containerimage.config.digest"] == api.get("/images/byx/json")["Id"]
    assert buildx.out("run", "--rm", "byx", "cat", "/made", "/a") == "1 whisper\ntext"
    buildx("buildx", "build", "--output", f"type=local,dest={tmp_path}/out", folder)
    assert (tmp_path / "out/a").read_text() == "text"
    assert "CACHED" in buildx("buildx", "build", "--progress=plain", "--build-arg", "A=1", "--label", "l=m", "--secret", f"id=s,src={tmp_path}/s", folder).err
    assert "reclaimable" in buildx("buildx", "du").out.lower()
    buildx("buildx", "prune", "-af")


def test_buildx_is_told_why_a_build_fails(buildx, tmp_path):
    folder = write_folder(tmp_path / "c", "FROM busybox\nRUN exit 3\n")
    r = buildx("buildx", "build", folder, ok=False)
    assert "RUN exit 3" in r.err and "code: 3" in r.err
    assert "not supported" in buildx("buildx", "build", "--push", "-t", "localhost:1/x", folder, ok=False).err


# --- the Control service ---

class Control:
    """A gRPC channel through POST /grpc: the upgrade is done by a relay, since gRPC libraries know no HTTP/1."""

    def __init__(self, daemon, folder):
        import grpc
        self.daemon, self.path = daemon, f"{folder}/control.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()
        self.channel = grpc.insecure_channel("unix:" + self.path)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.daemon.socket)
            server.sendall(b"POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += server.recv(1)
            assert head.startswith(b"HTTP/1.1 101 "), head
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def call(self, method, request=b"", metadata=()):
        return self.channel.unary_unary(method)(request, metadata=metadata, timeout=30)

    def stream(self, method, request=b""):
        return self.channel.unary_stream(method)(request, timeout=30)

    def close(self):
        self.channel.close()
        self.listener.close()


@pytest.fixture
def control(daemon, tmp_path):
    pytest.importorskip("grpc")
    c = Control(daemon, tmp_path)
    yield c
    c.close()


def field(number, value):
    """One field of a protobuf message: a text, bytes, or a number."""
    def varint(n):
        out = b""
        while True:
            n, low = n >> 7, n & 127
            out += bytes([low | (128 if n else 0)])
            if not n:
                return out
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def pairs(number, values):
    return b"".join(field(number, field(1, k) + field(2, v)) for k, v in values.items())


CONTROL, GATEWAY = "/moby.buildkit.v1.Control/", "/moby.buildkit.v1.frontend.LLBBridge/"


def solve_request(ref, frontend="dockerfile.v0", attributes=None, exporters=(), session="", more=b""):
    out = field(1, ref) + field(5, session) + field(6, frontend) + pairs(7, attributes or {})
    return out + b"".join(field(13, field(1, kind) + pairs(2, attrs)) for kind, attrs in exporters) + more


def refusal(control, method, request=b"", metadata=()):
    import grpc
    with pytest.raises(grpc.RpcError) as e:
        control.call(method, request, metadata)
    return e.value.code().name, e.value.details()


def test_control_tells_about_itself(control):
    assert b"shoal" in control.call(CONTROL + "Info")
    workers = control.call(CONTROL + "ListWorkers")
    assert b"linux" in workers and b"amd64" in workers
    assert control.call("/grpc.health.v1.Health/Check") == field(1, 1)
    assert list(control.stream(CONTROL + "ListenBuildHistory", field(3, 1))) == []


def test_control_refuses_by_name_what_it_cannot(control):
    cases = [(solve_request("r", "gateway.v0"), "gateway.v0"), (solve_request("r", attributes={"frob": "1"}), "session"),
             (solve_request("r", exporters=[("nix", {})]), "nix"), (solve_request("r", exporters=[("image", {"push": "true"})]), "push=true"),
             (solve_request("r", more=field(9, "security.insecure")), "security.insecure"),
             (solve_request("r", more=field(8, field(4, field(1, "gha")))), "gha"), (solve_request(""), "ref")]
    for request, word in cases:
        code, text = refusal(control, CONTROL + "Solve", request)
        assert word in text or word == "session", text
    assert refusal(control, CONTROL + "Nothing")[0] == "UNIMPLEMENTED"
    assert refusal(control, GATEWAY + "Ping", metadata=(("buildkit-controlapi-buildid", "none"),))[0] == "NOT_FOUND"


def test_control_lives_through_garbage(control, daemon, api):
    for method in ("Solve", "Status", "Prune", "DiskUsage", "ListenBuildHistory"):
        assert refusal(control, CONTROL + method, b"\xff\xff\xff\xff")[0] == "INVALID_ARGUMENT"
    s = socket.socket(socket.AF_UNIX)
    s.connect(daemon.socket)
    s.sendall(b"POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + b"\xff" * 10_000)
    s.settimeout(10)
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    assert api.get("/version")


def test_session_and_control_need_the_upgrade(api):
    for path in ("/session", "/grpc"):
        r = api.raw("POST", path, headers={"X-Docker-Expose-Session-Uuid": "abc"})
        assert r.status == 400 and "h2c" in r.message
    r = api.raw("POST", "/session")
    assert r.status == 400 and "id" in r.message


def remote_context(web, text, files=None):
    web.files["/ctx.tar"] = context(text, files)
    return web.url("/ctx.tar")


def test_control_builds_and_tells(control, api, web):
    address = remote_context(web, "FROM busybox\nRUN echo told-by-the-step\nLABEL by=control\n")
    seen, ref = [], "ref-one"
    reader = threading.Thread(target=lambda: seen.extend(control.stream(CONTROL + "Status", field(1, ref))))
    reader.start()
    answer = control.call(CONTROL + "Solve", solve_request(ref, attributes={"context": address, "label:more": "1"}, exporters=[("moby", {"name": "bycontrol,bycontrol:2"})]))
    reader.join(30)
    image = api.get("/images/bycontrol:2/json")
    assert image["Id"].encode() in answer and image["Config"]["Labels"] == {"by": "control", "more": "1"}
    assert b"told-by-the-step" in b"".join(seen) and not reader.is_alive()
    assert refusal(control, CONTROL + "Solve", solve_request("", attributes={"context": address}))[0] == "INVALID_ARGUMENT"


def test_a_client_steers_its_build(control, api, web):
    address, meta = remote_context(web, "FROM busybox\nLABEL by=gateway\n"), (("buildkit-controlapi-buildid", "steered"),)
    answers = []
    solving = threading.Thread(target=lambda: answers.append(control.call(CONTROL + "Solve", solve_request("steered", "", exporters=[("moby", {"name": "steered"})]))))
    solving.start()
    assert b"solve.base" in control.call(GATEWAY + "Ping", metadata=meta)
    request = field(2, "dockerfile.v0") + pairs(3, {"context": address}) + field(5, 1) + field(6, 1)
    answer = control.call(GATEWAY + "Solve", request, meta)
    result = answer[2:]  # field 3, its length; inside: field 3, a reference
    assert answer[:1] == b"\x1a" and result[:1] == b"\x1a"
    control.call(GATEWAY + "Evaluate", field(1, b""), meta)
    control.call(GATEWAY + "Return", field(1, result), meta)
    solving.join(30)
    assert answers and config_of(api, "steered")["Labels"] == {"by": "gateway"}


def test_a_client_that_steers_may_give_up(control, api):
    import grpc
    meta, errors = (("buildkit-controlapi-buildid", "given-up"),), []

    def solve():
        try:
            control.call(CONTROL + "Solve", solve_request("given-up", "", exporters=[("moby", {"name": "x"})]))
        except grpc.RpcError as e:
            errors.append(e.details())
    solving = threading.Thread(target=solve)
    solving.start()
    control.call(GATEWAY + "Ping", metadata=meta)
    control.call(GATEWAY + "Return", field(2, field(1, 2) + field(2, "changed my mind")), meta)
    solving.join(30)
    assert errors == ["changed my mind"]


def test_a_failing_build_is_an_error_of_the_call(control, web):
    address = remote_context(web, "FROM busybox\nRUN exit 9\n")
    code, text = refusal(control, CONTROL + "Solve", solve_request("fails", attributes={"context": address}))
    assert code == "UNKNOWN" and "9" in text


def test_a_build_ends_when_its_client_leaves(control, api, web):
    address = remote_context(web, "FROM busybox\nRUN echo up > /up; sleep 600\n")
    call = control.channel.unary_unary(CONTROL + "Solve").future(solve_request("left", attributes={"context": address}), timeout=60)
    deadline = time.monotonic() + 20
    while not api.get("/containers/json") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert api.get("/containers/json")
    call.cancel()
    while api.get("/containers/json", all=1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert api.get("/containers/json", all=1) == []


def test_disk_usage_and_prune(control, web):
    address = remote_context(web, "FROM busybox\nRUN true\n")
    control.call(CONTROL + "Solve", solve_request("cached", attributes={"context": address}))
    assert b"regular" in control.call(CONTROL + "DiskUsage")
    pruned = list(control.stream(CONTROL + "Prune", field(2, 1)))
    assert pruned and b"regular" not in control.call(CONTROL + "DiskUsage")
    assert "min-free" in refusal_of_stream(control, CONTROL + "Prune", field(6, 5))


def refusal_of_stream(control, method, request):
    import grpc
    with pytest.raises(grpc.RpcError) as e:
        list(control.stream(method, request))
    return e.value.details()
