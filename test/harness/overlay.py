"""What tests of a swarm's networks do again and again: services that say who asked them, and places on networks to ask from."""
import contextlib

from . import places
from .host import until
from .machines import in_parallel
from .swarm import WAIT, form

SERVE = ("wire", "serve", "80")


@contextlib.contextmanager
def form_with_client(cluster, managers=1, workers=2, heartbeat="10s", init=(), **create):
    """A swarm and, as its `outside`, a computer on its switch that is none of its machines."""
    s = form(cluster, managers, workers, init=["--dispatcher-heartbeat", heartbeat, *init], **create)
    with places.Outside(cluster) as s.outside:
        yield s


def clear(s):
    """As after forming, when no machine was broken: cables, services, plain containers, networks."""
    s.cluster.heal()
    s.until_ready()
    s.clear()
    for m in s.machines:
        for c in m.api.get("/containers/json", all=True):
            m.api.raw("DELETE", f"/containers/{c['Id']}", force=1)
    s.clear_networks()


def make_network(s, name, *args, by=None):
    return (by or s.first).docker.out("network", "create", "-d", "overlay", *args, name)


def serve(s, name, replicas, *args, networks=(), command=SERVE, wait=True):
    """A service whose tasks answer on port 80; its running tasks."""
    words = [w for n in networks for w in ("--network", n)]
    s.create(name, "--replicas", str(replicas), "--env", "TASK={{.Task.Name}}", *words, *args, command=command)
    return s.until_running(name, replicas) if wait else []


def machine_of(s, task):
    return s.cluster[next(name for name, n in s.nodes().items() if n["ID"] == task["NodeID"])]


def place_of(s, task):
    """In the container of a task; knows both."""
    machine = machine_of(s, task)
    place = places.in_container(machine, task["Status"]["ContainerStatus"]["ContainerID"])
    place.task, place.machine = task, machine
    return place


def eyes(s, *networks, name="eyes"):
    """Machine -> a place on these networks."""
    s.create(name, "--mode", "global", "--stop-signal", "KILL", *[w for n in networks for w in ("--network", n)])  # sleep ends by nothing else
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


def must_be_silent(place, targets, kinds=("tcp",), patience=0.5):
    """Nobody answers at any of them. They are asked at one time: whoever is silent has to be waited for."""
    asked = [(target, kind) for target in targets for kind in kinds]
    answers = in_parallel(lambda x: place.ask(x[0], kind=x[1], patience=patience), asked)
    answered = [(x, a) for x, a in zip(asked, answers) if "error" not in a]
    assert not answered, answered


def until_refused(place, target, seconds=WAIT):
    until(lambda: "error" in place.ask(target, patience=1), seconds, 0.1, f"no answer at {target}")


def even(spread, tasks):
    """Every one as often as every other."""
    return set(spread) == hosts(tasks) and len(set(spread.values())) == 1
