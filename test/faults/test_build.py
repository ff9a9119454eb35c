"""Builds that are interrupted: the client goes away, the daemon is killed or stops, the disk is full; nothing stays behind."""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import check_agreement, mounts_under, shims  # noqa: E402

from harness import host  # noqa: E402
from harness.box import Box  # noqa: E402
from harness.build import Builder, context  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")
MARK = "31415926"  # seconds that a step's sleep is found by
STUCK = f"FROM busybox\nRUN echo first > /first\nRUN echo running; sleep {MARK}\n"


def sleepers():
    found = []
    for pid in host.descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                line = f.read().split("\0")
        except OSError:
            continue
        if MARK in line and host.alive(pid):
            found.append(pid)
    return found


def tree(folder):
    return {os.path.join(top, name) for top, folders, files in os.walk(folder) for name in folders + files}


def disk_use(d):
    return int(subprocess.run(["du", "-sk", d.data], capture_output=True, text=True).stdout.split()[0])


def nothing_left(d, seconds=10):
    """No container, process, mount or half-made thing of a build."""
    def check():
        assert not sleepers(), "a process of the step is alive"
        left = [(c["Command"], c["State"], c["Status"], c["Labels"]) for c in d.api.get("/containers/json", all=1)]
        assert left == [], "a container is there"
        assert shims(d) == [], "a monitor is there"
        merged = [m for m in mounts_under(d.data) if not m.endswith("/base")]
        assert merged == [], merged
        assert not os.path.isdir(d.data + "/tmp") or os.listdir(d.data + "/tmp") == [], os.listdir(d.data + "/tmp")
    end = time.monotonic() + seconds
    while True:
        try:
            check()
            break
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.05)
    check_agreement(d, Box(d.api))


def watched(d, text, wait_for=b"running", files=None, **query):
    s = Builder(d.api).stream(text, files, **query)
    s.read_until(wait_for)
    return s


@pytest.fixture
def d(fresh):
    return fresh()


# ---- the client goes away ----

def test_a_client_that_goes_away_ends_its_build(d):
    s = watched(d, STUCK)
    host.until(sleepers, what="the step")
    s.close()
    nothing_left(d)
    assert Builder(d.api)("FROM busybox\nRUN echo first > /first\n").cached() == [True], "what was done is kept"


def test_a_command_line_that_is_interrupted_ends_its_build(d, tmp_path):
    from conftest import make_cli
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Dockerfile").write_text(STUCK)
    for name in ("docker20", "shoal"):
        cli = make_cli(name, d, tmp_path)
        p = subprocess.Popen([cli.program, "build", "--no-cache", str(tmp_path / "c")], env={**cli.env, "DOCKER_BUILDKIT": "0"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        host.until(sleepers, what="the step")
        p.send_signal(2)
        assert p.wait(20) != 0
        p.stdout.close(), p.stderr.close()
        nothing_left(d)


def test_a_client_that_goes_away_while_it_sends_leaves_nothing(d):
    data = context("FROM busybox\nCOPY big /big\n", {"big": os.urandom(20 << 20)})
    before = disk_use(d)
    for part in (0, 100, 5000, 10 << 20, len(data) - 700):
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.socket)
        s.sendall(f"POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:part])
        time.sleep(0.2)
        s.close()
    nothing_left(d)
    assert disk_use(d) < before + 1000


def test_a_client_that_reads_nothing_does_not_grow_the_daemon(d):
    def memory():
        with open(f"/proc/{d.pid}/status") as f:
            return next(int(x.split()[1]) for x in f if x.startswith("VmRSS"))
    before = memory()
    s = socket.socket(socket.AF_UNIX)
    s.connect(d.socket)
    data = context("FROM busybox\nRUN yes 'a line of the output of a step that nobody reads' | head -c 300000000\n")
    s.sendall(f"POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    time.sleep(5)
    assert memory() < before + 60_000, "what nobody reads is kept in memory"
    assert d.api.raw("GET", "/_ping", timeout=5).status == 200
    s.close()
    nothing_left(d, 30)


def test_many_that_go_away_at_once(d):
    streams = [Builder(d.api).stream(f"FROM busybox\nRUN echo running {n}; sleep {MARK}\n") for n in range(8)]
    for s in streams:
        s.read_until(b"running")
    host.until(lambda: len(sleepers()) >= 8, what="eight steps")
    for s in streams:
        s.close()
    nothing_left(d, 20)


# ---- the daemon ----

def test_a_daemon_that_is_killed_in_a_step_leaves_nothing_after_its_next_start(d):
    s = watched(d, STUCK)
    host.until(sleepers, what="the step")
    d.kill()
    s.close()
    d.start()
    nothing_left(d)
    b = Builder(d.api)("FROM busybox\nRUN echo first > /first\nRUN echo second > /second\n")
    assert b.data("first") == "first\n" and b.data("second") == "second\n"


def test_twenty_kills_at_any_moment_of_a_build(d):
    import random
    chance = random.Random(7)
    text = "FROM busybox AS a\n" + "".join(f"RUN echo {n} >> /a && head -c 300000 /dev/urandom > /big{n}\n" for n in range(12)) + \
        "FROM busybox AS b\nCOPY f /f\n" + "".join(f"RUN --mount=type=cache,target=/c echo {n} >> /b && cp /b /c/b\n" for n in range(8)) + "FROM busybox\nCOPY --from=a /a /a\nCOPY --from=b /b /f /\n"
    files = {"f": os.urandom(3 << 20)}

    def one(n):
        try:
            Builder(d.api)(text, files, ok=None, t=f"killed:{n}", nocache=n % 3 == 0)
        except Exception:
            pass  # half an answer: to be expected while the daemon is killed
    for n in range(20):
        t = threading.Thread(target=one, args=(n,))
        t.start()
        time.sleep(chance.random() * 1.2)
        d.kill()
        t.join(30)
        d.start()
    nothing_left(d)
    b = Builder(d.api)(text, files)
    above = b.above(1)
    assert above["a"].data == b"".join(b"%d\n" % n for n in range(12)) and above["b"].data == b"".join(b"%d\n" % n for n in range(8)) and above["f"].data == files["f"]
    assert Builder(d.api)(text, files).id == b.id
    for i in d.api.get("/images/json", all=1):
        if "busybox:latest" not in (i["RepoTags"] or []):
            d.api.raw("DELETE", f"/images/{i['Id']}", force=1)
    d.api.post("/build/prune", all=1)
    assert not [x for x in os.listdir(d.data + "/layers") if x != "base" and len(os.listdir(d.data + "/layers/" + x)) == 0]
    assert len(d.api.get("/images/json", all=1)) == 1


def test_a_clean_stop_ends_builds(d):
    s = watched(d, STUCK)
    host.until(sleepers, what="the step")
    d.stop(30)
    assert not sleepers(), "a step outlived the daemon's clean end"
    s.close()
    d.start()
    nothing_left(d)


def test_a_build_goes_on_beside_containers_that_survive_a_kill(d):
    box = Box(d.api)
    kept = box.up()
    s = watched(d, STUCK)
    d.kill()
    s.close()
    d.start()
    assert box.state(kept)["Running"]
    host.until(lambda: [c["Id"] for c in d.api.get("/containers/json", all=1)] == [kept], what="the step's container to go")
    host.until(lambda: not sleepers(), what="the step's process to go")


# ---- two and more at once ----

def test_the_same_build_by_ten_clients_at_once(d):
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f; sleep 0.3\nCOPY f /g\nRUN cat /f /g > /h\n"
    found, lock = [], threading.Lock()

    def one():
        b = Builder(d.api)(text, {"f": "x"}, t="same")
        with lock:
            found.append((b.id, b.data("h")))
    threads = [threading.Thread(target=one) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert len(found) == 10 and all(len(h.split("\n")) == 2 for _, h in found)
    last = Builder(d.api)(text, {"f": "x"})
    assert last.cached() == [True] * 3 and last.id in {i for i, _ in found}
    nothing_left(d)


def test_pruning_while_builds_run(d):
    stop, errors = threading.Event(), []

    def prune():
        while not stop.is_set():
            r = d.api.raw("POST", "/build/prune", all=1)
            if r.status >= 400:
                errors.append(r)
            d.api.raw("POST", "/images/prune", filters={"dangling": ["true"]})
            time.sleep(0.02)
    t = threading.Thread(target=prune)
    t.start()
    try:
        for n in range(6):
            b = Builder(d.api)(f"FROM busybox AS a\nRUN --mount=type=cache,target=/c echo {n} > /c/f && cp /c/f /f\nRUN cat /f > /g\nFROM busybox\nCOPY --from=a /g /g\n", t=f"pruned:{n}")
            assert b.data("g") == f"{n}\n"
    finally:
        stop.set()
        t.join()
    assert not errors, errors
    nothing_left(d)


def test_images_removed_while_they_are_built_upon(d):
    def remove():
        for _ in range(40):
            d.api.raw("DELETE", "/images/base:1", force=1)
            time.sleep(0.02)
    for n in range(4):
        Builder(d.api)(f"FROM busybox\nRUN echo {n} > /base\n", t="base:1")
        t = threading.Thread(target=remove)
        t.start()
        b = Builder(d.api)(f"FROM base:1\nRUN sleep 0.3; cat /base > /f\nRUN cat /f > /g{n}\n", ok=None)
        t.join()
        assert b.good and b.above(2)["f"].data == b"%d\n" % n or "base:1" in b.error or "No such image" in b.error or "registry-1.docker.io" in b.error, b.error
    nothing_left(d)


# ---- the disk ----

@pytest.fixture
def small(scratch, fresh):
    """A daemon whose data root is a file system of 60 MB."""
    folder = tempfile.mkdtemp(prefix="bd", dir=scratch)
    disk = folder + ".ext4"
    subprocess.run(f"truncate -s 60M {disk} && mkfs.ext4 -q -m 0 {disk} && mkdir -p {folder}/data && mount -o loop {disk} {folder}/data", shell=True, check=True)
    d = fresh(folder=folder)
    yield d
    from conftest import clean
    clean(d.api)
    d.stop()
    subprocess.run(["umount", "-l", folder + "/data"])
    os.unlink(disk)


@pytest.mark.parametrize("text, files", [
    ("FROM busybox\nCOPY big /a\nCOPY big /b\nRUN cat /a /b > /c\nRUN cat /a /b > /d\n", 14),
    ("FROM busybox\nRUN cat /dev/zero > /big\n", 0),
    ("FROM busybox\n" + "".join(f"RUN dd if=/dev/zero of=/{n} bs=1M count=20\n" for n in range(4)), 0),
    ("FROM busybox\nCOPY big /a\n", 80),
    ("FROM busybox\nRUN --mount=type=cache,target=/c cat /dev/zero > /c/big\n", 0),
])
def test_a_full_disk_is_a_clear_error_and_nothing_stays(small, text, files):
    before = disk_use(small)
    b = Builder(small.api)(text, {"big": os.urandom(files << 20)} if files else {}, ok=False, forcerm=1, t="full")
    assert "no space left" in (b.error + b.text).lower(), b.error
    assert small.api.raw("GET", "/images/full/json").status == 404
    small.api.post("/images/prune", filters={"dangling": ["true"]})
    small.api.post("/build/prune", all=1)
    nothing_left(small)
    assert disk_use(small) < before + 2000, f"{before} KB before, {disk_use(small)} after"
    assert Builder(small.api)("FROM busybox\nRUN echo fine > /f\n").data("f") == "fine\n"


def test_a_context_that_does_not_fit_is_refused_while_it_comes(small):
    before = disk_use(small)
    data = context("FROM scratch\nCOPY . /\n", {f"f{n}": os.urandom(4 << 20) for n in range(20)})
    b = Builder(small.api)(data=data, ok=False)
    assert "no space left" in b.error.lower(), b.error
    nothing_left(small)
    assert disk_use(small) < before + 1000


# ---- secrets ----

def test_arguments_and_environment_of_others_are_nowhere(d):
    """What is given for one build is not in another's image, the log of the daemon, or what is listed."""
    secret = "correct-horse-battery"
    b = Builder(d.api)("FROM busybox\nRUN env > /f\n", buildargs={"HTTP_PROXY": f"http://user:{secret}@proxy.example"}, headers={"X-Registry-Config": "eyJ4Ijp7InBhc3N3b3JkIjoiYyJ9fQ=="})
    assert secret not in str(b.history) + str(b.config) + d.log_tail(10 ** 7)
    assert secret not in str(d.api.get("/system/df"))
    config = b.archive()
    assert not any(secret.encode() in data for name, data in config.items() if name.endswith(".json"))


def holders(folder, secret):
    """Files below the folder that hold the secret."""
    r = subprocess.run(["grep", "-rlaF", secret, folder], capture_output=True, text=True)
    return r.stdout.splitlines()


def test_a_secret_is_in_no_layer_history_log_or_cache(d, tmp_path):
    from conftest import make_cli
    cli, secret = make_cli("shoal", d, tmp_path), "hunter2-and-more"
    (tmp_path / "c").mkdir()
    (tmp_path / "key").write_text(secret)
    (tmp_path / "c/Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=secret,id=key test $(wc -c < /run/secrets/key) = 16 && sha1sum /run/secrets/key | cut -c1-8 > /sum\n"
        "RUN --mount=type=secret,id=key,target=/elsewhere,mode=0400,uid=1000 stat -c '%a %u' /elsewhere > /stat\n"
        "RUN --mount=type=secret,id=tok,env=TOKEN test ${#TOKEN} = 16\nRUN ! test -e /run/secrets/key && ! test -s /elsewhere && test -z \"$TOKEN\"\n")
    out = cli("build", "-t", "secret", "--secret", f"id=key,src={tmp_path}/key", "--secret", "id=tok,env=THE_TOKEN", str(tmp_path / "c"), env={"THE_TOKEN": secret})
    assert secret not in out.out + out.err
    assert cli.out("run", "--rm", "secret", "cat", "/stat") == "400 1000"
    assert holders(d.data, secret) == [] and holders(d.exec, secret) == [] and secret not in d.log_tail(10 ** 7)
    assert secret not in str(d.api.get("/images/secret/history")) + str(d.api.get("/images/secret/json")) + str(d.api.get("/system/df"))
    (tmp_path / "key").write_text("another-of-16-ch")
    again = cli("build", "-t", "secret", "--progress", "plain", "--secret", f"id=key,src={tmp_path}/key", "--secret", "id=tok,env=THE_TOKEN", str(tmp_path / "c"), env={"THE_TOKEN": secret})
    assert "CACHED" in again.out + again.err or "Using cache" in again.out + again.err, "the value of a secret is no part of the cache's key"


def test_a_secret_is_not_left_behind_by_a_kill(d, tmp_path):
    from conftest import make_cli
    cli, secret = make_cli("shoal", d, tmp_path), "hunter2-and-more"
    (tmp_path / "c").mkdir()
    (tmp_path / "key").write_text(secret)
    (tmp_path / "c/Dockerfile").write_text(f"FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key > /dev/null; sleep {MARK}\n")
    p = cli.start("build", "--secret", f"id=key,src={tmp_path}/key", str(tmp_path / "c"))
    host.until(sleepers, what="the step")
    d.kill()
    p.wait(20)
    d.start()
    nothing_left(d)
    assert holders(d.data, secret) == [] and holders(d.exec, secret) == []
