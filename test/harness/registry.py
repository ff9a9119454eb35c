"""Registries under test: Debian's docker-registry as a peer, and ours (`shoald registry serve`), on loopback."""
import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess

from . import daemon as daemon_module
from .process import Server

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def digest_of(data, kind="sha256"):
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The first error code of an error document; "" when it is none."""
        try:
            return json.loads(self.body)["errors"][0]["code"]
        except (ValueError, KeyError, IndexError, TypeError):
            return ""


class Registry(Server):
    """Started with start(), ended with stop() or kill(); the folder may be started again, at the port that it took first."""
    kind = "registry"
    listens = ""  # what it logs before its address

    def __init__(self, folder, port=None):
        super().__init__(folder)
        self.port, self.root = port, folder + "/data"
        os.makedirs(self.root, exist_ok=True)

    @property
    def address(self):
        assert self.port, f"{self.kind} has not been started: it has no port yet"
        return f"127.0.0.1:{self.port}"

    @property
    def wanted_address(self):
        return f"127.0.0.1:{self.port or 0}"

    def logged_port(self, words):
        """The port behind these words in what the present process has logged; None when they are not there yet."""
        with open(self.log, errors="replace") as f:
            f.seek(self.log_start)
            found = re.findall(re.escape(words) + r" \S*?:(\d+)", f.read())
        return int(found[-1]) if found else None

    def launch(self):
        """Starts the program and waits until it listens."""
        self.log_start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.spawn(self.command())
        self.wait_until(lambda: self.logged_port(self.listens))
        self.port = self.logged_port(self.listens)

    def start(self, seconds=30):
        self.launch()
        self.wait_until(lambda: self.request("GET", "/v2/", timeout=5), seconds)
        return self

    # --- plain requests ---

    def connection(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, user=None, timeout=60):
        """`user` is "name:password" for Basic."""
        headers = dict(headers or {})
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        c = self.connection(timeout)
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return Answer(r, r.read())
        finally:
            c.close()

    def path_of(self, location):
        """The path and query of a Location, absolute or not."""
        return location if location.startswith("/") else "/" + location.split("/", 3)[3]

    def put_blob(self, repository, data, user=None, kind="sha256"):
        digest = digest_of(data, kind)
        begun = self.request("POST", f"/v2/{repository}/blobs/uploads/", user=user)
        assert begun.status == 202, (begun.status, begun.body)
        path = self.path_of(begun.headers["Location"])
        path += ("&" if "?" in path else "?") + "digest=" + digest
        done = self.request("PUT", path, data, {"Content-Type": "application/octet-stream"}, user=user)
        assert done.status == 201, (done.status, done.body)
        return digest

    def put_manifest(self, repository, reference, manifest, media_type=OCI_MANIFEST, user=None):
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        done = self.request("PUT", f"/v2/{repository}/manifests/{reference}", data, {"Content-Type": media_type}, user=user)
        assert done.status == 201, (done.status, done.body)
        return digest_of(data)

    def put_image(self, repository, tag, layers=(b"layer",), user=None, **more):
        """A small image whose layers are any bytes; returns its manifest and digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest_of(x) for x in layers]}}).encode()
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                    "config": {"mediaType": OCI_CONFIG, "digest": self.put_blob(repository, config, user), "size": len(config)},
                    "layers": [{"mediaType": OCI_LAYER, "digest": self.put_blob(repository, x, user), "size": len(x)} for x in layers], **more}
        return manifest, self.put_manifest(repository, tag, manifest, user=user)


class DockerRegistry(Registry):
    """Debian's docker-registry (distribution 2.8)."""
    kind, listens = "docker-registry", "listening on"

    def __init__(self, folder, port=None, users=None, tls=None):
        super().__init__(folder, port)
        self.users, self.tls = users or {}, tls

    def command(self):
        config = {"version": 0.1, "log": {"level": "info"}, "http": {"addr": self.wanted_address, **({"tls": self.tls} if self.tls else {})},
                  "storage": {"filesystem": {"rootdirectory": self.root}, "delete": {"enabled": True}}}
        if self.users:
            path = self.folder + "/htpasswd"
            for n, (name, password) in enumerate(self.users.items()):
                subprocess.run(["htpasswd", "-bB" + ("c" if n == 0 else ""), path, name, password], check=True, capture_output=True)
            config["auth"] = {"htpasswd": {"realm": "test", "path": path}}
        path = self.folder + "/config.json"
        with open(path, "w") as f:
            json.dump(config, f)
        return ["/usr/bin/docker-registry", "serve", path]

    def is_good_end(self, code):
        return code in (0, -signal.SIGTERM)


class ShoalRegistry(Registry):
    """`shoald registry serve`; without users it is open to everybody, which loopback allows."""
    kind, listens = "shoald registry", "registry listens on"

    def __init__(self, folder, port=None, config=None, args=("--open", "--plain-http")):
        super().__init__(folder, port)
        self.config_file, self.args = folder + "/registry.json", list(args)
        self.write_config(config or {})

    def write_config(self, config):
        with open(self.config_file, "w") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))

    def command(self):
        return [daemon_module.PROGRAMS["shoald"], "registry", "serve", "--config", self.config_file, "--root", self.root,
                "--address", self.wanted_address, *self.args]

    def run(self, *words, stdin=None):
        """`shoald registry WORDS` on the same settings."""
        return subprocess.run([daemon_module.PROGRAMS["shoald"], "registry", *words[:1], "--config", self.config_file, "--root", self.root, *words[1:]],
                              input=stdin, capture_output=True, text=True, timeout=120)

    def reload(self, config):
        self.write_config(config)
        os.kill(self.process.pid, signal.SIGHUP)
