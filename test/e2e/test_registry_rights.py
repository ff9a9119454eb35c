"""Every route of the registry times every kind of caller. The routes and what they need are read from the server's own
table, so that a new route without a row here fails."""
import base64
import json
import os
import re
import urllib.parse

import pytest

from harness import daemon as daemon_module
from harness.registry import OCI_MANIFEST, ShoalRegistry, digest_of

TABLE = os.path.join(daemon_module.TOP, "src/registry/server/http_route.cpp")
ROUTES = re.findall(r'Route\{"(\w+)",\s*Resource::(\w+),\s*Need::(\w+),', open(TABLE).read())
USERS = {name: f"{name}-secret-word" for name in ("admin", "stranger", "puller", "pusher", "deleter", "grouped")}
PUBLIC, TEAM, OTHER = "public/app", "team/app", "other/app"
UNKNOWN = "sha256:" + "0" * 64
CONFIG = {
    "access": {"admins": ["admin"], "groups": {"staff": ["grouped"]}, "failures-max": 1000, "rules": [
        {"anonymous": True, "prefix": "public", "actions": ["pull"]},
        {"users": ["puller"], "prefix": "team/", "actions": ["pull"]},
        {"users": ["pusher", "robot$ci", "robot$old"], "prefix": "team", "actions": ["pull", "push"]},
        {"users": ["deleter"], "prefix": "team/app", "actions": ["pull", "delete"]},
        {"groups": ["staff"], "prefix": "team", "actions": ["pull"]}]},
    "log": {"access": "off"}}

# caller -> what it may do: repository -> actions; "known" says whether /v2/ is open to it
PULL, PUSH, DELETE = {"Pull"}, {"Pull", "Push"}, {"Pull", "Delete"}
ALL = {"Pull", "Push", "Delete"}
CALLERS = {
    "anonymous": {PUBLIC: PULL},
    "wrong": None,
    "stranger": {PUBLIC: PULL},
    "puller": {PUBLIC: PULL, TEAM: PULL},
    "pusher": {PUBLIC: PULL, TEAM: PUSH},
    "deleter": {PUBLIC: PULL, TEAM: DELETE},
    "grouped": {PUBLIC: PULL, TEAM: PULL},
    "robot": {PUBLIC: PULL, TEAM: PUSH},
    "expired robot": None,
    "admin": {PUBLIC: ALL, TEAM: ALL, OTHER: ALL},
    "token of the admin to pull team": {TEAM: PULL},
    "token of the admin for nothing": {},
    "token of the pusher who asks for too much": {TEAM: PUSH},
    "token of the public": {PUBLIC: PULL},
    "forged token": None,
}


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = ShoalRegistry(str(tmp_path_factory.mktemp("rights")), config=CONFIG, args=())
    for name, password in USERS.items():
        done = r.run("user", "add", name, "--password-stdin", stdin=password)
        assert done.returncode == 0, done.stderr
    r.robots = {name: r.run("robot", "add", name).stdout.split()[-1] for name in ("robot$ci", "robot$old")}
    path = r.root + "/private/robots.json"
    text = json.dumps(end_robot(json.load(open(path)), "robot$old"))
    with open(path, "w") as f:
        f.write(text)
    r.start()
    admin = f"admin:{USERS['admin']}"
    r.digests = {name: r.put_image(name, "kept", user=admin)[1] for name in (PUBLIC, TEAM, OTHER)}
    yield r
    assert r.stop() == 0


def end_robot(value, name):
    """The same document with that robot's end in the past, whatever its shape."""
    if isinstance(value, list):
        return [end_robot(x, name) for x in value]
    if isinstance(value, dict):
        value = {k: end_robot(v, name) for k, v in value.items()}
        if value.get("name") == name or name in value:
            target = value if value.get("name") == name else value[name]
            target["expires"] = "2020-01-01T00:00:00Z"
    return value


def token(registry, *scopes, authorization=None):
    query = urllib.parse.urlencode([("service", "shoal-registry"), *(("scope", s) for s in scopes)])
    answer = registry.request("GET", "/token?" + query, headers={"Authorization": authorization} if authorization else {})
    assert answer.status == 200, answer.body
    return "Bearer " + answer.json()["token"]


@pytest.fixture(scope="module")
def headers(registry):
    """The Authorization of each caller."""
    admin = basic("admin", USERS["admin"])
    made = {name: basic(name, password) for name, password in USERS.items()}
    made |= {"anonymous": None, "wrong": basic("puller", "not it"), "robot": basic("robot$ci", registry.robots["robot$ci"]),
             "expired robot": basic("robot$old", registry.robots["robot$old"]),
             "token of the admin to pull team": token(registry, f"repository:{TEAM}:pull", authorization=admin),
             "token of the admin for nothing": token(registry, authorization=admin),
             "token of the pusher who asks for too much": token(registry, f"repository:{TEAM}:pull,push,delete", f"repository:{OTHER}:pull,push", "registry:catalog:*",
                                                                authorization=basic("pusher", USERS["pusher"])),
             "token of the public": token(registry, f"repository:{PUBLIC}:pull", f"repository:{TEAM}:pull,push")}
    head, body, mac = made["token of the admin to pull team"].split(".")
    made["forged token"] = f"{head}.{body}.{'A' * len(mac)}"
    return made


def target_of(method, resource, name, digest):
    if resource.startswith("Page"):
        path = {"PageSession": "session", "PageRepositories": "repositories", "PageRepository": "repository", "PageTags": "tags", "PageManifest": "manifest", "PageReferrers": "referrers"}[resource]
        if (method, resource) == ("DELETE", "PageRepository"):
            name += "/none" # one that is not there: the others are needed
        return f"/api/{path}?" + urllib.parse.urlencode({"name": name, "reference": "none", "digest": digest})
    return {"Base": "/v2/", "Catalog": "/v2/_catalog", "Tags": f"/v2/{name}/tags/list", "Manifest": f"/v2/{name}/manifests/none", "Blob": f"/v2/{name}/blobs/{UNKNOWN}",
            "Uploads": f"/v2/{name}/blobs/uploads/", "Upload": f"/v2/{name}/blobs/uploads/00000000-0000-4000-8000-000000000000", "Referrers": f"/v2/{name}/referrers/{digest}"}[resource]


def expected(caller, need, repository):
    """"in", 401 or 403."""
    rights = CALLERS[caller]
    if rights is None:
        return 401
    if need == "Nothing":
        return "in"
    is_token = caller.startswith("token")
    if need == "Known":
        return 401 if caller == "anonymous" else "in"
    if need == "Catalog":
        inside = not is_token or "too much" in caller
    else:
        inside = need in rights.get(repository, ())
    if inside:
        return "in"
    return 401 if is_token or caller == "anonymous" else 403


def test_the_table_was_read():
    assert len(ROUTES) >= 24
    assert {need for _, _, need in ROUTES} == {"Nothing", "Known", "Pull", "Push", "Delete", "Catalog"}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("method,resource,need", [*ROUTES, *(("HEAD", r, n) for m, r, n in ROUTES if m == "GET")])
def test_route(registry, headers, caller, method, resource, need):
    for repository in (PUBLIC, TEAM, OTHER):
        path = target_of(method, resource, repository, registry.digests[repository])
        answer = registry.request(method, path, headers={"Authorization": headers[caller]} if headers[caller] else {})
        want = expected(caller, need, repository)
        if want == "in":
            assert answer.status not in (401, 403), (path, answer.body)
            continue
        assert answer.status == want, (path, answer.body)
        if method != "HEAD":
            assert answer.code == ("UNAUTHORIZED" if want == 401 else "DENIED")
        challenge = answer.headers["WWW-Authenticate"]
        if want == 403 or resource.startswith("Page"): # a browser would open a window of its own
            assert challenge is None
            continue
        assert challenge.startswith(f'Bearer realm="http://127.0.0.1:{registry.port}/token",service="shoal-registry"')
        scope = {"Pull": f"repository:{repository}:pull", "Push": f"repository:{repository}:pull,push", "Delete": f"repository:{repository}:delete",
                 "Catalog": "registry:catalog:*", "Known": None}[need]
        assert scope is None or f'scope="{scope}"' in challenge


@pytest.mark.parametrize("caller", [c for c in CALLERS if CALLERS[c] is not None])
def test_the_catalog_shows_what_the_caller_may_pull(registry, headers, caller):
    if expected(caller, "Catalog", "") != "in":
        pytest.skip("may not list")
    answer = registry.request("GET", "/v2/_catalog", headers={"Authorization": headers[caller]} if headers[caller] else {})
    visible = {name for name, actions in CALLERS[caller].items() if "Pull" in actions} | {PUBLIC}
    assert set(answer.json()["repositories"]) & {PUBLIC, TEAM, OTHER} == visible


def test_a_mount_needs_the_right_to_read_its_source(registry, headers):
    data = b"a secret of other"
    admin = f"admin:{USERS['admin']}"
    registry.put_image(OTHER, "secret", layers=[data], user=admin)
    registry.put_image(PUBLIC, "shared", layers=[b"for all"], user=admin)
    digest = digest_of(data)

    def mount(caller, blob, source):
        query = f"?mount={blob}" + (f"&from={source}" if source else "")
        return registry.request("POST", f"/v2/{TEAM}/blobs/uploads/{query}", headers={"Authorization": headers[caller]})
    for caller in ("pusher", "robot", "token of the pusher who asks for too much"):
        for source in (OTHER, None):
            assert mount(caller, digest, source).status == 202, caller
        assert registry.request("GET", f"/v2/{TEAM}/blobs/{digest}", headers={"Authorization": headers[caller]}).status == 404
    assert mount("pusher", digest_of(b"for all"), PUBLIC).status == 201
    assert mount("admin", digest, OTHER).status == 201


def test_the_token_service_as_a_form(registry):
    def post(**form):
        return registry.request("POST", "/token", urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    good = post(grant_type="password", username="puller", password=USERS["puller"], service="shoal-registry", client_id="x", scope=f"repository:{TEAM}:pull")
    assert good.status == 200
    bearer = {"Authorization": "Bearer " + good.json()["access_token"]}
    assert registry.request("GET", f"/v2/{TEAM}/manifests/kept", headers=bearer).status == 200
    assert registry.request("GET", f"/v2/{OTHER}/manifests/kept", headers=bearer).status == 401
    assert post(grant_type="password", username="puller", password="no").status == 401
    refused = post(grant_type="refresh_token", refresh_token="x")
    assert (refused.status, refused.json()["error"]) == (400, "unsupported_grant_type")
    assert post(grant_type="password", username="puller").status == 400
    assert registry.request("PUT", "/token").status == 405
    # A token makes no further token.
    assert registry.request("GET", "/token", headers=bearer).status == 401


def test_wrong_scopes_are_refused(registry):
    answer = registry.request("GET", "/token?scope=nonsense", user=f"puller:{USERS['puller']}")
    assert (answer.status, answer.json()["error"]) == (400, "invalid_scope")


def test_metrics_are_for_administrators(registry, headers):
    for caller in CALLERS:
        answer = registry.request("GET", "/metrics", headers={"Authorization": headers[caller]} if headers[caller] else {})
        if caller == "admin":
            assert answer.status == 200 and b"shoal_registry_requests_total" in answer.body
        else:
            assert answer.status in (401, 403), caller
    assert registry.request("GET", "/healthz").body == b"ok\n"


def test_pushes_deletes_and_failed_log_ins_are_written_down(registry):
    user = f"admin:{USERS['admin']}"
    _, digest = registry.put_image("team/audited", "v1", user=user)
    registry.request("DELETE", "/v2/team/audited/manifests/v1", user=user)
    registry.request("GET", "/v2/", user="puller:wrong again")
    with open(registry.root + "/private/audit.log") as f:
        text = f.read()
    lines = [json.loads(line) for line in text.splitlines()]

    for tag in ("v2", "v3"):
        registry.put_image("team/audited", tag, user=user)
    registry.request("DELETE", f"/v2/team/audited/manifests/{digest}", user=user)
    with open(registry.root + "/private/audit.log") as f:
        last = json.loads(f.readlines()[-1])
    assert f"team/audited@{digest} with its tags v2, v3" in last.values()

    def seen(*parts):
        return any(all(p in json.dumps(line) for p in parts) for line in lines)
    assert seen("admin", "push", f"team/audited:v1@{digest}", "ok", "127.0.0.1")
    assert seen("admin", "delete", "team/audited:v1", "ok")
    assert seen("puller", "log-in", "refused")
    assert not any(secret in text for secret in (*USERS.values(), *registry.robots.values(), "wrong again"))


def test_too_many_failed_log_ins_wait(tmp_path):
    r = ShoalRegistry(str(tmp_path), config={"access": {"failures-max": 3}}, args=())
    assert r.run("user", "add", "admin", "--password-stdin", stdin="right-and-long").returncode == 0
    r.start()
    try:
        assert [r.request("GET", "/v2/", user="admin:wrong").status for _ in range(3)] == [401] * 3
        blocked = r.request("GET", "/v2/", user="admin:right-and-long")
        assert (blocked.status, blocked.code) == (429, "TOOMANYREQUESTS")
        assert blocked.headers["Retry-After"]
    finally:
        r.stop()


def test_an_empty_list_of_rules_leaves_everything_to_administrators(tmp_path):
    r = ShoalRegistry(str(tmp_path), config={"access": {"rules": []}}, args=())
    for name in ("admin", "ann"):
        assert r.run("user", "add", name, "--password-stdin", stdin="right-and-long").returncode == 0
    r.start()
    try:
        r.put_image("team/app", "v1", user="admin:right-and-long")
        for method, path in (("GET", "/v2/team/app/manifests/v1"), ("POST", "/v2/team/app/blobs/uploads/"), ("GET", "/v2/_catalog")):
            assert r.request(method, path, user="ann:right-and-long").status == 403, path
    finally:
        r.stop()


def test_the_nearest_proxy_is_believed_whatever_the_client_sent(tmp_path):
    r = ShoalRegistry(str(tmp_path), config={"trust-forwarded": True}, args=())
    assert r.run("user", "add", "admin", "--password-stdin", stdin="right-and-long").returncode == 0
    r.start()
    try:
        c = r.connection()
        c.putrequest("GET", "/v2/")
        for name, values in (("For", ("10.0.0.1", "192.0.2.5, 192.0.2.6")), ("Host", ("evil.example", "registry.example")), ("Proto", ("http", "https"))):
            for value in values:
                c.putheader("X-Forwarded-" + name, value)
        c.putheader("Authorization", basic("admin", "wrong"))
        c.endheaders()
        answer = c.getresponse()
        assert answer.status == 401
        assert 'realm="https://registry.example/token"' in answer.headers["WWW-Authenticate"]
        with open(r.root + "/private/audit.log") as f:
            assert "192.0.2.6" in json.dumps(json.loads(f.readlines()[-1]))
    finally:
        r.stop()


def test_wrong_passwords_from_elsewhere_lock_nobody_out(tmp_path):
    r = ShoalRegistry(str(tmp_path), config={"access": {"failures-max": 3}, "trust-forwarded": True}, args=())
    assert r.run("user", "add", "admin", "--password-stdin", stdin="right-and-long").returncode == 0
    r.start()

    def status(password, peer):
        return r.request("GET", "/v2/", user=f"admin:{password}", headers={"X-Forwarded-For": peer}).status
    try:
        assert [status("wrong", "2001:db8::1") for _ in range(4)] == [401] * 3 + [429]
        assert status("right-and-long", "2001:db8::2") == 429
        assert status("right-and-long", "2001:db8:0:1::1") == 200
        assert status("right-and-long", "192.0.2.1") == 200
    finally:
        r.stop()
