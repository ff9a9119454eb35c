"""What a swarm is measured by: three machines, all managers, with namespaces, disks and a switch of their own
(`shoal machine`); beside three of Debian's docker.io 20.10 in the same kind of machines, in the same run.

Requests go to a manager's socket; what is awaited is looked at every 10 ms. Images are named by their id: a name would be
looked for in a registry that is not there. Power is cut by SIGKILL of a machine's first process, which ends all of it.
"""
import json
import os
import signal
import time
import urllib.parse

from bench.subjects import Client, median
from harness import host
from harness.machines import DOCKERD, Cluster
from harness.swarm import form

QUICK = os.environ.get("BENCH_QUICK") == "1"
RUNS_OF = {1: 2, 10: 1} if QUICK else {1: 5, 10: 3, 100: 1}
UPDATED, AT_ONCE = (10, 5) if QUICK else (50, 10)
LOSSES = 1 if QUICK else 3
SPREAD = 15
PATIENCE = 180  # seconds; what takes longer is an error, not a figure
EVERY = 0.01

# key -> (what, unit, Shoal's goal, whether less is better)
ROWS = {
    "swarm_1": ("service of 1 task until it runs", "s", 0.2, True),
    "swarm_10": ("service of 10 tasks until all run", "s", 0.5, True),
    "swarm_100": ("service of 100 tasks until all run", "s", 3, True),
    "swarm_update": (f"forced update of {UPDATED} tasks, {AT_ONCE} at a time, until all run", "s", 4, True),
    "swarm_leader": ("power cut of the leader until the next update is accepted", "s", 1, True),
    "swarm_node": (f"power cut of a node until its tasks (of {SPREAD}) run elsewhere", "s", 3, True),
    "swarm_idle": ("memory of an idle manager with its log (PSS)", "MiB", 60, True),
}
PROGRAMS = ("shoald", "shoal-shim", "etcd", "dockerd", "containerd")


def wait(check, what):
    """Seconds until it is true; a manager that does not answer yet counts as not yet."""
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE:
        try:
            if check():
                return time.perf_counter() - began
        except (OSError, RuntimeError, IndexError, ValueError):
            pass
        time.sleep(EVERY)
    raise RuntimeError(f"{what}: not within {PATIENCE} s")


class Asker:
    """One manager's API on a connection that is made anew when it breaks."""

    def __init__(self, machine):
        self.machine, self.client = machine, None

    def __call__(self, method, path, body=None):
        try:
            if self.client is None:
                self.client = Client(self.machine.socket)
                self.client.sock.settimeout(20)
            return self.client(method, path, body)
        except (OSError, ValueError, IndexError):
            self.client = None
            raise

    def tasks(self, service):
        filters = urllib.parse.quote(json.dumps({"service": {service: True}, "desired-state": {"running": True}}))
        return self("GET", f"/tasks?filters={filters}")

    def running(self, service, count, force=0, but=None):
        """Whether so many run, of this spec, and none on the node `but`."""
        found = [t for t in self.tasks(service) if t["Status"]["State"] == "running" and t["Spec"].get("ForceUpdate", 0) == force and t.get("NodeID") != but]
        return len(found) == count

    def update(self, service, **changes):
        spec = self("GET", f"/services/{service}")
        wanted = {**spec["Spec"], **changes}
        return self("POST", f"/services/{service}/update?version={spec['Version']['Index']}", wanted) is not None


def spec(name, image, replicas, force=0):
    return {"Name": name, "Mode": {"Replicated": {"Replicas": replicas}}, "UpdateConfig": {"Parallelism": AT_ONCE, "Delay": 0, "Monitor": 10**7},
            "TaskTemplate": {"ContainerSpec": {"Image": image, "Command": ["sleep", "100000"], "StopGracePeriod": 10**8}, "ForceUpdate": force}}


def remove(s, ask, name):
    ask("DELETE", f"/services/{name}")
    s.until_gone(name, seconds=PATIENCE)


def start_services(results, name, s, image):
    ask = Asker(s.first)
    for count, runs in RUNS_OF.items():
        seconds = []
        for _ in range(runs):
            began = time.perf_counter()
            ask("POST", "/services/create", spec("b", image, count))
            wait(lambda: ask.running("b", count), f"{count} tasks")
            seconds.append(time.perf_counter() - began)
            remove(s, ask, "b")
        results.add(name, f"swarm_{count}", median(seconds))


def forced_update(results, name, s, image):
    ask = Asker(s.first)
    ask("POST", "/services/create", spec("u", image, UPDATED))
    wait(lambda: ask.running("u", UPDATED), f"{UPDATED} tasks")
    began = time.perf_counter()
    ask.update("u", TaskTemplate=spec("u", image, UPDATED, 1)["TaskTemplate"])
    wait(lambda: ask.running("u", UPDATED, 1), "the update")
    results.add(name, "swarm_update", time.perf_counter() - began)
    remove(s, ask, "u")


def cut_power(machine):
    """At this moment, without the time that the command takes."""
    os.kill(machine.first_pid, signal.SIGKILL)


def come_back(s, machine):
    machine.start()
    for m in s.managers:
        s.until_managers(*s.managers, by=m, seconds=PATIENCE)
    s.until_ready(seconds=PATIENCE)


def lose_leader(results, name, s, image):
    Asker(s.first)("POST", "/services/create", spec("l", image, 3))
    seconds = []
    for turn in range(LOSSES):
        victim = s.leader()
        ask = Asker(next(m for m in s.managers if m is not victim))
        wait(lambda: ask.running("l", 3), "3 tasks")
        cut_power(victim)
        seconds.append(wait(lambda: ask.update("l", Labels={"turn": str(turn)}), "an update"))
        come_back(s, victim)
    results.add(name, "swarm_leader", median(seconds))
    remove(s, Asker(s.first), "l")


def lose_node(results, name, s, image):
    """Never the leader; each time its share is made whole before."""
    seconds = []
    for _ in range(LOSSES):
        leader = s.leader()
        ask, victim = Asker(leader), next(m for m in s.managers if m is not leader)
        ask("POST", "/services/create", spec("n", image, SPREAD))
        wait(lambda: ask.running("n", SPREAD), f"{SPREAD} tasks")
        id = s.node_id(victim, leader)
        cut_power(victim)
        seconds.append(wait(lambda: ask.running("n", SPREAD, but=id), "its tasks elsewhere"))
        come_back(s, victim)
        remove(s, ask, "n")
    results.add(name, "swarm_node", median(seconds))


def memory_mib(machine):
    total = 0
    for pid in host.descendants(machine.first_pid):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                program = os.path.basename(f.read().split("\0")[0])
            if program.startswith(PROGRAMS):
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(x.split()[1]) for x in f if x.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def measure(results, name, folder, tar, daemon=None):
    cluster = Cluster(folder, daemon=daemon, busybox=tar)
    try:
        s = form(cluster, managers=3, workers=0)
        s.until_managers(*s.managers)
        image = s.first.api.get("/images/busybox:latest/json")["Id"]
        time.sleep(1 if QUICK else 5)
        results.add(name, "swarm_idle", median([memory_mib(m) for m in s.managers]))
        start_services(results, name, s, image)
        forced_update(results, name, s, image)
        lose_leader(results, name, s, image)
        lose_node(results, name, s, image)
    finally:
        cluster.close()


def measure_both(results, folder, tar, skip=""):
    if skip != "shoald":
        measure(results, "shoal", folder + "/ms", tar)
    if skip != "dockerd" and os.path.exists(DOCKERD):
        measure(results, "docker swarm", folder + "/md", tar, DOCKERD)
