"""GET /containers/json with its filters and paging, and the shape of inspect."""
import pytest


def ids(api, **query):
    return [c["Id"] for c in api.get("/containers/json", **query)]


def test_only_running_ones_are_listed_newest_first(api, box):
    first, second, created = box.up(), box.up(), box.create()
    assert ids(api) == [second, first]
    assert ids(api, all=1) == [created, second, first]
    assert ids(api, limit=1) == [created] or ids(api, limit=1) == [second]


def test_an_entry_has_the_documented_members(api, box):
    id = box.up(name="entry", host={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}]}},
                ExposedPorts={"80/tcp": {}}, Labels={"a": "b"})
    c = api.get("/containers/json")[0]
    assert c["Id"] == id and c["Names"] == ["/entry"] and c["Image"] == "busybox" and c["ImageID"].startswith("sha256:")
    assert c["Command"] == "sleep 100000" and isinstance(c["Created"], int) and c["State"] == "running"
    assert c["Status"].startswith("Up ") and c["Labels"] == {"a": "b"} and c["Mounts"] == []
    assert c["Ports"] == [{"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 18080, "Type": "tcp"}]
    assert c["HostConfig"]["NetworkMode"] in ("default", "bridge")
    assert c["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert "SizeRw" not in c


def test_size_is_counted_on_request(api, box):
    box.sh("head -c 123456 /dev/zero > /f")
    c = api.get("/containers/json", all=1, size=1)[0]
    assert 123456 <= c["SizeRw"] < 200000 and c["SizeRootFs"] > 1_000_000


def test_status_words(api, box):
    box.create(name="c1")
    box.sh("exit 3", name="c2")
    paused = box.up(name="c3")
    api.post(f"/containers/{paused}/pause")
    words = {c["Names"][0]: c["Status"] for c in api.get("/containers/json", all=1)}
    assert words["/c1"] == "Created"
    assert words["/c2"].startswith("Exited (3) ") and words["/c2"].endswith(" ago")
    assert words["/c3"].startswith("Up ") and words["/c3"].endswith("(Paused)")


@pytest.fixture
def zoo(box, api):
    return {"run": box.up(name="zoo-run", Labels={"color": "red", "x": ""}, Volumes={"/data": {}},
                          ExposedPorts={"81/tcp": {}}, host={"PortBindings": {"81/tcp": [{"HostPort": "18181"}]}}),
            "exited": box.sh("exit 5", name="zoo-exited", Labels={"color": "blue"}).id,
            "created": box.create(name="zoo-created", Labels={"color": "red"})}


@pytest.mark.parametrize("filters, expected", [
    ({"status": ["running"]}, {"run"}),
    ({"status": ["exited", "created"]}, {"exited", "created"}),
    ({"label": ["color"]}, {"run", "exited", "created"}),
    ({"label": ["color=red"]}, {"run", "created"}),
    ({"label": ["color=red", "x"]}, {"run"}),
    ({"name": ["zoo-r"]}, {"run"}),
    ({"name": ["^/?zoo-(run|created)$"]}, {"run", "created"}),
    ({"exited": ["5"]}, {"exited"}),
    ({"exited": ["1"]}, set()),
    ({"ancestor": ["busybox"]}, {"run", "exited", "created"}),
    ({"ancestor": ["absent"]}, set()),
    ({"before": ["zoo-exited"]}, {"run"}),
    ({"since": ["zoo-exited"]}, {"created"}),
    ({"volume": ["/data"]}, {"run"}),
    ({"network": ["bridge"]}, {"run", "exited", "created"}),
    ({"publish": ["18181"]}, {"run"}),
    ({"publish": ["81"]}, set()),
    ({"expose": ["81/tcp"]}, {"run"}),
    ({"expose": ["80-85/tcp"]}, {"run"}),
    ({"health": ["none"]}, {"run", "exited", "created"}),
    ({"is-task": ["false"]}, {"run", "exited", "created"}),
    ({"is-task": ["true"]}, set()),
    ({"status": ["running"], "label": ["color=blue"]}, set()),
    ({"status": {"running": True}}, {"run"}),  # the form that old clients send
])
def test_filters(api, zoo, filters, expected):
    found = set(ids(api, all=1, filters=filters))
    assert found == {zoo[k] for k in expected}


def test_filter_by_id_prefix(api, zoo):
    assert ids(api, all=1, filters={"id": [zoo["exited"][:10]]}) == [zoo["exited"]]


@pytest.mark.parametrize("filters, says", [({"nonsense": ["1"]}, "nonsense"), ({"status": ["nonsense"]}, "nonsense"),
                                           ({"exited": ["x"]}, "x"), ({"health": ["nonsense"]}, "nonsense")])
def test_a_wrong_filter_is_400(api, filters, says):
    api.refused("GET", "/containers/json", filters=filters, status=400, says=says)


def test_filters_that_are_not_json_are_400(api):
    api.refused("GET", "/containers/json", filters="{", status=400)


def test_a_before_filter_with_an_absent_container_is_an_error(api):
    api.refused("GET", "/containers/json", filters={"before": ["absent"]}, status=404, says="absent")


def test_inspect_has_the_documented_members(box, api):
    id = box.up(name="shape")
    c = box.inspect(id)
    for key in ("Id", "Created", "Path", "Args", "State", "Image", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath",
                "Name", "RestartCount", "Driver", "Platform", "MountLabel", "ProcessLabel", "AppArmorProfile", "ExecIDs",
                "HostConfig", "GraphDriver", "Mounts", "Config", "NetworkSettings"):
        assert key in c, key
    assert c["Name"] == "/shape" and c["Driver"] == "overlay2" and c["Platform"] == "linux" and c["ExecIDs"] is None
    assert set(c["GraphDriver"]["Data"]) == {"LowerDir", "MergedDir", "UpperDir", "WorkDir"}
    for key in ("Bridge", "SandboxID", "Ports", "SandboxKey", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen",
                "MacAddress", "Networks"):
        assert key in c["NetworkSettings"], key
    n = c["NetworkSettings"]["Networks"]["bridge"]
    for key in ("IPAMConfig", "Links", "Aliases", "NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen",
                "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "MacAddress", "DriverOpts"):
        assert key in n, key
    for key in ("Binds", "ContainerIDFile", "LogConfig", "NetworkMode", "PortBindings", "RestartPolicy", "AutoRemove",
                "VolumeDriver", "VolumesFrom", "CapAdd", "CapDrop", "CgroupnsMode", "Dns", "DnsOptions", "DnsSearch",
                "ExtraHosts", "GroupAdd", "IpcMode", "Cgroup", "Links", "OomScoreAdj", "PidMode", "Privileged",
                "PublishAllPorts", "ReadonlyRootfs", "SecurityOpt", "UTSMode", "UsernsMode", "ShmSize", "Runtime",
                "Isolation", "CpuShares", "Memory", "NanoCpus", "CgroupParent", "BlkioWeight", "CpuPeriod", "CpuQuota",
                "CpusetCpus", "CpusetMems", "Devices", "DeviceCgroupRules", "DeviceRequests", "MemoryReservation",
                "MemorySwap", "MemorySwappiness", "OomKillDisable", "PidsLimit", "Ulimits", "MaskedPaths", "ReadonlyPaths"):
        assert key in c["HostConfig"], key
    assert c["HostConfig"]["ShmSize"] == 67108864 and c["HostConfig"]["LogConfig"]["Type"] == "json-file"
    for key in ("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin",
                "StdinOnce", "Env", "Cmd", "Image", "Volumes", "WorkingDir", "Entrypoint", "Labels"):
        assert key in c["Config"], key
    assert c["Config"]["Hostname"] == id[:12]


def test_inspect_with_size(box, api):
    id = box.create()
    assert "SizeRw" not in box.inspect(id)
    assert api.get(f"/containers/{id}/json", size=1)["SizeRootFs"] > 1_000_000


def test_the_log_path_is_real(box):
    c = box.inspect(box.run("echo", "x").id)
    with open(c["LogPath"]) as f:
        assert '"log":"x\\n"' in f.read()
