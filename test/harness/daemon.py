"""A daemon under test: shoald, or Debian's dockerd (E2E_DAEMON=dockerd), on roots and a socket of its own."""
import json
import os
import signal
import subprocess

from . import host
from .api import Api
from .process import Server

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KIND = os.environ.get("E2E_DAEMON", "shoald")
IS_SHOAL = KIND == "shoald"
_bin = os.environ.get("SHOAL_BIN_DIR", "build/release/bin")
BIN = _bin if os.path.isabs(_bin) else os.path.join(TOP, _bin)
PROGRAMS = {"shoald": os.path.join(BIN, "shoald"), "dockerd": "/usr/sbin/dockerd"}
PROGRAM = PROGRAMS[KIND]


class Daemon(Server):
    """Started with `start`, ended with `stop` or `kill`; the folder may be started again."""

    def __init__(self, folder, config=None, args=(), env=None, own_net=False, kind=KIND):
        super().__init__(folder)
        self.kind = kind
        self.data, self.exec = folder + "/data", folder + "/exec"
        self.socket, self.pidfile = folder + "/d.sock", folder + "/d.pid"
        self.config_file = folder + "/daemon.json"
        self.args, self.env = list(args), env or {}
        self.own_net, self.netns = own_net, None  # the namespace outlives the daemon: containers stay in touch with it
        os.makedirs(folder, exist_ok=True)
        self.write_config(config or {})
        self.api = Api(self.socket)

    def write_config(self, config):
        """A text is written as it is: that is how broken files are tested."""
        with open(self.config_file, "w") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))

    def command(self):
        return [PROGRAMS[self.kind], "--config-file", self.config_file, "--data-root", self.data, "--exec-root", self.exec,
                "--pidfile", self.pidfile, "-H", "unix://" + self.socket, *self.args]

    def launch(self, command=None, **kw):
        """Starts the program without waiting for it to answer."""
        if self.own_net and self.netns is None:
            self.netns = self._make_netns()
        env = dict(os.environ, PATH=BIN + ":/usr/sbin:/usr/bin:/sbin:/bin", **self.env)
        return self.spawn(self.inside(command or self.command()), env=env, **kw)

    def _make_netns(self):
        path = self.folder + "/netns"
        open(path, "w").close()
        subprocess.run(["unshare", f"--net={path}", "ip", "link", "set", "lo", "up"], check=True)
        return path

    def inside(self, command):
        """A command line that runs in the daemon's network namespace."""
        return ["nsenter", f"--net={self.netns}", *command] if self.netns else list(command)

    def curl(self, *args):
        """Status and body of a request made from where the daemon listens."""
        r = subprocess.run(self.inside(["curl", "-s", "-m", "10", "-w", "\n%{http_code}", *args]), capture_output=True, text=True)
        body, _, status = r.stdout.rpartition("\n")
        return int(status or 0), body

    def start(self, seconds=30, **kw):
        self.launch(**kw)
        self.wait_until_it_answers(seconds)
        return self

    def wait_until_it_answers(self, seconds=30):
        self.wait_until(lambda: self.api.raw("GET", "/_ping", timeout=5).status == 200, seconds)

    def is_good_end(self, code):
        return code == 0 or (self.kind != "shoald" and code > 0)

    def fails_to_start(self, seconds=20, **kw):
        """Starts it, expects it to end by itself with an error, returns what it said."""
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.launch(**kw)
        try:
            code = self.wait_end(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.kind} started although it had to refuse:\n{self.log_tail()}")
        assert code != 0, self.log_tail()
        return self.log_tail()

    @property
    def pid(self):
        return self.process.pid

    def reload(self, config):
        self.write_config(config)
        os.kill(self.pid, signal.SIGHUP)

    def kill(self):
        """kill -9 of the daemon alone; dockerd's own containerd goes too, for it would not be found again."""
        children = host.descendants(self.pid)
        super().kill()
        if self.kind != "shoald":
            host.end_processes([p for p in children if _name(p) in ("containerd", "docker-proxy")])

    def restart(self):
        self.stop()
        return self.start()

    def all_processes(self):
        """The daemon, its monitors and everything in containers: whatever descends from the test process."""
        return [p for p in host.descendants(os.getpid()) if host.alive(p)]


def _name(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""
