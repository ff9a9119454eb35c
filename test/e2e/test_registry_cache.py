"""The pull-through cache: `shoald registry serve` in front of another registry."""
import base64
import concurrent.futures
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import threading
import time

import pytest

from harness import host, relay
from harness.registry import OCI_MANIFEST, DockerRegistry, ShoalRegistry, digest_of

ACCEPT = {"Accept": OCI_MANIFEST}


def cache_config(upstream, **more):
    return {"upstreams": [{"prefix": "hub/", "url": f"http://{upstream.address}", "insecure": True, "ttl": "1h", **more}]}


def requests_of(upstream, text):
    """How often docker-registry's log shows `text` in a request line."""
    with open(upstream.log, errors="replace") as f:
        return sum(1 for line in f if text in line and '"GET ' in line)


@pytest.fixture
def upstream(tmp_path):
    registry = DockerRegistry(str(tmp_path / "upstream"))
    yield registry.start()
    registry.stop()


@pytest.fixture
def make_cache(tmp_path):
    made = []

    def make(config):
        folder = str(tmp_path / f"cache{len(made)}")
        os.makedirs(folder)
        made.append(ShoalRegistry(folder, config=config))
        return made[-1].start()

    yield make
    for registry in made:
        registry.stop()


def read_image(cache, name, reference):
    answer = cache.request("GET", f"/v2/{name}/manifests/{reference}", headers=ACCEPT)
    assert answer.status == 200, (answer.status, answer.body)
    manifest = answer.json()
    for part in [manifest["config"], *manifest["layers"]]:
        blob = cache.request("GET", f"/v2/{name}/blobs/{part['digest']}")
        assert blob.status == 200, (blob.status, blob.body)
        assert digest_of(blob.body) == part["digest"]
    return answer


def test_an_image_is_fetched_once_and_served_while_the_upstream_is_away(upstream, make_cache):
    _, digest = upstream.put_image("team/app", "1", [b"one" * 1000, b"two"])
    cache = make_cache(cache_config(upstream, ttl="0s"))
    assert read_image(cache, "hub/team/app", "1").headers["Docker-Content-Digest"] == digest
    upstream.stop()
    answer = read_image(cache, "hub/team/app", "1")
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Warning"].startswith("110")
    assert "Warning" not in read_image(cache, "hub/team/app", digest).headers
    assert cache.request("GET", "/v2/hub/team/app/tags/list").json()["tags"] == ["1"]
    absent = cache.request("GET", "/v2/hub/team/app/manifests/2", headers=ACCEPT)
    assert absent.status == 503 and absent.code == "UNAVAILABLE"
    cache.stop()
    cache.start()
    read_image(cache, "hub/team/app", "1")


def test_a_tag_is_believed_for_its_time_and_then_asked_again(upstream, make_cache):
    _, old = upstream.put_image("app", "1", [b"old"])
    patient, curious = make_cache(cache_config(upstream)), make_cache(cache_config(upstream, ttl="0s"))
    for cache in patient, curious:
        read_image(cache, "hub/app", "1")
    _, new = upstream.put_image("app", "1", [b"new"])
    assert read_image(patient, "hub/app", "1").headers["Docker-Content-Digest"] == old
    answer = read_image(curious, "hub/app", "1")
    assert answer.headers["Docker-Content-Digest"] == new and "Warning" not in answer.headers


def test_many_who_ask_for_a_blob_wait_for_one_fetch(upstream, make_cache):
    data = os.urandom(1 << 20) * 24
    digest = upstream.put_blob("big", data)
    cache = make_cache(cache_config(upstream))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: cache.request("GET", f"/v2/hub/big/blobs/{digest}"), range(8)))
    assert all(a.status == 200 and a.body == data for a in answers)
    assert requests_of(upstream, f"/v2/big/blobs/{digest}") == 1
    part = cache.request("GET", f"/v2/hub/big/blobs/{digest}", headers={"Range": "bytes=5-9"})
    assert part.status == 206 and part.body == data[5:10]


def test_credentials_of_the_upstream_are_used_and_kept_from_clients(tmp_path, make_cache):
    upstream = DockerRegistry(str(tmp_path / "guarded"), users={"reader": "sesame"}).start()
    try:
        upstream.put_image("app", "1", [b"x"], user="reader:sesame")
        secret = tmp_path / "password"
        secret.write_text("sesame\n")
        secret.chmod(0o600)
        wrong = tmp_path / "wrong"
        wrong.write_text("open\n")
        with_right = make_cache(cache_config(upstream, username="reader", **{"password-file": str(secret)}))
        read_image(with_right, "hub/app", "1")
        for more in {}, {"username": "reader", "password-file": str(wrong)}:
            refused = make_cache(cache_config(upstream, **more)).request("GET", "/v2/hub/app/manifests/1", headers=ACCEPT)
            # Never 401: a client would take that for its own log-in.
            assert refused.status in (404, 503), (refused.status, refused.body)
            assert "sesame" not in refused.body.decode()
    finally:
        upstream.kill()


def test_a_blob_of_one_repository_is_not_shown_by_another(upstream, make_cache):
    digest = upstream.put_blob("one", b"only here")
    cache = make_cache(cache_config(upstream))
    assert cache.request("GET", f"/v2/hub/one/blobs/{digest}").body == b"only here"
    assert cache.request("GET", f"/v2/hub/other/blobs/{digest}").status == 404
    assert cache.request("HEAD", f"/v2/hub/other/blobs/{digest}").status == 404
    assert cache.request("HEAD", f"/v2/hub/one/blobs/{digest}").headers["Content-Length"] == "9"


def test_nothing_is_pushed_or_deleted_under_a_prefix_and_the_rest_is_ours(upstream, make_cache):
    upstream.put_image("app", "1")
    cache = make_cache(cache_config(upstream))
    for method, path in (("POST", "/v2/hub/app/blobs/uploads/"), ("PUT", "/v2/hub/app/manifests/1"),
                         ("DELETE", "/v2/hub/app/manifests/1"), ("DELETE", "/v2/hub/app/blobs/" + digest_of(b"layer"))):
        refused = cache.request(method, path, b"{}" if method == "PUT" else None)
        assert refused.status == 403 and refused.code == "DENIED", (method, refused.status, refused.body)
    cache.put_image("own/app", "1")
    assert cache.request("GET", "/v2/own/app/manifests/1", headers=ACCEPT).status == 200


def test_what_the_upstream_no_longer_has_is_not_served(upstream, make_cache):
    _, digest = upstream.put_image("app", "1")
    cache = make_cache(cache_config(upstream, ttl="0s"))
    read_image(cache, "hub/app", "1")
    assert upstream.request("DELETE", f"/v2/app/manifests/{digest}").status == 202
    assert cache.request("GET", "/v2/hub/app/manifests/1", headers=ACCEPT).status == 404


def test_settings_that_cannot_be_are_refused_by_name(tmp_path):
    for entry, word in (({"prefix": "hub", "url": "https://x"}, "prefix"), ({"prefix": "hub/", "url": "http://x"}, "insecure"),
                        ({"prefix": "hub/", "url": "https://x", "username": "a"}, "password-file"), ({"prefix": "hub/", "url": "https://x", "speed": 1}, "speed"),
                        ({"prefix": "hub/", "url": "https://x", "ttl": "soon"}, "ttl")):
        registry = ShoalRegistry(str(tmp_path / word), config={"upstreams": [entry]})
        with pytest.raises(AssertionError) as error:
            registry.start()
        assert word in str(error.value)


class Liar(http.server.BaseHTTPRequestHandler):
    """An upstream whose blobs have the right length and other bytes."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"{}" if self.path == "/v2/" else b"wrong"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


def test_bytes_with_another_digest_are_neither_served_nor_kept(make_cache):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        cache = make_cache({"upstreams": [{"prefix": "hub/", "url": f"http://127.0.0.1:{server.server_address[1]}", "insecure": True}]})
        for _ in range(2):
            refused = cache.request("GET", f"/v2/hub/app/blobs/{digest_of(b'right')}")
            assert refused.status == 503 and b"another digest" in refused.body, (refused.status, refused.body)
        kept = [files for _, _, files in os.walk(cache.root + "/private/cache") if files]
        assert kept == []
    finally:
        server.shutdown()
        server.server_close()


OUTSIDE = "192.0.2.53"  # of this network namespace, and not a loopback address: certificates count there
READER = "reader:sesame-and-thyme"


class Upstream(ShoalRegistry):
    """Ours with users, under an address that is not loopback, and with its own certificate unless told not to."""

    def __init__(self, folder, config=None, args=("--name", OUTSIDE)):
        access = {"admins": ["writer"], "rules": [{"users": ["reader"], "prefix": "team", "actions": ["pull"]}]}
        super().__init__(folder, config={"access": access, **(config or {})}, args=args)
        for user in (READER, "writer:rosemary-and-dill"):
            name, password = user.split(":")
            done = self.run("user", "add", name, "--password-stdin", stdin=password)
            assert done.returncode == 0, done.stderr

    @property
    def address(self):
        return f"{OUTSIDE}:{self.port}"

    @property
    def wanted_address(self):
        return f"{OUTSIDE}:{self.port or 0}"

    @property
    def authority(self):
        found = [os.path.join(d, f) for d, _, fs in os.walk(self.root + "/private/tls") for f in fs if f.startswith("ca") and f.endswith((".crt", ".pem"))]
        return found[0] if found else None

    def connection(self, timeout=60):
        if self.authority:
            context = ssl.create_default_context(cafile=self.authority)
            context.check_hostname = False
            return http.client.HTTPSConnection(OUTSIDE, self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(OUTSIDE, self.port, timeout=timeout)

    def put_app(self):
        return self.put_image("team/app", "1", [b"one" * 1000, b"two"], user="writer:rosemary-and-dill")[1]


@pytest.fixture
def certificates():
    """/etc/docker/certs.d of the tests' own mount namespace, empty."""
    made = not os.path.isdir("/etc/docker")
    if made:
        os.mkdir("/etc/docker")
    host.sh("mount -t tmpfs -o mode=755 certs /etc/docker")

    def trust(place, authority):
        os.makedirs(f"/etc/docker/certs.d/{place}")
        shutil.copy(authority, f"/etc/docker/certs.d/{place}/ca.crt")

    yield trust
    host.sh("umount /etc/docker")
    if made:
        os.rmdir("/etc/docker")


@pytest.fixture
def log_in(tmp_path):
    secret = tmp_path / "password"
    secret.write_text(READER.split(":")[1] + "\n")
    secret.chmod(0o600)
    return {"username": "reader", "password-file": str(secret)}


@pytest.mark.parametrize("challenge", ["bearer", "basic"])
def test_an_upstream_with_a_certificate_of_its_own_and_users(tmp_path, make_cache, certificates, log_in, challenge):
    upstream = Upstream(str(tmp_path / "upstream"), {"challenge": challenge}).start()
    try:
        digest = upstream.put_app()
        scheme = upstream.request("GET", "/v2/").headers["WWW-Authenticate"].split()[0]
        assert scheme.lower() == challenge
        entry = {"prefix": "hub/", "url": f"https://{upstream.address}", **log_in}
        refused = make_cache({"upstreams": [entry]}).request("GET", "/v2/hub/team/app/manifests/1", headers=ACCEPT)
        assert refused.status == 503 and b"certificate" in refused.body, (refused.status, refused.body)
        certificates(upstream.address, upstream.authority)
        cache = make_cache({"upstreams": [entry]})
        assert read_image(cache, "hub/team/app", "1").headers["Docker-Content-Digest"] == digest
        assert cache.request("GET", "/v2/hub/team/app/tags/list").json()["tags"] == ["1"]
        # What the reader may not see there cannot be told from what is not there.
        upstream.put_image("secret/app", "1", user="writer:rosemary-and-dill")
        hidden = cache.request("GET", "/v2/hub/secret/app/manifests/1", headers=ACCEPT)
        assert hidden.status in (404, 503) and "sesame" not in hidden.body.decode(), (hidden.status, hidden.body)
        # A refusal of one repository does not lock out the others.
        assert cache.request("GET", "/v2/hub/team/app/tags/list").json()["tags"] == ["1"]
        insecure = make_cache({"upstreams": [{**entry, "url": f"https://{upstream.address}", "prefix": "lab/", "insecure": True}]})
        read_image(insecure, "lab/team/app", "1")
    finally:
        upstream.stop()


class Proxy:
    """An HTTP proxy that knows where `names` are ("upstream.example" -> address), and writes down what it is asked."""

    def __init__(self, names, user=None):
        self.names, self.user, self.asked = names, user, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        with client:
            head = relay.read_head(client)
            if not head:
                return
            line = head.split(b"\r\n", 1)[0].decode()
            self.asked.append(line)
            wanted = "Basic " + base64.b64encode((self.user or "").encode()).decode()
            if self.user and wanted.encode() not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            for name, address in self.names.items():
                head = head.replace(f" http://{name}".encode(), f" http://{address}".encode(), 1).replace(f"CONNECT {name}".encode(), f"CONNECT {address}".encode(), 1)
            try:
                relay.answer(client, head)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class CacheWithEnvironment(ShoalRegistry):
    def __init__(self, folder, config, environment):
        super().__init__(folder, config=config)
        self.environment = environment

    def command(self):
        return ["env", *(f"{k}={v}" for k, v in self.environment.items()), *super().command()]


@pytest.fixture
def direct_relay(monkeypatch):
    """The proxy of the test goes by itself, whatever the machine's proxy is."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_an_upstream_behind_a_proxy_of_the_environment(tmp_path, certificates, log_in, direct_relay):
    upstream = Upstream(str(tmp_path / "upstream"), args=("--name", "upstream.example")).start()
    proxy = Proxy({"upstream.example": OUTSIDE}, user="ann:proxy-secret")
    certificates(f"upstream.example:{upstream.port}", upstream.authority)
    entry = {"prefix": "hub/", "url": f"https://upstream.example:{upstream.port}", **log_in}
    cache = CacheWithEnvironment(str(tmp_path / "cache"), {"upstreams": [entry]}, {"HTTPS_PROXY": f"http://ann:proxy-secret@{proxy.address}"}).start()
    wrong = CacheWithEnvironment(str(tmp_path / "wrong"), {"upstreams": [entry]}, {"HTTPS_PROXY": f"http://ann:other-secret@{proxy.address}"}).start()
    try:
        digest = upstream.put_app()
        assert read_image(cache, "hub/team/app", "1").headers["Docker-Content-Digest"] == digest
        assert proxy.asked and all(line.startswith(f"CONNECT upstream.example:{upstream.port} ") for line in proxy.asked)
        refused = wrong.request("GET", "/v2/hub/team/app/manifests/1", headers=ACCEPT)
        assert refused.status == 503 and b"407" in refused.body, (refused.status, refused.body)
        assert b"other-secret" not in refused.body and "other-secret" not in wrong.log_tail()
    finally:
        for server in cache, wrong, proxy, upstream:
            server.stop()


def test_an_upstream_without_tls_behind_a_proxy(tmp_path, log_in, direct_relay):
    upstream = Upstream(str(tmp_path / "upstream"), {"challenge": "basic"}, args=("--plain-http",)).start()
    proxy = Proxy({"plain.example": OUTSIDE})
    entry = {"prefix": "hub/", "url": f"http://plain.example:{upstream.port}", "insecure": True, **log_in}
    config = {"upstreams": [entry, {**entry, "prefix": "near/", "url": f"http://{upstream.address}"}]}
    cache = CacheWithEnvironment(str(tmp_path / "cache"), config, {"http_proxy": f"http://{proxy.address}", "https_proxy": f"http://{proxy.address}", "no_proxy": OUTSIDE}).start()
    try:
        digest = upstream.put_app()
        assert read_image(cache, "hub/team/app", "1").headers["Docker-Content-Digest"] == digest
        assert any(line.startswith(f"GET http://plain.example:{upstream.port}/v2/team/app/manifests/1 ") for line in proxy.asked), proxy.asked
        asked = len(proxy.asked)
        read_image(cache, "near/team/app", "1")
        assert len(proxy.asked) == asked
    finally:
        for server in cache, proxy, upstream:
            server.stop()


def cached(cache, digest):
    """The file of a blob in the cache; None when it is not there."""
    path = f"{cache.root}/private/cache/blobs/{digest.replace(':', '-')}"
    return path if os.path.exists(path) else None


def read_hours_ago(cache, digest, hours):
    then = time.time() - hours * 3600
    os.utime(cached(cache, digest), (then, then))


def test_the_least_recently_read_makes_room_but_not_what_is_being_served(upstream, make_cache):
    size = 5_900_000
    blobs = [os.urandom(size) for _ in range(4)]
    served, oldest, newer, last = (upstream.put_blob("big", data) for data in blobs)
    cache = make_cache({**cache_config(upstream), "cache": {"size": "20MB"}})
    for hours, digest in ((3, served), (2, oldest), (1, newer)):
        assert cache.request("GET", f"/v2/hub/big/blobs/{digest}").status == 200
        read_hours_ago(cache, digest, hours)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(60)
        slow.connect(("127.0.0.1", cache.port))
        slow.sendall(f"GET /v2/hub/big/blobs/{served} HTTP/1.1\r\nHost: {cache.address}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        read_hours_ago(cache, served, 3)
        assert cache.request("GET", f"/v2/hub/big/blobs/{last}").body == blobs[3]
        host.until(lambda: not cached(cache, oldest), what="room made")
        assert cached(cache, served) and cached(cache, newer) and cached(cache, last)
        assert answer.read() == blobs[0]
    assert cache.request("GET", f"/v2/hub/big/blobs/{oldest}").body == blobs[1]
    # The sweep at the start looks, too.
    cache.stop()
    for hours, digest in ((4, served), (2, oldest), (3, newer), (1, last)):
        if cached(cache, digest):
            read_hours_ago(cache, digest, hours)
    cache.write_config({**cache_config(upstream), "cache": {"size": "7MB"}})
    cache.start()
    host.until(lambda: [d for d in (served, oldest, newer, last) if cached(cache, d)] == [last], what="room made at the start")


def test_a_blob_larger_than_the_whole_cache_is_served(upstream, make_cache):
    data = os.urandom(3_000_000)
    digest = upstream.put_blob("big", data)
    cache = make_cache({**cache_config(upstream), "cache": {"size": "1MB"}})
    for _ in range(3):
        assert cache.request("GET", f"/v2/hub/big/blobs/{digest}").body == data
        host.until(lambda: not cached(cache, digest), what="room made")


def test_a_size_that_is_none_is_refused_by_name(tmp_path):
    for number, (value, word) in enumerate((({"size": "much"}, "cache.size"), ({"sizes": "1GB"}, "cache.sizes"), ("1GB", "cache"))):
        registry = ShoalRegistry(str(tmp_path / str(number)), config={"cache": value})
        with pytest.raises(AssertionError) as error:
            registry.start()
        assert word in str(error.value)


def test_usage_collection_and_metrics_tell_of_the_cache(upstream, make_cache):
    layers = [b"one" * 1000, b"two" * 500]
    upstream.put_image("team/app", "1", layers)
    config = {"upstreams": [cache_config(upstream)["upstreams"][0], {"prefix": "lab/", "url": f"http://{upstream.address}", "insecure": True, "keep": "1h"}]}
    cache = make_cache(config)
    for name in "hub/team/app", "hub/team/app", "lab/team/app":
        read_image(cache, name, "1")

    def said(*words):
        done = cache.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    held = json.loads(said("du", "--json"))["cache"]
    by_prefix = {one["prefix"]: one for one in held["upstreams"]}
    assert set(by_prefix) == {"hub/", "lab/"}
    for one in by_prefix.values():
        assert (one["repositories"], one["tags"], one["manifests"], one["blobs"]) == (1, 1, 1, 3)
        assert one["bytes"] > 4000
    assert held["bytes"] < by_prefix["hub/"]["bytes"] + by_prefix["lab/"]["bytes"] - 4000  # blobs lie there once
    text = said("du")
    assert any(line.split()[:1] == ["hub/"] for line in text.splitlines()) and "\ncache " in text, text

    metrics = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in cache.request("GET", "/metrics").body.decode().splitlines() if line.startswith("shoal_registry_cache")}
    assert metrics['shoal_registry_cache_reads_total{kind="blob",result="hit"}'] == 3
    assert metrics['shoal_registry_cache_reads_total{kind="blob",result="miss"}'] == 6
    assert metrics['shoal_registry_cache_reads_total{kind="manifest",result="hit"}'] == 1
    assert metrics['shoal_registry_cache_reads_total{kind="manifest",result="miss"}'] == 2
    assert 0 < metrics["shoal_registry_cache_bytes"] <= held["bytes"]
    assert metrics["shoal_registry_cache_fetched_bytes_total"] > 4000

    then = time.time() - 7200
    for folder, _, files in os.walk(f"{cache.root}/private/cache/repositories"):
        for file in files:
            os.utime(os.path.join(folder, file), (then, then))
    would = json.loads(said("gc", "--dry-run", "--json"))["cache"]
    assert would["removedFiles"] == 2 and 0 < would["freedBytes"] < 4000  # lab's tag and manifest; hub keeps the blobs
    assert json.loads(said("du", "--json"))["cache"] == held
    assert "of the cache" in said("gc", "--dry-run")
    assert json.loads(said("gc", "--json"))["cache"] == would
    left = {one["prefix"]: one["blobs"] for one in json.loads(said("du", "--json"))["cache"]["upstreams"]}
    assert left == {"hub/": 3, "lab/": 0}
    upstream.stop()
    read_image(cache, "hub/team/app", "1")


class Dripping(http.server.BaseHTTPRequestHandler):
    """An upstream that sends the first half of its only blob, and the rest when it is let."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        body = b"{}" if self.path == "/v2/" else server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if body is not server.body:
            self.wfile.write(body)
            return
        server.asked += 1
        half = len(body) // 2
        self.wfile.write(body[:half])
        server.go_on.wait(60)
        if server.breaks_off:
            self.close_connection = True
            return
        self.wfile.write(body[half:])

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def dripping():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    server.body, server.asked, server.go_on, server.breaks_off = os.urandom(6_000_000), 0, threading.Event(), False
    server.settings = {"upstreams": [{"prefix": "hub/", "url": f"http://127.0.0.1:{server.server_address[1]}", "insecure": True}]}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


def begin_read(cache, digest, headers=None):
    c = cache.connection()
    c.request("GET", f"/v2/hub/app/blobs/{digest}", headers=headers or {})
    answer = c.getresponse()
    answer.connection = c  # lives as long as the answer
    return answer


def test_a_large_blob_is_served_while_it_comes(dripping, make_cache):
    digest = digest_of(dripping.body)
    cache = make_cache(dripping.settings)
    first, second = begin_read(cache, digest), begin_read(cache, digest)
    part = begin_read(cache, digest, {"Range": "bytes=1000000-1999999"})
    late = begin_read(cache, digest, {"Range": "bytes=5999990-"})
    assert (first.status, part.status, late.status) == (200, 206, 206)
    assert first.headers["Content-Length"] == "6000000" and first.headers["Docker-Content-Digest"] == digest
    half = first.read(2_900_000)
    assert half == dripping.body[:2_900_000]
    assert second.read(2_900_000) == half
    assert part.read() == dripping.body[1_000_000:2_000_000]
    assert not cached(cache, digest)
    gone = begin_read(cache, digest)
    gone.read(1000)
    gone.close()
    gone.connection.close()
    dripping.go_on.set()
    assert half + first.read() == half + second.read() == dripping.body
    assert late.read() == dripping.body[5_999_990:]
    assert dripping.asked == 1
    assert cache.request("GET", f"/v2/hub/app/blobs/{digest}").body == dripping.body
    assert dripping.asked == 1 and cached(cache, digest)


def test_a_large_blob_with_another_digest_breaks_off_and_is_not_kept(dripping, make_cache):
    dripping.go_on.set()
    cache = make_cache(dripping.settings)
    for _ in range(2):
        answer = begin_read(cache, digest_of(b"right"))
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead) as error:
            answer.read()
        assert len(error.value.partial) < len(dripping.body)
    assert "another digest" in cache.log_tail()
    assert dripping.asked == 2
    assert [files for _, _, files in os.walk(cache.root + "/private/cache") if files] == []


def test_an_upstream_that_breaks_off_for_good_breaks_its_readers_off(dripping, make_cache):
    digest = digest_of(dripping.body)
    dripping.breaks_off = True
    cache = make_cache(dripping.settings)
    readers = [begin_read(cache, digest), begin_read(cache, digest)]
    dripping.go_on.set()
    for reader in readers:
        with pytest.raises(http.client.IncompleteRead) as error:
            reader.read()
        assert dripping.body.startswith(error.value.partial)
    assert [files for _, _, files in os.walk(cache.root + "/private/cache") if files] == []
    dripping.breaks_off = False
    answer = host.until(lambda: (a := cache.request("GET", f"/v2/hub/app/blobs/{digest}")).status == 200 and a, seconds=30, every=1, what="the upstream asked again")
    assert answer.body == dripping.body


def test_the_end_does_not_wait_for_a_blob_that_does_not_come(dripping, make_cache):
    cache = make_cache({**dripping.settings, "shutdown-timeout": "1s"})
    answer = begin_read(cache, digest_of(dripping.body))
    answer.read(1000)
    began = time.monotonic()
    assert cache.stop() == 0
    assert time.monotonic() - began < 20
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    assert not os.listdir(cache.root + "/private/cache/blobs")
