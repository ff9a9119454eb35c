"""Command lines under test: docker 28.2.2, Debian's docker 20.10, shoal, docker-compose, skopeo."""
import collections
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time

from . import daemon

Result = collections.namedtuple("Result", "code out err")


def _docker28():
    path = "/usr/local/bin/docker"
    return path if os.path.exists(path) else None


PROGRAMS = {
    "docker28": _docker28(),
    "docker20": "/usr/bin/docker",
    "shoal": os.path.join(daemon.BIN, "shoal") if daemon.IS_SHOAL else None,
}


class Cli:
    def __init__(self, program, socket, home):
        self.program, self.socket, self.home = program, socket, home
        self.env = dict(os.environ, DOCKER_HOST="unix://" + socket, HOME=home, DOCKER_CONFIG=home + "/.docker",
                        LC_ALL="C.UTF-8", TERM="xterm", DOCKER_CLI_HINTS="false", NO_COLOR="1")
        self.env.pop("SHOAL_HOST", None)
        os.makedirs(home + "/.docker", exist_ok=True)

    def __call__(self, *args, input=None, ok=True, timeout=60, env=None, cwd=None):
        """Runs to the end. ok=True asserts exit code 0, ok=False any other, ok=None nothing; a number that code."""
        p = subprocess.run([self.program, *args], input=input, capture_output=True, timeout=timeout, cwd=cwd,
                           env={**self.env, **(env or {})}, text=not isinstance(input, bytes))
        r = Result(p.returncode, p.stdout, p.stderr)
        if ok is not None:
            good = p.returncode == 0 if ok is True else p.returncode != 0 if ok is False else p.returncode == ok
            assert good, f"{os.path.basename(self.program)} {' '.join(args)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return r

    def out(self, *args, **kw):
        return self(*args, **kw).out.strip()

    def start(self, *args, **kw):
        return subprocess.Popen([self.program, *args], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **kw)

    def tty(self, *args, rows=24, columns=80):
        return Terminal([self.program, *args], self.env, rows, columns)


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, command, env, rows, columns):
        self.data = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data):
        os.write(self.fd, data.encode() if isinstance(data, str) else data)

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return None
        try:
            return os.read(self.fd, 65536)
        except OSError:
            return b""

    def expect(self, text, seconds=15):
        """Reads until the text appears; returns what came before it and drops it."""
        text, end = text.encode(), time.monotonic() + seconds
        while text not in self.data:
            more = self._read(max(0.01, end - time.monotonic()))
            assert more, f"{text!r} did not appear on the terminal: {self.data!r}"
            self.data += more
        before, _, self.data = self.data.partition(text)
        return before.decode(errors="replace")

    def finish(self, seconds=15):
        """Reads to the end; returns the exit code."""
        end = time.monotonic() + seconds
        while True:
            more = self._read(max(0.01, end - time.monotonic()))
            if more is None:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                os.close(self.fd)
                raise AssertionError(f"the program on the terminal did not end: {self.data!r}")
            if not more:
                break
            self.data += more
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def find(name):
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
