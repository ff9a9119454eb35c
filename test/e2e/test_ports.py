"""Published ports: from the host, from containers, by range, at random, per address; tcp, udp, sctp."""
import os
import socket
import subprocess

import pytest

from harness.ports import closed, get, udp

HELLO = b"hello from the image"
FETCH = r"printf 'GET /index.html HTTP/1.0\r\n\r\n' | nc -w 3 172.17.0.1 18080"


def web(box, *bindings, port="80/tcp", **kw):
    host = {"PortBindings": {port: [dict(b) for b in bindings]}, **kw.pop("host", {})}
    return box.up("httpd", "-f", "-h", "/www", host=host, ExposedPorts={port: {}}, **kw)


def ports(box, id, port="80/tcp"):
    return box.inspect(id)["NetworkSettings"]["Ports"][port]


def test_from_the_host_by_ipv4_loopback(box):
    web(box, {"HostPort": "18080"})
    assert HELLO in get("127.0.0.1", 18080)


def test_from_the_host_by_ipv6_loopback(box):
    web(box, {"HostPort": "18080"})
    assert HELLO in get("::1", 18080)


def test_by_another_address_of_the_host(box):
    subprocess.run(["ip", "addr", "add", "10.55.0.1/32", "dev", "lo"], check=True)
    try:
        web(box, {"HostPort": "18080"})
        assert HELLO in get("10.55.0.1", 18080)
    finally:
        subprocess.run(["ip", "addr", "del", "10.55.0.1/32", "dev", "lo"])


def test_a_random_port_is_in_the_ephemeral_range_and_shown(box, api):
    id = web(box, {})
    p = int(ports(box, id)[0]["HostPort"])
    assert 32768 <= p <= 60999 and HELLO in get("127.0.0.1", p)
    assert {x["PublicPort"] for x in api.get("/containers/json")[0]["Ports"]} == {p}


def test_publish_all(box):
    id = box.up("httpd", "-f", "-h", "/www", host={"PublishAllPorts": True}, ExposedPorts={"80/tcp": {}, "81/udp": {}})
    seen = box.inspect(id)["NetworkSettings"]["Ports"]
    assert HELLO in get("127.0.0.1", seen["80/tcp"][0]["HostPort"]) and seen["81/udp"][0]["HostPort"]


def test_a_range_gives_the_first_free_one(box):
    web(box, {"HostPort": "18090"})
    id = web(box, {"HostPort": "18090-18092"})
    assert ports(box, id)[0]["HostPort"] in ("18091", "18092")


def test_only_the_asked_address_answers(box):
    web(box, {"HostIp": "127.0.0.1", "HostPort": "18080"})
    assert HELLO in get("127.0.0.1", 18080)
    assert closed("::1", 18080) and closed("172.17.0.1", 18080)


def test_f3_a_loopback_port_is_closed_to_another_host(box):
    subprocess.run("""ip netns add e2eout && ip link add outh type veth peer name outc netns e2eout && ip addr add 10.66.0.1/24 dev outh &&
        ip link set outh up && ip -n e2eout addr add 10.66.0.2/24 dev outc && ip -n e2eout link set outc up &&
        ip -n e2eout route add 127.0.0.0/8 via 10.66.0.1 2>/dev/null; ip -n e2eout route add 172.17.0.0/16 via 10.66.0.1""", shell=True)
    try:
        web(box, {"HostIp": "127.0.0.1", "HostPort": "18080"})
        web(box, {"HostPort": "18081"})
        assert HELLO in get("127.0.0.1", 18080)

        def outside(url):
            return subprocess.run(["nsenter", "--net=/run/netns/e2eout", "curl", "-s", "-m", "2", url], capture_output=True).stdout
        assert HELLO in outside("http://10.66.0.1:18081/index.html")
        assert HELLO not in outside("http://10.66.0.1:18080/index.html")
    finally:
        subprocess.run("ip link del outh; ip netns del e2eout", shell=True)


def test_a_connection_from_outside_keeps_its_address(box):
    subprocess.run("""ip netns add e2eout && ip link add outh type veth peer name outc netns e2eout && ip addr add 10.66.0.1/24 dev outh &&
        ip link set outh up && ip -n e2eout addr add 10.66.0.2/24 dev outc && ip -n e2eout link set outc up""", shell=True, check=True)
    try:
        id = box.up("probe", "who-tcp", "80", host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
        box.wait_for_output(id, "ready")
        r = subprocess.run(["nsenter", "--net=/run/netns/e2eout", "busybox", "nc", "10.66.0.1", "18080"], capture_output=True, text=True, timeout=10)
        assert r.stdout == "10.66.0.2\n"
    finally:
        subprocess.run("ip link del outh; ip netns del e2eout", shell=True)


def test_udp(box):
    id = box.up("probe", "echo-udp", "53", host={"PortBindings": {"53/udp": [{"HostPort": "18053"}]}}, ExposedPorts={"53/udp": {}})
    box.wait_for_output(id, "ready")
    assert udp("127.0.0.1", 18053, b"hello") == b"hello"
    assert udp("::1", 18053, b"six") == b"six"


def test_tcp_and_udp_on_one_number(box):
    id = box.up("httpd", "-f", "-h", "/www", host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}], "80/udp": [{"HostPort": "18080"}]}},
                ExposedPorts={"80/tcp": {}, "80/udp": {}})
    assert HELLO in get("127.0.0.1", 18080) and ports(box, id, "80/udp")[0]["HostPort"] == "18080"


@pytest.mark.shoal_only("Docker's proxy needs SCTP sockets in the kernel")
def test_sctp_is_accepted(box):
    id = box.up(host={"PortBindings": {"80/sctp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/sctp": {}})
    assert ports(box, id, "80/sctp")[0]["HostPort"] == "18080"


def test_a_taken_port_is_a_clear_error_and_nothing_stays(api, box):
    web(box, {"HostPort": "18080"})
    id = box.create(host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    r = api.raw("POST", f"/containers/{id}/start")
    assert r.status == 500 and "port is already allocated" in r.message and "18080" in r.message, r
    s = box.state(id)
    assert s["Status"] == "created" and "already allocated" in s["Error"]
    box.rm(id)


def test_a_port_of_a_host_process_is_a_clear_error(api, box):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", 18080))
        s.listen()
        id = box.create(host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
        r = api.raw("POST", f"/containers/{id}/start")
        assert r.status == 500 and "18080" in r.message and "in use" in r.message, r
    box.start(id)


def test_a_port_is_free_again_after_stop_and_rm(box, api):
    for _ in range(3):
        id = web(box, {"HostPort": "18080"})
        assert HELLO in get("127.0.0.1", 18080)
        api.post(f"/containers/{id}/kill")
        box.wait(id)
        assert closed("127.0.0.1", 18080)
        box.rm(id)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", 18080))


def test_a_port_stays_over_a_restart(box, api):
    id = web(box, {"HostPort": "18080"})
    api.post(f"/containers/{id}/restart", t=0)
    assert HELLO in get("127.0.0.1", 18080)


@pytest.fixture(params=["0", "1"])
def bridge_filter(request):
    """Whether frames inside a bridge go through the firewall decides how a packet comes back to where it came from."""
    path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    if not os.path.exists(path):
        if request.param == "1":
            pytest.skip("no br_netfilter in this kernel")
        yield
        return
    with open(path) as f:
        before = f.read()
    with open(path, "w") as f:
        f.write(request.param)
    yield
    with open(path, "w") as f:
        f.write(before)


def test_hairpin_a_container_reaches_its_own_published_port(box, bridge_filter):
    id = web(box, {"HostPort": "18080"})
    assert "hello" in box.exec_sh(id, FETCH).out


def test_another_container_reaches_it_through_the_hosts_address(box, bridge_filter):
    web(box, {"HostPort": "18080"})
    assert "hello" in box.sh(FETCH).out


def test_a_container_of_another_network_reaches_it_through_the_hosts_address(box, api, bridge_filter):
    api.post("/networks/create", {"Name": "othernet"})
    web(box, {"HostPort": "18080"})
    assert "hello" in box.sh(FETCH, host={"NetworkMode": "othernet"}).out


def test_ports_work_in_a_user_network(box, api):
    api.post("/networks/create", {"Name": "portnet"})
    web(box, {"HostPort": "18080"}, host={"NetworkMode": "portnet"})
    assert HELLO in get("127.0.0.1", 18080)


def test_several_bindings_of_one_port(box):
    web(box, {"HostPort": "18080"}, {"HostPort": "18081"})
    assert HELLO in get("127.0.0.1", 18080) and HELLO in get("127.0.0.1", 18081)


def test_ipv6_networks_publish_too(box, api):
    api.post("/networks/create", {"Name": "six", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}, {"Subnet": "fd00:77::/64"}]}})
    web(box, {"HostPort": "18080"}, host={"NetworkMode": "six"})
    assert HELLO in get("::1", 18080) and HELLO in get("127.0.0.1", 18080)


def test_many_connections_pass(box):
    web(box, {"HostPort": "18080"})
    get("127.0.0.1", 18080)
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as pool:
        assert all(HELLO in x for x in pool.map(lambda _: get("127.0.0.1", 18080), range(200)))


def test_half_closed_connections_pass_whole(box):
    id = box.up("probe", "echo-tcp", "7", host={"PortBindings": {"7/tcp": [{"HostPort": "18007"}]}}, ExposedPorts={"7/tcp": {}})
    box.wait_for_output(id, "ready")
    data = b"x" * 300000
    with socket.create_connection(("127.0.0.1", 18007), 10) as s:
        import threading
        got = []

        def read():
            while True:
                more = s.recv(65536)
                if not more:
                    return
                got.append(more)
        t = threading.Thread(target=read)
        t.start()
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        t.join(15)
    assert sum(map(len, got)) == len(data)


@pytest.mark.parametrize("mode", ["host", "none"])
def test_publishing_without_a_bridge_publishes_nothing(box, mode):
    id = web(box, {"HostPort": "18080"}, host={"NetworkMode": mode})
    assert not box.inspect(id)["NetworkSettings"]["Ports"]
