"""What a swarm's network is measured by: three machines on this computer, so that all of it shares two cores; ratios are what
counts. Of Docker 20.10 only the plain overlay is measured: its virtual addresses and its mesh need IPVS, which this kernel may not have.

Rounds go through all paths one after the other, so that a noisy minute touches all of them; figures are medians of the rounds.
"""
import json
import os
import subprocess
import time

from bench.subjects import median
from bench.swarm import Asker, spec
from harness import overlay, places
from harness.daemon import BIN
from harness.host import until
from harness.machines import DOCKERD, Cluster
from harness.swarm import form

QUICK = os.environ.get("BENCH_QUICK") == "1"
ROUNDS, SECONDS, WIDTH = (2, 0.5, 16) if QUICK else (7, 1.5, 16)
TIMES = 3 if QUICK else 15

# key -> (what, unit, Shoal's goal, whether less is better)
ROWS = {
    "net_under": ("between two machines, without an overlay", "Gbit/s", None, False),
    "net_over": ("overlay, a container on another machine", "Gbit/s", None, False),
    "net_over_part": ("overlay, part of the throughput between machines", "x", 0.9, False),
    "net_vip_part": ("virtual address, part of the throughput of the overlay", "x", 0.95, False),
    "net_mesh_part": ("published port by another machine, part of the throughput of the overlay", "x", 0.8, False),
    "net_conn": ("connections through the overlay, one request each", "/s", None, False),
    "net_vip_conn": ("virtual address, part of the connections/s of the overlay", "x", 0.7, False),
    "net_mesh_conn": ("published port by another machine, part of the connections/s of the overlay", "x", 0.6, False),
    "net_change": ("a node with 1000 services of 10 backends: one backend changed", "ms", 10, True),
    "net_ack": ("a change acknowledged by 3 nodes: what it adds to the stop of a task", "ms", 50, True),
    "net_attach": ("what a network adds to the start of a task", "ms", 15, True),
}


def gbits(place, target):
    said = json.loads(place.wire("push", SECONDS, target))
    return said["bytes"] * 8 / said["seconds"] / 1e9


def connections(place, target):
    said = json.loads(place.wire("flood", WIDTH, SECONDS, target))
    if said["failed"] > said["done"] / 100:
        raise RuntimeError(f"{target}: {said}")
    return said["done"] / said["seconds"]


def rounds(paths, measured):
    """Medians by name; paths: name -> (place, target)."""
    found = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, (place, target) in paths.items():
            found[name].append(measured(place, target))
    return {name: median(values) for name, values in found.items()}


class Served:
    """`wire serve` in a machine itself."""

    def __init__(self, machine, port):
        self.target = f"{machine.address}:{port}"
        place = places.in_machine(machine)
        self.process = place.start(place.program, "serve", str(port))
        self.process.stdout.readline()

    def close(self):
        self.process.kill()
        self.process.communicate()


def throughput(results, name, s):
    """The client is on the first machine, what it asks on the second; the mesh is entered by the first."""
    there = s.workers[0]
    overlay.make_network(s, "net")
    (task,) = overlay.serve(s, "web", 1, "--publish", "8080:80", "--constraint", f"node.hostname=={there.name}", networks=["net"])
    client, outside, served = overlay.eyes(s, "net")[s.first], places.Outside(s.cluster), Served(there, 7100)
    paths = {"over": (client, f"{overlay.address(task, 'net')}:80"), "vip": (client, "web:80"), "mesh": (outside, f"{s.first.address}:8080"),
             "under": (places.in_machine(s.first), served.target)}
    try:
        for place, target in paths.values():
            until(lambda place=place, target=target: "host" in place.ask(target), 60, 0.1, target)
        put(results, name, rounds(paths, gbits), rounds({k: paths[k] for k in ("over", "vip", "mesh")}, connections))
    finally:
        served.close(), outside.close()
        s.clear(), s.clear_networks()


def put(results, name, moved, asked):
    results.add(name, "net_under", moved["under"])
    results.add(name, "net_over", moved["over"])
    results.add(name, "net_over_part", moved["over"] / moved["under"])
    results.add(name, "net_vip_part", moved["vip"] / moved["over"])
    results.add(name, "net_mesh_part", moved["mesh"] / moved["over"])
    results.add(name, "net_conn", asked["over"])
    results.add(name, "net_vip_conn", asked["vip"] / asked["over"])
    results.add(name, "net_mesh_conn", asked["mesh"] / asked["over"])


def docker_overlay(results, name, s):
    """Plain containers on an attachable network: what works without IPVS."""
    there = s.workers[0]
    overlay.make_network(s, "net", "--attachable")
    server = there.docker.out("run", "-d", "--network", "net", "busybox", "wire", "serve", "80")
    asker = s.first.docker.out("run", "-d", "--network", "net", "busybox", "sleep", "100000")
    address = there.api.get(f"/containers/{server}/json")["NetworkSettings"]["Networks"]["net"]["IPAddress"]
    served = Served(there, 7100)
    paths = {"over": (places.in_container(s.first, asker), address + ":80"), "under": (places.in_machine(s.first), served.target)}
    try:
        until(lambda: "host" in paths["over"][0].ask(address + ":80"), 60, 0.1, "the overlay")
        moved = rounds(paths, gbits)
        results.add(name, "net_under", moved["under"])
        results.add(name, "net_over", moved["over"])
        results.add(name, "net_over_part", moved["over"] / moved["under"])
        results.add(name, "net_conn", rounds({"over": paths["over"]}, connections)["over"])
    finally:
        served.close()


# --- times ---

def milliseconds_to_run(s, ask, image, networks):
    wanted = spec("a", image, 1)
    wanted["TaskTemplate"]["Networks"] = [{"Target": n} for n in networks]
    began = time.perf_counter()
    ask("POST", "/services/create", wanted)
    until(lambda: ask.running("a", 1), 60, 0.002, "a task")
    took = time.perf_counter() - began
    ask("DELETE", "/services/a")
    s.until_gone("a")
    return took * 1000


def attach(results, name, s, image):
    """With another task on the same network and machine, so that the network itself is there."""
    id, ask = overlay.make_network(s, "net"), Asker(s.first)
    s.create("other", "--mode", "global", "--network", "net", image=image)
    s.until_running("other", 3)
    pairs = [(milliseconds_to_run(s, ask, image, []), milliseconds_to_run(s, ask, image, [id])) for _ in range(TIMES)]
    results.add(name, "net_attach", max(0, median([b for _, b in pairs]) - median([a for a, _ in pairs])))
    s.clear(), s.clear_networks()


def milliseconds_to_signal(s, service, replicas):
    """From the request to scale down until the task that goes has its signal, by the events of the machines."""
    found = s.spec(service)
    found["Spec"]["Mode"]["Replicated"]["Replicas"] = replicas - 1
    began = time.time()
    s.first.api.post(f"/services/{found['ID']}/update", found["Spec"], version=found["Version"]["Index"])
    s.until_running(service, replicas - 1)
    s.first.until(lambda: sum(len(s.containers(m, service)) for m in s.machines) == replicas - 1, 60, "the end of one")
    killed = [e["timeNano"] / 1e9 for m in s.machines for e in events(m, began, service)]
    if not killed:
        raise RuntimeError("no event of a signal")
    return (min(killed) - began) * 1000


def events(machine, since, service):
    filters = {"type": ["container"], "event": ["kill"], "label": [f"com.docker.swarm.service.name={service}"]}
    found = machine.api.get("/events", since=f"{since:.9f}", until=f"{time.time():.9f}", filters=filters)
    return found if isinstance(found, list) else [found] if found else []


def acknowledged(results, name, s):
    overlay.make_network(s, "net")
    s.create("other", "--mode", "global", "--network", "net")
    s.until_running("other", 3)
    medians = {}
    for service, networks in (("alone", []), ("netted", ["--network", "net"])):
        s.create(service, "--replicas", str(TIMES + 1), *networks, command=overlay.SERVE)
        s.until_running(service, TIMES + 1)
        medians[service] = median([milliseconds_to_signal(s, service, n) for n in range(TIMES + 1, 1, -1)])
    results.add(name, "net_ack", max(0, medians["netted"] - medians["alone"]))
    s.clear(), s.clear_networks()


def change(results, name):
    """The kernel's share alone, by a program on network/overlay.h: 10,000 tasks would not fit here."""
    program = os.path.join(BIN, "overlay_speed")
    if not os.path.exists(program):
        return
    p = subprocess.run(["unshare", "-n", "-m", program, *(["100"] if QUICK else ["1000"])], capture_output=True, text=True, timeout=600)
    if p.returncode != 0:
        raise RuntimeError(f"overlay_speed: {p.stderr[-400:]}")
    results.add(name, "net_change", json.loads(p.stdout)["median_ms"])


def measure(results, name, folder, tar, daemon=None):
    cluster = Cluster(folder, daemon=daemon, busybox=tar)
    try:
        s = form(cluster, managers=1, workers=2)
        if daemon:
            docker_overlay(results, name, s)
            return
        image = s.first.api.get("/images/busybox:latest/json")["Id"]
        throughput(results, name, s)
        attach(results, name, s, image)
        acknowledged(results, name, s)
        change(results, name)
    finally:
        cluster.close()


def measure_both(results, folder, tar, skip=""):
    if skip != "shoald":
        measure(results, "shoal", folder + "/ns", tar)
    if skip != "dockerd" and os.path.exists(DOCKERD):
        measure(results, "docker swarm", folder + "/nd", tar, DOCKERD)
