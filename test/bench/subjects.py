"""What is measured: daemons in namespaces of their own, a client fast enough not to be what is measured, memory."""
import http.client
import json
import os
import socket
import statistics
import subprocess
import time

from harness import host
from harness.daemon import Daemon

HIDE_UNIFIED = ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]


class Subject:
    """One daemon and the way a container is asked of it."""

    def __init__(self, name, daemon, runtime=None, cli=None):
        self.name, self.daemon, self.runtime, self.cli = name, daemon, runtime, cli

    def client(self):
        return Client(self.daemon.socket)

    def host_config(self):
        return {"NetworkMode": "bridge", **({"Runtime": self.runtime} if self.runtime else {})}


def start_daemon(kind, folder):
    config = {"runtimes": {"crun": {"path": "/usr/bin/crun"}}} if kind == "dockerd" else {}
    d = Daemon(folder, config, own_net=True, kind=kind)
    launch(d)
    return d


def launch(daemon):
    """Debian's dockerd with crun needs the hybrid tree out of sight; shoald does that for itself."""
    daemon.start(command=HIDE_UNIFIED + daemon.command() if daemon.kind == "dockerd" else None)


class Client:
    """One keep-alive connection; answers are read, not parsed, unless asked for."""

    def __init__(self, path):
        self.path, self.sock, self.rest = path, None, b""
        self.connect()

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(self.path)
        self.rest = b""

    @staticmethod
    def request_bytes(method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data

    def exchange(self, request):
        """Sends prepared bytes, returns status and body."""
        self.sock.sendall(request)
        data = self.rest
        while b"\r\n\r\n" not in data:
            data += self.sock.recv(262144)
        head, _, data = data.partition(b"\r\n\r\n")
        status, lower = int(head[9:12]), head.lower()
        if b"transfer-encoding: chunked" in lower:
            return status, self._chunks(data)
        at = lower.find(b"content-length:")
        size = int(lower[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        parts, have = [data], len(data)
        while have < size:
            parts.append(self.sock.recv(262144))
            have += len(parts[-1])
        data = b"".join(parts)
        self.rest = data[size:]
        return status, data[:size]

    def _chunks(self, data):
        body = []
        while True:
            while b"\r\n" not in data:
                data += self.sock.recv(262144)
            size_text, _, data = data.partition(b"\r\n")
            size = int(size_text, 16)
            while len(data) < size + 2:
                data += self.sock.recv(262144)
            if size == 0:
                self.rest = data[2:]
                return b"".join(body)
            body.append(data[:size])
            data = data[size + 2:]

    def __call__(self, method, path, body=None):
        status, data = self.exchange(self.request_bytes(method, path, body))
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {data[:300]!r}")
        return json.loads(data) if data[:1] in (b"{", b"[") else data

    def create(self, subject, *cmd):
        return self("POST", "/containers/create", {"Image": "busybox", "Cmd": list(cmd), "HostConfig": subject.host_config()})["Id"]


def upload(path, socket_path, target):
    """Sends a file as a request body, returns the seconds until the whole answer was read."""
    c = http.client.HTTPConnection("d", timeout=600)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(socket_path)
    began = time.perf_counter()
    with open(path, "rb") as f:
        c.request("POST", target, f, {"Content-Type": "application/x-tar", "Content-Length": str(os.path.getsize(path))})
        r = c.getresponse()
        answer = r.read()
    seconds = time.perf_counter() - began
    c.close()
    if r.status >= 400 or b'"error"' in answer:
        raise RuntimeError(f"{target}: {r.status} {answer[:300]!r}")
    return seconds


def download(socket_path, target):
    c = http.client.HTTPConnection("d", timeout=600)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(socket_path)
    began = time.perf_counter()
    c.request("GET", target)
    r = c.getresponse()
    size = 0
    while True:
        data = r.read(1 << 20)
        if not data:
            break
        size += len(data)
    c.close()
    return time.perf_counter() - began, size


def memory_mib(daemon):
    """PSS of the daemon and its helpers (containerd, shims, monitors, proxies), without what runs in containers."""
    total = 0.0
    helpers = ("dockerd", "containerd", "containerd-shim", "docker-proxy", "shoald", "shoal-shim", "exe")
    for pid in {daemon.pid, *host.descendants(os.getpid())}:
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                line = f.read().split("\0")
            if daemon.folder not in " ".join(line) or not os.path.basename(line[0]).startswith(helpers):
                continue
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(x.split()[1]) for x in f if x.startswith("Pss:")) / 1024
        except OSError:
            pass
    return total


def median(values):
    return statistics.median(values)


def timed(job):
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def command(args, env=None):
    r = subprocess.run(args, env=env, capture_output=True, text=True)
    if r.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: exit {r.returncode}: {r.stderr[-400:]}")
