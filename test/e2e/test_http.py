"""HTTP at its edges: framing, sizes, JSON limits, slow clients. D5 of the checklist."""
import json
import socket
import threading
import time

import pytest



def short(value):
    """A test's name goes into the environment of everything it starts: it must not be a hundred kilobytes long."""
    return repr(value)[:40].encode("ascii", "replace").decode()


def talk(api, data, wait=5, half_close=False):
    """Sends bytes, returns what comes until the connection ends."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(wait)
    s.connect(api.socket_path)
    try:
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
    except BrokenPipeError:
        pass
    got = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except OSError:
        pass
    s.close()
    return got


def memory(daemon):
    with open(f"/proc/{daemon.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) * 1024


@pytest.mark.parametrize("request_bytes", [
    b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /_ping HTTP/9.9\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 200000 + b"\r\n\r\n", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: d\r\nA\x00B: c\r\n\r\n",
], ids=short)
def test_d5_broken_requests_are_answered_or_dropped_and_nothing_else_happens(api, request_bytes):
    got = talk(api, request_bytes, half_close=True)
    assert not got or got.startswith(b"HTTP/1."), got[:100]
    assert not got or got.split()[1][:1] in (b"4", b"5"), got[:100]
    assert api.get("/_ping") == b"OK"


@pytest.mark.shoal_only("Go's server is lenient in places")
@pytest.mark.parametrize("headers", [b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                                     b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n"], ids=short)
def test_d5_ambiguous_framing_is_refused(api, headers):
    got = talk(api, b"POST /containers/create HTTP/1.1\r\nHost: d\r\n" + headers + b"\r\n{}", half_close=True)
    assert not got or got.split()[1] in (b"400", b"501"), got[:200]


def test_http_1_0_is_answered_and_closed(api):
    got = talk(api, b"GET /_ping HTTP/1.0\r\n\r\n")
    assert got.split()[1] == b"200" and got.endswith(b"OK")


def test_chunked_bodies_are_read(api):
    body = b'{"Image":"busybox"}'
    got = talk(api, b"POST /containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
               + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert got.split()[1] == b"201"


@pytest.mark.shoal_only("Docker acts on the first value it has read")
def test_a_body_cut_short_creates_nothing(api):
    talk(api, b'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"Image":"busybox"}', half_close=True)
    assert api.get("/containers/json", all=1) == []


@pytest.mark.parametrize("body", [b"[" * 100000, b'{"a":' * 100000, b'{"Image":' + b'"x' * 100000, b'{"Env":[' + b'"a",' * 10], ids=short)
def test_d5_deep_or_endless_json_is_400(api, body):
    api.refused("POST", "/containers/create", body, headers={"Content-Type": "application/json"})


@pytest.mark.shoal_only("Docker reads on")
def test_d5_an_oversized_json_body_is_refused_and_memory_stays(api, daemon):
    before = memory(daemon)
    body = b'{"Image":"busybox","Env":["' + b"x" * (64 << 20) + b'"]}'
    try:
        r = api.raw("POST", "/containers/create", body, headers={"Content-Type": "application/json"})
        assert r.status in (400, 413), r
    except OSError:
        pass  # closed while we were still sending: as good
    assert memory(daemon) - before < 48 << 20


@pytest.mark.parametrize("text", ['{"Image":"busybox","Memory":1e999}', '{"Image":"busybox","HostConfig":{"Memory":99999999999999999999}}',
                                  '{"Image":"busybox","HostConfig":{"Memory":1.5}}', '{"Image":"busybox","Cmd":[null]}' * 2, '{"Image":"\\ud800"} x', "nul", "{'a':1}"], ids=short)
def test_hostile_json_values_are_refused(api, text):
    r = api.raw("POST", "/containers/create", text.encode(), headers={"Content-Type": "application/json"})
    assert r.status in (400, 404, 500) or r.status == 201 and "ud800" in text or "null" in text, r


@pytest.mark.parametrize("name", ["%00", "a%00b", "..%2f..%2fetc", "%2e%2e", "a" * 5000, "%ff%fe", "a%0d%0aX:%20y"], ids=short)
def test_hostile_names_in_paths_are_refused(api, name):
    for path in (f"/containers/{name}/json", f"/networks/{name}", f"/volumes/{name}", f"/images/{name}/json"):
        r = api.raw("GET", path)
        assert r.status in (301, 400, 404, 414, 500), (path, r)
        assert "x" not in r.headers or r.headers["x"] != "y"


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "../../etc/passwd", "x" * 100000, "\r\nX: y"], ids=short)
def test_hostile_names_in_bodies_are_refused_and_leave_nothing(api, value):
    for path, body in (("/volumes/create", {"Name": value}), ("/containers/create", {"Image": value})):
        r = api.raw("POST", path, body)
        assert r.status >= 400, (path, r)
    assert not api.get("/volumes")["Volumes"]


def test_nul_bytes_in_what_the_kernel_sees_are_refused(api):
    for body in ({"Cmd": ["a\x00b"]}, {"Env": ["A=\x00"]}, {"WorkingDir": "/\x00"}, {"Hostname": "a\x00"}, {"HostConfig": {"Binds": ["/tmp:/a\x00b"]}}):
        r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], **body})
        if r.status == 201:
            r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
        assert r.status >= 400, (body, r)


def test_slow_clients_do_not_hold_up_others(api):
    """Two hundred connections that never finish their request."""
    open_ones = []
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.connect(api.socket_path)
        s.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{")
        open_ones.append(s)
    began = time.monotonic()
    assert api.get("/_ping") == b"OK" and time.monotonic() - began < 2
    for s in open_ones:
        s.close()


def test_connections_that_say_nothing_are_cheap(api, daemon):
    before = memory(daemon)
    idle = []
    for _ in range(500):
        s = socket.socket(socket.AF_UNIX)
        s.connect(api.socket_path)
        idle.append(s)
    assert api.get("/_ping") == b"OK"
    assert memory(daemon) - before < 40 << 20
    for s in idle:
        s.close()


def test_a_client_that_goes_away_in_a_stream_costs_nothing(api, daemon, box):
    import os
    id = box.up("sh", "-c", "while :; do echo x; usleep 1000; done")

    def descriptors():
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    box.wait_for_output(id, "x")
    before = descriptors()
    for _ in range(50):
        s = box.follow(id)
        s.read_until(b"x")
        s.sock.close()
        s.close()
        with api.stream("GET", "/events"):
            pass
    from harness.host import until
    until(lambda: descriptors() <= before + 5, what="descriptors to come back")


def test_a_thousand_parallel_requests(api, box):
    for i in range(5):
        box.create(name=f"par{i}")
    failures, done = [], []

    def work(n):
        try:
            for _ in range(20):
                c = api.connection(timeout=60)
                path = ["/containers/json?all=1", "/info", "/images/json", f"/containers/par{n % 5}/json", "/networks"][n % 5]
                c.request("GET", path)
                r = c.getresponse()
                json.loads(r.read())
                assert r.status == 200
                c.close()
                done.append(1)
        except Exception as e:
            failures.append(repr(e))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(50)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not failures and len(done) == 1000, failures[:3]


def test_d4_equal_requests_for_a_mount_are_equal(box, tmp_path):
    """Binds, Mounts and volumes-from lead to the same mount in the process and the same words in inspect."""
    by_bind = box.up(name="bybind", host={"Binds": [f"{tmp_path}:/d:ro"]})
    by_mount = box.up(host={"Mounts": [{"Type": "bind", "Source": str(tmp_path), "Target": "/d", "ReadOnly": True}]})
    by_from = box.up(host={"VolumesFrom": ["bybind"]})
    seen, options = [], []
    for id in (by_bind, by_mount, by_from):
        m = box.inspect(id)["Mounts"][0]
        seen.append((m["Type"], m["Source"], m["Destination"], m["RW"], m["Propagation"]))
        options.append(next(x.split()[5] for x in box.exec(id, "cat", "/proc/self/mountinfo").out.splitlines() if " /d " in x))
    assert len(set(seen)) == 1 and len(set(options)) == 1, (seen, options)


@pytest.mark.parametrize("version", ["v1.24", "v1.30", "v1.41"])
def test_d4_every_api_version_applies_the_same_limits(api, version):
    r = api.raw("POST", f"/{version}/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": ["/tmp:relative"]}})
    assert r.status in (400, 500)
    r = api.raw("POST", f"/{version}/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Sysctls": {"kernel.panic": "1"}}})
    if r.status == 201:
        r = api.raw("POST", f"/{version}/containers/{r.json()['Id']}/start")
    assert r.status >= 400


def test_a_create_that_names_another_containers_root_is_like_any_other_bind(api, daemon):
    """Our own roots are not special to the grammar; they must simply not crash anything."""
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["ls", "/d"], "HostConfig": {"Binds": [f"{daemon.data}:/d:ro"]}})
    assert r.status == 201
