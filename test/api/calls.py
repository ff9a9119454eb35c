"""One realistic call of every operation. `CALLS[name](world)` gives the response; the world holds objects for it to work on."""
import io
import socket
import tarfile

NODE_AREAS = ("container", "exec", "image", "volume", "network", "system", "session")


class World:
    """A running container `main` with a volume, a network, a port and a health check, and an image of its own."""

    def __init__(self, api, box, version):
        self.api, self.box, self.version = api, box, version
        self.prefix = f"/v{version}" if version else ""
        self.number = tuple(int(x) for x in version.split(".")) if version else (1, 51)
        self.suffix = version.replace(".", "") or "none"
        self.born = api.get("/info")["SystemTime"]
        # The objects are made unversioned: it is the answers that are under test.
        self.network = api.post("/networks/create", {"Name": "net" + self.suffix, "Labels": {"a": "b"}})["Id"]
        api.post("/volumes/create", {"Name": "vol" + self.suffix, "Labels": {"a": "b"}})
        self.volume = "vol" + self.suffix
        api.post("/images/busybox/tag", repo="own", tag=self.suffix)
        self.image = "own:" + self.suffix
        self.name = "main" + self.suffix
        self.main = box.up(
            "sh", "-c", "echo out; echo err >&2; exec sleep 100000", name=self.name, image=self.image, Labels={"a": "b"}, Env=["A=b"],
            Healthcheck={"Test": ["CMD", "true"], "Interval": 10 ** 9}, ExposedPorts={"80/tcp": {}, "81/udp": {}},
            host={"NetworkMode": "net" + self.suffix, "Binds": [self.volume + ":/v"], "Memory": 64 << 20,
                  "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}})
        box.until(self.main, lambda seen: seen["State"].get("Health", {}).get("Log"))
        box.wait_for_output(self.main, "err")

    def __call__(self, method, path, body=None, /, **kw):
        return self.api.raw(method, self.prefix + path, body, **kw)

    def stopped(self, name):
        return self.box.create("true", name=name + self.suffix)

    def running(self, name, **kw):
        return self.box.up(name=name + self.suffix, **kw)

    def hijacked(self, path, body=None, **query):
        with self.api.hijack(self.prefix + path, body, **query) as stream:
            stream.end_input()
            return _Hijacked(stream)


class _Hijacked:
    """The head of a hijacked answer, in the shape of a Response."""

    def __init__(self, stream):
        self.status, self.headers, self.body = stream.status, stream.headers, b""


def one_file():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("from-outside")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    return out.getvalue()


def one_exec(w, **more):
    return w.api.post(f"/containers/{w.main}/exec", {"Cmd": ["sleep", "1000"], "AttachStdout": True, **more})["Id"]


def running_exec(w, **more):
    id = one_exec(w, **more)
    w.api.post(f"/exec/{id}/start", {"Detach": True, "Tty": more.get("Tty", False)})
    return id


def websocket_head(w):
    """Only the head: what follows is a WebSocket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(w.api.socket_path)
        s.sendall((f"GET {w.prefix}/containers/{w.main}/attach/ws?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(4096)
    lines = head.split(b"\r\n\r\n")[0].decode().split("\r\n")

    class Head:
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
        body = b""
    return Head


def wait_for_end(w):
    id = w.stopped("waited")
    w.api.post(f"/containers/{id}/start")
    return w("POST", f"/containers/{id}/wait", condition="not-running")


def pruned_container(w):
    w.stopped("pruned")
    return w("POST", "/containers/prune", filters={"label!": ["a"]})


def disconnected(w):
    id = w.running("left", host={"NetworkMode": w.network})
    return w("POST", f"/networks/{w.network}/disconnect", {"Container": id, "Force": True})


def connected(w):
    id = w.running("joined")
    return w("POST", f"/networks/{w.network}/connect", {"Container": id, "EndpointConfig": {"Aliases": ["other"]}})


def removable_network(w):
    return w.api.post("/networks/create", {"Name": "gone" + w.suffix})["Id"]


def pruned_images(w):
    w.api.post("/images/create", one_file(), headers={"Content-Type": "application/x-tar"}, fromSrc="-")
    return w("POST", "/images/prune", filters={"dangling": ["true"]})


def removed_image(w):
    w.api.post("/images/busybox/tag", repo="gone", tag=w.suffix)
    return w("DELETE", "/images/gone:" + w.suffix)


def loaded(w):
    archive = w.api.raw("GET", f"/images/{w.image}/get").body
    return w("POST", "/images/load", archive, headers={"Content-Type": "application/x-tar"}, quiet=1)


def resized(w):
    return w("POST", f"/containers/{w.running('tty', Tty=True)}/resize", h=30, w=100)


def removable_volume(w):
    w.api.post("/volumes/create", {"Name": "gone" + w.suffix})
    return w("DELETE", "/volumes/gone" + w.suffix)


def pruned_volumes(w):
    w.api.post("/volumes/create", {})
    return w("POST", "/volumes/prune", filters={"label!": ["a"]})


def pruned_networks(w):
    removable_network(w)
    return w("POST", "/networks/prune", filters={"label!": ["a"]})


def events(w):
    return w("GET", "/events", since=w.born, until=w.api.get("/info")["SystemTime"], filters={"container": [w.name], "event": ["start"]})


def paused(w, verb):
    id = w.running(verb)
    if verb == "unpause":
        w.api.post(f"/containers/{id}/pause")
    answer = w("POST", f"/containers/{id}/{verb}")
    if verb == "pause":
        w.api.post(f"/containers/{id}/unpause")
    return answer


def built(w, text="RUN true", **query):
    return w("POST", "/build", build_context(f"FROM {w.image}\n{text}\n"), headers={"Content-Type": "application/x-tar"}, **query)


def build_context(dockerfile, name="Dockerfile"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile.encode()))
    return out.getvalue()


def pruned_builds(w):
    built(w, f"ENV PRUNED={w.suffix}")
    return w("POST", "/build/prune", all=1)


def session_head(w, path="/session"):
    """Only the head: what follows is HTTP/2."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(w.api.socket_path)
        s.sendall((f"POST {w.prefix}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: id{w.suffix}\r\n"
                   "X-Docker-Expose-Session-Name: e2e\r\nX-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.Auth/Credentials\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head and (data := s.recv(4096)):
            head += data
    lines = head.split(b"\r\n\r\n")[0].decode().split("\r\n")

    class Head:
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
        body = head.split(b"\r\n\r\n", 1)[1]
    return Head


def disk_usage(w):
    built(w, f"ENV USED={w.suffix}")
    return w("GET", "/system/df")


CALLS = {
    "ContainerList": lambda w: w("GET", "/containers/json", all=1, size=1, filters={"name": [w.name]}),
    "ContainerCreate": lambda w: w("POST", "/containers/create", {"Image": w.image, "Cmd": ["true"]}, name="made" + w.suffix),
    "ContainerInspect": lambda w: w("GET", f"/containers/{w.main}/json", size=1),
    "ContainerTop": lambda w: w("GET", f"/containers/{w.main}/top", ps_args="-ef"),
    "ContainerLogs": lambda w: w("GET", f"/containers/{w.main}/logs", stdout=1, stderr=1, timestamps=1, tail="5"),
    "ContainerChanges": lambda w: w("GET", f"/containers/{w.main}/changes"),
    "ContainerExport": lambda w: w("GET", f"/containers/{w.main}/export"),
    "ContainerStats": lambda w: w("GET", f"/containers/{w.main}/stats", stream=0),
    "ContainerResize": resized,
    "ContainerStart": lambda w: w("POST", f"/containers/{w.stopped('started')}/start"),
    "ContainerStop": lambda w: w("POST", f"/containers/{w.running('stopped')}/stop", t=0),
    "ContainerRestart": lambda w: w("POST", f"/containers/{w.running('restarted')}/restart", t=0),
    "ContainerKill": lambda w: w("POST", f"/containers/{w.running('killed')}/kill", signal="SIGKILL"),
    "ContainerUpdate": lambda w: w("POST", f"/containers/{w.stopped('updated')}/update", {"CpuShares": 512}),
    "ContainerRename": lambda w: w("POST", f"/containers/{w.stopped('old')}/rename", name="new" + w.suffix),
    "ContainerPause": lambda w: paused(w, "pause"),
    "ContainerUnpause": lambda w: paused(w, "unpause"),
    "ContainerAttach": lambda w: w.hijacked(f"/containers/{w.main}/attach", stream=1, stdout=1, stderr=1),
    "ContainerAttachWebsocket": websocket_head,
    "ContainerWait": wait_for_end,
    "ContainerDelete": lambda w: w("DELETE", f"/containers/{w.running('removed')}", force=1, v=1),
    "ContainerArchiveInfo": lambda w: w("HEAD", f"/containers/{w.main}/archive", path="/etc/passwd"),
    "ContainerArchive": lambda w: w("GET", f"/containers/{w.main}/archive", path="/etc/passwd"),
    "PutContainerArchive": lambda w: w("PUT", f"/containers/{w.main}/archive", one_file(), path="/tmp", headers={"Content-Type": "application/x-tar"}),
    "ContainerPrune": pruned_container,
    "ContainerExec": lambda w: w("POST", f"/containers/{w.main}/exec", {"Cmd": ["true"], "AttachStdout": True}),
    "ExecStart": lambda w: w.hijacked(f"/exec/{one_exec(w)}/start", {"Detach": False, "Tty": False}),
    "ExecResize": lambda w: w("POST", f"/exec/{running_exec(w, Tty=True)}/resize", h=30, w=100),
    "ExecInspect": lambda w: w("GET", f"/exec/{running_exec(w, User='web')}/json"),
    "ImageList": lambda w: w("GET", "/images/json", filters={"reference": ["own"]}, **{"shared-size": 1}),
    "ImageBuild": lambda w: built(w, t="built:" + w.suffix),
    "BuildPrune": pruned_builds,
    "ImageCreate": lambda w: w("POST", "/images/create", one_file(), fromSrc="-", repo="imported", tag=w.suffix, message="why",
                               changes="ENV A=b", headers={"Content-Type": "application/x-tar"}),
    "ImageInspect": lambda w: w("GET", f"/images/{w.image}/json"),
    "ImageHistory": lambda w: w("GET", f"/images/{w.image}/history"),
    "ImageTag": lambda w: w("POST", f"/images/{w.image}/tag", repo="tagged", tag=w.suffix),
    "ImageDelete": removed_image,
    "ImagePrune": pruned_images,
    "ImageCommit": lambda w: w("POST", "/commit", container=w.main, repo="committed", tag=w.suffix, comment="c", author="a", changes="ENV X=y"),
    "ImageGet": lambda w: w("GET", f"/images/{w.image}/get"),
    "ImageGetAll": lambda w: w("GET", "/images/get", names=(w.image, "busybox")),
    "ImageLoad": loaded,
    "VolumeList": lambda w: w("GET", "/volumes", filters={"name": [w.volume]}),
    "VolumeCreate": lambda w: w("POST", "/volumes/create", {"Name": "made" + w.suffix, "Labels": {"x": "y"}}),
    "VolumeInspect": lambda w: w("GET", f"/volumes/{w.volume}"),
    "VolumeDelete": removable_volume,
    "VolumePrune": pruned_volumes,
    "NetworkList": lambda w: w("GET", "/networks", filters={"id": [w.network]}),
    "NetworkInspect": lambda w: w("GET", f"/networks/{w.network}"),
    "NetworkDelete": lambda w: w("DELETE", f"/networks/{removable_network(w)}"),
    "NetworkCreate": lambda w: w("POST", "/networks/create", {"Name": "made" + w.suffix}),
    "NetworkConnect": connected,
    "NetworkDisconnect": disconnected,
    "NetworkPrune": pruned_networks,
    "SystemInfo": lambda w: w("GET", "/info"),
    "SystemVersion": lambda w: w("GET", "/version"),
    "SystemPing": lambda w: w("GET", "/_ping"),
    "SystemPingHead": lambda w: w("HEAD", "/_ping"),
    "SystemEvents": events,
    "SystemDataUsage": disk_usage,
    "Session": session_head,
}
