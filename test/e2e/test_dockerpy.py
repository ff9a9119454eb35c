"""docker-py as people use it."""
import io
import tarfile
import threading

import docker
import pytest

from harness.images import tar_of


def test_run_returns_the_output(py):
    assert py.containers.run("busybox", ["echo", "hi"], remove=True) == b"hi\n"
    assert py.containers.run("busybox", "sh -c 'echo $A'", environment={"A": "1"}, remove=True) == b"1\n"


def test_a_failing_run_raises_with_the_output(py):
    with pytest.raises(docker.errors.ContainerError) as e:
        py.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    assert e.value.exit_status == 3 and b"bad" in e.value.stderr


def test_an_absent_image_raises(py):
    with pytest.raises((docker.errors.ImageNotFound, docker.errors.APIError)):
        py.containers.run("127.0.0.1:1/absent")


def test_a_life(py):
    c = py.containers.run("busybox", ["sleep", "1000"], name="life", detach=True, labels={"a": "b"}, mem_limit="64m")
    assert c.status in ("created", "running") and c.short_id and c.labels == {"a": "b"}
    c.pause()
    c.reload()
    assert c.status == "paused"
    c.unpause()
    c.rename("life2")
    c.reload()
    assert c.name == "life2" and c.attrs["HostConfig"]["Memory"] == 64 << 20
    c.restart(timeout=0)
    assert py.containers.get("life2").status == "running"
    c.kill()
    assert c.wait(timeout=20)["StatusCode"] == 137
    c.remove()
    with pytest.raises(docker.errors.NotFound):
        py.containers.get("life2")


def test_list_and_filters(py):
    py.containers.run("busybox", ["sleep", "1000"], name="one", detach=True)
    py.containers.create("busybox", name="two")
    assert [c.name for c in py.containers.list()] == ["one"]
    assert {c.name for c in py.containers.list(all=True)} == {"one", "two"}
    assert [c.name for c in py.containers.list(all=True, filters={"status": "created"})] == ["two"]


def test_logs_stream(py):
    c = py.containers.run("busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; done"], detach=True)
    assert b"".join(c.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert c.logs(tail=1) == b"3\n" and c.logs(stdout=False) == b""
    assert b"Z 1\n" in c.logs(timestamps=True)


def test_exec_run(py):
    c = py.containers.run("busybox", ["sleep", "1000"], detach=True)
    assert c.exec_run(["sh", "-c", "echo hi; exit 4"]) == (4, b"hi\n")
    code, (out, err) = c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (out, err) == (b"o\n", b"e\n")
    assert b"".join(c.exec_run(["echo", "streamed"], stream=True).output) == b"streamed\n"
    assert c.exec_run("id -un", user="web").output == b"web\n"


def test_exec_socket(py):
    c = py.containers.run("busybox", ["sleep", "1000"], detach=True)
    sock = c.exec_run("cat", stdin=True, socket=True, tty=True).output
    sock._sock.sendall(b"typed\n")
    data = b""
    while b"typed\r\ntyped" not in data:
        data += sock._sock.recv(1000)
    sock.close()


def test_attach_socket(py):
    c = py.containers.create("busybox", ["cat"], stdin_open=True)
    s = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    s._sock.sendall(b"word\n")
    assert b"word\n" in s._sock.recv(1000)
    s.close()


def test_attach_stream(py):
    c = py.containers.create("busybox", ["sh", "-c", "echo a; echo b"])
    stream = c.attach(stream=True)
    c.start()
    assert b"".join(stream) == b"a\nb\n"


def test_events(py):
    seen, stream = [], py.events(decode=True, filters={"type": "container"})

    def collect():
        for e in stream:
            seen.append(e["Action"])
            if e["Action"] == "destroy":
                return
    t = threading.Thread(target=collect)
    t.start()
    py.containers.run("busybox", "true", remove=True)
    t.join(20)
    stream.close()
    assert [a for a in seen if a in ("create", "start", "die", "destroy")] == ["create", "start", "die", "destroy"]


def test_stats(py):
    c = py.containers.run("busybox", ["sleep", "1000"], detach=True)
    assert c.stats(stream=False)["memory_stats"]["usage"] > 0
    stream = c.stats(decode=True)
    assert next(stream)["cpu_stats"] and next(stream)["precpu_stats"]["cpu_usage"]["total_usage"] > 0


def test_archives(py):
    c = py.containers.create("busybox")
    assert c.put_archive("/tmp", tar_of({"f": "content"}))
    bits, stat = c.get_archive("/tmp/f")
    assert stat["size"] == 7
    assert tarfile.open(fileobj=io.BytesIO(b"".join(bits))).extractfile("f").read() == b"content"
    assert len(b"".join(c.export())) > 1_000_000


def test_commit_diff_top_and_update(py):
    c = py.containers.run("busybox", ["sh", "-c", "echo x > /n; exec sleep 1000"], detach=True)
    assert c.top()["Titles"][0] == "UID"
    image = c.commit("pycommit", "1")
    assert image.tags == ["pycommit:1"]
    assert {"Path": "/n", "Kind": 1} in c.diff()
    c.update(mem_limit="40m", memswap_limit="80m")
    c.reload()
    assert c.attrs["HostConfig"]["Memory"] == 40 << 20


def test_images(py):
    image = py.images.get("busybox")
    assert image.tags == ["busybox:latest"] and image.history()
    assert image.tag("pytag", "1")
    data = b"".join(py.images.get("pytag:1").save(named=True))
    py.images.remove("pytag:1")
    assert py.images.load(data)[0].id == image.id
    assert py.images.list("busybox") and py.images.prune() is not None


def test_import_image(py):
    py.api.import_image_from_data(tar_of({"f": "x"}), repository="pyimp", tag="1")
    assert py.images.get("pyimp:1")


def test_networks(py):
    n = py.networks.create("pynet", ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.77.0.0/24")]))
    c = py.containers.run("busybox", ["sleep", "1000"], detach=True)
    n.connect(c, aliases=["x"], ipv4_address="10.77.0.9")
    n.reload()
    assert n.containers[0].id == c.id
    n.disconnect(c)
    n.remove()
    assert py.networks.list(names=["pynet"]) == []


def test_volumes(py):
    v = py.volumes.create("pyvol", labels={"a": "b"})
    py.containers.run("busybox", ["sh", "-c", "echo x > /v/f"], volumes={"pyvol": {"bind": "/v", "mode": "rw"}}, remove=True)
    assert py.containers.run("busybox", ["cat", "/v/f"], volumes=["pyvol:/v:ro"], remove=True) == b"x\n"
    v.remove()
    assert py.volumes.list() == []


def test_mounts_ulimits_and_health(py):
    c = py.containers.create("busybox", mounts=[docker.types.Mount("/m", "pyv", type="volume")], ulimits=[docker.types.Ulimit(name="nofile", soft=10, hard=20)],
                             healthcheck={"test": ["CMD", "true"], "interval": 10 ** 9}, restart_policy={"Name": "always"}, ports={"80/tcp": 18080})
    h = c.attrs["HostConfig"]
    assert c.attrs["Mounts"][0]["Destination"] == "/m" and h["Ulimits"][0]["Soft"] == 10 and c.attrs["Config"]["Healthcheck"]["Interval"] == 10 ** 9


def test_system(py):
    assert py.ping() and py.version()["ApiVersion"] and py.info()["Driver"] == "overlay2" and py.df()["Images"]


def test_prunes(py):
    py.containers.create("busybox")
    assert len(py.containers.prune()["ContainersDeleted"]) == 1
    py.networks.create("prunable")
    assert py.networks.prune()["NetworksDeleted"] == ["prunable"]
    assert "VolumesDeleted" in py.volumes.prune()
