"""Copying files in and out of containers, running or not; export."""
import base64
import io
import json
import os
import tarfile

import pytest

from harness.images import add_file, add_special, tar_of


def get(api, id, path):
    r = api.raw("GET", f"/containers/{id}/archive", path=path)
    assert r.status == 200 and r.headers["content-type"] == "application/x-tar", r
    stat = json.loads(base64.b64decode(r.headers["x-docker-container-path-stat"]))
    return tarfile.open(fileobj=io.BytesIO(r.body)), stat


def put(api, id, path, files, **query):
    data = files if isinstance(files, bytes) else tar_of(files)
    return api.raw("PUT", f"/containers/{id}/archive", data, path=path, headers={"Content-Type": "application/x-tar"}, **query)


@pytest.fixture(params=["created", "running", "stopped"])
def id(request, box):
    id = box.create("sleep", "1000")
    if request.param != "created":
        box.start(id)
    if request.param == "stopped":
        box.api.post(f"/containers/{id}/kill")
        box.wait(id)
    return id


def test_a_file_comes_out(api, id):
    tar, stat = get(api, id, "/www/index.html")
    assert tar.getnames() == ["index.html"] and tar.extractfile("index.html").read() == b"hello from the image\n"
    assert stat["name"] == "index.html" and stat["size"] == 21 and stat["linkTarget"] == "" and stat["mtime"]
    assert stat["mode"] & 0o777 == 0o644


def test_a_folder_comes_out_with_its_name(api, id):
    tar, stat = get(api, id, "/www")
    assert {n.rstrip("/") for n in tar.getnames()} == {"www", "www/index.html"}
    assert stat["mode"] & (1 << 31)  # Go's bit for a folder


def test_the_content_of_a_folder_comes_out(api, id):
    tar, _ = get(api, id, "/www/.")
    assert {os.path.normpath(n) for n in tar.getnames()} <= {".", "index.html", "www", "www/index.html"}


def test_files_go_in(api, box, id):
    assert put(api, id, "/www", {"new.txt": "new", "sub/": "", "sub/x": "x"}).status == 200
    tar, _ = get(api, id, "/www/sub/x")
    assert tar.extractfile("x").read() == b"x"
    assert get(api, id, "/www/new.txt")[0].extractfile("new.txt").read() == b"new"


def test_a_running_one_sees_it_at_once(api, box):
    id = box.up()
    put(api, id, "/tmp", {"f": "content"})
    assert box.exec(id, "cat", "/tmp/f").out == "content"


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_compressed_archives_go_in(api, box, compression):
    id = box.create()
    assert put(api, id, "/tmp", tar_of({"f": "x"}, "w:" + compression)).status == 200
    assert get(api, id, "/tmp/f")[1]["size"] == 1


def test_head_gives_only_the_stat(api, id):
    r = api.raw("HEAD", f"/containers/{id}/archive", path="/bin/sh")
    assert r.status == 200 and r.body == b""
    stat = json.loads(base64.b64decode(r.headers["x-docker-container-path-stat"]))
    assert stat["name"] == "sh" and "busybox" in stat["linkTarget"]


def test_an_absent_path_is_404(api, id):
    api.refused("GET", f"/containers/{id}/archive", path="/absent", status=404, says="/absent")
    assert api.raw("HEAD", f"/containers/{id}/archive", path="/absent").status == 404
    assert put(api, id, "/absent", {"x": ""}).status == 404


def test_a_path_is_needed(api, id):
    api.refused("GET", f"/containers/{id}/archive", status=400, says="path")


def test_the_target_must_be_a_folder(api, id):
    r = put(api, id, "/www/index.html", {"x": ""})
    assert r.status in (400, 500) and "not a directory" in r.message, r


def test_a_folder_is_not_overwritten_by_a_file_when_asked(api, id):
    r = put(api, id, "/", {"www": "a file"}, noOverwriteDirNonDir=1)
    assert r.status in (400, 500) and "cannot overwrite" in r.message.lower(), r
    assert get(api, id, "/www/index.html")[1]["size"] == 21


def test_owners_and_modes_are_kept(api, box):
    id = box.up()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add_file(tar, "f", "x", mode=0o4750, uid=1000, gid=1001, mtime=1000000000)
    put(api, id, "/tmp", out.getvalue())
    assert box.exec(id, "stat", "-c", "%a %u %g %Y", "/tmp/f").out == "4750 1000 1001 1000000000\n"


def test_links_and_special_files_round_trip(api, box):
    id = box.up()
    box.exec_sh(id, "mkdir /d; echo x > /d/f; ln /d/f /d/hard; ln -s /etc/passwd /d/soft; mkfifo /d/pipe; mknod /d/null c 1 3")
    tar, _ = get(api, id, "/d")
    kinds = {m.name.rstrip("/"): m.type for m in tar.getmembers()}
    assert kinds["d/soft"] == tarfile.SYMTYPE and kinds["d/pipe"] == tarfile.FIFOTYPE and kinds["d/null"] == tarfile.CHRTYPE
    assert sorted((kinds["d/f"], kinds["d/hard"])) == [tarfile.REGTYPE, tarfile.LNKTYPE]


def test_a_link_is_followed_inside_the_container_only(api, box):
    id = box.up()
    box.exec_sh(id, "ln -s /etc /out; ln -s ../../../../../../etc/group /g")
    tar, _ = get(api, id, "/out/passwd")
    assert b"web:x:1000" in tar.extractfile("passwd").read()
    r = api.raw("HEAD", f"/containers/{id}/archive", path="/g")
    assert r.status == 200


def test_copying_goes_through_volumes_and_tmpfs(api, box):
    id = box.up(host={"Binds": ["cpvol:/v"], "Tmpfs": {"/t": ""}})
    put(api, id, "/v", {"f": "in the volume"})
    assert box.exec(id, "cat", "/v/f").out == "in the volume"
    assert get(api, id, "/v/f")[1]["size"] == 13


def test_copying_into_a_stopped_ones_volume(api, box):
    id = box.create("cat", "/v/f", host={"Binds": ["cpvol2:/v"]})
    assert put(api, id, "/v", {"f": "early"}).status == 200
    box.start(id)
    box.wait(id)
    assert box.logs(id)[0] == "early"


def test_a_read_only_volume_or_root_is_refused(api, box):
    ro = box.up(host={"Binds": ["cpro:/v:ro"]})
    r = put(api, ro, "/v", {"f": ""})
    assert r.status in (403, 400, 500) and "read-only" in r.message.lower().replace("readonly", "read-only"), r
    rootless = box.up(host={"ReadonlyRootfs": True})
    r = put(api, rootless, "/etc", {"f": ""})
    assert r.status in (403, 400, 500) and "read-only" in r.message.lower().replace("readonly", "read-only"), r


def test_b2_names_that_leave_the_root_do_not(api, box, tmp_path):
    id = box.create()
    evil = str(tmp_path / "evil")
    for name in ("../../../../../../../../.." + evil, evil):
        put(api, id, "/tmp", {name: "evil"})
    assert not os.path.exists(evil)


def test_b2_a_planted_link_is_not_followed_out(api, box, tmp_path):
    id = box.create()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add_special(tar, "link", tarfile.SYMTYPE, str(tmp_path))
        add_file(tar, "link/evil", "evil")
    put(api, id, "/tmp", out.getvalue())
    assert not os.path.exists(tmp_path / "evil")


def test_export_gives_the_whole_tree(api, id):
    tar = tarfile.open(fileobj=io.BytesIO(api.raw("GET", f"/containers/{id}/export").body))
    names = {n.rstrip("/") for n in tar.getnames()}
    assert {"bin/busybox", "www/index.html", "etc/passwd"} <= names and not any(n.startswith("/") for n in names)


def test_export_has_changes_but_no_mounts(api, box):
    id = box.up(host={"Binds": ["expv:/v"]})
    box.exec_sh(id, "echo x > /changed; rm /www/index.html; echo y > /v/inside")
    names = {n.rstrip("/") for n in tarfile.open(fileobj=io.BytesIO(api.raw("GET", f"/containers/{id}/export").body)).getnames()}
    assert "changed" in names and "www/index.html" not in names and "v/inside" not in names


def test_a_broken_archive_is_refused(api, box):
    id = box.create()
    r = put(api, id, "/tmp", b"this is no tar" * 100)
    assert r.status in (400, 500) and r.message, r


def test_large_files_stream(api, box):
    id = box.up()
    data = os.urandom(1 << 20) * 40
    assert put(api, id, "/tmp", {"big": data}).status == 200
    tar, stat = get(api, id, "/tmp/big")
    assert stat["size"] == len(data) and tar.extractfile("big").read() == data
