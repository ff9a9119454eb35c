"""Images: list, inspect, history, tag, remove, prune, import, commit."""
import io
import json
import tarfile

import pytest

from harness.images import add_file, add_special, tar_of


def import_tar(api, data, **query):
    r = api.raw("POST", "/images/create", data, fromSrc="-", headers={"Content-Type": "application/x-tar"}, **query)
    assert r.status == 200, r
    return r.json_stream()[-1]["status"]


def test_list_entries_have_the_documented_members(api):
    (i,) = api.get("/images/json")
    for key in ("Id", "ParentId", "RepoTags", "RepoDigests", "Created", "Size", "SharedSize", "Labels", "Containers"):
        assert key in i, key
    assert i["RepoTags"] == ["busybox:latest"] and i["Id"].startswith("sha256:") and i["Size"] > 1_000_000
    assert i["SharedSize"] == -1 and i["Containers"] == -1


def test_inspect_has_the_documented_members(api):
    i = api.get("/images/busybox/json")
    for key in ("Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config",
                "Architecture", "Os", "Size", "GraphDriver", "RootFS", "Metadata"):
        assert key in i, key
    assert i["Os"] == "linux" and i["Architecture"] == "amd64" and i["RootFS"]["Type"] == "layers"
    assert len(i["RootFS"]["Layers"]) == 1 and i["Config"]["Cmd"] == ["sh"]


def test_container_config_is_there_for_compose_v1(api):
    assert "ContainerConfig" in api.get("/v1.41/images/busybox/json")


def test_an_absent_image_is_404(api):
    for method, path in (("GET", "/images/absent-i/json"), ("GET", "/images/absent-i/history"), ("DELETE", "/images/absent-i"),
                         ("POST", "/images/absent-i/tag?repo=x"), ("POST", "/images/absent-i/push")):
        r = api.raw(method, path, headers={"X-Registry-Auth": "e30="})
        assert r.status == 404 or method == "POST" and "does not exist" in r.body.decode(), (path, r)
        assert "absent-i" in r.body.decode()


@pytest.mark.parametrize("ref", ["UPPER", "a//b", "-a", "a:", "a@sha256:short", "a" * 300, "a:" + "t" * 200, "a b"])
def test_a_broken_reference_is_400(api, ref):
    r = api.raw("POST", "/images/busybox/tag", repo=ref)
    assert r.status in (400, 500) and r.message, r


def test_tags_with_slashes_ports_and_digests(api):
    for repo, tag in (("a/b/c", "1"), ("reg.test:5000/x", "v1.2-3_4"), ("localhost/x", "")):
        assert api.raw("POST", "/images/busybox/tag", repo=repo, tag=tag).status == 201
    tags = set(api.get("/images/busybox/json")["RepoTags"])
    assert {"a/b/c:1", "reg.test:5000/x:v1.2-3_4", "localhost/x:latest"} <= tags
    assert api.get("/images/reg.test:5000/x:v1.2-3_4/json")["Id"] == api.get("/images/busybox/json")["Id"]
    assert api.get("/images/docker.io/library/busybox/json")["Id"]


def test_a_tag_moves(api):
    import_tar(api, tar_of({"f": "1"}), repo="moving", tag="1")
    first = api.get("/images/moving:1/json")["Id"]
    api.post("/images/busybox/tag", repo="moving", tag="1")
    assert api.get("/images/moving:1/json")["Id"] != first
    assert api.get(f"/images/{first}/json")["RepoTags"] == []


def test_history_tells_the_steps(api, box):
    api.post("/commit", {"Cmd": ["x"]}, container=box.sh("echo a > /a").id, repo="hist", tag="1", comment="why", author="me")
    h = api.get("/images/hist:1/history")
    assert len(h) == 2 and h[0]["Comment"] == "why" and h[0]["Tags"] == ["hist:1"] and h[0]["Size"] > 0
    assert {"Id", "Created", "CreatedBy", "Tags", "Size", "Comment"} == set(h[0])
    assert "Imported from -" in h[1]["Comment"]


def test_removing_a_tag_untags_and_the_last_one_deletes(api):
    import_tar(api, tar_of({"f": "unique content 1"}), repo="gone", tag="1")
    api.post("/images/gone:1/tag", repo="gone", tag="2")
    assert api.delete("/images/gone:2") == [{"Untagged": "gone:2"}]
    answer = api.delete("/images/gone:1")
    assert {"Untagged": "gone:1"} in answer and any("Deleted" in x for x in answer)
    api.refused("GET", "/images/gone:1/json", status=404)


def test_an_image_in_use_is_kept(api, box):
    import_tar(api, tar_of({"x": "1"}), repo="used", tag="1", changes="CMD x")
    id = box.create(image="used:1")
    api.refused("DELETE", "/images/used:1", status=409, says=["conflict", "container " + id[:12], "is using"])
    assert {"Untagged": "used:1"} in api.delete("/images/used:1", force=1)
    assert box.inspect(id)["Config"]["Image"] == "used:1"


def test_an_image_of_a_running_container_is_never_deleted(api, box):
    box.up()
    image = api.get("/images/busybox/json")["Id"]
    api.refused("DELETE", f"/images/{image}", status=409, force=1, says="running container")


def test_removing_by_id_with_several_tags_needs_force(api):
    import_tar(api, tar_of({"f": "unique 2"}), repo="multi", tag="1")
    api.post("/images/multi:1/tag", repo="other", tag="1")
    image = api.get("/images/multi:1/json")["Id"]
    api.refused("DELETE", f"/images/{image}", status=409, says="must be forced")
    assert any("Deleted" in x for x in api.delete(f"/images/{image}", force=1))


def test_an_image_with_children_is_kept(api, box):
    import_tar(api, tar_of({"bin/x": "1"}), repo="parent", tag="1", changes="CMD x")
    parent = api.get("/images/parent:1/json")["Id"]
    api.post("/commit", {}, container=box.create(image="parent:1"), repo="child", tag="1")
    for c in api.get("/containers/json", all=1):
        box.rm(c["Id"])
    assert api.get("/images/child:1/json")["Parent"] == parent
    assert api.delete("/images/parent:1") == [{"Untagged": "parent:1"}]
    api.refused("DELETE", f"/images/{parent}", status=409, says="dependent child")
    assert any(x.get("Deleted") == parent for x in api.delete("/images/child:1"))


def test_prune_takes_dangling_ones_only(api):
    import_tar(api, tar_of({"f": "dangling content " * 1000}))
    import_tar(api, tar_of({"g": "kept"}), repo="kept", tag="1")
    answer = api.post("/images/prune")
    assert len([x for x in answer["ImagesDeleted"] if "Deleted" in x]) >= 1 and answer["SpaceReclaimed"] > 0
    assert api.get("/images/kept:1/json")
    assert any(x.get("Untagged") == "kept:1" for x in api.post("/images/prune", filters={"dangling": ["false"]})["ImagesDeleted"])
    assert not [i for i in api.get("/images/json") if i["RepoTags"] == ["kept:1"]]


def test_prune_all_keeps_what_containers_use(api, box):
    box.create()
    api.post("/images/prune", filters={"dangling": ["false"]})
    assert api.get("/images/busybox/json")


@pytest.mark.parametrize("filters, expected", [
    ({"reference": ["filt*"]}, {"filter:1", "filter:2"}),
    ({"reference": ["filter:2"]}, {"filter:2"}),
    ({"label": ["l"]}, {"filter:1"}), ({"label": ["l=v"]}, {"filter:1"}), ({"label": ["l=other"]}, set()),
    ({"before": ["filter:2"], "reference": ["filter"]}, {"filter:1"}), ({"since": ["filter:1"]}, {"filter:2"}),
    ({"dangling": ["false"], "reference": ["filter:1"]}, {"filter:1"}),
    ({"dangling": ["true"]}, {None}),
])
def test_list_filters(api, filters, expected):
    import time
    import_tar(api, tar_of({"f": "1"}), repo="filter", tag="1", changes='LABEL l=v')
    time.sleep(1.05)  # creation times compare in whole seconds
    import_tar(api, tar_of({"f": "2"}), repo="filter", tag="2")
    import_tar(api, tar_of({"f": "3"}))
    found = set()
    for i in api.get("/images/json", filters=filters):
        found |= {None if t == "<none>:<none>" else t for t in (i["RepoTags"] or [None])}
    assert expected <= found and not (found - expected) & {"filter:1", "filter:2"}, found


def test_a_wrong_filter_is_400(api):
    api.refused("GET", "/images/json", filters={"nonsense": ["1"]}, status=400, says="nonsense")
    api.refused("GET", "/images/json", filters={"dangling": ["perhaps"]}, status=400, says="perhaps")


# ---- import ----

@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_import_takes_compressed_archives(api, compression):
    digest = import_tar(api, tar_of({"file": "x"}, "w:" + compression), repo="imp", tag=compression or "plain")
    assert digest.startswith("sha256:") and api.get(f"/images/{digest}/json")["RootFS"]["Layers"]


@pytest.mark.min_api(142)
def test_import_takes_zstd(api):
    import subprocess
    data = subprocess.run(["zstd", "-q"], input=tar_of({"file": "x"}), capture_output=True, check=True).stdout
    assert import_tar(api, data, repo="imp", tag="zst").startswith("sha256:")


def test_import_changes_and_message(api):
    r = api.raw("POST", "/images/create", tar_of({"f": "x"}), fromSrc="-", repo="chg", tag="1", message="the reason",
                changes=("ENV A=1", 'ENTRYPOINT ["/e"]', "EXPOSE 80/tcp", "USER web", "WORKDIR /w", "LABEL a=b", "VOLUME /v",
                         "CMD x y", "HEALTHCHECK --interval=2s CMD true"))
    assert r.status == 200, r
    i = api.get("/images/chg:1/json")
    c = i["Config"]
    assert i["Comment"] == "the reason" and "A=1" in c["Env"] and c["Entrypoint"] == ["/e"] and c["Cmd"] == ["/bin/sh", "-c", "x y"]
    assert "80/tcp" in c["ExposedPorts"] and c["User"] == "web" and c["WorkingDir"] == "/w" and c["Labels"] == {"a": "b"}
    assert "/v" in c["Volumes"] and c["Healthcheck"]["Interval"] == 2 * 10 ** 9


def test_import_of_a_wrong_change_is_refused(api):
    r = api.raw("POST", "/images/create", tar_of({"f": "x"}), fromSrc="-", repo="chg", tag="2", changes="RUN x")
    assert r.status in (400, 500) and "run" in r.message.lower(), r


def test_import_of_garbage_is_refused(api):
    r = api.raw("POST", "/images/create", b"garbage" * 1000, fromSrc="-", repo="bad", tag="1")
    assert r.status >= 400 or "error" in r.json_stream()[-1], r
    api.refused("GET", "/images/bad:1/json", status=404)


def test_import_from_a_url_in_the_namespace(api):
    import http.server
    import threading

    class Serve(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = tar_of({"f": "by http"})
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Serve) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        r = api.raw("POST", "/images/create", fromSrc=f"http://127.0.0.1:{s.server_port}/x.tar", repo="byurl", tag="1")
        s.shutdown()
    assert r.status == 200 and "error" not in r.json_stream()[-1], r
    assert api.get("/images/byurl:1/json")


class Serving:
    """A web server of a few answers; used as `with Serving(...) as base`."""

    def __init__(self, answers):
        import http.server

        class Serve(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, body = answers.get(self.path, (404, {}, b"nothing here"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serve)

    def __enter__(self):
        import threading
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_import_from_a_url_follows_redirects_and_says_where_from(api):
    answers = {"/x.tar": (200, {}, tar_of({"f": "there"})), "/moved": (302, {"Location": "x.tar"}, b"")}
    with Serving(answers) as base:
        r = api.raw("POST", "/images/create", fromSrc=base + "/moved", repo="byurl", tag="2")
    assert r.status == 200 and r.json_stream()[0]["status"] == f"Downloading from {base}/moved", r
    assert base in api.get("/images/byurl:2/history")[0]["Comment"]


@pytest.mark.parametrize("what", ["absent", "round", "cut", "refused", "nonsense", "ftp"])
def test_import_from_a_url_that_fails_names_it_and_leaves_nothing(api, what):
    data = tar_of({"f": "x" * 100000})
    answers = {"/round": (302, {"Location": "/round"}, b""), "/cut": (200, {}, data[:50000])}
    with Serving(answers) as base:
        source = {"refused": "http://127.0.0.1:1/x", "nonsense": "http://", "ftp": "ftp://127.0.0.1/x"}.get(what, f"{base}/{what}")
        r = api.raw("POST", "/images/create", fromSrc=source, repo="byurl", tag="3", timeout=90)
    assert r.status >= 400 or "error" in r.json_stream()[-1], r
    api.refused("GET", "/images/byurl:3/json", status=404)


# ---- bootstrap ----

def write_repository(folder):
    """A signed-by-nobody package repository with one package, of suite "e2e"."""
    import hashlib
    import subprocess
    package = folder / "hello"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "usr/sbin").mkdir(parents=True)
    (package / "bin").mkdir()
    (package / "etc").mkdir()
    (package / "DEBIAN/control").write_text("Package: hello-e2e\nVersion: 1\nArchitecture: all\nMaintainer: e2e\nEssential: yes\nDescription: x\n")
    (package / "etc/hello").write_text("from a package\n")
    subprocess.run(["cp", "/bin/busybox", package / "bin/busybox"], check=True)
    (package / "bin/cat").symlink_to("busybox")
    (package / "bin/sh").symlink_to("busybox")
    pool = folder / "repo/pool"
    index = folder / "repo/dists/e2e/main/binary-amd64"
    pool.mkdir(parents=True)
    index.mkdir(parents=True)
    deb = pool / "hello-e2e_1_all.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", "--root-owner-group", package, deb], check=True, capture_output=True)
    data = deb.read_bytes()
    control = (package / "DEBIAN/control").read_text()
    (index / "Packages").write_text(f"{control}Filename: pool/{deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n")
    listed = (index / "Packages").read_bytes()
    (folder / "repo/dists/e2e/Release").write_text(
        "Suite: e2e\nCodename: e2e\nArchitectures: amd64\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-amd64/Packages\n")


@pytest.fixture
def repository(tmp_path):
    """The machine's package sources name a repository in a folder: what a closed network has."""
    import shutil
    import subprocess
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not on this machine")
    write_repository(tmp_path)
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "e2e.list").write_text(f"deb [trusted=yes] copy:{tmp_path}/repo e2e main\n")
    subprocess.run(["chmod", "755", tmp_path, tmp_path.parent, tmp_path.parent.parent], check=True)
    subprocess.run(["mount", "--bind", sources, "/etc/apt/sources.list.d"], check=True)
    yield
    subprocess.run(["umount", "-l", "/etc/apt/sources.list.d"], check=True)


@pytest.mark.shoal_only("an operation of Shoal's own")
def test_bootstrap_makes_an_image_from_the_machines_own_sources(fresh, repository):
    from harness.box import Box
    d = fresh(image=False)
    r = d.api.raw("POST", "/images/bootstrap", ref="closed/net:e2e", variant="extract", include="hello-e2e", timeout=300)
    assert r.status == 200 and r.json_stream()[-1].get("stream") == "Loaded image: closed/net:e2e\n", r.body[-2000:]
    box = Box(d.api)
    assert box.run("cat", "/etc/hello", image="closed/net:e2e").out == "from a package\n"
    assert "copy:" in box.sh("cat /etc/apt/sources.list.d/*", image="closed/net:e2e").out
    import os
    assert os.listdir(d.data + "/tmp") == []


@pytest.mark.shoal_only("an operation of Shoal's own")
@pytest.mark.parametrize("query, says", [({"ref": "x:nosuchsuite"}, "nosuchsuite"), ({"ref": "UPPER:e2e"}, "UPPER"), ({"ref": ""}, ""),
                                         ({"ref": "x:e2e", "include": "-o=x"}, "-o=x"), ({"ref": "x:e2e", "variant": "a b"}, "a b"),
                                         ({"ref": "x:e2e", "variant": "extract", "include": "absent-package"}, "")])
def test_a_bootstrap_that_cannot_be_is_refused_and_leaves_nothing(fresh, repository, query, says):
    import os
    d = fresh(image=False)
    r = d.api.raw("POST", "/images/bootstrap", **query, timeout=300)
    text = r.body.decode()
    assert (r.status >= 400 or "errorDetail" in text) and says in text, r
    assert d.api.get("/images/json", all=1) == [] and os.listdir(d.data + "/tmp") == []


# ---- what stays on disk ----

@pytest.mark.shoal_only("the places are Shoal's own")
def test_nothing_of_removed_images_stays_on_disk(fresh):
    import os
    from harness.box import Box
    d = fresh()
    api, box = d.api, Box(d.api)
    api.post("/commit", {}, container=box.sh("echo x > /x; rm /www/index.html").id, repo="chain", tag="1")
    data = save(api, "chain:1")
    api.post("/commit", {"Cmd": ["true"]}, container=box.run("true", image="chain:1").id, repo="chain", tag="2")
    for c in api.get("/containers/json", all=1):
        box.rm(c["Id"], v=1)
    for i in api.get("/images/json", all=1):
        api.delete(f"/images/{i['Id']}", force=1)
    load(api, data)
    api.delete("/images/chain:1", force=1)
    left = [os.path.join(top, f) for top, folders, files in os.walk(d.data) for f in files + folders]
    left = [x[len(d.data):] for x in left if x[len(d.data):].count("/") > 1]
    # The base lies below every container: mount points that no image has.
    assert [x for x in left if x not in ("/blobs/sha256", "/blobs/sha512") and not x.startswith("/layers/base")] == []


# ---- commit ----

def test_commit_keeps_the_changes_and_the_config(api, box):
    id = box.create("sh", "-c", "echo made > /made; rm /www/index.html", Env=["KEPT=1"], Labels={"kept": "1"}, WorkingDir="/tmp")
    box.start(id)
    box.wait(id)
    answer = api.post("/commit", {}, container=id, repo="comm", tag="1", comment="c", author="a",
                      changes=('CMD ["cat","/made"]', "ENV MORE=2"))
    i = api.get("/images/comm:1/json")
    assert i["Id"] == answer["Id"] and i["Author"] == "a" and i["Comment"] == "c"
    assert {"KEPT=1", "MORE=2"} <= set(i["Config"]["Env"]) and i["Config"]["WorkingDir"] == "/tmp" and i["Config"]["Labels"]["kept"] == "1"
    assert len(i["RootFS"]["Layers"]) == 2
    assert box.run(image="comm:1").out == "made\n"
    assert box.run("ls", "/www", image="comm:1").out == ""


def test_commit_of_a_running_one_pauses_it_and_goes_on(api, box):
    id = box.up()
    box.exec_sh(id, "echo x > /x")
    api.post("/commit", {}, container=id, repo="comm", tag="2", pause=1)
    assert box.state(id)["Status"] == "running"
    assert box.run("cat", "/x", image="comm:2").out == "x\n"


def test_commit_without_a_name_is_dangling(api, box):
    digest = api.post("/commit", {}, container=box.create())["Id"]
    assert api.get(f"/images/{digest}/json")["RepoTags"] == []


def test_commit_of_an_absent_container_is_404(api):
    api.refused("POST", "/commit", {}, container="absent-c", status=404, says="absent-c")


def test_layers_are_shared_and_deleted_files_stay_deleted(api, box):
    first = box.sh("echo 1 > /one; mkdir /dir; echo a > /dir/a").id
    api.post("/commit", {"Cmd": ["true"]}, container=first, repo="chain", tag="1")
    second = box.run("sh", "-c", "rm -r /dir; mkdir /dir; echo b > /dir/b; rm /one", image="chain:1").id
    api.post("/commit", {"Cmd": ["true"]}, container=second, repo="chain", tag="2")
    assert box.run("sh", "-c", "ls /dir; ls / | grep -c one", image="chain:2").out == "b\n0\n"
    assert box.run("sh", "-c", "ls /dir; ls / | grep -c one", image="chain:1").out == "a\n1\n"
    one, two = api.get("/images/chain:1/json")["RootFS"]["Layers"], api.get("/images/chain:2/json")["RootFS"]["Layers"]
    assert two[:2] == one


# ---- load and save ----

def save(api, *names):
    r = api.raw("GET", "/images/get", names=tuple(names)) if len(names) > 1 else api.raw("GET", f"/images/{names[0]}/get")
    assert r.status == 200 and r.headers["content-type"] == "application/x-tar", r
    return r.body


def load(api, data, **query):
    r = api.raw("POST", "/images/load", data, headers={"Content-Type": "application/x-tar"}, **query)
    assert r.status == 200, r
    return "".join(x.get("stream", "") for x in r.json_stream())


def remove_all_images(api):
    for i in api.get("/images/json"):
        api.delete(f"/images/{i['Id']}", force=1)


def test_save_and_load_round_trip(api, box):
    api.post("/commit", {}, container=box.sh("echo x > /x").id, repo="rt", tag="1", changes='CMD ["cat","/x"]')
    box.rm(box.api.get("/containers/json", all=1)[0]["Id"])
    before = api.get("/images/rt:1/json")
    data = save(api, "rt:1")
    names = tarfile.open(fileobj=io.BytesIO(data)).getnames()
    assert "manifest.json" in names and "repositories" in names
    manifest = json.load(tarfile.open(fileobj=io.BytesIO(data)).extractfile("manifest.json"))
    assert manifest[0]["RepoTags"] == ["rt:1"] and len(manifest[0]["Layers"]) == 2
    api.delete("/images/rt:1")
    assert "Loaded image: rt:1" in load(api, data)
    after = api.get("/images/rt:1/json")
    assert after["Id"] == before["Id"] and after["RootFS"] == before["RootFS"] and after["Config"] == before["Config"]
    assert box.run(image="rt:1").out == "x\n"


def test_several_images_in_one_archive(api):
    for n in "12":
        import_tar(api, tar_of({"f": n}), repo="sev", tag=n)
    data = save(api, "sev:1", "sev:2")
    for n in "12":
        api.delete(f"/images/sev:{n}")
    text = load(api, data)
    assert "Loaded image: sev:1" in text and "Loaded image: sev:2" in text
    assert api.get("/images/sev:1/json") and api.get("/images/sev:2/json")


def test_saving_a_repository_takes_all_its_tags(api):
    for n in "12":
        import_tar(api, tar_of({"f": n}), repo="alltags", tag=n)
    manifest = json.load(tarfile.open(fileobj=io.BytesIO(save(api, "alltags"))).extractfile("manifest.json"))
    assert {t for m in manifest for t in m["RepoTags"]} == {"alltags:1", "alltags:2"} or \
        [m["RepoTags"] for m in manifest] == [["alltags:latest"]]


def test_an_untagged_image_round_trips_by_id(api):
    digest = import_tar(api, tar_of({"f": "untagged"}))
    data = save(api, digest)
    api.delete(f"/images/{digest}")
    assert f"Loaded image ID: {digest}" in load(api, data)
    assert api.get(f"/images/{digest}/json")["RepoTags"] == []


@pytest.mark.parametrize("program", ["gzip", "zstd", "xz", "bzip2"])
def test_compressed_archives_load(api, program):
    import subprocess
    import_tar(api, tar_of({"f": program}), repo="comp", tag="1")
    data = subprocess.run([program, "-c"], input=save(api, "comp:1"), capture_output=True, check=True).stdout
    api.delete("/images/comp:1")
    if program == "zstd" and api.get("/version")["ApiVersion"] < "1.42":
        pytest.skip("zstd came later")
    assert "Loaded image: comp:1" in load(api, data)


def test_quiet_load_gives_only_the_result(api):
    import_tar(api, tar_of({"f": "q"}), repo="quiet", tag="1")
    data = save(api, "quiet:1")
    r = api.raw("POST", "/images/load", data, quiet=1)
    assert r.status == 200 and all("stream" in x for x in r.json_stream())


def test_save_of_an_absent_image_is_404(api):
    assert api.raw("GET", "/images/absent-i/get").status == 404


def test_load_of_garbage_is_refused(api):
    for data in (b"", b"garbage" * 1000, tar_of({"no-manifest": "x"}), tar_of({"manifest.json": "{"}),
                 tar_of({"manifest.json": '[{"Config":"absent.json","Layers":["absent.tar"]}]'})):
        r = api.raw("POST", "/images/load", data)
        assert r.status >= 400 or any("error" in x for x in r.json_stream()) or r.body == b"", (data[:50], r)
    assert [i["RepoTags"] for i in api.get("/images/json")] == [["busybox:latest"]]


def test_hard_links_modes_owners_xattrs_and_devices_survive_layers(api, box):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        add_file(tar, "d/f", "data", mode=0o4711, uid=12, gid=34, mtime=1234567890)
        add_special(tar, "d/hard", tarfile.LNKTYPE, "d/f", mode=0o4711, uid=12, gid=34, mtime=1234567890)
        add_special(tar, "d/soft", tarfile.SYMTYPE, "f")
        add_special(tar, "d/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
        add_special(tar, "d/pipe", tarfile.FIFOTYPE, mode=0o600)
        add_file(tar, "d/cap", "x", pax_headers={"SCHILY.xattr.user.note": "hello"})
        add_file(tar, "d/" + "long" * 60, "long name")
        add_file(tar, "d/ümlaut", "u")
    import_tar(api, out.getvalue(), repo="special", tag="1", changes="CMD x")
    id = box.create("x", image="special:1")
    members = {m.name.split("/", 1)[-1]: m for m in tarfile.open(fileobj=io.BytesIO(
        api.raw("GET", f"/containers/{id}/archive", path="/d").body)).getmembers()}
    f = members["f"] if members["f"].isreg() else members["hard"]
    assert f.mode & 0o7777 == 0o4711 and (f.uid, f.gid, int(f.mtime)) == (12, 34, 1234567890)
    assert {members["f"].type, members["hard"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert members["soft"].linkname == "f" and members["null"].ischr() and (members["null"].devmajor, members["null"].devminor) == (1, 3)
    assert members["pipe"].isfifo() and "long" * 60 in members and "ümlaut" in members


def docker_archive(name, *layers):
    """An archive as `docker save` writes it, of layers given as tars."""
    import hashlib
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}, "created": "2026-01-01T00:00:00Z",
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(x).hexdigest() for x in layers]},
              "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"step {n}"} for n in range(len(layers))]}
    text = json.dumps(config).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n, layer in enumerate(layers):
            add_file(tar, f"{n}/layer.tar", layer)
        add_file(tar, config_name, text)
        add_file(tar, "manifest.json", json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}]))
    return out.getvalue()


def test_whiteouts_and_opaque_folders_of_layers(api, box, busybox_tar):
    with open(busybox_tar, "rb") as f:
        base = f.read()
    below = tar_of({"t/gone": "1", "t/d/x": "1", "t/d/y": "1", "t/e/one": "1", "t/e/two": "2", "t/file": "f", "t/folder/in": "1"})
    above = tar_of({"t/.wh.gone": "", "t/d/": "", "t/d/.wh..wh..opq": "", "t/d/z": "3", "t/e/.wh.one": "", "t/file/": "", "t/file/now": "a folder",
                    "t/.wh.folder": "", "t/folder": "now a file"})
    data = docker_archive("white:1", base, below, above)
    assert "Loaded image: white:1" in load(api, data)
    seen = box.sh("cd /t; find . | sort | tr '\\n' ' '; cat folder file/now", image="white:1").out
    assert seen == ". ./d ./d/z ./e ./e/two ./file ./file/now ./folder now a filea folder", seen
    before = api.get("/images/white:1/json")["RootFS"]
    for c in api.get("/containers/json", all=1):
        box.rm(c["Id"])
    saved = save(api, "white:1")
    api.delete("/images/white:1", force=1)
    load(api, saved)
    assert api.get("/images/white:1/json")["RootFS"] == before
    assert box.sh("cd /t; find . | wc -l", image="white:1").out == "8\n"


# ---- registry-shaped requests without a registry ----

def test_pulling_from_nowhere_is_an_error_with_the_name(api):
    r = api.raw("POST", "/images/create", fromImage="127.0.0.1:1/absent", tag="1", timeout=60)
    text = r.body.decode()
    assert (r.status >= 400 or "error" in text) and "127.0.0.1:1" in text, r


def test_search_answers_or_fails_clearly(api):
    r = api.raw("GET", "/images/search", term="x", timeout=60)
    assert r.status >= 400 and r.message or isinstance(r.json(), list)
