"""The registry's page, in a real browser: what a person does there (web/test/scenarios.mjs), and what /api/ says to programs."""
import gzip
import json
import os
import subprocess
import time

import pytest

from harness import daemon as daemon_module
from harness.registry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, ShoalRegistry, digest_of

TEST = os.path.join(daemon_module.TOP, "build/web/work/test")
CONFIG = {"access": {"admins": ["admin"], "failures-max": 100, "rules": [{"users": ["reader"], "prefix": "team/", "actions": ["pull"]}]}, "log": {"access": "off"}}
HISTORY = [{"created": "2026-01-02T03:04:05Z", "created_by": "ADD rootfs"}, {"created_by": "ENV A=b", "empty_layer": True}]


def scenario(registry, scene, **facts):
    if not os.path.exists("/usr/bin/chromium"):
        pytest.skip("no Chromium on this machine")
    done = subprocess.run(["node", f"{TEST}/run.mjs", scene, f"http://127.0.0.1:{registry.port}", json.dumps(facts)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr


def put_image(registry, repository, tag, layer=b"layer" * 1000, history=HISTORY, user=None, labels=None, **more):
    config = json.dumps({"architecture": "arm64", "variant": "v8", "os": "linux", "created": "2026-01-02T03:04:05Z",
                         "config": {"Env": ["A=b"], "Labels": labels or {"maker": "somebody"}}, "history": history,
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}).encode()
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": registry.put_blob(repository, config, user), "size": len(config)},
                "layers": [{"mediaType": OCI_LAYER, "digest": registry.put_blob(repository, layer, user), "size": len(layer)}], **more}
    return len(config) + len(layer), registry.put_manifest(repository, tag, manifest, user=user)


def fill(registry, user=None):
    size, digest = put_image(registry, "team/app", "v1", user=user, annotations={"org.example.note": "a note"})
    empty = registry.put_blob("team/app", b"{}", user)
    subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    attestation = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.sbom", "subject": subject,
                   "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
                   "layers": [{"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}]}
    data = json.dumps(attestation).encode()
    referrer = registry.put_manifest("team/app", digest_of(data), data, user=user)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {**subject, "size": 1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"mediaType": OCI_MANIFEST, "digest": referrer, "size": len(data), "platform": {"os": "unknown", "architecture": "unknown"},
         "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}]}
    registry.put_manifest("team/app", "many", index, OCI_INDEX, user=user)
    put_image(registry, "other/tool", "latest", layer=b"other", user=user)
    return {"digest": digest, "size": f"{size / 1000:.2f} kB", "layerSize": "5.00 kB"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Without accounts."""
    r = ShoalRegistry(str(tmp_path_factory.mktemp("page")), config={"log": {"access": "off"}})
    r.start()
    r.facts = fill(r)
    put_image(r, "team/hostile", "v1", layer=b"hostile", history=[{"created_by": "<img src=x onerror=alert(1)>"}], annotations={"x": "<script>alert(2)</script>"})
    yield r
    assert r.stop() == 0, r.log_tail()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """With an administrator and a reader of team/."""
    r = ShoalRegistry(str(tmp_path_factory.mktemp("guarded")), config=CONFIG, args=())
    for name in ("admin", "reader"):
        done = r.run("user", "add", name, "--password-stdin", stdin=f"{name}-secret-word")
        assert done.returncode == 0, done.stderr
    r.start()
    r.admin = "admin:admin-secret-word"
    r.facts = fill(r, r.admin)
    yield r
    assert r.stop() == 0, r.log_tail()


@pytest.mark.parametrize("name", ["browse", "index", "colours", "copies", "strangers", "hostileNames"])
def test_without_accounts(registry, name):
    scenario(registry, name, **registry.facts)


def test_a_user_logs_in_and_sees_what_is_his(guarded):
    scenario(guarded, "logIn", name="reader", password="reader-secret-word")


def test_deleting_asks_first(guarded):
    for tag, layer in (("a1", b"a"), ("a2", b"a"), ("b1", b"b"), ("b2", b"b"), ("c1", b"c")):
        put_image(guarded, "team/gone", tag, layer=layer, user=guarded.admin)
    scenario(guarded, "deleteThings", name="admin", password="admin-secret-word")
    assert guarded.request("GET", "/v2/team/gone/tags/list", user=guarded.admin).status == 404
    with open(guarded.root + "/private/audit.log") as f:
        lines = [json.loads(line) for line in f]
    assert any("delete repository" in json.dumps(line) and "team/gone" in json.dumps(line) for line in lines)


def test_ten_thousand_tags(tmp_path_factory):
    r = ShoalRegistry(str(tmp_path_factory.mktemp("many")), config={"log": {"access": "off"}})
    r.start()
    try:
        put_image(r, "big", "t00000")
        tags = r.root + "/docker/registry/v2/repositories/big/_manifests/tags"
        link = open(f"{tags}/t00000/current/link").read()
        for n in range(1, 10_000):
            os.makedirs(f"{tags}/t{n:05}/current")
            with open(f"{tags}/t{n:05}/current/link", "w") as f:
                f.write(link)
        late = time.time() + 60
        os.utime(f"{tags}/t04321/current/link", (late, late))
        scenario(r, "manyTags", newest="t04321")
    finally:
        assert r.stop() == 0


# --- what programs see ---

def log_in(registry, name, password, **headers):
    body = json.dumps({"name": name, "password": password})
    return registry.request("POST", "/api/session", body, {"Content-Type": "application/json", **headers})


def cookie_of(answer):
    text = answer.headers["Set-Cookie"]
    return {"Cookie": text.split(";")[0]}, text


def test_the_page_is_locked_down(registry):
    page = registry.request("GET", "/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert nonce.encode() in page.body and nonce not in registry.request("GET", "/").headers["Content-Security-Policy"]
    script = page.body.decode().split('src="')[1].split('"')[0]
    asset = registry.request("GET", script)
    assert "immutable" in asset.headers["Cache-Control"] and b"createElement" in gzip.decompress(asset.body)
    assert registry.request("GET", script, headers={"If-None-Match": asset.headers["ETag"]}).status == 304
    assert registry.request("GET", "/assets/none.js").status == 404
    assert registry.request("POST", "/").status == 405
    assert registry.request("HEAD", "/").status == 200
    # Content of strangers runs nowhere.
    assert "sandbox" in registry.request("GET", "/v2/").headers["Content-Security-Policy"]


def test_the_cookie_is_for_the_page_alone(guarded):
    answer = log_in(guarded, "reader", "reader-secret-word")
    assert answer.status == 200 and answer.json()["user"] == "reader"
    cookie, text = cookie_of(answer)
    assert "HttpOnly" in text and "SameSite=Strict" in text and "Path=/api" in text
    assert guarded.request("GET", "/api/manifest?name=team/app&reference=v1", headers=cookie).status == 200
    assert guarded.request("GET", "/v2/team/app/manifests/v1", headers=cookie).status == 401
    token = cookie["Cookie"].split("=", 1)[1]
    assert guarded.request("GET", "/v2/team/app/manifests/v1", headers={"Authorization": "Bearer " + token}).status == 401
    bearer = guarded.request("GET", "/token?scope=repository:team/app:pull", user="reader:reader-secret-word").json()["token"]
    name = cookie["Cookie"].split("=", 1)[0]
    assert guarded.request("GET", "/api/tags?name=team/app", headers={"Cookie": f"{name}={bearer}"}).status == 401
    assert guarded.request("GET", "/api/tags?name=team/app", headers={"Authorization": "Bearer " + bearer}).status == 200
    assert guarded.request("DELETE", "/api/manifest?name=team/app&reference=v1", headers=cookie).status == 403
    gone, text = cookie_of(guarded.request("DELETE", "/api/session", headers=cookie))
    assert "Max-Age=0" in text


def test_other_sites_cannot_ask(guarded):
    cookie, _ = cookie_of(log_in(guarded, "admin", "admin-secret-word"))
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://stranger.test"},
                    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}):
        assert guarded.request("GET", "/api/repositories", headers={**cookie, **headers}).status == 403, headers
        assert guarded.request("DELETE", "/api/repository?name=team/app", headers={**cookie, **headers}).status == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert guarded.request("GET", "/", headers=link).status == 200
    assert guarded.request("GET", "/v2/", headers=link).status == 403
    # A form of another site cannot have this type.
    body = json.dumps({"name": "admin", "password": "admin-secret-word"})
    assert guarded.request("POST", "/api/session", body, {"Content-Type": "text/plain"}).status == 400


def test_a_wrong_log_in_opens_no_window_of_the_browser(guarded):
    answer = log_in(guarded, "reader", "wrong")
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] is None
    assert log_in(guarded, "", "").status == 400
    assert guarded.request("POST", "/api/session", "no json", {"Content-Type": "application/json"}).status == 400


def test_sessions_and_tokens_end_with_the_account(tmp_path):
    r = ShoalRegistry(str(tmp_path), config=CONFIG, args=())
    for name in ("admin", "reader"):
        assert r.run("user", "add", name, "--password-stdin", stdin=f"{name}-secret-word").returncode == 0
    robot = r.run("robot", "add", "robot$ci").stdout.split()[-1]
    r.start()
    try:
        put_image(r, "team/app", "v1", user="admin:admin-secret-word")

        def session():
            return cookie_of(log_in(r, "reader", "reader-secret-word"))[0]

        def user_of(cookie):
            return r.request("GET", "/api/session", headers=cookie).json()["user"]
        cookie = session()
        assert user_of(cookie) == "reader"
        assert r.run("user", "passwd", "reader", "--password-stdin", stdin="another-secret-word").returncode == 0
        assert user_of(cookie) == ""
        token = r.request("GET", "/token?scope=repository:team/app:pull", user="reader:another-secret-word").json()["token"]
        bearer = {"Authorization": "Bearer " + token}
        robots = {"Authorization": "Bearer " + r.request("GET", "/token", user=f"robot$ci:{robot}").json()["token"]}
        assert r.request("GET", "/v2/team/app/manifests/v1", headers=bearer).status == 200
        assert r.request("GET", "/v2/", headers=robots).status == 200
        assert r.run("user", "rm", "reader").returncode == 0
        assert r.run("robot", "rm", "robot$ci").returncode == 0
        assert r.request("GET", "/v2/team/app/manifests/v1", headers=bearer).status == 401
        assert r.request("GET", "/v2/", headers=robots).status == 401
    finally:
        assert r.stop() == 0


def test_lists_come_by_the_page(registry):
    def names(**query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return [x["name"] for x in registry.request("GET", "/api/repositories?" + text).json()["repositories"]]
    assert names() == ["other/tool", "team/app", "team/hostile"]
    assert names(n=1, offset=1) == ["team/app"] and names(search="TEAM") == ["team/app", "team/hostile"] and names(offset=9) == []
    tags = registry.request("GET", "/api/tags?name=team/app&n=1").json()
    assert tags["total"] == 2 and [t["tag"] for t in tags["tags"]] == ["many"] and tags["tags"][0]["platforms"] == ["linux/arm64/v8"]
    of_digest = registry.request("GET", f"/api/tags?name=team/app&digest={registry.facts['digest']}").json()
    assert [t["tag"] for t in of_digest["tags"]] == ["v1"]
    assert registry.request("GET", "/api/tags?name=team/app&order=size").status in (400, 405)
    assert registry.request("GET", "/api/tags?name=team/app&n=x").status == 400
    assert registry.request("GET", "/api/tags?name=none").status == 404
    assert registry.request("GET", "/api/tags?name=../x").status == 400
    assert registry.request("GET", "/api/tags").status == 400
    assert registry.request("GET", "/api/nothing").status == 404
    assert registry.request("PUT", "/api/tags?name=team/app").status == 405
