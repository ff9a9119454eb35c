"""The cluster's networks as users of the API see them: made, listed, looked at, removed, and used by containers that are no task's.

What goes over them is in test_overlay.py.
"""
import json

import pytest

from harness import cli as cli_module
from harness import places
from harness.daemon import IS_SHOAL
from harness.overlay import serve
from harness.swarm import WAIT

pytestmark = pytest.mark.shoal_only("Docker's overlay networks need what not every kernel has")
SWARM = {"managers": 2, "workers": 1}
PROGRAMS = [name for name in ("docker28", "docker20") if cli_module.PROGRAMS[name]] + (["shoal"] if IS_SHOAL else [])
NOT_A_MANAGER = "This node is not a swarm manager."


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


def command(machine, program):
    return cli_module.Cli(cli_module.PROGRAMS[program], machine.socket, machine.cluster.home)


def follower(s):
    leader = s.leader()
    return next(m for m in s.managers if m is not leader)


def inspect(machine, name, program="docker28", *flags):
    (found,) = json.loads(command(machine, program).out("network", "inspect", *flags, name))
    return found


def attachments(s, by=None):
    """Places of containers that are no task's, as the managers have them."""
    return (by or s.first).api.get("/tasks", filters={"runtime": ["attachment"]})


def until_attachments(s, count):
    found = []

    def check():
        found[:] = [t for t in attachments(s) if t["Status"]["State"] == "running" and t["DesiredState"] == "running"]
        return len(found) == count
    s.first.until(check, WAIT, f"{count} containers on networks")
    return found


def run(machine, name, network, *words, image="busybox", command=("sleep", "100000"), ok=True):
    return machine.docker("run", "-d", "--name", name, "--network", network, *words, image, *command, ok=ok)


def address(machine, name, network):
    return machine.api.get(f"/containers/{name}/json")["NetworkSettings"]["Networks"][network]["IPAddress"]


# --- made and removed ---

def test_a_network_is_made_on_any_manager_with_all_its_options(s, program):
    m = follower(s)
    id = command(m, program).out("network", "create", "-d", "overlay", "--attachable", "--internal", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.254",
                                 "--ip-range", "10.77.0.128/25", "--aux-address", "router=10.77.0.130", "--ipv6", "--subnet", "fd77::/64",
                                 "--opt", "com.docker.network.driver.mtu=1400", "--opt", "com.docker.network.driver.overlay.vxlanid_list=5100,5101",
                                 "--label", "a=b", "whole")
    for manager in s.managers:
        manager.until(lambda manager=manager: manager.api.raw("GET", f"/networks/{id}").status == 200, WAIT, "the network everywhere")
        n = inspect(manager, "whole", program)
        assert (n["Id"], n["Scope"], n["Driver"], n["Attachable"], n["Internal"], n["Ingress"]) == (id, "swarm", "overlay", True, True, False)
        assert n["EnableIPv6"] and n["Labels"] == {"a": "b"} and n["Options"]["com.docker.network.driver.mtu"] == "1400"
        assert n["Options"]["com.docker.network.driver.overlay.vxlanid_list"] == "5100,5101"
        by_subnet = {c["Subnet"]: c for c in n["IPAM"]["Config"]}
        assert by_subnet["10.77.0.0/24"]["Gateway"] == "10.77.0.254" and by_subnet["10.77.0.0/24"]["IPRange"] == "10.77.0.128/25"
        assert by_subnet["10.77.0.0/24"]["AuxiliaryAddresses"] == {"router": "10.77.0.130"} and by_subnet["fd77::/64"]["Gateway"] == "fd77::1"
    row = command(s.first, program).out("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}", "--filter", "name=whole")
    assert row == "whole overlay swarm"
    command(m, program)("network", "rm", "whole")
    assert "whole" not in command(m, program).out("network", "ls")


@pytest.mark.parametrize("words, said", [
    (["--opt", "colour=blue"], "unknown option of an overlay network: colour"),
    (["--opt", "com.docker.network.driver.mtu=12"], "com.docker.network.driver.mtu"),
    (["--opt", "com.docker.network.driver.overlay.vxlanid_list=99999999"], "vxlan id"),
    (["--opt", "encrypted=perhaps"], "encrypted"),
    (["--subnet", "10.78.0.0/24", "--gateway", "10.79.0.1"], "10.79.0.1"),
    (["--subnet", "10.78.0.0/24", "--subnet", "10.78.0.0/25"], "overlap"),
    (["--ipam-driver", "other"], "other"),
    (["--ingress"], "ingress network (ingress) is already present"),
    (["--ingress", "--attachable"], "ingress network cannot be attachable"),
])
def test_what_a_network_cannot_be_is_said(s, words, said):
    r = s.first.docker("network", "create", "-d", "overlay", *words, "no", ok=None)
    assert r.code != 0 and said in r.err, r.err
    assert s.first.api.raw("GET", "/networks/no").status == 404


def test_workers_refuse_with_dockers_words(s, program):
    worker = s.workers[0]
    r = command(worker, program)("network", "create", "-d", "overlay", "no", ok=None)
    assert NOT_A_MANAGER in r.err
    assert worker.api.raw("POST", "/networks/create", {"Name": "no", "Driver": "overlay"}).status == 403
    assert "absent" in command(worker, program)("network", "rm", "absent", ok=None).err


def test_a_network_in_use_stays_and_says_by_whom(s):
    s.first.docker("network", "create", "-d", "overlay", "busy")
    s.create("web", "--network", "busy")
    r = s.first.docker("network", "rm", "busy", ok=None)
    assert "is in use by service web" in r.err
    s.first.api.delete("/services/web")
    s.first.until(lambda: s.first.docker("network", "rm", "busy", ok=None).code == 0, WAIT, "the end of its tasks")


def test_ingress_is_looked_at_removed_and_made_again(s, program):
    speak = command(s.first, program)
    n = inspect(s.first, "ingress", program)
    assert n["Ingress"] and n["Scope"] == "swarm" and n["Driver"] == "overlay"
    nodes = {x["ID"][:12]: x for x in s.first.api.get("/nodes")}
    assert {p["Name"]: p["IP"] for p in n["Peers"]} == {id: x["Status"]["DataPathAddr"] for id, x in nodes.items()}
    s.create("web", "--publish", "18080:80")
    refused = speak("network", "rm", "ingress", input="y\n", ok=None)
    assert "ingress network cannot be removed because service web depends on it" in refused.err
    s.first.api.delete("/services/web")
    kept = speak("network", "rm", "ingress", input="n\n", ok=None)
    assert "Are you sure you want to continue?" in kept.out + kept.err
    assert s.first.api.raw("GET", "/networks/ingress").status == 200
    s.first.until(lambda: speak("network", "rm", "ingress", input="y\n", ok=None).code == 0 and s.first.api.raw("GET", "/networks/ingress").status == 404,
                  WAIT, "removal of ingress")
    s.create("late", "--publish", "18081:80")
    s.until_task("late", lambda t: "need the ingress network" in t["Status"].get("Err", ""), "the reason")
    speak("network", "create", "-d", "overlay", "--ingress", "--subnet", "10.80.0.0/24", "--opt", "com.docker.network.driver.mtu=1300", "mesh")
    again = inspect(s.first, "mesh", program)
    assert again["Ingress"] and again["IPAM"]["Config"][0]["Subnet"] == "10.80.0.0/24" and again["Options"]["com.docker.network.driver.mtu"] == "1300"
    s.first.until(lambda: any(v["Addr"].startswith("10.80.0.") for v in s.spec("late")["Endpoint"].get("VirtualIPs", [])), WAIT, "an address there")


# --- lists and documents ---

def test_every_network_is_listed_once_on_every_node(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "wide")
    s.first.docker("network", "create", "here")
    try:
        s.create("everywhere", "--mode", "global", "--network", "wide")
        s.until_running("everywhere", 3)
        for m in s.machines:
            names = [n["Name"] for n in m.api.get("/networks")]
            assert names.count("wide") == 1 and len(names) == len(set(names)), (m.name, names)
            assert {n["Name"]: (n["Scope"], n["Driver"]) for n in m.api.get("/networks")}["wide"] == ("swarm", "overlay")
        listed = s.first.docker.out("network", "ls", "--filter", "scope=swarm", "--format", "{{.Name}}").split()
        assert sorted(listed) == ["ingress", "wide"]
        assert "wide" not in s.first.docker.out("network", "ls", "--filter", "scope=local", "--format", "{{.Name}}").split()
        assert "wide" in s.first.docker.out("network", "ls", "--filter", "driver=overlay", "--filter", "type=custom", "--format", "{{.Name}}").split()
        assert "wide" not in s.first.docker.out("network", "ls", "--filter", "type=builtin", "--format", "{{.Name}}").split()
        ids = {m.api.get("/networks/wide")["Id"] for m in s.machines}
        assert len(ids) == 1 and {m.api.get(f"/networks/{next(iter(ids))}")["Name"] for m in s.machines} == {"wide"}
    finally:
        s.first.docker("network", "rm", "here")


def test_a_network_shows_peers_containers_and_services(s):
    s.first.docker("network", "create", "-d", "overlay", "shown")
    tasks = serve(s, "web", 3, "--replicas-max-per-node", "1", "--publish", "18085:80", networks=["shown"])  # what does not listen starts late
    nodes = {x["ID"]: x for x in s.first.api.get("/nodes")}
    own = {a["Addresses"][0].partition("/")[0]: t for t in tasks for a in t["NetworksAttachments"] if a["Network"]["Spec"]["Name"] == "shown"}
    id = s.first.api.get("/networks/shown")["Id"]
    (vip,) = [v["Addr"].partition("/")[0] for v in s.spec("web")["Endpoint"]["VirtualIPs"] if v["NetworkID"] == id]
    for program in PROGRAMS:
        n = inspect(s.first, "shown", program, "-v")
        assert {(p["Name"], p["IP"]) for p in n["Peers"]} == {(id[:12], x["Status"]["DataPathAddr"]) for id, x in nodes.items()}
        web = n["Services"]["web"]
        assert web["VIP"] == vip and web["Ports"] == ["Target: 80, Publish: 18085"] and set(web) == {"VIP", "Ports", "LocalLBIndex", "Tasks"}
        assert {t["EndpointIP"] for t in web["Tasks"]} == set(own)
        for row in web["Tasks"]:
            task = own[row["EndpointIP"]]
            assert row["Name"] == f"web.{task['Slot']}.{task['ID']}" and row["Info"]["Host IP"] == nodes[task["NodeID"]]["Status"]["DataPathAddr"]
        assert n["Id"] == id and "Services" not in inspect(s.first, "shown", program)
    for m in s.machines:
        (mine,) = [t for t in tasks if t["NodeID"] == s.node_id(m)]
        (member,) = m.api.get("/networks/shown")["Containers"].values()
        assert member["Name"] == f"web.{mine['Slot']}.{mine['ID']}"
        container = m.api.get(f"/containers/{mine['Status']['ContainerStatus']['ContainerID']}/json")
        assert container["NetworkSettings"]["Networks"]["shown"]["IPAddress"] == member["IPv4Address"].partition("/")[0]
        assert container["NetworkSettings"]["Networks"]["shown"]["NetworkID"] == id


def test_the_data_paths_address_of_every_node_is_shown(s):
    for m in s.machines:
        assert s.node(m)["Status"]["DataPathAddr"] == m.address


def test_a_taken_port_names_its_owner(s):
    s.create("first", "--publish", "18090:80")
    for words in (["--publish", "18090:8080"], ["--publish", "mode=host,target=80,published=18090"]):
        r = s.first.docker("service", "create", "-d", "--name", "second", *words, "busybox", ok=None)
        assert "'18090' is already in use by service 'first'" in r.err, r.err
    s.create("udp", "--publish", "18090:80/udp")


# --- containers that are no task's ---

def test_containers_on_every_node_find_each_other_on_an_attachable_network(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    id = s.first.api.get("/networks/att")["Id"]
    for m, ref in zip(s.machines, ("att", id, "att")):
        run(m, f"c-{m.name}", ref, "--network-alias", f"alias-{m.name}")
    attached = until_attachments(s, 3)
    assert {t["NodeID"] for t in attached} == {s.node_id(m) for m in s.machines}
    own = {m: address(m, f"c-{m.name}", "att") for m in s.machines}
    assert set(own.values()) == {a["Addresses"][0].partition("/")[0] for t in attached for a in t["NetworksAttachments"]}
    for a in s.machines:
        place = places.in_container(a, f"c-{a.name}")
        for b in s.machines:
            for name in (f"c-{b.name}", f"alias-{b.name}"):
                a.until(lambda place=place, name=name: place.run("ping", "-c", "1", "-W", "1", name, ok=False).code == 0, WAIT, f"{a.name} reaches {name}")
    for program in PROGRAMS:
        found = inspect(s.first, "att", program, "-v")["Services"][""]["Tasks"]
        assert {t["EndpointIP"] for t in found} == set(own.values())
    r = s.first.docker("network", "rm", "att", ok=None)
    assert "is in use by container " in r.err
    for m in s.machines:
        m.docker("rm", "-f", f"c-{m.name}")
    until_attachments(s, 0)
    s.first.until(lambda: s.first.docker("network", "rm", "att", ok=None).code == 0, WAIT, "removal")


def test_a_network_that_is_not_attachable_or_not_there_is_refused(s):
    s.first.docker("network", "create", "-d", "overlay", "closed")
    for m in s.machines:
        r = run(m, "box-c", "closed", ok=None)
        assert "Could not attach to network closed" in r.err and "not manually attachable" in r.err, r.err
        m.api.delete("/containers/box-c", force=1)
        r = run(m, "box-c", "nowhere", ok=None)
        assert "network nowhere not found" in r.err, r.err
        m.api.delete("/containers/box-c", force=1)
        r = run(m, "box-c", "ingress", ok=None)
        assert "not manually attachable" in r.err, r.err
        m.api.delete("/containers/box-c", force=1)
    assert attachments(s) == []


def test_a_running_container_is_connected_and_disconnected(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    worker = s.workers[0]
    worker.docker("run", "-d", "--name", "box-c", "busybox", "sleep", "100000")
    worker.docker("network", "connect", "--alias", "other", "att", "box-c")
    until_attachments(s, 1)
    assert address(worker, "box-c", "att") and "bridge" in worker.api.get("/containers/box-c/json")["NetworkSettings"]["Networks"]
    run(s.first, "box-d", "att")
    s.first.until(lambda: s.first.docker("exec", "box-d", "ping", "-c", "1", "-W", "1", "other", ok=None).code == 0, WAIT, "the alias")
    worker.docker("network", "disconnect", "att", "box-c")
    until_attachments(s, 1)
    assert "att" not in worker.api.get("/containers/box-c/json")["NetworkSettings"]["Networks"]
    # One that does not run gets its place when it starts.
    worker.docker("stop", "-t", "0", "box-c")
    worker.docker("network", "connect", "att", "box-c")
    worker.docker("start", "box-c")
    until_attachments(s, 2)
    assert address(worker, "box-c", "att")


def test_an_address_can_be_chosen_where_the_subnet_was(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "--subnet", "10.81.0.0/24", "own")
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "auto")
    worker = s.workers[0]
    run(worker, "box-c", "own", "--ip", "10.81.0.77")
    assert address(worker, "box-c", "own") == "10.81.0.77"
    r = run(s.first, "box-d", "own", "--ip", "10.81.0.77", ok=None)
    assert "10.81.0.77 is already in use" in r.err, r.err
    r = run(worker, "box-e", "auto", "--ip", "10.0.1.77", ok=None)
    assert "only when connecting to networks with user configured subnets" in r.err, r.err
    worker.docker("rm", "-f", "box-c")
    s.first.until(lambda: s.first.docker("start", "box-d", ok=None).code == 0, WAIT, "the address is free again")
    assert address(s.first, "box-d", "own") == "10.81.0.77"


def test_a_place_is_given_back_with_the_container_and_taken_again(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    worker = s.workers[0]
    run(worker, "box-c", "att")
    (before,) = until_attachments(s, 1)
    worker.docker("stop", "-t", "0", "box-c")
    until_attachments(s, 0)
    worker.docker("start", "box-c")
    (after,) = until_attachments(s, 1)
    assert after["ID"] != before["ID"] and address(worker, "box-c", "att")


def test_a_drained_node_has_its_own_containers(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    worker = s.workers[0]
    s.first.docker("node", "update", "--availability", "drain", worker.name)
    run(worker, "box-c", "att")
    assert address(worker, "box-c", "att")


def test_when_the_daemon_ends_and_comes_back_places_stay(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    worker = s.workers[0]
    run(worker, "box-c", "att")
    (before,) = until_attachments(s, 1)
    worker.kill_daemon()
    worker.start()
    s.until_ready(worker)
    (after,) = until_attachments(s, 1)
    assert after["ID"] == before["ID"] and address(worker, "box-c", "att") == before["NetworksAttachments"][0]["Addresses"][0].partition("/")[0]


def test_after_a_power_cut_what_starts_again_has_a_place_and_nothing_else(s):
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "att")
    worker = s.workers[0]
    run(worker, "stays", "att", "--restart", "always")
    run(worker, "goes", "att")
    until_attachments(s, 2)
    worker.kill()
    worker.start()
    s.until_ready(worker)
    worker.until(lambda: worker.api.get("/containers/stays/json")["State"]["Running"], WAIT, "the container's start")
    stays = worker.api.get("/containers/stays/json")["Id"]
    owners = lambda: [t["Spec"]["NetworkAttachmentSpec"]["ContainerID"] for t in until_attachments(s, 1)]  # first perhaps that of the other one
    s.first.until(lambda: owners() == [stays], WAIT, "the place of the one that starts again")
    (kept,) = until_attachments(s, 1)
    given = kept["NetworksAttachments"][0]["Addresses"][0].partition("/")[0]
    worker.until(lambda: address(worker, "stays", "att") == given, WAIT, "its address")


COMPOSE = """
version: "3.7"
services:
  web:
    image: busybox
    command: sleep 100000
    networks: [outside]
networks:
  outside:
    external: true
"""


def test_compose_uses_a_network_of_the_swarm_on_a_worker(s, tmp_path):
    """On a manager: in test_overlay.py."""
    s.first.docker("network", "create", "-d", "overlay", "--attachable", "outside")
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    compose = cli_module.Cli(cli_module.find("docker-compose"), s.workers[0].socket, s.cluster.home)
    compose.env["PATH"] = "/usr/bin:/bin"
    compose("--no-ansi", "-p", "app", "up", "-d", cwd=str(tmp_path), timeout=120)
    until_attachments(s, 1)
    compose("--no-ansi", "-p", "app", "down", "-t", "0", cwd=str(tmp_path), timeout=120)
    until_attachments(s, 0)
