"""Our registry with other people's clients, and its directory under the reference registry."""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from harness import cli as cli_module
from harness import daemon as daemons
from harness import registry as registries
from harness.registry import DOCKER_INDEX, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of

pytestmark = pytest.mark.shoal_only("the registry is Shoal's")

RULES = {"access": {"rules": [{"users": ["ann"], "prefix": "team", "actions": ["pull", "push", "delete"]},
                              {"users": ["bob"], "prefix": "team", "actions": ["pull"]},
                              {"anonymous": True, "prefix": "public", "actions": ["pull"]}]}}


def with_users(folder, config=RULES):
    r = registries.ShoalRegistry(folder, config=config, args=())
    for name, password in (("ann", "ann-secret"), ("bob", "bob-secret")):
        done = r.run("user", "add", name, "--password-stdin", stdin=password + "\n")
        assert done.returncode == 0, done.stderr
    return r.start()


@pytest.fixture
def guarded(tmp_path):
    r = with_users(str(tmp_path / "guarded"))
    yield r
    r.stop()


@pytest.fixture
def opened(tmp_path):
    r = registries.ShoalRegistry(str(tmp_path / "opened")).start()
    yield r
    r.stop()


def run(*args, ok=True, stdin=None, env=None):
    r = subprocess.run(args, input=stdin, capture_output=True, text=True, timeout=180, env=dict(os.environ, **(env or {})))
    if ok:
        assert r.returncode == 0, f"{' '.join(args)}: exit {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r


class Tool:
    """A command with the arguments that every call of it has."""

    def __init__(self, *first, env=None):
        self.first, self.env = first, env

    def __call__(self, *args, **kw):
        return run(*self.first, *args, env=self.env, **kw)


@pytest.fixture
def skopeo(tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    return Tool("skopeo", "--policy", str(policy), env={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})


@pytest.fixture
def podman(scratch):
    if not shutil.which("podman"):
        pytest.skip("podman is not on this machine")
    folder = tempfile.mkdtemp(prefix="p", dir=scratch)  # it wants short names
    tool = Tool("podman", "--root", folder + "/root", "--runroot", folder + "/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                env={"REGISTRY_AUTH_FILE": folder + "/auth.json"})
    yield tool
    tool("rmi", "-af", ok=False)


def layout(folder, text="layer"):
    """An OCI layout with one image, for skopeo."""
    os.makedirs(folder + "/blobs/sha256")

    def blob(data):
        with open(f"{folder}/blobs/sha256/{digest_of(data)[7:]}", "wb") as f:
            f.write(data)
        return {"digest": digest_of(data), "size": len(data)}
    layer = text.encode() * 100
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": OCI_CONFIG, **blob(config)},
                           "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(layer)}]}).encode()
    with open(folder + "/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, **blob(manifest), "annotations": {"org.opencontainers.image.ref.name": "1"}}]}, f)
    with open(folder + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    return digest_of(manifest)


def test_skopeo(guarded, skopeo, tmp_path):
    name = f"docker://{guarded.address}/team/app"
    layout(str(tmp_path / "oci"))
    skopeo("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="ann-secret")
    skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/oci:1", name + ":1")
    digest = json.loads(skopeo("inspect", "--tls-verify=false", name + ":1").stdout)["Digest"]
    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", name + ":1", name + "/two:2")
    assert json.loads(skopeo("list-tags", "--tls-verify=false", name + "/two").stdout)["Tags"] == ["2"]
    skopeo("copy", "--src-tls-verify=false", name + "@" + digest, f"dir:{tmp_path}/dir")
    skopeo("delete", "--tls-verify=false", name + ":1")
    assert json.loads(skopeo("list-tags", "--tls-verify=false", name).stdout)["Tags"] == []
    skopeo("logout", guarded.address)
    assert "authentication required" in skopeo("inspect", "--tls-verify=false", name + "/two:2", ok=False).stderr


def test_skopeo_with_wrong_words(guarded, skopeo):
    r = skopeo("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="nope", ok=False)
    assert r.returncode != 0 and "invalid username/password" in r.stdout + r.stderr


def test_podman(guarded, podman, busybox_tar):
    name = f"{guarded.address}/team/app"
    podman("import", busybox_tar, name + ":1")
    assert podman("push", "--tls-verify=false", name + ":1", ok=False).returncode != 0
    podman("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="ann-secret")
    podman("push", "--tls-verify=false", name + ":1")
    podman("push", "--tls-verify=false", "--format", "oci", "--compression-format", "zstd", name + ":1", name + ":zstd")
    podman("rmi", name + ":1")
    podman("pull", "--tls-verify=false", "-q", name + ":1")
    assert guarded.request("GET", "/v2/team/app/tags/list", user="ann:ann-secret").json()["tags"] == ["1", "zstd"]


def put_index(registry, repository, tag, user):
    """An image for each of two platforms under one name; returns the index' bytes."""
    entries = []
    for architecture in ("amd64", "arm64"):
        manifest, digest = registry.put_image(repository, architecture, (f"for {architecture}".encode(),), user=user)
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": len(json.dumps(manifest)), "platform": {"os": "linux", "architecture": architecture}})
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    registry.put_manifest(repository, tag, index, OCI_INDEX, user=user)
    return index


def has_whole_index(registry, repository, tag, index=None, user="ann:ann-secret"):
    """Both platforms under this name, by the same bytes when these are given, and behind them every manifest and blob."""
    got = registry.request("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": OCI_INDEX}, user=user)
    assert got.status == 200 and index in (None, got.body)
    entries = got.json()["manifests"]
    assert [x["platform"]["architecture"] for x in entries] == ["amd64", "arm64"]
    for entry in entries:
        manifest = registry.request("GET", f"/v2/{repository}/manifests/{entry['digest']}", headers={"Accept": OCI_MANIFEST}, user=user).json()
        for blob in [manifest["config"], *manifest["layers"]]:
            assert registry.request("HEAD", f"/v2/{repository}/blobs/{blob['digest']}", user=user).status == 200
    return True


def test_skopeo_copies_every_platform_of_an_index(guarded, skopeo, tmp_path):
    index = put_index(guarded, "team/app", "all", "ann:ann-secret")
    there = f"docker://{guarded.address}/team"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="ann-secret")
    skopeo("copy", "--all", *plain, f"{there}/app:all", f"{there}/second/app:all")
    assert has_whole_index(guarded, "team/second/app", "all")  # it compresses layers anew
    skopeo("copy", "--all", "--preserve-digests", *plain, f"{there}/app:all", f"oci:{tmp_path}/oci:all")
    skopeo("copy", "--all", "--preserve-digests", *plain, f"oci:{tmp_path}/oci:all", f"{there}/third:all")
    assert has_whole_index(guarded, "team/third", "all", index)


def test_skopeo_syncs_an_index_to_a_folder_and_back_and_between_registries(guarded, opened, skopeo, tmp_path):
    index = put_index(guarded, "team/app", "all", "ann:ann-secret")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="ann-secret")
    skopeo("sync", "--all", "--preserve-digests", *plain, "--src", "docker", "--dest", "docker", f"{guarded.address}/team/app", f"{opened.address}/copies")
    assert has_whole_index(opened, "copies/app", "all", index, user=None)
    assert sorted(opened.request("GET", "/v2/copies/app/tags/list").json()["tags"]) == ["all", "amd64", "arm64"]
    skopeo("sync", "--all", *plain, "--src", "docker", "--dest", "dir", f"{guarded.address}/team/app:all", str(tmp_path / "kept"))
    skopeo("sync", "--all", *plain, "--src", "dir", "--dest", "docker", str(tmp_path / "kept"), f"{guarded.address}/team/back")
    assert has_whole_index(guarded, "team/back/app", "all")


def test_podman_makes_and_pushes_an_index(guarded, podman, busybox_tar):
    name = f"{guarded.address}/team/app"
    podman("login", "--tls-verify=false", "-u", "ann", "--password-stdin", guarded.address, stdin="ann-secret")
    podman("manifest", "create", "list")
    for architecture in ("amd64", "arm64"):
        podman("import", "--arch", architecture, "--change", f"LABEL for={architecture}", busybox_tar, f"localhost/{architecture}")
        podman("manifest", "add", "--arch", architecture, "list", f"containers-storage:localhost/{architecture}")
    podman("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{name}:list")
    got = guarded.request("GET", "/v2/team/app/manifests/list", headers={"Accept": f"{OCI_INDEX}, {DOCKER_INDEX}"}, user="ann:ann-secret")
    entries = got.json()["manifests"]
    assert sorted(x["platform"]["architecture"] for x in entries) == ["amd64", "arm64"]
    for entry in entries:
        accept = {"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"}
        assert guarded.request("HEAD", f"/v2/team/app/manifests/{entry['digest']}", headers=accept, user="ann:ann-secret").status == 200
    podman("pull", "-q", "--tls-verify=false", "--arch", "arm64", name + ":list")
    assert podman("inspect", "-f", "{{.Architecture}} {{.Labels.for}}", name + ":list").stdout == "arm64 arm64\n"


def test_docker_py(guarded, py):
    from docker import errors
    name = f"{guarded.address}/team/app"
    with pytest.raises(errors.APIError):
        py.login("ann", "wrong", registry=guarded.address)
    image = py.images.get("busybox")
    image.tag(name, "1")
    assert any("error" in x for x in py.images.push(name, tag="1", stream=True, decode=True))  # nobody is logged in
    assert py.login("ann", "ann-secret", registry=guarded.address)["Status"] == "Login Succeeded"
    pushed = list(py.images.push(name, tag="1", stream=True, decode=True))
    digest = next(x["aux"]["Digest"] for x in pushed if "aux" in x)
    py.images.remove(f"{name}:1")
    assert py.images.pull(name, tag="1").id == image.id
    py.images.remove(f"{name}:1")
    assert py.images.pull(f"{name}@{digest}").id == image.id
    assert py.images.get_registry_data(f"{name}:1").id == digest
    with pytest.raises(errors.APIError):
        py.images.pull(f"{guarded.address}/others/app", tag="1")


def test_every_command_line_through_our_engine(guarded, api, cli):
    name = f"{guarded.address}/team/app"
    api.post("/images/busybox/tag", repo=name, tag="1")
    refused = cli("push", name + ":1", ok=False)
    assert "unauthorized" in refused.out + refused.err
    cli("login", "-u", "ann", "--password-stdin", guarded.address, input="wrong", ok=False)
    assert "Login Succeeded" in cli("login", "-u", "ann", "--password-stdin", guarded.address, input="ann-secret").out
    assert "digest: sha256:" in cli("push", name + ":1").out
    api.post("/images/busybox/tag", repo=f"{guarded.address}/other/app", tag="1")
    cli("push", f"{guarded.address}/other/app:1", ok=False)
    cli("rmi", name + ":1")
    assert "Downloaded newer image" in cli("pull", name + ":1").out
    cli("logout", guarded.address)
    assert "pull access denied" in cli("pull", name + ":1", ok=False).err


def test_debians_dockerd(guarded, scratch, busybox_tar, tmp_path):
    """The reference client of the reference protocol: docker 20.10 with its own daemon."""
    # No bridge and no rules of its own: other tests share this network namespace.
    d = daemons.Daemon(tempfile.mkdtemp(prefix="d", dir=scratch), {"iptables": False, "bridge": "none"}, kind="dockerd")
    try:
        d.start(60)
        docker = cli_module.Cli("/usr/bin/docker", d.socket, str(tmp_path))
        name = f"{guarded.address}/team/app"
        docker("import", busybox_tar, name + ":1")
        docker("login", "-u", "ann", "--password-stdin", guarded.address, input="ann-secret")
        docker("push", name + ":1")
        docker("tag", name + ":1", name + ":2")
        docker("push", "--all-tags", name)
        docker("rmi", name + ":1", name + ":2")
        docker("pull", "--all-tags", name)
        digest = guarded.request("HEAD", "/v2/team/app/manifests/1", headers={"Accept": DOCKER_MANIFEST}, user="ann:ann-secret").headers["Docker-Content-Digest"]
        docker("rmi", name + ":1", name + ":2")
        assert f"Digest: {digest}" in docker("pull", f"{name}@{digest}").out
        assert docker("inspect", "-f", "{{.RepoDigests}} {{.RepoTags}}", f"{name}@{digest}").out == f"[{name}@{digest}] []\n"
        wrong = digest[:-4] + ("0000" if not digest.endswith("0000") else "1111")
        assert "manifest unknown" in docker("pull", f"{name}@{wrong}", ok=False).err
        docker("logout", guarded.address)
        assert docker("pull", name + ":1", ok=False).code != 0
    finally:
        d.stop(60)


def test_rights(guarded):
    ann, bob = "ann:ann-secret", "bob:bob-secret"
    guarded.put_image("team/app", "1", user=ann)
    assert guarded.request("GET", "/v2/team/app/manifests/1", user=bob).status == 200
    assert guarded.request("POST", "/v2/team/app/blobs/uploads/", user=bob).status in (401, 403)
    assert guarded.request("DELETE", "/v2/team/app/manifests/1", user=bob).status in (401, 403)
    assert guarded.request("GET", "/v2/team/app/manifests/1").status == 401
    assert guarded.request("POST", "/v2/public/app/blobs/uploads/", user=ann).status in (401, 403)
    assert guarded.request("GET", "/v2/_catalog", user=bob).json()["repositories"] == ["team/app"]


def test_a_directory_of_the_reference_registry_is_served_by_us(tmp_path):
    theirs = registries.DockerRegistry(str(tmp_path / "r")).start()
    manifest, digest = theirs.put_image("a/b", "v1", (b"one", b"two"))
    artifact = dict(manifest, subject={"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}, artifactType="application/x-sig")
    signature = theirs.put_manifest("a/b", "sig", artifact)
    theirs.stop()
    ours = registries.ShoalRegistry(str(tmp_path / "r")).start()
    try:
        got = ours.request("GET", "/v2/a/b/manifests/v1", headers={"Accept": OCI_MANIFEST})
        assert digest_of(got.body) == digest
        assert ours.request("GET", "/v2/a/b/tags/list").json()["tags"] == ["sig", "v1"]
        assert ours.request("GET", "/v2/_catalog").json()["repositories"] == ["a/b"]
        for layer in manifest["layers"]:
            assert digest_of(ours.request("GET", f"/v2/a/b/blobs/{layer['digest']}").body) == layer["digest"]
        found = ours.request("GET", f"/v2/a/b/referrers/{digest}").json()
        assert [x["digest"] for x in found["manifests"]] == [signature]
    finally:
        ours.stop()


def test_our_directory_is_served_by_the_reference_registry(tmp_path):
    ours = registries.ShoalRegistry(str(tmp_path / "r")).start()
    manifest, digest = ours.put_image("a/b", "v1", (b"one", b"two"))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_MANIFEST, "digest": digest, "size": len(json.dumps(manifest))}]}
    ours.put_manifest("a/b", "all", index, OCI_INDEX)
    begun = ours.request("POST", "/v2/a/b/blobs/uploads/")
    path = ours.path_of(begun.headers["Location"])
    assert ours.request("PATCH", path, b"half", {"Content-Type": "application/octet-stream"}).status == 202
    ours.stop()
    theirs = registries.DockerRegistry(str(tmp_path / "r")).start()
    try:
        got = theirs.request("GET", "/v2/a/b/manifests/v1", headers={"Accept": OCI_MANIFEST})
        assert digest_of(got.body) == digest
        assert sorted(theirs.request("GET", "/v2/a/b/tags/list").json()["tags"]) == ["all", "v1"]
        assert theirs.request("GET", "/v2/_catalog").json()["repositories"] == ["a/b"]
        for layer in manifest["layers"]:
            assert theirs.request("GET", f"/v2/a/b/blobs/{layer['digest']}").status == 200
        theirs.put_image("a/b", "v2", (b"three",))
    finally:
        theirs.stop()
