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
