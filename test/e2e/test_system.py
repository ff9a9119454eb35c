"""Ping, version, info, paths and versions of the API, disk usage."""
import json
import re

import pytest


def test_ping_says_ok_with_the_documented_headers(api):
    r = api.raw("GET", "/_ping")
    assert r.status == 200 and r.body == b"OK"
    assert r.headers["api-version"] and r.headers["ostype"] == "linux"
    assert r.headers["docker-experimental"] in ("true", "false")
    assert r.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert r.headers["pragma"] == "no-cache"
    assert re.match(r"Docker/\S+ \(linux\)", r.headers["server"])


def test_ping_answers_head_without_a_body(api):
    r = api.raw("HEAD", "/_ping")
    assert r.status == 200 and r.body == b"" and r.headers["api-version"]
    assert r.headers.get("content-length", "0") == "0"


def test_version_names_the_program_and_the_api(api):
    v = api.get("/version")
    for key in ("Version", "ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "KernelVersion",
                "BuildTime", "Platform", "Components"):
        assert key in v, key
    assert v["Os"] == "linux" and v["Arch"] == "amd64"
    assert v["Components"][0]["Name"] == "Engine"


@pytest.mark.shoal_only("the oldest and newest version we promise")
def test_version_range_is_1_24_to_1_51(api):
    v = api.get("/version")
    assert (v["MinAPIVersion"], v["ApiVersion"]) == ("1.24", "1.51")


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.40", "1.41"])
def test_old_versions_are_spoken(api, version):
    assert isinstance(api.get(f"/v{version}/containers/json"), list)


@pytest.mark.min_api(151)
@pytest.mark.parametrize("version", ["1.42", "1.43", "1.44", "1.45", "1.46", "1.47", "1.48", "1.49", "1.50", "1.51"])
def test_new_versions_are_spoken(api, version):
    assert isinstance(api.get(f"/v{version}/containers/json"), list)


def test_a_too_old_client_is_told_the_minimum(api):
    r = api.raw("GET", "/v1.10/version")  # plain text or JSON: clients as old as that read either
    assert r.status == 400 and b"client version 1.10 is too old. Minimum supported API version is" in r.body


def test_a_too_new_client_is_told_the_maximum(api):
    have = api.get("/version")["ApiVersion"]
    api.refused("GET", "/v1.99/version", says=f"client version 1.99 is too new. Maximum supported API version is {have}")


@pytest.mark.parametrize("method, path", [("GET", "/nothing"), ("PATCH", "/containers/json"), ("DELETE", "/info"),
                                          ("GET", "/v1.41/nothing"), ("GET", "/containers/create")])
def test_an_unknown_path_or_method_is_page_not_found(api, method, path):
    message = api.refused(method, path, status=404)
    assert message == "page not found" or path == "/containers/create"


def test_info_has_what_clients_read(api):
    info = api.get("/info")
    for key in ("ID", "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "Driver",
                "DriverStatus", "Plugins", "MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares",
                "CPUSet", "PidsLimit", "IPv4Forwarding", "Debug", "NFd", "OomKillDisable", "NGoroutines", "SystemTime",
                "LoggingDriver", "CgroupDriver", "CgroupVersion", "NEventsListener", "KernelVersion",
                "OperatingSystem", "OSVersion", "OSType", "Architecture", "IndexServerAddress", "RegistryConfig",
                "NCPU", "MemTotal", "DockerRootDir", "Name", "Labels", "ExperimentalBuild", "ServerVersion",
                "Runtimes", "DefaultRuntime", "Swarm", "LiveRestoreEnabled", "Isolation", "InitBinary",
                "ContainerdCommit", "RuncCommit", "InitCommit", "SecurityOptions", "HttpProxy", "NoProxy"):
        assert key in info, key
    assert info["Driver"] == "overlay2" and info["OSType"] == "linux" and info["LoggingDriver"] == "json-file"
    assert info["Swarm"]["LocalNodeState"] == "inactive" and info["Swarm"]["ControlAvailable"] is False
    assert info["NCPU"] >= 1 and info["MemTotal"] > 1 << 28
    assert {"bridge", "host", "null", "macvlan"} <= set(info["Plugins"]["Network"])
    assert "local" in info["Plugins"]["Volume"]
    assert {"json-file", "local", "journald", "syslog"} <= set(info["Plugins"]["Log"])
    assert "name=seccomp,profile=" in " ".join(info["SecurityOptions"])


def test_info_counts_containers_by_state(api, box):
    box.create("true")
    box.up()
    paused = box.up()
    api.post(f"/containers/{paused}/pause")
    info = api.get("/info")
    seen = [info[k] for k in ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped")]
    assert seen == [3, 1, 1, 1]


def test_df_counts_layers_containers_and_volumes(api, box):
    box.sh("head -c 100000 /dev/zero > /big", host={"Binds": ["dfvol:/d"]})
    df = api.get("/system/df")
    assert df["LayersSize"] > 1_000_000
    assert [i["RepoTags"] for i in df["Images"]] == [["busybox:latest"]]
    assert df["Images"][0]["Containers"] == 1
    assert df["Containers"][0]["SizeRw"] >= 100000
    assert df["Volumes"][0]["Name"] == "dfvol" and df["Volumes"][0]["UsageData"]["RefCount"] == 1
    assert "BuildCache" in df


@pytest.mark.min_api(142)
def test_df_can_be_limited_to_a_type(api):
    df = api.get("/v1.42/system/df", type="volume")
    assert df.get("Images") is None and "Volumes" in df


def test_swarm_operations_answer_as_outside_a_swarm(api):
    for path in ("/services", "/nodes", "/tasks", "/secrets", "/configs", "/swarm"):
        message = api.refused("GET", path, status=503)
        assert "This node is not a swarm manager" in message


def test_plugins_can_be_listed(api):
    assert api.get("/plugins") == []


def test_every_json_answer_has_the_api_headers(api):
    for path in ("/info", "/version", "/containers/json", "/containers/absent/json"):
        r = api.raw("GET", path)
        assert r.headers["content-type"] == "application/json"
        assert {"api-version", "docker-experimental", "ostype", "server"} <= set(r.headers), path


def test_one_connection_serves_many_requests(api):
    c = api.connection()
    for _ in range(50):
        c.request("GET", "/containers/json")
        r = c.getresponse()
        assert r.status == 200 and json.loads(r.read()) == []
    c.close()


def test_pipelined_requests_are_answered_in_order(api):
    c = api.connection()
    c.connect()
    c.sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nGET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    data = b""
    while True:
        more = c.sock.recv(65536)
        if not more:
            break
        data += more
    c.close()
    assert data.count(b"HTTP/1.1 200 OK") == 2 and data.index(b"\r\n\r\nOK") < data.index(b"ApiVersion")


@pytest.mark.parametrize("expect", ["100-continue"])
def test_expect_continue_is_honoured(api, expect):
    c = api.connection()
    c.connect()
    c.sock.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                   b"Content-Length: 26\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    assert c.sock.recv(100).startswith(b"HTTP/1.1 100")
    c.sock.sendall(b'{"Image":"absent-image-x"}')
    assert b"404" in c.sock.recv(65536).split(b"\r\n")[0]
    c.close()


def test_auth_with_no_registry_there_is_an_error_not_a_hang(api):
    r = api.raw("POST", "/auth", {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1"}, timeout=30)
    assert r.status in (401, 500, 501), r
