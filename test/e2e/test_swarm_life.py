"""A swarm's life as clients see it: begin, join, roles, tokens, leave, removal, locks. Services are in test_services.py."""
import contextlib
import re
import subprocess
import threading
import time

import pytest

from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form

TOKEN = re.compile(r"SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}")


@pytest.fixture
def swarm(clusters):
    """swarm(managers, workers): a swarm of this test's own."""
    def make(managers=1, workers=0, **kw):
        return form(clusters(), managers, workers, images=kw.pop("images", False), **kw)
    return make


@pytest.fixture
def machines(clusters):
    """machines(n): nodes without a swarm."""
    return lambda *names: clusters().create(*names, images=False)


COMMANDS = ["docker"] + (["shoal"] if IS_SHOAL else [])


def swarm_info(machine):
    return machine.api.get("/info")["Swarm"]


# --- addresses ---

def test_an_interface_stands_for_its_address(machines):
    (a,) = machines("a")
    a.ssh("ip link add br7 type bridge; ip link set br7 up; ip addr add 10.77.0.1/24 dev br7;"
          "ip link add six type bridge; ip link set six up; ip -6 addr add fd77::1/64 dev six nodad; ip link add bare type bridge")
    for name, address in (("br7", "10.77.0.1"), ("six", "fd77::1")):
        a.docker("swarm", "init", "--advertise-addr", name)
        assert swarm_info(a)["NodeAddr"] == address
        a.docker("swarm", "leave", "--force")
    if IS_SHOAL:
        assert "interface bare has no usable IPv4 or IPv6 address" in a.docker("swarm", "init", "--advertise-addr", "bare", ok=False).err
    for flag, word in (("--advertise-addr", "advertise address must be"), ("--listen-addr", "listen address must be"),
                       ("--data-path-addr", "data path address must be")):
        known = [] if flag == "--advertise-addr" else ["--advertise-addr", a.address]
        assert word in a.docker("swarm", "init", *known, flag, "nowhere", ok=False).err
    several = a.docker("swarm", "init", ok=False).err
    assert "multiple addresses on different interfaces" in several and several.count("specify one with") == 1


def test_the_data_paths_port_is_the_clusters(machines):
    (a,) = machines("a")
    assert "not in valid range" in a.docker("swarm", "init", "--advertise-addr", a.address, "--data-path-port", "80", ok=False).err
    a.docker("swarm", "init", "--advertise-addr", a.address, "--data-path-port", "7777", "--data-path-addr", a.address)
    assert a.api.get("/swarm")["DataPathPort"] == 7777
    assert "Data Path Port: 7777" in a.docker("info").out


# --- begin ---

@pytest.mark.parametrize("command", COMMANDS)
def test_init_join_and_leave_by_the_command_line(machines, command):
    a, b, c = machines("a", "b", "c")
    speak = {m: getattr(m, command) for m in (a, b, c)}
    assert swarm_info(a)["LocalNodeState"] == "inactive"
    said = speak[a]("swarm", "init", "--advertise-addr", a.address).out
    assert "is now a manager" in said and TOKEN.search(said) and f"{a.address}:2377" in said
    token = TOKEN.search(said).group()
    assert speak[a].out("swarm", "join-token", "-q", "worker") == token
    assert "joined a swarm as a worker" in speak[b]("swarm", "join", "--token", token, f"{a.address}:2377").out
    manager = speak[a].out("swarm", "join-token", "-q", "manager")
    assert manager != token and manager.split("-")[2] == token.split("-")[2]  # one root
    assert "joined a swarm as a manager" in speak[c]("swarm", "join", "--token", manager, f"{a.address}:2377").out
    a.until(lambda: len(lines(speak[a], "Ready")) == 3, WAIT, "three ready nodes")
    listed = speak[a]("node", "ls", "--format", "{{.Hostname}} {{.Availability}} {{.ManagerStatus}}").out.splitlines()
    assert sorted(x.strip() for x in listed) == ["a Active Leader", "b Active", "c Active Reachable"]
    assert speak[a].out("node", "inspect", "self", "--format", "{{.Description.Hostname}} {{.Spec.Role}}") == "a manager"
    assert speak[c].out("node", "inspect", "self", "--format", "{{.Description.Hostname}}") == "c"
    assert "left the swarm" in speak[b]("swarm", "leave").out
    assert swarm_info(b)["LocalNodeState"] == "inactive"
    a.until(lambda: len(lines(speak[a], "Down")) == 1, WAIT, "the node that has left")
    assert speak[a].out("node", "rm", "b") == "b" and len(lines(speak[a], "")) == 2


def lines(speak, what):
    return [x for x in speak("node", "ls", "--format", "{{.Hostname}} {{.Status}}").out.splitlines() if what in x]


def test_info_says_what_the_node_is(swarm):
    s = swarm(1, 1)
    a, b = s.machines
    mine, theirs = swarm_info(a), swarm_info(b)
    assert mine["LocalNodeState"] == "active" and mine["ControlAvailable"] and mine["NodeAddr"] == a.address
    assert (mine["Nodes"], mine["Managers"]) == (2, 1) and mine["Cluster"]["ID"] and mine["Cluster"]["TLSInfo"]["TrustRoot"].startswith("-----BEGIN CERT")
    assert theirs["LocalNodeState"] == "active" and not theirs["ControlAvailable"] and theirs["NodeAddr"] == b.address
    assert [m["Addr"] for m in theirs["RemoteManagers"]] == [f"{a.address}:2377"]
    assert mine["NodeID"] == s.node_id(a) and theirs["NodeID"] == s.node_id(b)
    assert a.api.raw("GET", "/_ping").headers["swarm"] == "active/manager" if IS_SHOAL else True


def test_init_chooses_the_only_address_there_is(machines):
    (a,) = machines("a")
    a.docker("swarm", "init")
    assert swarm_info(a)["NodeAddr"] == a.address


def test_init_takes_its_options(machines):
    (a,) = machines("a")
    a.docker("swarm", "init", "--advertise-addr", "eth0:2400", "--listen-addr", f"{a.address}:2400", "--task-history-limit", "2", "--cert-expiry", "48h",
             "--dispatcher-heartbeat", "2s", "--availability", "drain", "--default-addr-pool", "10.77.0.0/16", "--default-addr-pool-mask-length", "26")
    spec = a.api.get("/swarm")
    assert spec["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"] == 2
    assert spec["Spec"]["CAConfig"]["NodeCertExpiry"] == 48 * 3600 * 10**9 and spec["Spec"]["Dispatcher"]["HeartbeatPeriod"] == 2 * 10**9
    assert spec["DefaultAddrPool"] == ["10.77.0.0/16"] and spec["SubnetSize"] == 26
    (node,) = a.api.get("/nodes")
    assert node["Spec"]["Availability"] == "drain" and node["ManagerStatus"]["Addr"] == f"{a.address}:2400"
    assert ":2400" in a.ssh("ss -tln").out


def test_update_changes_the_clusters_options(swarm):
    s = swarm()
    s.first.docker("swarm", "update", "--task-history-limit", "1", "--cert-expiry", "72h")
    spec = s.first.api.get("/swarm")["Spec"]
    assert spec["Orchestration"]["TaskHistoryRetentionLimit"] == 1 and spec["CAConfig"]["NodeCertExpiry"] == 72 * 3600 * 10**9


# --- what is refused ---

def test_a_second_begin_is_refused(swarm):
    s = swarm(1, 1)
    for m in s.machines:
        assert "already part of a swarm" in m.docker("swarm", "init", ok=False).err
        assert "already part of a swarm" in s.join(m, ok=False).err
        assert m.api.raw("POST", "/swarm/init", {"ListenAddr": "0.0.0.0:2377"}).status == 503


def test_outside_a_swarm_everything_of_it_is_refused(machines):
    (a,) = machines("a")
    assert "not part of a swarm" in a.docker("swarm", "leave", ok=False).err
    for words in (("node", "ls"), ("service", "ls"), ("secret", "ls"), ("config", "ls"), ("swarm", "join-token", "worker"), ("swarm", "unlock-key")):
        assert "This node is not a swarm manager" in a.docker(*words, ok=False).err, words
    assert a.api.raw("GET", "/nodes").status == 503


def test_a_worker_refuses_what_managers_do(swarm):
    s = swarm(1, 1)
    for words in (("node", "ls"), ("service", "ls"), ("service", "create", "--no-resolve-image", "busybox"), ("swarm", "join-token", "worker"), ("node", "inspect", "self")):
        said = s.workers[0].docker(*words, ok=False).err
        assert "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state" in said, words


def test_wrong_tokens_are_refused(swarm, clusters):
    s = swarm()
    (b,) = s.cluster.create("b", images=False)
    good, address = s.token("worker"), f"{s.first.address}:2377"
    changed = good[:-1] + ("0" if good[-1] != "0" else "1")
    for token in (changed, "SWMTKN-1-" + "0" * 50 + "-" + good.split("-")[3], "nonsense"):
        assert b.docker("swarm", "join", "--token", token, address, ok=False, timeout=90).err
        assert swarm_info(b)["LocalNodeState"] == "inactive"
    s.join(b)


def test_a_rotated_token_admits_nobody_any_more(swarm):
    s = swarm()
    (b,) = s.cluster.create("b", images=False)
    old = s.token("worker")
    said = s.first.docker("swarm", "join-token", "--rotate", "worker").out
    new = s.token("worker")
    assert new != old and new in said and s.token("manager") not in (old, new)
    assert b.docker("swarm", "join", "--token", old, f"{s.first.address}:2377", ok=False, timeout=90).err
    b.docker("swarm", "join", "--token", new, f"{s.first.address}:2377")
    s.until_ready(b)


def test_nobody_there_is_an_error(machines):
    a, b = machines("a", "b")
    token = "SWMTKN-1-" + "0" * 50 + "-" + "0" * 25
    assert b.docker("swarm", "join", "--token", token, f"{a.address}:2377", ok=False, timeout=90).err
    assert swarm_info(b)["LocalNodeState"] in ("inactive", "pending")
    b.docker("swarm", "leave", "--force", ok=None)
    assert swarm_info(b)["LocalNodeState"] == "inactive"


# --- managers ---

def test_every_manager_answers_and_changes_the_same_state(swarm):
    s = swarm(3)
    s.until_managers(*s.managers)
    ids = {s.node_id(m): m for m in s.managers}
    for m in s.managers:
        assert {n["ID"] for n in m.api.get("/nodes")} == set(ids)
        m.docker("node", "update", "--label-add", f"by={m.name}", s.managers[0].name)
        for other in s.managers:
            other.until(lambda: s.node(s.managers[0], other)["Spec"]["Labels"].get("by") == m.name, WAIT, "the label")
    leader = s.leader()
    assert [s.leader(m) for m in s.managers] == [leader] * 3


def test_promote_and_demote(swarm):
    s = swarm(1, 2)
    b, c = s.workers
    s.first.docker("node", "promote", b.name, c.name)
    s.until_managers(s.first, b, c)
    b.until(lambda: len(b.api.get("/nodes")) == 3, WAIT, "the list by the new manager")
    assert swarm_info(b)["ControlAvailable"]
    # Who has just come is still being written about: an update may be out of sequence.
    b.until(lambda: b.docker("node", "update", "--label-add", "x=y", c.name, ok=None).code == 0, WAIT, "the label")
    s.until_ready(b, c)
    s.first.docker("node", "demote", c.name)
    s.until_node(c, lambda n: n["Spec"]["Role"] == "worker" and "ManagerStatus" not in n, "a worker")
    c.until(lambda: not swarm_info(c)["ControlAvailable"], WAIT, "no control")
    assert "not a swarm manager" in c.docker("node", "ls", ok=False).err
    s.until_ready(c)
    s.first.docker("node", "promote", c.name)  # and again
    s.until_managers(s.first, b, c)


def test_the_leader_can_be_demoted(swarm):
    s = swarm(3)
    s.until_managers(*s.managers)
    old = s.leader()
    other = next(m for m in s.managers if m is not old)
    other.docker("node", "demote", old.name)
    rest = [m for m in s.managers if m is not old]
    s.until_managers(*rest, by=other)
    s.until_node(old, lambda n: "ManagerStatus" not in n and n["Status"]["State"] == "ready", "a ready worker", by=other)


def test_the_last_manager_is_not_demoted(swarm):
    s = swarm(1, 1)
    assert "last manager" in s.first.docker("node", "demote", s.first.name, ok=False).err
    assert s.node(s.first)["Spec"]["Role"] == "manager"


# --- leaving ---

def test_a_manager_leaves_only_by_force(swarm):
    s = swarm(1, 1)
    assert "--force" in s.first.docker("swarm", "leave", ok=False).err
    assert swarm_info(s.first)["LocalNodeState"] == "active"
    s.first.docker("swarm", "leave", "--force")
    assert swarm_info(s.first)["LocalNodeState"] == "inactive"
    s.first.docker("swarm", "init")  # a new one, without anything of the old
    assert len(s.first.api.get("/nodes")) == 1


def test_node_rm_needs_force_for_a_node_that_is_there(swarm):
    s = swarm(1, 1)
    (b,) = s.workers
    assert s.first.docker("node", "rm", b.name, ok=False).err
    s.first.docker("node", "rm", "--force", b.name)
    assert len(s.first.api.get("/nodes")) == 1
    assert s.first.docker("node", "rm", "--force", s.first.name, ok=False).err
    assert s.first.docker("node", "rm", "nobody", ok=False).err
    b.docker("swarm", "leave", "--force")
    s.join(b)
    s.until_ready(b)


def test_who_left_may_come_back_as_another_node(swarm):
    s = swarm(1, 1)
    (b,) = s.workers
    before = s.node_id(b)
    b.docker("swarm", "leave")
    s.until_down(b)
    s.join(b, "manager")
    s.until_managers(s.first, b)
    assert s.node_id(b) != before and len(s.first.api.get("/nodes")) == 2 + (before in [n["ID"] for n in s.first.api.get("/nodes")])


# --- nodes ---

@pytest.mark.parametrize("command", COMMANDS)
def test_nodes_have_labels_and_availability(swarm, command):
    s = swarm(1, 1)
    speak, (b,) = getattr(s.first, command), s.workers
    speak("node", "update", "--label-add", "zone=1", "--label-add", "ssd", "--availability", "pause", b.name)
    assert s.node(b)["Spec"]["Labels"] == {"zone": "1", "ssd": ""} and s.node(b)["Spec"]["Availability"] == "pause"
    speak("node", "update", "--label-rm", "ssd", "--availability", "active", b.name)
    assert s.node(b)["Spec"]["Labels"] == {"zone": "1"}
    assert speak.out("node", "ls", "--filter", "role=worker", "--format", "{{.Hostname}}") == b.name
    assert speak.out("node", "ls", "-q", "--filter", f"name={b.name}") == s.node_id(b)
    assert b.name in speak("node", "inspect", "--pretty", b.name).out


def test_an_update_from_an_old_version_is_refused(swarm):
    s = swarm()
    (n,) = s.first.api.get("/nodes")
    s.first.api.post(f"/nodes/{n['ID']}/update", {**n["Spec"], "Labels": {"a": "b"}}, version=n["Version"]["Index"])
    refused = s.first.api.raw("POST", f"/nodes/{n['ID']}/update", n["Spec"], version=n["Version"]["Index"])
    assert refused.status >= 400 and "update out of sequence" in refused.message


def test_a_node_describes_its_machine(swarm):
    s = swarm()
    (n,) = s.first.api.get("/nodes")
    d, info = n["Description"], s.first.api.get("/info")
    assert d["Hostname"] == s.first.name and d["Platform"]["OS"] == "linux" and d["Platform"]["Architecture"]
    assert d["Resources"]["NanoCPUs"] == info["NCPU"] * 10**9 and d["Resources"]["MemoryBytes"] == info["MemTotal"]
    assert d["Engine"]["EngineVersion"] and d["TLSInfo"]["TrustRoot"].startswith("-----BEGIN") and n["Status"]["Addr"] == s.first.address


# --- power ---

def test_a_power_cut_of_the_only_manager_loses_nothing(swarm):
    s = swarm(1, 1)
    s.first.docker("node", "update", "--label-add", "kept=yes", s.workers[0].name)
    before = {k: s.first.api.get("/swarm")[k] for k in ("ID", "JoinTokens")}
    s.first.kill()
    s.first.start()
    s.first.until(lambda: {k: s.first.api.get("/swarm")[k] for k in before} == before, WAIT, "the same swarm")
    assert s.node(s.workers[0])["Spec"]["Labels"] == {"kept": "yes"}
    s.until_ready()
    s.workers[0].kill()
    s.workers[0].start()
    s.until_ready()
    assert len(s.first.api.get("/nodes")) == 2


# --- locks ---

def unlock_key(machine):
    """"" when there is none, which the command says as an error."""
    r = machine.docker("swarm", "unlock-key", "-q", ok=None)
    assert r.code == 0 or "no unlock key is set" in r.err, r
    return r.out.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_locked_manager_needs_its_key_after_a_power_cut(swarm, command):
    s = swarm(init=["--autolock"])
    speak, key = getattr(s.first, command), unlock_key(s.first)
    assert key.startswith("SWMKEY-1-") and s.first.api.get("/swarm")["Spec"]["EncryptionConfig"]["AutoLockManagers"]
    s.first.kill()
    s.first.start()
    s.first.until(lambda: swarm_info(s.first)["LocalNodeState"] == "locked", WAIT, "locked")
    assert "Swarm is encrypted and needs to be unlocked" in speak("node", "ls", ok=False).err
    assert speak("swarm", "unlock", input="SWMKEY-1-" + "A" * 43 + "\n", ok=False).err
    assert swarm_info(s.first)["LocalNodeState"] == "locked"
    speak("swarm", "unlock", input=key + "\n")
    s.until_ready()
    assert unlock_key(s.first) == key
    assert key not in s.first.ssh("grep -rl -- '" + key[9:30] + "' /var/lib/shoal/swarm /var/lib/shoal/state.db 2>/dev/null; true").out


def test_the_lock_comes_and_goes_and_its_key_changes(swarm):
    s = swarm()
    assert unlock_key(s.first) == ""
    s.first.docker("swarm", "update", "--autolock=true")
    key = unlock_key(s.first)
    s.first.docker("swarm", "unlock-key", "--rotate")
    new = unlock_key(s.first)
    assert key and new and new != key
    s.first.kill()
    s.first.start()
    s.first.until(lambda: swarm_info(s.first)["LocalNodeState"] == "locked", WAIT, "locked")
    s.first.docker("swarm", "unlock", input=new + "\n")
    s.until_ready()
    s.first.docker("swarm", "update", "--autolock=false")
    s.first.until(lambda: unlock_key(s.first) == "", WAIT, "no key")
    s.first.kill()
    s.first.start()
    s.until_ready()


def test_a_locked_manager_can_leave(swarm):
    s = swarm(init=["--autolock"])
    s.first.kill()
    s.first.start()
    s.first.until(lambda: swarm_info(s.first)["LocalNodeState"] == "locked", WAIT, "locked")
    s.first.docker("swarm", "leave", "--force")
    assert swarm_info(s.first)["LocalNodeState"] == "inactive"


# --- certificates ---

def test_the_root_certificate_is_rotated_and_all_nodes_follow(swarm):
    s = swarm(1, 2)
    old = s.first.docker.out("swarm", "ca")
    tokens = s.token("worker"), s.token("manager")
    s.first.docker("swarm", "ca", "--rotate", "--detach", "-q")
    s.first.until(lambda: s.first.docker.out("swarm", "ca") != old and not s.first.api.get("/swarm")["RootRotationInProgress"], 2 * WAIT, "the end of the rotation")
    new = s.first.docker.out("swarm", "ca")
    assert (s.token("worker"), s.token("manager")) != tokens
    s.first.until(lambda: all(n["Description"]["TLSInfo"]["TrustRoot"].strip() == new for n in s.first.api.get("/nodes")), WAIT, "the new root everywhere")
    s.until_ready()
    (d,) = s.cluster.create("late", images=False)
    s.join(d)
    s.until_ready(d)


# --- other clients ---

def test_docker_py_sees_the_swarm(machines):
    a, b = machines("a", "b")
    first, second = a.py(), b.py()
    first.swarm.init(advertise_addr=a.address)
    first.swarm.reload()
    token = first.swarm.attrs["JoinTokens"]["Worker"]
    assert second.swarm.join([f"{a.address}:2377"], token)
    a.until(lambda: [n.attrs["Status"]["State"] for n in first.nodes.list()] == ["ready"] * 2, WAIT, "two nodes")
    node = next(n for n in first.nodes.list(filters={"role": "worker"}))
    node.update({**node.attrs["Spec"], "Labels": {"a": "1"}})
    node.reload()
    assert node.attrs["Spec"]["Labels"] == {"a": "1"}
    assert second.swarm.leave() and first.swarm.leave(force=True)
    first.close(), second.close()


def test_events_tell_of_nodes_and_the_swarm(swarm):
    s = swarm()
    (b,) = s.cluster.create("b", images=False)
    with s.first.api.stream("GET", "/events", filters={"type": ["node"]}, timeout=WAIT) as events:
        s.join(b)
        for e in events.objects():
            if e["Type"] == "node" and e["Action"] == "create":
                assert e["scope"] == "swarm" and e["Actor"]["ID"] == s.node_id(b)
                break


# --- what is missing when the daemon starts ---

HOLD = {"tcp": "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((sys.argv[1], int(sys.argv[2]))); s.listen()",
        "udp": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2])))"}


@contextlib.contextmanager
def port_taken(machine, kind, address, port):
    """By a program that never answers."""
    code = f"import socket, sys, time\n{HOLD[kind]}\nprint('here', flush=True)\ntime.sleep(600)"
    p = subprocess.Popen(["nsenter", f"--net=/proc/{machine.first_pid}/ns/net", "/usr/bin/python3", "-c", code, address, str(port)], stdout=subprocess.PIPE)
    try:
        assert p.stdout.readline() == b"here\n"
        yield
    finally:
        p.kill()
        p.wait()


def in_error(machine, *words):
    """The node says what is wrong, and its manager is away."""
    info = swarm_info(machine)
    return info["LocalNodeState"] == "error" and all(w in info["Error"] for w in words) and not info["ControlAvailable"]


@pytest.mark.skipif(not IS_SHOAL, reason="Docker's daemon does not try again")
def test_a_manager_whose_address_comes_later(machines):
    (a,) = machines("a")
    place = "10.77.0.1"
    a.ssh(f"ip address add {place}/32 dev lo")
    a.docker("swarm", "init", "--listen-addr", f"{place}:2377", "--advertise-addr", place)
    node = swarm_info(a)["NodeID"]
    a.kill()
    a.start()
    a.until(lambda: in_error(a, place, "assign"), WAIT, "the error")
    assert "Error: listen on" in a.docker("info", ok=None).out
    a.ssh("sleep 5")
    assert in_error(a, place)
    a.ssh(f"ip address add {place}/32 dev lo")
    a.until(lambda: swarm_info(a)["LocalNodeState"] == "active" and swarm_info(a)["ControlAvailable"], WAIT, "the manager")
    assert swarm_info(a)["NodeID"] == node and not swarm_info(a)["Error"]
    a.until(lambda: len(lines(a.docker, "Ready")) == 1, WAIT, "the node")


@pytest.mark.skipif(not IS_SHOAL, reason="Docker's daemon does not try again")
def test_a_manager_whose_port_is_taken_waits_for_it_or_leaves(swarm):
    s = swarm(1, 0)
    (a,) = s.machines
    a.kill_daemon()
    with port_taken(a, "tcp", "0.0.0.0", 2377):
        a.start()
        a.until(lambda: in_error(a, "2377", "in use"), WAIT, "the error")
    a.until(lambda: swarm_info(a)["LocalNodeState"] == "active" and swarm_info(a)["ControlAvailable"], WAIT, "the manager")
    s.until_ready(a)
    a.kill_daemon()
    with port_taken(a, "tcp", "0.0.0.0", 2377):
        a.start()
        a.until(lambda: in_error(a, "2377"), WAIT, "the error")
        a.docker("swarm", "leave", "--force", timeout=WAIT)
        assert swarm_info(a)["LocalNodeState"] == "inactive"
    a.ssh("sleep 5")
    assert swarm_info(a)["LocalNodeState"] == "inactive"
    assert not a.pids("etcd")  # the one that the killed daemon had left
    a.docker("swarm", "init", "--advertise-addr", a.address)


@pytest.mark.skipif(not IS_SHOAL, reason="etcd is ours")
def test_a_locked_manager_that_leaves_after_a_crash_leaves_nothing_running(machines):
    (a,) = machines("a")
    a.docker("swarm", "init", "--autolock", "--advertise-addr", a.address)
    a.kill_daemon()
    a.start()
    a.until(lambda: swarm_info(a)["LocalNodeState"] == "locked", WAIT, "the lock")
    a.docker("swarm", "leave", "--force", timeout=WAIT)
    assert not a.pids("etcd")
    a.docker("swarm", "init", "--advertise-addr", a.address)


@pytest.mark.skipif(not IS_SHOAL, reason="our daemon has one loop")
def test_names_that_nobody_resolves_hold_up_nobody(swarm, machines):
    s = swarm(1, 0)
    (b,) = machines("b")
    token, took = s.token("worker"), {}

    def timed(*words):
        began = time.monotonic()
        b.docker(*words, ok=False, timeout=120)
        took[words[0]] = time.monotonic() - began

    with port_taken(b, "udp", "127.0.0.1", 53):
        b.ssh("printf 'nameserver 127.0.0.1\\noptions timeout:5 attempts:1\\n' > /etc/resolv.conf")
        slow = [threading.Thread(target=timed, args=words) for words in (("swarm", "join", "--token", token, "manager.example:2377"),
                                                                         ("pull", "registry.example/x"))]
        for t in slow:
            t.start()
        time.sleep(0.5)
        began = time.monotonic()
        b.docker("pull", "127.0.0.1:1/x", ok=False)  # refused, not waiting for a name
        assert time.monotonic() - began < 3
        longest = 0
        while any(t.is_alive() for t in slow):
            asked = time.monotonic()
            assert b.api.raw("GET", "/_ping").status == 200
            longest = max(longest, time.monotonic() - asked)
            time.sleep(0.05)
    assert min(took.values()) > 3 > 2 > longest, took  # the two have waited for the resolver, and nobody else


# --- strangers ---

@pytest.mark.skipif(not IS_SHOAL, reason="the log is ours")
def test_strangers_at_the_clusters_port_do_not_fill_the_log(swarm):
    s = swarm(1, 0)
    (a,) = s.machines
    code = """import socket, sys
for _ in range(300):
    with socket.create_connection((sys.argv[1], 2377)) as c:
        c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        try:
            while c.recv(1000): pass
        except OSError: pass"""
    subprocess.run(["nsenter", f"--net=/proc/{a.first_pid}/ns/net", "/usr/bin/python3", "-c", code, a.address], check=True, timeout=120)
    with open(a.log, errors="replace") as f:
        said = [x for x in f if "refused" in x]
    assert 1 <= len(said) <= 3, said[:5]
    a.until(lambda: "more times, the last one" in a.log_tail(), 90, "the count")
