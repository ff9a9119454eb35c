"""Debian's dockerd 20.10 as a worker under our managers: what needs no overlay works as with Docker's own."""
import os

import pytest

from harness.machines import DOCKERD
from harness.swarm import WAIT, form, lines

pytestmark = [pytest.mark.shoal_only("a worker of another make"),
              pytest.mark.skipif(not os.path.exists(DOCKERD), reason="dockerd is not on this machine")]


@pytest.fixture(scope="module")
def mixed(module_clusters):
    """n1, n2: ours, a manager and a worker; old: Docker's."""
    s = form(module_clusters(), 1, 1)
    (old,) = s.cluster.create("old", daemon=DOCKERD)
    s.join(old)
    s.workers.append(old)
    s.until_ready(old)
    return s


@pytest.fixture
def cluster(mixed):
    return mixed.cluster


@pytest.fixture
def swarm(mixed, cluster):
    yield mixed
    mixed.clear()


@pytest.fixture
def old(swarm):
    return swarm.cluster["old"]


def on(machine):
    return ("--constraint", f"node.hostname=={machine.name}")


def test_it_is_ready_and_says_what_it_is(swarm, old):
    node = swarm.node(old)
    assert node["Status"]["State"] == "ready" and node["Spec"]["Role"] == "worker" and node["Status"]["Addr"] == old.address
    assert node["Description"]["Engine"]["EngineVersion"].startswith("20.10") and node["Description"]["Resources"]["NanoCPUs"] > 0
    listed = swarm.first.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.EngineVersion}}").out
    assert "old Ready 20.10" in listed
    info = old.api.get("/info")["Swarm"]
    assert info["LocalNodeState"] == "active" and info["NodeID"] == node["ID"] and not info["Error"]
    assert [m["Addr"] for m in info["RemoteManagers"]] == [f"{swarm.first.address}:2377"]


def test_replicated_tasks_are_spread_over_it_too(swarm, old):
    swarm.create("w", "--replicas", "6")
    tasks = swarm.until_running("w", 6)
    assert len([t for t in tasks if t["NodeID"] == swarm.node_id(old)]) == 2 and len(swarm.containers(old, "w")) == 2
    swarm.first.docker("service", "scale", "-d", "w=3")
    swarm.until_running("w", 3)
    swarm.first.until(lambda: len(swarm.containers(old, "w")) == 1, WAIT, "one container")


def test_a_task_that_dies_there_is_replaced(swarm, old):
    swarm.create("w", *on(old))
    (before,) = swarm.until_running("w", 1)
    old.docker("kill", before["Status"]["ContainerStatus"]["ContainerID"])
    swarm.first.until(lambda: [t["ID"] for t in swarm.until_running("w", 1)] != [before["ID"]], WAIT, "another task")


def test_exit_codes_and_errors_come_back(swarm, old):
    swarm.create("fails", *on(old), "--restart-condition", "none", command=("sh", "-c", "exit 7"))
    t = swarm.until_task("fails", lambda t: t["Status"]["State"] == "failed", "failed")
    assert t["Status"]["ContainerStatus"]["ExitCode"] == 7 and "non-zero exit (7)" in t["Status"]["Err"]
    swarm.create("none", *on(old), image="nowhere.invalid/none:1", command=())
    t = swarm.until_task("none", lambda t: t["Status"]["State"] == "rejected", "rejected")
    assert t["Status"]["Err"]


def test_a_rolling_update(swarm, old):
    swarm.create("u", "--replicas", "3", "--env", "V=1", "--update-monitor", "100ms")
    swarm.until_running("u", 3)
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "u")
    swarm.until_updated("u")
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("u", 3)} == {("V=2",)}


def test_a_port_of_the_host(swarm, old):
    swarm.create("web", *on(old), "--publish", "mode=host,target=80,published=8092", command=("httpd", "-f", "-h", "/www"))
    (t,) = swarm.until_running("web", 1)
    fetch = f"curl -sf -m 3 http://{old.address}:8092/index.html"
    swarm.first.until(lambda: swarm.first.ssh(fetch).out == "hello from the image\n", WAIT, "the page")
    assert t["Status"]["PortStatus"]["Ports"][0]["PublishedPort"] == 8092


def test_the_network_of_the_host(swarm, old):
    swarm.create("web", *on(old), "--network", "host", command=("httpd", "-f", "-p", "8193", "-h", "/www"))
    swarm.until_running("web", 1)
    swarm.first.until(lambda: swarm.first.ssh(f"curl -sf -m 3 http://{old.address}:8193/index.html").out == "hello from the image\n", WAIT, "the page")


def test_global_services_and_jobs(swarm, old):
    swarm.create("g", "--mode", "global")
    assert swarm.node_id(old) in {t["NodeID"] for t in swarm.until_running("g", 3)}
    swarm.create("gj", "--mode", "global-job", command=("true",))
    swarm.first.until(lambda: [t["Status"]["State"] for t in swarm.tasks("gj")] == ["complete"] * 3, WAIT, "three complete tasks")
    swarm.create("rj", "--mode", "replicated-job", "--replicas", "3", *on(old), command=("true",))
    swarm.first.until(lambda: [t["Status"]["State"] for t in swarm.tasks("rj")] == ["complete"] * 3, WAIT, "three complete tasks")


def test_secrets_and_configs(swarm, old):
    swarm.first.docker("secret", "create", "key", "-", input="the key")
    swarm.first.docker("config", "create", "conf", "-", input="the conf")
    swarm.create("s", *on(old), "--secret", "source=key,target=own,uid=1000,mode=0400", "--config", "source=conf,target=/etc/c")
    (t,) = swarm.until_running("s", 1)
    id = t["Status"]["ContainerStatus"]["ContainerID"]
    assert old.docker.out("exec", id, "cat", "/run/secrets/own", "/etc/c") == "the keythe conf"
    assert old.docker.out("exec", id, "stat", "-c", "%u %a", "/run/secrets/own") == "1000 400"
    swarm.first.docker("secret", "create", "key2", "-", input="another")
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--update-monitor", "100ms", "--secret-rm", "key", "--secret-add", "source=key2,target=own", "s")
    swarm.until_updated("s")
    (t,) = swarm.until_running("s", 1)
    assert old.docker.out("exec", t["Status"]["ContainerStatus"]["ContainerID"], "cat", "/run/secrets/own") == "another"


def test_volumes_and_templates(swarm, old):
    swarm.create("v", *on(old), "--mount", "type=volume,source=vol-{{.Task.Slot}},target=/v", "--hostname", "{{.Node.Hostname}}-{{.Task.Slot}}")
    (t,) = swarm.until_running("v", 1)
    c = old.api.get(f"/containers/{t['Status']['ContainerStatus']['ContainerID']}/json")
    assert c["Config"]["Hostname"] == "old-1" and c["Mounts"][0]["Name"] == "vol-1"


def test_logs_come_from_it(swarm, old):
    swarm.create("l", "--mode", "global", command=("sh", "-c", "echo out of $(hostname); exec sleep 100000"), )
    swarm.until_running("l", 3)
    swarm.first.until(lambda: len(lines(swarm.first.docker("service", "logs", "l").out)) == 3, WAIT, "three lines")
    assert any("@old" in x for x in lines(swarm.first.docker("service", "logs", "l").out))
    swarm.create("f", *on(old), command=("sh", "-c", "while true; do echo line; sleep 0.2; done"))
    swarm.until_running("f", 1)
    p = swarm.first.docker.start("service", "logs", "-f", "--raw", "f")
    assert [p.stdout.readline() for _ in range(5)] == [b"line\n"] * 5
    p.kill(), p.wait()


def test_labels_of_its_node_and_drain(swarm, old):
    swarm.create("d", "--replicas", "6")
    swarm.until_running("d", 6)
    swarm.first.docker("node", "update", "--availability", "drain", "--label-add", "make=docker", "old")
    left = swarm.until_running("d", 6)
    assert swarm.node_id(old) not in {t["NodeID"] for t in left}
    swarm.first.until(lambda: not swarm.containers(old, "d"), WAIT, "the end of the containers")
    swarm.first.docker("node", "update", "--availability", "active", "old")
    swarm.create("only", "--constraint", "node.labels.make==docker")
    swarm.until_running("only", 1)


def test_it_comes_back_after_a_power_cut(swarm, old):
    swarm.create("w", *on(old), "--replicas", "2")
    swarm.until_running("w", 2)
    old.kill()
    swarm.until_down(old, seconds=2 * WAIT)
    old.start()
    swarm.until_ready(old)
    swarm.until_running("w", 2)
    swarm.first.until(lambda: len(swarm.containers(old, "w")) == 2, WAIT, "two containers")


def test_it_comes_back_after_our_manager_did(swarm, old):
    swarm.create("w", *on(old))
    (before,) = swarm.until_running("w", 1)
    swarm.first.kill()
    swarm.first.start()
    swarm.until_ready(seconds=2 * WAIT)
    assert [t["ID"] for t in swarm.until_running("w", 1)] == [before["ID"]]
    assert [c["Id"] for c in swarm.containers(old, "w")] == [before["Status"]["ContainerStatus"]["ContainerID"]]


def test_the_root_is_rotated_under_it(swarm, old):
    before = swarm.first.docker.out("swarm", "ca")
    swarm.first.docker("swarm", "ca", "--rotate", "--detach", "-q")
    swarm.first.until(lambda: not swarm.first.api.get("/swarm")["RootRotationInProgress"] and swarm.first.docker.out("swarm", "ca") != before, 3 * WAIT, "the end of the rotation")
    swarm.until_ready(old)
    swarm.create("w", *on(old))
    swarm.until_running("w", 1)


def test_it_leaves_and_joins_again(swarm, old):
    before = swarm.node_id(old)
    swarm.create("w", "--replicas", "3")
    swarm.until_running("w", 3)
    old.docker("swarm", "leave")
    swarm.until_down(old, seconds=2 * WAIT)
    swarm.until_running("w", 3)
    assert not swarm.containers(old, "w", all=True)
    swarm.first.docker("node", "rm", before)
    assert "old" not in swarm.nodes()
    swarm.join(old)
    swarm.until_ready(old)
    assert swarm.node_id(old) != before


def test_a_wrong_token_is_refused(swarm):
    (other,) = swarm.cluster.create("other", daemon=DOCKERD, images=False)
    good = swarm.token("worker")
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    assert other.docker("swarm", "join", "--token", bad, f"{swarm.first.address}:2377", ok=False, timeout=90).err
    assert len(swarm.nodes()) == 3
    swarm.cluster.remove(other)


def test_it_is_no_manager(swarm):
    """Another make's raft cannot be ours: who tries is told, or stays a candidate, and the cluster is as it was."""
    (other,) = swarm.cluster.create("other", daemon=DOCKERD, images=False)
    other.docker("swarm", "join", "--token", swarm.token("manager"), f"{swarm.first.address}:2377", ok=None, timeout=90)
    status = [n.get("ManagerStatus") or {} for n in swarm.first.api.get("/nodes")]
    assert [s.get("Leader") for s in status if s.get("Reachability") == "reachable"] == [True]
    swarm.create("w", "--constraint", "node.role==manager", "--constraint", f"node.hostname=={swarm.first.name}")
    swarm.until_running("w", 1)
    other.docker("swarm", "leave", "--force", ok=None)
    swarm.cluster.remove(other)
    if "other" in swarm.nodes():
        swarm.first.docker("node", "demote", "other", ok=None)
        swarm.first.until(lambda: swarm.first.docker("node", "rm", "--force", "other").code == 0, WAIT, "the removal")
