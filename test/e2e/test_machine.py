"""`shoal machine`: full nodes on this computer, their power, their disks, their cables, and that nothing of them stays."""
import glob
import json
import os
import shlex
import subprocess

import pytest

from harness import cli, host
from harness.machines import DOCKERD, SHOAL, in_parallel, mounts_below

pytestmark = pytest.mark.shoal_only("shoal machine")


@pytest.fixture(scope="module")
def three(module_clusters):
    c = module_clusters()
    c.create("m1", "m2", "m3")
    return c


@pytest.fixture
def cluster(three):
    """The three of this file, running and joined."""
    three.heal()
    three.start(*[m for m in three if m.status() != "Running"])
    yield three
    three.heal()


def ping(a, b, ok=True):
    """One answer in two seconds, or none."""
    return a.ssh(f"busybox ping -c 1 -W 2 {b.address}", ok=ok)


# --- what a machine is ---

def test_machines_reach_each_other_by_address_and_by_name(cluster):
    for a in cluster:
        for b in cluster:
            ping(a, b)
    cluster[0].ssh("busybox ping -c 1 -W 2 m3")
    assert [m.address for m in cluster] == ["198.18.0.1", "198.18.0.2", "198.18.0.3"]


def test_each_has_its_own_names_processes_and_links(cluster):
    a = cluster[0]
    assert a.ssh("hostname; cat /etc/hostname").out == "m1\nm1\n"
    assert a.ssh("cat /proc/1/comm").out == "shoal\n"
    assert "shoald" in a.ssh("ps -e -o comm").out and str(os.getpid()) not in a.ssh("ps -e -o pid").out.split()
    assert a.ssh("ls /sys/class/net").out.split()[:1] != [] and "eth0" in a.ssh("ls /sys/class/net").out
    ids = {m.ssh("cat /etc/machine-id").out for m in cluster}
    assert len(ids) == 3


def test_a_container_runs_in_one_and_not_in_the_others(cluster):
    a, b, _ = cluster
    a.docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox", "httpd", "-f", "-h", "/www")
    assert a.docker.out("ps", "--format", "{{.Names}}") == "web" and b.docker.out("ps", "-q") == ""
    page = host.until(lambda: b.ssh(f"busybox wget -qO- http://{a.address}:8080/index.html", ok=None).out, what="the page of another machine")
    assert page == "hello from the image\n"
    a.docker("rm", "-f", "web")


def test_limits_of_containers_hold_inside(cluster):
    a = cluster[0]
    assert a.docker.out("run", "--rm", "-m", "32m", "busybox", "sh", "-c",
                        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max") == str(32 << 20)


def test_what_a_machine_writes_stays_in_it(cluster):
    a, b, _ = cluster
    a.ssh("echo mine > /root/file; echo mine > /etc/file; echo mine > /var/lib/file; mkdir -p /srv/x")
    assert b.ssh("cat /root/file", ok=False) and not os.path.exists("/etc/file") and not os.path.exists("/var/lib/file")
    assert "read-only" in a.ssh("touch /usr/file", ok=False).err.lower()
    assert not os.path.exists("/usr/file")


def test_a_daemon_has_the_options_it_was_created_with(clusters):
    c = clusters()
    (a,) = c.create("opt", config={"labels": ["rack=7"], "bridge": "none"}, subnet="10.200.0.0/28")
    assert a.api.get("/info")["Labels"] == ["rack=7"] and a.address == "10.200.0.1"
    assert "subnet" in c("create", "--subnet", "10.201.0.0/24", "other", ok=1).err


# --- ssh ---

def test_ssh_passes_on_input_output_and_the_exit_code(cluster):
    a = cluster[0]
    assert a.ssh("cat", input="in\n").out == "in\n"
    r = a.ssh("echo out; echo err >&2; exit 7", ok=7)
    assert (r.out, r.err) == ("out\n", "err\n")
    assert a.ssh("kill -9 $$", ok=None).code in (137, -9)
    assert a.run("printf", "%s|", "a  b", "$x").out == "a  b|$x|"
    assert a.ssh("pwd; echo $HOME").out == "/root\n/root\n"


def test_ssh_speaks_to_the_machines_own_daemon(cluster):
    for m in cluster:
        assert m.ssh("shoal info --format '{{.Name}}'").out == m.name + "\n"
    if os.path.exists("/usr/local/bin/docker"):
        assert cluster[1].ssh("docker info --format '{{.Name}}'").out == "m2\n"


def test_ssh_has_a_terminal(cluster):
    t = cli.Terminal([SHOAL, "machine", "ssh", "m1"], cluster.env, 24, 80)
    t.send("echo terminal=$(tty) size=$(stty size)\n")
    t.expect("terminal=/dev/pts/")
    t.expect("size=24 80")
    t.send("sleep 1000\n")
    cluster[0].until(lambda: "sleep 1000" in cluster[0].ssh("ps -e -o args").out, what="the program on the terminal")
    t.send("\x03")
    t.expect("^C")
    t.expect("# ")
    t.send("exit 5\n")
    assert t.finish() == 5


# --- lists ---

def test_lists(cluster):
    lines = cluster("ls").out.splitlines()
    assert lines[0].split() == ["NAME", "ACTIVE", "STATE", "IP", "URL", "CUT"]
    assert lines[1].split() == ["m1", "-", "Running", "198.18.0.1", f"unix://{cluster.root}/m1/api.sock"]
    assert cluster("ls", "-q").out == "m1\nm2\nm3\n"
    assert cluster("ls", "--format", "{{.Name}}={{.IP}}").out.splitlines()[2] == "m3=198.18.0.3"
    assert json.loads(cluster("ls", "--format", "json").out.splitlines()[0])["State"] == "Running"
    assert cluster("ip", "m2", "m3").out == "198.18.0.2\n198.18.0.3\n"


def test_env_points_clients_at_a_machine(cluster):
    line = f'eval "$({SHOAL} machine env m2)" && {SHOAL} info --format "{{{{.Name}}}}" && {SHOAL} machine ls --format "{{{{.Name}}}}{{{{.Active}}}}"'
    assert subprocess.run(["sh", "-c", line], env=cluster.env, capture_output=True, text=True).stdout.split() == ["m2", "m1-", "m2*", "m3-"]


# --- power ---

def test_a_power_cut_ends_everything_and_loses_no_data(cluster):
    a = cluster[0]
    a.docker("volume", "create", "data")
    a.docker("run", "-d", "--name", "always", "--restart", "always", "-v", "data:/data", "busybox", "sh", "-c", "echo written >> /data/log; exec sleep 100000")
    a.docker("run", "-d", "--name", "once", "busybox", "sleep", "100000")
    host.until(lambda: a.docker("exec", "always", "cat", "/data/log", ok=None).out == "written\n", what="the container's file")
    pids = [a.first_pid, *host.descendants(a.first_pid)]
    assert len(pids) >= 6  # process 1, the daemon, two monitors, two containers
    held = subprocess.Popen([SHOAL, "machine", "ssh", "m1", "sleep 100000"], env=cluster.env, stdin=subprocess.DEVNULL)
    a.until(lambda: "sleep" in a.ssh("ps -e -o args").out, what="the session")
    a.kill()
    assert a.status() == "Stopped" and not [p for p in pids if host.alive(p)]
    assert held.wait(20) != 0
    ping(cluster[1], a, ok=False) if a.state.get("address") else None
    a.start()
    assert a.docker.out("ps", "-a", "--format", "{{.Names}}").split() in (["once", "always"], ["always", "once"])
    a.until(lambda: a.docker.out("ps", "--format", "{{.Names}}") == "always", what="the restart policy")
    a.until(lambda: a.docker("exec", "always", "cat", "/data/log").out == "written\nwritten\n", what="the second line")
    ping(cluster[1], a)
    a.docker("rm", "-f", "-v", "always", "once")
    a.docker("volume", "rm", "data")


def test_several_lose_power_at_one_moment(cluster):
    pids = [m.first_pid for m in cluster]
    cluster.kill(*cluster)
    assert [m.status() for m in cluster] == ["Stopped"] * 3 and not [p for p in pids if host.alive(p)]
    assert "not running" in cluster("kill", "m1", ok=1).err
    assert "not running" in cluster("ssh", "m1", "true", ok=1).err
    cluster.start(*cluster)
    for m in cluster:
        assert m.api.get("/info")["Name"] == m.name


def test_stop_is_in_order_and_start_brings_it_back(cluster):
    a = cluster[1]
    a.ssh("echo kept > /root/kept")
    a.stop()
    assert a.status() == "Stopped" and not os.path.exists(a.socket)
    a.stop()
    a.start()
    a.start()
    assert a.ssh("cat /root/kept").out == "kept\n"
    assert "has ended" not in a.log_tail() or "ended with 0" in a.log_tail()


def test_a_daemon_that_dies_is_told_and_started_again_on_demand(cluster):
    a = cluster[2]
    first = a.first_pid
    a.kill_daemon()
    assert a.ssh("cat /proc/1/comm").out == "shoal\n"
    a.start()
    assert a.status() == "Running" and a.first_pid == first and a.api.get("/info")["Name"] == "m3"


# --- partitions ---

def test_cut_and_heal(cluster):
    a, b, c = cluster
    cluster.cut(a, b)
    ping(a, b, ok=False)
    ping(b, a, ok=False)
    ping(a, c)
    ping(c, b)
    assert cluster("ls", "--format", "{{.Cut}}").out.splitlines() == ["m2", "m1", ""]
    cluster.heal(b, a)
    ping(a, b)
    ping(b, a)


RECEIVE = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5000)); print(s.recv(100).decode(), flush=True)"


def test_a_cut_of_one_way_drops_what_one_machine_sends(cluster):
    a, b, c = cluster
    ping(a, b)  # neighbours' tables are filled first: without the other's address nothing would be sent at all
    server = subprocess.Popen([SHOAL, "machine", "ssh", b.name, shlex.join(["timeout", "60", "python3", "-c", RECEIVE])], env=cluster.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    b.until(lambda: ":5000" in b.ssh("ss -uln").out, what="the server")
    cluster.cut(b, a, one_way=True)
    ping(a, b, ok=False)  # asked, and the answer is lost
    a.ssh(f"bash -c 'echo arrived > /dev/udp/{b.address}/5000'")
    assert server.communicate(timeout=60)[0] == b"arrived\n\n"
    cluster.isolate(c)
    assert cluster("ls", "--format", "{{.Cut}}").out.splitlines() == ["m3", "m1,m3", "m1,m2"]
    cluster.heal()
    ping(a, b)
    ping(c, b)


def test_a_partition_outlives_a_power_cut(cluster):
    a, b, _ = cluster
    cluster.cut(a, b)
    a.kill()
    a.start()
    ping(a, b, ok=False)
    cluster.heal()
    ping(a, b)


@pytest.mark.parametrize("words, says", [(("cut", "m1", "m1"), "itself"), (("cut", "m1", "nobody"), "No such machine: nobody"),
                                         (("heal", "m1"), "two machines")])
def test_partitions_that_make_no_sense_are_refused(cluster, words, says):
    assert says in cluster(*words, ok=1).err


# --- scp ---

def test_scp_of_files(cluster, tmp_path):
    a, b, _ = cluster
    (tmp_path / "x").write_bytes(os.urandom(300000))
    cluster("scp", str(tmp_path / "x"), "m1:")
    cluster("scp", "m1:x", "m2:/srv/y")
    cluster("scp", "m2:/srv/y", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "x").read_bytes()
    assert a.ssh("stat -c %a x").out == b.ssh("stat -c %a /srv/y").out
    cluster("scp", "m1:/etc/hosts", str(tmp_path / "hosts"))  # a link that means something there only
    assert "198.18.0.3\tm3" in (tmp_path / "hosts").read_text()


def test_scp_of_trees(cluster, tmp_path):
    (tmp_path / "tree/in").mkdir(parents=True)
    (tmp_path / "tree/in/f").write_text("deep")
    os.symlink("in/f", tmp_path / "tree/link")
    assert "-r" in cluster("scp", str(tmp_path / "tree"), "m1:/root/t", ok=1).err
    cluster("scp", "-r", str(tmp_path / "tree"), "m1:/root/t")
    cluster("scp", "-r", str(tmp_path / "tree"), "m1:/root/t")
    assert cluster[0].ssh("cat t/in/f t/tree/in/f; readlink t/link").out == "deepdeepin/f\n"
    cluster("scp", "-r", "m1:t/in", str(tmp_path / "out"))
    assert (tmp_path / "out/f").read_text() == "deep"
    cluster[0].ssh("rm -r t")


@pytest.mark.parametrize("words", [("m1:/nowhere", "/tmp/x"), ("m1:/etc/hosts", "/nowhere/x"), ("m1:/etc/hosts", "nobody:x"), ("bad_name:x", "m1:y")])
def test_scp_of_what_is_not_there_fails(cluster, words):
    assert cluster("scp", *words, ok=1).err


# --- names, disks, rights ---

@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a_b", "x" * 64])
def test_bad_names_are_refused(cluster, name):
    assert "machine" in cluster("create", "--", name, ok=None).err
    assert cluster("ls", "-q").out == "m1\nm2\nm3\n"


def test_a_name_is_used_once(cluster):
    assert "exists already" in cluster("create", "m1", ok=1).err
    assert "running" in cluster("rm", "m1", ok=1).err
    assert "No such machine: nobody" in cluster("rm", "nobody", ok=1).err
    cluster("rm", "-f", "nobody")


def test_a_disk_of_its_own_can_be_full(clusters):
    c = clusters()
    (a,) = c.create("small", disk="96m")
    a.ssh("head -c 200M /dev/zero > /var/lib/big", ok=False)
    assert 60 << 20 < int(a.ssh("stat -c %s /var/lib/big").out) < 96 << 20
    a.kill()
    a.start()
    a.ssh("rm /var/lib/big")
    assert a.docker.out("run", "--rm", "busybox", "echo", "fine") == "fine"


def test_a_daemon_that_does_not_start_leaves_no_machine(clusters):
    c = clusters()
    path = c.home + "/bad.json"
    with open(path, "w") as f:
        json.dump({"no-such-option": 1}, f)
    assert "no-such-option" in c("create", "--config", path, "bad", ok=1).err
    assert c("ls", "-q").out == ""


def test_dockers_daemon_can_be_a_machine_too(clusters):
    if not os.path.exists(DOCKERD):
        pytest.skip("dockerd is not on this machine")
    c = clusters()
    new, old = c.create("new", images=False) + c.create("old", daemon=DOCKERD, images=False)
    c.load_busybox([old, new])
    assert old.api.get("/version")["Version"].startswith("20.10")
    assert old.docker.out("run", "--rm", "busybox", "echo", "old") == "old" and new.docker.out("run", "--rm", "busybox", "echo", "new") == "new"
    old.kill()
    old.start()
    assert old.docker.out("run", "--rm", "busybox", "echo", "again") == "again"


# --- nothing stays ---

def test_rm_leaves_nothing_behind(clusters):
    before = host.picture()
    c = clusters()
    made = c.create("a", "b")
    in_parallel(lambda m: m.docker("run", "-d", "-p", "80:80", "busybox", "sleep", "100000"), made)
    c.cut(*made)
    pids = [p for m in made for p in [m.first_pid, *host.descendants(m.first_pid)]]
    groups = [g for m in made for g in glob.glob(f"/sys/fs/cgroup/*/shoal-machines/{m.state['id']}") + glob.glob(f"/sys/fs/cgroup/shoal-machines/{m.state['id']}")]
    assert groups and mounts_below(c.root) == [c.root + "/.switch"]  # the one trace, while they live
    during = host.difference(before, host.picture())
    assert all(line.startswith(("mounts", "cgroups")) for line in during), during
    c.remove(*made)
    assert not [p for p in pids if host.alive(p)]
    left = [x for x in host.difference(before, host.picture()) if c.root in x or not x.startswith("cgroups")]
    assert left == [] and not [g for g in groups if os.path.exists(g)] and os.listdir(c.root) == [".lock"]


def test_machines_of_two_roots_do_not_know_each_other(cluster, clusters):
    c = clusters()
    (a,) = c.create("m1", images=False)
    assert a.address == cluster[0].address and c("ls", "-q").out == "m1\n"
    a.ssh(f"busybox ping -c 1 -W 1 {cluster[1].address}", ok=False)
