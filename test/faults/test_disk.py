"""A disk that is full, or has become read-only, under the data root."""
import os
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import check_agreement  # noqa: E402

from harness.box import Box  # noqa: E402
from harness.images import tar_of  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")


@pytest.fixture
def small(scratch, fresh):
    """A daemon whose data root is a file system of 60 MB; remount(options) changes it."""
    folder = tempfile.mkdtemp(prefix="d", dir=scratch)
    disk = folder + ".ext4"
    subprocess.run(f"truncate -s 60M {disk} && mkfs.ext4 -q -m 0 {disk} && mkdir -p {folder}/data && mount -o loop {disk} {folder}/data", shell=True, check=True)
    d = fresh(folder=folder)
    d.remount = lambda options: subprocess.run(["mount", "-o", "remount," + options, folder + "/data"], check=True)
    yield d
    from conftest import clean
    clean(d.api)
    d.stop()
    subprocess.run(["umount", "-l", folder + "/data"])
    os.unlink(disk)


def fill(daemon, leave=0):
    """Takes all the space but `leave` bytes."""
    path = daemon.data + "/filler"
    with open(path, "wb") as f:
        try:
            while True:
                f.write(b"\0" * (1 << 20))
                f.flush()
        except OSError:
            pass
    size = os.path.getsize(path)
    os.truncate(path, max(0, size - leave))
    return path


def test_an_image_that_does_not_fit_is_an_error_and_leaves_nothing(small):
    before = subprocess.run(["du", "-sk", small.data], capture_output=True, text=True).stdout.split()[0]
    r = small.api.raw("POST", "/images/create", tar_of({"big": os.urandom(1 << 20) * 80}), fromSrc="-", repo="big", tag="1")
    assert "no space left" in r.body.decode().lower() and (r.status >= 400 or "error" in r.json_stream()[-1]), r
    assert small.api.raw("GET", "/images/big:1/json").status == 404
    after = subprocess.run(["du", "-sk", small.data], capture_output=True, text=True).stdout.split()[0]
    assert int(after) < int(before) + 2000
    assert Box(small.api).run("echo", "fine").out == "fine\n"


def test_a_container_that_fills_the_disk_hurts_only_itself(small):
    box = Box(small.api)
    neighbour = box.up("sh", "-c", "while :; do sleep 0.05; done")
    r = box.sh("cat /dev/zero > /fill; echo code $?")
    assert "no space left" in r.err.lower() or box.state(r.id)["Status"] == "exited"
    assert box.state(neighbour)["Running"] and small.api.get("/_ping") == b"OK"
    box.rm(r.id)
    assert box.run("echo", "fine").out == "fine\n"


def test_logs_on_a_full_disk_lose_lines_but_stop_nobody(small):
    box = Box(small.api)
    id = box.up("sh", "-c", "echo first; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo done > /dev/shm/flag; sleep 1000",
                host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "50m"}}})
    box.until(id, lambda _: box.exec(id, "cat", "/dev/shm/flag").out == "done\n")
    path = fill(small)
    other = box.api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})
    assert other.status >= 500 and "space" in other.message.lower() or other.status == 201, other
    assert box.state(id)["Running"] and small.api.get("/_ping") == b"OK"
    os.unlink(path)
    assert box.run("echo", "fine").out == "fine\n"
    assert box.logs(id)[0].startswith("first\n")


def test_a_full_disk_survives_a_restart_of_the_daemon(small):
    box = Box(small.api)
    id = box.up()
    path = fill(small)
    small.kill()
    try:
        small.start()
    except AssertionError as e:
        assert "space" in str(e).lower()  # refusing to start with the reason is a clear answer
        os.unlink(path)
        small.start()
    if os.path.exists(path):
        os.unlink(path)
    assert box.state(id)["Running"]
    check_agreement(small, box)


def test_a_read_only_disk_is_a_clear_error_and_comes_back(small):
    box = Box(small.api)
    kept = box.create("true", name="kept")
    subprocess.run(f"mount -o remount,ro {small.data} || (echo u > /dev/null; true)", shell=True)
    with open("/proc/self/mounts") as f:
        read_only = any(line.split()[1] == small.data and "ro" in line.split()[3].split(",") for line in f)
    if not read_only:  # files open for writing keep it writable: freeze is no substitute, so take the other way round
        pytest.skip("the kernel does not let a file system in use become read-only")
    r = small.api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})
    assert r.status >= 500 and "read-only" in r.message.lower(), r
    assert box.inspect(kept)["Name"] == "/kept"
    small.remount("rw")
    assert box.run("echo", "fine").out == "fine\n"


def test_starting_on_a_read_only_root_is_refused_with_the_reason(scratch, fresh):
    folder = tempfile.mkdtemp(prefix="ro", dir=scratch)
    os.makedirs(folder + "/data")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder + "/data"], check=True)
    try:
        text = fresh({"bridge": "none"}, start=False, folder=folder).fails_to_start()
        assert "read-only" in text.lower() and folder in text
    finally:
        subprocess.run(["umount", folder + "/data"])
