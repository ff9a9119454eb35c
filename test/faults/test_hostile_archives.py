"""Hostile tar layers by import, load and copy: nothing lands outside, memory and time are bounded, the daemon lives."""
import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
import time
import zlib

import pytest

from harness.box import Box
from harness.images import add_file, add_folder, add_special, tar_of

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")


def build(*steps, format=tarfile.GNU_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for step in steps:
            step(tar)
    return out.getvalue()


def f(name, data="evil", **kw):
    return lambda tar: add_file(tar, name, data, **kw)


def link(name, target):
    return lambda tar: add_special(tar, name, tarfile.SYMTYPE, target)


def hard(name, target):
    return lambda tar: add_special(tar, name, tarfile.LNKTYPE, target)


def cases(outside):
    """name -> archive; each would write to `outside` if it were believed."""
    up = "../" * 20 + outside.lstrip("/")
    return {
        "absolute": build(f(outside + "/evil")),
        "dots": build(f(up + "/evil")),
        "dots inside": build(f("a/b/../../" + up + "/evil")),
        "link then file": build(link("out", outside), f("out/evil")),
        "relative link then file": build(link("out", up), f("out/evil")),
        "chain of links": build(link("a", "b"), link("b", "c"), link("c", outside), f("a/evil")),
        "link replaced folder": build(lambda t: add_folder(t, "d"), link("d", outside), f("d/evil")),
        "hard link to outside": build(hard("h", outside + "/secret"), f("h", "overwritten")),
        "hard link by dots": build(hard("h", up + "/secret"), f("h", "overwritten")),
        "hard link through link": build(link("l", outside), hard("h", "l/secret"), f("h", "overwritten")),
        "link as parent of folder": build(link("l", outside), lambda t: add_folder(t, "l/made")),
        "whiteout of outside": build(link("l", outside), f("l/.wh.secret", "")),
        "opaque outside": build(link("l", outside), f("l/.wh..wh..opq", "")),
        "whiteout with dots": build(f(".wh...", "")),
        "whiteout of slash": build(f(".wh.", "")),
        "device outside": build(link("l", outside), lambda t: add_special(t, "l/dev", tarfile.CHRTYPE, devmajor=1, devminor=3)),
        "mode of outside": build(link("l", outside), lambda t: add_special(t, "l", tarfile.DIRTYPE, mode=0o777)),
        "pax path": build(f("innocent", pax_headers={"path": up + "/evil"}), format=tarfile.PAX_FORMAT),
        "pax linkpath": build(lambda t: add_special(t, "l", tarfile.SYMTYPE, "x", pax_headers={"linkpath": outside}), f("l/evil"), format=tarfile.PAX_FORMAT),
        "empty name": build(f("")),
        "dot": build(f(".")),
        "dot dot": build(f("..")),
        "newline": build(f("a\n" + up + "/evil")),
    }


NAMES = sorted(cases("/x"))


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    os.chmod(folder, 0o711)
    return str(folder)


def untouched(outside):
    assert sorted(os.listdir(outside)) == ["secret"]
    with open(outside + "/secret") as file:
        assert file.read() == "secret"
    assert os.stat(outside).st_mode & 0o777 == 0o711


def docker_archive(layer, **config):
    import hashlib
    body = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                       "history": [{"created_by": "x"}], **config}).encode()
    name = hashlib.sha256(body).hexdigest()
    return tar_of({name + ".json": body, "layer.tar": layer, "manifest.json": json.dumps([{"Config": name + ".json", "RepoTags": ["hostile:1"], "Layers": ["layer.tar"]}])})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["import", "load", "copy"])
def test_b3_nothing_lands_outside(api, box, outside, name, way):
    data = cases(outside)[name]
    if way == "import":
        r = api.raw("POST", "/images/create", data, fromSrc="-", repo="hostile", tag="1")
    elif way == "load":
        r = api.raw("POST", "/images/load", docker_archive(data))
    else:
        r = api.raw("PUT", f"/containers/{box.create()}/archive", data, path="/tmp")
    assert r.status < 600 and api.get("/_ping") == b"OK"
    untouched(outside)
    if way != "copy" and api.raw("GET", "/images/hostile:1/json").status == 200:
        id = box.create("x", image="hostile:1")
        exported = api.raw("GET", f"/containers/{id}/export")
        assert b"secret" not in exported.body or exported.status != 200 or b"secret\n" not in exported.body
        api.raw("POST", f"/containers/{id}/start")
        untouched(outside)


def bomb(mib):
    """A gzip stream of a tar with one file of zeros."""
    out = io.BytesIO()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    info = tarfile.TarInfo("zeros")
    info.size = mib << 20
    out.write(packer.compress(info.tobuf()))
    block = bytes(1 << 20)
    for _ in range(mib):
        out.write(packer.compress(block))
    out.write(packer.compress(bytes(1024)))
    out.write(packer.flush())
    return out.getvalue()


def test_b4_a_bomb_neither_fills_memory_nor_hangs(api, daemon, box):
    def memory():
        with open(f"/proc/{daemon.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024
    before, began = memory(), time.monotonic()
    r = api.raw("POST", "/images/create", bomb(2048), fromSrc="-", repo="bomb", tag="1", timeout=120)
    assert time.monotonic() - began < 90 and memory() - before < 96 << 20
    assert r.status < 600 and api.get("/_ping") == b"OK"


def packed_zeros(kind):
    """A tar of one file of 2 GiB of zeros, in a few hundred KiB or less."""
    def parts():
        info = tarfile.TarInfo("zeros")
        info.size = 2 << 30
        yield info.tobuf()
        for _ in range(2048):
            yield bytes(1 << 20)
        yield bytes(1024)
    if kind == "zstd":
        p = subprocess.Popen(["zstd", "-q", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        import threading
        writer = threading.Thread(target=lambda: (p.stdin.writelines(parts()), p.stdin.close()))
        writer.start()
        data = p.stdout.read()
        writer.join()
        assert p.wait() == 0
        return data
    packer = bz2.BZ2Compressor() if kind == "bzip2" else lzma.LZMACompressor(preset=0)
    return b"".join(packer.compress(part) for part in parts()) + packer.flush()


@pytest.mark.parametrize("kind", ["bzip2", "xz", "zstd"])
def test_b4_a_bomb_of_every_packer_neither_fills_memory_nor_hangs(api, daemon, kind):
    data = packed_zeros(kind)
    began = time.monotonic()
    r = api.raw("POST", "/images/create", data, fromSrc="-", repo="bomb", tag=kind, timeout=120)
    with open(f"/proc/{daemon.pid}/status") as file:
        memory = next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) << 10
    assert time.monotonic() - began < 90 and memory < 256 << 20 and r.status < 600 and api.get("/_ping") == b"OK"


def test_b4_a_window_larger_than_the_limit_is_refused(api):
    """zstd lets the sender choose how much memory the receiver keeps: 2 GiB here."""
    data = subprocess.run(["zstd", "-q", "-c", "--ultra", "-22", "--long=31", "--no-check"], input=tar_of({"f": os.urandom(1 << 20)}), capture_output=True).stdout
    r = api.raw("POST", "/images/create", data, fromSrc="-", repo="window", tag="1")
    assert r.status < 600 and api.get("/_ping") == b"OK"


def test_b4_gzip_within_gzip_is_not_unpacked_for_ever(api):
    data = tar_of({"f": "x"})
    for _ in range(20):
        data = gzip.compress(data)
    r = api.raw("POST", "/images/create", data, fromSrc="-", repo="nested", tag="1")
    assert r.status < 600 and api.get("/_ping") == b"OK"


@pytest.mark.parametrize("name, data", [
    ("a huge size", b"big" + bytes(97) + b"0000644\0" + b"0000000\0" * 2 + b"77777777777\0" + b"00000000000\0" + b"        0" + bytes(355)),
    ("cut short", tar_of({"f": "x" * 10000})[:3000]), ("cut in a header", tar_of({"f": "x" * 10000})[:300]), ("only zeros", bytes(10240)), ("empty", b""),
    ("cut gzip", gzip.compress(tar_of({"f": os.urandom(100000)}))[:5000]), ("wrong checksum", bytes(300) + b"x" * 212 + bytes(512)), ("noise", os.urandom(100000)),
    ("noise in gzip", gzip.compress(os.urandom(100000))), ("xz header", b"\xfd7zXZ\0" + os.urandom(1000)), ("zstd header", b"\x28\xb5\x2f\xfd" + os.urandom(1000)),
    ("bzip2 header", b"BZh9" + os.urandom(1000)),
], ids=lambda v: v.replace(" ", "-") if isinstance(v, str) else "")
def test_b3_broken_archives_are_errors_and_leave_nothing(api, box, daemon, name, data):
    for path, query in (("/images/create", {"fromSrc": "-", "repo": "broken", "tag": "1"}), ("/images/load", {})):
        r = api.raw("POST", path, data, **query)
        assert r.status < 600
    r = api.raw("PUT", f"/containers/{box.create()}/archive", data, path="/tmp")
    assert r.status < 600
    if name not in ("only zeros", "empty"):
        assert api.raw("GET", "/images/broken:1/json").status == 404
    leftover = daemon.data + "/tmp"
    assert not os.path.isdir(leftover) or os.listdir(leftover) == []


@pytest.mark.parametrize("what", ["many entries", "deep folders", "long name", "long link", "duplicates", "file over folder", "folder over file", "sparse"])
def test_b3_odd_but_legal_archives(api, box, what, tmp_path):
    if what == "sparse":
        path = tmp_path / "sparse"
        with open(path, "wb") as file:
            file.truncate(1 << 30)
            file.seek(500 << 20)
            file.write(b"middle")
        data = subprocess.run(["tar", "-C", tmp_path, "-S", "-c", "sparse"], capture_output=True, check=True).stdout
    else:
        data = {
            "many entries": lambda: build(*[f(f"d{i % 100}/f{i}", "") for i in range(20000)]),
            "deep folders": lambda: build(f("/".join(["d"] * 400) + "/f")),
            "long name": lambda: build(f("n" * 255)),
            "long link": lambda: build(link("l", "x" * 4000)),
            "duplicates": lambda: build(f("same", "first"), f("same", "second")),
            "file over folder": lambda: build(lambda t: add_folder(t, "x"), f("x/inner"), f("x", "file")),
            "folder over file": lambda: build(f("x", "file"), f("x/inner", "inner")),
        }[what]()
    r = api.raw("POST", "/images/create", data, fromSrc="-", repo="odd", tag="1", timeout=120)
    assert r.status < 600 and api.get("/_ping") == b"OK"
    if what == "duplicates":
        id = box.create("x", image="odd:1")
        got = tarfile.open(fileobj=io.BytesIO(api.raw("GET", f"/containers/{id}/archive", path="/same").body))
        assert got.extractfile("same").read() == b"second"
    if what == "sparse":
        assert api.get("/images/odd:1/json")["Size"] >= 0
        used = subprocess.run(["du", "-sm", os.path.dirname(api.socket_path) + "/data"], capture_output=True, text=True).stdout.split()[0]
        assert int(used) < 700


def test_b5_a_layer_that_is_not_what_its_digest_says_is_refused(api):
    import hashlib
    layer, other = tar_of({"f": "real"}), tar_of({"f": "fake"})
    body = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    name = hashlib.sha256(body).hexdigest()
    data = tar_of({name + ".json": body, "l.tar": other, "manifest.json": json.dumps([{"Config": name + ".json", "RepoTags": ["fake:1"], "Layers": ["l.tar"]}])})
    r = api.raw("POST", "/images/load", data)
    assert r.status >= 400 or "error" in r.json_stream()[-1], r
    api.refused("GET", "/images/fake:1/json", status=404)


def test_b5_a_config_that_is_not_what_its_name_says_never_takes_that_name(api):
    layer = tar_of({"f": "x"})
    import hashlib
    body = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    data = tar_of({"0" * 64 + ".json": body, "l.tar": layer, "manifest.json": json.dumps([{"Config": "0" * 64 + ".json", "RepoTags": ["fake:1"], "Layers": ["l.tar"]}])})
    api.raw("POST", "/images/load", data)
    assert api.raw("GET", "/images/sha256:" + "0" * 64 + "/json").status == 404


@pytest.mark.parametrize("manifest", ["[]", "{}", "null", "[null]", '[{"Config":"../../../etc/passwd","Layers":[]}]', '[{"Config":"/etc/passwd","Layers":["/etc/shadow"]}]',
                                      '[{"Config":"c.json","Layers":["l.tar"],"RepoTags":["../../evil"]}]', "[" * 10000, '[{"Config":1}]', '{"a":1}' * 3])
def test_b3_hostile_manifests(api, manifest):
    layer = tar_of({"f": "x"})
    r = api.raw("POST", "/images/load", tar_of({"manifest.json": manifest, "c.json": "{}", "l.tar": layer}))
    assert r.status >= 400 or "error" in r.body.decode() or r.body.strip() in (b"", b"{}"), r
    assert [i["RepoTags"] for i in api.get("/images/json")] == [["busybox:latest"]]


def test_b3_links_among_the_members_of_a_saved_archive(api, outside):
    """manifest.json or a layer of a docker archive being a link to a file of the host."""
    for member in ("manifest.json", "l.tar"):
        data = build(link(member, outside + "/secret"), f("c.json", "{}"))
        r = api.raw("POST", "/images/load", data)
        assert r.status >= 400 or "error" in r.body.decode(), r
    untouched(outside)


def test_b1_no_program_of_a_container_is_run_for_a_copy(api, box):
    """A container whose tar, gzip and shell are traps: copying and exporting must not run them."""
    id = box.up()
    box.exec_sh(id, "for p in tar gzip xz unpigz zstd cp mount; do rm -f /bin/$p; printf '#!/bin/sh\\ntouch /trapped\\n' > /bin/$p; chmod 755 /bin/$p; done")
    api.raw("PUT", f"/containers/{id}/archive", gzip.compress(tar_of({"f": "x"})), path="/tmp")
    api.raw("GET", f"/containers/{id}/archive", path="/tmp")
    api.raw("GET", f"/containers/{id}/export")
    assert box.exec(id, "ls", "/trapped").code != 0


def test_a_fresh_daemon_after_all_that_is_as_new(fresh):
    assert Box(fresh().api).run("echo", "x").out == "x\n"
