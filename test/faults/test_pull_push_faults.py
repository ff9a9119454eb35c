"""Registries that break off, lie and fall over, daemons that are killed, disks that are full: while images move."""
import base64
import gzip
import http.client
import http.server
import io
import json
import os
import socketserver
import subprocess
import tarfile
import threading
import time

import pytest

from harness import host
from harness import registry as registries
from harness.registry import OCI_CONFIG, OCI_MANIFEST, digest_of

pytestmark = pytest.mark.shoal_only("the daemon under test pulls and pushes")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
AUTH = {"X-Registry-Auth": base64.urlsafe_b64encode(b"{}").decode()}


def layer_of(size):
    out, data = io.BytesIO(), os.urandom(size)
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("random")
        info.size = size
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Liar:
    """A registry with one image, whose answers a test changes: answer(handler, path) -> True when it has answered."""

    def __init__(self, size=300_000, config_more=None):
        self.plain = layer_of(size)
        self.layer = gzip.compress(self.plain, 1)
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest_of(self.plain)]}, **(config_more or {})}).encode()
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": OCI_CONFIG, "digest": digest_of(self.config), "size": len(self.config)},
                                    "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(self.layer), "size": len(self.layer)}]}).encode()
        self.answer, self.asked, liar = None, [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                liar.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                if liar.answer and liar.answer(self, self.path):
                    return
                if self.path.endswith("/blobs/" + digest_of(liar.layer)):
                    self.give(liar.layer)
                elif self.path.endswith("/blobs/" + digest_of(liar.config)):
                    self.give(liar.config)
                elif "/manifests/" in self.path:
                    self.give(liar.manifest, OCI_MANIFEST)
                else:
                    self.give(b"{}")

            def give(self, body, kind="application/octet-stream", status=200, length=None, headers=()):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass
        self.server = Server(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_address[1]}/x"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def liar():
    made = Liar()
    yield made
    made.stop()


def pull(api, name):
    """The error of a pull, "" for none."""
    r = api.raw("POST", "/images/create", fromImage=name, tag="1", headers=AUTH, timeout=120)
    if r.status >= 400:
        return r.message
    return json.loads(r.body.decode().splitlines()[-1]).get("error", "")


def nothing_is_left(api, name):
    assert not [i for i in api.get("/images/json", all=1) if any(name in t for t in (i["RepoTags"] or []) + (i["RepoDigests"] or []))]


def test_a_connection_that_breaks_is_gone_on_with(api, liar):
    def answer(handler, path):
        if digest_of(liar.layer) not in path or handler.headers.get("Range"):
            if handler.headers.get("Range"):
                start = int(handler.headers["Range"][6:-1])
                handler.give(liar.layer[start:], status=206, headers=[("Content-Range", f"bytes {start}-{len(liar.layer) - 1}/{len(liar.layer)}")])
                return True
            return False
        handler.give(liar.layer[:100_000], length=len(liar.layer))
        handler.close_connection = True
        handler.connection.close()
        return True
    liar.answer = answer
    assert pull(api, liar.name) == ""
    assert "bytes=100000-" in [r for _, r, _ in liar.asked]


@pytest.mark.parametrize("what", ["other bytes", "too long", "too short for ever", "another layer", "another manifest", "another config"])
def test_lies_are_seen_and_nothing_of_them_stays(api, liar, what):
    blob = digest_of(liar.layer)

    def answer(handler, path):
        if what == "other bytes" and blob in path:
            handler.give(liar.layer[:-1] + bytes([liar.layer[-1] ^ 1]))
        elif what == "too long" and blob in path:
            handler.give(liar.layer + b"more")
        elif what == "too short for ever" and blob in path:
            handler.send_response(206 if handler.headers.get("Range") else 200)
            handler.send_header("Content-Length", "0")
            handler.send_header("Content-Range", "bytes 0-0/1")
            handler.end_headers()
        elif what == "another layer" and blob in path:
            handler.give(gzip.compress(layer_of(1000)))
        elif what == "another manifest" and "/manifests/" in path:
            handler.give(b'{"schemaVersion": 2, "layers": "x"}', OCI_MANIFEST)
        elif what == "another config" and digest_of(liar.config) in path:
            handler.give(liar.config.replace(b"amd64", b"arm64"))
        else:
            return False
        return True
    liar.answer = answer
    assert pull(api, liar.name)
    nothing_is_left(api, liar.name)
    liar.answer = None
    assert pull(api, liar.name) == ""


def test_a_blob_that_is_right_and_not_what_the_config_says(api):
    liar = Liar(config_more={"rootfs": {"type": "layers", "diff_ids": [digest_of(b"other")]}})
    try:
        assert "config" in pull(api, liar.name)
        nothing_is_left(api, liar.name)
    finally:
        liar.stop()


def test_a_decompression_bomb_ends_at_the_limits(api, liar):
    bomb = gzip.compress(b"\0" * (200 << 20), 9)
    liar.layer = gzip.compress(bomb)  # what it holds is no archive either
    liar.manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": OCI_CONFIG, "digest": digest_of(liar.config), "size": len(liar.config)},
                                "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(liar.layer), "size": len(liar.layer)}]}).encode()
    assert pull(api, liar.name)
    nothing_is_left(api, liar.name)


def test_redirects_take_no_log_in_along_and_end(api, liar):
    other = Liar()
    try:
        other.answer = lambda handler, path: handler.give(liar.layer) or True
        liar.answer = lambda handler, path: digest_of(liar.layer) in path and (handler.give(b"", status=307, headers=[("Location", f"http://{other.name[:-2]}/storage")]) or True)
        auth = base64.urlsafe_b64encode(json.dumps({"username": "u", "password": "p"}).encode()).decode()
        r = api.raw("POST", "/images/create", fromImage=liar.name, tag="1", headers={"X-Registry-Auth": auth})
        assert r.status == 200 and b'"error"' not in r.body
        assert other.asked and all(a is None for _, _, a in other.asked)
        liar.answer = lambda handler, path: "/manifests/" in path and (handler.give(b"", status=307, headers=[("Location", path)]) or True)
        assert "too many redirects" in pull(api, liar.name)
    finally:
        other.stop()


def test_a_registry_that_says_it_is_busy_is_asked_again(api, liar):
    times = []

    def answer(handler, path):
        if "/manifests/" in path and len(times) < 2:
            times.append(1)
            handler.give(b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', status=429, headers=[("Retry-After", "0")])
            return True
        return False
    liar.answer = answer
    assert pull(api, liar.name) == "" and len(times) == 2


def test_a_client_that_goes_away_ends_its_pull(api, liar, daemon):
    held = threading.Event()

    def answer(handler, path):
        if digest_of(liar.layer) in path:
            handler.give(liar.layer[:1000], length=len(liar.layer))
            held.wait(20)
            return True
        return False
    liar.answer = answer
    c = api.connection(30)
    c.request("POST", f"/images/create?fromImage={liar.name}&tag=1", headers=AUTH)
    end = time.monotonic() + 10
    while not any(digest_of(liar.layer) in path for path, _, _ in liar.asked) and time.monotonic() < end:
        time.sleep(0.02)
    c.close()
    held.set()
    nothing_is_left(api, liar.name)
    liar.answer = None
    assert pull(api, liar.name) == ""


class TwoLayers(Liar):
    """The image of another Liar with a layer above; hold() keeps that one back until `go` is set, and then gives it or not."""

    def __init__(self, below, above=None, gives=True):
        super().__init__()
        self.below, self.go, self.gives = below, threading.Event(), gives
        self.plain = above or layer_of(1000)
        self.layer = gzip.compress(self.plain, 1)
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest_of(below.plain), digest_of(self.plain)]}}).encode()
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": OCI_CONFIG, "digest": digest_of(self.config), "size": len(self.config)},
                                    "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(x), "size": len(x)} for x in (below.layer, self.layer)]}).encode()
        self.answer = self.hold

    def hold(self, handler, path):
        if path.endswith(digest_of(self.below.layer)):
            handler.give(self.below.layer)
            return True
        if path.endswith(digest_of(self.layer)):
            self.go.wait(60)
            if not self.gives:
                handler.give(b"{}", status=404)
                return True
        return False


def begin_pull(api, name, seen):
    """A pull in a thread of its own, when `seen` says that it has come so far; join() gives its error."""
    said = []
    thread = threading.Thread(target=lambda: said.append(pull(api, name)))
    thread.start()
    host.until(seen)
    thread.error = lambda: (thread.join(60), said[0])[1]
    return thread


def layers_on_disk(d):
    return {x for x in os.listdir(d.data + "/layers") if len(x) == 64}


@pytest.mark.parametrize("gives", [True, False])
def test_images_removed_during_a_pull_free_what_it_does_not_need(fresh, gives):
    """The layer below belongs to an image that is removed too: it stays for the pull, and goes when that fails."""
    below, other = Liar(), Liar()
    above = TwoLayers(below, gives=gives)
    try:
        d = fresh(own_net=False)
        base = layers_on_disk(d)
        assert pull(d.api, below.name) == "" and pull(d.api, other.name) == ""
        shared, alone = digest_of(below.plain)[7:], digest_of(other.plain)[7:]
        assert layers_on_disk(d) == base | {shared, alone}
        going = begin_pull(d.api, above.name, lambda: any(p.endswith(digest_of(above.layer)) for p, _, _ in above.asked))
        d.api.delete(f"/images/{other.name}:1")
        d.api.delete(f"/images/{below.name}:1")
        host.until(lambda: alone not in layers_on_disk(d))
        assert shared in layers_on_disk(d)
        d.api.post("/images/prune")
        assert shared in layers_on_disk(d)
        above.go.set()
        assert bool(going.error()) != gives
        if gives:
            d.api.raw("GET", f"/images/{above.name}:1/get")
            assert len(layers_on_disk(d) - base) == 2 and shared in layers_on_disk(d)
            d.api.delete(f"/images/{above.name}:1")
        host.until(lambda: layers_on_disk(d) == base)
    finally:
        above.go.set()
        for one in (below, other, above):
            one.stop()


def tree_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n in range(files):
            tar.addfile(tarfile.TarInfo(f"{n % 100}/{n}"), io.BytesIO())
    return out.getvalue()


def test_the_loop_does_not_wait_for_the_removal_of_what_a_failed_pull_left(fresh):
    """Seen by the processor time of the daemon's first thread, which is the loop."""
    below = Liar()
    image = TwoLayers(below, above=tree_of(30_000))

    def answer(handler, path):
        if not path.endswith(digest_of(below.layer)):
            return False
        image.go.wait(60)
        handler.give(b"{}", status=404)
        return True
    image.answer = answer
    try:
        d = fresh(own_net=False)
        c = d.api.connection(60)
        c.request("POST", f"/images/create?fromImage={image.name}&tag=1", headers=AUTH)
        r = c.getresponse()
        while b"Download complete" not in r.readline():
            pass

        def used():
            with open(f"/proc/{d.pid}/task/{d.pid}/schedstat") as f:
                return int(f.read().split()[0]) / 1e9
        before = used()
        image.go.set()
        r.read()
        host.until(lambda: os.listdir(d.data + "/tmp") == [])
        assert used() - before < 0.1
    finally:
        image.go.set()
        below.stop()
        image.stop()


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3])
def test_a_daemon_killed_while_it_pulls_starts_clean(fresh, delay):
    liar = Liar(size=20_000_000)
    try:
        d = fresh(own_net=False)
        c = d.api.connection(30)
        c.request("POST", f"/images/create?fromImage={liar.name}&tag=1", headers=AUTH)
        time.sleep(delay)
        d.kill()
        d.start()
        assert os.listdir(d.data + "/tmp") == []
        assert pull(d.api, liar.name) == ""
        assert len(d.api.get("/images/json")) == 2
    finally:
        liar.stop()


def test_a_full_disk_is_said_and_leaves_nothing(fresh, tmp_path):
    liar = Liar(size=30_000_000)
    folder = str(tmp_path / "full")
    os.makedirs(folder + "/data")
    image = str(tmp_path / "disk")
    subprocess.run(["truncate", "-s", "24M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder + "/data"], check=True)
    try:
        d = fresh(folder=folder, own_net=False, image=False)
        said = pull(d.api, liar.name)
        assert "no space left" in said.lower() or "full" in said.lower(), said
        assert d.api.get("/images/json") == [] and os.listdir(folder + "/data/tmp") == []
        d.stop()
    finally:
        subprocess.run(["umount", "-l", folder + "/data"], check=True)
        liar.stop()


def test_a_registry_killed_while_we_push_gets_the_rest_later(api, tmp_path, box):
    r = registries.DockerRegistry(str(tmp_path / "r")).start()
    name = f"{r.address}/x"
    id = box.create("sh", "-c", "head -c 60000000 /dev/urandom > /big")
    api.post(f"/containers/{id}/start")
    api.post(f"/containers/{id}/wait")
    api.post("/commit", {}, container=id, repo=name, tag="1")
    outcome = []

    def push():
        outcome.append(api.raw("POST", f"/images/{name}/push", tag="1", headers=AUTH, timeout=120).body.decode())
    t = threading.Thread(target=push)
    t.start()
    time.sleep(0.3)
    r.kill()
    r.start()
    t.join()
    if '"error"' in outcome[0]:  # it fell at a moment that cannot be gone on from: then the next push does it
        outcome.clear()
        push()
    assert '"error"' not in outcome[0] and "digest: sha256:" in outcome[0]
    api.delete(f"/images/{name}:1", force=1)
    assert pull(api, name) == ""
    r.stop()
    api.delete(f"/containers/{id}", force=1)


class Proxy:
    """An HTTP proxy that knows one host, the liar's; it makes no tunnels."""

    def __init__(self, liar, name):
        self.asked, proxy = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                proxy.asked.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
                if not self.path.startswith(f"http://{name}/"):
                    self.send_error(502)
                    return
                c = http.client.HTTPConnection(liar.name.split("/")[0], timeout=20)
                c.request("GET", self.path[len(f"http://{name}"):])
                r = c.getresponse()
                body = r.read()
                self.send_response(r.status)
                self.send_header("Content-Type", r.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_CONNECT = do_GET

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def test_proxies_of_the_settings_come_before_the_environments(fresh, liar):
    name = "registry.example:5000"
    proxy, other = Proxy(liar, name), Proxy(liar, name)
    try:
        d = fresh({"insecure-registries": [name], "proxies": {"http-proxy": f"http://ann:secret@{proxy.address}", "no-proxy": "direct.example"}}, own_net=False,
                  env={"HTTP_PROXY": f"http://{other.address}", "HTTPS_PROXY": f"http://{other.address}", "NO_PROXY": "registry.example"})
        info = d.api.get("/info")
        assert info["HttpProxy"] == f"http://xxxxx:xxxxx@{proxy.address}"
        assert (info["HttpsProxy"], info["NoProxy"]) == (f"http://{other.address}", "direct.example")
        assert pull(d.api, name + "/x") == ""
        assert {(command, path) for command, path, _ in other.asked} == {("CONNECT", name)}  # https was tried first
        assert f"http://{name}/v2/x/manifests/1" in [path for _, path, _ in proxy.asked]
        assert {a for _, _, a in proxy.asked} == {"Basic " + base64.b64encode(b"ann:secret").decode()}
        seen = len(proxy.asked), len(other.asked)
        assert "direct.example" in pull(d.api, "direct.example/x")
        assert (len(proxy.asked), len(other.asked)) == seen
    finally:
        proxy.stop()
        other.stop()


@pytest.mark.parametrize("what", ["has no layer", "breaks off", "gives other bytes", "has no config"])
def test_a_mirror_that_has_less_than_it_says_gives_way_to_the_next(fresh, what):
    first, second = Liar(), Liar()
    second.plain, second.layer, second.config, second.manifest = first.plain, first.layer, first.config, first.manifest
    blob = digest_of(first.config if what == "has no config" else first.layer)

    def answer(handler, path):
        if blob not in path:
            return False
        if what.startswith("has no"):
            handler.give(b'{"errors":[{"code":"BLOB_UNKNOWN","message":"unknown"}]}', status=404)
        elif what == "breaks off":
            if not handler.headers.get("Range"):
                handler.give(first.layer[:100_000], length=len(first.layer))
            handler.close_connection = True
            handler.connection.close()
        else:
            handler.give(os.urandom(len(first.layer)))
        return True

    def ranges(handler, path):
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        if start == 0 or digest_of(first.layer) not in path:
            return False
        handler.give(first.layer[start:], status=206, headers=[("Content-Range", f"bytes {start}-{len(first.layer) - 1}/{len(first.layer)}")])
        return True
    first.answer, second.answer = answer, ranges
    try:
        d = fresh(config={"registry-mirrors": [f"http://{x.name.split('/')[0]}" for x in (first, second)]}, own_net=False)
        assert pull(d.api, "library/x") == ""
        assert d.api.get("/images/x:1/json")["RepoTags"] == ["x:1"]
        assert blob in str(first.asked) and blob in str(second.asked)
        if what == "breaks off":
            assert "bytes=100000-" in [r for _, r, _ in second.asked]
    finally:
        first.stop()
        second.stop()
