"""kill -9 of the daemon at any moment: containers go on, logs have no gap, and the next start agrees with the kernel."""
import os
import random
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import check_agreement  # noqa: E402

from harness import host  # noqa: E402
from harness.box import Box  # noqa: E402
from harness.images import tar_of  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")
COUNT = "i=0; while :; do echo $i; i=$((i+1)); usleep 2000; done"


class Load(threading.Thread):
    """Creates, starts, runs commands in and removes things, whether the daemon is there or not."""

    def __init__(self, daemon, seed):
        super().__init__(daemon=True)
        self.box, self.random, self.ended, self.strange = Box(daemon.api), random.Random(seed), False, []

    def run(self):
        actions = [self.run_one, self.run_removed, self.network, self.volume, self.image, self.exec, self.remove_some]
        while not self.ended:
            try:
                self.random.choice(actions)()
            except Exception as e:  # refused, reset, half an answer: all to be expected while the daemon is killed
                status = getattr(e, "status", None)
                if status and status >= 500:
                    self.strange.append(str(e))
                time.sleep(0.005)

    def run_one(self):
        self.box.start(self.box.create("sh", "-c", "exit 3", Labels={"load": "1"}))

    def run_removed(self):
        self.box.start(self.box.create("true", host={"AutoRemove": True}, Labels={"load": "1"}))

    def network(self):
        name = f"n{self.random.randrange(10 ** 9)}"
        self.box.api.post("/networks/create", {"Name": name})
        self.box.start(self.box.create("true", host={"NetworkMode": name, "AutoRemove": True}, Labels={"load": "1"}))
        self.box.api.delete(f"/networks/{name}")

    def volume(self):
        name = f"v{self.random.randrange(10 ** 9)}"
        self.box.api.post("/volumes/create", {"Name": name})
        self.box.api.delete(f"/volumes/{name}")

    def image(self):
        data = tar_of({"f": os.urandom(1000)})
        digest = self.box.api.raw("POST", "/images/create", data, fromSrc="-").json_stream()[-1]["status"]
        self.box.api.delete(f"/images/{digest}")

    def exec(self):
        self.box.exec("writer0", "true")

    def remove_some(self):
        for c in self.box.api.get("/containers/json", all=1, filters={"label": ["load"]})[:5]:
            self.box.api.delete(f"/containers/{c['Id']}", force=1)


def kill_rounds(daemon, rounds, seed):
    box, chance = Box(daemon.api), random.Random(seed)
    writers = [box.up("sh", "-c", COUNT, name=f"writer{i}", host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "50m"}}}) for i in range(3)]
    pids = [box.pid(w) for w in writers]
    load = [Load(daemon, seed + n) for n in range(2)]
    for t in load:
        t.start()
    for n in range(rounds):
        time.sleep(chance.random() * 0.25)
        daemon.kill()
        daemon.start()
        for w, pid in zip(writers, pids):
            state = box.state(w)
            assert state["Running"] and state["Pid"] == pid, f"round {n}: {state}"
    for t in load:
        t.ended = True
    for t in load:
        t.join(60)
    host.until(lambda: all(c["State"] in ("exited", "created") or c["Names"][0].startswith("/writer") for c in box.api.get("/containers/json", all=1)), 30,
               what="the load's containers to end")
    for c in box.api.get("/containers/json", all=1, filters={"label": ["load"]}):
        box.rm(c["Id"], force=1)
    for n in box.api.get("/networks"):
        if n["Name"] not in ("bridge", "host", "none"):
            box.api.delete(f"/networks/{n['Id']}")
    check_agreement(daemon, box)
    for w in writers:
        box.api.post(f"/containers/{w}/kill")
        box.wait(w)
        lines = [int(x) for x in box.logs(w)[0].split()]
        assert lines == list(range(len(lines))) and len(lines) > 50, "a gap or repetition in the log"
    check_agreement(daemon, box)


def test_twenty_kills_under_load(fresh):
    kill_rounds(fresh(), 20, seed=1)


@pytest.mark.long
def test_two_hundred_kills_under_load(fresh):
    kill_rounds(fresh(), 200, seed=2)


def test_an_end_while_the_daemon_was_away_is_noticed(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up("sh", "-c", "while [ ! -e /stop ]; do usleep 10000; done; echo last words; exit 7")
    removed = box.up("sleep", "0.3", host={"AutoRemove": True}, name="removed")
    root = f"/proc/{box.pid(id)}/root"
    d.kill()
    open(root + "/stop", "w").close()
    time.sleep(0.6)
    d.start()
    c = box.until(id, lambda c: not c["State"]["Running"])
    assert c["State"]["ExitCode"] == 7 and c["State"]["Status"] == "exited" and box.logs(id)[0] == "last words\n"
    assert c["State"]["FinishedAt"] > c["State"]["StartedAt"]
    host.until(lambda: d.api.raw("GET", f"/containers/{removed}/json").status == 404, what="auto-remove")
    check_agreement(d, box)


def test_a_restart_policy_holds_over_a_kill(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up("sleep", "0.2", host={"RestartPolicy": {"Name": "always"}})
    d.kill()
    time.sleep(0.5)
    d.start()
    box.until(id, lambda c: c["RestartCount"] >= 1 or c["State"]["Running"])
    box.until(id, lambda c: c["RestartCount"] >= 2)


def test_health_checks_exec_logs_and_attach_go_on_after_a_kill(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up("sh", "-c", "echo before; while read x; do echo got $x; done", OpenStdin=True,
                Healthcheck={"Test": ["CMD", "test", "-e", "/ok"], "Interval": 10 ** 8, "Retries": 1})
    d.kill()
    d.start()
    assert box.exec(id, "touch", "/ok").code == 0
    box.until(id, lambda c: c["State"]["Health"]["Status"] == "healthy")
    with d.api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as h:
        h.write(b"word\n")
        h.read_until(b"got word")
    assert box.logs(id)[0] == "before\ngot word\n"
    d.api.post(f"/containers/{id}/stop", t=0)
    assert box.state(id)["ExitCode"] == 137


def test_ports_names_and_addresses_survive_a_kill(fresh):
    d = fresh()
    box = Box(d.api)
    d.api.post("/networks/create", {"Name": "kept"})
    web = box.up("httpd", "-f", "-h", "/www", name="web", host={"NetworkMode": "kept", "PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    address = box.address(web, "kept")
    d.kill()
    d.start()
    assert box.address(web, "kept") == address
    host.until(lambda: d.curl("http://127.0.0.1:18080/index.html")[0] == 200, what="the page")
    r = box.sh("printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 3 web 80", host={"NetworkMode": "kept"})
    assert "hello" in r.out
    other = box.up(host={"NetworkMode": "kept"})
    assert box.address(other, "kept") != address
    r = d.api.raw("POST", f"/containers/{box.create(host={'PortBindings': {'80/tcp': [{'HostPort': '18080'}]}}, ExposedPorts={'80/tcp': {}})}/start")
    assert r.status == 500 and "18080" in r.message


@pytest.mark.parametrize("step", ["create", "start", "rm", "import", "network"])
def test_a_kill_in_the_middle_of_one_operation_leaves_all_or_nothing(fresh, step):
    """The request is sent, the daemon dies at some moment within it; afterwards there is no trace or a whole thing."""
    d = fresh()
    box, chance = Box(d.api), random.Random(step)
    big = tar_of({f"f{i}": os.urandom(100000) for i in range(30)})
    for _ in range(6):
        target = box.create("sleep", "1000") if step in ("start", "rm") else None
        jobs = {"create": lambda: box.create("true"), "start": lambda: box.start(target), "rm": lambda: box.rm(target, force=1),
                "import": lambda: d.api.raw("POST", "/images/create", big, fromSrc="-", repo="half", tag="1"),
                "network": lambda: d.api.post("/networks/create", {"Name": "half"})}

        def attempt():
            try:
                jobs[step]()
            except Exception:
                pass
        t = threading.Thread(target=attempt)
        t.start()
        time.sleep(chance.random() * 0.06)
        d.kill()
        t.join(60)
        d.start()
        check_agreement(d, box)
        for c in d.api.get("/containers/json", all=1):
            assert box.inspect(c["Id"])["State"]["Status"] in ("created", "running", "exited")
            box.rm(c["Id"], force=1)
        if d.api.raw("GET", "/images/half:1/json").status == 200:
            assert d.api.raw("GET", "/images/half:1/get").status == 200
            d.api.delete("/images/half:1")
        for n in d.api.get("/networks"):
            if n["Name"] == "half":
                d.api.delete("/networks/half")
    check_agreement(d, box)
