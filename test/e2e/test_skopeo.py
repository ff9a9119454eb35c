"""skopeo, a stranger to both, reads what is saved and writes what is loaded."""
import json
import subprocess

import pytest

from harness import cli as programs
from harness.daemon import IS_SHOAL

SKOPEO = programs.find("skopeo")
pytestmark = pytest.mark.skipif(not SKOPEO, reason="skopeo is not on this machine")


def skopeo(*args):
    r = subprocess.run([SKOPEO, "--insecure-policy", *args], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


@pytest.fixture
def saved(api, tmp_path):
    path = tmp_path / "saved.tar"
    path.write_bytes(api.raw("GET", "/images/busybox/get").body)
    return path


def test_it_reads_what_we_save_as_a_docker_archive(api, saved, tmp_path):
    seen = json.loads(skopeo("inspect", f"docker-archive:{saved}"))
    assert seen["Os"] == "linux" and len(seen["Layers"]) == 1
    skopeo("copy", f"docker-archive:{saved}", f"oci:{tmp_path}/layout:latest")


@pytest.mark.skipif(not IS_SHOAL, reason="Docker 20.10 saves no OCI layout")
def test_it_reads_what_we_save_as_an_oci_layout(saved):
    seen = json.loads(skopeo("inspect", f"oci-archive:{saved}"))
    assert seen["Os"] == "linux"


@pytest.mark.parametrize("form", ["docker-archive", pytest.param("oci-archive", marks=pytest.mark.shoal_only("Docker 20.10 loads no OCI layout"))])
def test_we_load_what_it_writes(api, box, saved, tmp_path, form):
    target = tmp_path / "out.tar"
    skopeo("copy", f"docker-archive:{saved}", f"{form}:{target}:rewritten:1" if form == "docker-archive" else f"{form}:{target}:docker.io/library/rewritten:1")
    r = api.raw("POST", "/images/load", target.read_bytes())
    assert r.status == 200 and "Loaded image" in r.body.decode(), r
    name = "rewritten:1" if any("rewritten:1" in (i["RepoTags"] or []) for i in api.get("/images/json")) else r.json_stream()[-1]["stream"].split()[-1]
    assert box.run("echo", "alive", image=name).out == "alive\n"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.shoal_only("Docker 20.10 loads no OCI layout")
def test_we_load_compressed_oci_layers(api, saved, tmp_path, compression):
    folder = tmp_path / "layout"
    skopeo("copy", "--dest-compress", "--dest-compress-format", compression, f"docker-archive:{saved}", f"oci:{folder}:one")
    data = subprocess.run(["tar", "-C", folder, "-c", "."], capture_output=True, check=True).stdout
    r = api.raw("POST", "/images/load", data)
    assert r.status == 200 and "Loaded image" in r.body.decode(), r


# ---- Docker itself, the other way round ----

@pytest.fixture(scope="module")
def docker_daemon(scratch):
    """Debian's dockerd beside the daemon under test, in a network namespace of its own."""
    import os
    from harness.daemon import PROGRAMS, Daemon
    if not os.path.exists(PROGRAMS["dockerd"]):
        pytest.skip("dockerd is not on this machine")
    d = Daemon(scratch + "/docker20", {"iptables": False, "bridge": "none"}, own_net=True, kind="dockerd")
    d.start(60)
    yield d
    d.stop()


@pytest.mark.shoal_only("it would be the same twice")
def test_images_travel_to_docker_and_back(api, box, docker_daemon):
    api.post("/commit", {}, container=box.sh("rm /www/index.html; ln /etc/passwd /hard; echo x > /x").id, repo="travel", tag="1",
             changes=('CMD ["cat", "/x"]', "ENV WAY=there"))
    ours = api.get("/images/travel:1/json")
    there = docker_daemon.api
    r = there.raw("POST", "/images/load", api.raw("GET", "/images/travel:1/get").body)
    assert r.status == 200 and "Loaded image: travel:1" in r.body.decode(), r
    theirs = there.get("/images/travel:1/json")
    assert theirs["Id"] == ours["Id"] and theirs["RootFS"] == ours["RootFS"] and theirs["Config"]["Env"] == ours["Config"]["Env"]
    back = there.raw("GET", "/images/travel:1/get").body
    for c in api.get("/containers/json", all=1):
        box.rm(c["Id"])
    api.delete("/images/travel:1", force=1)
    r = api.raw("POST", "/images/load", back)
    assert r.status == 200 and "Loaded image: travel:1" in r.body.decode(), r
    assert api.get("/images/travel:1/json")["Id"] == ours["Id"]
    assert box.run(image="travel:1").out == "x\n"
    assert box.run("ls", "/www", image="travel:1").out == ""
    there.delete("/images/travel:1", force=1)


@pytest.mark.shoal_only("it would be the same twice")
def test_what_docker_saves_of_several_images_is_loaded(api, box, docker_daemon, busybox_tar):
    there = docker_daemon.api
    with open(busybox_tar, "rb") as f:
        there.post("/images/create", f.read(), headers={"Content-Type": "application/x-tar"}, fromSrc="-", repo="both", tag="1", changes='CMD ["echo", "one"]')
    there.post("/images/both:1/tag", repo="second.example:5000/both", tag="two")
    r = api.raw("POST", "/images/load", there.raw("GET", "/images/get", names=("both:1", "second.example:5000/both:two")).body)
    assert r.status == 200 and "both:1" in r.body.decode() and "second.example:5000/both:two" in r.body.decode(), r
    assert box.run(image="second.example:5000/both:two").out == "one\n"
    there.delete("/images/both:1", force=1)
