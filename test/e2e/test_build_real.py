"""Dockerfiles of the kind people publish, built from this machine's own package mirrors, run, and asked for their page.

The base image is made once per checkout from the machine's package sources. Packages come through the daemon's bridge and its
masquerading, and leave by a proxy of the tests (harness/relay.py), which is the predefined build argument http_proxy.
"""
import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest
from conftest import CACHE

from harness import host
from harness.box import Box
from harness.build import TAR, Builder
from harness.relay import Outside, outside_command

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dockerfiles")
SUITE = "bookworm"
later = pytest.mark.shoal_only("of a later Dockerfile syntax than the classic builder's")


def machine_sources():
    """Files of this machine's package sources that speak of the suite."""
    found = []
    for name in ["/etc/apt/sources.list"] + sorted(os.path.join("/etc/apt/sources.list.d", x) for x in os.listdir("/etc/apt/sources.list.d")):
        if name.endswith((".list", ".sources")) and os.path.exists(name):
            with open(name) as f:
                if re.search(rf"^(deb|Suites:).*\b{SUITE}\b", f.read(), re.M):
                    found.append(name)
    return found


def base_tar(namespaces):
    """A minimal Debian with this machine's sources in it; kept as long as the sources stay the same."""
    sources = machine_sources()
    if not sources or not shutil.which("mmdebstrap"):
        pytest.skip(f"this machine has no package sources for {SUITE}, or no mmdebstrap")
    key = hashlib.sha256(b"".join(open(x, "rb").read() for x in sources)).hexdigest()[:12]
    path = os.path.join(CACHE, f"{SUITE}-{key}.tar")
    os.makedirs(CACHE, exist_ok=True)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                       "--dpkgopt=path-exclude=/usr/share/locale/*", SUITE, path + ".new", *sources]
            r = subprocess.run(outside_command(namespaces, command), pass_fds=namespaces, capture_output=True, text=True, timeout=600)
            if r.returncode != 0:
                pytest.skip(f"the package mirror cannot be reached: {r.stderr[-300:]}")
            os.rename(path + ".new", path)
    return path


class World:
    """A daemon with a way out and the base image."""

    def __init__(self, daemon, outside):
        self.daemon, self.api, self.outside, self.box = daemon, daemon.api, outside, Box(daemon.api)
        self.build = Builder(daemon.api)

    def __call__(self, name, files=None, buildargs=None, t=None, **query):
        """Builds dockerfiles/<name>, with further files that the test gives."""
        b = self.build(data=self.context(name, files), buildargs={**self.outside.args, **(buildargs or {})}, t=t or name, timeout=600, **query)
        assert self.outside.url not in str(b.history) + str(b.config), "the proxy got into the image"
        return b

    def context(self, name, files=None):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for top, folders, names in os.walk(os.path.join(FOLDER, name)):
                for one in sorted(folders) + sorted(names):
                    path = os.path.join(top, one)
                    within = os.path.relpath(path, os.path.join(FOLDER, name))
                    if within not in (files or {}):
                        tar.add(path, within, recursive=False)
            for path, data in (files or {}).items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def get(self, id, port=80, path="/", seconds=30):
        """The page that a container serves; its published port is asked where the daemon listens."""
        published = self.box.inspect(id)["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"]
        return host.until(lambda: (lambda r: r[1] if r[0] == 200 else None)(self.daemon.curl(f"http://127.0.0.1:{published}{path}")), seconds, 0.1,
                          what=f"page of {self.box.logs(id)}")

    def up(self, image, port=80, *cmd, **kw):
        return self.box.up(*(cmd or ()), image=image, ExposedPorts={f"{port}/tcp": {}}, host={"PortBindings": {f"{port}/tcp": [{"HostPort": ""}]}}, **kw) if cmd else \
            self.box.start(self.box.create(image=image, ExposedPorts={f"{port}/tcp": {}}, host={"PortBindings": {f"{port}/tcp": [{"HostPort": ""}]}}, **kw))


@pytest.fixture(scope="module")
def world(request, scratch, busybox_tar):
    import tempfile

    from harness.daemon import Daemon
    namespaces = request.config._host_namespaces
    tar = base_tar(namespaces)
    d = Daemon(tempfile.mkdtemp(prefix="real", dir=scratch), own_net=True).start()
    outside = Outside(d, namespaces)
    with open(tar, "rb") as f:
        r = d.api.raw("POST", "/images/create", f, headers={**TAR, "Content-Length": str(os.path.getsize(tar))}, fromSrc="-", repo="debian", tag=SUITE, changes='CMD ["bash"]', timeout=300)
    assert r.status == 200 and b"error" not in r.body, r
    w = World(d, outside)
    probe = w.build(f"FROM debian:{SUITE}\nRUN apt-get update\n", ok=None, buildargs=outside.args, timeout=120)
    try:
        if not probe.good:
            pytest.skip("the package mirror cannot be reached from a build: " + (probe.error or "") + probe.text[-500:])
        yield w
    finally:
        from conftest import clean
        clean(d.api)
        d.stop()
        outside.close()


@pytest.fixture
def w(world):
    yield world
    for c in world.api.get("/containers/json", all=1):
        world.api.delete(f"/containers/{c['Id']}", force=1, v=1)


def wheel():
    """A package for Python, as an index would give it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("greeter.py", "def words():\n    return 'hello from a virtual environment\\n'\n")
        z.writestr("greeter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
        z.writestr("greeter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: e2e\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("greeter-1.0.dist-info/RECORD", "greeter.py,,\ngreeter-1.0.dist-info/METADATA,,\ngreeter-1.0.dist-info/WHEEL,,\ngreeter-1.0.dist-info/RECORD,,\n")
    return out.getvalue()


# ---- always ----

def test_httpd(w):
    w("httpd")
    assert "It works: httpd" in w.get(w.up("httpd", Env=["SERVER_NAME=e2e"]))


@later
def test_heredocs(w):
    b = w("heredoc")
    assert b.run().out == "greeting: from a here-document\n"
    own = b.above(1)
    assert own["opt/tool/perl"].data == b"perl was here\n" and own["opt/tool/base"].data.startswith(b"12") and own["usr/local/bin/tool"].mode == 0o755
    assert b.sh("tool; cat /opt/tool/etc/tool.conf").out.endswith("greeting = from a here-document\n")


def test_static_site_with_nginx(w):
    b = w("static")
    id = w.up("static")
    assert w.get(id) == "<h1>Hello from a built site</h1>\n"
    assert w.daemon.curl(f"http://127.0.0.1:{w.box.inspect(id)['NetworkSettings']['Ports']['80/tcp'][0]['HostPort']}/secret.draft")[0] == 404
    w.api.post(f"/containers/{id}/stop", t=10)
    assert w.box.state(id)["ExitCode"] == 0 and b.config["StopSignal"] == "SIGQUIT"


def test_redis(w):
    b = w("redis", buildargs={"REDIS_PORT": "7000"})
    assert list(b.config["ExposedPorts"]) == ["7000/tcp"]
    id = w.box.start(w.box.create(image="redis"))
    w.box.until(id, lambda c: c["State"]["Health"]["Status"] == "healthy", 30)
    assert w.box.exec(id, "redis-cli", "-p", "7000", "set", "a", "kept").out == "OK\n" and w.box.exec(id, "redis-cli", "-p", "7000", "get", "a").out == "kept\n"
    assert w.box.exec(id, "id", "-un").out == "redis\n" and w.box.exec(id, "cat", "/proc/1/comm").out == "redis-server\n"


def test_one_that_ends_in_scratch(w):
    b = w("scratch")
    assert b.run().out == "nothing but me, as user 1000\n"
    assert {k for k, f in b.above(0).items() if f.kind == "file"} == {"hello", "etc/passwd"} and b.image["Size"] < 2 << 20


# ---- with E2E_LONG=1 ----

@pytest.mark.long
def test_httpd_with_php(w):
    b = w("php")
    assert w.get(w.up("php"), path="/index.php") == "php says 42, mysqli is there\n"
    assert list(b.config["ExposedPorts"]) == ["80/tcp"] and b.config["Cmd"] == ["/bin/bash", "/start.sh"]
    assert all(b.cached() for b in [w("php")]) and w("php").id == b.id


@pytest.mark.long
def test_multi_stage_cpp_with_cmake(w):
    b = w("cmake")
    assert b.run().out == "hello, world\n" and b.run("shoal").out == "hello, shoal\n"
    assert b.sh is not None and len(b.image["RootFS"]["Layers"]) == 2


@pytest.mark.long
@later
def test_node_with_npm_ci_and_a_cache_mount(w):
    registry = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True).stdout.strip() if shutil.which("npm") else ""
    with open("/etc/ssl/certs/ca-certificates.crt", "rb") as f:
        files = {"ca.crt": f.read()}
    args = {"NPM_CONFIG_REGISTRY": registry} if registry.startswith("http") else {}
    b = w.build(data=w.context("node", files), buildargs={**w.outside.args, **args}, t="node", timeout=600, ok=None)
    if not b.good and "npm ci" in b.error and re.search("ENOTFOUND|ECONN|ETIMEDOUT|E403|E404", b.text + b.error):
        pytest.skip("the npm registry cannot be reached: " + b.text[-300:])
    assert b.good, b.text[-3000:] + b.error
    assert w.get(w.up("node")) == "two days are 172800000 ms\n"
    assert not [k for k in b.above(1) if k.startswith(("root/.npm/", "var/cache/apt/archives/nodejs"))], "a cache mount got into the image"


@pytest.mark.long
def test_python_venv(w):
    w("python", {"wheels/greeter-1.0-py3-none-any.whl": wheel()})
    id = w.up("python", 8000)
    assert w.get(id, 8000) == "hello from a virtual environment\n"
    w.box.until(id, lambda c: c["State"]["Health"]["Status"] == "healthy", 30)


@pytest.mark.long
@later
def test_mariadb_with_an_entrypoint(w):
    w("mariadb")
    id = w.box.start(w.box.create(image="mariadb"))

    def ask():
        assert w.box.state(id)["Running"], w.box.logs(id)
        return w.box.exec(id, "mariadb", "-N", "-e", "SELECT name FROM shop.things").out
    assert host.until(ask, 60, 0.5, what=f"the database: {w.box.logs(id)}") == "a thing from the entrypoint\n"
    w.api.post(f"/containers/{id}/restart", t=20)
    assert host.until(ask, 60, 0.5, what="the database after a restart") == "a thing from the entrypoint\n"
    assert w.box.logs(id)[0].count("entrypoint: the data is made") == 1
    assert w.box.inspect(id)["Mounts"][0]["Destination"] == "/var/lib/mysql"


@pytest.mark.long
def test_haproxy(w):
    w("haproxy")
    assert w.get(w.up("haproxy")) == "haproxy is in front\n"
    broken = w.build(data=w.context("haproxy", {"haproxy.cfg": b"nonsense\n"}), buildargs=w.outside.args, ok=False, timeout=600)
    assert "returned a non-zero code: 1" in broken.error and "haproxy.cfg" in broken.text


@pytest.mark.long
def test_supervisor_with_two_processes(w):
    w("supervisor")
    id = w.up("supervisor")
    assert w.get(id) == "two processes\n"
    names = {row[-1].split()[0].rpartition("/")[2] for row in w.api.get(f"/containers/{id}/top")["Processes"]}
    assert {"cron", "busybox"} <= names, names
