"""A swarm brought back by its operator: a forced new cluster, managers demoted while they are dead, roots rotated while one is away."""
import pytest

from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form

LONG_WAIT = 3 * WAIT
pytestmark = pytest.mark.skipif(not IS_SHOAL, reason="who was a manager comes back by itself: Docker does not promise that")


@pytest.fixture
def swarm(clusters):
    def make(managers=3, workers=0, **kw):
        s = form(clusters(), managers, workers, init=["--dispatcher-heartbeat", "1s", *kw.pop("init", ())], **kw)
        s.until_managers(*s.managers)
        return s
    return make


def info(machine):
    return machine.api.get("/info")["Swarm"]


def is_worker(machine):
    i = info(machine)
    return i["LocalNodeState"] == "active" and not i["ControlAvailable"]


def kept(machine):
    """What nothing may change."""
    swarm = machine.api.get("/swarm")
    names = {kind: sorted(x["ID"] for x in machine.api.get("/" + kind)) for kind in ("nodes", "services", "secrets", "configs")}
    return {"id": swarm["ID"], "tokens": swarm["JoinTokens"], "root": swarm["TLSInfo"]["TrustRoot"], **names}


def force(machine, *words, ok=True):
    return machine.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", machine.address, *words, ok=ok, timeout=LONG_WAIT)


def power_off(*machines):
    for m in machines:
        m.kill()


def unlock_key(machine):
    return machine.docker.out("swarm", "unlock-key", "-q")


# --- a forced new cluster ---

def test_a_forced_new_cluster_keeps_everything_and_the_other_managers_come_as_workers(swarm):
    s = swarm()
    a, b, c = s.managers
    s.create("web", "--replicas", "3")
    s.until_running("web", 3)
    a.docker("secret", "create", "x", "-", input="y")
    before = kept(a)
    power_off(b, c)
    a.until(lambda: "does not have a leader" in a.docker("node", "update", "--label-add", "x=y", a.name, ok=False, timeout=WAIT).err, LONG_WAIT, "no quorum")
    force(a)
    assert kept(a) == before
    s.until_running("web", 3, seconds=LONG_WAIT)  # all here
    b.start()
    c.start()
    for m in (b, c):
        m.until(lambda m=m: is_worker(m), LONG_WAIT, "a worker")
        s.until_node(m, lambda n: n["Status"]["State"] == "ready" and n["Spec"]["Role"] == "worker" and "ManagerStatus" not in n, "a ready worker", seconds=LONG_WAIT)
    assert kept(a) == before
    a.docker("service", "update", "-d", "-q", "--no-resolve-image", "--replicas", "9", "web")
    s.until_running("web", 9, seconds=LONG_WAIT)
    assert all(s.containers(m, "web") for m in s.managers)
    a.docker("node", "promote", b.name)
    s.until_managers(a, b, seconds=LONG_WAIT)


def test_a_locked_manager_is_unlocked_before_a_new_cluster_is_forced(swarm):
    s = swarm(2, init=["--autolock"])
    a, b = s.managers
    key, before = unlock_key(a), kept(a)
    power_off(a, b)
    a.start()
    a.until(lambda: info(a)["LocalNodeState"] == "locked", WAIT, "locked")
    assert "unlock" in force(a, ok=False).err
    a.docker("swarm", "unlock", input=key + "\n", timeout=LONG_WAIT)
    force(a)
    assert kept(a) == before and unlock_key(a) == key
    a.kill()  # and it is locked again
    a.start()
    a.until(lambda: info(a)["LocalNodeState"] == "locked", WAIT, "locked")
    a.docker("swarm", "unlock", input=key + "\n", timeout=LONG_WAIT)
    s.until_ready(a, seconds=LONG_WAIT)
    assert kept(a) == before
    # The other one has its secrets under the same key, and no need of them any more.
    b.start()
    b.until(lambda: info(b)["LocalNodeState"] == "locked", WAIT, "locked")
    b.docker("swarm", "unlock", input=key + "\n", timeout=LONG_WAIT)
    b.until(lambda: is_worker(b), LONG_WAIT, "a worker")
    s.until_ready(b, seconds=LONG_WAIT)
    b.until(lambda: not b.pids("etcd"), LONG_WAIT, "the end of its store")  # a manager without a store says that it has no control
    b.ssh("sleep 1")
    b.kill()
    b.start()
    b.until(lambda: is_worker(b), LONG_WAIT, "a worker that nobody needs to unlock")


def test_a_worker_cannot_force_a_new_cluster(swarm):
    s = swarm(1, 1)
    (b,) = s.workers
    assert "manager" in force(b, ok=False).err
    assert is_worker(b)
    s.until_ready(b)


# --- addresses ---

def card_of(machine):
    """Name of the interface, length of its prefix."""
    line = next(x for x in machine.ssh("ip -o -4 addr show").out.splitlines() if f" {machine.address}/" in x).split()
    return line[1], line[3].split("/")[1]


def other_address(machine):
    """Free on the cluster's network."""
    head, last = machine.address.rsplit(".", 1)
    return f"{head}.{int(last) + 100}"


def test_a_new_cluster_is_forced_at_another_address_and_others_join_it(swarm):
    s = swarm()
    a, b, c = s.managers
    before = kept(a)
    power_off(b, c)
    (card, length), old, new = card_of(a), a.address, other_address(a)
    a.ssh(f"ip addr add {new}/{length} dev {card}")
    a.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", new, timeout=LONG_WAIT)
    assert kept(a) == before
    assert info(a)["NodeAddr"] == new
    a.ssh(f"ip addr del {old}/{length} dev {card}; ip addr show {card} | grep -q {new} || ip addr add {new}/{length} dev {card}")
    d = s.cluster.create("n9")[0]
    d.docker("swarm", "join", "--token", s.token("manager"), f"{new}:2377", timeout=90)
    s.until_managers(a, d, seconds=LONG_WAIT)
    assert s.nodes()[a.name]["ManagerStatus"]["Addr"] == f"{new}:2377"
    # The new member is good for a quorum of two, and outlives a restart of each.
    a.docker("secret", "create", "x", "-", input="y")
    d.kill_daemon()
    d.start()
    s.until_managers(a, d, seconds=LONG_WAIT)
    assert d.docker.out("secret", "ls", "--format", "{{.Name}}") == "x"


def test_a_manager_may_call_from_another_address_than_it_is_called_at(swarm):
    s = swarm(1)
    (a,) = s.managers
    b = s.cluster.create("n9")[0]
    second = other_address(b)
    b.ssh(f"ip addr add {second}/32 dev {card_of(b)[0]}")  # calls go out from the first
    b.docker("swarm", "join", "--token", s.token("manager"), "--advertise-addr", second, f"{a.address}:2377", timeout=90)
    s.until_managers(a, b, seconds=LONG_WAIT)
    assert s.nodes()[b.name]["ManagerStatus"]["Addr"] == f"{second}:2377"
    log = b.ssh("cat /var/lib/shoal/swarm/store/etcd.log").out + a.ssh("cat /var/lib/shoal/swarm/store/etcd.log").out
    assert "does not match any of DNSNames" not in log and "x509" not in log
    a.docker("secret", "create", "x", "-", input="y")
    assert b.docker.out("secret", "ls", "--format", "{{.Name}}") == "x"


# --- what a manager is, beside its agent ---

def test_a_manager_without_its_store_is_unreachable_though_its_agent_lives(swarm):
    s = swarm()
    a, b, c = s.managers
    away = next(m for m in (b, c) if not s.node(m)["ManagerStatus"].get("Leader"))
    away.ssh("kill -STOP $(pgrep -x etcd)")
    s.until_node(away, lambda n: n["ManagerStatus"]["Reachability"] == "unreachable" and n["Status"]["State"] == "ready", "unreachable")
    assert "Unreachable" in a.docker("node", "ls").out
    away.ssh("kill -CONT $(pgrep -x etcd)")
    s.until_managers(a, b, c)


def test_the_stores_settings_reach_the_managers_that_run(swarm):
    s = swarm()
    a, b, c = s.managers

    def told(m):
        return m.ssh("tr '\\0' ' ' < /proc/$(pgrep -x etcd)/cmdline").out
    assert all("--snapshot-count=10000 " in told(m) for m in s.managers)
    before = {m.name: m.ssh("pgrep -x etcd").out for m in s.managers}
    a.docker("swarm", "update", "--snapshot-interval", "555")
    least = []

    def all_told():
        running = [m.ssh("pgrep -x etcd", ok=None).out for m in s.managers]
        least.append(sum(bool(r) for r in running))
        return all("--snapshot-count=555 " in told(m) for m in s.managers)
    a.until(all_told, LONG_WAIT, "the settings everywhere")
    assert min(least) >= 2, least  # one at a time
    s.until_managers(a, b, c, seconds=LONG_WAIT)
    assert all(m.ssh("pgrep -x etcd").out != before[m.name] for m in s.managers)
    a.docker("secret", "create", "x", "-", input="y")
    d = s.cluster.create("n9")[0]
    s.join(d, "manager")
    s.until_managers(a, b, c, d, seconds=LONG_WAIT)
    assert "--snapshot-count=555 " in told(d)


def test_a_manager_whose_state_is_damaged_can_leave_and_come_again(swarm):
    s = swarm(2)
    a, b = s.managers
    b.kill_daemon()
    b.ssh("echo '{\"NodeID' > /var/lib/shoal/swarm/state.json")
    b.start()
    b.until(lambda: info(b)["LocalNodeState"] == "error", WAIT, "an error")
    assert "leave --force" in info(b)["Error"]
    b.docker("swarm", "leave", "--force", timeout=WAIT)
    assert info(b)["LocalNodeState"] == "inactive" and not b.pids("etcd")
    assert b.ssh("find /var/lib/shoal/swarm -type f -not -name 'tasks.db*'").out.strip() == ""
    b.docker("swarm", "init", "--advertise-addr", b.address, timeout=WAIT)  # and nothing is in the way
    b.docker("swarm", "leave", "--force", timeout=WAIT)


# --- managers that are dead ---

def test_a_dead_manager_is_demoted_and_comes_back_as_a_worker(swarm):
    s = swarm()
    a, b, c = s.managers
    c.kill()
    s.until_node(c, lambda n: n["ManagerStatus"]["Reachability"] == "unreachable", "unreachable", seconds=LONG_WAIT)
    a.docker("node", "demote", c.name)
    s.until_node(c, lambda n: "ManagerStatus" not in n, "no manager", seconds=LONG_WAIT)
    s.until_managers(a, b)
    c.start()
    c.until(lambda: is_worker(c), LONG_WAIT, "a worker")
    s.until_ready(c, seconds=LONG_WAIT)
    a.docker("node", "promote", c.name)
    s.until_managers(a, b, c, seconds=LONG_WAIT)


def test_a_dead_manager_is_demoted_and_removed(swarm):
    s = swarm()
    a, b, c = s.managers
    c.kill()
    s.until_down(c, seconds=LONG_WAIT)
    assert "must be demoted" in a.docker("node", "rm", "--force", c.name, ok=False).err
    a.docker("node", "demote", c.name)
    s.until_node(c, lambda n: "ManagerStatus" not in n, "no manager", seconds=LONG_WAIT)
    a.until(lambda: a.docker("node", "rm", "--force", c.name, ok=None).code == 0, WAIT, "removal")
    c.start()
    c.until(lambda: not info(c)["ControlAvailable"], LONG_WAIT, "no control")
    assert len(a.api.get("/nodes")) == 2
    c.docker("swarm", "leave", "--force", timeout=WAIT)
    s.join(c, "manager")
    s.until_managers(a, b, c, seconds=LONG_WAIT)


# --- roots and locks ---

def test_the_root_is_rotated_while_a_machine_is_off(swarm):
    s = swarm(2, 1)
    a, b, c = s.machines
    old, tokens = a.docker.out("swarm", "ca"), (s.token("worker"), s.token("manager"))
    c.kill()
    a.docker("swarm", "ca", "--rotate", "--detach", "-q")
    s.until_down(c, seconds=LONG_WAIT)
    assert a.api.get("/swarm")["RootRotationInProgress"]  # it waits for everybody
    s.until_managers(a, b, seconds=LONG_WAIT)
    c.start()
    a.until(lambda: not a.api.get("/swarm")["RootRotationInProgress"], LONG_WAIT, "the end of the rotation")
    new = a.docker.out("swarm", "ca")
    assert new != old and (s.token("worker"), s.token("manager")) != tokens
    a.until(lambda: all(n["Description"]["TLSInfo"]["TrustRoot"].strip() == new for n in a.api.get("/nodes")), LONG_WAIT, "the new root everywhere")
    s.until_ready(seconds=LONG_WAIT)
    c.docker("swarm", "leave")
    said = c.docker("swarm", "join", "--token", tokens[0], f"{a.address}:2377", ok=False, timeout=90).err
    assert said and info(c)["LocalNodeState"] == "inactive"
    s.join(c)
    s.until_ready(c)


def test_every_manager_is_locked_and_follows_the_key(swarm):
    s = swarm()
    a, b, c = s.managers
    a.docker("swarm", "update", "--autolock=true")
    old = unlock_key(a)
    c.kill()  # it has perhaps not heard of it, or has: either way it comes back
    a.docker("swarm", "unlock-key", "--rotate", "-q")
    new = unlock_key(b)
    assert new != old
    b.ssh("sleep 1")
    b.kill()
    b.start()
    b.until(lambda: info(b)["LocalNodeState"] == "locked", WAIT, "locked")
    assert b.docker("swarm", "unlock", input=old + "\n", ok=False).err
    b.docker("swarm", "unlock", input=new + "\n", timeout=LONG_WAIT)
    c.start()
    c.until(lambda: info(c)["LocalNodeState"] in ("locked", "active"), WAIT, "there")
    if info(c)["LocalNodeState"] == "locked":
        c.docker("swarm", "unlock", input=old + "\n", timeout=LONG_WAIT)
    s.until_managers(a, b, c, seconds=LONG_WAIT)
    c.until(lambda: unlock_key(c) == new, WAIT, "the key")
    c.ssh("sleep 1")
    c.kill()
    c.start()
    c.until(lambda: info(c)["LocalNodeState"] == "locked", WAIT, "locked")
    c.docker("swarm", "unlock", input=new + "\n", timeout=LONG_WAIT)  # it has taken the new one when it was back
    s.until_managers(a, b, c, seconds=LONG_WAIT)
