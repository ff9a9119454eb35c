"""Hostile contexts and Dockerfiles: nothing of the host is read or written, and time, memory and disk are bounded."""
import gzip
import io
import os
import sys
import tarfile
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import mounts_under  # noqa: E402
from test_hostile_archives import NAMES, cases  # noqa: E402

from harness import host  # noqa: E402
from harness.box import Box  # noqa: E402
from harness.build import Entry, context  # noqa: E402
from harness.images import add_file  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")
SECRET = "the host's own secret"


@pytest.fixture
def outside(tmp_path):
    """A folder of the host that nobody may read or change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    os.chmod(folder, 0o711)
    return str(folder)


def untouched(outside):
    with open(outside + "/secret") as f:
        assert f.read() == SECRET
    assert os.listdir(outside) == ["secret"] and os.stat(outside).st_mode & 0o777 == 0o711


def nothing_of_it(b):
    assert SECRET not in b.text + (b.error or "")
    if b.good:
        assert not any(SECRET.encode() in f.data for f in b.above(0).values())


@pytest.fixture
def d(daemon):
    yield daemon
    assert daemon.api.get("/_ping") == b"OK"
    host.until(lambda: not [m for m in mounts_under(daemon.data) if not m.endswith("/base")], what="mounts to go")
    host.until(lambda: not os.listdir(daemon.data + "/tmp"), what="contexts to go")


def with_dockerfile(archive, text):
    """A hostile archive with a Dockerfile put in front."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add_file(tar, "Dockerfile", text)
    return out.getvalue()[:1024] + archive  # without the end marks


# ---- contexts that lead out ----

@pytest.mark.parametrize("name", NAMES)
def test_a_context_that_leads_out(d, build, outside, name):
    archive = with_dockerfile(cases(outside)[name], "FROM scratch\nCOPY . /all\n")
    nothing_of_it(build(data=archive, ok=None))
    untouched(outside)


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_to_add_that_leads_out(d, build, outside, name):
    nothing_of_it(build("FROM busybox\nADD a.tar /deep/er/\n", {"a.tar": cases(outside)[name]}, ok=None))
    untouched(outside)


LINES = ["COPY link /x", "COPY link/secret /x", "COPY link/ /x/", "COPY link/* /x/", "COPY l*/secret /x", "COPY chain/secret /x", "COPY up/secret /x", "ADD link/secret /x", "COPY d /x", "COPY . /x",
         "COPY --parents link/secret /x", "COPY --link link/secret /x", "RUN --mount=type=bind,source=link,target=/m cp -r /m /x", "RUN --mount=type=bind,source=link/secret,target=/m cp /m /x",
         "RUN --mount=target=/ctx cp -rL /ctx /x"]


@pytest.mark.parametrize("line", LINES)
def test_links_of_the_context_are_not_followed_out_of_it(d, build, outside, line):
    up = "../" * 20 + outside[1:]
    files = {"link": Entry(link=outside), "chain": Entry(link="link"), "up": Entry(link=up), "d/link": Entry(link=outside + "/secret"), "d/f": "f"}
    nothing_of_it(build(f"FROM busybox\n{line}\n", files, ok=None))
    untouched(outside)


@pytest.mark.parametrize("path", ["/link/secret", "/link", "/link/", "/l*/secret", "/d", "/up/secret", "/.."])
def test_links_of_a_stage_are_not_followed_out_of_it(d, build, outside, path):
    up = "../" * 30 + outside[1:]
    b = build(f"FROM busybox AS one\nRUN ln -s {outside} /link && ln -s {up} /up && mkdir /d && ln -s {outside}/secret /d/l\nFROM busybox\nCOPY --from=one {path} /x\n", ok=None)
    nothing_of_it(b)
    untouched(outside)


@pytest.mark.parametrize("line", ["COPY f /link/f", "COPY f /link/", "COPY d /link", "ADD a.tar /link/", "COPY --link f /link/f", "WORKDIR /link/made", "COPY --chown=5:5 f /file", "COPY --chmod=777 d /link",
                                  "VOLUME /link/v", "COPY f /up/f", "RUN --mount=type=cache,target=/link/c echo x > /link/c/f", "RUN --mount=type=tmpfs,target=/link/t true"])
def test_links_of_the_image_are_not_written_through_to_the_host(d, build, outside, line):
    up = "../" * 30 + outside[1:]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        add_file(tar, "f", "evil")
    build(f"FROM busybox\nRUN ln -s {outside} /link && ln -s {up} /up && ln -s {outside}/secret /file\n{line}\nRUN true\n", {"f": "evil", "d/f": "evil", "a.tar": archive.getvalue()}, ok=None)
    untouched(outside)


@pytest.mark.parametrize("file", ["passwd", "group"])
def test_the_password_file_of_an_image_is_not_followed_to_the_host(d, build, tmp_path, file):
    (tmp_path / "passwd").write_text("stolen:x:4444:4444::/:/bin/sh\n")
    (tmp_path / "group").write_text("stolen:x:4444:\n")
    b = build(f"FROM busybox\nRUN ln -sf {tmp_path}/{file} /etc/{file}\nCOPY --chown={'stolen' if file == 'passwd' else '0:stolen'} f /f\n", {"f": "x"}, ok=None)
    assert not b.good, "an owner was found in a file of the host"


def test_the_users_file_of_an_image_may_be_a_pipe_or_huge(d, build):
    began = time.monotonic()
    build.fails("FROM busybox\nRUN rm /etc/passwd && mkfifo /etc/passwd\nCOPY --chown=web f /f\n", {"f": "x"}, timeout=30)
    build.fails("FROM busybox\nRUN rm /etc/passwd && ln -s /dev/zero /etc/passwd\nCOPY --chown=web f /f\n", {"f": "x"}, timeout=30)
    assert time.monotonic() - began < 30


def test_the_dockerfile_may_not_be_a_link_device_or_pipe_that_hangs(d, build, outside):
    for entry in (Entry(link=outside + "/secret"), Entry(kind=tarfile.FIFOTYPE), Entry(kind=tarfile.CHRTYPE, devmajor=1, devminor=5), Entry(kind=tarfile.DIRTYPE)):
        b = build.fails(None, {"Dockerfile": entry}, timeout=20)
        assert SECRET not in b.error + b.text
    b = build("FROM busybox\nCOPY f /x\n", {".dockerignore": Entry(link=outside + "/secret"), "f": "x"}, ok=None)
    nothing_of_it(b)


@pytest.mark.parametrize("kind, numbers", [(tarfile.BLKTYPE, {"devmajor": 8, "devminor": 0}), (tarfile.CHRTYPE, {"devmajor": 1, "devminor": 1}), (tarfile.FIFOTYPE, {})])
def test_special_files_of_a_context_do_no_harm(d, build, kind, numbers):
    b = build("FROM busybox\nCOPY d /d\n", {"d/special": Entry(kind=kind, **numbers), "d/f": "x"}, ok=None, timeout=30)
    if b.good:
        assert b.data("d/f") == "x"
        assert "device" not in {f.kind for f in b.own.values()} or b.sh("head -c 1 /d/special").code != 0, "a device of the host can be read"


# ---- lies and bombs ----

def bounded_memory(d):
    with open(f"/proc/{d.pid}/status") as f:
        return next(int(x.split()[1]) for x in f if x.startswith("VmHWM"))


def test_a_size_that_lies_is_refused(d, build):
    data = bytearray(context("FROM busybox\n", {"f": "x" * 100}))
    for claim in (b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"00000000001\0"):
        forged = bytearray(data)
        forged[124:136] = claim
        forged[148:156] = b" " * 8
        forged[148:156] = b"%06o\0 " % sum(forged[:512])
        build(data=bytes(forged), ok=None, timeout=30)
    assert d.api.get("/_ping") == b"OK"


def test_a_context_that_ends_early_is_refused(d, build):
    data = context("FROM busybox\nCOPY . /\n", {"f": os.urandom(100000)})
    for part in (600, 1500, 50000, len(data) // 2):
        build.fails(data=data[:part], timeout=30)


def test_a_bomb_of_zeros_is_bounded(d, build):
    """1 GB of zeros in few MB: refused by a limit, or by the disk; never by the daemon's death, and nothing stays."""
    class Zeros(io.RawIOBase):
        left = 1 << 30

        def read(self, n=-1):
            n = min(n, self.left)
            self.left -= n
            return b"\0" * n
    path = d.folder + "/bomb"
    with gzip.open(path, "wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w|") as tar:
        add_file(tar, "Dockerfile", "FROM scratch\nCOPY f /f\n")
        info = tarfile.TarInfo("big")
        info.size = 1 << 30
        tar.addfile(info, Zeros())
    before = bounded_memory(d)
    with open(path, "rb") as f:
        data = f.read()
    os.unlink(path)
    began = time.monotonic()
    build(data=data, ok=None, timeout=120)
    assert time.monotonic() - began < 100 and bounded_memory(d) < before + 200_000


def test_a_bomb_to_add_is_bounded(d, build):
    bomb = gzip.compress(gzip.compress(b"\0" * (100 << 20)))
    before = bounded_memory(d)
    b = build("FROM busybox\nADD bomb /b\n", {"bomb": bomb}, ok=None, timeout=60)
    assert bounded_memory(d) < before + 100_000 and (not b.good or b.own["b"].data == bomb)


def test_ten_thousand_files(d, build):
    data = context("FROM scratch\nCOPY . /x\n", {f"d{n % 100}/f{n}": "" for n in range(10000)})
    b = build(data=data, timeout=120)
    assert b.image["Size"] < 1 << 20


@pytest.mark.parametrize("text", [
    "FROM busybox\n" + "LABEL a=b\n" * 12000,
    "FROM busybox\nRUN " + "x" * (5 << 20) + "\n",
    "FROM busybox\nLABEL x=" + "${" * 100000 + "\n",
    "FROM busybox\nLABEL x=" + "${A:-" * 50000 + "x" + "}" * 50000 + "\n",
    "FROM busybox\n" + "ENV A=$A$A$A$A$A$A$A$A$A$Ax\n" * 40,
    "FROM busybox\nRUN " + "<<A " * 5000 + "\n",
    "ARG A\n" * 20000 + "FROM busybox\n",
    "".join(f"FROM busybox AS s{n}\n" for n in range(20000)),
    "\0" * 1000, "FROM busybox\nRUN \0\n", "FROM busybox\nENV \xff=\xfe\n", "#" * (5 << 20), "FROM busybox\nCOPY " + "[" * 10000 + " /x\n",
    "FROM busybox\nCOPY " + "*a" * 2000 + " /x\n", "FROM busybox\nHEALTHCHECK --interval=99999999999999999999h CMD x\n", "FROM busybox\nEXPOSE 1-65535\nEXPOSE 1-65535/udp\n",
])
def test_dockerfiles_of_a_stranger_are_bounded(d, build, text):
    before, began = bounded_memory(d), time.monotonic()
    build(text, {"a" * 200: "x"}, ok=None, timeout=60)
    assert time.monotonic() - began < 20 and bounded_memory(d) < before + 150_000


def test_ignore_patterns_of_a_stranger_are_bounded(d, build):
    began = time.monotonic()
    for text in ("**/" * 500 + "x\n", "*a" * 3000 + "\n", "a\n" * 20000, "[" * 5000, "!" * 5000):
        build("FROM scratch\nCOPY --exclude=" + text[:4000].split("\n")[0] + " . /\n", {"a" * 200: "x", "b/" * 50 + "c": "y", ".dockerignore": text}, ok=None, timeout=60)
    assert time.monotonic() - began < 30


def test_onbuild_triggers_cannot_multiply_without_end(d, build):
    text, began = "FROM busybox\n" + "ONBUILD RUN true\n" * 20, time.monotonic()
    build(text, t="many:1")
    build("FROM many:1\n", ok=None, timeout=120)
    assert time.monotonic() - began < 120


def test_a_fork_bomb_in_a_step_ends_with_it(d, build):
    b = build("FROM busybox\nRUN for i in $(seq 300); do sleep 1000 & done; echo started\n", ok=None)
    assert b.good and Box(d.api).api.get("/containers/json") == []


# ---- addresses ----

@pytest.mark.parametrize("address", ["file:///etc/passwd", "unix:///var/run/docker.sock", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://", "https://:0/", "http://[::1", "git@-oProxyCommand=touch /tmp/owned:x",
                                     "ext::sh -c touch% /tmp/owned", "git://-oProxyCommand=x/y.git"])
def test_odd_addresses_are_refused(d, build, address):
    for b in (build(f'FROM busybox\nADD ["{address}", "/x"]\n', ok=False, timeout=60), build(data=b"", remote=address, ok=False, timeout=60)):
        assert "root:" not in b.error + b.text
    assert not os.path.exists("/tmp/owned")


def test_a_redirect_to_a_file_is_not_followed(d, build, web):
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd" if self.path == "/file" else self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("192.0.2.53", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for path in ("/file", "/for-ever"):
            b = build.fails(f"FROM busybox\nADD http://192.0.2.53:{server.server_address[1]}{path} /x\n", timeout=60)
            assert "root:" not in b.error
    finally:
        server.shutdown()
        server.server_close()


def test_an_address_that_never_ends_is_bounded_by_the_client_going_away(d, build):
    import socket
    import threading
    listener = socket.socket()
    listener.bind(("192.0.2.53", 0))
    listener.listen()

    def serve():
        try:
            c, _ = listener.accept()
            c.recv(4096)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")
            while True:
                c.sendall(b"x" * 65536)
                time.sleep(0.01)
        except OSError:
            pass
    threading.Thread(target=serve, daemon=True).start()
    s = build.stream(f"FROM busybox\nADD http://192.0.2.53:{listener.getsockname()[1]}/x /x\n")
    s.read_until(b"Step 2/2")
    time.sleep(1)
    s.close()
    end = time.monotonic() + 10
    while os.listdir(d.data + "/tmp") and time.monotonic() < end:
        time.sleep(0.1)
    listener.close()
