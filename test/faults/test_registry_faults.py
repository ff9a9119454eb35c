"""The registry server when things go wrong: killed at any moment, disks that are full, clients that lie, stall or flood."""
import hashlib
import os
import random
import socket
import subprocess
import threading
import time

import pytest

from harness.host import until
from harness.registry import OCI_MANIFEST, ShoalRegistry, digest_of

UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture
def make(tmp_path):
    made = []

    def registry(config=None, folder="r", root=None):
        r = ShoalRegistry(str(tmp_path / folder), config=config)
        if root:
            r.root = root
        made.append(r)
        return r
    yield registry
    for r in made:
        r.stop()


def begin(r, name):
    answer = r.request("POST", f"/v2/{name}/blobs/uploads/")
    assert answer.status == 202, answer.body
    return r.path_of(answer.headers["Location"])


def raw(r, data=b"", timeout=60):
    s = socket.create_connection(("127.0.0.1", r.port), timeout=timeout)
    s.sendall(data)
    return s


def answer_of(s):
    """What comes until the server closes or falls silent behind a complete head."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                break
            data += more
    except ConnectionError:
        pass
    return data


def offset_of(r, path):
    status = r.request("GET", path)
    assert status.status == 204, status.body
    return int(status.headers["Range"].split("-")[1]) + 1


# --- kill -9 ---

def test_an_upload_goes_on_where_a_killed_server_left_it(make):
    r = make().start()
    data = os.urandom(3 << 20)
    path = begin(r, "a")
    assert r.request("PATCH", path, data[:1 << 20]).status == 202
    r.kill()
    r.start()
    assert offset_of(r, path) == 1 << 20
    assert r.request("PATCH", path, data[1 << 20:2 << 20], {"Content-Range": f"{1 << 20}-{(2 << 20) - 1}"}).status == 202
    r.kill()
    r.start()
    assert r.request("PUT", f"{path}?digest={digest_of(data)}", data[2 << 20:]).status == 201
    assert r.request("GET", f"/v2/a/blobs/{digest_of(data)}").body == data


def test_a_client_that_broke_off_goes_on(make):
    r = make().start()
    data = os.urandom(2 << 20)
    path = begin(r, "a")
    s = raw(r, f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:1_000_000])
    until(lambda: offset_of(r, path) >= 700_000, 20, what="bytes on the disk")
    s.close()
    until(lambda: r.request("PATCH", path, b"", {"Content-Range": "9-9"}).status == 416, 20, what="the writer to leave")
    have = offset_of(r, path)
    assert have <= 1_000_000
    assert r.request("PUT", f"{path}?digest={digest_of(data)}", data[have:], {"Content-Range": f"{have}-{len(data) - 1}"}).status == 201
    assert r.request("GET", f"/v2/a/blobs/{digest_of(data)}").body == data


def test_nothing_that_was_acknowledged_is_lost(make):
    """Clients push as fast as they can; the server is killed again and again."""
    r = make().start()
    seen, stop, lock = {}, threading.Event(), threading.Lock()

    def push(seed):
        rng, n = random.Random(seed), 0
        while not stop.is_set():
            n += 1
            layer = rng.randbytes(rng.randrange(1, 300_000))
            try:
                _, digest = r.put_image(f"w{seed}", f"t{n}", layers=[layer])
            except (OSError, AssertionError, ValueError):
                time.sleep(0.02)
                continue
            except Exception as error:  # http.client's own for answers that were cut off
                if type(error).__module__ != "http.client":
                    raise
                continue
            with lock:
                seen[(f"w{seed}", f"t{n}")] = (digest, layer)
    threads = [threading.Thread(target=push, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        for n in range(6):
            before = len(seen)
            until(lambda: len(seen) > before + 5, 30, what="pushes")
            r.kill()
            r.start()
    finally:
        stop.set()
        for t in threads:
            t.join()
    for (name, tag), (digest, layer) in seen.items():
        assert r.request("GET", f"/v2/{name}/manifests/{tag}").headers["Docker-Content-Digest"] == digest
        assert r.request("GET", f"/v2/{name}/blobs/{digest_of(layer)}").body == layer
    assert r.stop() == 0
    verified = r.run("verify")
    assert verified.returncode == 0, verified.stdout


# --- races ---

def test_many_pushes_of_one_blob(make):
    r = make().start()
    data = os.urandom(2 << 20)
    failures = []

    def push(n):
        try:
            r.put_blob(f"r{n % 3}", data)
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=push, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    for n in range(3):
        assert r.request("GET", f"/v2/r{n}/blobs/{digest_of(data)}").body == data


def test_two_writers_of_one_session_do_not_mix(make):
    r = make().start()
    path = begin(r, "a")
    s = raw(r, f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n".encode() + b"a" * 600_000)
    until(lambda: offset_of(r, path) > 0, 20, what="the first writer")
    second = r.request("PATCH", path, b"b" * 1000)
    assert (second.status, second.code) == (409, "BLOB_UPLOAD_INVALID")
    s.sendall(b"a" * 1_400_000)
    assert answer_of(s).startswith(b"HTTP/1.1 202 ")
    assert r.request("PUT", f"{path}?digest={digest_of(b'a' * 2_000_000)}").status == 201


# --- the disk ---

@pytest.fixture
def small_disk(tmp_path):
    image, place = str(tmp_path / "disk.img"), str(tmp_path / "disk")
    os.mkdir(place)
    with open(image, "wb") as f:
        f.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode:
        pytest.skip("no loop devices here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_wrong(make, small_disk):
    r = make(root=small_disk + "/data").start()
    kept = os.urandom(1 << 20)
    r.put_image("a", "kept", layers=[kept])
    large = os.urandom(32 << 20)
    path = begin(r, "a")
    s = raw(r, f"PUT {path}?digest={digest_of(large)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n\r\n".encode())
    try:
        s.sendall(large)
    except OSError:
        pass  # it stopped listening, and has said why
    answer = answer_of(s)
    assert answer.startswith(b"HTTP/1.1 507 "), answer
    assert r.request("HEAD", f"/v2/a/blobs/{digest_of(large)}").status == 404
    assert r.request("GET", f"/v2/a/blobs/{digest_of(kept)}").body == kept
    assert r.request("DELETE", path).status == 204
    r.put_image("a", "again", layers=[os.urandom(1 << 20)])
    assert r.run("verify").returncode == 0


def test_health_tells_of_storage_that_cannot_be_written(make, small_disk):
    r = make(root=small_disk + "/data").start()
    assert r.request("GET", "/healthz").status == 200
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    answer = r.request("GET", "/healthz")
    assert answer.status == 503 and answer.body.startswith(b"storage: ")
    assert r.request("GET", "/v2/").status == 200
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert r.request("GET", "/healthz").status == 200


# --- clients ---

LIMITS = {"limits": {"header-timeout": "1s", "idle-timeout": "2s", "stall-timeout": "2s", "connections": 64, "uploads": 5, "header-size": "16KB"}}


def test_slow_and_silent_clients_are_cut_off(make):
    r = make(LIMITS).start()
    path = begin(r, "a")
    silent, slow = raw(r), raw(r, b"GET /v2/ HTTP/1.1\r\nHo")
    stalled = raw(r, f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc".encode())
    assert answer_of(silent) == b""
    assert answer_of(slow).startswith(b"HTTP/1.1 408 ")
    assert answer_of(stalled).startswith(b"HTTP/1.1 400 ")
    assert r.request("GET", "/v2/").status == 200


def test_a_client_that_does_not_read_is_cut_off(make):
    r = make(LIMITS).start()
    digest = r.put_blob("a", os.urandom(40 << 20))
    deaf = [raw(r, f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) for _ in range(10)]

    def gone():
        states = subprocess.run(["ss", "-Htn", "state", "established", f"( sport = :{r.port} )"], capture_output=True, text=True, check=True).stdout
        return len(states.splitlines()) == 0
    until(gone, 60, what="the server to give them up")
    for s in deaf:
        s.close()


def test_header_bombs_and_nonsense(make):
    r = make(LIMITS).start()
    for request, status in ((b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
                            (b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 500 + b"\r\n", b"431"),
                            (b"GET /v2/" + b"a" * 15_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
                            (b"GET /v2/ HTTP/1.1\r\n\r\n", b"400"),
                            (b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n", b"400"),
                            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
                            (b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b"400"),
                            (b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
                            (b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
                            (b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", b"400")):
        with raw(r, request) as s:
            assert answer_of(s).startswith(b"HTTP/1.1 " + status), request[:80]
    assert r.request("GET", "/v2/").status == 200


def test_endless_headers_do_not_fill_the_memory(make):
    r = make(LIMITS).start()
    with raw(r, b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n") as s:
        with pytest.raises(OSError):
            for _ in range(10_000):
                s.sendall(b"X-More: " + b"z" * 4000 + b"\r\n")
    assert r.request("GET", "/v2/").status == 200


def test_lengths_that_lie(make):
    r = make(LIMITS).start()
    data = b"short"
    path = begin(r, "a")
    # More is promised than comes.
    s = raw(r, f"PUT {path}?digest={digest_of(data)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n".encode() + data)
    s.shutdown(socket.SHUT_WR)
    assert answer_of(s).startswith(b"HTTP/1.1 400 ")
    assert r.request("HEAD", f"/v2/a/blobs/{digest_of(data)}").status == 404
    # Less is promised than comes: the rest is no part of the blob.
    path = begin(r, "b")
    s = raw(r, f"PUT {path}?digest={digest_of(data)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n".encode() + data + b"GARBAGE GARBAGE\r\n\r\n")
    assert answer_of(s).startswith(b"HTTP/1.1 201 ")
    assert r.request("GET", f"/v2/b/blobs/{digest_of(data)}").body == data
    # A chunk that says it is endless, and one that is cut.
    for chunk in (b"fffffffffffffffffff\r\nx", b"5\r\nabc", b"zz\r\n"):
        path = begin(r, "c")
        s = raw(r, f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunk)
        s.shutdown(socket.SHUT_WR)
        assert answer_of(s).startswith(b"HTTP/1.1 400 "), chunk
        assert r.request("DELETE", path).status == 204


def test_upload_sessions_have_a_limit(make):
    r = make(LIMITS).start()
    paths = [begin(r, "a") for _ in range(5)]
    over = r.request("POST", "/v2/a/blobs/uploads/")
    assert (over.status, over.code) == (429, "TOOMANYREQUESTS")
    assert r.request("DELETE", paths[0]).status == 204
    begin(r, "a")


def test_more_connections_than_the_limit_wait(make):
    r = make(LIMITS).start()
    held = [raw(r) for _ in range(100)]
    assert r.request("GET", "/v2/", timeout=30).status == 200  # idle ones leave after a while
    for s in held:
        s.close()


def test_a_deep_or_large_manifest_does_not_matter(make):
    r = make().start()
    r.put_image("a", "1")
    for data in (b"[" * 100_000, b'{"a":' * 50_000, b'{"schemaVersion":2,"layers":[' + b"{}," * 200_000 + b"{}]}", b'{"schemaVersion":2,' + b'"a":1,' * 100_000 + b'"b":1}'):
        answer = r.request("PUT", "/v2/a/manifests/bad", data, {"Content-Type": OCI_MANIFEST})
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert r.request("GET", "/v2/a/manifests/bad").status == 404


def test_many_pulls_at_one_time_stay_small(make):
    r = make().start()
    data = os.urandom(8 << 20)
    digest = r.put_blob("a", data)

    def memory():
        with open(f"/proc/{r.process.pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    before = memory()
    clients = [raw(r, f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()) for _ in range(200)]
    heads = [s.recv(1000) for s in clients]
    assert all(h.startswith(b"HTTP/1.1 200 ") for h in heads)
    assert memory() - before < 64 * 1024
    check = hashlib.sha256()
    body = heads[0].split(b"\r\n\r\n", 1)[1]
    while len(body) < len(data):
        body += clients[0].recv(1 << 20)
    check.update(body)
    assert "sha256:" + check.hexdigest() == digest
    for s in clients:
        s.close()
