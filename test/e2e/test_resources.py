"""Limits: cgroups of both versions, ulimits, OOM, shm, devices."""
import os

import pytest


def cgroup(box, host, v1, v2, **kw):
    """What the container reads of its own limit, in v1 or v2 files."""
    return box.sh(f"cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}", host=host, **kw).out.strip()


V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
MIB = 1 << 20


@pytest.mark.parametrize("host, v1, v2, expected", [
    ({"Memory": 64 * MIB}, "memory/memory.limit_in_bytes", "memory.max", {str(64 * MIB)}),
    ({"Memory": 64 * MIB, "MemorySwap": 64 * MIB}, "memory/memory.memsw.limit_in_bytes", "memory.swap.max", {str(64 * MIB), "0"}),
    ({"Memory": 64 * MIB, "MemorySwap": -1}, "memory/memory.memsw.limit_in_bytes", "memory.swap.max", {"9223372036854771712", "max"}),
    ({"Memory": 64 * MIB}, "memory/memory.memsw.limit_in_bytes", "memory.swap.max", {str(128 * MIB), str(64 * MIB)}),
    ({"MemoryReservation": 32 * MIB}, "memory/memory.soft_limit_in_bytes", "memory.low", {str(32 * MIB)}),
    ({"NanoCpus": 500000000}, "cpu/cpu.cfs_quota_us", "cpu.max", {"50000", "50000 100000"}),
    ({"CpuPeriod": 50000, "CpuQuota": 25000}, "cpu/cpu.cfs_quota_us", "cpu.max", {"25000", "25000 50000"}),
    ({"CpuShares": 512}, "cpu/cpu.shares", "cpu.weight", {"512", "20", "59"}),
    ({"CpusetCpus": "0"}, "cpuset/cpuset.cpus", "cpuset.cpus", {"0"}),
    ({"CpusetMems": "0"}, "cpuset/cpuset.mems", "cpuset.mems", {"0"}),
    ({"PidsLimit": 77}, "pids/pids.max", "pids.max", {"77"}),
    ({"PidsLimit": -1}, "pids/pids.max", "pids.max", {"max"}),
])
def test_a_limit_reaches_the_kernel(box, host, v1, v2, expected):
    assert cgroup(box, host, v1, v2) in expected


@pytest.mark.skipif(V2, reason="of cgroup v1 only")
@pytest.mark.parametrize("host, file, expected", [
    ({"Memory": 64 * MIB, "MemorySwappiness": 10}, "memory/memory.swappiness", "10"),
    ({"OomKillDisable": True, "Memory": 64 * MIB}, "memory/memory.oom_control", "oom_kill_disable 1"),
])
def test_limits_of_version_1(box, host, file, expected):
    assert expected in box.run("cat", "/sys/fs/cgroup/" + file, host=host).out


def test_block_device_limits(box):
    device = next((d for d in ("/dev/vda", "/dev/sda", "/dev/nvme0n1") if os.path.exists(d)), None)
    if device is None:
        pytest.skip("no disk to limit")
    number = os.stat(device).st_rdev
    name = f"{os.major(number)}:{os.minor(number)}"
    seen = cgroup(box, {"BlkioDeviceWriteBps": [{"Path": device, "Rate": 1 << 20}]}, "blkio/blkio.throttle.write_bps_device", "io.max")
    assert name in seen and "1048576" in seen
    seen = cgroup(box, {"BlkioDeviceReadIOps": [{"Path": device, "Rate": 50}]}, "blkio/blkio.throttle.read_iops_device", "io.max")
    assert name in seen and "50" in seen


def test_running_out_of_memory_is_reported(box):
    r = box.run("probe", "fill", "300", host={"Memory": 20 * MIB, "MemorySwap": 20 * MIB})
    assert r.code == 137 and "filled" not in r.out
    assert box.state(r.id)["OOMKilled"] is True


def test_an_ordinary_kill_is_not_out_of_memory(api, box):
    id = box.up(host={"Memory": 20 * MIB})
    api.post(f"/containers/{id}/kill")
    box.wait(id)
    assert box.state(id)["OOMKilled"] is False


def test_the_process_limit_holds(box):
    r = box.sh("for i in $(seq 30); do sleep 1 & done; wait", host={"PidsLimit": 10})
    assert "can't fork" in r.err.lower()


def test_ulimits(box):
    host = {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}, {"Name": "core", "Soft": 0, "Hard": 0}]}
    assert box.sh("ulimit -Sn; ulimit -Hn; ulimit -c", host=host).out.split() == ["100", "200", "0"]


@pytest.mark.shoal_only("runc fails where the machine cannot raise a limit")
def test_a_ulimit_beyond_the_machine_is_clamped_with_a_warning(api):
    r = api.post("/containers/create", {"Image": "busybox", "Cmd": ["sh", "-c", "ulimit -Hn"],
                                        "HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 1000, "Hard": 10 ** 9}]}})
    assert api.raw("POST", f"/containers/{r['Id']}/start").status in (204, 400, 500)


def test_an_unknown_ulimit_is_refused(api):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 1}]}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status in (400, 500) and "nonsense" in r.message.lower()


def test_oom_score(box):
    assert box.run("cat", "/proc/self/oom_score_adj", host={"OomScoreAdj": 321}).out.strip() == "321"


def test_shared_memory_size(box):
    assert box.sh("df -k /dev/shm | awk 'NR==2{print $2}'").out.strip() == "65536"
    assert box.sh("df -k /dev/shm | awk 'NR==2{print $2}'", host={"ShmSize": 5 * MIB}).out.strip() == "5120"


def test_a_device_is_passed_in(box):
    device = [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/myfuse", "CgroupPermissions": "r"}]
    r = box.sh("stat -c '%t %T' /dev/myfuse; exec 3< /dev/myfuse && echo readable; exec 4> /dev/myfuse", host={"Devices": device})
    assert r.out == "a e5\nreadable\n" and "not permitted" in r.err


def test_the_standard_devices_are_there(box):
    r = box.sh("ls /dev; head -c 2 /dev/urandom | wc -c; echo x > /dev/null; echo x > /dev/full")
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "mqueue", "ptmx", "stdin", "fd"} <= set(r.out.split())
    assert "no space" in r.err.lower()


def test_other_devices_cannot_be_made_usable(box):
    r = box.sh("mknod /tmp/d b 254 0; head -c 1 /tmp/d", host={})
    assert r.code != 0 and ("not permitted" in r.err or "denied" in r.err)


def test_device_cgroup_rules_open_a_device(box):
    script = "mknod /tmp/fuse c 10 229; exec 3<> /tmp/fuse && echo opened"
    assert box.sh(script, host={"DeviceCgroupRules": ["c 10:229 rwm"]}).out == "opened\n"
    assert box.sh(script).out == ""


def test_a_wrong_device_rule_is_refused(api, box):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"DeviceCgroupRules": ["nonsense"]}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400 and "nonsense" in r.message


def test_cgroups_are_gone_after_rm(box):
    id = box.up(host={"Memory": 64 * MIB})
    find = f"find /sys/fs/cgroup -type d -name '*{id}*'"
    assert os.popen(find).read()
    box.rm(id, force=1)
    assert not os.popen(find).read()


def test_a_cgroup_parent_is_used(box):
    id = box.up(host={"CgroupParent": "/e2e-parent"})
    found = os.popen(f"find /sys/fs/cgroup -type d -path '*e2e-parent/{id}'").read()
    assert found
    box.rm(id, force=1)
    os.popen("find /sys/fs/cgroup -depth -type d -name e2e-parent -exec rmdir {} + 2>/dev/null").read()
