"""Options of a build from outside: what the request asks for beside the Dockerfile, and what the image list, history and events show."""
import io
import json
import tarfile
import time

import pytest

from harness import host
from harness.build import Builder, write_folder

shoals = pytest.mark.shoal_only("more than the classic builder of 20.10 promises")
CLASSIC = {"DOCKER_BUILDKIT": "0"}
ASK = "for i in 1 2 3 4 5; do printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {} 80 > /f; grep -q hello /f && break; sleep 1; done"
CGROUP = "g() { cat /sys/fs/cgroup/$1/$2 2>/dev/null || cat /sys/fs/cgroup/$3; }; "


def test_several_tags(build, api):
    b = build("FROM busybox\nLABEL a=b\n", t=("one", "two:2", "reg.example:5000/three/3:v"))
    assert set(api.get(f"/images/{b.id}/json")["RepoTags"]) == {"one:latest", "two:2", "reg.example:5000/three/3:v"}


def test_a_tag_moves_and_the_old_image_dangles(build, api):
    one = build("FROM busybox\nLABEL a=1\n", t="moves").id
    two = build("FROM busybox\nLABEL a=2\n", t="moves").id
    assert api.get("/images/moves/json")["Id"] == two
    assert one in [i["Id"] for i in api.get("/images/json", filters={"dangling": ["true"]})]


def test_without_a_tag_the_image_dangles(build, api):
    b = build("FROM busybox\nLABEL untagged=1\n")
    assert api.get(f"/images/{b.id}/json")["RepoTags"] == [] and b.id in [i["Id"] for i in api.get("/images/json", filters={"dangling": ["true"]})]


def test_a_failed_build_does_not_tag(build, api):
    build.fails("FROM busybox\nLABEL a=b\nRUN exit 1\n", t="never")
    assert api.raw("GET", "/images/never/json").status == 404


def test_labels_of_the_request(build):
    b = build("FROM busybox\nLABEL own=1 both=dockerfile\n", labels={"given": "2", "both": "request", "with space": "a \"b\" c"})
    assert b.config["Labels"] == {"own": "1", "given": "2", "both": "request", "with space": 'a "b" c'}


def test_build_args_and_target_by_command_line(cli, tmp_path):
    write_folder(tmp_path / "c", "FROM busybox AS one\nARG A\nARG FROM_ENV\nRUN echo \"$A $FROM_ENV\" > /f\nCMD cat /f\nFROM one\nRUN exit 1\n")
    cli("build", "-t", "o", "--build-arg", "A=1 2", "--build-arg", "FROM_ENV", "--target", "one", "--label", "x=y", str(tmp_path / "c"), env={**CLASSIC, "FROM_ENV": "env"})
    assert cli.out("run", "--rm", "o") == "1 2 env" and cli.out("inspect", "-f", "{{.Config.Labels}}", "o") == "map[x:y]"


# ---- the containers that steps run in ----

def test_networks_of_steps(build, api, box, web):
    web.files["/f"] = b"page\n"
    fetch = f"printf 'GET /f HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {web.address} {web.port} > /f && grep -q page /f"
    assert build(f"FROM busybox\nRUN {fetch}\n").data("f").endswith("page\n")
    build.fails(f"FROM busybox\nRUN {fetch}\n", networkmode="none", nocache=1)
    assert build(f"FROM busybox\nRUN {fetch}\n", networkmode="host", nocache=1).data("f").endswith("page\n")
    assert build("FROM busybox\nRUN ls /sys/class/net > /f\n", networkmode="none").data("f").split() == ["lo"]
    api.post("/networks/create", {"Name": "own"})
    box.up("httpd", "-f", "-h", "/www", name="neighbour", host={"NetworkMode": "own"})
    b = build(f"FROM busybox\nRUN {ASK.format('neighbour')}\n", networkmode="own")
    assert b.data("f").endswith("hello from the image\n")
    build.fails("FROM busybox\nRUN true\n", networkmode="nosuchnetwork", says="nosuchnetwork")


def test_a_step_in_the_network_of_a_container(build, box):
    id = box.up("httpd", "-f", "-h", "/www", name="neighbour")
    b = build(f"FROM busybox\nRUN {ASK.format('127.0.0.1')}\n", networkmode=f"container:{id}")
    assert b.data("f").endswith("hello from the image\n")


def test_extra_hosts(build):
    b = build("FROM busybox\nRUN cat /etc/hosts > /f\n", extrahosts="somewhere:10.11.12.13")
    assert any(x.split() == ["10.11.12.13", "somewhere"] for x in b.data("f").splitlines())


def test_extra_hosts_by_command_line(cli, tmp_path):
    write_folder(tmp_path / "c", "FROM busybox\nRUN cat /etc/hosts > /f\nCMD cat /f\n")
    cli("build", "-t", "o", "--add-host", "one:10.1.1.1", "--add-host", "two:10.2.2.2", "--network", "bridge", str(tmp_path / "c"), env=CLASSIC)
    out = cli.out("run", "--rm", "o")
    assert "10.1.1.1\tone" in out and "10.2.2.2\ttwo" in out


def test_limits_are_seen_inside(build):
    b = build("FROM busybox\nRUN " + CGROUP + "g memory memory.limit_in_bytes memory.max > /memory; g cpu cpu.shares cpu.weight > /shares; "
              "g cpu cpu.cfs_quota_us cpu.max > /quota; g cpuset cpuset.cpus cpuset.cpus > /cpus; ulimit -n > /files; df -k /dev/shm | tail -1 > /shm\n",
              memory=64 << 20, memswap=-1, cpushares=512, cpuquota=50000, cpuperiod=100000, cpusetcpus="0", shmsize=32 << 20,
              ulimits=[{"Name": "nofile", "Soft": 123, "Hard": 456}])
    assert b.data("memory").strip() == str(64 << 20) and b.data("shares").strip() in ("512", "20") and b.data("quota").split()[0] == "50000"
    assert b.data("cpus").strip() == "0" and b.data("files").strip() == "123" and b.data("shm").split()[1] == str(32 << 10)


def test_a_step_that_takes_too_much_memory_is_killed(build):
    b = build.fails("FROM busybox\nRUN head -c 200000000 /dev/zero | tail\n", memory=20 << 20, memswap=20 << 20)
    assert "code: 137" in b.error or "code: 1" in b.error or "killed" in (b.error + b.text).lower()


def test_limits_by_command_line(cli, tmp_path):
    write_folder(tmp_path / "c", "FROM busybox\nRUN " + CGROUP + "g memory memory.limit_in_bytes memory.max > /f; ulimit -n >> /f; df -k /dev/shm | tail -1 | awk '{print $2}' >> /f\nCMD cat /f\n")
    cli("build", "-t", "o", "-m", "70m", "--ulimit", "nofile=99", "--shm-size", "8m", "--cpu-shares", "100", "--cpu-quota", "40000", "--cpu-period", "50000",
        "--cpuset-cpus", "0", "--memory-swap", "-1", str(tmp_path / "c"), env=CLASSIC)
    assert cli.out("run", "--rm", "o").split() == [str(70 << 20), "99", "8192"]


def test_a_container_goes_unless_asked_to_stay(build, api):
    build("FROM busybox\nRUN echo 1\n")
    assert api.get("/containers/json", all=1) == []
    build("FROM busybox\nRUN echo 2\n", rm=0)
    left = api.get("/containers/json", all=1)
    assert any("echo 2" in c["Command"] for c in left)


def test_the_container_of_a_failed_step_goes_with_forcerm(build, api):
    build.fails("FROM busybox\nRUN exit 1\n", forcerm=1)
    assert api.get("/containers/json", all=1) == []
    b = build.fails("FROM busybox\nRUN echo kept; exit 1\n", rm=1)
    left = api.get("/containers/json", all=1)
    assert [c["State"] for c in left] in (["exited"], []) and b.detail["code"] == 1


# ---- squash, pull, platform ----

@shoals
def test_squash_makes_one_layer(build):
    text = "FROM busybox\nRUN head -c 1000000 /dev/urandom > /big\nRUN rm /big && echo x > /f\nRUN rm /www/index.html\nLABEL a=b\n"
    b = build(text, squash=1, t="squashed")
    layers = b.layers()
    assert len(layers) == 2 and {k for k, f in b.own.items() if f.kind == "file"} == {"f", "www/.wh.index.html"}
    assert b.config["Labels"] == {"a": "b"} and b.sh("cat /f; ls /www").out == "x\n"
    assert len(build("FROM scratch\nCOPY a /a\nCOPY b /b\n", {"a": "1", "b": "2"}, squash=1).layers()) == 1


def test_squash_is_honoured_or_refused(build):
    b = build("FROM busybox\nRUN echo x > /f\nRUN rm /f\n", squash=1, ok=None)
    assert b.good or "squash" in b.error


def test_pull_is_refused_with_the_bases_name(build):
    b = build.fails("FROM absent.invalid/base:1\n", pull=1, says="absent.invalid/base")
    assert b.status in (200, 400, 404, 500, 501, 503)


@shoals
def test_pull_of_a_base_that_is_here_is_no_silent_no(build):
    """There is no way to its registry: --pull says so, and does not take what is here."""
    b = build("FROM 127.0.0.1:1/busybox\n", pull=1, ok=None)
    assert not b.good and "127.0.0.1:1" in b.error


def test_a_platform_of_the_request(build):
    arch = build("FROM busybox\n").image["Architecture"]
    assert build("FROM busybox\nLABEL a=1\n", platform=f"linux/{arch}").image["Architecture"] == arch
    build.fails("FROM busybox\n", platform="nonsense/a/b/c/d")


@shoals
def test_a_foreign_platform_of_the_request(build):
    b = build("FROM scratch\nCOPY f /f\n", {"f": "x"}, platform="linux/arm64")
    assert b.image["Architecture"] == "arm64" and b.image["Os"] == "linux"
    build.fails("FROM busybox\nRUN true\n", platform="linux/arm64", says="arm64")


# ---- the same twice ----

@shoals
def test_a_source_date_makes_builds_reproducible(build, api):
    """A build with SOURCE_DATE_EPOCH gives the same ids and the same layers, byte for byte, with a cold cache and at another time."""
    text = "FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN mkdir /d && echo x > /d/f && rm /www/index.html\nCOPY f /f\nWORKDIR /w\nADD t /t\n"
    files = {"f": "x", "t/a": "a", "t/b": "b"}

    def once():
        b = build(text, files, buildargs={"SOURCE_DATE_EPOCH": "1700000000"}, nocache=1)
        return b, b.id, b.layers()
    one, id, layers = once()
    created = one.image["Created"]
    time.sleep(1.1)
    two, again, layers_again = once()
    assert layers == layers_again and id == again
    assert created.startswith("2023-11-14T22:13:20") and max(f.mtime for f in two.own.values()) <= 1700000000


# ---- what is seen of it ----

def test_history_has_sizes_and_commands(build):
    b = build("FROM busybox\nENV A=b\nRUN head -c 123456 /dev/zero > /big\nCOPY f /f\nCMD [\"x\"]\n", {"f": "12345"})
    own = b.history[1:]
    text = [h["CreatedBy"] for h in own]
    assert len(own) == 4 and "ENV A=b" in text[0] and "head -c 123456 /dev/zero > /big" in text[1] and "COPY" in text[2] and "/f" in text[2] and "CMD" in text[3] and "x" in text[3]
    assert [h["Size"] for h in own] == [0, 123456, 5, 0]
    assert own[-1]["Id"] == b.id and all(h["Created"] > 1_700_000_000 for h in own)
    assert "/bin/sh -c" in text[1]


def test_the_configs_history_marks_empty_layers(build):
    b = build("FROM busybox\nENV A=b\nRUN echo x > /f\n")
    archive = b.archive()
    config = json.loads(archive[json.loads(archive["manifest.json"])[0]["Config"]])
    assert [bool(h.get("empty_layer")) for h in config["history"]][-2:] == [True, False]
    assert len([h for h in config["history"] if not h.get("empty_layer")]) == len(config["rootfs"]["diff_ids"])


def test_a_run_that_changes_nothing(build):
    """Classic keeps an empty layer for it; either way sizes and counts agree."""
    b = build("FROM busybox\nRUN true\n")
    assert b.history[-1]["Size"] == 0 and "true" in b.history[-1]["CreatedBy"]


def test_intermediate_images_are_hidden(build, api):
    b = build("FROM busybox\nRUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\n", t="chain")
    shown = [i["Id"] for i in api.get("/images/json")]
    every = [i["Id"] for i in api.get("/images/json", all=1)]
    assert len(shown) == 2 and b.id in shown and set(shown) <= set(every)
    assert api.get("/images/json", filters={"dangling": ["true"]}) == []


@pytest.mark.shoal_only("the parent of an image")
def test_all_images_shows_the_intermediate_ones(build, api):
    build("FROM busybox\nRUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\n", t="chain")
    assert len(api.get("/images/json", all=1)) == 4


def test_deleting_the_image_takes_its_intermediate_ones(build, api):
    build("FROM busybox\nRUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\n", t="chain")
    api.delete("/images/chain")
    api.post("/build/prune", all=1)
    assert [i["RepoTags"] for i in api.get("/images/json", all=1)] == [["busybox:latest"]]


def test_a_base_in_use_by_a_build_is_kept(build, api):
    build("FROM busybox\nRUN echo 1 > /1\n", t="child")
    r = api.raw("DELETE", f"/images/{api.get('/images/busybox/json')['Id']}")
    assert r.status == 409


def test_sizes_and_times(build):
    b = build("FROM busybox\nRUN head -c 1000000 /dev/zero > /big\n")
    base = build("FROM busybox\n").image["Size"]
    assert b.image["Size"] - base == 1000000
    assert abs(time.time() - time.mktime(time.strptime(b.image["Created"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 300


def test_events_of_a_build(build, api):
    since = f"{time.time():.9f}"
    b = build("FROM busybox\nRUN echo 1 > /1\n", t="evented:1")
    until = f"{time.time():.9f}"
    seen = api.raw("GET", "/events", since=since, until=until).json_stream()
    tags = [e for e in seen if e["Type"] == "image" and e["Action"] == "tag"]
    assert [(e["Actor"]["ID"], e["Actor"]["Attributes"]["name"]) for e in tags] == [(b.id, "evented:1")]
    kinds = [e["Action"] for e in seen if e["Type"] == "container"]
    for action in ("create", "start", "die", "destroy"):
        assert action in kinds, kinds


@shoals
def test_prune_is_an_event(build, api):
    build("FROM busybox\nRUN echo 1 > /1\n")
    since = f"{time.time():.9f}"
    api.post("/build/prune", all=1)
    seen = api.raw("GET", "/events", since=since, until=f"{time.time():.9f}").json_stream()
    assert [e["Action"] for e in seen if e["Type"] == "builder"] == ["prune"]


def test_a_running_build_is_seen_as_a_container(build, api):
    with build.stream("FROM busybox\nRUN echo go; sleep 30\n") as s:
        s.read_until(b"go")
        rows = host.until(lambda: api.get("/containers/json"), what="the step's container")
        assert "sleep 30" in rows[0]["Command"]
        api.post(f"/containers/{rows[0]['Id']}/kill")
        assert b"137" in s.read()


def test_what_was_built_can_be_built_upon_committed_saved_and_loaded(build, api, box):
    b = build('FROM busybox\nHEALTHCHECK CMD true\nONBUILD RUN echo x > /x\nUSER web\nENV A="a b"\nSHELL ["/bin/ash", "-c"]\nCMD ["id", "-u"]\n', t="whole:1")
    before = b.config
    archive = api.raw("GET", "/images/whole:1/get").body
    api.delete("/images/whole:1", force=1)
    api.post("/build/prune", all=1)
    api.post("/images/load", archive)
    after = api.get("/images/whole:1/json")
    assert after["Id"] == b.aux[-1]["ID"] and after["Config"] == before
    assert box.run(image="whole:1").out == "1000\n"


@shoals
def test_what_is_saved_is_read_by_others(build, api, tmp_path):
    import shutil
    import subprocess
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not on this machine")
    b = build("FROM busybox\nHEALTHCHECK --interval=5s CMD true\nONBUILD RUN x\nRUN echo x > /x\n", t="read:1")
    (tmp_path / "a.tar").write_bytes(api.raw("GET", "/images/read:1/get").body)
    subprocess.run(["skopeo", "copy", f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/oci:1"], check=True, capture_output=True)
    config = json.loads(subprocess.run(["skopeo", "inspect", "--config", "--raw", f"docker-archive:{tmp_path}/a.tar"], check=True, capture_output=True).stdout)
    assert config["config"]["Healthcheck"]["Interval"] == 5 * 10 ** 9 and config["config"]["OnBuild"] == ["RUN x"] and len(config["rootfs"]["diff_ids"]) == len(b.image["RootFS"]["Layers"])


# ---- what is not supported is said ----

@shoals
@pytest.mark.parametrize("query", [{"isolation": "hyperv"}, {"outputs": "nonsense"}, {"outputs": '[{"type":"nonsense"}]'}, {"securityopt": ["nonsense"]}])
def test_values_that_are_not_known_are_refused(build, query):
    build.fails("FROM busybox\nRUN true\n", **query)


@shoals
def test_two_builds_at_once_do_not_mix(fresh):
    import threading
    d, found = fresh(), {}

    def one(n):
        found[n] = Builder(d.api)(f"FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8 9; do echo word-{n}; done; echo {n} > /f\nCOPY f /g\n", {"f": str(n)}, t=f"at-once:{n}")
    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    for n in range(6):
        assert found[n].data("f") == f"{n}\n" and found[n].data("g") == str(n) and set(x for x in found[n].lines if x.startswith("word-")) == {f"word-{n}"}


def test_the_tar_of_an_image_is_well_formed(build):
    b = build("FROM busybox\nRUN mkdir -p /a/b/c && echo x > /a/b/c/d\nCOPY f /a/b/e\n", {"f": "x"})
    for layer in b.layers()[1:]:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            names = [m.name.strip("/") for m in tar]
        assert len(names) == len(set(names)) and all(n.rpartition("/")[0] in ["", *names[:i]] for i, n in enumerate(names)), names
