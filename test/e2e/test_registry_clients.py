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
from harness.registry import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of

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
