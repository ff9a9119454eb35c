"""Running the registry server: settings, certificates, first account, reload, health, metrics, its end."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess

import pytest

from harness import daemon as daemon_module
from harness.host import until
from harness.registry import ShoalRegistry, digest_of


@pytest.fixture
def make(tmp_path):
    made = []

    def registry(config=None, args=("--open",), folder="r"):
        r = ShoalRegistry(str(tmp_path / folder), config=config, args=args)
        made.append(r)
        return r
    yield registry
    for r in made:
        r.stop()


def refused(r):
    done = subprocess.run(r.command(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("config,word", [
    ({"adress": "x"}, "adress"), ({"tls": {"certificate": "x"}}, "tls.certificate"), ({"limits": {"pages": 1}}, "limits.pages"), ({"log": {"level": "loud"}}, "log.level"),
    ({"access": {"rules": [{"user": ["a"]}]}}, "user"), ({"quotas": [{"prefix": "a", "size": "many"}]}, "quotas[0].size"), ({"gc": {"every": "often"}}, "gc.every"),
    ({"root": 5}, "root"), ({"challenge": "digest"}, "challenge"), ({"limits": {"page": 0}}, "page"), ({"tls": {"cert": "/x"}}, "tls"), ("{", "syntax error"), ("[]", "object"),
    ({"public-url": "ftp://x"}, "public-url"), ({"limits": {"manifest-size": "1GB"}}, "manifest-size")])
def test_settings_that_are_wrong_are_refused_by_name(make, config, word):
    assert word in refused(make(config, args=()))


@pytest.mark.parametrize("args,word", [(["--opne"], "--opne"), (["serve"], "serve"), (["--root"], "--root"), (["--open=maybe"], "--open"), (["--open", "--address", "0.0.0.0:5999"], "loopback"),
                                       (["--address", "nowhere"], "address"), (["--tls-cert", "/x"], "certificate")])
def test_flags_that_are_wrong_are_refused_by_name(make, args, word):
    assert word in refused(make(args=args))


@pytest.mark.parametrize("command", ["", "serve", "gc", "du", "verify", "user", "robot"])
def test_every_command_has_help(command):
    done = subprocess.run([daemon_module.PROGRAMS["shoald"], "registry", *command.split(), "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "sage:" in done.stdout + done.stderr


def test_an_unknown_command_is_refused():
    done = subprocess.run([daemon_module.PROGRAMS["shoald"], "registry", "sreve"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "unknown command: sreve" in done.stderr


def test_the_first_start_makes_an_administrator_once(make):
    r = make(args=()).start()
    password = re.search(r"the password\s+(\S+)", r.log_tail())[1]
    assert r.request("GET", "/v2/").status == 401
    assert r.request("GET", "/v2/", user=f"admin:{password}").status == 200
    assert r.request("GET", "/v2/", user="admin:admin").status == 401
    assert oct(os.stat(r.root + "/private").st_mode)[-3:] == "700"
    assert r.stop() == 0
    size = os.path.getsize(r.log)
    r.start()
    assert "password" not in r.log_tail()[size:]
    assert r.request("GET", "/v2/", user=f"admin:{password}").status == 200


def test_no_user_is_needed_where_it_is_open(make):
    r = make().start()
    assert not os.path.exists(r.root + "/private/htpasswd")
    assert r.request("GET", "/v2/", user="stored:elsewhere").status == 200


def test_web_pages_do_not_reach_it(make):
    r = make().start()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": f"rebound.example:{r.port}"}):
        answer = r.request("POST", "/v2/a/blobs/uploads/", headers=headers)
        assert (answer.status, answer.code) == (403, "DENIED"), headers
    assert r.request("POST", "/v2/a/blobs/uploads/", headers={"Host": f"localhost:{r.port}"}).status == 202


def test_accounts_are_taken_while_it_runs(make):
    r = make(args=()).start()
    assert r.run("user", "add", "late", "--password-stdin", stdin="a good password").returncode == 0
    assert r.request("GET", "/v2/", user="late:a good password").status == 200
    assert r.run("user", "rm", "late").returncode == 0
    assert r.request("GET", "/v2/", user="late:a good password").status == 401
    subprocess.run(["htpasswd", "-bB", r.root + "/private/htpasswd", "apache", "of httpd"], check=True, capture_output=True)
    assert r.request("GET", "/v2/", user="apache:of httpd").status == 200


def tls_request(port, path, ca, name="localhost", headers=None):
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s, context.wrap_socket(s, server_hostname=name) as t:
        certificate = t.getpeercert()
        more = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        t.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n{more}\r\n".encode())
        answer = http.client.HTTPResponse(t)
        answer.begin()
        return answer, answer.read(), certificate


def test_a_certificate_of_its_own(make):
    r = make(args=["--name", "registry.example", "--name", "10.9.8.7", "--name", "under_score"])
    r.launch()
    assert "certs.d/registry.example:" in r.log_tail()
    ca = [p for p in (os.path.join(d, f) for d, _, fs in os.walk(r.root + "/private/tls") for f in fs) if os.path.basename(p).startswith("ca") and p.endswith((".crt", ".pem"))][0]
    for name in ("registry.example", "localhost", "10.9.8.7", "127.0.0.1", "under_score"):
        answer, _, _ = tls_request(r.port, "/v2/", ca, name)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith(f'Bearer realm="https://{name}:{r.port}/token"')
    with pytest.raises(ssl.SSLError):
        tls_request(r.port, "/v2/", ca, "other.example")
    for folder, _, files in os.walk(r.root + "/private/tls"):
        for f in files:
            if "key" in f:
                assert os.stat(os.path.join(folder, f)).st_mode & 0o077 == 0
    with open(ca) as f:
        authority = f.read()
    assert r.stop() == 0
    r.launch()
    with open(ca) as f:
        assert f.read() == authority


def make_pair(folder, name):
    key, cert = f"{folder}/server.key", f"{folder}/server.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", key + ".new", "-out", cert + ".new"], check=True, capture_output=True)
    os.rename(key + ".new", key)
    os.rename(cert + ".new", cert)
    return cert, key


def test_a_given_certificate_is_read_again(make, tmp_path):
    cert, key = make_pair(tmp_path, "first.example")
    r = make(args=["--tls-cert", cert, "--tls-key", key])
    r.launch()
    assert tls_request(r.port, "/v2/", cert, "first.example")[0].status == 401
    make_pair(tmp_path, "second.example")
    r.process.send_signal(signal.SIGHUP)
    until(lambda: "settings were read again" in r.log_tail(), 20, what="the reload")
    assert tls_request(r.port, "/v2/", cert, "second.example")[0].status == 401
    # Also without being told, and a broken file changes nothing.
    make_pair(tmp_path, "third.example")
    until(lambda: "the certificate was read again" in r.log_tail(), 40, what="a look at the files")
    assert tls_request(r.port, "/v2/", cert, "third.example")[0].status == 401
    with open(cert) as f:
        good = f.read()
    with open(cert, "w") as f:
        f.write("broken")
    r.process.send_signal(signal.SIGHUP)
    until(lambda: "the settings stay as they were" in r.log_tail(), 20, what="the refusal")
    kept = tmp_path / "good.crt"
    kept.write_text(good)
    assert tls_request(r.port, "/v2/", str(kept), "third.example")[0].status == 401


def test_blobs_over_tls(make, tmp_path):
    cert, key = make_pair(tmp_path, "localhost")
    r = make(args=["--open", "--tls-cert", cert, "--tls-key", key])
    r.launch()
    data = os.urandom(3_000_000)
    c = http.client.HTTPSConnection("localhost", r.port, context=ssl.create_default_context(cafile=cert), timeout=30)
    c.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(data)}", data, {"Content-Type": "application/octet-stream"})
    answer = c.getresponse()
    answer.read()
    assert answer.status == 201
    c.request("GET", f"/v2/a/blobs/{digest_of(data)}")
    assert c.getresponse().read() == data
    c.request("GET", f"/v2/a/blobs/{digest_of(data)}", headers={"Range": "bytes=1000000-1999999"})
    assert c.getresponse().read() == data[1_000_000:2_000_000]


def test_a_reload_changes_rights_and_quotas(make):
    config = {"access": {"rules": [{"users": ["*"], "prefix": "", "actions": ["pull"]}]}}
    r = make(config, args=())
    r.run("user", "add", "u", "--password-stdin", stdin="long enough")
    r.start()
    assert r.request("POST", "/v2/a/blobs/uploads/", user="u:long enough").status == 403
    config["access"]["rules"][0]["actions"] = ["pull", "push"]
    config["quotas"] = [{"prefix": "a", "size": "1KB"}]
    r.reload(config)
    until(lambda: r.request("POST", "/v2/a/blobs/uploads/", user="u:long enough").status == 202, 20, what="the reload")
    over = r.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(b'x' * 2000)}", b"x" * 2000, user="u:long enough")
    assert (over.status, over.code) == (403, "DENIED")
    assert "quota" in over.json()["errors"][0]["message"]
    r.put_blob("b", b"x" * 2000, user="u:long enough")
    r.reload({"nonsense": 1})
    until(lambda: "nonsense" in r.log_tail(), 20, what="the refusal")
    assert r.request("POST", "/v2/b/blobs/uploads/", user="u:long enough").status == 202


def test_metrics_on_a_port_of_their_own(make):
    r = make(args=["--metrics-addr", "127.0.0.1:0"]).start()
    c = http.client.HTTPConnection("127.0.0.1", r.logged_port("metrics listen on"), timeout=20)
    c.request("GET", "/metrics")
    text = c.getresponse().read().decode()
    assert re.search(r'shoal_registry_requests_total\{route="GET base",status="401"\} \d', text)
    c.request("GET", "/v2/")
    assert c.getresponse().status == 404


def test_the_access_log(make, tmp_path):
    log = tmp_path / "access.log"
    r = make({"log": {"access": str(log)}}, args=()).start()
    r.run("user", "add", "u", "--password-stdin", stdin="long enough")
    r.request("GET", "/v2/some%22name/tags/list?token=secret", headers={"User-Agent": 'evil" agent\t'}, user="u:long enough")
    r.request("GET", "/v2/a/tags/list", user="u:long enough")
    assert r.stop() == 0
    text = log.read_text()
    assert re.search(r'^127\.0\.0\.1 - u \[[^]]+\] "GET /v2/a/tags/list HTTP/1\.1" 404 \d+ [\d.]+ "-"$', text, re.M)
    assert "secret" not in text and "long enough" not in text
    assert 'evil? agent' in text


def test_forwarded_headers_count_only_when_trusted(make):
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere.example", "X-Forwarded-For": "10.1.2.3"}
    plain = make(args=(), folder="a").start()
    assert f'realm="http://127.0.0.1:{plain.port}/token"' in plain.request("GET", "/v2/", headers=forged).headers["WWW-Authenticate"]
    trusting = make(args=["--trust-forwarded"], folder="b").start()
    assert 'realm="https://elsewhere.example/token"' in trusting.request("GET", "/v2/", headers=forged).headers["WWW-Authenticate"]
    fixed = make({"public-url": "https://fixed.example", "challenge": "bearer"}, args=(), folder="c").start()
    assert 'realm="https://fixed.example/token"' in fixed.request("GET", "/v2/", headers=forged).headers["WWW-Authenticate"]
    basic = make({"challenge": "basic"}, args=(), folder="d").start()
    assert basic.request("GET", "/v2/").headers["WWW-Authenticate"].startswith("Basic realm=")


def slow_upload(r, data):
    """A connection that has sent half of a blob."""
    path = r.path_of(r.request("POST", "/v2/slow/blobs/uploads/").headers["Location"])
    s = socket.create_connection(("127.0.0.1", r.port), timeout=60)
    s.sendall(f"PUT {path}?digest={digest_of(data)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:len(data) // 2])
    return s


def test_the_end_lets_an_upload_finish(make):
    r = make().start()
    data = os.urandom(1 << 20)
    s = slow_upload(r, data)
    r.process.send_signal(signal.SIGTERM)
    until(lambda: "shutting down" in r.log_tail(), 20, what="the end")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", r.port), timeout=2).close()
        r.request("GET", "/v2/", timeout=2)
    assert r.process.poll() is None
    s.sendall(data[len(data) // 2:])
    assert s.recv(1000).startswith(b"HTTP/1.1 201 ")
    s.close()
    assert r.wait_end(20) == 0
    r.start()
    assert r.request("GET", f"/v2/slow/blobs/{digest_of(data)}").body == data


def test_a_second_signal_ends_it_at_once(make):
    r = make().start()
    s = slow_upload(r, os.urandom(1 << 20))
    r.process.send_signal(signal.SIGTERM)
    until(lambda: "shutting down" in r.log_tail(), 20, what="the end")
    r.process.send_signal(signal.SIGTERM)
    assert r.wait_end(10) == 1
    s.close()


def test_collection_by_schedule(make):
    r = make({"gc": {"every": "1s", "grace": "0s"}}).start()
    digest = r.put_blob("a", b"nobody names this")
    _, kept = r.put_image("a", "1")
    until(lambda: r.request("HEAD", f"/v2/a/blobs/{digest}").status == 404, 30, what="the collection")
    assert r.request("GET", "/v2/a/manifests/1").headers["Docker-Content-Digest"] == kept


def test_maintenance_beside_a_running_server(make):
    r = make().start()
    r.put_image("team/app", "1", layers=[b"x" * 5000])
    assert "team/app" in r.run("du").stdout
    assert r.run("verify").returncode == 0
    dry = r.run("gc", "--dry-run", "--json")
    assert dry.returncode == 0 and json.loads(dry.stdout)["dryRun"] is True
    assert r.run("gc", "--nonsense").returncode == 1
    assert r.request("GET", "/v2/team/app/manifests/1").status == 200


def test_two_that_start_at_once_on_a_fresh_directory(tmp_path):
    """Both make what they need once, together: one key for tokens, one authority, one first account."""
    for n in range(5):
        pair = []
        for name in ("a", "b"):
            r = ShoalRegistry(str(tmp_path / f"{n}{name}"), args=["--name", "registry.example"])
            r.root = str(tmp_path / f"{n}shared")
            pair.append(r)
        try:
            for r in pair:
                r.log_start = 0
                r.spawn(r.command())
            for r in pair:
                r.wait_until(lambda r=r: r.logged_port(r.listens))
                r.port = r.logged_port(r.listens)
            ca = pair[0].root + "/private/tls/ca.crt"
            shown = [p for r in pair for p in re.findall(r"with the password\s+(\S+)", r.log_tail())]
            assert len(shown) == 1
            assert sum("copy that file" in r.log_tail() for r in pair) == 1
            basic = {"Authorization": "Basic " + base64.b64encode(f"admin:{shown[0]}".encode()).decode()}
            for giver, taker in (pair, pair[::-1]):
                answer, body, _ = tls_request(giver.port, "/token", ca, headers=basic)
                assert answer.status == 200
                bearer = {"Authorization": "Bearer " + json.loads(body)["token"]}
                assert tls_request(taker.port, "/v2/", ca, headers=bearer)[0].status == 200
        finally:
            for r in pair:
                assert r.stop() == 0


@pytest.mark.parametrize("machine,warned", [("my_machine", False), ("my machine", True)])
def test_a_machine_with_an_odd_name_gets_a_certificate(make, machine, warned):
    r = make(args=["--name", "registry.example"])
    serve = r.command()
    r.command = lambda: ["unshare", "--uts", "sh", "-c", 'printf %s "$0" > /proc/sys/kernel/hostname && exec "$@"', machine, *serve]
    r.launch()
    ca = r.root + "/private/tls/ca.crt"
    assert tls_request(r.port, "/v2/", ca, "registry.example")[0].status == 401
    assert (f"left out: {machine}" in r.log_tail()) == warned
    if not warned:
        assert tls_request(r.port, "/v2/", ca, machine)[0].status == 401
    assert r.stop() == 0


def test_lines_of_the_password_file_that_are_of_no_use_are_said_once_per_reading(make):
    r = make(args=())
    assert r.run("user", "add", "ann", "--password-stdin", stdin="a good password").returncode == 0
    with open(r.root + "/private/htpasswd", "a") as f:
        f.write("old:$apr1$salt$0123456789abcdefghijkl\nnonsense of no form\n")
    r.start()
    for _ in range(3):
        assert r.request("GET", "/v2/", user="ann:a good password").status == 200
        assert r.request("GET", "/v2/", user="old:x").status == 401
    log = r.log_tail(20000)
    assert log.count("line 2: old has no bcrypt hash") == 1 and log.count("line 3: ") == 1
    assert "apr1" not in log and "nonsense" not in log
    with open(r.root + "/private/htpasswd", "a") as f:
        f.write("\n")
    assert r.request("GET", "/v2/", user="ann:a good password").status == 200
    assert r.log_tail(20000).count("line 2: old has no bcrypt hash") == 2


@pytest.mark.parametrize("words,why", [
    (["user", "add", "ann", "--generate", "--expires", "90d"], "user add does not take --expires"), (["user", "rm", "ann", "--generate"], "user rm does not take --generate"),
    (["user", "ls", "--password-stdin"], "user ls does not take --password-stdin"), (["robot", "add", "ci", "--generate"], "robot add does not take --generate"),
    (["robot", "add", "ci", "--password-stdin"], "robot add does not take --password-stdin"), (["robot", "rm", "ci", "--expires=1d"], "robot rm does not take --expires"),
    (["robot", "ls", "--expires", "1d"], "robot ls does not take --expires"), (["user", "add", "ann", "--generate", "--password-stdin"], "either --password-stdin or --generate"),
    (["user", "add", "ann", "--generate=yes"], "unknown flag: --generate=yes"), (["robot", "add", "ci", "--expires"], "needs an argument: --expires"),
    (["robot", "add", "ci", "--expires="], "needs an argument: --expires"), (["robot", "passwd", "ci"], "unknown command: robot passwd"), (["user", "ls", "ann"], "usage:")])
def test_account_commands_refuse_what_makes_no_sense_there(make, words, why):
    r = make(args=())
    done = r.run(*words, stdin="a good password\n")
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert r.run("user", "ls").stdout + r.run("robot", "ls").stdout == ""
