"""shoald itself: configuration, reload, where it listens, TLS, socket activation, several daemons, start and stop."""
import os
import signal
import socket
import subprocess

import pytest

from harness import daemon as daemon_module
from harness.box import Box
from harness.host import alive, until

NO_NET = {"bridge": "none"}


def test_keys_of_the_file_take_effect(fresh):
    d = fresh({"bip": "172.30.0.1/24", "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}], "dns": ["10.0.0.53"], "dns-search": ["s.test"],
               "dns-opts": ["ndots:4"], "mtu": 1400, "log-driver": "json-file", "log-opts": {"max-size": "5m", "max-file": "2"}, "labels": ["role=test"],
               "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}}, "default-shm-size": "8M", "debug": True,
               "insecure-registries": ["127.0.0.0/8"], "registry-mirrors": ["https://mirror.test"], "shutdown-timeout": 3})
    box = Box(d.api)
    info = d.api.get("/info")
    assert info["Labels"] == ["role=test"] and info["Debug"] is True and info["RegistryConfig"]["Mirrors"] == ["https://mirror.test/"]
    c = box.inspect(box.up())
    assert c["NetworkSettings"]["IPAddress"].startswith("172.30.0.") and c["HostConfig"]["LogConfig"]["Config"] == {"max-size": "5m", "max-file": "2"}
    out = box.sh("ulimit -Sn; ulimit -Hn; df -k /dev/shm | awk 'NR==2{print $2}'; cat /etc/resolv.conf; cat /sys/class/net/eth0/mtu").out
    assert out.split()[:3] == ["64", "128", "8192"] and "nameserver 10.0.0.53" in out and "search s.test" in out and "ndots:4" in out and out.endswith("1400\n")
    d.api.post("/networks/create", {"Name": "p"})
    assert d.api.get("/networks/p")["IPAM"]["Config"][0]["Subnet"] == "10.200.0.0/24"


def test_ipv6_on_the_default_bridge(fresh):
    d = fresh({"ipv6": True, "fixed-cidr-v6": "fd00:99::/64"})
    box = Box(d.api)
    assert box.inspect(box.up())["NetworkSettings"]["GlobalIPv6Address"].startswith("fd00:99::")


def test_a_runtime_by_configuration(fresh):
    d = fresh({"runtimes": {"mine": {"path": "/usr/bin/crun"}}, "default-runtime": "mine"})
    box = Box(d.api)
    assert d.api.get("/info")["DefaultRuntime"] == "mine" and "mine" in d.api.get("/info")["Runtimes"]
    assert box.run("echo", "x").out == "x\n" and box.run("echo", "y", host={"Runtime": "runc"}).out == "y\n"


@pytest.mark.parametrize("config, says", [
    ({"nonsense-key": 1}, "nonsense-key"), ({"debug": "yes"}, "debug"), ({"mtu": "big"}, "mtu"), ({"dns": "1.1.1.1"}, "dns"), ({"bip": "nonsense"}, "bip"),
    ({"log-driver": "nonsense"}, "nonsense"), ({"default-runtime": "nonsense"}, "nonsense"), ({"dns": ["nonsense"]}, "nonsense"), ("{", ""), ("[]", ""),
    ('{"debug": true, "debug": false}', "debug"), ({"default-address-pools": [{"base": "x", "size": 24}]}, "x"), ({"hosts": ["ftp://x"]}, "ftp"),
    ({"labels": "x"}, "labels"), ({"tlsverify": True}, "tls"), ({"pidfile": 3}, "pidfile"), ({"default-ulimits": {"nonsense": {"Name": "nonsense", "Soft": 1, "Hard": 1}}}, "nonsense"),
])
@pytest.mark.shoal_only("Docker 20.10 words it otherwise")
def test_a_wrong_file_is_refused_with_the_keys_name(fresh, config, says):
    d = fresh(config, start=False)
    assert says in d.fails_to_start()


def test_a_key_in_file_and_flags_is_refused(fresh):
    d = fresh({"pidfile": "/tmp/x"}, start=False)
    assert "pidfile" in d.fails_to_start()


@pytest.mark.shoal_only("the same flag came with Docker 23")
def test_validate_checks_without_starting(fresh):
    good, bad = fresh({"debug": True}, start=False), fresh({"nonsense": 1}, start=False)
    assert subprocess.run([daemon_module.PROGRAM, "--validate", "--config-file", good.config_file], capture_output=True).returncode == 0
    r = subprocess.run([daemon_module.PROGRAM, "--validate", "--config-file", bad.config_file], capture_output=True, text=True)
    assert r.returncode != 0 and "nonsense" in r.stdout + r.stderr


def test_reload_on_hangup(fresh):
    d = fresh({"labels": ["a=1"]})
    d.reload({"labels": ["a=2"], "debug": True})
    until(lambda: d.api.get("/info")["Labels"] == ["a=2"], what="the new label")
    assert d.api.get("/info")["Debug"] is True


def test_a_broken_file_at_reload_changes_nothing(fresh):
    d = fresh({"labels": ["a=1"]})
    d.reload('{"labels": ["a=2"], "nonsense": 1}')
    until(lambda: "nonsense" in d.log_tail(), what="the complaint in the log")
    assert d.api.get("/info")["Labels"] == ["a=1"]


def test_a_second_daemon_on_the_same_root_is_refused(fresh):
    d = fresh(NO_NET, image=False)
    second = daemon_module.Daemon(d.folder, NO_NET)
    second.socket = d.folder + "/other.sock"
    assert second.fails_to_start()
    second = daemon_module.Daemon(d.folder, NO_NET)
    second.socket, second.pidfile = d.folder + "/other.sock", d.folder + "/other.pid"
    if daemon_module.IS_SHOAL:
        assert second.fails_to_start()
    assert d.api.get("/_ping") == b"OK"


@pytest.mark.shoal_only("Docker needs a bridge made by hand for each")
def test_several_daemons_live_side_by_side(fresh, daemon):
    """In one network namespace, each with roots, socket and bridge subnet of its own."""
    second = fresh({"bridge": "none", "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]}, own_net=False)
    one, two = Box(daemon.api), Box(second.api)
    one.up(name="same")
    second.api.post("/networks/create", {"Name": "n2"})
    two.up(name="same", host={"NetworkMode": "n2"})
    assert len(daemon.api.get("/containers/json")) == len(second.api.get("/containers/json")) == 1
    second.stop()
    assert one.state("same")["Running"]
    second.start()  # its container outlived it, and is found and removed at the end
    assert two.state("same")["Running"]


def test_pidfile_and_socket_have_owner_and_mode_and_go_away(fresh):
    d = fresh(NO_NET, image=False)
    with open(d.pidfile) as f:
        assert int(f.read()) == d.pid
    assert os.stat(d.socket).st_mode & 0o777 == 0o660
    assert d.stop() == 0
    assert not os.path.exists(d.pidfile)


@pytest.mark.shoal_only("Docker's own containerd is in the way")
def test_a_stale_pidfile_and_socket_do_not_stop_a_start(fresh):
    d = fresh(NO_NET, image=False)
    d.kill()
    assert os.path.exists(d.pidfile)
    d.start()


def test_the_group_of_the_socket(fresh):
    d = fresh({"group": "daemon", **NO_NET}, image=False)
    assert os.stat(d.socket).st_gid == 1


def test_an_absent_group_is_refused_when_it_was_asked_for(fresh):
    assert "absent-group" in fresh({"group": "absent-group", **NO_NET}, start=False).fails_to_start()


def test_tcp_on_loopback(fresh):
    d = fresh(NO_NET, args=["-H", "tcp://127.0.0.1:12375"], image=False)
    assert d.curl("http://127.0.0.1:12375/_ping") == (200, "OK")


@pytest.mark.shoal_only("Docker only warns")
@pytest.mark.parametrize("address", ["0.0.0.0:12375", "[::]:12375", "192.0.2.53:12375"])
def test_d1_tcp_beyond_loopback_without_mutual_tls_is_refused(fresh, address):
    d = fresh(NO_NET, args=["-H", "tcp://" + address], start=False)
    text = d.fails_to_start()
    assert "tls" in text.lower()


@pytest.mark.shoal_only("Docker only warns")
def test_d1_tls_without_client_certificates_is_refused_too(fresh, certificates):
    d = fresh({"tls": True, "tlscert": certificates["server.pem"], "tlskey": certificates["server-key.pem"], **NO_NET}, args=["-H", "tcp://0.0.0.0:12376"], start=False)
    assert "tls" in d.fails_to_start().lower()


@pytest.mark.shoal_only("Docker warns in another way")
def test_d1_plain_loopback_tcp_is_warned_about(fresh):
    d = fresh(NO_NET, args=["-H", "tcp://127.0.0.1:12375"], image=False)
    assert any("12375" in w for w in d.api.get("/info")["Warnings"])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, a server and a client certificate; a second authority with a client of its own."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}-key.pem", "-out", f"{ca}.pem")
    for name, ca, extra in (("server", "ca", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth"), ("client", "ca", "extendedKeyUsage=clientAuth"),
                            ("stranger", "other", "extendedKeyUsage=clientAuth")):
        (folder / "ext").write_text(extra)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", "csr")
        openssl("x509", "-req", "-in", "csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", f"{name}.pem")
    return {f.name: str(f) for f in folder.iterdir()}


def test_mutual_tls(fresh, certificates):
    c = certificates
    d = fresh({"tlsverify": True, "tlscacert": c["ca.pem"], "tlscert": c["server.pem"], "tlskey": c["server-key.pem"], **NO_NET}, args=["-H", "tcp://0.0.0.0:12376"], image=False)
    base = ["--cacert", c["ca.pem"], "https://127.0.0.1:12376/_ping"]
    assert d.curl("--cert", c["client.pem"], "--key", c["client-key.pem"], *base) == (200, "OK")
    assert d.curl(*base)[0] == 0
    assert d.curl("--cert", c["stranger.pem"], "--key", c["stranger-key.pem"], *base)[0] == 0
    assert d.curl("http://127.0.0.1:12376/_ping")[1] != "OK"
    assert d.curl("--tls-max", "1.1", "--cert", c["client.pem"], "--key", c["client-key.pem"], *base)[0] == 0


@pytest.mark.shoal_only("Docker has no such check")
@pytest.mark.parametrize("header", ["Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"])
def test_d6_web_pages_cannot_reach_the_api_on_loopback(fresh, header):
    d = fresh(NO_NET, args=["-H", "tcp://127.0.0.1:12375"], image=False)
    status, _ = d.curl("-H", header, "http://127.0.0.1:12375/containers/json")
    assert status == 403
    assert d.curl("http://127.0.0.1:12375/containers/json") == (200, "[]\n") or d.curl("http://127.0.0.1:12375/containers/json")[0] == 200


def test_d7_a_container_cannot_reach_the_api_through_the_gateway(fresh):
    d = fresh({}, args=["-H", "tcp://127.0.0.1:12375"])
    box = Box(d.api)
    assert not box.sh(r"gw=$(ip route | awk '/default/{print $3}'); printf 'GET /_ping HTTP/1.0\r\n\r\n' | nc -w 2 $gw 12375").out
    assert not box.sh(r"ip route add 127.9.9.9 via $(ip route | awk '/default/{print $3}') 2>/dev/null; printf 'GET /_ping HTTP/1.0\r\n\r\n' | nc -w 1 127.9.9.9 12375").out


@pytest.mark.shoal_only("a promise of ours")
def test_d8_changes_are_recorded_and_secrets_are_not(fresh):
    d = fresh(NO_NET)
    Box(d.api).create("true", Env=["PASSWORD=hunter2"], name="audited", host={"NetworkMode": "none"})
    d.api.raw("POST", "/auth", {"username": "u", "password": "hunter2", "serveraddress": "127.0.0.1:1"})
    with open(d.log) as f:
        log = f.read()
    line = next(x for x in log.splitlines() if "/containers/create" in x)
    assert "uid 0" in line and "201" in line and "hunter2" not in log


def test_socket_activation(fresh, scratch):
    """A listening socket handed over as descriptor 3, as systemd does."""
    d = fresh(NO_NET, start=False)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(d.socket)
    listener.listen(64)
    command = d.command()
    command[command.index("unix://" + d.socket)] = "fd://"
    wrapper = ["/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh", *command]

    def hand_over():
        os.dup2(listener.fileno(), 3)
    d.launch(wrapper, preexec_fn=hand_over, pass_fds=(3,))
    d.wait_until_it_answers()
    listener.close()
    assert d.stop() == 0 and os.path.exists(d.socket)


def test_it_tells_systemd_that_it_is_ready(fresh):
    d = fresh(NO_NET, start=False)
    path = d.folder + "/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(20)
        d.env["NOTIFY_SOCKET"] = path
        d.start()
        assert b"READY=1" in s.recv(4096)
        if daemon_module.IS_SHOAL:
            d.process.send_signal(signal.SIGTERM)
            seen = b""
            while b"STOPPING=1" not in seen:
                seen += s.recv(4096)
            assert d.wait_end(30) == 0  # a second signal would hurry it


def test_metrics(fresh):
    d = fresh({"metrics-addr": "127.0.0.1:12323", "experimental": True, **NO_NET}, image=False)
    status, text = d.curl("http://127.0.0.1:12323/metrics")
    assert status == 200 and "# TYPE" in text


@pytest.mark.shoal_only("Docker stops them unless told otherwise")
def test_containers_outlive_a_stop_of_the_daemon(fresh):
    d = fresh({})
    box = Box(d.api)
    id = box.up("sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); usleep 10000; done")
    pid = box.pid(id)
    d.stop()
    assert alive(pid)
    d.start()
    assert box.pid(id) == pid and box.state(id)["Running"]
    box.api.post(f"/containers/{id}/kill")
    box.wait(id)
    lines = [int(x) for x in box.logs(id)[0].split()]
    assert lines == list(range(len(lines)))


def test_restart_policies_at_a_start_of_the_daemon(fresh):
    d = fresh({})
    box = Box(d.api)
    always = box.up(name="always", host={"RestartPolicy": {"Name": "always"}})
    unless = box.up(name="unless", host={"RestartPolicy": {"Name": "unless-stopped"}})
    stopped = box.up(name="stopped", host={"RestartPolicy": {"Name": "unless-stopped"}})
    box.api.post(f"/containers/{stopped}/kill")
    box.wait(stopped)
    d.restart()
    for id in (always, unless):
        box.until(id, lambda c: c["State"]["Running"])
    assert not box.state(stopped)["Running"]


def test_everything_is_remembered_over_a_restart(fresh):
    d = fresh({})
    api, box = d.api, Box(d.api)
    api.post("/networks/create", {"Name": "kept", "Labels": {"a": "b"}, "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}})
    api.post("/volumes/create", {"Name": "keptv", "Labels": {"a": "b"}})
    id = box.run("sh", "-c", "echo logged; exit 3", name="keptc", host={"NetworkMode": "kept", "Binds": ["keptv:/v"]}).id
    before = box.inspect(id)
    images = api.get("/images/json")
    d.restart()
    after = box.inspect(id)
    def given(values):
        return {k: v for k, v in values.items() if v not in (None, [], {}, "")}
    for part in ("State", "Config", "HostConfig"):
        assert given(after[part]) == given(before[part]), part
    assert api.get("/images/json") == images and api.get("/networks/kept")["Labels"] == {"a": "b"} and api.get("/volumes/keptv")["Labels"] == {"a": "b"}
    assert box.logs(id)[0] == "logged\n"
    box.start(id)
    assert box.wait(id) == 3


def test_host_by_context_and_tls_through_the_command_line(fresh, certificates, tmp_path):
    from harness import cli
    if not cli.PROGRAMS["shoal"]:
        pytest.skip("the shoal command is tested against shoald")
    c = certificates
    d = fresh({"tlsverify": True, "tlscacert": c["ca.pem"], "tlscert": c["server.pem"], "tlskey": c["server-key.pem"], **NO_NET}, args=["-H", "tcp://127.0.0.1:12376"], image=False)
    r = subprocess.run(d.inside([cli.PROGRAMS["shoal"], "-H", "tcp://127.0.0.1:12376", "--tlsverify", "--tlscacert", c["ca.pem"], "--tlscert", c["client.pem"],
                                 "--tlskey", c["client-key.pem"], "version", "-f", "{{.Server.Os}}"]), capture_output=True, text=True)
    assert (r.returncode, r.stdout) == (0, "linux\n"), r.stderr
