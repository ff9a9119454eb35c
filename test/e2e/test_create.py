"""POST /containers/create: what is kept, what is refused, and with which words."""
import json

import pytest

ONLY = pytest.mark.shoal_only("Docker 20.10 lets it pass")


def test_the_answer_is_an_id_and_a_list_of_warnings(api):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})
    assert r.status == 201
    assert len(r.json()["Id"]) == 64 and r.json()["Warnings"] == []


def test_an_absent_image_is_404(api):
    api.refused("POST", "/containers/create", {"Image": "absent-image:x"}, status=404, says="No such image: absent-image:x")


@pytest.mark.shoal_only("Docker 20.10 makes a container of nothing")
def test_an_image_is_needed(api):
    r = api.raw("POST", "/containers/create", {"Cmd": ["true"]})
    assert r.status in (400, 404), r


def test_no_command_at_all_is_refused(api, busybox_tar):
    with open(busybox_tar, "rb") as f:
        api.post("/images/create", f.read(), fromSrc="-", repo="nocmd", tag="latest")
    api.refused("POST", "/containers/create", {"Image": "nocmd"}, status=400, says="No command specified")


@pytest.mark.parametrize("name", ["a b", "-x", "/a/b", "ä", "a$", ".x", "x"])
def test_names_follow_the_documented_grammar(api, name):
    api.refused("POST", "/containers/create", {"Image": "busybox"}, status=400, name=name,
                says=["Invalid container name", "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"])


def test_a_taken_name_is_409_and_names_the_owner(api, box):
    first = box.create(name="taken")
    api.refused("POST", "/containers/create", {"Image": "busybox"}, name="taken", status=409,
                says=['Conflict. The container name "/taken" is already in use by container', first])


def test_a_name_is_made_when_none_is_given(box):
    names = {box.inspect(box.create())["Name"] for _ in range(3)}
    assert len(names) == 3 and all(n.startswith("/") and "_" in n for n in names)


def test_broken_json_is_400(api):
    for body in (b"{", b"[]", b'"x"', b""):
        api.refused("POST", "/containers/create", body, headers={"Content-Type": "application/json"})


def test_a_wrong_type_is_400(api):
    api.refused("POST", "/containers/create", {"Image": "busybox", "Env": "A=1"}, says="Env")


def test_another_content_type_is_refused(api):
    r = api.raw("POST", "/containers/create", b'{"Image":"busybox"}', headers={"Content-Type": "text/plain"})
    assert r.status in (400, 415), r


@pytest.mark.parametrize("host, says", [
    ({"Memory": 1000}, "Minimum memory limit"),
    ({"Memory": 10 << 20, "MemorySwap": 5 << 20}, "Minimum memoryswap limit should be larger than memory limit"),
    ({"MemorySwap": 10 << 20}, "You should always set the Memory limit when using Memoryswap limit"),
    ({"Memory": 10 << 20, "MemoryReservation": 20 << 20}, "Minimum memory limit can not be less than memory reservation"),
    ({"NanoCpus": 100 * 10 ** 9}, "Range of CPUs is from 0.01 to"),
    ({"NanoCpus": 10 ** 9, "CpuPeriod": 100000}, "Nano CPUs and CPU Period cannot both be set"),
    ({"CpuPeriod": 1}, "CPU cfs period"),
    ({"CpuQuota": 10}, "CPU cfs quota"),
    ({"CpusetCpus": "77"}, "Requested CPUs are not available"),
    ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus"),
    ({"OomScoreAdj": 2000}, "oom"),
    ({"ShmSize": -1}, "SHM size can not be less than 0"),
    ({"RestartPolicy": {"Name": "sometimes"}}, "restart policy"),
    ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove' container with restart policy"),
    ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, "maximum retry count"),
    ({"NetworkMode": "container:"}, ""),
    pytest.param({"PidMode": "nonsense"}, "PID", marks=ONLY),
    ({"IpcMode": "nonsense"}, "IPC mode"),
    pytest.param({"UTSMode": "nonsense"}, "UTS", marks=ONLY),
    ({"LogConfig": {"Type": "nonsense"}}, "nonsense"),
    ({"LogConfig": {"Type": "json-file", "Config": {"nonsense": "1"}}}, "unknown log opt 'nonsense' for json-file log driver"),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "x"}}}, "'x'"),
    ({"Runtime": "nonsense"}, "nonsense"),
    ({"PortBindings": {"nonsense/tcp": [{}]}}, "invalid"),
    ({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, "port"),
    pytest.param({"PortBindings": {"80/tcp": [{"HostIp": "nonsense", "HostPort": "80"}]}}, "nonsense", marks=ONLY),
    ({"ExtraHosts": ["nocolon"]}, "bad format for add-host"),
    ({"ExtraHosts": ["h:notanip"]}, "invalid IP address in add-host"),
    ({"Sysctls": {"kernel.shmmax": "1"}, "IpcMode": "host"}, "kernel.shmmax"),
    ({"Binds": ["./relative:/x"]}, "./relative"),
    ({"Binds": ["/a:/b:ro:z:q:w"]}, "invalid volume specification"),
    ({"Binds": ["/tmp:relative"]}, "invalid"),
    ({"Binds": ["/tmp:/a:nonsense"]}, "mode"),
    ({"Binds": ["/tmp:/a", "/tmp:/a"]}, "Duplicate mount point: /a"),
    ({"Mounts": [{"Type": "nonsense", "Target": "/x"}]}, "mount type"),
    ({"Mounts": [{"Type": "bind", "Target": "/x"}]}, "Source"),
    ({"Mounts": [{"Type": "bind", "Source": "/absent-xyz", "Target": "/x"}]}, "bind source path does not exist: /absent-xyz"),
    ({"Mounts": [{"Type": "volume", "Source": "v"}]}, "Target"),
    ({"Mounts": [{"Type": "tmpfs", "Source": "s", "Target": "/x"}]}, "Source"),
    ({"Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/x", "VolumeOptions": {"NoCopy": True}}]}, "VolumeOptions"),
    ({"Mounts": [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": -1}}]}, "size"),
    ({"Tmpfs": {"relative": ""}}, ""),
    ({"VolumesFrom": ["absent-container"]}, "absent-container"),
    ({"VolumesFrom": ["a:b:c"]}, ""),
    ({"Links": ["absent-container:x"]}, ""),
    ({"DeviceRequests": [{"Driver": "nonsense", "Count": 1}]}, ""),
    ({"Devices": [{"PathOnHost": "/absent", "PathInContainer": "/dev/x", "CgroupPermissions": "xyz"}]}, ""),
    ({"CapAdd": ["NONSENSE"]}, "NONSENSE"),
    ({"SecurityOpt": ["nonsense"]}, "nonsense"),
    ({"SecurityOpt": ["seccomp={"]}, "seccomp"),
    ({"PidsLimit": 1, "Memory": -5}, ""),
    ({"Ulimits": [{"Name": "nofile", "Soft": 20, "Hard": 10}]}, "limit"),
    ({"GroupAdd": ["absent-group"]}, "absent-group"),
])
def test_bad_host_config_is_refused_and_nothing_half_made_stays(api, box, host, says):
    """At create or, for what only a start can know, at start; either way with the thing's name and a clean slate."""
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
    if r.status == 201:
        id, r = r.json()["Id"], api.raw("POST", f"/containers/{r.json()['Id']}/start")
        state = box.state(id)
        assert r.status >= 400 and state["Status"] == "created" and state["Pid"] == 0, (r, state)
        api.delete(f"/containers/{id}")
    assert r.status in (400, 404, 409, 500), r
    assert says.lower() in r.message.lower(), r.message
    assert api.get("/containers/json", all=1) == []
    assert not api.get("/volumes")["Volumes"]


@pytest.mark.parametrize("config, says", [
    ({"WorkingDir": "relative"}, "working directory"),
    ({"StopSignal": "SIGNONSENSE"}, "signal"),
    ({"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
    ({"Healthcheck": {"Test": ["CMD", "true"], "Retries": -1}}, "Retries in Healthcheck cannot be negative"),
    pytest.param({"ExposedPorts": {"nonsense": {}}}, "nonsense", marks=ONLY),
    ({"User": "absent-user"}, "absent-user"),
    ({"User": "4294967296"}, ""),
    ({"Env": ["=novalue"]}, ""),
    ({"Hostname": "x" * 300}, ""),
])
def test_bad_config_is_refused(api, config, says):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], **config})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status in (400, 404, 500) and says.lower() in r.message.lower(), r


def test_settings_come_back_in_inspect_as_given(box):
    host = {"Memory": 64 << 20, "CpuShares": 512, "Dns": ["10.0.0.1"], "DnsSearch": ["a.test"], "DnsOptions": ["ndots:2"],
            "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "ReadonlyRootfs": True, "Privileged": False,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}, "ShmSize": 1 << 20,
            "Sysctls": {"net.ipv4.ip_forward": "1"}, "PidsLimit": 50, "OomScoreAdj": 100, "GroupAdd": ["extra"],
            "ExtraHosts": ["h:1.2.3.4"], "Init": True, "Tmpfs": {"/t": "size=1m"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}
    config = {"Hostname": "h1", "Domainname": "d1", "User": "1000:1001", "Env": ["A=1", "B=2"], "WorkingDir": "/tmp",
              "Labels": {"k": "v"}, "StopSignal": "SIGINT", "StopTimeout": 3, "OpenStdin": True, "Tty": True,
              "ExposedPorts": {"80/tcp": {}}, "Entrypoint": ["/bin/sh"], "MacAddress": ""}
    seen = box.inspect(box.create("-c", "true", host=host, **config))
    for key, value in host.items():
        assert seen["HostConfig"][key] == value, key
    for key, value in config.items():
        if key not in ("Env", "MacAddress"):
            assert seen["Config"][key] == value, key
    assert {"A=1", "B=2"} <= set(seen["Config"]["Env"])
    assert seen["Path"] == "/bin/sh" and seen["Args"] == ["-c", "true"]


def test_an_image_reference_by_id_short_id_and_digestless_name_all_work(api, box):
    full = api.get("/images/busybox/json")["Id"]
    for ref in (full, full[7:], full[7:19], "busybox", "busybox:latest", "docker.io/library/busybox:latest"):
        assert box.inspect(box.create("true", image=ref))["Image"] == full, ref


@pytest.mark.shoal_only("Docker ignores what it does not know")
def test_d2_an_unknown_field_is_refused_by_name(api):
    api.refused("POST", "/containers/create", {"Image": "busybox", "Nonsense": 1}, says="Nonsense")
    api.refused("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Memori": 1}}, says="Memori")


@pytest.mark.shoal_only("Docker takes the last of several")
def test_d2_a_duplicate_key_is_refused(api):
    r = api.raw("POST", "/containers/create", b'{"Image":"busybox","HostConfig":{"Privileged":false,"Privileged":true}}',
                headers={"Content-Type": "application/json"})
    assert r.status == 400 and "Privileged" in r.message


@pytest.mark.shoal_only("newer Docker does the same")
def test_trailing_bytes_after_the_json_are_refused(api):
    r = api.raw("POST", "/containers/create", json.dumps({"Image": "busybox"}).encode() + b"{}",
                headers={"Content-Type": "application/json"})
    assert r.status == 400, r


def test_a_platform_that_is_not_this_machine_is_refused(api):
    r = api.raw("POST", "/v1.41/containers/create", {"Image": "busybox"}, platform="linux/s390x")
    assert r.status in (400, 404), r
