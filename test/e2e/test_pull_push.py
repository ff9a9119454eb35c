"""Pull and push of the engine, against Debian's docker-registry, by the API and by the docker command."""
import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

import pytest

from harness import registry as registries
from harness.registry import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of

pytestmark = pytest.mark.shoal_only("the daemon under test pulls and pushes")


@pytest.fixture
def peer(tmp_path):
    r = registries.DockerRegistry(str(tmp_path / "peer")).start()
    yield r
    r.stop()


@pytest.fixture
def guarded(tmp_path):
    r = registries.DockerRegistry(str(tmp_path / "guarded"), users={"ann": "secret"}).start()
    yield r
    r.stop()


def auth(name="", password=""):
    return base64.urlsafe_b64encode(json.dumps({"username": name, "password": password} if name else {}).encode()).decode()


def lines(api, method, path, user=("", ""), **query):
    """The objects of a progress stream; an error answer as one object."""
    r = api.raw(method, path, headers={"X-Registry-Auth": auth(*user)}, **query)
    if r.status >= 400:
        return [{"error": r.message, "status": r.status}]
    return [json.loads(line) for line in r.body.decode().splitlines() if line.strip()]


def pull(api, name, tag="", user=("", ""), **query):
    return lines(api, "POST", "/images/create", user, fromImage=name, **({"tag": tag} if tag else {}), **query)


def push(api, name, tag="", user=("", "")):
    return lines(api, "POST", f"/images/{name}/push", user, **({"tag": tag} if tag else {}))


def statuses(stream):
    return [x.get("status", "") for x in stream]


def error(stream):
    return stream[-1].get("error", "")


def layer_tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def put_image(registry, repository, tag, layers, architecture="amd64", media="application/vnd.oci.image.layer.v1.tar+gzip", compress=gzip.compress, **config):
    """A runnable image out of plain tars; returns the manifest's digest and the config."""
    blobs = [compress(x) for x in layers]
    document = json.dumps({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                           "rootfs": {"type": "layers", "diff_ids": [digest_of(x) for x in layers]}, **config}).encode()
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": registry.put_blob(repository, document), "size": len(document)},
                "layers": [{"mediaType": media, "digest": registry.put_blob(repository, x), "size": len(x)} for x in blobs]}
    return registry.put_manifest(repository, tag, manifest), document


def test_an_image_goes_there_and_comes_back_the_same(api, peer):
    name = f"{peer.address}/team/app"
    before = api.get("/images/busybox/json")
    api.post("/images/busybox/tag", repo=name, tag="1")
    sent = push(api, name, "1")
    assert statuses(sent)[0] == f"The push refers to repository [{name}]"
    assert any(x.startswith("1: digest: sha256:") for x in statuses(sent)) and not error(sent)
    aux = [x["aux"] for x in sent if "aux" in x][0]
    assert aux["Tag"] == "1" and aux["Digest"].startswith("sha256:") and aux["Size"] > 100
    manifest = peer.request("GET", f"/v2/team/app/manifests/{aux['Digest']}", headers={"Accept": DOCKER_MANIFEST}).json()
    assert manifest["mediaType"] == DOCKER_MANIFEST and manifest["config"]["digest"] == before["Id"]
    assert api.get(f"/images/{name}:1/json")["RepoDigests"] == [f"{name}@{aux['Digest']}"]
    for x in (f"{name}:1", "busybox"):
        api.delete(f"/images/{x}", force=1)
    got = pull(api, name, "1")
    assert f"Digest: {aux['Digest']}" in statuses(got) and f"Status: Downloaded newer image for {name}:1" in statuses(got)
    for word in ("Pulling fs layer", "Download complete", "Pull complete"):
        assert word in statuses(got)
    after = api.get(f"/images/{name}:1/json")
    assert after["Id"] == before["Id"] and after["RootFS"] == before["RootFS"] and after["RepoDigests"] == [f"{name}@{aux['Digest']}"]
    again = pull(api, name, "1")
    assert statuses(again)[-1] == f"Status: Image is up to date for {name}:1"


def test_what_the_registry_has_is_not_sent_again(api, peer):
    for target, word in (("team/app", "Pushed"), ("team/app", "Layer already exists"), ("other/app", "Mounted from team/app")):
        name = f"{peer.address}/{target}"
        api.post("/images/busybox/tag", repo=name, tag="1")
        sent = push(api, name, "1")
        assert word in statuses(sent), sent


def test_by_digest_and_all_tags(api, peer):
    tar = layer_tar([("a", b"1")])
    first, _ = put_image(peer, "x/y", "one", [tar])
    put_image(peer, "x/y", "two", [tar], created="2020-01-01T00:00:00Z")
    name = f"{peer.address}/x/y"
    assert f"Digest: {first}" in statuses(pull(api, name, first))
    image = api.get(f"/images/{name}@{first}/json")
    assert image["RepoTags"] == [] and image["RepoDigests"] == [f"{name}@{first}"]
    assert statuses(pull(api, name)).count("Already exists") == 2
    assert {t for i in api.get("/images/json") for t in i["RepoTags"] or []} >= {f"{name}:one", f"{name}:two"}


@pytest.mark.parametrize("media, compress", [("application/vnd.oci.image.layer.v1.tar+zstd", zstd), ("application/vnd.oci.image.layer.v1.tar", bytes),
                                             ("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress)])
def test_every_compression_of_layers(api, peer, media, compress):
    put_image(peer, "x/y", "1", [layer_tar([("a", b"one")]), layer_tar([("b", os.urandom(100_000))])], media=media, compress=compress)
    assert not error(pull(api, f"{peer.address}/x/y", "1"))


def test_a_tar_that_names_a_file_twice(api, peer):
    """No recipe can make it again: the layer comes a second time, to be kept whole, and is pushed as it was."""
    tar = layer_tar([("a", b"first"), ("a", b"second")])
    put_image(peer, "x/y", "1", [tar])
    name = f"{peer.address}/x/y"
    assert not error(pull(api, name, "1"))
    assert api.get(f"/images/{name}:1/json")["RootFS"]["Layers"] == [digest_of(tar)]


def test_the_platform_is_chosen_out_of_an_index(api, peer):
    entries = []
    for architecture, variant in (("amd64", ""), ("arm", "v6"), ("arm", "v7")):
        digest, _ = put_image(peer, "x/y", architecture + variant, [layer_tar([("arch", (architecture + variant).encode())])], architecture, variant=variant)
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": int(peer.request("HEAD", f"/v2/x/y/manifests/{digest}", headers={"Accept": OCI_MANIFEST}).headers["Content-Length"]),
                        "platform": {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}})
    index = peer.put_manifest("x/y", "all", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, OCI_INDEX)
    name = f"{peer.address}/x/y"
    assert f"Digest: {index}" in statuses(pull(api, name, "all"))
    assert api.get(f"/images/{name}:all/json")["Architecture"] == "amd64"
    assert not error(pull(api, name, "all", platform="linux/arm"))
    assert api.get(f"/images/{name}:all/json")["Variant"] == "v7"
    assert not error(pull(api, name, "all", platform="linux/arm/v6"))
    assert api.get(f"/images/{name}:all/json")["Variant"] == "v6"
    assert "no matching manifest for linux/s390x in the manifest list entries" in error(pull(api, name, "all", platform="linux/s390x"))
    found = api.get(f"/distribution/{name}:all/json")
    assert found["Descriptor"]["digest"] == index and len(found["Platforms"]) == 3
    assert "does not match the specified platform" in error(pull(api, name, "amd64", platform="linux/arm64"))


def test_words_for_what_is_not_there(api, peer):
    put_image(peer, "x/y", "1", [layer_tar([])])
    assert error(pull(api, f"{peer.address}/x/y", "nope")) == f"manifest for {peer.address}/x/y:nope not found: manifest unknown: manifest unknown"
    assert pull(api, f"{peer.address}/x/y", "nope")[0]["status"] == 404
    assert "connection refused" in error(pull(api, f"127.0.0.1:{registries.free_port()}/x", "1"))
    assert "An image does not exist locally with the tag" in error(push(api, f"{peer.address}/none", "1"))
    assert pull(api, "UPPER", "1")[0]["status"] == 400


def test_artifacts_and_old_manifests_are_refused_by_name(api, peer):
    blob = peer.put_blob("x/y", b"{}")
    peer.put_manifest("x/y", "art", {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": "application/x-thing", "digest": blob, "size": 2}, "layers": []})
    assert "application/x-thing" in error(pull(api, f"{peer.address}/x/y", "art"))


def test_log_ins(api, guarded):
    body = {"username": "ann", "password": "secret", "serveraddress": guarded.address}
    assert api.post("/auth", body)["Status"] == "Login Succeeded"
    wrong = api.raw("POST", "/auth", dict(body, password="no"))
    assert wrong.status == 401 and "401 Unauthorized" in wrong.message
    name = f"{guarded.address}/x"
    api.post("/images/busybox/tag", repo=name, tag="1")
    assert "no basic auth credentials" in error(push(api, name, "1"))
    assert not error(push(api, name, "1", ("ann", "secret")))
    assert "no basic auth credentials" in error(pull(api, name, "1"))
    assert not error(pull(api, name, "1", ("ann", "secret")))
    assert api.raw("POST", "/images/create", fromImage=name, tag="1", headers={"X-Registry-Auth": "%%%"}).status == 400


def test_search(api, peer):
    put_image(peer, "team/web", "1", [layer_tar([])])
    put_image(peer, "team/db", "1", [layer_tar([])])
    found = api.get("/images/search", term=f"{peer.address}/web")
    assert [x["name"] for x in found] == [f"{peer.address}/team/web"]
    assert api.raw("GET", "/images/search", term="x", limit=1000).status == 400


def test_run_and_build_pull_what_is_missing(api, peer, shoal, tmp_path):
    name = f"{peer.address}/base"
    api.post("/images/busybox/tag", repo=name, tag="1")
    push(api, name, "1")
    api.delete(f"/images/{name}:1", force=1)
    assert shoal("run", "--rm", f"{name}:1", "echo", "ran").out == "ran\n"
    api.delete(f"/images/{name}:1", force=1)
    (tmp_path / "Dockerfile").write_text(f"FROM {name}:1\nRUN echo built > /x\n")
    shoal("build", "-t", f"{peer.address}/made:1", "--push", str(tmp_path))
    assert peer.request("GET", "/v2/made/tags/list").json()["tags"] == ["1"]
    shoal("build", "--pull", "-q", str(tmp_path))
    api.post(f"/images/busybox/tag", repo=f"{peer.address}/only-here", tag="1")
    (tmp_path / "Dockerfile").write_text(f"FROM {peer.address}/only-here:1\n")
    shoal("build", "-q", str(tmp_path))
    assert "manifest unknown" in shoal("build", "--pull", str(tmp_path), ok=False).err


def platforms_of(peer, repository, *architectures):
    """An index with an image of each architecture, whose file /arch says its name."""
    entries = []
    for architecture in architectures:
        digest, _ = put_image(peer, repository, architecture, [layer_tar([("arch", architecture.encode())])], architecture)
        size = int(peer.request("HEAD", f"/v2/{repository}/manifests/{digest}", headers={"Accept": OCI_MANIFEST}).headers["Content-Length"])
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "platform": {"os": "linux", "architecture": architecture}})
    return peer.put_manifest(repository, "all", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, OCI_INDEX)


@pytest.mark.parametrize("pulled", [True, False])
def test_a_build_has_bases_of_other_platforms_pulled(api, peer, shoal, tmp_path, pulled):
    index = platforms_of(peer, "x/y", "amd64", "arm64")
    name = f"{peer.address}/x/y:all"
    if pulled:
        assert not error(pull(api, f"{peer.address}/x/y", "all"))
    (tmp_path / "Dockerfile").write_text(f"FROM --platform=linux/arm64 {name} AS other\nFROM {name} AS own\nFROM busybox\n"
                                         "COPY --from=other /arch /other\nCOPY --from=own /arch /own\n")
    for extra in ([], ["--pull"]):
        flags = extra if pulled else []  # busybox is nowhere else: --pull would want it too
        if flags:
            api.post("/images/busybox/tag", repo=f"{peer.address}/busybox", tag="latest")
            push(api, f"{peer.address}/busybox", "latest")
            file = tmp_path / "Dockerfile"
            file.write_text(file.read_text().replace("FROM busybox", f"FROM {peer.address}/busybox"))
        shoal("build", *flags, "-t", "made", str(tmp_path))
        assert shoal("run", "--rm", "made", "cat", "/other", "/own").out == "arm64amd64"
        image = api.get(f"/images/{name}/json")
        assert image["Architecture"] == "amd64"  # the name stands for what this machine can run
        assert f"{peer.address}/x/y@{index}" in image["RepoDigests"]


def test_a_foreign_base_that_no_registry_has_is_told_with_both_reasons(api, peer, shoal, tmp_path):
    api.post("/images/busybox/tag", repo=f"{peer.address}/only-here", tag="1")
    (tmp_path / "Dockerfile").write_text(f"FROM --platform=linux/arm64 {peer.address}/only-here:1\n")
    said = shoal("build", str(tmp_path), ok=False).err
    assert "does not match the specified platform: wanted linux/arm64" in said and "manifest unknown" in said


def test_an_image_that_is_a_named_context_is_pulled(api, peer, shoal, tmp_path):
    put_image(peer, "x/y", "1", [layer_tar([("file", b"from the context")])])
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY --from=more /file /file\n")
    shoal("build", "-t", "made", "--build-context", f"more=docker-image://{peer.address}/x/y:1", str(tmp_path))
    assert shoal("run", "--rm", "made", "cat", "/file").out == "from the context"


def test_two_pulls_of_one_image_at_one_time(api, peer, tmp_path):
    put_image(peer, "x/y", "1", [layer_tar([("big", os.urandom(3_000_000))])])
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for stream in pool.map(lambda _: pull(api, f"{peer.address}/x/y", "1"), range(4)):
            assert not error(stream)


def test_events_and_docker_py(api, peer, py):
    name = f"{peer.address}/py"
    image = py.images.get("busybox")
    image.tag(name, "1")
    assert "digest: sha256:" in py.images.push(name, tag="1")
    py.images.remove(f"{name}:1")
    assert py.images.pull(name, tag="1").id == image.id
    assert py.images.get_registry_data(f"{name}:1").id.startswith("sha256:")
