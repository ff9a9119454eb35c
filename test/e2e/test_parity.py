"""What clients notice: findings of runs of the same commands against Docker and against us, side by side."""
import time

import pytest

from harness.images import tar_of


# --- what is said at create, what at start: a 404 at create sends the docker command looking for the image ---

@pytest.mark.parametrize("host, net, status, says", [
    ({"NetworkMode": "absent"}, None, 404, "network absent not found"),
    ({"NetworkMode": "container:absent"}, None, 404, "No such container: absent"),
    ({}, {"absent": {}}, 404, "network absent not found"),
    ({"NetworkMode": "none"}, {"none": {"IPAMConfig": {"IPv4Address": "192.0.2.9"}}}, 400, "user defined networks only"),
])
def test_the_start_says_what_is_wrong_with_a_network(api, box, host, net, status, says):
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": host, **({"NetworkingConfig": {"EndpointsConfig": net}} if net else {})}
    r = api.raw("POST", "/containers/create", body)
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
        assert r.status == status and says in r.message, r
    else:
        assert r.status == 400 and says in r.message, r


@pytest.mark.parametrize("host", [{"IpcMode": "container:absent"}, {"PidMode": "container:absent"}, {"VolumesFrom": ["absent"]}, {"Links": ["absent:x"]}])
def test_the_create_refuses_an_absent_container_with_400(api, host):
    api.refused("POST", "/containers/create", {"Image": "busybox", "HostConfig": host}, status=400, says="No such container: absent")


def test_a_network_may_come_between_create_and_start(api, box):
    id = box.create("true", host={"NetworkMode": "later"})
    api.post("/networks/create", {"Name": "later"})
    assert box.wait(box.start(id)) == 0


@pytest.mark.parametrize("flags", [("--network", "absent"), ("--network", "container:absent"), ("--ipc", "container:absent"), ("--volumes-from", "absent")])
def test_the_command_does_not_look_for_the_image(cli, flags):
    r = cli("run", "--rm", *flags, "busybox", "true", ok=125)
    assert "absent" in r.err and "Unable to find image" not in r.err


# --- failed starts ---

@pytest.mark.parametrize("program, code, says", [("absent", 127, "executable file not found in $PATH"), ("/bin/absent", 127, "no such file or directory"),
                                                 ("/etc", 126, "permission denied"), ("/etc/passwd", 126, "permission denied")])
def test_a_failed_start_is_told_once_with_its_code(cli, program, code, says):
    r = cli("run", "--rm", "busybox", program, ok=code)
    assert says in r.err and r.err.count(says) == 1 and "Error waiting" not in r.err


@pytest.mark.parametrize("rm, condition", [
    (True, "removed"), pytest.param(False, "next-exit", marks=pytest.mark.shoal_only("Docker goes on waiting"))])
def test_a_wait_for_a_start_that_fails_has_no_error_of_its_own(api, rm, condition):
    id = api.post("/containers/create", {"Image": "busybox", "Cmd": ["absent"], "HostConfig": {"AutoRemove": rm}})["Id"]
    with api.stream("POST", f"/containers/{id}/wait", condition=condition) as waiting:
        assert api.raw("POST", f"/containers/{id}/start").status == 400
        assert next(waiting.objects()) == {"StatusCode": 127, "Error": None}


@pytest.mark.parametrize("flags, says", [(("--device-read-bps", "/dev/absent:1mb"), "stat /dev/absent: no such file or directory"),
                                         (("--network", "container:other", "--expose", "80"), "port exposing and the container type network mode")])
def test_other_starts_that_fail(cli, box, flags, says):
    box.up(name="other")
    assert says in cli("run", "--rm", *flags, "busybox", "true", ok=False).err


def test_options_of_a_log_without_a_driver_are_those_of_the_daemons(cli):
    cli("run", "--name", "labelled", "--log-opt", "labels=a", "--log-opt", "env=E", "--log-opt", "max-size=1m", "-l", "a=1", "-e", "E=x", "busybox", "echo", "hi")
    assert cli.out("logs", "--details", "labelled") == "E=x,a=1 hi"
    assert "invalid size" in cli("run", "--log-opt", "max-size=x", "busybox", "true", ok=False).err


def test_a_missing_source_of_a_volume_is_exit_code_127(cli):
    cli("volume", "create", "-o", "type=none", "-o", "device=/absent-device", "-o", "o=bind", "broken")
    r = cli("run", "--rm", "-v", "broken:/x", "busybox", "true", ok=127)
    assert "no such file or directory" in r.err


# --- words and statuses ---

@pytest.mark.shoal_only("20.10 says the signal before the prefix")
def test_kill_says_what_it_was_about(api, box):
    id = box.up()
    for ref, signal, status, says in (("absent", "KILL", 404, "No such container: absent"), (id, "NONSENSE", 400, "invalid signal: NONSENSE"),
                                      (box.create("true"), "KILL", 409, "is not running")):
        assert api.refused("POST", f"/containers/{ref}/kill", signal=signal, status=status, says=says).startswith(f"cannot kill container: {ref}: ")


def test_an_update_of_a_container_that_removes_itself(api, box):
    id = box.up(host={"AutoRemove": True})
    api.refused("POST", f"/containers/{id}/update", {"RestartPolicy": {"Name": "always"}}, says="Restart policy cannot be updated because AutoRemove is enabled")


@pytest.mark.shoal_only("pulls and pushes are another release's")
def test_words_of_what_cannot_be_pulled_or_pushed(api):
    api.refused("POST", "/images/create", fromImage="scratch", says="'scratch' is a reserved name")
    api.refused("POST", "/images/absent/push", status=404, says="An image does not exist locally with the tag: absent")


def test_the_output_of_an_import_is_the_id(cli, tmp_path):
    (tmp_path / "root.tar").write_bytes(tar_of({"f": "x" * (1 << 20)}))
    out = cli.out("import", str(tmp_path / "root.tar"), "only:id")
    assert out.startswith("sha256:") and len(out.split()) == 1


def test_an_import_of_noise_is_an_error_status(api):
    r = api.raw("POST", "/images/create", b"noise" * 1000, fromSrc="-")
    assert r.status >= 400 and r.message


# --- documents ---

def test_inspect_shows_dockers_defaults(api, box):
    c = api.get(f"/containers/{box.create('true', Env=None, host={'MemorySwappiness': -1, 'PidsLimit': 0})}/json")
    host = c["HostConfig"]
    assert "/proc/kcore" in host["MaskedPaths"] and "/proc/sys" in host["ReadonlyPaths"] and c["LogPath"] == ""
    assert host["MemorySwappiness"] is None and host["PidsLimit"] is None and host["CpuCount"] == host["IOMaximumIOps"] == 0
    privileged = box.inspect(box.create("true", host={"Privileged": True}))["HostConfig"]
    assert privileged["MaskedPaths"] is None and privileged["ReadonlyPaths"] is None


def test_the_mode_of_a_volume_is_z_when_none_was_given(box):
    mounts = box.inspect(box.create("true", Volumes={"/anonymous": {}}, host={
        "Binds": ["vol1:/a", "vol2:/b:ro"], "Mounts": [{"Type": "volume", "Source": "vol3", "Target": "/c"}]}))["Mounts"]
    assert {m["Destination"]: m["Mode"] for m in mounts} == {"/a": "z", "/b": "ro", "/c": "z", "/anonymous": ""}


def test_disk_usage_lists_containers_as_the_list_does(api, box):
    box.up(ExposedPorts={"80/tcp": {}})
    listed, used = api.get("/containers/json", size=1)[0], api.get("/system/df")["Containers"][0]
    assert {k: v for k, v in used.items() if k != "Status"} == {k: v for k, v in listed.items() if k != "Status"}
    assert used["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] and used["Ports"] == [{"PrivatePort": 80, "Type": "tcp"}]
    assert "VirtualSize" in api.get("/v1.41/system/df")["Images"][0]


def test_info_tells_old_clients_that_the_commits_are_the_expected_ones(api):
    info = api.get("/v1.41/info")
    assert all(info[name]["Expected"] == info[name]["ID"] for name in ("ContainerdCommit", "RuncCommit", "InitCommit"))
    assert not any("IPv4 forwarding" in line for line in info["Warnings"] or [])


# --- networks ---

def test_a_configuration_network_takes_no_addresses(api):
    api.post("/networks/create", {"Name": "config", "ConfigOnly": True, "IPAM": {"Config": [{"Subnet": "10.95.0.0/24"}]}})
    id = api.post("/networks/create", {"Name": "uses", "ConfigFrom": {"Network": "config"}})["Id"]
    seen = api.get(f"/networks/{id}")
    assert seen["IPAM"]["Config"][0]["Subnet"] == "10.95.0.0/24" and seen["ConfigFrom"] == {"Network": "config"}
    api.delete(f"/networks/{id}")


def test_docker_py_names_a_network_twice(py):
    """docker-py sends NetworkingConfig {"name": null} beside NetworkMode."""
    py.networks.create("mine")
    assert py.containers.run("busybox", "echo hi", network="mine", remove=True) == b"hi\n"


# --- events ---

def test_events_have_dockers_attributes(api, box):
    since = f"{time.time():.6f}"
    id = box.up(name="evening", host={"Binds": ["evol:/e:ro"]})
    box.exec(id, "true")
    image = api.post("/commit", container=id, repo="evi", tag="1", comment="c")["Id"]
    api.post("/images/prune")
    box.rm(id, force=1)

    def seen(**filters):
        return api.raw("GET", "/events", since=since, until=f"{time.time():.6f}", filters=filters).json_stream()
    assert seen(event=["exec_create"])[-1]["Action"] == "exec_create: true "
    mount = seen(type=["volume"], event=["mount"])[-1]["Actor"]
    assert mount["Attributes"] == {"container": id, "destination": "/e", "driver": "local", "propagation": "", "read/write": "false"}
    commit = seen(event=["commit"])[-1]["Actor"]["Attributes"]
    assert (commit["imageID"], commit["imageRef"], commit["comment"]) == (image, "evi:1", "c")
    assert seen(type=["image"], event=["prune"])[-1]["Actor"]["Attributes"]["reclaimed"].isdigit()
    assert {e["Actor"]["ID"] for e in seen(container=["even"])} == {e["Actor"]["ID"] for e in seen(container=[id[:6]])} == {id}


def test_links_of_the_default_bridge_are_shown_as_paths(api, box):
    box.up(name="target")
    web = box.create("true", name="web", host={"Links": ["target:alias", "target"]})
    assert box.inspect(web)["HostConfig"]["Links"] == ["/target:/web/alias", "/target:/web/target"]
    api.post("/networks/create", {"Name": "own"})
    box.create("true", name="free", host={"NetworkMode": "own", "Links": ["not-yet:there"]})


def test_a_running_container_sees_its_new_network_in_its_files(api, box):
    """The files are bind mounts: a new file of the same name would not be seen inside."""
    api.post("/networks/create", {"Name": "front"})
    web = box.up("sh", "-c", "exec httpd -f -h /www", name="web", host={"NetworkMode": "front"})
    address = box.address(web, "front")
    id = box.up(name="moving", host={"DnsSearch": ["."]})
    before = box.exec(id, "cat", "/etc/resolv.conf", "/etc/hosts").out
    api.post("/networks/front/connect", {"Container": id})
    assert "nameserver 127.0.0.11" in box.exec(id, "cat", "/etc/resolv.conf").out and box.address(id, "front") in box.exec(id, "cat", "/etc/hosts").out
    assert box.exec(id, "wget", "-qO-", "http://web/").out == "hello from the image\n" and address in box.exec(id, "nslookup", "web").out
    api.post("/networks/front/disconnect", {"Container": id})
    assert box.exec(id, "cat", "/etc/resolv.conf", "/etc/hosts").out == before
    box.exec_sh(id, "echo '192.0.2.1 mine' >> /etc/hosts")
    api.post("/networks/front/connect", {"Container": id})
    assert "192.0.2.1 mine" in box.exec(id, "cat", "/etc/hosts").out
