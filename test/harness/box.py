"""Containers in few words, through the raw API: `box.run("echo", "hi").out`."""
import collections
import time

from .api import demux

Run = collections.namedtuple("Run", "code out err id")


class Box:
    def __init__(self, api):
        self.api = api

    def create(self, *cmd, image="busybox", name=None, host=None, net=None, **config):
        body = {"Image": image, **({"Cmd": list(cmd)} if cmd else {}), **config}
        if host is not None:
            body["HostConfig"] = host
        if net is not None:
            body["NetworkingConfig"] = {"EndpointsConfig": net}
        return self.api.post("/containers/create", body, name=name)["Id"]

    def start(self, id):
        self.api.post(f"/containers/{id}/start")
        return id

    def up(self, *cmd, **kw):
        """A started container; without a command it sleeps."""
        return self.start(self.create(*(cmd or ("sleep", "100000")), **kw))

    def run(self, *cmd, **kw):
        """Runs to the end, the image's own command when none is given; the container stays until the test is over."""
        id = self.start(self.create(*cmd, **kw))
        code = self.wait(id)
        out, err = self.logs(id, tty=kw.get("Tty", False))
        return Run(code, out, err, id)

    def sh(self, script, **kw):
        return self.run("sh", "-c", script, **kw)

    def wait(self, id, condition=None, timeout=60):
        return self.api.post(f"/containers/{id}/wait", condition=condition, timeout=timeout)["StatusCode"]

    def logs(self, id, tty=False, stdout=1, stderr=1, **query):
        data = self.api.raw("GET", f"/containers/{id}/logs", stdout=stdout, stderr=stderr, **query)
        assert data.status == 200, data
        return (data.body.decode(errors="replace"), "") if tty else demux(data.body)

    def follow(self, id, **query):
        return self.api.stream("GET", f"/containers/{id}/logs", stdout=1, stderr=1, follow=1, **query)

    def wait_for_output(self, id, text):
        """Follows the log until the text was written."""
        with self.follow(id) as s:
            s.read_until(text.encode())
        return id

    def exec_id(self, id, *cmd, **config):
        body = {"Cmd": list(cmd), "AttachStdout": True, "AttachStderr": True, **config}
        return self.api.post(f"/containers/{id}/exec", body)["Id"]

    def exec(self, id, *cmd, **config):
        e = self.exec_id(id, *cmd, **config)
        r = self.api.raw("POST", f"/exec/{e}/start", {"Detach": False, "Tty": config.get("Tty", False)})
        assert r.status == 200, r
        out, err = (r.body.decode(), "") if config.get("Tty") else demux(r.body)
        return Run(self.api.get(f"/exec/{e}/json")["ExitCode"], out, err, e)

    def exec_sh(self, id, script, **config):
        return self.exec(id, "sh", "-c", script, **config)

    def inspect(self, id):
        return self.api.get(f"/containers/{id}/json")

    def state(self, id):
        return self.inspect(id)["State"]

    def until(self, id, check, seconds=10):
        """Waits until check(inspect) is true, and returns the inspect."""
        end = time.monotonic() + seconds
        while True:
            seen = self.inspect(id)
            if check(seen):
                return seen
            assert time.monotonic() < end, f"the state did not come in {seconds} s: {seen['State']}"
            time.sleep(0.02)

    def rm(self, id, **query):
        self.api.delete(f"/containers/{id}", **query)

    def pid(self, id):
        return self.state(id)["Pid"]

    def address(self, id, network="bridge"):
        return self.inspect(id)["NetworkSettings"]["Networks"][network]["IPAddress"]
