"""What tests of a swarm's networks do again and again: services that say who asked them, and places on networks to ask from."""
from . import places
from .host import until
from .swarm import WAIT

SERVE = ("wire", "serve", "80")


def make_network(s, name, *args, by=None):
    return (by or s.first).docker.out("network", "create", "-d", "overlay", *args, name)


def serve(s, name, replicas, *args, networks=(), command=SERVE, wait=True):
    """A service whose tasks answer on port 80; its running tasks."""
    words = [w for n in networks for w in ("--network", n)]
    s.create(name, "--replicas", str(replicas), "--env", "TASK={{.Task.Name}}", *words, *args, command=command)
    return s.until_running(name, replicas) if wait else []


def machine_of(s, task):
    return next(m for m in s.machines if s.node_id(m) == task["NodeID"])


def place_of(s, task):
    """In the container of a task; knows both."""
    machine = machine_of(s, task)
    place = places.in_container(machine, task["Status"]["ContainerStatus"]["ContainerID"])
    place.task, place.machine = task, machine
    return place


def eyes(s, *networks, name="eyes"):
    """Machine -> a place on these networks."""
    s.create(name, "--mode", "global", *[w for n in networks for w in ("--network", n)])
    tasks = s.until_running(name, len(s.machines))
    return {machine_of(s, t): place_of(s, t) for t in tasks}


def addresses(task, network, six=False):
    """Of a task on the network of that name."""
    (found,) = [a for a in task["NetworksAttachments"] if a["Network"]["Spec"]["Name"] == network]
    return [x.partition("/")[0] for x in found["Addresses"] if (":" in x) == six]


def address(task, network, six=False):
    (found,) = addresses(task, network, six)
    return found


def virtual_address(s, service, network):
    id = s.first.api.get(f"/networks/{network}")["Id"]
    (found,) = [v["Addr"].partition("/")[0] for v in s.spec(service)["Endpoint"]["VirtualIPs"] if v["NetworkID"] == id]
    return found


def host_of(task):
    """What its container is called unless it says otherwise."""
    return task["Status"]["ContainerStatus"]["ContainerID"][:12]


def hosts(tasks):
    return {host_of(t) for t in tasks}


def until_answered(place, target, wanted, seconds=WAIT, **kw):
    """New connections come to exactly these hosts."""
    wanted, last = set(wanted), {}

    def answered():
        last.clear()
        last.update(place.spread(target, 2 * len(wanted), **kw))
        return set(last) == wanted

    try:
        until(answered, seconds, 0.1, f"answers of {sorted(wanted)} at {target}")
    except AssertionError as e:
        raise AssertionError(f"{e}; last: {last}") from None


def until_refused(place, target, seconds=WAIT):
    until(lambda: "error" in place.ask(target, patience=1), seconds, 0.1, f"no answer at {target}")


def even(spread, tasks):
    """Every one as often as every other."""
    return set(spread) == hosts(tasks) and len(set(spread.values())) == 1
