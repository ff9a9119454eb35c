"""A swarm on machines: formed by the docker command, looked at through the API of a manager."""
import json
import os

from .daemon import IS_SHOAL
from .host import until
from .machines import in_parallel

# Seconds that any outcome may take: bounded, and never what is measured. E2E_PATIENCE is a factor for machines under load.
WAIT = 60 * float(os.environ.get("E2E_PATIENCE", "1"))


def form(cluster, managers=1, workers=2, init=(), prefix="n", **create):
    """n1 .. nN, the first ones managers."""
    made = cluster.create(*[f"{prefix}{i + 1}" for i in range(managers + workers)], **create)
    first = made[0]
    first.docker("swarm", "init", *init)
    s = Swarm(cluster, made[:managers], made[managers:])
    # One after the other: joining managers change the quorum.
    for m in made[1:managers]:
        s.join(m, "manager")
    in_parallel(lambda m: s.join(m, "worker"), made[managers:])
    s.until_ready(*made)
    return s


class Swarm:
    def __init__(self, cluster, managers, workers):
        self.cluster, self.managers, self.workers = cluster, list(managers), list(workers)

    @property
    def machines(self):
        return self.managers + self.workers

    @property
    def first(self):
        return self.managers[0]

    def token(self, role, by=None):
        return (by or self.first).docker.out("swarm", "join-token", "-q", role)

    def join(self, machine, role="worker", by=None, ok=True):
        by = by or self.first
        r = machine.docker("swarm", "join", "--token", self.token(role, by), f"{by.address}:2377", ok=None, timeout=90)
        if ok and "will continue in the background" in r.err:  # as documented, after 20 seconds
            machine.until(lambda: machine.api.get("/info")["Swarm"]["LocalNodeState"] == "active", WAIT, "the end of joining")
        else:
            assert ok is None or (r.code == 0) == ok, r
        return r

    # --- nodes ---

    def nodes(self, by=None):
        """hostname -> node; of several with one name the last that joined."""
        found = {}
        for n in sorted((by or self.first).api.get("/nodes"), key=lambda n: n["CreatedAt"]):
            found[n["Description"].get("Hostname")] = n  # a node that has just come has not said it yet
        return found

    def node(self, machine, by=None):
        return self.nodes(by)[machine.name]

    def node_id(self, machine, by=None):
        return self.node(machine, by)["ID"]

    def until_node(self, machine, check, what, by=None, seconds=WAIT):
        return (by or self.first).until(lambda: check(self.node(machine, by)), seconds, f"{machine.name}: {what}")

    def until_ready(self, *machines, by=None, seconds=WAIT):
        for m in machines or self.machines:
            self.until_node(m, lambda n: n["Status"]["State"] == "ready", "ready", by, seconds)

    def until_down(self, machine, by=None, seconds=WAIT):
        self.until_node(machine, lambda n: n["Status"]["State"] == "down", "down", by, seconds)

    def until_managers(self, *machines, by=None, seconds=WAIT):
        """All of them reachable, one of them leading."""
        def check():
            nodes = self.nodes(by)
            mine = [nodes[m.name].get("ManagerStatus") or {} for m in machines]
            return all(s.get("Reachability") == "reachable" for s in mine) and sum(bool(s.get("Leader")) for s in mine) == 1
        (by or self.first).until(check, seconds, "managers reachable")

    def leader(self, by=None):
        by = by or self.first

        def look():
            for name, n in self.nodes(by).items():
                if (n.get("ManagerStatus") or {}).get("Leader"):
                    return self.cluster[name]
        return by.until(look, WAIT, "a leader")

    # --- services and tasks ---

    def create(self, name, *args, image="busybox", command=("sleep", "100000"), by=None, ok=True):
        """A service that starts and stops fast; the id."""
        return (by or self.first).docker("service", "create", "-d", "-q", "--no-resolve-image", "--stop-grace-period", "500ms", "--restart-delay", "200ms",
                                         "--name", name, *args, image, *command, ok=ok).out.strip()

    def tasks(self, service, by=None, **filters):
        wanted = {"service": [service], **{k.replace("_", "-"): [v] if isinstance(v, str) else v for k, v in filters.items()}}
        return (by or self.first).api.get("/tasks", filters=wanted)

    def running(self, service, by=None):
        """Tasks that run and shall run."""
        return [t for t in self.tasks(service, by, desired_state="running") if t["Status"]["State"] == "running"]

    def until_running(self, service, count, by=None, seconds=WAIT):
        """Exactly so many run and no others shall."""
        found = []

        def check():
            found[:] = self.tasks(service, by, desired_state="running")
            return len(found) == count and all(t["Status"]["State"] == "running" for t in found)
        (by or self.first).until(check, seconds, f"{count} running tasks of {service}")
        return list(found)

    def until_task(self, service, check, what, by=None, seconds=WAIT):
        """The first task for which it is true."""
        return (by or self.first).until(lambda: next((t for t in self.tasks(service, by) if check(t)), None), seconds, f"{service}: {what}")

    def spec(self, service, by=None):
        return (by or self.first).api.get(f"/services/{service}")

    def until_updated(self, service, *states, by=None, seconds=WAIT):
        """The update has come to one of these ends."""
        states = states or ("completed",)
        (by or self.first).until(lambda: self.spec(service, by).get("UpdateStatus", {}).get("State") in states, seconds, f"{service}: update {states}")

    def containers(self, machine, service=None, all=False):
        filters = {"label": [f"com.docker.swarm.service.name={service}" if service else "com.docker.swarm.service.name"]}
        return machine.api.get("/containers/json", all=all, filters=filters)

    def until_gone(self, *services, seconds=WAIT):
        """No container of them is left on any machine; Docker leaves those of jobs that have ended."""
        for s in services:
            until(lambda: not any(self.containers(m, s, all=IS_SHOAL) for m in self.machines), seconds, 0.1, f"the end of {s}'s containers")

    def clear_networks(self):
        """All that span nodes, but for ingress, which comes back if a test has taken it away."""
        api, has_ingress = self.first.api, False
        for n in api.get("/networks", filters={"driver": ["overlay"]}):
            if n["Name"] == "ingress":
                has_ingress = True
            else:
                self.first.until(lambda n=n: api.raw("DELETE", f"/networks/{n['Id']}").status in (204, 404), WAIT, f"removal of the network {n['Name']}")
        if not has_ingress:
            self.first.docker("network", "create", "-d", "overlay", "--ingress", "ingress")

    def clear(self):
        """Services, secrets, configs, labels and availabilities, as after forming."""
        api = self.first.api
        names = [s["Spec"]["Name"] for s in api.get("/services")]
        for s in names:
            api.delete(f"/services/{s}")
        self.until_gone(*names)
        for kind in ("secrets", "configs"):
            for one in api.get(f"/{kind}"):
                self.first.until(lambda one=one: api.raw("DELETE", f"/{kind}/{one['ID']}").status in (204, 404), WAIT, f"removal from {kind}")
        for n in api.get("/nodes"):
            spec = n["Spec"]
            if spec.get("Labels") or spec["Availability"] != "active":
                api.post(f"/nodes/{n['ID']}/update", {**spec, "Labels": {}, "Availability": "active"}, version=n["Version"]["Index"])


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


def json_lines(text):
    return [json.loads(line) for line in lines(text)]
