"""Host, container and private namespaces; init; hostname; hosts file; sysctls; terminal; tmpfs."""
import os

import pytest


def ns(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


@pytest.mark.parametrize("kind", ["mnt", "pid", "ipc", "uts", "net"])
def test_every_namespace_is_private_by_default(box, kind):
    assert ns(box.pid(box.up()), kind) != ns(os.getpid(), kind)


@pytest.mark.parametrize("host, kind", [({"NetworkMode": "host"}, "net"), ({"PidMode": "host"}, "pid"), ({"IpcMode": "host"}, "ipc"),
                                        ({"UTSMode": "host"}, "uts")])
def test_the_hosts_namespace_can_be_shared(box, host, kind):
    assert ns(box.pid(box.up(host=host)), kind) == ns(os.getpid(), kind)


@pytest.mark.parametrize("mode, kind", [("NetworkMode", "net"), ("PidMode", "pid"), ("IpcMode", "ipc")])
def test_another_containers_namespace_can_be_shared(box, mode, kind):
    first = box.up(name="owner", host={"IpcMode": "shareable"})
    second = box.up(host={mode: "container:owner"})
    assert ns(box.pid(first), kind) == ns(box.pid(second), kind)


def test_the_network_of_a_stopped_container_cannot_be_joined(api, box):
    box.create(name="owner")
    id = box.create(host={"NetworkMode": "container:owner"})
    api.refused("POST", f"/containers/{id}/start", status=409, says=["cannot join network of a non running container"])


def test_a_joined_network_shares_hostname_and_hosts(box):
    box.up(name="owner", Hostname="ownerhost", host={"ExtraHosts": ["extra:9.9.9.9"]})
    r = box.sh("hostname; cat /etc/hosts", host={"NetworkMode": "container:owner"})
    assert r.out.startswith("ownerhost\n") and "9.9.9.9\textra" in r.out


@pytest.mark.parametrize("config, host, says", [
    ({"Hostname": "x"}, {"NetworkMode": "container:owner"}, "hostname"),
    ({}, {"NetworkMode": "container:owner", "PortBindings": {"80/tcp": [{}]}}, "port publishing"),
    ({}, {"NetworkMode": "container:owner", "Dns": ["1.1.1.1"]}, "dns"),
    ({}, {"NetworkMode": "container:owner", "ExtraHosts": ["a:1.1.1.1"]}, "custom host-to-IP mapping"),
    ({}, {"NetworkMode": "container:owner", "Links": ["owner:o"]}, "links"),
])
def test_conflicting_options_are_refused(api, box, config, host, says):
    box.up(name="owner")
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": host, **config})
    assert r.status in (400, 409) and says.lower() in r.message.lower(), r


def test_ipc_modes(box):
    assert box.sh("df /dev/shm | tail -1 | wc -l", host={"IpcMode": "private"}).code == 0
    assert box.sh("grep -c ' /dev/shm ' /proc/mounts", host={"IpcMode": "none"}).out.strip() == "0"


def test_a_private_ipc_cannot_be_joined(api, box):
    box.up(name="owner", host={"IpcMode": "private"})
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"IpcMode": "container:owner"}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400 and "ipc" in r.message.lower(), r


def test_shared_memory_is_shared(box):
    first = box.up(host={"IpcMode": "shareable"}, name="owner")
    box.exec_sh(first, "echo x > /dev/shm/f")
    assert box.run("cat", "/dev/shm/f", host={"IpcMode": "container:owner"}).out == "x\n"


def test_init_reaps_and_forwards(api, box):
    id = box.up("sh", "-c", "trap 'exit 9' TERM; echo ready; while true; do sleep 0.05; done", host={"Init": True})
    box.wait_for_output(id, "ready")
    assert "init" in box.exec(id, "cat", "/proc/1/comm").out or "tini" in box.exec(id, "cat", "/proc/1/cmdline").out
    box.exec_sh(id, "(sleep 0.01 &) ; exit 0")
    box.until(id, lambda _: " Z" not in box.exec_sh(id, "cat /proc/[0-9]*/stat 2>/dev/null").out)
    api.post(f"/containers/{id}/stop", t=5)
    assert box.state(id)["ExitCode"] == 9


def test_hostname_and_domain(box):
    r = box.sh("hostname; hostname -f; cat /etc/hostname; cat /etc/hosts", Hostname="alpha", Domainname="test.example")
    assert r.out.splitlines()[:3] == ["alpha", "alpha.test.example", "alpha"]
    assert "\talpha.test.example alpha" in r.out


def test_the_hosts_file(box):
    r = box.run("cat", "/etc/hosts", host={"ExtraHosts": ["one:10.9.8.7", "six:fe80::1"]}, Hostname="hh")
    lines = r.out.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost" and "10.9.8.7\tone" in lines and "fe80::1\tsix" in lines
    assert any(x.endswith("\thh") for x in lines)


def test_host_gateway_is_replaced(box):
    out = box.run("cat", "/etc/hosts", host={"ExtraHosts": ["gw:host-gateway"]}).out
    assert any(line.split() == ["172.17.0.1", "gw"] for line in out.splitlines()), out


def test_resolv_conf_options(box):
    out = box.run("cat", "/etc/resolv.conf", host={"Dns": ["10.1.1.1", "10.1.1.2"], "DnsSearch": ["a.test", "b.test"], "DnsOptions": ["ndots:3"]}).out
    lines = [x for x in out.splitlines() if not x.startswith("#")]
    assert lines == ["search a.test b.test", "nameserver 10.1.1.1", "nameserver 10.1.1.2", "options ndots:3"] or \
        set(lines) == {"search a.test b.test", "nameserver 10.1.1.1", "nameserver 10.1.1.2", "options ndots:3"}


def test_resolv_conf_of_the_host_is_the_default(box):
    out = box.run("cat", "/etc/resolv.conf").out
    assert "nameserver 192.0.2.53" in out and "search e2e.test" in out


def test_etc_files_can_be_edited_inside(box):
    id = box.up()
    assert box.exec_sh(id, "echo '1.2.3.4 added' >> /etc/hosts && grep -c added /etc/hosts").out == "1\n"


def test_sysctls(box):
    r = box.sh("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax", host={"Sysctls": {"net.core.somaxconn": "1234", "kernel.msgmax": "5000"}})
    assert r.out.split() == ["1234", "5000"]


def test_tmpfs_with_options(box):
    r = box.sh("df -k /t | awk 'NR==2{print $2}'; stat -c %a /t; grep ' /t ' /proc/mounts", host={"Tmpfs": {"/t": "size=2m,mode=1770,noexec"}})
    assert r.out.startswith("2048\n1770\n") and "noexec" in r.out and "nosuid" in r.out


def test_tmpfs_by_mounts(box):
    r = box.sh("df -k /t | awk 'NR==2{print $2}'; stat -c %a /t", host={"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}]})
    assert r.out == "1024\n700\n"


def test_a_wrong_tmpfs_option_is_refused(api):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Tmpfs": {"/t": "nonsense=1"}}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400 and "nonsense" in r.message


def test_the_terminal_of_a_container(box):
    r = box.sh("tty; test -t 0 && test -t 1 && test -t 2 && echo yes; ls -l /dev/console", Tty=True, OpenStdin=True)
    assert "/dev/pts/" in r.out and "yes" in r.out and "/dev/console" in r.out


def test_without_input_standard_input_is_empty(box):
    assert box.sh("cat; echo end").out == "end\n"


def test_nothing_of_the_hosts_mounts_is_inside(box):
    out = box.run("cat", "/proc/mounts").out
    assert "/tmp/se-" not in out.split(" / ")[0].replace("lowerdir", "") or "overlay / overlay" in out
    targets = {line.split()[1] for line in out.splitlines()}
    assert {"/", "/proc", "/dev", "/dev/pts", "/sys", "/dev/shm", "/dev/mqueue", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} <= targets
    assert not any(t.startswith("/home/") or t.startswith("/work") for t in targets)


def test_cgroup_files_are_read_only(box):
    r = box.sh("mkdir /sys/fs/cgroup/memory/x 2>&1 || mkdir /sys/fs/cgroup/x 2>&1")
    assert "read-only" in r.out.lower()


@pytest.mark.shoal_only("dockerd here offers only what cgroup v1 gives it")
def test_a_private_cgroup_namespace(box):
    r = box.run("cat", "/proc/self/cgroup", host={"CgroupnsMode": "private"})
    assert all(line.split(":")[2].startswith("/") and r.id not in line for line in r.out.splitlines())


def test_userns_mode_host_is_accepted(box):
    assert box.run("true", host={"UsernsMode": "host"}).code == 0
