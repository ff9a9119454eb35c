"""Places from which the network is looked at, each with the program `wire`: outside the machines, in a machine, in a container."""
import collections
import json
import os
import signal
import subprocess

from . import dns, host, images
from .cli import Result
from .daemon import TOP

CACHE = os.path.join(TOP, "build", "e2e")


def fields(line):
    """{"host": ..., "client": ..., ...} of an answer; {"error": ...} of none."""
    if line.startswith("error: "):
        return {"error": line[7:]}
    head, _, data = line.partition(" data=")
    return {**dict(word.split("=", 1) for word in head.split()), "data": data}


class Place:
    def __init__(self, prefix, program=None):
        self.prefix = list(prefix)
        self.program = program or images.program(CACHE, "wire")

    def run(self, *words, timeout=60, ok=True, input=None):
        """Any program, there."""
        p = subprocess.run([*self.prefix, *words], capture_output=True, text=True, timeout=timeout, input=input)
        assert not ok or p.returncode == 0, f"{' '.join([*self.prefix, *words])}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return Result(p.returncode, p.stdout, p.stderr)

    def start(self, *words):
        return subprocess.Popen([*self.prefix, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wire(self, *words, **kw):
        return self.run(self.program, *[str(w) for w in words], **kw).out

    # --- questions ---

    def asks(self, target, count=1, kind="tcp", patience=3, words="hello", port_here=0):
        """One after the other; what each was answered."""
        out = self.wire("ask", count, kind, target, int(patience * 1000), words, port_here, timeout=60 + count * patience)
        return [fields(line) for line in out.splitlines()]

    def ask(self, target, **kw):
        (answer,) = self.asks(target, 1, **kw)
        return answer

    def spread(self, target, count, **kw):
        """How often which host answered; an error counts under its text."""
        return collections.Counter(a.get("host") or "error: " + a["error"] for a in self.asks(target, count, **kw))

    def resolve(self, name, kind="A"):
        """[(address, time to live)] and the code of the answer: 0, 3 no such name, -1 none came."""
        *found, last = self.wire("resolve", name, *([kind] if kind != "A" else [])).splitlines()
        return [(a, int(ttl)) for a, ttl in (x.split() for x in found)], int(last.split()[1])

    def addresses(self, name, kind="A"):
        return sorted(a for a, _ in self.resolve(name, kind)[0])

    # --- load ---

    def load(self, *targets, rate=500, seconds=120, timeout=30, path="/"):
        """Runs until `finish` of what is returned, or for so many seconds. What is slow on a busy computer is not lost."""
        return Load(self.start(self.program, "load", str(rate), str(seconds), str(int(timeout * 1000)), ",".join(targets), path))

    def hold(self, target, kind="tcp", port_here=0):
        """One connection that stays."""
        return Held(self.start(self.program, "hold", kind, target, str(port_here)))


class Load:
    """An open loop that runs. `counted` is what it said at its end."""

    def __init__(self, process):
        self.process, self.counted = process, None

    def finish(self, timeout=60):
        if self.counted is None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            out, err = self.process.communicate(timeout=timeout)
            assert out, f"the load ended with {self.process.returncode}: {err}"
            self.counted = json.loads(out)
        return self.counted

    def wait(self, timeout=180):
        """For its own end."""
        out, err = self.process.communicate(timeout=timeout)
        assert out, f"the load ended with {self.process.returncode}: {err}"
        self.counted = json.loads(out)
        return self.counted

    def must_be_whole(self):
        """Not one has failed, and the client itself kept its rate. Returns what was counted."""
        c = self.finish()
        assert c["failed"] == 0 and c["ok"] == c["sent"] > 0, c
        assert c["behind_ms"] < 10000, c
        return c

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Held:
    def __init__(self, process):
        self.process = process
        assert self.process.stdout.readline() == "connected\n", self.process.stderr.read()

    def exchange(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return fields(self.process.stdout.readline().rstrip("\n"))

    def end(self, seconds):
        """How it ended, when it did so within that time by itself; None otherwise."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self.process.stdout.read().strip().rpartition("ended: ")[2]

    def close(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_machine(machine):
    """Its network, as its own processes see it."""
    return Place(["nsenter", "-t", str(machine.first_pid), "-n"])


def in_container(machine, id):
    """Namespaces and root of a container, without the cost of an exec; signals reach what runs there."""
    inner = machine.api.get(f"/containers/{id}/json")["State"]["Pid"]
    return Place(["nsenter", "-t", str(outer_pid(machine, inner)), "-n", "-m", "-r", "-w", "--"], "/bin/wire")


def outer_pid(machine, inner):
    """The process that the machine knows by this number, as this computer counts."""
    for pid in host.descendants(machine.first_pid):
        try:
            with open(f"/proc/{pid}/status") as f:
                numbers = next(line.split()[1:] for line in f if line.startswith("NSpid:"))
        except OSError:
            continue
        if len(numbers) > 1 and numbers[1] == str(inner):
            return pid
    raise AssertionError(f"no process {inner} in {machine.name}")


class Outside(Place):
    """A computer that is none of the machines, on their switch: `address`, and by IPv6 `address6`."""

    def __init__(self, cluster, number=250):
        self.path, self.switch = f"{cluster.home}/outside{number}", f"{cluster.root}/.switch"
        self.port = f"outside{number}"
        self.address = cluster.machines[0].address.rpartition(".")[0] + f".{number}"
        self.address6 = f"fd18::{number:x}"
        open(self.path, "w").close()
        subprocess.run(["unshare", f"--net={self.path}", "ip", "link", "set", "lo", "up"], check=True)
        super().__init__(["nsenter", f"--net={self.path}"])
        self.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", self.port)
        self._plug()
        for words in (["link", "set", "eth0", "up"], ["addr", "add", self.address + "/24", "dev", "eth0"],
                      ["addr", "add", self.address6 + "/64", "dev", "eth0", "nodad"]):
            self.run("ip", *words)

    def _plug(self):
        """A link is moved by who is where it is; the switch is named by a process in it."""
        with subprocess.Popen(["nsenter", f"--net={self.switch}", "sleep", "1000"]) as there:
            try:
                self._wait_for(there)
                self.run("ip", "link", "set", self.port, "netns", str(there.pid))
                subprocess.run(["nsenter", f"--net={self.switch}", "ip", "link", "set", self.port, "master", "switch", "up"], check=True)
            finally:
                there.kill()

    def _wait_for(self, process):
        wanted = os.stat(self.switch).st_ino
        host.until(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino == wanted, what="a process on the switch")

    def route_by(self, subnet, machine):
        self.run("ip", "route", "replace", subnet, "via", machine.address)

    def name_server(self):
        """Answers here; returns what tells the names that it was asked for since."""
        return NameServer(self)

    def close(self):
        subprocess.run(["nsenter", f"--net={self.switch}", "ip", "link", "del", self.port], capture_output=True)
        subprocess.run(["umount", self.path], capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class NameServer:
    def __init__(self, place):
        self.path = place.path + ".names"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen([*place.prefix, "/usr/bin/python3", dns.__file__, place.address], stdout=out)
        host.until(lambda: place.run("ss", "-Hlun", "sport = :53").out, what="the name server")

    def asked(self):
        with open(self.path) as f:
            return f.read().split()

    def close(self):
        self.process.kill()
        self.process.wait()


def give_six(machines):
    """IPv6 addresses on the machines' switch: fd18::1, fd18::2, ... by machine; they go with its power."""
    found = {}
    for i, m in enumerate(machines, 1):
        m.ssh(f"ip -6 addr replace fd18::{i}/64 dev eth0 nodad")
        found[m] = f"fd18::{i}"
    return found
