"""The pull-through cache: `shoald registry serve` in front of another registry."""
import concurrent.futures
import http.server
import os
import threading

import pytest

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
