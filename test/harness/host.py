"""Namespaces for the daemon under test, and a picture of the host to prove that nothing was left behind.

The test process itself moves into a fresh network, mount and UTS namespace, so that everything it starts is
inside, and a published port is reached with an ordinary connect().
"""
import ctypes
import glob
import os
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000
PR_SET_CHILD_SUBREAPER = 36
RESOLV_CONF = "nameserver 192.0.2.53\nsearch e2e.test\n"


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def sh(command, **kw):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, **kw).stdout


def enter_private_namespaces(scratch):
    """Moves this process to fresh network, mount and UTS namespaces; orphans of its children come back to it."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS), "unshare")
    sh("mount --make-rprivate / && mount -t tmpfs -o mode=755 run /run && mkdir -p /run/lock")
    resolv = os.path.join(scratch, "resolv.conf")
    with open(resolv, "w") as f:
        f.write(RESOLV_CONF)
    sh(f"mount --bind {resolv} $(readlink -f /etc/resolv.conf)")
    sh("hostname e2e-host && ip link set lo up && ip addr add 192.0.2.53/32 dev lo && sysctl -qw net.ipv4.ip_forward=0")


def hide_unified_cgroup():
    subprocess.run(["umount", "/sys/fs/cgroup/unified"], capture_output=True)


def processes():
    """pid -> (parent pid, state) of everything alive."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                found[int(entry)] = (int(fields[1]), fields[0])
            except OSError:
                pass
    return found


def descendants(root, table=None):
    table = table or processes()
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def end_processes(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def end_descendants():
    """Ends whatever this process started and did not end itself."""
    for _ in range(20):
        mine = [p for p in descendants(os.getpid()) if alive(p)]
        if not mine:
            return
        end_processes(mine)
        time.sleep(0.05)


def picture():
    """What a test run must leave as it was: links, packet filter, mounts, cgroups, some sysctls."""
    def lines(command):
        return set(subprocess.run(command, shell=True, capture_output=True, text=True).stdout.splitlines())
    cgroups = set()
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        if top.endswith("/shoal-machines"):  # of several runs at one time: each cluster looks for its own when it is closed
            folders.clear()
        cgroups.update(os.path.join(top, f) for f in folders if f != "shoal-machines")
    return {
        "links": {line.split(":")[1].strip() for line in lines("ip -o link")},
        "nftables": lines("nft list ruleset"),
        "mounts": lines("findmnt -rno TARGET"),
        "cgroups": cgroups,
        "sysctls": lines("sysctl -a -r '^net.(ipv4.ip_forward|ipv4.conf.all|bridge)|^kernel.(core|threads|pid)' 2>/dev/null"),
        "netns": lines("ls /run/netns 2>/dev/null"),
    }


def remove_parent_cgroups(before):
    """The group above all containers stays, as Docker's does. What is empty goes; a container's own group keeps it, and is found."""
    for top in glob.glob("/sys/fs/cgroup/*/shoal") + glob.glob("/sys/fs/cgroup/shoal"):
        if top not in before["cgroups"]:
            try:
                os.rmdir(top)
            except OSError:
                pass


def difference(before, after):
    found = []
    for what in before:
        found += [f"{what}: left behind: {x}" for x in sorted(after[what] - before[what])]
        found += [f"{what}: gone: {x}" for x in sorted(before[what] - after[what])]
    return found


def until(check, seconds=10, every=0.02, what="the condition"):
    """Polls for what no event tells about. Returns the first true value."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {seconds} s (last value {value!r})")
        time.sleep(every)
