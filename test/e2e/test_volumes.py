"""Volumes, bind mounts, tmpfs and all the options of mounts."""
import os
import subprocess

import pytest

from harness.images import tar_of


def test_create_inspect_list_remove(api):
    v = api.post("/volumes/create", {"Name": "v1", "Labels": {"a": "b"}})
    assert v["Name"] == "v1" and v["Driver"] == "local" and v["Scope"] == "local" and v["Labels"] == {"a": "b"}
    assert os.path.isdir(v["Mountpoint"]) and v["Mountpoint"].endswith("/v1/_data") and v["CreatedAt"]
    assert api.get("/volumes/v1")["Mountpoint"] == v["Mountpoint"]
    assert [x["Name"] for x in api.get("/volumes")["Volumes"]] == ["v1"]
    assert api.raw("DELETE", "/volumes/v1").status == 204
    assert not os.path.exists(v["Mountpoint"])
    api.refused("GET", "/volumes/v1", status=404, says="no such volume")


def test_create_is_idempotent(api):
    first = api.post("/volumes/create", {"Name": "same"})
    assert api.post("/volumes/create", {"Name": "same"})["CreatedAt"] == first["CreatedAt"]


def test_a_name_is_made_when_none_is_given(api):
    assert len(api.post("/volumes/create", {})["Name"]) == 64


@pytest.mark.parametrize("name", ["a/b", "../x", "x", " a", "a b", "-a", ".."])
def test_bad_names_are_refused(api, name):
    r = api.raw("POST", "/volumes/create", {"Name": name})
    assert r.status in (400, 500) and "volume name" in r.message.lower(), r


@pytest.mark.parametrize("body, says", [({"Name": "vv", "Driver": "nonsense"}, "nonsense"),
                                        ({"Name": "vv", "DriverOpts": {"nonsense": "1"}}, "nonsense"),
                                        ({"Name": "vv", "DriverOpts": {"type": "tmpfs"}}, "device"),
                                        ({"Name": "vv", "DriverOpts": {"device": "/x", "o": "bind"}}, "")])
def test_bad_drivers_and_options_are_refused(api, box, body, says):
    r = api.raw("POST", "/volumes/create", body)
    if r.status == 201:
        id = box.create("true", host={"Binds": ["vv:/v"]})
        r = api.raw("POST", f"/containers/{id}/start")
    assert r.status >= 400 and says in r.message, r


def test_data_outlives_containers(box):
    box.sh("echo kept > /d/f", host={"Binds": ["keepvol:/d"]})
    assert box.run("cat", "/d/f", host={"Binds": ["keepvol:/d"]}).out == "kept\n"


def test_a_volume_in_use_cannot_be_removed(api, box):
    id = box.create(host={"Binds": ["inuse:/d"]})
    api.refused("DELETE", "/volumes/inuse", status=409, says=["volume is in use", id])
    r = api.raw("DELETE", "/volumes/inuse", force=1)
    assert r.status == 409


def test_removing_an_absent_one(api):
    api.refused("DELETE", "/volumes/absent-v", status=404, says="absent-v")
    assert api.raw("DELETE", "/volumes/absent-v", force=1).status == 204


def test_a_new_volume_gets_the_images_content_owner_and_mode(box):
    r = box.sh("ls /www; stat -c '%u %a' /home/web", host={"Binds": ["fresh:/www", "home:/home/web"]})
    assert r.out == "index.html\n1000 755\n"


def test_an_existing_volume_is_not_overwritten(box):
    box.sh("rm /www/index.html; echo mine > /www/mine", host={"Binds": ["used:/www"]})
    assert box.run("ls", "/www", host={"Binds": ["used:/www"]}).out == "mine\n"


@pytest.mark.parametrize("host", [{"Binds": ["nc:/www:nocopy"]},
                                  {"Mounts": [{"Type": "volume", "Source": "nc", "Target": "/www", "VolumeOptions": {"NoCopy": True}}]}])
def test_nocopy(box, host):
    assert box.run("ls", "/www", host=host).out == ""


def test_anonymous_volumes(api, box):
    id = box.create("true", Volumes={"/a": {}}, host={"Binds": ["/b"], "Mounts": [{"Type": "volume", "Target": "/c"}]})
    mounts = {m["Destination"]: m for m in box.inspect(id)["Mounts"]}
    assert {"/a", "/c"} <= set(mounts) and all(len(m["Name"]) == 64 for m in mounts.values())


def test_volumes_of_the_image(api, box):
    api.post("/images/create", tar_of({"bin/": "", "x/f": "from image"}), fromSrc="-", repo="withvol", tag="1", changes=("VOLUME /x", "CMD y"))
    m = box.inspect(box.create(image="withvol:1"))["Mounts"]
    assert [x["Destination"] for x in m] == ["/x"]


@pytest.mark.parametrize("spec, rw", [("ro", False), ("rw", True), ("z", True), ("ro,Z", False)])
def test_bind_modes(box, tmp_path, spec, rw):
    r = box.sh("touch /d/x && echo wrote", host={"Binds": [f"{tmp_path}:/d:{spec}"]})
    assert (r.out == "wrote\n") is rw
    assert box.inspect(r.id)["Mounts"][0]["RW"] is rw


def test_a_bind_source_is_made_by_binds_but_not_by_mounts(api, box, tmp_path):
    path = tmp_path / "made"
    box.run("true", host={"Binds": [f"{path}:/d"]})
    assert path.is_dir()
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Mounts": [{"Type": "bind", "Source": str(tmp_path / "no"), "Target": "/d"}]}})
    assert r.status == 400 and "does not exist" in r.message


def test_a_single_file_can_be_bound(box, tmp_path):
    (tmp_path / "f").write_text("file content")
    assert box.run("cat", "/etc/file", host={"Binds": [f"{tmp_path}/f:/etc/file:ro"]}).out == "file content"


def test_a_file_over_a_folder_is_refused(api, box, tmp_path):
    (tmp_path / "f").write_text("x")
    id = box.create("true", host={"Binds": [f"{tmp_path}/f:/www"]})
    r = api.raw("POST", f"/containers/{id}/start")
    assert r.status >= 400 and "/www" in r.message, r


@pytest.mark.parametrize("propagation", ["rprivate", "private", "rshared", "shared", "rslave", "slave"])
def test_propagation_is_as_asked(box, scratch, propagation):
    base = f"{scratch}/prop-{propagation}"
    os.makedirs(base, exist_ok=True)
    subprocess.run(f"mount --bind {base} {base} && mount --make-shared {base}", shell=True, check=True)
    try:
        id = box.up(host={"Mounts": [{"Type": "bind", "Source": base, "Target": "/d", "BindOptions": {"Propagation": propagation}}]})
        line = next(x for x in box.exec(id, "cat", "/proc/self/mountinfo").out.splitlines() if " /d " in x)
        fields = line.split(" - ")[0]
        assert ("shared:" in fields) == ("shared" in propagation)
        assert ("master:" in fields) == ("slave" in propagation)
        box.rm(id, force=1)
    finally:
        subprocess.run(["umount", "-l", base])


def test_volumes_from(box):
    box.up(name="giver", host={"Binds": ["given:/g"]}, Volumes={"/anon": {}})
    id = box.up(host={"VolumesFrom": ["giver"]})
    assert {m["Destination"] for m in box.inspect(id)["Mounts"]} == {"/g", "/anon"}
    r = box.sh("touch /g/x", host={"VolumesFrom": ["giver:ro"]})
    assert r.code != 0 and "read-only" in r.err.lower()


@pytest.mark.min_api(145)
def test_a_part_of_a_volume(box):
    box.sh("mkdir -p /d/sub/deep; echo part > /d/sub/f", host={"Binds": ["parts:/d"]})
    mount = {"Type": "volume", "Source": "parts", "Target": "/m", "VolumeOptions": {"Subpath": "sub"}}
    assert box.run("cat", "/m/f", host={"Mounts": [mount]}).out == "part\n"


@pytest.mark.min_api(145)
@pytest.mark.parametrize("sub", ["../..", "/etc", "absent", "link"])
def test_a_part_cannot_leave_the_volume(api, box, sub):
    box.sh("ln -s /etc /d/link", host={"Binds": ["parts2:/d"]})
    mount = {"Type": "volume", "Source": "parts2", "Target": "/m", "VolumeOptions": {"Subpath": sub}}
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["ls", "/m"], "HostConfig": {"Mounts": [mount]}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400, r


def test_local_driver_bind_option(api, box, tmp_path):
    (tmp_path / "f").write_text("through the driver")
    api.post("/volumes/create", {"Name": "bound", "DriverOpts": {"type": "none", "device": str(tmp_path), "o": "bind"}})
    assert box.run("cat", "/v/f", host={"Binds": ["bound:/v"]}).out == "through the driver"
    assert api.get("/volumes/bound")["Options"] == {"type": "none", "device": str(tmp_path), "o": "bind"}


def test_local_driver_tmpfs_option(api, box):
    api.post("/volumes/create", {"Name": "mem", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000"}})
    r = box.sh("df -k /v | awk 'NR==2{print $2}'; stat -c %u /v", host={"Binds": ["mem:/v"]})
    assert r.out == "1024\n1000\n"


def test_a_driver_volume_is_unmounted_after_its_last_user(api, box, tmp_path):
    v = api.post("/volumes/create", {"Name": "bound2", "DriverOpts": {"type": "none", "device": str(tmp_path), "o": "bind"}})
    a, b = box.up(host={"Binds": ["bound2:/v"]}), box.up(host={"Binds": ["bound2:/v"]})
    for id in (a, b):
        box.rm(id, force=1)
    with open("/proc/self/mounts") as f:
        assert v["Mountpoint"] not in f.read()


def test_an_nfs_volume_without_a_server_fails_at_start_and_blocks_nobody(api, box):
    api.post("/volumes/create", {"Name": "nfsv", "DriverOpts": {"type": "nfs", "device": ":/export", "o": "addr=192.0.2.1,soft,timeo=10"}})
    id = box.create("true", host={"Binds": ["nfsv:/v"]})
    r = api.raw("POST", f"/containers/{id}/start", timeout=60)
    assert r.status >= 400 and "nfsv" in r.message or "mount" in r.message.lower(), r
    assert api.get("/_ping") == b"OK"


def test_prune_takes_anonymous_ones_and_all_on_request(api, box):
    box.rm(box.create("true", Volumes={"/a": {}}))
    api.post("/volumes/create", {"Name": "named"})
    old = api.get("/version")["ApiVersion"] < "1.42"
    answer = api.post("/volumes/prune")
    assert len(answer["VolumesDeleted"]) == (2 if old else 1) and answer["SpaceReclaimed"] >= 0
    if not old:
        assert api.post("/volumes/prune", filters={"all": ["true"]})["VolumesDeleted"] == ["named"]


def test_filters(api, box):
    api.post("/volumes/create", {"Name": "fa", "Labels": {"l": "1"}})
    box.create(host={"Binds": ["fb:/x"]})

    def found(**filters):
        return {v["Name"] for v in api.get("/volumes", filters={k: [x] for k, x in filters.items()})["Volumes"] or []}
    assert found(dangling="true") == {"fa"} and found(dangling="false") == {"fb"} and found(name="fa") == {"fa"}
    assert found(label="l=1") == {"fa"} and found(driver="local") == {"fa", "fb"} and found(driver="x") == set()
    api.refused("GET", "/volumes", filters={"nonsense": ["1"]}, status=400, says="nonsense")


def test_mounts_in_inspect(box, tmp_path):
    id = box.create(host={"Binds": ["named:/n:ro", f"{tmp_path}:/b"], "Tmpfs": {"/t": ""}, "Mounts": [{"Type": "tmpfs", "Target": "/t2"}]})
    m = {x["Destination"]: x for x in box.inspect(id)["Mounts"]}
    assert m["/n"]["Type"] == "volume" and m["/n"]["Name"] == "named" and m["/n"]["Driver"] == "local" and m["/n"]["RW"] is False
    assert m["/b"]["Type"] == "bind" and m["/b"]["Source"] == str(tmp_path) and m["/b"]["Propagation"] == "rprivate"
    assert m["/t2"]["Type"] == "tmpfs" and "/t" not in m


def test_a_mount_inside_a_mount_works_in_any_order(box, tmp_path):
    r = box.sh("ls /a; ls /a/b", host={"Binds": ["inner:/a/b", f"{tmp_path}:/a"]})
    assert r.code == 0 and "b" in r.out


def test_a_hostile_bind_target_stays_inside(box, tmp_path):
    r = box.sh("ls -d /escape-e2e && pwd", host={"Binds": [f"{tmp_path}:/../../../escape-e2e"]})
    assert r.out.startswith("/escape-e2e") and not os.path.exists("/escape-e2e")


def test_b2_a_volume_with_a_planted_link_copies_nothing_out(api, box, tmp_path):
    """First-use copy into a volume whose content points outside must not follow it."""
    v = api.post("/volumes/create", {"Name": "planted"})
    api.post("/images/create", tar_of({"d/evil": "evil"}), fromSrc="-", repo="planting", tag="1", changes="CMD x")
    os.rmdir(v["Mountpoint"])
    os.symlink(str(tmp_path), v["Mountpoint"])
    id = box.create(image="planting:1", host={"Binds": ["planted:/d"]})
    api.raw("POST", f"/containers/{id}/start")
    escaped = os.path.exists(tmp_path / "evil")
    os.unlink(v["Mountpoint"])
    os.mkdir(v["Mountpoint"])
    assert not escaped or os.environ.get("E2E_DAEMON") == "dockerd"


@pytest.mark.min_api(144)
def test_read_only_recursive_binds(box, tmp_path):
    r = box.sh("touch /d/x", host={"Mounts": [{"Type": "bind", "Source": str(tmp_path), "Target": "/d", "ReadOnly": True,
                                               "BindOptions": {"NonRecursive": False}}]})
    assert r.code != 0


@pytest.mark.shoal_only("newer Docker does the same")
def test_create_mountpoint_option(box, tmp_path):
    path = tmp_path / "wanted"
    box.run("true", host={"Mounts": [{"Type": "bind", "Source": str(path), "Target": "/d", "BindOptions": {"CreateMountpoint": True}}]})
    assert path.is_dir()
