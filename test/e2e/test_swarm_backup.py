"""What keeps a swarm: back-ups that are restored on another machine, snapshots, rebalancing, full disks. Ours alone: Docker has no such commands."""
import base64

import pytest

from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form

pytestmark = pytest.mark.skipif(not IS_SHOAL, reason="Docker has no such operations")

PASSPHRASE = "a passphrase-3f81a4c2 of some length"
SECRET = "needle-77c0ffee"


def back_up(machine, passphrase=PASSPHRASE):
    return machine.api.raw("POST", "/shoal/swarm/backup", {"Passphrase": passphrase}, timeout=60)


def restore(machine, data, passphrase=PASSPHRASE, **query):
    headers = {"Content-Type": "application/octet-stream", "X-Shoal-Passphrase": base64.urlsafe_b64encode(passphrase.encode()).decode()}
    return machine.api.raw("POST", "/shoal/swarm/restore", data, headers=headers, timeout=90, **query)


def local_state(machine):
    return machine.api.get("/info")["Swarm"]["LocalNodeState"]


def inside(swarm, task, *words):
    machine = next(m for m in swarm.machines if swarm.node_id(m) == task["NodeID"])
    return machine.docker.out("exec", task["Status"]["ContainerStatus"]["ContainerID"], *words)


# --- back-up and restoration ---

def test_a_swarm_comes_back_on_another_machine(clusters, tmp_path):
    cluster = clusters()
    s = form(cluster, 1, 1)
    first, (worker,) = s.first, s.workers
    first.docker("secret", "create", "pass", "-", input=SECRET)
    first.docker("node", "update", "--label-add", "kept=yes", worker.name)
    s.create("web", "--replicas", "2", "--secret", "pass")
    s.until_running("web", 2)
    before, tokens = first.api.get("/swarm"), {r: s.token(r) for r in ("worker", "manager")}
    worker_id, address = s.node_id(worker), first.address
    file = tmp_path / "swarm.backup"
    assert "backed up" in first.shoal("swarm", "backup", "--passphrase-file", "-", str(file), input=PASSPHRASE + "\n").out
    data = file.read_bytes()
    assert data.startswith(b"SHOALBAK") and SECRET.encode() not in data and PASSPHRASE.encode() not in data
    log = first.ssh("cat /var/log/*shoal* 2>/dev/null; true").out + first.log_tail(1 << 22)
    assert PASSPHRASE not in log and "/shoal/swarm/backup" in log

    # Everything but one worker is gone.
    s.create("later", by=first)
    cluster.remove(first)
    (fresh,) = cluster.create("fresh")
    assert fresh.address == address
    for wrong in (restore(fresh, data, "another passphrase"), restore(fresh, data[:len(data) // 2]), restore(fresh, data[:-1]),
                  restore(fresh, data[:300] + b"?" + data[301:]), restore(fresh, b"no back-up"), restore(fresh, b"")):
        assert wrong.status in (400, 401), wrong
        assert local_state(fresh) == "inactive"
    assert "passphrase" in fresh.shoal("swarm", "restore", "--passphrase-file", "-", str(file), input="wrong passphrase\n", ok=False).err

    assert "restored" in fresh.shoal("swarm", "restore", "--passphrase-file", "-", str(file), input=PASSPHRASE + "\n", timeout=120).out
    s.managers[:] = [fresh]
    after = fresh.api.get("/swarm")
    assert (after["ID"], after["JoinTokens"], after["TLSInfo"]) == (before["ID"], before["JoinTokens"], before["TLSInfo"])
    assert [x["Spec"]["Name"] for x in fresh.api.get("/services")] == ["web"]
    assert "already part of a swarm" in restore(fresh, data).message
    s.until_node(worker, lambda n: n["Status"]["State"] == "ready" and n["ID"] == worker_id and n["Spec"]["Labels"] == {"kept": "yes"}, "back by itself", seconds=2 * WAIT)
    old = s.until_node(first, lambda n: n["Status"]["State"] == "down" and n["Spec"]["Role"] == "worker" and n, "down", seconds=2 * WAIT) and s.node(first)
    running = s.until_running("web", 2, seconds=2 * WAIT)
    assert {inside(s, t, "cat", "/run/secrets/pass") for t in running} == {SECRET}
    fresh.docker("node", "rm", old["ID"])

    # It is a whole swarm: the old tokens admit, and it survives a power cut.
    (late,) = cluster.create("late", images=False)
    late.docker("swarm", "join", "--token", tokens["manager"], f"{fresh.address}:2377", timeout=90)
    s.until_managers(fresh, late)


def test_a_restored_manager_survives_a_power_cut_and_keeps_the_lock(clusters):
    cluster = clusters()
    s = form(cluster, 1, 0, init=["--autolock"], images=False)
    key = s.first.docker.out("swarm", "unlock-key", "-q")
    s.first.docker("secret", "create", "pass", "-", input=SECRET)
    data = back_up(s.first).body
    s.first.docker("swarm", "leave", "--force")
    assert restore(s.first, data).status == 200
    assert s.first.docker.out("swarm", "unlock-key", "-q") == key
    s.first.kill()
    s.first.start()
    s.first.until(lambda: local_state(s.first) == "locked", WAIT, "locked")
    assert restore(s.first, data).status == 503
    s.first.docker("swarm", "unlock", input=key + "\n")
    s.first.until(lambda: [x["Spec"]["Name"] for x in s.first.api.get("/secrets")] == ["pass"], WAIT, "the secret")


def test_every_manager_gives_the_same_back_up_and_others_none(clusters):
    s = form(clusters(), 2, 1, images=False)
    s.until_managers(*s.managers)
    leader = s.leader()
    other = next(m for m in s.managers if m is not leader)
    leader.docker("config", "create", "one", "-", input="1")
    data = back_up(other).body  # it has what the leader has answered
    assert back_up(other, "short").status == 400
    refused = back_up(s.workers[0])
    assert refused.status == 503 and "not a swarm manager" in refused.message
    for m in s.managers:
        m.docker("swarm", "leave", "--force")
    assert back_up(other).status == 503
    assert restore(other, data).status == 200
    assert [x["Spec"]["Name"] for x in other.api.get("/configs")] == ["one"]
    assert len(other.api.get("/nodes")) == 4


def test_an_interrupted_restoration_leaves_nothing(clusters):
    s = form(clusters(), 1, 0, images=False)
    data = back_up(s.first).body
    s.first.docker("swarm", "leave", "--force")
    state = '{"NodeID":"x","ClusterID":"y","ListenAddress":"0.0.0.0:2377","AdvertiseAddress":"127.0.0.1:2377","PeerListenAddress":"127.0.0.1:2378","PeerURL":"https://127.0.0.1:2378","Managers":[],"Restoring":true}'
    s.first.ssh(f"echo '{state}' > /var/lib/shoal/swarm/state.json; sync")
    s.first.kill()
    s.first.start()
    s.first.until(lambda: local_state(s.first) == "inactive", WAIT, "outside")
    assert s.first.ssh("ls /var/lib/shoal/swarm/state.json", ok=None).code != 0
    assert restore(s.first, data).status == 200


def test_managers_keep_snapshots_of_their_own(clusters):
    s = form(clusters(), 1, 1, images=False)
    s.first.docker("secret", "create", "pass", "-", input=SECRET)
    folder = "/var/lib/shoal/swarm/snapshots"
    s.first.until(lambda: len(s.first.ssh(f"ls {folder}").out.split()) == 1, WAIT, "a snapshot")
    assert s.first.ssh(f"stat -c %a {folder} {folder}/*").out.split() == ["700", "600"]
    assert s.first.ssh(f"grep -rl {SECRET} {folder}; true").out == ""
    assert s.workers[0].ssh(f"ls {folder}", ok=None).code != 0
    s.first.docker("swarm", "leave", "--force")
    assert s.first.ssh(f"ls {folder}", ok=None).code != 0


# --- rebalancing ---

def on(swarm, service, machine):
    return sum(t["NodeID"] == swarm.node_id(machine) for t in swarm.running(service))


@pytest.mark.parametrize("command", ["api", "shoal"])
def test_a_service_is_spread_again_when_asked(clusters, command):
    s = form(clusters(), 1, 1)
    (b,) = s.workers
    s.create("web", "--replicas", "4", "--update-monitor", "1s")
    s.until_running("web", 4)
    moves = s.first.api.post("/shoal/services/web/rebalance", **{"dry-run": 1})["Moves"]
    assert moves == []
    s.first.docker("node", "update", "--availability", "drain", b.name)
    s.first.until(lambda: on(s, "web", s.first) == 4, WAIT, "all on one node")
    s.first.docker("node", "update", "--availability", "active", b.name)
    moves = s.first.api.post("/shoal/services/web/rebalance", **{"dry-run": 1})["Moves"]
    assert len(moves) == 2 and {(m["From"], m["To"]) for m in moves} == {(s.node_id(s.first), s.node_id(b))}
    assert {m["Task"] for m in moves} < {t["ID"] for t in s.running("web")}
    assert on(s, "web", s.first) == 4
    if command == "api":
        assert len(s.first.api.post("/shoal/services/web/rebalance")["Moves"]) == 2
    else:
        assert s.first.shoal("service", "rebalance", "--dry-run", "web").out.count(b.name) == 2
        s.first.shoal("service", "rebalance", "--detach", "web")
    s.first.until(lambda: (on(s, "web", s.first), on(s, "web", b)) == (2, 2), 2 * WAIT, "two on each")
    s.until_running("web", 4)
    assert "balanced" in s.first.shoal("service", "rebalance", "web").out
    s.create("everywhere", "--mode", "global")
    refused = s.first.api.raw("POST", "/shoal/services/everywhere/rebalance")
    assert refused.status == 400 and "only replicated" in refused.message
    assert s.first.api.raw("POST", "/shoal/services/none/rebalance").status == 404


# --- a full disk ---

def test_a_full_disk_refuses_changes_and_nothing_else(clusters):
    cluster = clusters()
    (a,) = cluster.create("a", disk="512m")
    a.docker("swarm", "init")
    a.docker("service", "create", "-d", "--name", "web", "--no-resolve-image", "busybox", "sleep", "100000")
    a.until(lambda: any(t["Status"]["State"] == "running" for t in a.api.get("/tasks")), WAIT, "a task")
    a.ssh("dd if=/dev/zero of=/var/lib/shoal/filler bs=1M 2>/dev/null; sync; true", timeout=300)
    refused = None
    for i in range(200):  # the log has room of its own for a while
        data = base64.b64encode(bytes([i]) * 900_000).decode()
        r = a.api.raw("POST", "/configs/create", {"Name": f"c{i}", "Data": data}, timeout=60)
        if r.status >= 400:
            refused = r
            break
        a.ssh("dd if=/dev/zero of=/var/lib/shoal/filler2 bs=64k oflag=append conv=notrunc 2>/dev/null; true", timeout=300)
    assert refused is not None, "the disk never was full"
    more = {"Name": "more", "Data": data}
    a.until(lambda: "space" in (a.api.raw("POST", "/configs/create", more, timeout=60).message or ""), 2 * WAIT, "the reason")
    a.until(lambda: any("space" in w for w in a.api.get("/info")["Warnings"] or []), WAIT, "a warning")
    a.until(lambda: "space" in a.api.get("/nodes")[0]["Status"]["Message"], WAIT, "the node's word")
    assert [x["Spec"]["Name"] for x in a.api.get("/services")] == ["web"]
    assert len(a.api.get("/containers/json")) == 1
    a.ssh("rm -f /var/lib/shoal/filler /var/lib/shoal/filler2")
    a.until(lambda: a.api.raw("POST", "/configs/create", {"Name": "after", "Data": "YQ=="}, timeout=60).status == 201, 2 * WAIT, "changes again")
    a.until(lambda: not any("space" in w for w in a.api.get("/info")["Warnings"] or []), WAIT, "no warning")
