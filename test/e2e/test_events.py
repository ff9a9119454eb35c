"""GET /events: what is told, when, with which attributes; filters, replay."""
import http.client
import threading
import time

import pytest


class Listener:
    """Collects events in a thread until the stream is closed."""

    def __init__(self, api, **query):
        self.stream = api.stream("GET", "/events", **query)
        assert self.stream.status == 200
        self.events, self.changed = [], threading.Condition()
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        try:
            for e in self.stream.objects():
                with self.changed:
                    self.events.append(e)
                    self.changed.notify_all()
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def wait_for(self, check, seconds=10):
        with self.changed:
            assert self.changed.wait_for(lambda: any(check(e) for e in self.events), seconds), self.words()
        return next(e for e in self.events if check(e))

    def wait_for_action(self, action, **kw):
        return self.wait_for(lambda e: e["Action"].split(":")[0] == action, **kw)

    def words(self):
        return [f"{e['Type']} {e['Action']}" for e in self.events]

    def close(self):
        import socket
        try:
            self.stream.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)


@pytest.fixture
def listen(api):
    opened = []

    def start(**query):
        opened.append(Listener(api, **query))
        return opened[-1]
    yield start
    for x in opened:
        x.close()


def test_a_life_is_told_in_order(api, box, listen):
    seen = listen()
    id = box.create("sh", "-c", "exit 3", name="told", Labels={"k": "v"})
    box.start(id)
    box.wait(id)
    box.rm(id)
    seen.wait_for_action("destroy")
    mine = [e["Action"] for e in seen.events if e["Type"] == "container"]
    assert mine == ["create", "start", "die", "destroy"]
    networks = [e["Action"] for e in seen.events if e["Type"] == "network"]
    assert networks == ["connect", "disconnect"]
    die = seen.wait_for_action("die")
    assert die["Actor"]["ID"] == id == die["id"] and die["status"] == "die" and die["from"] == "busybox"
    a = die["Actor"]["Attributes"]
    assert a["exitCode"] == "3" and a["name"] == "told" and a["image"] == "busybox" and a["k"] == "v"
    assert die["scope"] == "local" and abs(die["time"] - time.time()) < 60
    assert die["timeNano"] // 10 ** 9 == die["time"]


def test_kill_stop_pause_rename_and_exec_are_told(api, box, listen):
    seen = listen(filters={"type": ["container"]})
    id = box.up(name="busy")
    api.post(f"/containers/{id}/pause")
    api.post(f"/containers/{id}/unpause")
    api.post(f"/containers/{id}/rename", name="busier")
    box.exec(id, "true")
    api.post(f"/containers/{id}/restart", t=0)
    api.post(f"/containers/{id}/kill", signal="KILL")
    seen.wait_for(lambda e: e["Action"] == "kill" and e["Actor"]["Attributes"].get("signal") == "9")
    box.wait(id)
    words = [e["Action"].split(":")[0] for e in seen.events]
    for action in ("create", "start", "pause", "unpause", "rename", "exec_create", "exec_start", "exec_die", "restart", "die"):
        assert action in words or action == "exec_die" and seen.wait_for_action("exec_die"), (action, words)
    assert seen.wait_for_action("rename")["Actor"]["Attributes"]["oldName"] == "/busy"
    assert seen.wait_for_action("exec_create")["Action"].strip() == "exec_create: true"


def test_attach_copy_and_update_are_told(api, box, listen):
    seen = listen(filters={"type": ["container"]})
    id = box.create()
    api.post(f"/containers/{id}/update", {"CpuShares": 100})
    api.get(f"/containers/{id}/archive", path="/etc/passwd")
    api.get(f"/containers/{id}/export")
    for action in ("update", "archive-path", "export"):
        seen.wait_for_action(action)


def test_networks_volumes_and_images_are_told(api, listen, box):
    seen = listen()
    api.post("/networks/create", {"Name": "ev-net"})
    api.post("/volumes/create", {"Name": "ev-vol"})
    api.post("/images/busybox/tag", repo="ev-tag", tag="1")
    api.delete("/images/ev-tag:1")
    id = box.create(host={"Binds": ["ev-vol:/v"], "NetworkMode": "ev-net"})
    box.start(id)
    box.rm(id, force=1)
    api.delete("/volumes/ev-vol")
    api.delete("/networks/ev-net")
    seen.wait_for(lambda e: (e["Type"], e["Action"]) == ("network", "destroy"))
    words = seen.words()
    for w in ("network create", "volume create", "image tag", "image untag", "volume mount", "volume unmount", "network connect",
              "network disconnect", "volume destroy", "network destroy"):
        assert w in words, w
    net = seen.wait_for(lambda e: e["Type"] == "network" and e["Action"] == "create")
    assert net["Actor"]["Attributes"] == {"name": "ev-net", "type": "bridge"}


@pytest.mark.parametrize("filters, expected", [
    ({"event": ["die"]}, {"die"}),
    ({"event": ["start", "die"]}, {"start", "die"}),
    ({"container": ["one"]}, {"create", "start", "die"}),
    ({"image": ["busybox"], "event": ["die"]}, {"die"}),
    ({"label": ["k=v"]}, {"create", "start", "die"}),
    ({"label": ["k=other"]}, set()),
    ({"type": ["container"], "event": ["create"]}, {"create"}),
    ({"scope": ["swarm"]}, set()),
])
def test_filters(api, box, filters, expected):
    began = time.time()
    id = box.create("true", name="one", Labels={"k": "v"})
    box.start(id)
    box.wait(id)
    with api.stream("GET", "/events", since=f"{began:.6f}", until=f"{time.time() + 0.3:.6f}", filters=filters) as s:
        words = {e["Action"] for e in s.objects() if e["Type"] == "container"}
    assert words == expected


def test_the_past_is_replayed_and_ends(api, box):
    began = time.time()
    box.run("true")
    end = time.time()
    with api.stream("GET", "/events", since=f"{began:.6f}", until=f"{end + 0.2:.6f}") as s:
        assert [e["Action"] for e in s.objects() if e["Type"] == "container"] == ["create", "start", "die"]


def test_until_in_the_future_ends_the_stream(api):
    began = time.time()
    with api.stream("GET", "/events", until=f"{began + 0.5:.6f}") as s:
        list(s.objects())
    assert 0.3 < time.time() - began < 5


def test_headers_come_at_once(api):
    with api.stream("GET", "/events") as s:
        assert s.status == 200 and s.headers["content-type"] == "application/json"


def test_a_wrong_filter_is_400(api):
    for query in ({"filters": "{"}, {"since": "nonsense"}):
        api.refused("GET", "/events", status=400, **query)


def test_health_is_told(api, box, listen):
    seen = listen(filters={"event": ["health_status"]})
    box.up(Healthcheck={"Test": ["CMD", "true"], "Interval": 10 ** 8})
    assert seen.wait_for_action("health_status")["Action"] == "health_status: healthy"


def test_out_of_memory_is_told(api, box, listen):
    seen = listen(filters={"event": ["oom"]})
    box.run("probe", "fill", "200", host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    seen.wait_for_action("oom")


def test_a_slow_listener_does_not_slow_the_daemon(api, box):
    """Nobody reads this stream; hundreds of events must not block anyone."""
    with api.stream("GET", "/events"):
        id = box.create("true")
        for i in range(300):
            api.post(f"/containers/{id}/rename", name=f"n{i}")
        assert box.inspect(id)["Name"] == "/n299"
