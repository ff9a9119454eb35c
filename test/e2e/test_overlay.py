"""Networks that span nodes: three machines, names, virtual addresses, isolation. Ports that are published are in test_mesh.py."""
import json
import socket
import struct
import time

import pytest

from harness import cli as cli_module
from harness import datapath, places
from harness.box import Box
from harness.host import until
from harness.overlay import address, even, eyes, host_of, hosts, machine_of, make_network, must_be_silent, place_of, serve, until_answered, until_refused, virtual_address
from harness.swarm import WAIT, form

pytestmark = pytest.mark.shoal_only("Docker's virtual addresses need IPVS, which not every kernel has")
SWARM = {"config": {"dns": ["198.18.0.250"]}}  # the client outside
TTL_MAX = 10  # seconds: who caches an answer must not keep it long


@pytest.fixture(scope="module")
def three(three):
    three.names = three.outside.name_server()  # says of what it does not know that it does not exist
    yield three
    three.names.close()


@pytest.fixture
def net(s):
    """The name of a network."""
    make_network(s, "net", "--attachable")
    return "net"


# --- reaching one another ---

def test_services_reach_each_other_by_name_on_every_node(s, net):
    tasks = serve(s, "web", 3, "--replicas-max-per-node", "1", networks=[net])
    assert len({t["NodeID"] for t in tasks}) == 3
    for machine, place in eyes(s, net).items():
        until_answered(place, "web:80", hosts(tasks))
        answers = place.asks("web:80", 30)
        counts = {h: sum(a["host"] == h for a in answers) for h in hosts(tasks)}
        assert set(counts.values()) == {10}, (machine.name, counts)  # in turn, not by chance
        assert {a["client"] for a in answers} == {address(place.task, net)}, machine.name  # nothing translates the source


def test_datagrams_are_balanced_like_connections(s, net):
    tasks = serve(s, "web", 3, networks=[net])
    place = eyes(s, net)[s.first]
    until_answered(place, "web:80", hosts(tasks), kind="udp")
    assert even(place.spread("web:80", 30, kind="udp"), tasks)
    assert place.ask("web:80", kind="udp")["client"] == address(place.task, net)


def test_a_service_reaches_itself_by_its_own_name(s, net):
    tasks = serve(s, "web", 2, networks=[net])
    virtual = virtual_address(s, "web", net)
    for t in tasks:
        place = place_of(s, t)
        until_answered(place, "web:80", hosts(tasks))
        seen = {a["host"]: a["client"] for a in place.asks("web:80", 4)}
        other = next(x for x in tasks if x is not t)
        # From itself over the virtual address: that is what it has to see, for it would answer itself directly.
        assert seen == {host_of(t): virtual, host_of(other): address(t, net)}


def test_both_families(s):
    make_network(s, "six", "--ipv6", "--subnet", "10.71.0.0/24", "--subnet", "fd71::/64")
    tasks = serve(s, "web", 3, networks=["six"])
    for place in eyes(s, "six").values():
        mine = address(place.task, "six", six=True)
        until_answered(place, f"[{address(tasks[0], 'six', six=True)}]:80", [host_of(tasks[0])])
        assert place.ask(f"[{address(tasks[1], 'six', six=True)}]:80")["client"] == mine
        assert place.addresses("tasks.web", "AAAA") == sorted(address(t, "six", six=True) for t in tasks)
        (six,) = place.addresses("web", "AAAA")
        assert even(place.spread(f"[{six}]:80", 12), tasks)
        assert even(place.spread("web:80", 12), tasks)


def test_an_unknown_address_is_refused_at_once(s):
    make_network(s, "known", "--subnet", "10.72.0.0/24")
    serve(s, "web", 1, networks=["known"])
    place = eyes(s, "known")[s.first]
    began = time.monotonic()
    assert "error" in place.ask("10.72.0.200:80", patience=10)
    assert time.monotonic() - began < 2


def test_large_packets_pass_and_the_mtu_leaves_room(s, net):
    (task,) = serve(s, "web", 1, networks=[net])
    make_network(s, "small", "--opt", "com.docker.network.driver.mtu=1300")
    serve(s, "narrow", 1, networks=["small"])
    for machine, place in eyes(s, net, "small").items():
        links = {link_of(place, n): n for n in (net, "small")}
        found = {n: place.run("cat", f"/sys/class/net/{x}/mtu").out.strip() for x, n in links.items()}
        assert found == {net: "1450", "small": "1300"}, machine.name
        until_answered(place, "web:80", [host_of(task)])
        assert json.loads(place.wire("push", 0.2, "web:80"))["bytes"] > 1 << 20


def link_of(place, network):
    """Its interface on a network."""
    lines = place.run("ip", "-o", "addr").out.splitlines()
    (found,) = {x.split()[1] for x in lines if f" {address(place.task, network)}/" in x}
    return found


# --- names ---

def test_names_of_a_service_and_of_its_tasks(s, net):
    tasks = serve(s, "web", 3, "--network", f"name={net},alias=shop")
    place = eyes(s, net)[s.workers[0]]
    until_answered(place, "web:80", hosts(tasks))
    virtual, all_tasks = virtual_address(s, "web", net), sorted(address(t, net) for t in tasks)
    assert place.addresses("web") == place.addresses("shop") == [virtual]
    assert place.addresses("tasks.web") == all_tasks and place.addresses("tasks.shop") in (all_tasks, [])
    for t in tasks:
        name = f"web.{t['Slot']}.{t['ID']}"
        assert place.addresses(name) == [address(t, net)]
    assert place.resolve("web", "AAAA") == ([], 0)  # it is there, without such an address: not "no such name"
    assert place.resolve("nobody")[1] == 3
    for name in ("web", "tasks.web"):
        assert all(ttl <= TTL_MAX for _, ttl in place.resolve(name)[0]), name


def test_round_robin_by_names(s, net):
    tasks = serve(s, "web", 3, "--endpoint-mode", "dnsrr", networks=[net])
    for place in eyes(s, net).values():
        wanted = sorted(address(t, net) for t in tasks)
        until(lambda place=place: place.addresses("web") == wanted, WAIT, 0.1, "all addresses")
        firsts = {place.resolve("web")[0][0][0] for _ in range(40)}
        assert firsts == set(wanted)  # the order changes, since many take the first
        assert set(place.spread("web:80", 40)) == hosts(tasks)


def test_names_follow_the_tasks(s, net):
    serve(s, "web", 3, "--endpoint-mode", "dnsrr", networks=[net])
    place = eyes(s, net)[s.first]
    until(lambda: len(place.addresses("web")) == 3, WAIT, 0.1, "three")
    s.first.docker("service", "scale", "-d", "web=1")
    (left,) = s.until_running("web", 1)
    until(lambda: place.addresses("web") == [address(left, net)], WAIT, 0.1, "one")
    s.first.docker("service", "rm", "web")
    until(lambda: place.resolve("web")[1] == 3, WAIT, 0.1, "no such name")


def test_tasks_that_are_not_healthy_get_nothing(s, net):
    args = ["--health-cmd", "test -e /tmp/well", "--health-interval", "300ms", "--health-retries", "1000", "--health-timeout", "5s"]
    serve(s, "web", 2, *args, networks=[net], wait=False)
    place = eyes(s, net)[s.workers[1]]
    found = s.first.until(lambda: (lambda all: len(all) == 2 and all)([t for t in s.tasks("web", desired_state="running") if t["Status"]["State"] == "starting"]), WAIT, "two that start")
    time.sleep(0.5)  # long enough for whoever does not wait for health
    assert "error" in place.ask("web:80", patience=1)
    well = found[0]
    place_of(s, well).run("touch", "/tmp/well")
    until_answered(place, "web:80", [host_of(well)])
    assert place.addresses("tasks.web") == [address(well, net)]
    place_of(s, found[1]).run("touch", "/tmp/well")
    until_answered(place, "web:80", hosts(s.until_running("web", 2)))


def test_names_of_the_world_are_asked_for_outside(s, net):
    place = eyes(s, net)[s.workers[0]]
    assert place.addresses("found.some.example") == ["10.9.8.9"]
    assert place.resolve("nowhere.example")[1] == 3
    assert "found.some.example" in s.names.asked()


# --- what is kept apart ---

def test_networks_know_nothing_of_one_another(s):
    for n, subnet in (("left", "10.73.1.0/24"), ("right", "10.73.2.0/24")):
        make_network(s, n, "--subnet", subnet)
    tasks = {n: serve(s, "web-" + n, 1, "--network", f"name={n},alias=db")[0] for n in ("left", "right")}
    for n, other in (("left", "right"), ("right", "left")):
        for place in eyes(s, n, name="eyes-" + n).values():
            until_answered(place, "db:80", [host_of(tasks[n])])
            assert place.addresses("db") == [virtual_address(s, "web-" + n, n)]
            assert place.resolve("web-" + other)[1] == 3 and place.resolve("tasks.web-" + other)[1] == 3
            must_be_silent(place, [address(tasks[other], other) + ":80", virtual_address(s, "web-" + other, other) + ":80"], kinds=("tcp", "udp"))


def test_the_same_subnet_twice_is_two_networks(s):
    """Addresses are a network's own: the managers may be told any."""
    make_network(s, "one", "--subnet", "10.74.0.0/24")
    if make_refused(s, "two", "--subnet", "10.74.0.0/24"):
        return  # overlapping subnets are refused: also apart
    a, b = serve(s, "a", 1, networks=["one"]), serve(s, "b", 1, networks=["two"])
    place = eyes(s, "one")[s.first]
    until_answered(place, "a:80", hosts(a))
    assert hosts(b).isdisjoint(place.spread(address(b[0], "two") + ":80", 3))


def make_refused(s, name, *args):
    return s.first.docker("network", "create", "-d", "overlay", *args, name, ok=None).code != 0


def test_an_internal_network_leaks_nothing(s):
    make_network(s, "closed", "--internal")
    make_network(s, "open")
    tasks = serve(s, "web", 3, networks=["closed"])
    there = s.outside.start(s.outside.program, "serve", "7000")
    try:
        outside = f"{s.outside.address}:7000"
        for place in eyes(s, "open", name="eyes-open").values():
            until(lambda place=place: "host" in place.ask(outside, patience=1), WAIT, 0.1, "the way out of an open network")
        for machine, place in eyes(s, "closed").items():
            until_answered(place, "web:80", hosts(tasks))
            assert "default" not in place.run("ip", "route").out, machine.name
            assert place.run("ls", "/sys/class/net").out.split() == ["eth0", "lo"], machine.name
            must_be_silent(place, [outside, machine.address + ":2377", s.first.address + ":2377"])
            assert place.resolve(f"secret-of-{machine.name}.example")[0] == [] and place.addresses("outside.example") == []
        assert not [n for n in s.names.asked() if n.startswith("secret") or n == "outside.example"]
    finally:
        there.kill(), there.communicate()


def test_containers_do_not_meet_on_the_bridge_to_the_world(s):
    """What they share for their way out is not a network between them."""
    for n in ("left", "right"):
        make_network(s, n)
    (task,) = serve(s, "web", 1, networks=["left"])
    machine = machine_of(s, task)
    all_addresses = [x.split()[3].partition("/")[0] for x in place_of(s, task).run("ip", "-4", "-o", "addr").out.splitlines()]
    bridge = [x for x in all_addresses if x not in ("127.0.0.1", address(task, "left"))]
    place = eyes(s, "right")[machine]
    assert bridge
    must_be_silent(place, [there + ":80" for there in bridge])


def test_an_encrypted_network_is_refused_where_the_kernel_cannot(s):
    make_network(s, "secret", "--opt", "encrypted")
    s.create("web", "--network", "secret", command=("wire", "serve", "80"))
    if datapath.of_kernel("esp"):
        s.until_running("web", 1)
        return
    task = s.until_task("web", lambda t: t["Status"].get("Err"), "a refusal")
    assert "secret" in task["Status"]["Err"] and ("encrypt" in task["Status"]["Err"].lower() or "ESP" in task["Status"]["Err"])
    assert not any(datapath.seen(m).get(datapath.vni_of(s.first.api.get("/networks/secret"))) for m in s.machines)


# --- virtual addresses over time ---

def test_a_virtual_address_without_tasks_refuses_at_once(s, net):
    serve(s, "web", 1, networks=[net])
    place = eyes(s, net)[s.first]
    s.first.docker("service", "scale", "-d", "web=0")
    s.until_running("web", 0)
    until_refused(place, virtual_address(s, "web", net) + ":80")
    began = time.monotonic()
    assert place.ask(virtual_address(s, "web", net) + ":80", patience=10) == {"error": "Connection refused"}
    assert time.monotonic() - began < 2


def test_idle_connections_may_live_for_hours(s, net):
    tasks = serve(s, "web", 3, networks=[net])
    place = eyes(s, net)[s.first]
    until_answered(place, "web:80", hosts(tasks))
    for m in s.machines:
        for prefix in datapath.namespaces(m).values():
            seconds = int(places.Place(prefix).run("sysctl", "-n", "net.netfilter.nf_conntrack_tcp_timeout_established").out)
            assert seconds >= 4 * 3600, m.name
    with place.hold("web:80") as held:
        host = held.exchange("a")["host"]
        s.first.docker("service", "scale", "-d", "web=6")  # what comes beside it changes nothing for it
        s.until_running("web", 6)
        assert {held.exchange("b")["host"] for _ in range(5)} == {host}


def test_what_was_connected_to_a_task_that_has_gone_is_reset(s, net):
    tasks = serve(s, "web", 2, networks=[net])
    place = eyes(s, net)[s.first]
    until_answered(place, "web:80", hosts(tasks))
    held = [place.hold("web:80") for _ in range(4)]
    answered = [h.exchange("hello")["host"] for h in held]
    victim = next(t for t in tasks if machine_of(s, t) is not s.first)
    Box(machine_of(s, victim).api).rm(victim["Status"]["ContainerStatus"]["ContainerID"], force=1)
    try:
        for h, host in zip(held, answered):
            if host == host_of(victim):
                ended = h.end(10)  # it says nothing, and hears of it all the same
                assert ended and ("reset" in ended or "closed" in ended or "abort" in ended), ended
            else:
                assert h.exchange("still there")["host"] == host
    finally:
        for h in held:
            h.close()


def test_datagrams_go_elsewhere_when_their_task_has_gone(s, net):
    serve(s, "web", 2, networks=[net])
    place = eyes(s, net)[s.first]
    virtual = virtual_address(s, "web", net)
    until(lambda: len(place.spread(virtual + ":80", 4, kind="udp")) == 2, WAIT, 0.1, "both")
    s.first.docker("service", "scale", "-d", "web=1")
    (left,) = s.until_running("web", 1)
    for port in range(40000, 40006):  # the same port on this side: the same flow for the kernel
        until(lambda port=port: place.ask(virtual + ":80", kind="udp", patience=0.5, port_here=port).get("host") == host_of(left), 20, 0.1, "the one that is left")


def test_one_client_one_task(s, net):
    tasks = serve(s, "web", 3, "--label", "shoal.balance=client", networks=[net])
    chosen = set()
    for place in eyes(s, net).values():
        until(lambda place=place: set(place.spread("web:80", 3)) < hosts(tasks), WAIT, 0.1, "an answer")
        spread = place.spread("web:80", 12)
        assert len(spread) == 1 and set(spread) < hosts(tasks)
        chosen |= set(spread)
    assert chosen <= hosts(tasks)


def test_updates_change_who_answers_and_nothing_else(s, net):
    serve(s, "web", 2, "--env", "VERSION=1", "--update-parallelism", "1", "--update-monitor", "100ms", networks=[net])
    place = eyes(s, net)[s.first]
    before = virtual_address(s, "web", net)
    s.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "VERSION=2", "web")
    s.until_updated("web")
    until(lambda: {a.get("version") for a in place.asks("web:80", 4)} == {"2"}, WAIT, 0.1, "the new ones")
    assert virtual_address(s, "web", net) == before


# --- begin and end ---

def test_nothing_is_left_when_the_last_task_has_gone(s):
    before = {m: datapath.links(m) for m in s.machines}
    make_network(s, "short", "--attachable")
    make_network(s, "closed", "--internal")
    vnis = {datapath.vni_of(s.first.api.get(f"/networks/{n}")) for n in ("short", "closed")}
    serve(s, "web", 3, "--replicas-max-per-node", "1", networks=["short", "closed"])
    for m in s.machines:
        assert set(datapath.namespaces(m)) >= vnis, m.name
        assert {"short", "closed"} <= {n["Name"] for n in m.api.get("/networks")}
    s.first.docker("service", "rm", "web")
    s.until_gone("web")
    for m in s.machines:
        until(lambda m=m: not vnis & set(datapath.namespaces(m)), WAIT, 0.1, f"no overlays on {m.name}")
    for m in s.workers:
        until(lambda m=m: not {"short", "closed"} & {n["Name"] for n in m.api.get("/networks")}, WAIT, 0.1, f"no networks on {m.name}")
    for m in s.machines:
        new = datapath.links(m) - before[m]
        assert all("gwbridge" in x or x.startswith("shoalm") for x in new), (m.name, new)


def test_a_network_is_only_where_it_is_needed(s):
    make_network(s, "some")
    (task,) = serve(s, "web", 1, networks=["some"])
    vni = datapath.vni_of(s.first.api.get("/networks/some"))
    for m in s.machines:
        assert (vni in datapath.namespaces(m)) == (m is machine_of(s, task)), m.name
    refused = s.first.api.raw("DELETE", "/networks/some")
    assert refused.status >= 400 and "in use" in refused.message, refused


def test_every_kernel_holds_what_the_store_says(s, net):
    make_network(s, "other", "--internal")
    serve(s, "web", 4, networks=[net, "other"])
    serve(s, "rr", 2, "--endpoint-mode", "dnsrr", networks=["other"])
    datapath.until_true_to_store(s)
    assert not datapath.duplicates(s)
    s.first.docker("service", "scale", "-d", "web=2", "rr=5")
    datapath.until_true_to_store(s)
    s.first.docker("service", "rm", "rr")
    datapath.until_true_to_store(s)


def test_what_is_changed_in_the_kernel_is_mended(s, net):
    """By whom ever: the check that runs from time to time finds it."""
    serve(s, "web", 3, "--replicas-max-per-node", "1", networks=[net])
    datapath.until_true_to_store(s)
    vni = datapath.vni_of(s.first.api.get(f"/networks/{net}"))
    place = places.Place(datapath.namespaces(s.first)[vni])
    place.run("nft", "flush", "ruleset")
    for line in place.run("ip", "-4", "route", "show", "dev", "vx0").out.splitlines():
        place.run("ip", "route", "del", *line.split()[:1], "dev", "vx0", ok=False)
    assert datapath.differences(s, [s.first])
    datapath.until_true_to_store(s, [s.first], seconds=2 * WAIT)


# --- plain containers ---

def test_plain_containers_join_an_attachable_network(s, net):
    tasks = serve(s, "web", 3, networks=[net])
    box = Box(s.workers[0].api)
    id = box.up("wire", "serve", "80", name="guest", host={"NetworkMode": net}, net={net: {"Aliases": ["visitor"]}})
    guest = places.in_container(s.workers[0], id)
    until_answered(guest, "web:80", hosts(tasks))
    assert guest.ask("web:80")["client"] == box.address(id, net)
    place = place_of(s, tasks[0])
    for name in ("guest", "visitor"):
        until_answered(place, name + ":80", [id[:12]])
    assert not datapath.duplicates(s)
    before = box.address(id, net)
    s.workers[0].api.post(f"/containers/{id}/rename", name="lodger")
    for name in ("lodger", "visitor"):
        until_answered(place, name + ":80", [id[:12]])
    until(lambda: place.resolve("guest")[1] == 3, WAIT, 0.1, "no such name")
    assert box.address(id, net) == before
    box.rm(id, force=1)
    until(lambda: place.resolve("lodger")[1] == 3, WAIT, 0.1, "no such name")


def test_plain_containers_are_refused_elsewhere(s):
    make_network(s, "strict")
    for m in s.machines:
        r = m.docker("run", "--rm", "--network", "strict", "busybox", "true", ok=False)
        assert "strict" in r.err and ("attach" in r.err.lower() or "not found" in r.err.lower()), r


COMPOSE = """version: "3.3"
services:
  web:
    image: busybox
    command: wire serve 80
    networks: {net: {aliases: [composed]}}
networks:
  net:
    external: true
"""


def test_compose_on_an_attachable_network(s, net, tmp_path):
    program = cli_module.find("docker-compose")
    if not program:
        pytest.skip("docker-compose is not on this machine")
    compose = cli_module.Cli(program, s.first.socket, str(tmp_path))
    compose.env["PATH"] = "/usr/bin:/bin"
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    place = eyes(s, net)[s.workers[1]]
    compose("-p", "proj", "up", "-d", cwd=tmp_path, timeout=120)
    try:
        until(lambda: "host" in place.ask("composed:80", patience=1) and "host" in place.ask("web:80", patience=1), WAIT, 0.1, "the composed service")
    finally:
        compose("-p", "proj", "down", cwd=tmp_path, timeout=120)


def test_inspect_tells_containers_peers_and_services(s, net):
    tasks = serve(s, "web", 3, "--replicas-max-per-node", "1", networks=[net])
    datapath.until_true_to_store(s)
    for m in s.machines:
        n = m.api.get(f"/networks/{net}", verbose=1)
        assert n["Driver"] == "overlay" and n["Scope"] == "swarm" and n["Attachable"] is True
        mine = [t for t in tasks if machine_of(s, t) is m]
        assert {t["Status"]["ContainerStatus"]["ContainerID"] for t in mine} <= set(n["Containers"]), m.name
        assert {(p["Name"], p["IP"]) for p in n["Peers"]} == {(s.node_id(x)[:12], x.address) for x in s.machines}
        if m not in s.managers:
            continue  # the rest is known by those alone
        service = n["Services"]["web"]
        assert service["VIP"] == virtual_address(s, "web", net)
        assert {x["EndpointIP"] for x in service["Tasks"]} == {address(t, net) for t in tasks}
        assert {x["Info"]["Host IP"] for x in service["Tasks"]} == {x.address for x in s.machines}
    assert "Peers" in s.first.docker("network", "inspect", "--verbose", net).out


# --- a container that lies ---

LIES = """
ip addr add {victim}/32 dev eth0
ip route add {victim_neighbour}/32 dev eth0 2>/dev/null
ip link set eth0 address {mac} 2>/dev/null
for i in 1 2 3; do arping -c 1 -w 1 -A -I eth0 {victim} >/dev/null 2>&1; arping -c 1 -w 1 -U -I eth0 {victim} >/dev/null 2>&1; done
ip link set eth0 promisc on; sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.proxy_arp=1 >/dev/null
exec wire serve 80
"""


def test_a_privileged_container_that_lies_harms_nobody(s, net):
    tasks = serve(s, "web", 2, "--env", "WIRE_LOG=1", "--replicas-max-per-node", "1", networks=[net])
    victim, other = tasks
    place = place_of(s, other)
    until_answered(place, address(victim, net) + ":80", [host_of(victim)])
    box = Box(machine_of(s, other).api)  # beside the one that is to be misled
    victim_mac = place_of(s, victim).run("cat", "/sys/class/net/eth0/address").out.strip()
    lies = LIES.format(victim=address(victim, net), victim_neighbour=address(other, net), mac=victim_mac)
    id = box.up("sh", "-c", lies, host={"NetworkMode": net, "Privileged": True})
    liar = places.in_container(machine_of(s, other), id)
    until(lambda: address(victim, net) in liar.run("ip", "addr").out, what="the lie")
    for _ in range(5):
        assert place.spread(address(victim, net) + ":80", 4) == {host_of(victim): 4}
        time.sleep(0.2)
    assert even(place.spread("web:80", 10), tasks)
    # What it sends under the other's address does not arrive.
    liar.run("sh", "-c", f"echo forged | nc -u -w 1 -s {address(victim, net)} {address(other, net)} 80", ok=False)
    place.ask(address(other, net) + ":80", kind="udp", words="honest")
    log = until(lambda: (lambda x: "honest" in x and x)(Box(machine_of(s, other).api).logs(other["Status"]["ContainerStatus"]["ContainerID"])[0]), what="the log")
    assert "forged" not in log


# --- strangers on the underlay ---

def vxlan_packet(vni, to_node, from_node, source, target, data):
    """As a node would send it: an Ethernet frame with a datagram to port 80."""
    def mac(index):
        return bytes([2, 0xfe, 0, 0, index >> 8, index & 255])
    payload = data.encode()
    udp = struct.pack(">HHHH", 5555, 80, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xffff) + head[12:]
    return struct.pack(">II", 0x08000000, vni << 8) + mac(to_node) + mac(from_node) + b"\x08\0" + head + udp


SEND = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); [s.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 4789)) for _ in range(3)]"


def index_of(machine):
    """The node's number, as its own overlays say it."""
    prefix = next(iter(datapath.namespaces(machine).values()))
    (link,) = json.loads(places.Place(prefix).run("ip", "-j", "link", "show", "vx0").out)
    mac = link["address"].split(":")
    return int(mac[4], 16) * 256 + int(mac[5], 16)


def test_packets_of_strangers_are_dropped(s, net):
    tasks = serve(s, "web", 3, "--env", "WIRE_LOG=1", "--replicas-max-per-node", "1", networks=[net])
    datapath.until_true_to_store(s)
    vni = datapath.vni_of(s.first.api.get(f"/networks/{net}"))
    victim, friend = tasks[0], tasks[1]
    machine, node = machine_of(s, victim), machine_of(s, friend)

    def send(place, text):
        packet = vxlan_packet(vni, index_of(machine), index_of(node), address(friend, net), address(victim, net), text)
        place.run("/usr/bin/python3", "-c", SEND, machine.address, packet.hex())

    def log():
        return Box(machine.api).logs(victim["Status"]["ContainerStatus"]["ContainerID"])[0]
    send(places.in_machine(node), "of-a-node")  # proves that the packet is one that would arrive
    until(lambda: "of-a-node" in log(), what="the packet of a node")
    send(s.outside, "of-a-stranger")
    time.sleep(0.5)
    assert "of-a-stranger" not in log()


def test_the_data_path_has_the_port_that_was_asked_for(clusters):
    """A cluster of its own: the port is chosen when it begins."""
    s = form(clusters(), 1, 1, init=["--data-path-port", "7789"])
    make_network(s, "net")
    tasks = serve(s, "web", 2, networks=["net"])
    place = place_of(s, tasks[0])
    until_answered(place, "web:80", hosts(tasks))
    for m in s.machines:
        for prefix in datapath.namespaces(m).values():
            (link,) = json.loads(places.Place(prefix).run("ip", "-j", "-d", "link", "show", "vx0").out)
            assert link["linkinfo"]["info_data"]["port"] == 7789
