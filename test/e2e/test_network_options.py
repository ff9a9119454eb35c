"""Networks and endpoints with the options that newer engines have; names and addresses in more detail."""
import socket
import struct
import subprocess
import threading

import pytest

from harness.box import Box
from harness.dns import NameServer
from harness.host import until

SHOAL = pytest.mark.shoal_only("newer Docker does the same")


def make(api, name, **config):
    return api.post("/networks/create", {"Name": name, **config})["Id"]


def ipam(*pools):
    return {"IPAM": {"Config": [dict(p) for p in pools]}}


SIX = ipam({"Subnet": "10.77.0.0/24"}, {"Subnet": "fd00:77::/64"})


def endpoint(box, id, network):
    return box.inspect(id)["NetworkSettings"]["Networks"][network]


# ---- addresses ----

def test_a_static_ipv6_address_is_given_and_kept(api, box):
    make(api, "six", EnableIPv6=True, **SIX)
    wish = {"six": {"IPAMConfig": {"IPv4Address": "10.77.0.9", "IPv6Address": "fd00:77::9"}}}
    id = box.up(host={"NetworkMode": "six"}, net=wish)
    assert (endpoint(box, id, "six")["IPAddress"], endpoint(box, id, "six")["GlobalIPv6Address"]) == ("10.77.0.9", "fd00:77::9")
    assert "fd00:77::9/64" in box.exec(id, "ip", "-6", "addr").out
    other = box.create(host={"NetworkMode": "six"}, net={"six": {"IPAMConfig": {"IPv6Address": "fd00:77::9"}}})
    r = api.raw("POST", f"/containers/{other}/start")
    assert r.status >= 400 and "already in use" in r.message.lower(), r


@SHOAL
def test_ipv6_without_a_subnet_takes_one(api, box):
    make(api, "six", EnableIPv6=True)
    id = box.up(host={"NetworkMode": "six"}, name="sixth")
    e = endpoint(box, id, "six")
    assert e["GlobalIPv6Address"].startswith("fd") and e["IPv6Gateway"]
    assert box.run("ping6", "-c", "1", "-W", "3", "sixth", host={"NetworkMode": "six"}).code == 0


def test_ipv6_networks_are_isolated_too(api, box):
    make(api, "six", EnableIPv6=True, **SIX)
    make(api, "seven", EnableIPv6=True, **ipam({"Subnet": "10.78.0.0/24"}, {"Subnet": "fd00:78::/64"}))
    id = box.up("probe", "who-tcp", "80", host={"NetworkMode": "six"})
    box.wait_for_output(id, "ready")
    at = endpoint(box, id, "six")["GlobalIPv6Address"]
    assert box.run("ping6", "-c", "1", "-W", "2", at, host={"NetworkMode": "six"}).code == 0
    assert box.run("ping6", "-c", "1", "-W", "1", at, host={"NetworkMode": "seven"}).code != 0


def test_link_local_addresses(api, box):
    make(api, "ll", **ipam({"Subnet": "10.77.0.0/24"}))
    id = box.up(host={"NetworkMode": "ll"}, net={"ll": {"IPAMConfig": {"LinkLocalIPs": ["169.254.34.68"]}}})
    assert "169.254.34.68" in box.exec(id, "ip", "addr").out


def test_an_address_is_asked_for_at_connect(api, box):
    make(api, "later", **ipam({"Subnet": "10.77.0.0/24"}))
    id = box.up()
    api.post("/networks/later/connect", {"Container": id, "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.77.0.50"}}})
    assert endpoint(box, id, "later")["IPAddress"] == "10.77.0.50"
    api.post(f"/containers/{id}/restart", t=0)
    assert endpoint(box, id, "later")["IPAddress"] == "10.77.0.50"


@pytest.mark.shoal_only("Docker keeps the network in the container's settings")
@pytest.mark.parametrize("address", ["10.78.0.5", "10.77.0.0", "10.77.0.255", "10.77.0.1", "nonsense"])
def test_an_impossible_address_is_refused_and_nothing_stays(api, box, address):
    make(api, "imp", **ipam({"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}))
    id = box.up()
    r = api.raw("POST", "/networks/imp/connect", {"Container": id, "EndpointConfig": {"IPAMConfig": {"IPv4Address": address}}})
    assert r.status >= 400 and r.message, r
    assert list(box.inspect(id)["NetworkSettings"]["Networks"]) == ["bridge"]
    assert "eth1" not in box.exec(id, "ip", "-o", "link").out
    assert api.get("/networks/imp")["Containers"] == {}


def test_addresses_of_a_pool_all_come_back(api, box):
    make(api, "few", **ipam({"Subnet": "10.77.0.0/29"}))
    for _ in range(3):
        ids = [box.up(host={"NetworkMode": "few"}) for _ in range(5)]
        assert len({box.address(i, "few") for i in ids}) == 5
        for i in ids:
            box.rm(i, force=1)


def test_fifty_connects_at_once_give_fifty_addresses(api, box):
    from concurrent.futures import ThreadPoolExecutor
    for n in range(10):
        make(api, f"n{n}")
    ids = [box.up() for _ in range(5)]
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(api.post, f"/networks/n{n}/connect", {"Container": id}) for n in range(10) for id in ids]
        for j in jobs:
            j.result()
    for n in range(10):
        members = api.get(f"/networks/n{n}")["Containers"]
        assert len({m["IPv4Address"] for m in members.values()}) == 5
    for id in ids:
        assert box.exec_sh(id, "ls /sys/class/net | grep -c eth").out == "11\n"


# ---- options ----

@SHOAL
def test_the_interface_can_be_named(api, box):
    make(api, "named")
    option = {"com.docker.network.endpoint.ifname": "lan7"}
    r = box.run("ip", "-o", "addr", "show", "lan7", host={"NetworkMode": "named"}, net={"named": {"DriverOpts": option}})
    assert r.code == 0 and "inet 172." in r.out


@SHOAL
def test_sysctls_of_an_endpoint(api, box):
    make(api, "tuned")
    option = {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}
    r = box.run("cat", "/proc/sys/net/ipv4/conf/eth0/log_martians", host={"NetworkMode": "tuned"}, net={"tuned": {"DriverOpts": option}})
    assert r.out == "1\n"


@SHOAL
def test_the_default_route_follows_the_priority(api, box):
    make(api, "g1", **ipam({"Subnet": "10.77.1.0/24"}))
    make(api, "g2", **ipam({"Subnet": "10.77.2.0/24"}))
    id = box.up(host={"NetworkMode": "g1"}, net={"g1": {}, "g2": {"GwPriority": 1}})
    assert "default via 10.77.2.1" in box.exec(id, "ip", "route").out
    api.post("/networks/g2/disconnect", {"Container": id})
    assert "default via 10.77.1.1" in box.exec(id, "ip", "route").out


@SHOAL
def test_published_ports_follow_the_default_route(api, box):
    from harness.ports import get
    make(api, "g1")
    make(api, "g2")
    id = box.up("httpd", "-f", "-h", "/www", host={"NetworkMode": "g1", "PortBindings": {"80/tcp": [{"HostPort": "18080"}]}},
                ExposedPorts={"80/tcp": {}}, net={"g1": {}})
    assert b"hello" in get("127.0.0.1", 18080)
    api.post("/networks/g2/connect", {"Container": id, "EndpointConfig": {"GwPriority": 9}})
    assert b"hello" in get("127.0.0.1", 18080)
    api.post("/networks/g2/disconnect", {"Container": id})
    assert b"hello" in get("127.0.0.1", 18080)
    assert box.inspect(id)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] == "18080"


def test_a_configuration_lends_itself(api, box):
    make(api, "conf", ConfigOnly=True, Options={"com.docker.network.driver.mtu": "1400"}, **ipam({"Subnet": "10.77.0.0/24"}))
    make(api, "made", ConfigFrom={"Network": "conf"})
    n = api.get("/networks/made")
    assert n["ConfigFrom"] == {"Network": "conf"} and n["IPAM"]["Config"][0]["Subnet"] == "10.77.0.0/24"
    assert box.run("cat", "/sys/class/net/eth0/mtu", host={"NetworkMode": "made"}).out == "1400\n"
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "conf"}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400 and "conf" in r.message, r
    r = api.raw("DELETE", "/networks/conf")
    assert r.status == 403 and "in use" in r.message, r
    for c in api.get("/containers/json", all=1):
        box.rm(c["Id"], force=1)
    api.delete("/networks/made")
    api.delete("/networks/conf")


@SHOAL
def test_routed_mode_opens_only_published_ports_by_the_containers_own_address(api, box):
    make(api, "routed", Options={"com.docker.network.bridge.gateway_mode_ipv4": "routed"}, **ipam({"Subnet": "10.77.0.0/24"}))
    id = box.up("httpd", "-f", "-h", "/www", host={"NetworkMode": "routed", "PortBindings": {"80/tcp": [{"HostPort": "18080"}]}},
                ExposedPorts={"80/tcp": {}})
    box.exec_sh(id, "httpd -p 81 -h /www")
    at = box.address(id, "routed")
    subprocess.run("""ip netns add e2eout && ip link add outh type veth peer name outc netns e2eout && ip addr add 10.66.0.1/24 dev outh &&
        ip link set outh up && ip -n e2eout addr add 10.66.0.2/24 dev outc && ip -n e2eout link set outc up &&
        ip -n e2eout route add default via 10.66.0.1""", shell=True, check=True)
    try:
        def outside(url):
            return subprocess.run(["nsenter", "--net=/run/netns/e2eout", "curl", "-s", "-m", "2", url], capture_output=True).stdout
        assert until(lambda: b"hello" in outside(f"http://{at}/index.html"), what="the routed port")
        assert b"hello" not in outside(f"http://{at}:81/index.html")
        assert b"hello" not in outside("http://10.66.0.1:18080/index.html")
    finally:
        subprocess.run("ip link del outh; ip netns del e2eout", shell=True)


@SHOAL
def test_an_isolated_gateway_has_no_address_on_the_host(api, box):
    make(api, "alone", Internal=True, Options={"com.docker.network.bridge.gateway_mode_ipv4": "isolated",
                                               "com.docker.network.bridge.name": "bralone"})
    assert "inet " not in subprocess.run(["ip", "-o", "-4", "addr", "show", "bralone"], capture_output=True, text=True).stdout
    box.up(host={"NetworkMode": "alone"}, name="peer")
    assert box.run("ping", "-c", "1", "-W", "2", "peer", host={"NetworkMode": "alone"}).code == 0


def test_a_bridge_of_somebody_else_is_used_and_kept(api, box):
    subprocess.run("ip link add brother type bridge && ip addr add 10.77.0.1/24 dev brother && ip link set brother up", shell=True, check=True)
    try:
        make(api, "bro", Options={"com.docker.network.bridge.name": "brother"}, **ipam({"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}))
        assert box.run("ping", "-c", "1", "-W", "2", "10.77.0.1", host={"NetworkMode": "bro"}).code == 0
        for c in api.get("/containers/json", all=1):
            box.rm(c["Id"], force=1)
        api.delete("/networks/bro")
        left = subprocess.run(["ip", "-o", "addr", "show", "brother"], capture_output=True, text=True)
        assert left.returncode == 0 and "10.77.0.1/24" in left.stdout
    finally:
        subprocess.run(["ip", "link", "del", "brother"])


@SHOAL
@pytest.mark.parametrize("driver, options", [("bridge", {"nonsense": "1"}), ("macvlan", {"macvlan_mode": "nonsense", "parent": "lo"}),
                                             ("bridge", {"com.docker.network.bridge.enable_icc": "perhaps"}),
                                             ("ipvlan", {"ipvlan_mode": "l9"})])
def test_unknown_options_are_refused_by_name(api, driver, options):
    r = api.raw("POST", "/networks/create", {"Name": "odd", "Driver": driver, "Options": options})
    assert r.status == 400 and any(k in r.message for k in options), r


def test_macvlan_on_a_vlan(api, box):
    subprocess.run("ip link add mvparent type veth peer name mvpeer && ip link set mvparent up && ip link set mvpeer up", shell=True, check=True)
    try:
        made = subprocess.run("ip link add link mvpeer name mvpeer.10 type vlan id 10 && ip link set mvpeer.10 up && "
                              "ip addr add 10.88.0.1/24 dev mvpeer.10", shell=True, capture_output=True, text=True)
        if "Unknown device type" in made.stderr:
            r = api.raw("POST", "/networks/create", {"Name": "mv", "Driver": "macvlan", "Options": {"parent": "mvparent.10"}})
            assert r.status >= 400 and "mvparent.10" in r.message, r
            pytest.skip("no VLANs in this kernel")
        make(api, "mv", Driver="macvlan", Options={"parent": "mvparent.10"}, **ipam({"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1"}))
        assert box.run("ping", "-c", "1", "-W", "3", "10.88.0.1", host={"NetworkMode": "mv"}).code == 0
        for c in api.get("/containers/json", all=1):
            box.rm(c["Id"], force=1)
        api.delete("/networks/mv")
        assert subprocess.run(["ip", "link", "show", "mvparent.10"], capture_output=True).returncode != 0
    finally:
        subprocess.run(["ip", "link", "del", "mvparent"])


def test_macvlan_without_a_parent_gets_one_or_is_refused(api, box):
    r = api.raw("POST", "/networks/create", {"Name": "mv", "Driver": "macvlan", **ipam({"Subnet": "10.88.0.0/24"})})
    if r.status != 201:
        assert "parent" in r.message or "dummy" in r.message.lower() or "not supported" in r.message, r
        assert len(api.get("/networks")) == 3
        return
    box.up(host={"NetworkMode": "mv"}, name="mv1")
    assert box.run("ping", "-c", "1", "-W", "2", "mv1", host={"NetworkMode": "mv"}).code == 0


# ---- containers that do not run ----

def networks_of(box, id):
    return set(box.inspect(id)["NetworkSettings"]["Networks"])


def test_a_stopped_container_is_connected_and_disconnected_by_its_settings(api, box):
    make(api, "n1")
    make(api, "n2")
    id = box.create("sleep", "100", host={"NetworkMode": "n1"})
    api.post("/networks/n2/connect", {"Container": id, "EndpointConfig": {"Aliases": ["a"]}})
    assert networks_of(box, id) == {"n1", "n2"}
    api.post("/networks/n2/disconnect", {"Container": id})
    assert networks_of(box, id) == {"n1"}
    box.start(id)
    assert box.exec_sh(id, "ls /sys/class/net | grep -c eth").out == "1\n"


def test_connections_last_over_stop_and_start(api, box):
    make(api, "n1")
    id = box.up("sleep", "100")
    api.post("/networks/n1/connect", {"Container": id, "EndpointConfig": {"Aliases": ["lasting"]}})
    api.post(f"/containers/{id}/kill")
    box.wait(id)
    assert networks_of(box, id) == {"bridge", "n1"}
    assert api.get("/networks/n1")["Containers"] == {}
    box.start(id)
    assert set(api.get("/networks/n1")["Containers"]) == {id}
    assert box.run("ping", "-c", "1", "-W", "2", "lasting", host={"NetworkMode": "n1"}).code == 0


def test_a_network_that_only_stopped_containers_name_can_go_and_the_start_says_so(api, box):
    make(api, "n1")
    id = box.create("true", host={"NetworkMode": "n1"})
    assert api.raw("DELETE", "/networks/n1").status == 204
    r = api.raw("POST", f"/containers/{id}/start")
    assert r.status == 404 and "n1" in r.message and "not found" in r.message, r
    box.rm(id)


def test_disconnecting_by_force_and_what_is_not_connected(api, box):
    make(api, "n1")
    id = box.up(host={"NetworkMode": "n1"})
    api.post("/networks/n1/disconnect", {"Container": id, "Force": True})
    assert "eth0" not in box.exec(id, "ip", "-o", "link").out
    r = api.raw("POST", "/networks/n1/disconnect", {"Container": id})
    assert r.status in (403, 500) and "not connected" in r.message, r


def test_the_last_network_can_be_left_and_joined_again(api, box):
    make(api, "n1")
    id = box.up(name="loner")
    api.post("/networks/bridge/disconnect", {"Container": "loner"})
    assert networks_of(box, id) == set()
    api.post("/networks/n1/connect", {"Container": "loner"})
    assert box.exec_sh(id, "ip route").out.startswith("default via")
    assert box.run("ping", "-c", "1", "-W", "2", "loner", host={"NetworkMode": "n1"}).code == 0


@pytest.mark.parametrize("mode", ["host", "none"])
def test_special_modes_cannot_be_mixed(api, box, mode):
    make(api, "n1")
    id = box.up(host={"NetworkMode": mode})
    r = api.raw("POST", "/networks/n1/connect", {"Container": id})
    assert r.status == 400 and (mode in r.message or "private" in r.message), r


def test_prune_looks_at_labels_and_age(api):
    make(api, "keep", Labels={"keep": "1"})
    make(api, "go")
    assert api.post("/networks/prune", filters={"until": ["1h"]})["NetworksDeleted"] is None
    assert api.post("/networks/prune", filters={"label!": ["keep"]})["NetworksDeleted"] == ["go"]
    assert api.post("/networks/prune", filters={"label": ["keep=1"]})["NetworksDeleted"] == ["keep"]
    api.refused("POST", "/networks/prune", filters={"nonsense": ["1"]}, status=400, says="nonsense")


def test_containers_are_found_by_their_network(api, box):
    n = make(api, "n1")
    id = box.up(host={"NetworkMode": "n1"})
    box.up()
    for ref in ("n1", n):
        assert [c["Id"] for c in api.get("/containers/json", filters={"network": [ref]})] == [id]


# ---- names ----

class LongAnswers(NameServer):
    """Names whose answers do not fit into a datagram: cut there, whole by TCP."""

    def start(self):
        super().start()
        self.listener = socket.create_server((self.address, 53))
        threading.Thread(target=self._serve_tcp, daemon=True).start()
        return self
    __enter__ = start

    def stop(self):
        self.listener.close()
        super().stop()

    def __exit__(self, *_):
        self.stop()

    def answer(self, query):
        short = super().answer(query)
        return short[:2] + b"\x83\x80" + short[4:6] + b"\0\0\0\0\0\0" + query[12:]

    def whole(self, query):
        records = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(f"10.1.{n // 250}.{n % 250}") for n in range(300))
        return query[:2] + b"\x81\x80\0\1" + struct.pack(">H", 300) + b"\0\0\0\0" + query[12:] + records

    def _serve_tcp(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            size = struct.unpack(">H", c.recv(2))[0]
            answer = self.whole(c.recv(size))
            c.sendall(struct.pack(">H", len(answer)) + answer)
            c.close()


ASK_TCP = r"""printf '\0\037\0\7\1\0\0\1\0\0\0\0\0\0\4long\7example\0\0\1\0\1' >/tmp/q; (cat /tmp/q; sleep 1) | nc -w 3 127.0.0.11 53 | wc -c"""


def test_long_answers_are_cut_and_come_whole_by_tcp(api, box):
    make(api, "fwd", **ipam({"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}))
    with LongAnswers("10.77.0.1", {}):
        size = int(box.sh(ASK_TCP.replace(r"\0\037", r"\0\036"), host={"NetworkMode": "fwd", "Dns": ["10.77.0.1"]}).out)
    assert size == 2 + 12 + 18 + 300 * 16, size


def test_a_silent_server_is_passed_over(api, box):
    make(api, "fwd", **ipam({"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}))
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("10.77.0.1", 53))
    try:
        r = box.sh("nslookup outside.example || nslookup outside.example", host={"NetworkMode": "fwd", "Dns": ["10.77.0.1", "192.0.2.53"]})
    finally:
        silent.close()
    assert "10.9.8.7" in r.out, r


def test_names_do_not_care_about_case_and_types_without_an_address_are_empty(api, box):
    make(api, "cased")
    box.up(name="Mixed-Case", host={"NetworkMode": "cased", "DnsSearch": ["."]})
    r = box.sh("nslookup mixed-CASE; nslookup -type=aaaa Mixed-Case; echo code $?", host={"NetworkMode": "cased", "DnsSearch": ["."]})
    assert "Name:\tmixed-CASE\nAddress: 1" in r.out and "NXDOMAIN" not in r.out, r


def test_dns_options_stand_in_the_file(api, box):
    make(api, "opts")
    out = box.run("cat", "/etc/resolv.conf", host={"NetworkMode": "opts", "DnsOptions": ["timeout:1", "rotate"], "DnsSearch": ["a.example", "b.example"]}).out
    assert "nameserver 127.0.0.11" in out and "search a.example b.example" in out and "timeout:1" in out and "rotate" in out


def test_a_container_may_have_port_53_itself(api, box):
    make(api, "own53")
    id = box.up("probe", "echo-udp", "53", host={"NetworkMode": "own53", "DnsSearch": ["."]}, name="server53")
    box.wait_for_output(id, "ready")
    assert box.exec(id, "nslookup", "server53").code == 0


@SHOAL
def test_an_internal_network_sends_no_question_out(api, box):
    make(api, "inner", Internal=True)
    r = box.sh("nslookup outside.example", host={"NetworkMode": "inner"})
    assert "10.9.8.7" not in r.out


# ---- the daemon's settings ----

def test_pools_and_the_default_bridge_by_configuration(fresh):
    d = fresh({"bip": "10.44.0.1/24", "default-address-pools": [{"base": "10.45.0.0/16", "size": 26}], "mtu": 1380})
    box = Box(d.api)
    assert box.address(box.up()).startswith("10.44.0.")
    assert box.run("cat", "/sys/class/net/eth0/mtu").out == "1380\n"
    subnets = {d.api.get(f"/networks/{make(d.api, f'p{n}')}")["IPAM"]["Config"][0]["Subnet"] for n in range(3)}
    assert len(subnets) == 3 and all(s.startswith("10.45.") and s.endswith("/26") for s in subnets)


def test_an_exhausted_pool_is_a_clear_error(fresh):
    d = fresh({"bip": "10.44.0.1/24", "default-address-pools": [{"base": "10.45.0.0/24", "size": 25}]}, image=False)
    make(d.api, "p0")
    make(d.api, "p1")
    r = d.api.raw("POST", "/networks/create", {"Name": "p2"})
    assert r.status >= 400 and "address pool" in r.message, r


@SHOAL
def test_networks_are_as_they_were_after_a_restart(fresh):
    d = fresh()
    box = Box(d.api)
    make(d.api, "stay", EnableIPv6=True, **SIX)
    id = box.up("sleep", "1000", host={"NetworkMode": "stay"}, name="lasting")
    before, link = d.api.get("/networks/stay"), endpoint(box, id, "stay")
    d.restart()
    assert d.api.get("/networks/stay") == before and endpoint(box, id, "stay") == link
    r = box.sh("nslookup lasting; ping -c 1 -W 2 lasting", host={"NetworkMode": "stay", "DnsSearch": ["."]})
    assert r.code == 0 and link["IPAddress"] in r.out, r
