"""Log-ins to the registry's page: what ends them, what their cookie is called, and who is told what."""
import json

import pytest

from harness.registry import ShoalRegistry

pytestmark = [pytest.mark.shoal_only("the registry is Shoal's")]
WORD = "admin-secret-word"


@pytest.fixture
def make(tmp_path):
    made = []

    def begin(config=None):
        r = ShoalRegistry(str(tmp_path / f"r{len(made)}"), config={"log": {"access": str(tmp_path / f"access{len(made)}")}, **(config or {})}, args=())
        made.append(r)
        assert r.run("user", "add", "admin", "--password-stdin", stdin=WORD).returncode == 0
        return r.start()
    yield begin
    for r in made:
        r.stop()


def log_in(registry, **headers):
    body = json.dumps({"name": "admin", "password": WORD})
    answer = registry.request("POST", "/api/session", body, {"Content-Type": "application/json", **headers})
    assert answer.status == 200, answer.body
    return answer


def cookie_of(answer):
    return {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}


def user_of(registry, cookie):
    return registry.request("GET", "/api/session", headers=cookie).json()["user"]


def test_log_out_ends_the_copies_too(make):
    r = make()
    one, other = cookie_of(log_in(r)), cookie_of(log_in(r))
    assert user_of(r, one) == user_of(r, other) == "admin"
    assert r.request("DELETE", "/api/session", headers=one).status == 200
    assert user_of(r, one) == "" and user_of(r, other) == "admin"
    assert r.request("DELETE", "/api/session", headers={"Cookie": "x=y"}).status == 200


def test_registries_of_one_host_leave_each_others_cookies_alone(make):
    a, b = make(), make()
    of_a, of_b = cookie_of(log_in(a)), cookie_of(log_in(b))
    assert of_a["Cookie"].split("=")[0] != of_b["Cookie"].split("=")[0]
    both = {"Cookie": of_a["Cookie"] + "; " + of_b["Cookie"]}
    assert user_of(a, both) == user_of(b, both) == "admin"


def test_the_cookie_of_an_https_address_says_so(make):
    r = make({"public-url": "HTTPS://Registry.Example:443"})
    answer = log_in(r, Origin="https://registry.example")
    assert answer.headers["Set-Cookie"].startswith("__Secure-shoal_registry_") and "; Secure" in answer.headers["Set-Cookie"]
    assert user_of(r, cookie_of(answer)) == "admin"


def test_an_address_is_the_same_however_it_is_written(make):
    r = make()
    for origin, host in ((f"http://localhost:{r.port}", f"LOCALHOST:{r.port}"), ("http://r.example", "R.example:80")):
        assert user_of(r, {**cookie_of(log_in(r, Origin=origin, Host=host)), "Host": host}) == "admin"


def test_strangers_are_not_told_the_version(make):
    r = make()
    cookie = cookie_of(log_in(r))
    assert r.request("GET", "/api/session").json()["version"] == ""
    assert r.request("GET", "/api/session", headers=cookie).json()["version"] != ""
    assert r.request("DELETE", "/api/session", headers=cookie).json()["version"] == ""


def test_the_access_log_names_who_logged_in(make, tmp_path):
    r = make()
    log_in(r)
    r.stop()
    lines = [line for line in open(tmp_path / "access0") if "POST /api/session" in line]
    assert len(lines) == 1 and " admin " in lines[0], lines
