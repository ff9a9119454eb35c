"""Every operation of the Engine API against our table of them, at every API version that clients speak.

operations.json: per operation the area, method and path, query parameters, success statuses, content types and the members of the
answer, flat: "Networks{}.Links[]" is what the lists in a map hold. A type may be followed by "?" (may be absent or null) and by the
versions that have the member ("1.44-", "-1.43"). `outside` is the status of what this daemon is not: a swarm, a host of plugins.
"""
import functools
import json
import os

import pytest
from calls import CALLS, NODE_AREAS, World, session_head

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, "../../../shared/reference/engine-api.yaml")
VERSIONS = ("1.24", "1.41", "1.44", "1.47", "1.51", "")
with open(os.path.join(HERE, "operations.json")) as f:
    OPERATIONS = json.load(f)
KINDS = {str: "string", bool: "bool", int: "int", float: "number", list: "list"}


class Member:
    def __init__(self, text):
        words = text.split()
        self.optional, self.kinds = words[0].endswith("?"), words[0].rstrip("?").split("|")
        first, _, last = (words[1] if len(words) > 1 else "-").partition("-")
        self.first = tuple(int(x) for x in (first or "1.0").split("."))
        self.last = tuple(int(x) for x in (last or "1.999").split("."))

    def holds(self, value):
        kind = KINDS.get(type(value), "object")
        same = {"int": ("int", "number"), "object": ("object", "map")}.get(kind, (kind,))
        return "any" in self.kinds or any(k in self.kinds for k in same)


@functools.lru_cache(None)
def members(name):
    return {path: Member(text) for path, text in OPERATIONS[name].get("members", {}).items()}


def problems_of(name, answer, version):
    """What an answer has too much, too little or of another type."""
    table, found = members(name), []
    here = {p for p, m in table.items() if m.first <= version <= m.last}

    def walk(value, path):
        member = table.get(path)
        if path and member is None:
            found.append(f"{path}: not in the table")
            return
        if path and path not in here:
            found.append(f"{path}: not in API {version}")
        if value is None:
            if member and not member.optional:
                found.append(f"{path}: null")
            return
        if member and not member.holds(value):
            found.append(f"{path}: {value!r} is not {'|'.join(member.kinds)}")
            return
        if isinstance(value, list):
            for element in value:
                walk(element, path + "[]")
        elif isinstance(value, dict) and path + "{}" in table:
            for element in value.values():
                walk(element, path + "{}")
        elif isinstance(value, dict):
            prefix = path + "." if path else ""
            for key, element in value.items():
                if member and member.kinds == ["map"]:
                    continue  # what the map holds is anybody's
                walk(element, prefix + key)
            for child in here:
                if child.startswith(prefix) and not set(child[len(prefix):]) & set(".[{") and not table[child].optional:
                    if child[len(prefix):] not in value:
                        found.append(f"{child}: missing")

    walk(answer, "")
    return sorted(set(found))


@pytest.fixture(params=VERSIONS, ids=lambda v: v or "unversioned")
def world(request, api, box):
    return World(api, box, request.param)


def test_every_operation_answers_as_the_table_says(world):
    wrong = []
    for name, call in CALLS.items():
        operation, response = OPERATIONS[name], call(world)
        kind = response.headers.get("content-type", "").split(";")[0]
        if response.status not in operation["success"]:
            wrong.append(f"{name}: status {response.status}: {response.body[:300]!r}")
            continue
        if kind not in operation["type"]:
            wrong.append(f"{name}: content type {kind!r}, expected {operation['type']}")
        if "members" in operation:
            wrong += [f"{name}: {what}" for what in problems_of(name, first_document(response), world.number)]
    assert not wrong, "\n".join(wrong)


def first_document(response):
    return response.json_stream()[0]


def test_every_answer_has_dockers_headers(world):
    for path in ("/_ping", "/version", "/containers/json", "/absent"):
        headers = world("GET", path).headers
        assert headers["api-version"] == "1.51" and headers["ostype"] == "linux", headers
        assert headers["server"].startswith("Docker/") and headers["docker-experimental"] in ("true", "false")
    assert CALLS["ExecStart"](world).headers["api-version"] == "1.51"


def test_every_operation_of_a_node_is_called():
    node = {n for n, o in OPERATIONS.items() if o["area"] in NODE_AREAS and "outside" not in o}
    assert node == set(CALLS), node ^ set(CALLS)


@pytest.mark.parametrize("name", sorted(n for n, o in OPERATIONS.items() if "outside" in o))
@pytest.mark.parametrize("version", ("/v1.24", "/v1.51", ""))
def test_what_this_daemon_is_not_says_so(api, name, version):
    method, path = OPERATIONS[name]["call"].split()
    for place, value in {"{name}": "busybox", "{id}": "absent"}.items():
        path = path.replace(place, value)
    body = None if method in ("GET", "DELETE") or name == "PluginCreate" else {}
    if name == "SwarmInit":
        body = {"ListenAddr": 1}  # an empty one would make a swarm
    response = api.raw(method, version + path, body)
    assert response.status == OPERATIONS[name]["outside"], response
    assert response.headers["content-type"].startswith("application/json"), response.headers
    if response.status >= 400:
        assert list(response.json()) == ["message"] and len(response.message) > 10, response


@pytest.mark.shoal_only("Docker has no audit log")
def test_d3_every_operation_that_changes_something_needs_a_right_and_is_recorded(daemon):
    asked = []
    for name, operation in OPERATIONS.items():
        method, path = operation["call"].split()
        if method not in ("GET", "HEAD") and name != "ImageAttestations":
            path = path.replace("{name}", "absent-" + name.lower()).replace("{id}", "absent-" + name.lower())
            daemon.api.raw(method, path, {})
            asked.append(f'what="{method} {path}" right=')
    daemon.api.raw("GET", "/_ping")  # the line is written behind the answer: another answer comes after it
    log = daemon.log_tail(10 ** 7)
    missing = [line for line in asked if line not in log]
    assert not missing, missing


@pytest.mark.shoal_only("20.10 answers other words")
def test_the_door_of_buildkit_opens_only_for_http_2(world):
    """POST /grpc is in no description of the API; every docker command with buildx asks for it."""
    head = session_head(world, "/grpc")
    assert head.status == 101 and head.headers["upgrade"] == "h2c" and head.headers["connection"].lower() == "upgrade"
    named = {"X-Docker-Expose-Session-Uuid": "id"}
    for path in ("/grpc", "/session"):
        refused = world("POST", path, headers=named)
        assert refused.status == 400 and "h2c" in refused.message, refused
        assert world("POST", path, headers={**named, "Connection": "Upgrade", "Upgrade": "websocket"}).status == 400
        assert world("GET", path).status in (404, 405)


@pytest.mark.parametrize("method, path", [("GET", "/absent"), ("GET", "/containers"), ("PATCH", "/containers/json"), ("POST", "/_ping"),
                                           ("DELETE", "/info"), ("GET", "/containers/create/x/y")])
def test_an_unknown_path_or_method_is_page_not_found(api, method, path):
    assert api.refused(method, path, status=404) == "page not found"


@pytest.mark.parametrize("path, says", [("/v1.23/info", "too old"), ("/v1.52/info", "too new"), ("/v0.1/_ping", "too old"), ("/v2.0/info", "too new")])
def test_versions_outside_the_range_are_refused(api, path, says):
    api.refused("GET", path, says=says)


def test_the_table_has_what_the_description_of_the_api_has():
    """Where the description is at hand: the same operations, parameters and successes, so that the table does not grow old."""
    yaml = pytest.importorskip("yaml")
    if not os.path.exists(REFERENCE):
        pytest.skip("the description of the API is not here")
    with open(REFERENCE) as f:
        description = yaml.load(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    seen = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                query = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
                successes = {int(status) for status in operation["responses"] if int(status) < 400}
                seen[operation["operationId"]] = (f"{method.upper()} {path}", query, successes)
    assert set(seen) == set(OPERATIONS)
    for name, (call, query, successes) in seen.items():
        assert OPERATIONS[name]["call"] == call and OPERATIONS[name].get("query", []) == query, name
        # The description forgets that a hijacked connection is 101.
        assert set(OPERATIONS[name].get("success", successes)) <= successes | {101}, name
