"""Every query parameter of the operations of a node: it changes the answer as described, or it is refused by name.

A probe gets the world and shows the effect. The last test compares the probes with the table, so that a parameter without one is seen.
"""
import io
import json
import os
import tarfile

import pytest
from calls import NODE_AREAS, World, build_context, built, one_file, running_exec
from harness.api import demux

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "operations.json")) as f:
    OPERATIONS = json.load(f)
PROBES = {}
TAR = {"Content-Type": "application/x-tar"}


def probe(operation, *parameters):
    def keep(function):
        for parameter in parameters:
            PROBES.setdefault((operation, parameter), []).append(function)
        return function
    return keep


@pytest.fixture
def w(api, box):
    return World(api, box, "")


def names(rows):
    return [row["Names"][0].lstrip("/") for row in rows]


# --- containers ---

@probe("ContainerList", "all", "limit", "size", "filters")
def list_containers(w):
    w.stopped("idle")
    assert names(w("GET", "/containers/json").json()) == [w.name]
    assert names(w("GET", "/containers/json", all=1).json()) == ["idle" + w.suffix, w.name]
    assert names(w("GET", "/containers/json", limit=1).json()) == ["idle" + w.suffix]
    row, = w("GET", "/containers/json", size=1).json()
    assert row["SizeRootFs"] > 1 << 20 and "SizeRootFs" not in w("GET", "/containers/json").json()[0]
    w.api.refused("GET", "/containers/json", limit="x", says="limit")
    for key, good, bad in [("ancestor", w.image, "absent"), ("exited", "0", "7"), ("expose", "80/tcp", "999"), ("health", "healthy", "unhealthy"),
                           ("id", w.main[:12], "ffffffffffff"), ("is-task", "false", "true"), ("label", "a=b", "a=c"), ("name", w.name, "zzz"),
                           ("network", "net" + w.suffix, "zzz"), ("status", "running", "paused"), ("volume", w.volume, "zzz")]:
        ask = lambda value: names(w("GET", "/containers/json", all=1, filters={key: [value]}).json())  # noqa: E731
        if key == "exited":
            assert w.name not in ask(good) and ask(bad) == []
        else:
            assert w.name in ask(good) and w.name not in ask(bad), key
    port = w.box.inspect(w.main)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert names(w("GET", "/containers/json", filters={"publish": [port]}).json()) == [w.name]
    assert names(w("GET", "/containers/json", filters={"isolation": ["default"]}).json()) == [w.name]
    assert names(w("GET", "/containers/json", all=1, filters={"since": [w.name]}).json()) == ["idle" + w.suffix]
    assert names(w("GET", "/containers/json", all=1, filters={"before": ["idle" + w.suffix]}).json()) == [w.name]
    w.api.refused("GET", "/containers/json", filters={"nonsense": ["x"]}, says="nonsense")


@probe("ContainerCreate", "name", "platform")
def create(w):
    id = w("POST", "/containers/create", {"Image": w.image}, name="given").json()["Id"]
    assert w.box.inspect(id)["Name"] == "/given"
    w.api.refused("POST", "/containers/create", {"Image": w.image}, platform="linux/s390x", status=404, says="linux/s390x")
    w.api.refused("POST", "/containers/create", {"Image": w.image}, platform="a/b/c/d", says="a/b/c/d")


@probe("ContainerInspect", "size")
def inspect_size(w):
    assert "SizeRw" not in w("GET", f"/containers/{w.main}/json").json()
    assert w("GET", f"/containers/{w.main}/json", size=1).json()["SizeRootFs"] > 1 << 20


@probe("ContainerTop", "ps_args")
def top(w):
    assert w("GET", f"/containers/{w.main}/top", ps_args="-o pid,comm").json()["Titles"] == ["PID", "COMMAND"]
    assert w("GET", f"/containers/{w.main}/top").json()["Titles"][0] == "UID"


@probe("ContainerLogs", "follow", "stdout", "stderr", "since", "until", "timestamps", "tail")
def logs(w):
    path = f"/containers/{w.main}/logs"
    assert demux(w("GET", path, stdout=1).body) == ("out\n", "")
    assert demux(w("GET", path, stderr=1).body) == ("", "err\n")
    w.api.refused("GET", path, says="at least one stream")
    assert demux(w("GET", path, stdout=1, stderr=1, since="4102444800").body) == ("", "")
    assert demux(w("GET", path, stdout=1, stderr=1, until="1000000000").body) == ("", "")
    assert demux(w("GET", path, stdout=1, timestamps=1).body)[0].endswith("Z out\n")
    assert demux(w("GET", path, stdout=1, stderr=1, tail="0").body) == ("", "")
    with w.api.stream("GET", path, stdout=1, follow=1) as s:
        s.read_until(b"out")
        w.box.rm(w.main, force=1)
        s.read()


@probe("ContainerStats", "stream", "one-shot")
def stats(w):
    with w.api.stream("GET", f"/containers/{w.main}/stats") as s:
        seen = s.objects()
        first, second = next(seen), next(seen)
        assert first["precpu_stats"]["cpu_usage"]["total_usage"] == 0 and second["preread"] == first["read"]
    assert len(w("GET", f"/containers/{w.main}/stats", stream=0).json_stream()) == 1
    once = w("GET", f"/containers/{w.main}/stats", stream=0, one__shot=1).json()
    assert once["preread"].startswith("0001-01-01")


@probe("ContainerResize", "h", "w")
def resize(w):
    id = w.running("tty", Tty=True)
    assert w("POST", f"/containers/{id}/resize", h=33, w=99).status == 200
    assert w.box.exec(id, "sh", "-c", "stty size < /proc/1/fd/0").out == "33 99\n"
    w.api.refused("POST", f"/containers/{id}/resize", h=33, says="w are required")
    w.api.refused("POST", f"/containers/{id}/resize", h="x", w=1, says="h")


@probe("ContainerStart", "detachKeys")
def start(w):
    id = w.stopped("keys")
    w.api.refused("POST", f"/containers/{id}/start", detachKeys="nonsense", says="nonsense")
    assert w("POST", f"/containers/{id}/start", detachKeys="ctrl-x").status == 204


def trapping(w, name):
    id = w.box.up("sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done", name=name + w.suffix)
    return w.box.wait_for_output(id, "ready")


@probe("ContainerStop", "signal", "t")
def stop(w):
    id = trapping(w, "stop")
    assert w("POST", f"/containers/{id}/stop", signal="USR1", t=30).status == 204 and w.box.state(id)["ExitCode"] == 5
    w.box.start(id)
    assert w("POST", f"/containers/{id}/stop", t=0).status == 204 and w.box.state(id)["ExitCode"] == 137
    w.api.refused("POST", f"/containers/{id}/stop", t="x", says="t")


@probe("ContainerRestart", "signal", "t")
def restart(w):
    id = trapping(w, "restart")
    with w.api.stream("POST", f"/containers/{id}/wait", condition="next-exit") as waiting:
        assert w("POST", f"/containers/{id}/restart", signal="USR1", t=30).status == 204
        assert json.loads(waiting.read())["StatusCode"] == 5
    assert w("POST", f"/containers/{id}/restart", t=0).status == 204


@probe("ContainerKill", "signal")
def kill(w):
    id = trapping(w, "kill")
    w.api.refused("POST", f"/containers/{id}/kill", signal="NONSENSE", says="NONSENSE")
    assert w("POST", f"/containers/{id}/kill", signal="USR1").status == 204 and w.box.wait(id) == 5


@probe("ContainerRename", "name")
def rename(w):
    assert w("POST", f"/containers/{w.main}/rename", name="another").status == 204 and w.box.inspect(w.main)["Name"] == "/another"
    w.api.refused("POST", f"/containers/{w.main}/rename", says="names")


@probe("ContainerAttach", "detachKeys", "logs", "stream", "stdin", "stdout", "stderr")
def attach(w):
    path = f"/containers/{w.main}/attach"
    with w.api.hijack(path, logs=1, stdout=1) as s:
        assert demux(s.read_all()) == ("out\n", "")
    with w.api.hijack(path, logs=1, stderr=1) as s:
        assert demux(s.read_all()) == ("", "err\n")
    id = w.box.create("cat", name="cat" + w.suffix, OpenStdin=True, StdinOnce=True, AttachStdin=True)
    with w.api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as s:
        w.box.start(id)
        s.write(b"through\n")
        s.end_input()
        assert demux(s.read_all())[0] == "through\n"
    id = w.box.up("cat", name="tcat" + w.suffix, OpenStdin=True, Tty=True)
    with w.api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1, detachKeys="ctrl-a") as s:
        s.write(b"\x01")
        s.read_all()
    assert w.box.state(id)["Running"]
    w.api.refused("POST", path, stream=1, detachKeys="nonsense", says="nonsense")


@probe("ContainerAttachWebsocket", "detachKeys", "logs", "stream", "stdin", "stdout", "stderr")
def attach_ws(w):
    """The same code reads the same parameters; the frames are looked at in test/e2e/test_attach.py."""
    w.api.refused("GET", f"/containers/{w.main}/attach/ws", stream=1, says="WebSocket")
    w.api.refused("GET", f"/containers/{w.main}/attach/ws", stream=1, detachKeys="nonsense", says="nonsense", headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})


@probe("ContainerWait", "condition")
def wait(w):
    w.api.refused("POST", f"/containers/{w.main}/wait", condition="nonsense", says="nonsense")
    id = w.stopped("wait")
    assert w("POST", f"/containers/{id}/wait", condition="not-running").json()["StatusCode"] == 0
    with w.api.stream("POST", f"/containers/{id}/wait", condition="next-exit") as waiting:
        w.box.start(id)
        assert json.loads(waiting.read())["StatusCode"] == 0
    with w.api.stream("POST", f"/containers/{id}/wait", condition="removed") as waiting:
        w.box.rm(id)
        assert json.loads(waiting.read())["StatusCode"] == 0


@probe("ContainerDelete", "v", "force", "link")
def delete(w):
    id = w.running("volumes", Volumes={"/anonymous": {}})
    volume = w.box.inspect(id)["Mounts"][0]["Name"]
    w.api.refused("DELETE", f"/containers/{id}", status=409, says="running")
    assert w("DELETE", f"/containers/{id}", force=1, v=1).status == 204
    w.api.refused("GET", f"/volumes/{volume}", status=404)
    assert w("DELETE", f"/containers/{w.stopped('nolink')}/alias", link=1).status in (400, 404)


@probe("ContainerArchiveInfo", "path")
@probe("ContainerArchive", "path")
def archive(w):
    for method in ("HEAD", "GET"):
        assert w(method, f"/containers/{w.main}/archive", path="/etc/passwd").status == 200
        assert w(method, f"/containers/{w.main}/archive", path="/absent").status == 404
        assert w(method, f"/containers/{w.main}/archive").status == 400


@probe("PutContainerArchive", "path", "noOverwriteDirNonDir", "copyUIDGID")
def put_archive(w):
    w.api.refused("PUT", f"/containers/{w.main}/archive", one_file(), headers=TAR, path="/absent", status=404)
    w.box.exec(w.main, "mkdir", "/tmp/from-outside")
    w.api.refused("PUT", f"/containers/{w.main}/archive", one_file(), headers=TAR, path="/tmp", noOverwriteDirNonDir=1, says="from-outside")
    id = w.running("user", User="web")
    assert w("PUT", f"/containers/{id}/archive", one_file(), headers=TAR, path="/tmp", copyUIDGID=1).status == 200
    assert w.box.exec(id, "stat", "-c", "%u:%g", "/tmp/from-outside").out == "1000:1001\n"


@probe("ContainerPrune", "filters")
def prune_containers(w):
    id = w.stopped("kept")
    assert w("POST", "/containers/prune", filters={"until": ["1h"]}).json()["ContainersDeleted"] is None
    assert w("POST", "/containers/prune", filters={"label": ["x"]}).json()["ContainersDeleted"] is None
    assert w("POST", "/containers/prune", filters={"label!": ["x"]}).json()["ContainersDeleted"] == [id]
    w.api.refused("POST", "/containers/prune", filters={"nonsense": ["x"]}, says="nonsense")


# --- execs ---

@probe("ExecResize", "h", "w")
def resize_exec(w):
    id = running_exec(w, Tty=True)
    assert w("POST", f"/exec/{id}/resize", h=12, w=34).status == 200
    w.api.refused("POST", f"/exec/{id}/resize", h=12, says="w are required")


# --- images ---

def untagged(w):
    w.api.post("/images/create", one_file(), headers=TAR, fromSrc="-")
    row, = w("GET", "/images/json", filters={"dangling": ["true"]}).json()
    return row["Id"]


@probe("ImageList", "all", "filters", "shared-size", "digests", "manifests", "identity")
def list_images(w):
    tags = lambda **kw: sorted(t for row in w("GET", "/images/json", **kw).json() for t in row["RepoTags"])  # noqa: E731
    assert tags(filters={"reference": ["own"]}) == tags(filters={"reference": ["busybox"]}) == ["busybox:latest", w.image] or \
        tags(filters={"reference": ["own"]}) == [w.image]
    assert tags(filters={"dangling": ["true"]}) == [] and tags(filters={"label": ["absent"]}) == []
    assert tags(filters={"until": ["2001-01-01"]}) == []
    for key in ("before", "since"):
        assert tags(filters={key: ["busybox"]}) == []
    w.api.refused("GET", "/images/json", filters={"nonsense": ["x"]}, says="nonsense")
    assert tags(all=1) == tags()
    assert w("GET", "/images/json").json()[0]["SharedSize"] == -1 and w("GET", "/images/json", shared__size=1).json()[0]["SharedSize"] >= 0
    assert all(row["RepoDigests"] == [] for row in w("GET", "/images/json", digests=1).json())
    assert w("GET", "/images/json", manifests=1).json() == w("GET", "/images/json").json()
    w.api.refused("GET", "/images/json", identity=1, status=501, says="identity")


@probe("ImageCreate", "fromImage", "fromSrc", "repo", "tag", "message", "changes", "platform")
def create_image(w):
    w.api.refused("POST", "/images/create", fromImage="127.0.0.1:1/absent", tag="1", status=500, says="127.0.0.1:1")
    w.api.refused("POST", "/images/create", says="fromImage")
    w.api.post("/images/create", one_file(), headers=TAR, fromSrc="-", repo="imp", tag="t", message="why", changes=("ENV A=b", 'CMD ["x"]'), platform="linux/arm64")
    seen = w.api.get("/images/imp:t/json")
    assert (seen["Comment"], seen["Config"]["Env"], seen["Config"]["Cmd"], seen["Architecture"]) == ("why", ["A=b"], ["x"], "arm64")
    w.api.refused("POST", "/images/create", one_file(), headers=TAR, fromSrc="-", repo="UPPER", says="UPPER")
    w.api.refused("POST", "/images/create", one_file(), headers=TAR, fromSrc="-", changes="NONSENSE x", says="NONSENSE")


@probe("ImageInspect", "manifests", "platform")
def inspect_image(w):
    assert w("GET", f"/images/{w.image}/json", manifests=1).json() == w("GET", f"/images/{w.image}/json").json()
    w.api.refused("GET", f"/images/{w.image}/json", platform='{"os":"linux","architecture":"s390x"}', status=404, says="s390x")


@probe("ImageHistory", "platform")
def history(w):
    w.api.refused("GET", f"/images/{w.image}/history", platform='{"os":"linux","architecture":"s390x"}', status=404, says="s390x")


@probe("ImageTag", "repo", "tag")
def tag(w):
    assert w("POST", f"/images/{w.image}/tag", repo="x/y", tag="z").status == 201 and w("GET", "/images/x/y:z/json").status == 200
    w.api.refused("POST", f"/images/{w.image}/tag", repo="UPPER", says="UPPER")


@probe("ImageDelete", "force", "noprune", "platforms")
def delete_image(w):
    w.api.refused("DELETE", f"/images/{w.image.replace('own', 'busybox').split(':')[0]}", platforms='{"os":"linux","architecture":"s390x"}', status=404, says="s390x")
    id = w.api.get("/images/busybox/json")["Id"]
    w.api.refused("DELETE", f"/images/{id}", status=409)
    parent = w.api.post("/commit", container=w.main)["Id"]
    child = w.api.post("/commit", container=w.box.create("true", image=parent))["Id"]
    w.api.post("/containers/prune")
    assert w("DELETE", f"/images/{child}", noprune=1).status == 200 and w("GET", f"/images/{parent}/json").status == 200
    w.box.create("true", image=parent)
    w.api.refused("DELETE", f"/images/{parent}", status=409)
    assert w("DELETE", f"/images/{parent}", force=1).status == 200


@probe("ImagePrune", "filters")
def prune_images(w):
    id = untagged(w)
    for kept in ({"until": ["1h"]}, {"label": ["absent"]}):
        assert w("POST", "/images/prune", filters=kept).json()["ImagesDeleted"] is None
    deleted = w("POST", "/images/prune", filters={"dangling": ["true"], "label!": ["absent"]}).json()["ImagesDeleted"]
    assert {"Deleted": id} in deleted
    w.api.refused("POST", "/images/prune", filters={"nonsense": ["x"]}, says="nonsense")


@probe("ImageCommit", "container", "repo", "tag", "comment", "author", "pause", "changes")
def commit(w):
    w.api.refused("POST", "/commit", container="absent", status=404, says="absent")
    with w.api.stream("GET", "/events", filters={"container": [w.main]}) as s:
        assert w("POST", "/commit", container=w.main, repo="com", tag="t", comment="why", author="me", changes=("ENV X=y",), pause=0).status == 201
        assert [next(e["Action"] for e in s.objects() if not e["Action"].startswith("exec"))] == ["commit"]
    seen = w.api.get("/images/com:t/json")
    assert seen["Comment"] == "why" and seen["Author"] == "me" and "X=y" in seen["Config"]["Env"]


def tags_in(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return sorted(t for image in json.load(tar.extractfile("manifest.json")) for t in image["RepoTags"])


@probe("ImageGet", "platform")
@probe("ImageGetAll", "names", "platform")
def save(w):
    assert tags_in(w("GET", "/images/get", names=(w.image, "busybox")).body) == ["busybox:latest", w.image]
    for path, names_ in ((f"/images/{w.image}/get", None), ("/images/get", w.image)):
        w.api.refused("GET", path, names=names_, platform='{"os":"linux","architecture":"s390x"}', status=404, says="s390x")


@probe("ImageLoad", "quiet", "platform")
def load(w):
    archive = w("GET", f"/images/{w.image}/get").body
    loud = w("POST", "/images/load", archive, headers=TAR, quiet=0).json_stream()
    quiet = w("POST", "/images/load", archive, headers=TAR, quiet=1).json_stream()
    assert [x for x in quiet if "progressDetail" in x] == [] and quiet[-1] == loud[-1]
    refused = w("POST", "/images/load", archive, headers=TAR, platform='{"os":"linux","architecture":"s390x"}')
    assert "s390x" in refused.body.decode() and "Loaded" not in refused.body.decode()


# --- builds ---

def words(response):
    return "".join(o.get("stream", "") + o.get("error", "") for o in response.json_stream()) if response.status == 200 else response.message


CGROUP = "RUN g() { cat /sys/fs/cgroup/$1/$2 2>/dev/null || cat /sys/fs/cgroup/$3; }; g "


@probe("ImageBuild", "t", "q", "nocache", "rm", "forcerm", "labels", "buildargs", "target", "version")
def build_names_and_results(w):
    build = lambda text="RUN echo said", **kw: words(built(w, text, **kw))  # noqa: E731
    assert "Successfully tagged probe:t\n" in build(t="probe:t") and w.api.get("/images/probe:t/json")["RepoTags"] == ["probe:t"]
    assert "Using cache" in build() and "Using cache" not in build(nocache=1)
    assert build(q=1).strip() == w.api.get("/images/probe:t/json")["Id"] or build(q=1).startswith("sha256:")
    left = lambda: {c["Id"] for c in w.api.get("/containers/json", all=1)} - {w.main}  # noqa: E731
    assert "Removing intermediate container" in build(nocache=1, rm=1) and not left()
    assert "Removing intermediate container" not in build(nocache=1, rm=0) and len(left()) == 1
    before = left()
    build("RUN exit 1", forcerm=1)
    assert left() == before
    build("RUN echo labelled", labels={"x": "y"}, t="probe:l")
    assert w.api.get("/images/probe:l/json")["Config"]["Labels"]["x"] == "y"
    assert "given\n" in build("ARG A\nRUN echo $A", buildargs={"A": "given"})
    staged = "FROM busybox AS one\nRUN echo 1\nFROM one AS two\nRUN echo 2"
    assert "echo 2" in build(staged) and "echo 2" not in build(staged, target="one")
    assert "Successfully" in build(version="1")
    refused = w("POST", "/build", build_context("FROM busybox\n"), headers=TAR, version="3")
    assert refused.status in (400, 501) and "version" in refused.message


@probe("ImageBuild", "dockerfile", "remote", "pull", "cachefrom", "squash", "platform", "outputs")
def build_sources(w):
    send = lambda **kw: words(w("POST", "/build", build_context("FROM busybox\nLABEL other=1\n", "Other"), headers=TAR, **kw))  # noqa: E731
    assert "Successfully" in send(dockerfile="Other") and "Dockerfile" in send()
    assert "nonsense" in words(w("POST", "/build", b"", headers=TAR, remote="nonsense://x"))
    assert "absent" in words(w("POST", "/build", build_context("FROM absent\n"), headers=TAR, pull=1))
    assert "Successfully" in words(built(w, cachefrom=["absent:1"]))
    w.api.refused("POST", "/build", build_context("FROM busybox\n"), headers=TAR, cachefrom="{", says="cachefrom")
    built(w, "RUN echo 1 > /1\nRUN echo 2 > /2", squash=1, t="probe:s")
    assert len(w.api.get("/images/probe:s/json")["RootFS"]["Layers"]) == 2
    assert "s390x" in words(built(w, platform="linux/s390x"))
    assert "nonsense" in words(built(w, outputs='[{"Type":"nonsense"}]'))


@probe("ImageBuild", "extrahosts", "memory", "memswap", "cpushares", "cpusetcpus", "cpuperiod", "cpuquota", "shmsize", "networkmode")
def build_containers(w):
    run = lambda text, **kw: words(built(w, "RUN " + text, nocache=1, **kw))  # noqa: E731
    show = lambda *at, **kw: words(built(w, CGROUP + " ".join(at), nocache=1, **kw))  # noqa: E731
    assert "10.1.2.3\tsomewhere\n" in run("cat /etc/hosts", extrahosts="somewhere:10.1.2.3")
    assert f"{32 << 20}\n" in show("memory", "memory.limit_in_bytes", "memory.max", memory=32 << 20, memswap=-1)
    assert "memswap" in run("true", memswap="x") and "memory" in run("true", memory="x")
    shares = show("cpu", "cpu.shares", "cpu.weight", cpushares=512)
    assert "\n512\n" in shares or "\n20\n" in shares
    assert "\n0\n" in show("cpuset", "cpuset.cpus", "cpuset.cpus", cpusetcpus="0")
    assert "\n40000" in show("cpu", "cpu.cfs_quota_us", "cpu.max", cpuquota=40000, cpuperiod=50000) and "\n50000\n" in show("cpu", "cpu.cfs_period_us", "cpu.max", cpuperiod=50000, cpuquota=40000)
    assert " 8192 " in run("df -k /dev/shm | tail -1", shmsize=8 << 20)
    assert "\nlo\n" in run("ls /sys/class/net", networkmode="none") and "nowhere" in run("true", networkmode="nowhere")


@probe("BuildPrune", "reserved-space", "max-used-space", "min-free-space", "all", "filters")
def prune_builds(w):
    w("POST", "/build/prune", all=1)
    built(w, "RUN head -c 1000000 /dev/zero > /big", t="probe:kept")
    assert not w("POST", "/build/prune", all=1, filters={"until": ["1h"]}).json()["CachesDeleted"]
    for key in ("reserved__space", "max__used__space"):
        assert not w("POST", "/build/prune", all=1, **{key: 1 << 40}).json()["CachesDeleted"], key
    refused = w("POST", "/build/prune", all=1, min__free__space=1)
    assert refused.status == 501 and "min-free-space" in refused.message
    for key in ("reserved__space", "max__used__space"):
        w.api.refused("POST", "/build/prune", says=key.replace("__", "-"), **{key: "x"})
    w.api.refused("POST", "/build/prune", filters={"nonsense": ["x"]}, says="nonsense")
    assert w("POST", "/build/prune", all=1).json()["CachesDeleted"]


# --- volumes and networks ---

@probe("VolumeList", "filters")
def list_volumes(w):
    for key, good, bad in [("dangling", "false", "true"), ("driver", "local", "absent"), ("label", "a=b", "a=c"), ("name", w.volume, "zzz")]:
        ask = lambda value: [v["Name"] for v in w("GET", "/volumes", filters={key: [value]}).json()["Volumes"]]  # noqa: E731
        assert ask(good) == [w.volume] and ask(bad) == [], key
    w.api.refused("GET", "/volumes", filters={"nonsense": ["x"]}, says="nonsense")


@probe("VolumeDelete", "force")
def delete_volume(w):
    w.api.refused("DELETE", "/volumes/absent", status=404, says="absent")
    assert w("DELETE", "/volumes/absent", force=1).status == 204


@probe("VolumePrune", "filters")
def prune_volumes(w):
    w.api.post("/volumes/create", {"Name": "named", "Labels": {"x": "y"}})
    anonymous = w.api.post("/volumes/create", {})["Name"]
    assert w("POST", "/volumes/prune", filters={"label": ["absent"]}).json()["VolumesDeleted"] == []
    assert w("POST", "/volumes/prune").json()["VolumesDeleted"] == [anonymous]
    assert w("POST", "/volumes/prune", filters={"all": ["true"], "label!": ["x"]}).json()["VolumesDeleted"] == []
    assert w("POST", "/volumes/prune", filters={"all": ["true"], "label": ["x=y"]}).json()["VolumesDeleted"] == ["named"]
    w.api.refused("POST", "/volumes/prune", filters={"nonsense": ["x"]}, says="nonsense")


@probe("NetworkList", "filters")
def list_networks(w):
    own = "net" + w.suffix
    for key, good, bad in [("dangling", "false", "true"), ("driver", "bridge", "macvlan"), ("id", w.network[:12], "ffff"), ("label", "a=b", "a=c"),
                           ("name", own, "zzz"), ("scope", "local", "swarm"), ("type", "custom", "builtin")]:
        ask = lambda value: [n["Name"] for n in w("GET", "/networks", filters={key: [value]}).json()]  # noqa: E731
        assert own in ask(good) and own not in ask(bad), key
    w.api.refused("GET", "/networks", filters={"nonsense": ["x"]}, says="nonsense")


@probe("NetworkInspect", "verbose", "scope")
def inspect_network(w):
    assert w("GET", f"/networks/{w.network}", verbose=1).json() == w("GET", f"/networks/{w.network}").json()  # services are a swarm's
    assert w("GET", f"/networks/{w.network}", scope="local").status == 200
    w.api.refused("GET", f"/networks/{w.network}", scope="swarm", status=404, says="not found")


@probe("NetworkPrune", "filters")
def prune_networks(w):
    w.api.post("/networks/create", {"Name": "gone"})
    for kept in ({"until": ["1h"]}, {"label": ["absent"]}):
        assert w("POST", "/networks/prune", filters=kept).json()["NetworksDeleted"] is None
    assert w("POST", "/networks/prune", filters={"label!": ["absent"]}).json()["NetworksDeleted"] == ["gone"]
    w.api.refused("POST", "/networks/prune", filters={"nonsense": ["x"]}, says="nonsense")


# --- system ---

@probe("SystemEvents", "since", "until", "filters")
def events(w):
    now = w.api.get("/info")["SystemTime"]
    ask = lambda **filters: [e["Action"] for e in w("GET", "/events", since=w.born, until=now, filters=filters).json_stream()]  # noqa: E731
    assert ask(container=[w.name], event=["create", "start"]) == ask(container=[w.main], event=["create", "start"]) == ["create", "start"]
    assert ask(volume=[w.volume], event=["create"]) == ask(network=["net" + w.suffix], event=["create"]) == ["create"]
    assert ask(image=["own:" + w.suffix], type=["image"])[-1] == "tag"
    assert ask(label=["a=b"], event=["start"]) == ["start"] and ask(type=["plugin"]) == ask(scope=["swarm"]) == []
    for key in ("config", "daemon", "node", "plugin", "secret", "service"):
        assert ask(**{key: ["absent"]}) == []
    w.api.refused("GET", "/events", filters={"nonsense": ["x"]}, says="nonsense")
    for key in ("since", "until"):
        w.api.refused("GET", "/events", says=key, **{key: "nonsense"})


@probe("SystemDataUsage", "type", "verbose")
def disk_usage(w):
    part = w("GET", "/system/df", type=("volume",)).json()
    assert part["Images"] is None and part["Volumes"]
    w.api.refused("GET", "/system/df", type="nonsense", says="nonsense")
    assert set(w("GET", "/system/df", verbose=1).json()) == set(w("GET", "/system/df").json())  # always verbose until 1.52


@pytest.mark.parametrize("function", sorted({f for fs in PROBES.values() for f in fs}, key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_a_parameter_changes_the_answer_or_is_refused(w, function):
    function(w)


def test_every_parameter_of_the_table_has_a_probe():
    table = {(n, p) for n, o in OPERATIONS.items() if o["area"] in NODE_AREAS and "outside" not in o for p in o.get("query", [])}
    assert table == set(PROBES), table ^ set(PROBES)
