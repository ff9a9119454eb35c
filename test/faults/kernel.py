"""What the kernel says about a daemon's containers, to compare with what the daemon says."""
import os
import subprocess
import time

from harness import host
from harness.api import ApiError


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def shims(daemon):
    """Monitors of this daemon: their settings file lies under its exec root."""
    found = []
    for pid in host.descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                line = f.read()
        except OSError:
            continue
        if "shoal-shim" in line and daemon.exec in line and host.alive(pid):
            found.append(pid)
    return found


def mounts_under(folder):
    with open("/proc/self/mounts") as f:
        return [line.split()[1] for line in f if line.split()[1].startswith(folder + "/")]


def cgroups_of(id):
    return [top for top, _, _ in os.walk("/sys/fs/cgroup") if id in os.path.basename(top)]


def bridge_ports(daemon):
    out = subprocess.run(daemon.inside(["ip", "-o", "link", "show", "type", "veth"]), capture_output=True, text=True).stdout
    return out.splitlines()


def check_agreement(daemon, box, seconds=5):
    """Daemon and kernel agree; what an end leaves to clean up after it was told may take a moment."""
    end = time.monotonic() + seconds
    while True:
        try:
            return agree(daemon, box)
        except (AssertionError, ApiError):
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


def agree(daemon, box):
    """Every container that is said to run has a live process and a monitor; nothing else is left in the kernel."""
    running = []
    for c in box.api.get("/containers/json", all=1):
        state = box.inspect(c["Id"])["State"]
        if state["Running"]:
            assert state["Pid"] and host.alive(state["Pid"]), f"{c['Id']} is said to run as {state['Pid']}"
            running.append(c["Id"])
        else:
            assert state["Pid"] == 0, state
            assert not cgroups_of(c["Id"]), f"cgroup of {c['Id']}, which does not run: {cgroups_of(c['Id'])}"
    known = {c["Id"] for c in box.api.get("/containers/json", all=1)}
    assert len(shims(daemon)) == len(running), f"{len(shims(daemon))} monitors for {len(running)} running containers"
    assert len(bridge_ports(daemon)) <= len(running), bridge_ports(daemon)
    folder = daemon.data + "/containers"
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        assert name in known, f"{folder}/{name} belongs to no container"
    merged = [m for m in mounts_under(daemon.data) if m.endswith("/merged")]
    assert all(m.split("/")[-2] in known for m in merged), merged
    assert not os.path.isdir(daemon.data + "/tmp") or os.listdir(daemon.data + "/tmp") == []
