"""Things that vanish under the daemon: the runtime, a monitor, a cgroup, a process, a mount, a file."""
import os
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import cgroups_of, check_agreement, comm, shims  # noqa: E402

from harness import host  # noqa: E402
from harness.box import Box  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")


def test_a_vanished_runtime_is_named_and_nothing_stays(fresh, scratch):
    path = scratch + "/runtime-copy"
    shutil.copy("/usr/bin/crun", path)
    d = fresh({"runtimes": {"copy": {"path": path}}, "default-runtime": "copy"})
    box = Box(d.api)
    running = box.up()
    os.unlink(path)
    id = box.create("true")
    r = d.api.raw("POST", f"/containers/{id}/start")
    assert r.status in (400, 500) and path in r.message, r
    assert box.state(id)["Status"] == "created" and box.state(running)["Running"]
    box.rm(id)
    box.rm(running, force=1)
    shutil.copy("/usr/bin/crun", path)
    assert box.run("echo", "back").out == "back\n"
    os.unlink(path)


def test_a_runtime_that_prints_nonsense_or_fails_is_reported(fresh, scratch):
    path = scratch + "/bad-runtime"
    with open(path, "w") as f:
        f.write("#!/bin/sh\necho 'something went wrong in the runtime' >&2\nexit 1\n")
    os.chmod(path, 0o755)
    d = fresh({"runtimes": {"bad": {"path": path}}})
    box = Box(d.api)
    id = box.create("true", host={"Runtime": "bad"})
    r = d.api.raw("POST", f"/containers/{id}/start")
    assert r.status >= 400 and "something went wrong in the runtime" in r.message, r
    check_agreement(d, box)


def monitor_of(pid):
    """The monitor is the parent of the container's first process."""
    return host.processes()[pid][0]


@pytest.mark.parametrize("away", [False, True])
def test_a_killed_monitor_is_noticed(fresh, away):
    """Without its monitor nobody owns the output: the container is ended and said to have been."""
    d = fresh()
    box = Box(d.api)
    id = box.up(name="orphan")
    pid = box.pid(id)
    shim = monitor_of(pid)
    assert "shim" in comm(shim)
    if away:
        d.kill()
    os.kill(shim, signal.SIGKILL)
    if away:
        d.start()
    c = box.until(id, lambda c: not c["State"]["Running"], 20)
    assert c["State"]["ExitCode"] != 0 and c["State"]["Pid"] == 0
    host.until(lambda: not host.alive(pid), what="the end of the process")
    host.until(lambda: not cgroups_of(id), what="the end of its cgroups")
    box.start(id)
    assert box.exec(id, "echo", "again").out == "again\n"
    box.rm(id, force=1)
    check_agreement(d, box)


def test_a_monitor_killed_with_a_restart_policy_is_restarted(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up(host={"RestartPolicy": {"Name": "always"}})
    pid = box.pid(id)
    os.kill(monitor_of(pid), signal.SIGKILL)
    box.until(id, lambda c: c["State"]["Running"] and c["State"]["Pid"] not in (0, pid), 20)


def test_a_stopped_monitor_does_not_stop_the_daemon(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up()
    shim = monitor_of(box.pid(id))
    os.kill(shim, signal.SIGSTOP)
    try:
        assert box.run("echo", "others work").out == "others work\n"
        assert d.api.get("/_ping") == b"OK"
        d.kill()
        d.start(seconds=30)
        assert d.api.get("/containers/json")
    finally:
        os.kill(shim, signal.SIGCONT)


def test_a_process_killed_from_outside_is_137(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up()
    os.kill(box.pid(id), signal.SIGKILL)
    assert box.wait(id) == 137


def test_a_cgroup_that_is_already_gone_does_not_keep_rm_from_working(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up()
    pid = box.pid(id)
    d.kill()
    os.kill(pid, signal.SIGKILL)
    host.until(lambda: not host.alive(pid))
    for folder in sorted(cgroups_of(id), key=len, reverse=True):
        host.until(lambda: subprocess.run(["rmdir", folder], capture_output=True).returncode == 0 or not os.path.exists(folder), what="rmdir")
    d.start()
    box.until(id, lambda c: not c["State"]["Running"])
    box.rm(id)
    check_agreement(d, box)


def test_a_root_unmounted_by_someone_else(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.up()
    merged = f"{d.data}/containers/{id}/merged"
    if os.path.ismount(merged):
        subprocess.run(["umount", "-l", merged], check=True)
    d.api.post(f"/containers/{id}/kill")
    box.wait(id)
    box.start(id)
    box.rm(id, force=1)
    check_agreement(d, box)


def test_a_deleted_bridge_is_made_again_or_named(fresh):
    d = fresh()
    box = Box(d.api)
    d.api.post("/networks/create", {"Name": "n", "Options": {"com.docker.network.bridge.name": "brn"}})
    subprocess.run(d.inside(["ip", "link", "del", "brn"]), check=True)
    id = box.create("true", host={"NetworkMode": "n"})
    r = d.api.raw("POST", f"/containers/{id}/start")
    assert r.status == 204 or "brn" in r.message or "n" in r.message
    box.rm(id, force=1)
    assert d.api.raw("DELETE", "/networks/n").status == 204


def test_an_emptied_exec_root_while_nothing_runs(fresh):
    """/run is a tmpfs: after a reboot the exec root is empty."""
    d = fresh()
    box = Box(d.api)
    always = box.up(host={"RestartPolicy": {"Name": "always"}})
    plain = box.up()
    d.kill()
    host.end_processes(shims(d))
    for id in (always, plain):
        for folder in cgroups_of(id):
            with open(folder + "/cgroup.procs") as f:
                host.end_processes([int(x) for x in f.read().split()])
    for m in reversed([line.split()[1] for line in open("/proc/self/mounts")]):
        if m.startswith((d.exec, d.data)):
            subprocess.run(["umount", "-l", m])
    shutil.rmtree(d.exec, ignore_errors=True)
    d.start()
    box.until(always, lambda c: c["State"]["Running"])
    c = box.until(plain, lambda c: not c["State"]["Running"])
    assert c["State"]["Status"] == "exited"
    box.start(plain)
    check_agreement(d, box)


def test_a_missing_log_file_is_not_an_error(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.run("echo", "x").id
    os.unlink(box.inspect(id)["LogPath"])
    assert box.logs(id) == ("", "")
    box.rm(id)


def test_a_damaged_log_file_gives_what_can_be_read(fresh):
    d = fresh()
    box = Box(d.api)
    id = box.sh("echo one; echo two").id
    with open(box.inspect(id)["LogPath"], "ab") as f:
        f.write(b'{"log":"half a li')
    assert box.logs(id)[0].startswith("one\ntwo\n")
    assert d.api.get("/_ping") == b"OK"


def test_a_clock_that_jumps_does_not_matter_to_a_wait(fresh):
    """Time in answers is wall time, time in waits is not: a stop with a timeout of one second takes one second."""
    import time
    d = fresh()
    box = Box(d.api)
    id = box.up()
    began = time.monotonic()
    d.api.post(f"/containers/{id}/stop", t=1)
    assert 0.9 < time.monotonic() - began < 4
