"""A swarm whose machines lose power, cables, disks and their log: what was promised holds, and it comes back without help.

Three managers, two workers. Every wait is bounded; none is measured. Where Docker makes the same promise the test can be
held against it (E2E_DAEMON=dockerd).
"""
import os
import random
import signal
import time

import pytest

from harness import host
from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form

LONG_WAIT = 2 * WAIT  # for what includes a node being found silent
ours = pytest.mark.shoal_only("the log is ours")


@pytest.fixture
def swarm(clusters):
    """swarm(managers, workers): its heartbeats are short, so that silence is noticed soon; not so short that load is silence."""
    def make(managers=3, workers=2, **kw):
        s = form(clusters(), managers, workers, init=["--dispatcher-heartbeat", "3s", *kw.pop("init", ())], **kw)
        s.until_managers(*s.managers)
        return s
    return make


def others(s, *machines):
    return [m for m in s.machines if m not in machines]


def other_managers(s, *machines):
    return [m for m in s.managers if m not in machines]


def update(manager, service, value):
    """Writes by one manager; the answer counts only when it is a success."""
    manager.docker("service", "update", "-d", "-q", "--no-resolve-image", "--label-add", f"v={value}", service, timeout=WAIT)


def until_updated(manager, service, value, seconds=LONG_WAIT):
    manager.until(lambda: update(manager, service, value) is None, seconds, "an update")


def value(manager, service):
    return manager.api.get(f"/services/{service}")["Spec"]["Labels"].get("v")


def until_whole(s, service, replicas, machines=None, by=None, seconds=LONG_WAIT):
    """So many tasks run, each in exactly one container, and nothing else of the service runs anywhere that answers."""
    by, machines = by or s.first, machines or s.machines

    def check():
        tasks = s.running(service, by)
        wanted = {t["Status"]["ContainerStatus"]["ContainerID"] for t in tasks}
        there = [c["Id"] for m in machines for c in s.containers(m, service)]
        return len(tasks) == replicas and sorted(there) == sorted(wanted)
    by.until(check, seconds, f"{replicas} tasks of {service} with their containers and no others")


def until_agreed(s, *managers, seconds=LONG_WAIT):
    """All of them say the same of nodes, services and tasks."""
    def view(m):
        return [sorted((x["ID"], x["Version"]["Index"]) for x in m.api.get(path)) for path in ("/nodes", "/services", "/tasks", "/secrets", "/configs")]

    def check():
        first, *rest = [view(m) for m in managers]
        return all(x == first for x in rest)
    managers[0].until(check, seconds, "one view of all managers")


def until_healthy(s):
    s.until_managers(*s.managers, seconds=LONG_WAIT)
    s.until_ready(seconds=LONG_WAIT)
    until_agreed(s, *s.managers)


def follower(s):
    leader = s.leader()
    return next(m for m in s.managers if m is not leader)


# --- power ---

def test_a_worker_loses_power(swarm):
    s = swarm()
    victim = s.workers[0]
    s.create("w", "--replicas", "10")
    s.until_running("w", 10)
    victim.kill()
    s.until_down(victim, seconds=LONG_WAIT)
    until_whole(s, "w", 10, machines=others(s, victim))
    victim.start()
    until_healthy(s)
    until_whole(s, "w", 10)  # what ran there before is not started again beside its replacement


def test_a_worker_that_is_back_at_once_runs_its_tasks_again(swarm):
    s = swarm(1, 1)
    s.create("w", "--replicas", "4")
    s.until_running("w", 4)
    s.workers[0].kill()
    s.workers[0].start()
    until_healthy(s)
    until_whole(s, "w", 4)


def test_a_follower_loses_power(swarm):
    s = swarm()
    s.create("w", "--replicas", "10")
    s.until_running("w", 10)
    victim = follower(s)
    victim.kill()
    rest = other_managers(s, victim)
    for i, m in enumerate(rest):
        until_updated(m, "w", str(i))
    until_whole(s, "w", 10, machines=others(s, victim), by=rest[0])
    victim.start()
    until_healthy(s)
    assert value(victim, "w") == "1"
    until_whole(s, "w", 10)


def test_the_leader_loses_power_again_and_again(swarm):
    s = swarm()
    s.create("w", "--replicas", "10")
    s.until_running("w", 10)
    for turn in range(3):
        victim = s.leader(by=s.managers[turn % 3])
        rest = other_managers(s, victim)
        victim.kill()
        until_updated(rest[0], "w", f"turn{turn}")
        rest[1].until(lambda: value(rest[1], "w") == f"turn{turn}", WAIT, "the update on the other manager")
        assert s.leader(by=rest[0]) in rest
        victim.start()
        until_healthy(s)
        assert value(victim, "w") == f"turn{turn}"
    until_whole(s, "w", 10)


def test_everything_loses_power_at_one_moment(swarm):
    s = swarm()
    s.first.docker("secret", "create", "key", "-", input="kept")
    s.create("w", "--replicas", "8", "--secret", "key")
    s.create("g", "--mode", "global")
    s.until_running("w", 8), s.until_running("g", 5)
    before = s.spec("w")["ID"], s.first.api.get("/swarm")["ID"], s.token("worker")
    s.cluster.kill(*s.machines)
    s.cluster.start(*s.machines)
    until_healthy(s)
    assert (s.spec("w")["ID"], s.first.api.get("/swarm")["ID"], s.token("worker")) == before
    until_whole(s, "w", 8), until_whole(s, "g", 5)
    task = s.running("w")[0]
    machine = next(m for m in s.machines if s.node_id(m) == task["NodeID"])
    assert machine.docker.out("exec", task["Status"]["ContainerStatus"]["ContainerID"], "cat", "/run/secrets/key") == "kept"


def test_power_goes_in_the_middle_of_an_update(swarm):
    s = swarm()
    s.create("u", "--replicas", "10", "--env", "V=1", "--update-parallelism", "2", "--update-monitor", "100ms", "--update-failure-action", "continue")
    s.until_running("u", 10)
    s.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "u")
    leader = s.leader()
    leader.kill()
    by = other_managers(s, leader)[0]
    by.until(lambda: len([t for t in s.running("u", by) if t["Spec"]["ContainerSpec"]["Env"] == ["V=2"]]) == 10, LONG_WAIT, "ten new tasks")
    leader.start()
    until_healthy(s)
    until_whole(s, "u", 10)
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in s.running("u")} == {("V=2",)}


# --- daemons alone ---

def test_a_daemon_dies_and_its_tasks_run_on(swarm):
    s = swarm(3, 1)
    s.create("w", "--replicas", "8")
    s.until_running("w", 8)
    for victim in (s.workers[0], follower(s), s.leader()):
        by = other_managers(s, victim)[0]
        before = containers_of_tasks(s, victim, by)
        victim.kill_daemon()
        if IS_SHOAL:
            assert len(victim.pids("sleep")) >= len(before)
        victim.start()
        until_healthy(s)
        until_whole(s, "w", 8, by=by)
        if IS_SHOAL:  # Docker restarts them
            after = containers_of_tasks(s, victim, by)
            kept = before.keys() & after.keys()  # others were replaced, if the node was away too long
            assert {t: after[t] for t in kept} == {t: before[t] for t in kept}


def containers_of_tasks(s, machine, by):
    node = s.node_id(machine, by)
    return {t["ID"]: t["Status"]["ContainerStatus"]["ContainerID"] for t in s.running("w", by) if t["NodeID"] == node}


# --- partitions ---

def test_the_leader_is_cut_off(swarm):
    s = swarm()
    s.create("w", "--replicas", "10")
    s.until_running("w", 10)
    old = s.leader()
    rest = other_managers(s, old)
    s.cluster.isolate(old)
    until_updated(rest[0], "w", "majority")
    assert s.leader(by=rest[0]) is not old
    # The one that is alone must not accept a write, however long it is asked.
    refused = old.docker("service", "update", "-d", "-q", "--no-resolve-image", "--label-add", "v=minority", "w", ok=None, timeout=LONG_WAIT)
    assert refused.code != 0, refused
    until_whole(s, "w", 10, machines=others(s, old), by=rest[0])
    s.cluster.heal()
    until_healthy(s)
    assert {value(m, "w") for m in s.managers} == {"majority"}
    until_whole(s, "w", 10)


def test_a_worker_is_cut_off_and_its_tasks_run_on_until_it_hears_again(swarm):
    s = swarm(3, 2)
    victim = s.workers[0]
    s.create("w", "--replicas", "10")
    s.until_running("w", 10)
    mine = sorted(c["Id"] for c in s.containers(victim, "w"))
    assert mine
    s.cluster.isolate(victim)
    s.until_down(victim, seconds=LONG_WAIT)
    until_whole(s, "w", 10, machines=others(s, victim))
    assert sorted(c["Id"] for c in s.containers(victim, "w")) == mine
    s.cluster.heal()
    until_healthy(s)
    until_whole(s, "w", 10)


def test_a_cut_of_one_way_is_found_and_healed(swarm):
    s = swarm(3, 1)
    victim = s.workers[0]
    for m in s.managers:
        s.cluster.cut(victim, m, one_way=True)
    s.until_down(victim, seconds=LONG_WAIT)
    s.cluster.heal()
    until_healthy(s)
    old = s.leader()
    for m in others(s, old):
        s.cluster.cut(old, m, one_way=True)  # it hears and is not heard
    by = other_managers(s, old)[0]
    by.until(lambda: s.leader(by) is not old, LONG_WAIT, "another leader")
    s.cluster.heal()
    until_healthy(s)


def test_managers_that_see_only_one_another_through_the_third(swarm):
    """Not all pairs reach each other: there is one leader all the same, or none, and never two."""
    s = swarm(3, 0)
    a, b, c = s.managers
    s.create("w")
    s.until_running("w", 1)
    s.cluster.cut(a, b)
    until_updated(c, "w", "through", seconds=LONG_WAIT)
    s.cluster.heal()
    until_healthy(s)
    assert {value(m, "w") for m in s.managers} == {"through"}


def test_links_that_come_and_go(swarm):
    s = swarm()
    s.create("w", "--replicas", "6")
    s.until_running("w", 6)
    rng = random.Random(7)
    for turn in range(6):
        victim = rng.choice(s.machines)
        s.cluster.isolate(victim)
        time.sleep(rng.uniform(0.2, 3))
        s.cluster.heal()
    until_healthy(s)
    until_updated(s.first, "w", "after")
    until_whole(s, "w", 6)


# --- no majority ---

def test_two_of_three_managers_are_gone(swarm):
    s = swarm()
    s.create("w", "--replicas", "10", "--constraint", "node.role==worker")
    s.until_running("w", 10)
    before = {m: sorted(c["Id"] for c in s.containers(m, "w")) for m in s.workers}
    left = s.first
    s.cluster.kill(*other_managers(s, left))
    r = left.docker("service", "update", "-d", "-q", "--no-resolve-image", "--label-add", "v=alone", "w", ok=None, timeout=LONG_WAIT)
    assert r.code != 0 and r.err
    assert {m: sorted(c["Id"] for c in s.containers(m, "w")) for m in s.workers} == before  # tasks run on
    other_managers(s, left)[0].start()
    until_updated(left, "w", "together")
    other_managers(s, left)[1].start()
    until_healthy(s)
    assert {value(m, "w") for m in s.managers} == {"together"}
    until_whole(s, "w", 10)


def test_two_of_three_managers_never_come_back(swarm):
    s = swarm()
    s.create("w", "--replicas", "6", "--constraint", "node.role==worker")
    s.until_running("w", 6)
    id, left, lost = s.first.api.get("/swarm")["ID"], s.first, s.managers[1:]
    s.cluster.kill(*lost)
    left.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", left.address, timeout=LONG_WAIT)
    until_updated(left, "w", "rescued")
    assert left.api.get("/swarm")["ID"] == id
    s.until_ready(*s.workers, seconds=LONG_WAIT)
    for m in lost:
        left.until(lambda m=m: left.docker("node", "demote", m.name, ok=None).code is not None and left.docker("node", "rm", "--force", m.name).code == 0, WAIT, "removal of a lost manager")
    s.cluster.remove(*lost)
    s.managers = [left]
    until_whole(s, "w", 6)
    (again,) = s.cluster.create("n9")
    s.join(again, "manager")
    s.managers.append(again)
    s.until_managers(*s.managers)
    until_agreed(s, *s.managers)


# --- who was away ---

def test_a_node_that_was_removed_while_it_was_away_is_not_taken_back(swarm):
    s = swarm(1, 2)
    gone = s.workers[0]
    s.create("w", "--replicas", "6")
    s.until_running("w", 6)
    gone.kill()
    s.until_down(gone, seconds=LONG_WAIT)
    s.first.docker("node", "rm", gone.name)
    gone.start()
    time.sleep(5)
    assert gone.name not in s.nodes()
    until_whole(s, "w", 6, machines=[s.first, s.workers[1]])
    gone.docker("swarm", "leave", "--force")
    assert not s.containers(gone, "w")
    s.join(gone)
    s.until_ready(gone)


def test_a_manager_that_was_away_long_catches_up(swarm):
    s = swarm(3, 0)
    away = follower(s)
    by = other_managers(s, away)[0]
    s.create("w", "--replicas", "2", by=by)
    away.kill()
    for i in range(300):
        spec = by.api.get("/services/w")
        by.api.post(f"/services/{spec['ID']}/update", {**spec["Spec"], "Labels": {"v": str(i)}}, version=spec["Version"]["Index"])
    by.docker("secret", "create", "while-away", "-", input="x")
    away.start()
    until_healthy(s)
    assert value(away, "w") == "299" and [x["Spec"]["Name"] for x in away.api.get("/secrets")] == ["while-away"]


def test_a_manager_whose_disk_is_lost_is_replaced(swarm):
    s = swarm(3, 1)
    lost = follower(s)
    by = other_managers(s, lost)[0]
    s.cluster.remove(lost)
    by.docker("node", "demote", lost.name)
    by.until(lambda: by.docker("node", "rm", "--force", lost.name).code == 0, LONG_WAIT, "the removal")
    s.managers.remove(lost)
    (new,) = s.cluster.create("new")
    s.join(new, "manager", by=by)
    s.managers.append(new)
    s.until_managers(*s.managers, by=by)
    until_agreed(s, *s.managers)


# --- the log ---

def etcd(machine):
    found = machine.pids("etcd")
    assert len(found) == 1, found
    return found[0]


def etcd_folder(machine):
    """Its data directory, as the machine sees it."""
    with open(f"/proc/{etcd(machine)}/cmdline") as f:
        words = f.read().split("\0")
    for i, w in enumerate(words):
        if w.startswith("--data-dir"):
            return w.partition("=")[2] or words[i + 1]
    raise AssertionError(f"no data directory: {words}")


@ours
@pytest.mark.parametrize("who", ["leader", "follower"])
def test_the_log_is_killed_and_comes_back(swarm, who):
    s = swarm()
    s.create("w", "--replicas", "6")
    s.until_running("w", 6)
    victim = s.leader() if who == "leader" else follower(s)
    ids = {c["Id"] for m in s.machines for c in s.containers(m, "w")}
    for turn in range(3):
        pid = etcd(victim)
        os.kill(pid, signal.SIGKILL)
        victim.until(lambda: etcd(victim) != pid, WAIT, "another etcd")
        until_updated(victim, "w", f"{who}{turn}")
    until_healthy(s)
    assert victim.status() == "Running" and {c["Id"] for m in s.machines for c in s.containers(m, "w")} == ids


@ours
@pytest.mark.parametrize("who", ["leader", "follower"])
def test_the_log_stands_still(swarm, who):
    s = swarm()
    s.create("w", "--replicas", "6")
    s.until_running("w", 6)
    victim = s.leader() if who == "leader" else follower(s)
    rest = other_managers(s, victim)
    pid = etcd(victim)
    os.kill(pid, signal.SIGSTOP)
    try:
        until_updated(rest[0], "w", "meanwhile")
        until_updated(rest[1], "w", "meanwhile2")
        assert s.leader(by=rest[0]) in rest
        assert victim.api.raw("GET", "/_ping", timeout=10).status == 200  # the rest of the daemon does not stand still
        victim.docker("ps", timeout=20)
    finally:
        os.kill(pid, signal.SIGCONT)
    until_healthy(s)
    assert {value(m, "w") for m in s.managers} == {"meanwhile2"}
    until_whole(s, "w", 6)


@ours
@pytest.mark.parametrize("damage", ["overwritten", "cut off", "gone"])
def test_the_log_of_one_manager_is_damaged(swarm, damage):
    s = swarm(3, 1)
    s.create("w", "--replicas", "6")
    s.until_running("w", 6)
    victim = follower(s)
    rest = other_managers(s, victim)
    folder = etcd_folder(victim)
    line = {"overwritten": "for f in $(find {0} -name '*.wal' -o -name db); do dd if=/dev/urandom of=$f bs=4k count=16 conv=notrunc status=none; done",
            "cut off": "for f in $(find {0} -name '*.wal' -o -name db); do truncate -s 100 $f; done", "gone": "rm -rf {0}/*"}[damage]
    os.kill(etcd(victim), signal.SIGSTOP)  # it must not mend anything, nor write
    victim.ssh(line.format(folder))
    victim.kill()
    victim.start()
    for m in rest:
        until_updated(m, "w", m.name)
    until_whole(s, "w", 6, machines=s.machines, by=rest[0])
    # It heals by itself from the others, or says what is wrong and can be put in again by hand.
    healed = host.until(lambda: "reachable" if (s.node(victim, rest[0]).get("ManagerStatus") or {}).get("Reachability") == "reachable" and
                        _agrees(victim, rest[0]) else victim.api.get("/info")["Swarm"]["Error"] or None, LONG_WAIT, 0.2, "a healed manager or its complaint")
    if healed != "reachable":
        rest[0].docker("node", "demote", victim.name)
        victim.docker("swarm", "leave", "--force")
        rest[0].until(lambda: rest[0].docker("node", "rm", "--force", victim.name).code == 0, WAIT, "the removal")
        s.join(victim, "manager", by=rest[0])
    s.until_managers(*s.managers, by=rest[0], seconds=LONG_WAIT)
    until_agreed(s, *s.managers)
    until_whole(s, "w", 6)


def _agrees(a, b):
    try:
        return value(a, "w") == value(b, "w")
    except Exception:
        return False


@ours
def test_only_manager_with_a_damaged_log_says_so_and_does_not_begin_anew(swarm):
    s = swarm(1, 0)
    s.create("w")
    folder = etcd_folder(s.first)
    os.kill(etcd(s.first), signal.SIGSTOP)
    s.first.ssh(f"for f in $(find {folder} -name '*.wal' -o -name db); do dd if=/dev/urandom of=$f bs=4k count=16 conv=notrunc status=none; done")
    s.first.kill()
    s.first.start()
    s.first.until(lambda: s.first.api.get("/info")["Swarm"]["Error"], LONG_WAIT, "the complaint")
    assert s.first.docker("service", "ls", ok=None, timeout=WAIT).code != 0
    assert s.first.docker.out("run", "--rm", "busybox", "echo", "engine") == "engine"
    s.first.docker("swarm", "leave", "--force")
    s.first.docker("swarm", "init")


# --- disks ---

@ours
def test_the_disk_of_a_manager_is_full(swarm):
    s = swarm(3, 1, disk="400m")
    s.create("w", "--replicas", "4", "--constraint", "node.role==worker")
    s.until_running("w", 4)
    victim = s.leader()
    rest = other_managers(s, victim)
    victim.ssh("head -c 1G /dev/zero > /var/lib/filler", ok=None)
    secret = "x" * 400000
    for i in range(20):  # more than what was left in files that were there
        m = rest[i % 2]
        m.until(lambda m=m, i=i: m.docker("secret", "create", f"s{i}", "-", input=secret, ok=None, timeout=LONG_WAIT).code == 0 or
                any(x["Spec"]["Name"] == f"s{i}" for x in m.api.get("/secrets")), LONG_WAIT, "a write by a manager that has room")
    until_updated(rest[0], "w", "full")
    assert victim.api.raw("GET", "/_ping", timeout=10).status == 200
    victim.ssh("rm /var/lib/filler")
    until_healthy(s)
    assert value(victim, "w") == "full" and len(victim.api.get("/secrets")) == 20
    until_whole(s, "w", 4)


@ours
def test_a_full_disk_survives_a_power_cut(swarm):
    s = swarm(3, 0, disk="400m")
    s.create("w")
    victim = follower(s)
    rest = other_managers(s, victim)
    victim.ssh("head -c 1G /dev/zero > /var/lib/filler", ok=None)
    victim.kill()
    s.cluster("start", victim.name, ok=None)  # it may refuse to start a daemon without room
    until_updated(rest[0], "w", "without")
    victim.ssh("rm /var/lib/filler")
    victim.stop()
    victim.start()
    until_healthy(s)


# --- everything together ---

@pytest.mark.long
def test_power_and_cables_at_random_while_services_change(swarm):
    s = swarm(3, 2)
    s.create("w", "--replicas", "8", "--update-monitor", "100ms", "--update-parallelism", "3", "--update-failure-action", "continue")
    s.create("g", "--mode", "global")
    rng = random.Random(int(os.environ.get("CHAOS_SEED", "1")))
    acknowledged, end = [], time.monotonic() + 180
    while time.monotonic() < end:
        what, victim = rng.choice(["kill", "kill daemon", "cut", "heal", "update", "update", "scale"]), rng.choice(s.machines)
        by = rng.choice(s.managers)
        if what == "kill":
            s.cluster("kill", victim.name, ok=None)
            time.sleep(rng.uniform(0, 2))
            victim.start()
        elif what == "kill daemon":
            s.cluster("ssh", victim.name, "kill -9 $(cat /run/shoal.pid)", ok=None)
            time.sleep(0.5)
            victim.start()
        elif what == "cut":
            s.cluster.cut(victim, rng.choice(others(s, victim)), one_way=rng.random() < 0.3)
        elif what == "heal":
            s.cluster.heal()
        elif what == "update":
            word = f"n{len(acknowledged)}"
            r = by.docker("config", "create", word, "-", input=word, ok=None, timeout=LONG_WAIT)
            if r.code == 0:
                acknowledged.append(word)
            by.docker("service", "update", "-d", "-q", "--no-resolve-image", "--force", "w", ok=None, timeout=LONG_WAIT)
        else:
            by.docker("service", "scale", "-d", f"w={rng.randint(4, 10)}", ok=None, timeout=LONG_WAIT)
    s.cluster.heal()
    s.cluster.start(*[m for m in s.machines if m.status() != "Running"])
    until_healthy(s)
    by = s.first
    by.until(lambda: by.docker("service", "scale", "-d", "w=7").code == 0, LONG_WAIT, "the last word")
    until_whole(s, "w", 7, seconds=3 * WAIT), until_whole(s, "g", 5, seconds=3 * WAIT)
    there = {c["Spec"]["Name"] for c in by.api.get("/configs")}
    assert set(acknowledged) <= there, f"acknowledged and lost: {set(acknowledged) - there}"
