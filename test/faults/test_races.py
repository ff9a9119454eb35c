"""Many clients at once on one thing."""
import http.client
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from kernel import check_agreement  # noqa: E402

from harness.box import Box  # noqa: E402

pytestmark = pytest.mark.shoal_only("what happens to Docker is not our concern")


@pytest.fixture
def d(fresh):
    return fresh()


def together(count, job):
    """Runs job(n) in `count` threads that begin at one moment; returns the results."""
    gate = threading.Barrier(count)

    def one(n):
        gate.wait()
        return job(n)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_name_raced_by_fifty_clients_goes_to_one(d):
    r = together(50, lambda n: d.api.raw("POST", "/containers/create", {"Image": "busybox"}, name="raced").status)
    assert sorted(r) == [201] + [409] * 49
    assert len(d.api.get("/containers/json", all=1)) == 1


def test_a_rename_raced_by_fifty_clients_goes_to_one(d):
    box = Box(d.api)
    ids = [box.create() for _ in range(50)]
    r = together(50, lambda n: d.api.raw("POST", f"/containers/{ids[n]}/rename", name="wanted").status)
    assert sorted(r) == [204] + [409] * 49


def test_a_network_and_a_volume_name_raced(d):
    r = together(20, lambda n: d.api.raw("POST", "/networks/create", {"Name": "raced"}).status)
    assert sorted(r) == [201] + [409] * 19
    r = together(20, lambda n: d.api.raw("POST", "/volumes/create", {"Name": "raced"}).status)
    assert r == [201] * 20 and len(d.api.get("/volumes")["Volumes"]) == 1


def test_a_port_raced_goes_to_one(d):
    box = Box(d.api)
    ids = [box.create("sleep", "1000", host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}}) for _ in range(10)]
    r = together(10, lambda n: d.api.raw("POST", f"/containers/{ids[n]}/start").status)
    assert sorted(r) == [204] + [500] * 9


def test_start_stop_kill_and_remove_of_one_container_at_once(d):
    box = Box(d.api)
    for _ in range(5):
        id = box.create("sleep", "1000")
        ways = [("POST", "start"), ("POST", "stop?t=0"), ("POST", "kill"), ("POST", "restart?t=0"), ("POST", "pause"), ("POST", "unpause")]
        together(18, lambda n: d.api.raw(ways[n % 6][0], f"/containers/{id}/{ways[n % 6][1]}").status)
        if box.state(id)["Paused"]:
            d.api.post(f"/containers/{id}/unpause")
        r = together(5, lambda n: d.api.raw("DELETE", f"/containers/{id}", force=1).status)
        assert 204 in r and set(r) <= {204, 404, 409}
        assert d.api.raw("GET", f"/containers/{id}/json").status == 404
    check_agreement(d, box)


def test_a_hundred_containers_eight_at_a_time(d):
    box = Box(d.api)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: box.up(name=f"many{n}"), range(100)))
        assert len(d.api.get("/containers/json")) == 100
        addresses = {box.address(i) for i in ids}
        assert len(addresses) == 100
        check_agreement(d, box)
        list(pool.map(lambda i: box.rm(i, force=1), ids))
    assert d.api.get("/containers/json", all=1) == []
    check_agreement(d, box)


def test_an_image_removed_while_it_is_used(d):
    from harness.images import tar_of
    box = Box(d.api)
    for _ in range(5):
        d.api.post("/images/create", tar_of({"x": os.urandom(50)}), fromSrc="-", repo="fleeting", tag="1", changes="CMD x")

        def job(n):
            if n % 2:
                return d.api.raw("DELETE", "/images/fleeting:1", force=1).status
            return d.api.raw("POST", "/containers/create", {"Image": "fleeting:1"}).status
        together(8, job)
        for c in d.api.get("/containers/json", all=1):
            assert d.api.raw("GET", f"/containers/{c['Id']}/export").status == 200
            box.rm(c["Id"])
        for i in d.api.get("/images/json"):
            if "busybox:latest" not in i["RepoTags"]:
                d.api.delete(f"/images/{i['Id']}", force=1)


def test_a_volume_removed_while_it_is_taken(d):
    box = Box(d.api)
    for _ in range(5):
        d.api.post("/volumes/create", {"Name": "fleeting"})
        together(8, lambda n: d.api.raw("DELETE", "/volumes/fleeting") if n % 2 else d.api.raw(
            "POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": ["fleeting:/v"]}}))
        for c in d.api.get("/containers/json", all=1):
            assert d.api.raw("POST", f"/containers/{c['Id']}/start").status == 204
            box.wait(c["Id"])
            box.rm(c["Id"])


def test_the_same_archive_loaded_by_ten_clients(d):
    data = d.api.raw("GET", "/images/busybox/get").body
    d.api.delete("/images/busybox:latest", force=1)
    r = together(10, lambda n: d.api.raw("POST", "/images/load", data))
    assert all(x.status == 200 and b"Loaded image" in x.body for x in r)
    assert len(d.api.get("/images/json")) == 1 and Box(d.api).run("echo", "x").out == "x\n"


def test_b2_a_copy_raced_by_a_link_swapper_stays_inside(d, scratch):
    """A process inside swaps a folder with a link to a folder of the host while files are copied in and out."""
    outside = scratch + "/outside"
    os.makedirs(outside + "/deep", exist_ok=True)
    with open(outside + "/deep/secret", "w") as f:
        f.write("secret of the host")
    box = Box(d.api)
    from harness.images import tar_of
    id = box.up("sh", "-c", f"mkdir -p /a/deep /b; ln -s {outside} /b/link; while :; do mv /a /c; mv /b/link /a; mv /a /b/link; mv /c /a; done")
    payload = tar_of({"deep/written": "x"})
    for _ in range(300):
        d.api.raw("PUT", f"/containers/{id}/archive", payload, path="/a")
        try:
            body = d.api.raw("GET", f"/containers/{id}/archive", path="/a/deep").body
        except http.client.IncompleteRead as broken:  # what moved away while it was read is not made up
            body = broken.partial
        assert b"secret of the host" not in body
    for _ in range(10):
        try:
            body = d.api.raw("GET", f"/containers/{id}/export").body
        except http.client.IncompleteRead as broken:
            body = broken.partial
        assert b"secret of the host" not in body
    assert os.listdir(outside) == ["deep"] and os.listdir(outside + "/deep") == ["secret"]


def test_a3_mounts_raced_by_a_link_swapper_stay_inside(d, scratch):
    """One container owns a volume and swaps its folders with links while others are started with mounts inside that volume."""
    outside = scratch + "/outside2"
    os.makedirs(outside, exist_ok=True)
    box = Box(d.api)
    box.up("sh", "-c", f"cd /v; mkdir -p dir; ln -s {outside} link; while :; do mv dir tmp; mv link dir; mv dir link; mv tmp dir; done", host={"Binds": ["swapped:/v"]})
    for n in range(30):
        mount = {"Type": "tmpfs", "Target": "/v/dir/made"}
        r = d.api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": ["swapped:/v"], "Mounts": [mount]}})
        d.api.raw("POST", f"/containers/{r.json()['Id']}/start")
        d.api.raw("DELETE", f"/containers/{r.json()['Id']}", force=1)
        assert os.listdir(outside) == [], f"round {n}"
