"""Collections beside a running registry: pushes go on, collectors are killed at any moment, and nothing that has a tag is lost."""
import json
import os
import random
import subprocess
import threading
import time

import pytest

from harness import daemon as daemon_module
from harness.registry import OCI_CONFIG, OCI_LAYER, DockerRegistry, ShoalRegistry, digest_of

CONFIG = {"gc": {"grace": "0s", "retention": [{"repositories": "**", "tags": "t*", "keep-last": 3}]}}


@pytest.fixture
def registry(tmp_path):
    r = ShoalRegistry(str(tmp_path / "r"), config=CONFIG)
    yield r.start()
    r.stop()


def age(root, seconds):
    """As if all of it had been written so much earlier."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            then = os.stat(path).st_mtime - seconds
            os.utime(path, (then, then))


def push(r, repository, tag, layers):
    """Like a client: what is missing when the manifest comes is sent again. False: never came through."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "repository": repository}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
                           "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(x), "size": len(x)} for x in layers]}).encode()
    for _ in range(100):
        for blob in (config, *layers):
            if r.request("HEAD", f"/v2/{repository}/blobs/{digest_of(blob)}").status != 200:
                r.put_blob(repository, blob)
        put = r.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
        if put.status == 201:
            return True
        assert put.status == 404 and put.code == "MANIFEST_BLOB_UNKNOWN", (put.status, put.body)
    return False


def test_collectors_that_are_killed_lose_nothing(registry):
    chance, stop, failed = random.Random(7), threading.Event(), []

    def pusher(n):
        for round_ in range(10_000):
            if stop.is_set():
                return
            if not push(registry, f"team/r{n}", f"t{round_ % 6}", [b"shared", b"layer %d" % (round_ % 4)]):
                failed.append(n)

    threads = [threading.Thread(target=pusher, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    command = [daemon_module.PROGRAMS["shoald"], "registry", "gc", "--config", registry.config_file, "--root", registry.root]
    whole = 0
    for _ in range(25):
        collector = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            collector.wait(chance.uniform(0.005, 0.25))
            assert collector.returncode == 0
            whole += 1
        except subprocess.TimeoutExpired:
            collector.kill()
            collector.wait()
    stop.set()
    for t in threads:
        t.join()
    assert not failed
    assert registry.run("gc").returncode == 0
    verified = registry.run("verify")
    assert verified.returncode == 0, verified.stdout
    for n in range(3):
        tags = registry.request("GET", f"/v2/team/r{n}/tags/list").json()["tags"]
        assert 0 < len(tags) <= 3, tags
        for tag in tags:
            manifest = registry.request("GET", f"/v2/team/r{n}/manifests/{tag}").json()
            for part in (manifest["config"], *manifest["layers"]):
                assert digest_of(registry.request("GET", f"/v2/team/r{n}/blobs/{part['digest']}").body) == part["digest"]


def test_what_retention_and_dry_run_say_is_what_goes(registry):
    for n in range(5):
        assert push(registry, "app", f"t{n}", [b"layer %d" % n])
        time.sleep(0.01)  # the order of tags is that of their times
    age(registry.root, 60)
    said = json.loads(registry.run("gc", "--dry-run", "--json").stdout)
    assert sorted(said["removedTags"]) == ["app:t0", "app:t1"] and said["dryRun"]
    assert len(registry.request("GET", "/v2/app/tags/list").json()["tags"]) == 5
    done = json.loads(registry.run("gc", "--json").stdout)
    assert {**said, "dryRun": False} == done
    assert sorted(registry.request("GET", "/v2/app/tags/list").json()["tags"]) == ["t2", "t3", "t4"]
    assert registry.request("HEAD", f"/v2/app/blobs/{digest_of(b'layer 0')}").status == 404
    assert registry.run("verify").returncode == 0


def test_a_directory_in_which_the_reference_registry_has_deleted(tmp_path):
    theirs = DockerRegistry(str(tmp_path / "d"))
    theirs.start()
    _, gone = theirs.put_image("app", "old", [b"gone"])
    theirs.put_image("app", "new", [b"stays"])
    assert theirs.request("DELETE", f"/v2/app/manifests/{gone}").status == 202
    theirs.stop()
    age(theirs.root, 60)
    ours = ShoalRegistry(str(tmp_path / "r"), config=CONFIG)
    ours.root = theirs.root
    try:
        ours.start()
        removed = json.loads(ours.run("gc", "--json").stdout)["removedBlobs"]
        assert digest_of(b"gone") in removed and digest_of(b"stays") not in removed
        assert ours.run("verify").returncode == 0
        _, image = ours.put_image("app", "newest", [b"stays", b"more"])
    finally:
        ours.stop()
    theirs.start()
    try:
        assert digest_of(theirs.request("GET", "/v2/app/manifests/newest", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"}).body) == image
        assert theirs.request("GET", f"/v2/app/blobs/{digest_of(b'more')}").body == b"more"
    finally:
        theirs.stop()


def test_rot_is_found_and_a_push_mends_it(registry):
    _, digest = registry.put_image("app", "t1", [b"sound"])
    kind, hexa = digest_of(b"sound").split(":")
    data = f"{registry.root}/docker/registry/v2/blobs/{kind}/{hexa[:2]}/{hexa}/data"
    with open(data, "r+b") as f:
        f.write(b"S")
    verified = registry.run("verify")
    assert verified.returncode == 1 and digest_of(b"sound") in verified.stdout
    assert registry.request("DELETE", f"/v2/app/blobs/{digest_of(b'sound')}").status == 202
    registry.put_blob("app", b"sound")
    assert registry.run("verify").returncode == 0
