"""What the registry is measured by: one image pushed and pulled, blobs and small answers served, memory under many
pulls, pages of a large catalog; beside Debian's docker-registry (and docker.io 20.10 as its client) in the same run.

A registry runs in the network namespace of the daemon that it is measured with, on loopback and without users, so that
both do the same work.
"""
import hashlib
import http.client
import json
import os
import re
import selectors
import socket
import subprocess
import time

from bench.subjects import command, median, timed
from harness import daemon as daemons
from harness import host

QUICK = os.environ.get("BENCH_QUICK") == "1"
RUNS = 1 if QUICK else 3
REPOSITORIES = 1_000 if QUICK else 10_000
REQUESTS = 5_000 if QUICK else 100_000
PULLS = 200
BLOB_MIB = 32 if QUICK else 256
SIZE = 20 if QUICK else 200

# key -> (what, unit, Shoal's goal, whether less is better)
ROWS = {
    "push": (f"push an image of {SIZE} MB", "s", 3, True),
    "pull": ("pull it", "s", 3.5, True),
    "push_again": ("push it again under another tag: nothing to move", "s", None, True),
    "registry_blob": (f"serve a blob of {BLOB_MIB} MiB to 4 clients at once", "MiB/s", None, False),
    "registry_v2": ("`GET /v2/`, 16 connections", "/s", 20_000, False),
    "registry_catalog": (f"a page of 100 out of {REPOSITORIES} repositories", "ms", 20, True),
    "registry_idle": ("memory of the idle registry (PSS)", "MiB", None, True),
    "registry_growth": (f"memory that {PULLS} pulls at one time add (PSS)", "MiB", 64, True),
}


class Registry:
    """One server on a folder and a port of its own, in the namespace that `inside` enters."""

    def __init__(self, kind, folder, port, inside):
        self.kind, self.folder, self.address, self.inside = kind, folder, f"127.0.0.1:{port}", inside
        self.root, self.process = folder + "/data", None
        os.makedirs(self.root, exist_ok=True)

    def command(self):
        if self.kind == "shoal":
            return [os.path.join(daemons.BIN, "shoald"), "registry", "serve", "--config", self._config({}), "--root", self.root,
                    "--address", self.address, "--open", "--access-log", "off"]
        config = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "http": {"addr": self.address},
                  "storage": {"filesystem": {"rootdirectory": self.root}, "delete": {"enabled": True}, "cache": {"blobdescriptor": "inmemory"}}}
        return ["/usr/bin/docker-registry", "serve", self._config(config)]

    def _config(self, value):
        path = self.folder + "/config.json"
        with open(path, "w") as f:
            json.dump(value, f)
        return path

    def start(self):
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen(self.inside(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        for _ in range(400):
            if subprocess.run(self.inside(["curl", "-sf", "-m", "2", "-o", "/dev/null", f"http://{self.address}/v2/"]), check=False).returncode == 0:
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.folder + "/log") as f:
            raise RuntimeError(f"{self.kind} registry does not answer: {f.read()[-500:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def memory_mib(self):
        total = 0
        for pid in {self.process.pid, *host.descendants(self.process.pid)}:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(x.split()[1]) for x in f if x.startswith("Pss:"))
        return total / 1024


# --- an image moved by a daemon and its command ---

def move(results, name, program, s, registry, archive_image):
    """Every push goes to an empty registry, every pull to a daemon that has nothing of the image."""
    env = dict(os.environ, DOCKER_HOST="unix://" + s.daemon.socket, DOCKER_CLI_HINTS="false", DOCKER_CONFIG=s.daemon.folder + "/cfg")
    pushes, again, pulls = [], [], []
    for n in range(RUNS):
        target = f"{registry.address}/bench/r{n}"
        subprocess.run(["rm", "-rf", registry.root + "/docker"], check=True)
        registry.start()
        try:
            archive_image()
            command([program, "tag", "big:1", target + ":1"], env)
            pushes.append(timed(lambda: command([program, "push", "-q", target + ":1"], env)))
            command([program, "tag", "big:1", target + ":2"], env)
            again.append(timed(lambda: command([program, "push", "-q", target + ":2"], env)))
            command([program, "rmi", "-f", "big:1", target + ":1", target + ":2"], env)
            pulls.append(timed(lambda: command([program, "pull", "-q", target + ":1"], env)))
            command([program, "rmi", "-f", target + ":1"], env)
        finally:
            registry.stop()
    for key, values in (("push", pushes), ("push_again", again), ("pull", pulls)):
        results.add(name, key, median(values))


# --- what the server alone can do ---

def request(address, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path}: {answer.status} {data[:200]!r}")
    return answer, data


def put_blob(address, repository, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    answer, _ = request(address, "POST", f"/v2/{repository}/blobs/uploads/")
    location = answer.getheader("Location")
    location = location.split(address, 1)[-1] if location.startswith("http") else location
    request(address, "PUT", location + ("&" if "?" in location else "?") + "digest=" + digest, data, {"Content-Type": "application/octet-stream"})
    return digest


def clone_repositories(root, count):
    """A catalog is a matter of directories: one repository is copied by hard names, as any tool could have."""
    top = root + "/docker/registry/v2/repositories"
    link = top + "/bench/one/_manifests/tags/1/current/link"
    with open(link) as f:
        digest = f.read()
    name = digest.split(":", 1)[1]
    for n in range(count):
        folder = f"{top}/many/r{n:05}"
        for path in (f"_manifests/revisions/sha256/{name}", "_manifests/tags/1/current", f"_manifests/tags/1/index/sha256/{name}", f"_layers/sha256/{name}"):
            os.makedirs(f"{folder}/{path}")
            with open(f"{folder}/{path}/link", "w") as f:
                f.write(digest)


def requests_per_second(address, path):
    r = subprocess.run(["ab", "-q", "-k", "-c", "16", "-n", str(REQUESTS), f"http://{address}{path}"], capture_output=True, text=True, check=True)
    return float(re.search(r"Requests per second:\s+([\d.]+)", r.stdout)[1])


def blob_rate(address, path):
    """Four clients that throw away what they read; MiB/s together."""
    def once():
        clients = [subprocess.Popen(["curl", "-sf", "-o", "/dev/null", f"http://{address}{path}"]) for _ in range(4)]
        if any(c.wait() for c in clients):
            raise RuntimeError("a client failed")
    once()
    return 4 * BLOB_MIB / median([timed(once) for _ in range(RUNS)])


def growth_mib(registry, path):
    """Peak above the idle server while many clients read the same blob a little at a time."""
    before, peak, selector, buffer = registry.memory_mib(), 0.0, selectors.DefaultSelector(), bytearray(65536)
    host_name, port = registry.address.split(":")
    for _ in range(PULLS):
        s = socket.create_connection((host_name, int(port)))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {registry.address}\r\nConnection: close\r\n\r\n".encode())
        s.setblocking(False)
        selector.register(s, selectors.EVENT_READ)
    rounds = 0
    while selector.get_map():
        for key, _ in selector.select(10):
            if key.fileobj.recv_into(buffer) == 0:
                selector.unregister(key.fileobj)
                key.fileobj.close()
        rounds += 1
        if rounds % 20 == 1:
            peak = max(peak, registry.memory_mib())
    return max(0.0, peak - before)


def serve(results, name, registry):
    address = registry.address
    registry.start()
    try:
        config = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
        large = put_blob(address, "bench/one", os.urandom(1 << 20) * BLOB_MIB)
        small = put_blob(address, "bench/one", os.urandom(8 << 20))
        media = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": media, "layers": [],
                    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": put_blob(address, "bench/one", config)}}
        request(address, "PUT", "/v2/bench/one/manifests/1", json.dumps(manifest), {"Content-Type": media})
        results.add(name, "registry_idle", registry.memory_mib())
        results.add(name, "registry_v2", requests_per_second(address, "/v2/"))
        results.add(name, "registry_blob", blob_rate(address, f"/v2/bench/one/blobs/{large}"))
        results.add(name, "registry_growth", growth_mib(registry, f"/v2/bench/one/blobs/{small}"))
    finally:
        registry.stop()
    clone_repositories(registry.root, REPOSITORIES)
    registry.start()
    try:
        page = f"/v2/_catalog?n=100&last=many/r{REPOSITORIES // 2:05}"
        connection = http.client.HTTPConnection(address, timeout=120)

        def once():
            connection.request("GET", page)
            assert len(json.loads(connection.getresponse().read())["repositories"]) == 100
        once()
        results.add(name, "registry_catalog", median([timed(once) for _ in range(20)]) * 1000)
    finally:
        registry.stop()


def measure_servers(results, folder):
    """In this process's own network namespace."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for kind, name, port in (("shoal", "shoal", 5101), ("docker-registry", "docker-registry", 5102)):
        os.makedirs(f"{folder}/serve-{kind}", exist_ok=True)
        serve(results, name, Registry(kind, f"{folder}/serve-{kind}", port, list))


def measure_client(results, s, folder, load_image):
    """`s` is a daemon with its command; shoal goes to our registry, docker to the one of Debian."""
    kind = "shoal" if s.name == "shoal" else "docker-registry"
    place = f"{folder}/registry-{s.name.replace(' ', '-')}"
    os.makedirs(place, exist_ok=True)
    name = "shoal" if s.name == "shoal" else "docker-registry"
    program = s.cli if s.name == "shoal" else "/usr/bin/docker"
    move(results, name, program, s, Registry(kind, place, 5000, s.daemon.inside), load_image)
