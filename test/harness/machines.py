"""Clusters of machines, by the real `shoal machine`: full nodes with kernels' namespaces, disks, power and cables of their own."""
import concurrent.futures
import glob
import json
import os
import shlex
import subprocess

from . import cli, host
from .api import Api
from .daemon import BIN, IS_SHOAL

SHOAL = os.path.join(BIN, "shoal")
DOCKERD = "/usr/sbin/dockerd"
DOCKER = cli.PROGRAMS["docker28"] or "/usr/bin/docker"


def in_parallel(job, items):
    """job(item) for all at once; the results in order, the first error of any."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(max(1, len(items))) as pool:
        return list(pool.map(job, items))


class Machine:
    """One node. `docker` and `shoal` are command lines that talk to its daemon; `ssh` runs a line of a shell inside."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.folder = f"{cluster.root}/{name}"
        self.socket, self.log = self.folder + "/api.sock", self.folder + "/log"
        self.api = Api(self.socket)
        self.docker = cli.Cli(DOCKER, self.socket, cluster.home)
        self.shoal = cli.Cli(SHOAL, self.socket, cluster.home)

    @property
    def cli(self):
        return self.shoal

    def py(self, timeout=60):
        import docker
        return docker.DockerClient(base_url="unix://" + self.socket, timeout=timeout)

    @property
    def state(self):
        with open(self.folder + "/machine.json") as f:
            return json.load(f)

    @property
    def address(self):
        return self.state["address"]

    @property
    def first_pid(self):
        """Process 1 of the machine, as this computer counts."""
        return self.state["first"]["pid"]

    def status(self):
        """Running, Stopped or DaemonEnded."""
        return dict(line.split() for line in self.cluster("ls", "--format", "{{.Name}} {{.State}}").out.splitlines())[self.name]

    def ssh(self, line, ok=True, timeout=60, input=None):
        return self.cluster("ssh", self.name, line, ok=ok, timeout=timeout, input=input)

    def run(self, *words, **kw):
        """A program inside with exactly these words."""
        return self.ssh(shlex.join(words), **kw)

    def kill(self):
        self.cluster("kill", self.name)

    def start(self, timeout=90):
        self.cluster("start", self.name, timeout=timeout)
        return self

    def stop(self, timeout=120):
        self.cluster("stop", self.name, timeout=timeout)

    def kill_daemon(self):
        """kill -9 of the daemon alone: its machine goes on."""
        self.ssh("kill -9 $(cat /run/shoal.pid)")
        self.until(lambda: self.status() == "DaemonEnded", what="the daemon's end")

    def pids(self, name):
        """Processes of that name in the machine, as this computer counts."""
        found = []
        for pid in [self.first_pid, *host.descendants(self.first_pid)]:
            try:
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().strip() == name[:15]:
                        found.append(pid)
            except OSError:
                pass
        return found

    def log_tail(self, size=3000):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()[-size:]
        except OSError:
            return ""

    def until(self, check, seconds=30, what="the condition"):
        """Polls; an API that does not answer yet, or refuses, counts as not yet."""
        from .api import ApiError
        said = []

        def attempt():
            try:
                return check()
            except (OSError, ApiError, AssertionError, KeyError, IndexError, subprocess.TimeoutExpired) as e:
                said[:] = [f"{type(e).__name__}: {e}"]
                return None
        try:
            return host.until(attempt, seconds, 0.05, f"{what} on {self.name}")
        except AssertionError as e:
            raise AssertionError(f"{e}; at the end: {said[0] if said else 'false'}") from None

    def load(self, archive):
        """An image archive, as bytes."""
        answer = self.api.raw("POST", "/images/load", archive, headers={"Content-Type": "application/x-tar"}, timeout=120, quiet=1)
        assert answer.status == 200 and b'"error"' not in answer.body, answer


class Cluster:
    """Machines on one switch, under a directory of their own. Called, it is `shoal machine`. Ended by `close`."""
    open = []  # all that nobody has closed yet: a run that is broken off closes them

    def __init__(self, root, daemon=None, busybox=None):
        self.root, self.home = root, root + ".home"
        self.busybox = busybox  # path of a root file system's tar
        self.env = dict(os.environ, SHOAL_MACHINE_ROOT=root, LC_ALL="C.UTF-8", TERM="xterm", NO_COLOR="1")
        self.env.pop("SHOAL_DAEMON", None)
        daemon = daemon or (None if IS_SHOAL else DOCKERD)  # E2E_DAEMON=dockerd: the tests are held against Docker itself
        if daemon:
            self.env["SHOAL_DAEMON"] = daemon
        self.machines, self._archive = [], None
        Cluster.open.append(self)
        os.makedirs(self.home, exist_ok=True)

    def __call__(self, *args, ok=True, timeout=120, input=None, env=None):
        p = subprocess.run([SHOAL, "machine", *args], env={**self.env, **(env or {})}, capture_output=True, timeout=timeout,
                           input=input, text=not isinstance(input, bytes), stdin=subprocess.DEVNULL if input is None else None)
        r = cli.Result(p.returncode, p.stdout, p.stderr)
        if ok is not None:
            good = p.returncode == 0 if ok is True else p.returncode != 0 if ok is False else p.returncode == ok
            assert good, f"shoal machine {' '.join(args)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return r

    def __iter__(self):
        return iter(self.machines)

    def __getitem__(self, which):
        return self.machines[which] if isinstance(which, (int, slice)) else next(m for m in self.machines if m.name == which)

    def create(self, *names, config=None, disk=None, daemon=None, images=True, subnet=None):
        """New machines, running, with busybox; returns them."""
        args = []
        if config is not None:
            path = f"{self.home}/{names[0]}.json"
            with open(path, "w") as f:
                json.dump(config, f)
            args += ["--config", path]
        args += ["--disk", disk] if disk else []
        args += ["--subnet", subnet] if subnet else []
        self("create", *args, *names, env={"SHOAL_DAEMON": daemon} if daemon else None)
        made = [Machine(self, name) for name in names]
        self.machines += made
        if images and self.busybox:
            self.load_busybox(made)
        return made

    def load_busybox(self, machines):
        """The same image, with the same id, everywhere."""
        machines = list(machines)
        if self._archive is None:
            first = machines[0]
            with open(self.busybox, "rb") as f:
                first.api.post("/images/create", f.read(), headers={"Content-Type": "application/x-tar"}, fromSrc="-", repo="busybox",
                               tag="latest", changes='CMD ["sh"]')
            self._archive = first.api.raw("GET", "/images/busybox:latest/get", timeout=120).body
            machines = machines[1:]
        in_parallel(lambda m: m.load(self._archive), machines)

    def kill(self, *machines):
        """The power cut of all of them at one moment."""
        self("kill", *[m.name for m in machines])

    def start(self, *machines):
        in_parallel(lambda m: m.start(), machines)

    def cut(self, a, b, one_way=False):
        self("cut", *(["--one-way"] if one_way else []), a.name, b.name)

    def isolate(self, machine):
        """Cuts it off from every other."""
        for other in self.machines:
            if other is not machine:
                self.cut(machine, other)

    def heal(self, *pair):
        self("heal", *[m.name for m in pair])

    def remove(self, *machines):
        self("rm", "-f", *[m.name for m in machines])
        self.machines = [m for m in self.machines if m not in machines]

    def log_tails(self, size=1500):
        return "\n".join(f"--- {m.name}\n{m.log_tail(size)}" for m in self.machines)

    def close(self):
        """Removes all, and says what was left behind."""
        if self in Cluster.open:
            Cluster.open.remove(self)
        names = self("ls", "-q", ok=None).out.split() if os.path.isdir(self.root) else []
        groups = []
        for name in names:
            with open(f"{self.root}/{name}/machine.json") as f:
                id = json.load(f)["id"]
            groups += glob.glob(f"/sys/fs/cgroup/*/shoal-machines/{id}") + glob.glob(f"/sys/fs/cgroup/shoal-machines/{id}")
        if names:
            self("rm", "-f", *names)
        self.machines = []
        left = [g for g in groups if os.path.exists(g)] + mounts_below(self.root)
        left += [f"{self.root}/{name}" for name in (os.listdir(self.root) if os.path.isdir(self.root) else []) if name != ".lock"]
        assert not left, "left behind by machines: " + " ".join(left)


def mounts_below(path):
    """Mount points of this process's own namespace."""
    with open("/proc/self/mountinfo") as f:
        return [line.split()[4] for line in f if line.split()[4].startswith(path + "/")]
