"""Storage whose server has gone away: a FUSE file system that nobody answers for. One request fails; nothing else waits."""
import ctypes
import os
import subprocess
import threading
import time

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
pytestmark = pytest.mark.shoal_only("Docker's requests hang with the storage")


@pytest.fixture
def dead(tmp_path):
    """The path of a mount on which every call hangs, until the end of the test."""
    path = str(tmp_path / "dead")
    os.mkdir(path)
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        pytest.skip("no FUSE in this kernel")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    if _libc.mount(b"dead", path.encode(), b"fuse", 0, options) != 0:
        os.close(server)
        pytest.skip("FUSE cannot be mounted: " + os.strerror(ctypes.get_errno()))
    yield path
    os.close(server)  # whoever hangs gets an error now
    subprocess.run(["umount", "-l", path], capture_output=True)


class Pings:
    """Asks the daemon all the time, and keeps the longest wait."""

    def __init__(self, api):
        self.api, self.worst, self.ended = api, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(0.02):
            began = time.monotonic()
            self.api.get("/containers/json", all=1)
            self.worst = max(self.worst, time.monotonic() - began)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(30)


@pytest.mark.parametrize("what", ["binds", "mounts", "below", "through a link", "volume"])
def test_a_start_on_dead_storage_fails_and_blocks_nobody(api, box, dead, tmp_path, what):
    os.symlink(dead + "/x", tmp_path / "link")
    host = {"binds": {"Binds": [f"{dead}:/d"]}, "below": {"Binds": [f"{dead}/sub/deep:/d"]}, "through a link": {"Binds": [f"{tmp_path}/link:/d"]},
            "mounts": {"Mounts": [{"Type": "bind", "Source": dead, "Target": "/d"}]},
            "volume": {"Binds": ["deadvol:/d"]}}[what]
    if what == "volume":
        api.post("/volumes/create", {"Name": "deadvol", "DriverOpts": {"type": "none", "o": "bind", "device": dead}})
    with Pings(api) as pings:
        began = time.monotonic()
        r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host}, timeout=90)
        if r.status == 201:
            r = api.raw("POST", f"/containers/{r.json()['Id']}/start", timeout=90)
        took = time.monotonic() - began
        assert box.run("echo", "alive").out == "alive\n"
    assert r.status >= 400 and "does not answer" in r.message, r
    assert took < 45 and pings.worst < 2, (took, pings.worst)


def test_a_container_on_storage_that_dies_is_killed_and_removed(api, box, dead):
    """The volume's own directory is fine; only what it is bound to has gone."""
    api.post("/volumes/create", {"Name": "deadvol", "DriverOpts": {"type": "none", "o": "bind", "device": dead}})
    with Pings(api) as pings:
        api.get("/volumes")
        api.get("/system/df", timeout=60)
        api.post("/volumes/prune", filters={"all": ["true"]}, timeout=60)
    assert pings.worst < 2
    assert not api.get("/volumes")["Volumes"]
