"""What the kernels of machines hold of a swarm's networks, and what the managers' API says that they should.

Both as the same values, so that they can be compared: for each overlay on a machine where each address leads (to a container here,
to which machine otherwise) and to which backends each virtual address is balanced; for the mesh the same of ports and tasks.
"""
import collections
import json
import os
import subprocess

from .host import until
from .swarm import WAIT

HERE = "here"
Overlay = collections.namedtuple("Overlay", "ways balanced")
ENDED = ("complete", "failed", "shutdown", "rejected", "orphaned", "remove")


def _json(prefix, *words):
    p = subprocess.run([*prefix, *words], capture_output=True, text=True)
    return json.loads(p.stdout or "[]") if p.returncode == 0 else []


def _json_of(prefix, *lines):
    """What each of them says, by one shell: starting programs is what takes time here. Nothing of what fails, nor of what says none."""
    out = subprocess.run([*prefix, "sh", "-c", "; echo; echo //; ".join(lines)], capture_output=True, text=True).stdout
    said = out.split("//\n")
    return [json.loads(part.strip() or "[]") for part in said + [""] * (len(lines) - len(said))]  # the namespace itself may have gone


# --- the kernel ---

def namespaces(machine):
    """VNI -> a prefix that runs a program in that overlay."""
    found = {}
    for daemon in machine.pids("shoald")[:1]:
        with open(f"/proc/{daemon}/mountinfo") as f:
            paths = {line.split()[4] for line in f if " - nsfs " in line}
        for path in paths:
            prefix = ["nsenter", f"--net=/proc/{daemon}/root{path}"]
            for link in _json(prefix, "ip", "-j", "-d", "link", "show", "vx0"):
                found[link["linkinfo"]["info_data"]["id"]] = prefix
    return found


def underlay_of_hops(entries, neighbours):
    """Next hop -> underlay address, by neighbour and forwarding entries: what is written there takes part."""
    forwarding = {e["mac"]: e.get("dst") for e in entries if e.get("dst")}
    return {n["dst"]: forwarding.get(n["lladdr"], f"no forwarding entry of {n['lladdr']}") for n in neighbours if "PERMANENT" in n["state"]}


def ways(hops, routes, device):
    """Address -> here, or the underlay address of a node."""
    found = {}
    for r in routes:
        gateway = r.get("gateway") or (r.get("via") or {}).get("host")
        if "/" in r["dst"] or r["dst"] == "default" or r.get("type") in ("unreachable", "local"):
            continue
        if r.get("dev") == device and gateway:
            found[r["dst"]] = hops.get(gateway, f"no neighbour entry of {gateway}")
        elif r.get("dev", "").startswith("veth"):
            found[r["dst"]] = HERE
    return found


def _parts(value):
    """What a key or a value of a map consists of."""
    if isinstance(value, dict):
        if "concat" in value:
            return [p for part in value["concat"] for p in _parts(part)]
        if "elem" in value:
            return _parts(value["elem"].get("val", value["elem"]))
        return []
    return [value]


def elements(ruleset):
    """(name, parts of the key, parts of the value) of all maps' elements."""
    for one in ruleset["nftables"] if ruleset else ():
        for entry in one.get("map", {}).get("elem", []):
            if isinstance(entry, list) and len(entry) == 2:
                yield one["map"]["name"], _parts(entry[0]), _parts(entry[1])


def is_address(part):
    return isinstance(part, str) and (part.count(".") == 3 or ":" in part) and part[:1].isalnum()


def balanced(ruleset):
    """Virtual address -> the set of its backends: elements `address . slot : backend`."""
    found = collections.defaultdict(set)
    for _, key, value in elements(ruleset):
        if len(key) == 2 and is_address(key[0]) and isinstance(key[1], int) and value and is_address(value[0]):
            found[key[0]].add(value[0])
    return dict(found)


def overlay(prefix, device="vx0"):
    entries, neighbours, four, six, ruleset = _json_of(prefix, f"bridge -j fdb show dev {device}", f"ip -j neigh show dev {device}", "ip -j -4 route", "ip -j -6 route",
                                                       "nft -j list ruleset")
    return Overlay(ways(underlay_of_hops(entries, neighbours), four + six, device), balanced(ruleset))


def seen(machine, but_for=lambda vni: False):
    """VNI -> Overlay."""
    return {vni: overlay(prefix) for vni, prefix in namespaces(machine).items() if not but_for(vni)}


def mesh_prefix(machine):
    return ["nsenter", "-t", str(machine.first_pid), "-n"]


def mesh_table(machine):
    prefix = mesh_prefix(machine)
    tables = _json(prefix, "nft", "-j", "list", "tables")
    names = [t["table"]["name"] for t in (tables or {"nftables": []})["nftables"] if "table" in t and t["table"]["family"] == "inet"]
    return next((n for n in names if n.startswith("shoal") and n.endswith("_mesh")), None)


def mesh_seen(machine):
    """(protocol, published port) -> the set of IPv4 addresses on ingress, as this node chooses among them: in tcp4, udp4 and sctp4 `port .
    slot : address . port`; a task of this machine stands there with the address behind it, tasks4: `task . protocol . port : address`."""
    table, slots, task_of = mesh_table(machine), collections.defaultdict(set), {}
    for name, key, value in elements(_json(mesh_prefix(machine), "nft", "-j", "list", "table", "inet", table) if table else None):
        if name == "tasks4":
            task_of[value[0]] = key[0]
        elif name in ("tcp4", "udp4", "sctp4"):
            slots[name[:-1], key[0]].add(value[0])
    return {port: {task_of.get(a, a) for a in found} for port, found in slots.items()}


# --- the store ---

def tasks(s, by=None):
    """Those that have a node and have not ended."""
    found = (by or s.first).api.get("/tasks")
    return [t for t in found if t.get("NodeID") and t["Status"]["State"] not in ENDED]


def addresses_of(task):
    """Network id -> addresses without prefix length."""
    return {a["Network"]["ID"]: [x.partition("/")[0] for x in a.get("Addresses") or []] for a in task.get("NetworksAttachments") or []}


def vni_of(network):
    options = (network.get("DriverState") or {}).get("Options") or network.get("Options") or {}
    return int(options["com.docker.network.driver.overlay.vxlanid_list"].split(",")[0])


def overlay_networks(s, by=None):
    api = (by or s.first).api
    return [api.get(f"/networks/{n['Id']}") for n in api.get("/networks", filters={"driver": ["overlay"]})]


def virtual_addresses(service):
    """Network id -> address."""
    return {v["NetworkID"]: v["Addr"].partition("/")[0] for v in (service.get("Endpoint") or {}).get("VirtualIPs") or [] if v.get("Addr")}


def wanted(s, by=None):
    """Machine -> VNI -> Overlay."""
    api = (by or s.first).api
    here = {n["ID"]: s.cluster[n["Description"]["Hostname"]] for n in api.get("/nodes")}
    all_tasks, services = tasks(s, by), api.get("/services")
    found = {m: {} for m in s.machines}
    for n in overlay_networks(s, by):
        if n["Ingress"]:
            continue  # what spans nodes there is the mesh's
        mine = [(here[t["NodeID"]], address, t) for t in all_tasks for address in addresses_of(t).get(n["Id"], [])]
        balance = {}
        for service in services:
            address = virtual_addresses(service).get(n["Id"])
            if address:
                balance[address] = {a for _, a, t in mine if t["ServiceID"] == service["ID"] and t["Status"]["State"] == "running" and t["DesiredState"] == "running"}
        for machine in {m for m, _, _ in mine}:
            found[machine][vni_of(n)] = Overlay({a: HERE if m is machine else m.address for m, a, _ in mine}, {v: b for v, b in balance.items() if b})
    return found


def mesh_wanted(s, by=None):
    """(protocol, published port) -> addresses on ingress."""
    api, found = (by or s.first).api, {}
    ingress = next((n["Id"] for n in overlay_networks(s, by) if n["Ingress"]), None)
    running = [t for t in tasks(s, by) if t["Status"]["State"] == "running" and t["DesiredState"] == "running"]
    for service in api.get("/services"):
        for port in (service.get("Endpoint") or {}).get("Ports") or []:
            if port.get("PublishMode", "ingress") == "ingress":
                mine = {a for t in running if t["ServiceID"] == service["ID"] for a in addresses_of(t).get(ingress, [])}
                if mine:
                    found[port["Protocol"], port["PublishedPort"]] = mine
    return found


# --- both ---

def _differ(name, want, have):
    return [f"{name} {key}: {have.get(key, 'not there')}, should be {want.get(key, 'not there')}" for key in sorted({*want, *have}, key=str) if want.get(key) != have.get(key)]


def differences(s, machines=None, by=None, may_linger=True):
    """What kernels hold otherwise than the store says. Empty while nothing is changing. An overlay stays for ten seconds after its last task,
    which is a difference only when it may not."""
    found, want, ports = [], wanted(s, by), mesh_wanted(s, by)
    for m in machines or s.machines:
        have = seen(m, but_for=lambda vni, m=m: may_linger and vni not in want[m])
        found += _differ(f"{m.name}: overlay", {vni: "there" for vni in want[m]}, {vni: "there" for vni in have})
        for vni in want[m].keys() & have.keys():
            found += _differ(f"{m.name}: way in {vni} to", want[m][vni].ways, have[vni].ways)
            found += _differ(f"{m.name}: balance in {vni} of", want[m][vni].balanced, have[vni].balanced)
        found += _differ(f"{m.name}: published", ports, mesh_seen(m))
    return found


def until_true_to_store(s, machines=None, by=None, seconds=WAIT, may_linger=True):
    last = []

    def check():
        last[:] = differences(s, machines, by, may_linger)
        return not last
    try:
        until(check, seconds, 0.1, "kernels that hold what the store says")
    except AssertionError as e:
        raise AssertionError(f"{e}\n  " + "\n  ".join(last)) from None


def duplicates(s, by=None):
    """Addresses that two have at one moment: tasks that have not ended, and virtual addresses."""
    api, owners = (by or s.first).api, collections.defaultdict(set)
    for t in tasks(s, by):
        for network, addresses in addresses_of(t).items():
            for a in addresses:
                owners[network, a].add("task " + t["ID"])
    for service in api.get("/services"):
        for network, a in virtual_addresses(service).items():
            owners[network, a].add("service " + service["ID"])
    return {k: v for k, v in owners.items() if len(v) > 1}


def links(machine):
    """Names of links in the machine's own namespace."""
    return {x["ifname"] for x in _json(mesh_prefix(machine), "ip", "-j", "link")}


def of_kernel(name):
    """Whether the kernel has a protocol: "esp" or "sctp"."""
    if name == "sctp":
        return os.path.exists("/proc/sys/net/sctp") or _can_open_sctp()
    tried = subprocess.run(["unshare", "-n", "ip", "xfrm", "state", "add", "src", "127.0.0.1", "dst", "127.0.0.2", "proto", "esp", "spi", "0x101", "mode", "transport",
                            "aead", "rfc4106(gcm(aes))", "0x" + "11" * 20, "128"], capture_output=True)
    return tried.returncode == 0


def _can_open_sctp():
    import socket
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        return True
    except OSError:
        return False
