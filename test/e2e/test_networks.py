"""Networks: create, list, inspect, connect, isolation, addresses, DNS, clean-up."""
import ipaddress
import os
import subprocess

import pytest

from harness.dns import NameServer

ONLY = pytest.mark.shoal_only("Docker 20.10 lets it pass")


def make(api, name, **config):
    return api.post("/networks/create", {"Name": name, **config})["Id"]


def ipam(*pools):
    return {"IPAM": {"Config": [dict(p) for p in pools]}}


def links():
    return {line.split(":")[1].strip().split("@")[0] for line in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines()}


def default_link(api):
    """A daemon beside another has a default bridge of another name."""
    return api.get("/networks/bridge")["Options"]["com.docker.network.bridge.name"]


def test_the_predefined_networks_exist(api):
    found = {n["Name"]: n for n in api.get("/networks")}
    assert {"bridge", "host", "none"} <= set(found)
    assert [found[n]["Driver"] for n in ("bridge", "host", "none")] == ["bridge", "host", "null"]
    assert found["bridge"]["IPAM"]["Config"][0]["Subnet"] == "172.17.0.0/16"
    assert found["bridge"]["Options"]["com.docker.network.bridge.default_bridge"] == "true"
    assert default_link(api) in links()


def test_inspect_has_the_documented_members(api, box):
    id = make(api, "shape", Labels={"a": "b"}, Options={"com.docker.network.bridge.name": "brshape"})
    c = box.up(host={"NetworkMode": "shape"}, name="inshape")
    n = api.get(f"/networks/{id}")
    for key in ("Name", "Id", "Created", "Scope", "Driver", "EnableIPv6", "IPAM", "Internal", "Attachable", "Ingress", "ConfigFrom",
                "ConfigOnly", "Containers", "Options", "Labels"):
        assert key in n, key
    assert n["Scope"] == "local" and n["Driver"] == "bridge" and n["Labels"] == {"a": "b"} and "brshape" in links()
    e = n["Containers"][c]
    assert e["Name"] == "inshape" and e["IPv4Address"].endswith("/16") and e["MacAddress"] and e["EndpointID"] and e["IPv6Address"] == ""


@pytest.mark.parametrize("body, status, says", [
    ({}, 400, "name"),
    ({"Name": "x", "Driver": "nonsense"}, 404, "nonsense"),
    ({"Name": "bridge"}, 403, "defined"),
    ({"Name": "n", "IPAM": {"Config": [{"Subnet": "nonsense"}]}}, 400, "nonsense"),
    ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24", "Gateway": "10.78.0.1"}]}}, 400, "10.78.0.1"),
    pytest.param({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24", "IPRange": "10.78.0.0/28"}]}}, 400, "10.78.0.0", marks=ONLY),
    ({"Name": "n", "IPAM": {"Driver": "nonsense"}}, 404, "nonsense"),
    ({"Name": "n", "Options": {"com.docker.network.bridge.name": "averyverylongname"}}, 400, ""),
    ({"Name": "n", "Options": {"com.docker.network.driver.mtu": "x"}}, 400, "mtu"),
    ({"Name": "n", "Driver": "overlay"}, 400, "swarm"),
    pytest.param({"Name": "a/b"}, 400, "a/b", marks=ONLY),
    pytest.param({"Name": "n", "Nonsense": 1}, 400, "Nonsense", marks=ONLY),
])
def test_bad_networks_are_refused(api, body, status, says):
    before = links()
    r = api.raw("POST", "/networks/create", body)
    assert r.status in (status, 400, 403, 500), r
    assert says.lower() in r.message.lower(), r
    assert len(api.get("/networks")) == 3 and links() == before


def test_a_name_can_be_taken_once(api):
    make(api, "dup")
    r = api.raw("POST", "/networks/create", {"Name": "dup", "CheckDuplicate": True})
    assert r.status == 409 and "already exists" in r.message, r


def test_overlapping_subnets_are_refused(api):
    make(api, "one", **ipam({"Subnet": "10.77.0.0/16"}))
    r = api.raw("POST", "/networks/create", {"Name": "two", **ipam({"Subnet": "10.77.3.0/24"})})
    assert r.status in (400, 403, 500) and "overlap" in r.message.lower(), r


def test_subnet_range_gateway_and_aux_addresses_are_honoured(api, box):
    make(api, "addr", **ipam({"Subnet": "10.77.0.0/16", "IPRange": "10.77.5.0/29", "Gateway": "10.77.5.1", "AuxiliaryAddresses": {"router": "10.77.5.2"}}))
    seen = [box.address(box.up(host={"NetworkMode": "addr"}), "addr") for _ in range(4)]
    assert len(set(seen)) == 4 and all(ipaddress.ip_address(a) in ipaddress.ip_network("10.77.5.0/29") for a in seen)
    assert not {"10.77.5.1", "10.77.5.2"} & set(seen)
    assert "via 10.77.5.1" in box.run("ip", "route", host={"NetworkMode": "addr"}).out


def test_a_full_pool_is_an_error_and_comes_back_after_rm(api, box):
    make(api, "tiny", **ipam({"Subnet": "10.77.0.0/30"}))
    first = box.up(host={"NetworkMode": "tiny"})
    second = box.create("sleep", "100", host={"NetworkMode": "tiny"})
    r = api.raw("POST", f"/containers/{second}/start")
    assert r.status >= 400 and "no available" in r.message.lower(), r
    box.rm(first, force=1)
    box.start(second)


def test_a_static_address_is_given_and_kept(api, box):
    make(api, "stat", **ipam({"Subnet": "10.77.0.0/24"}))
    id = box.up(host={"NetworkMode": "stat"}, net={"stat": {"IPAMConfig": {"IPv4Address": "10.77.0.99"}}})
    assert box.address(id, "stat") == "10.77.0.99"
    api.post(f"/containers/{id}/restart", t=0)
    assert box.address(id, "stat") == "10.77.0.99"
    other = box.create(host={"NetworkMode": "stat"}, net={"stat": {"IPAMConfig": {"IPv4Address": "10.77.0.99"}}})
    r = api.raw("POST", f"/containers/{other}/start")
    assert r.status >= 400 and "already in use" in r.message.lower(), r


def test_a_static_address_needs_a_user_subnet(api, box):
    make(api, "auto")
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "auto"},
                "NetworkingConfig": {"EndpointsConfig": {"auto": {"IPAMConfig": {"IPv4Address": "10.1.2.3"}}}}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400 and "subnet" in r.message.lower(), r


def test_a_mac_address_can_be_given(box):
    out = box.run("cat", "/sys/class/net/eth0/address", MacAddress="02:42:aa:bb:cc:dd").out
    assert out == "02:42:aa:bb:cc:dd\n"


def test_containers_on_one_network_reach_each_other_by_name_alias_and_id(api, box):
    make(api, "talk")
    id = box.up("probe", "who-tcp", "80", name="srv", host={"NetworkMode": "talk"}, net={"talk": {"Aliases": ["web", "site.example"]}})
    box.wait_for_output(id, "ready")
    for name in ("srv", "web", "site.example", id[:12]):
        assert box.run("nc", name, "80", host={"NetworkMode": "talk"}).out, name


def test_names_are_resolved_forwards_and_backwards_and_unknown_ones_are_not(api, box):
    make(api, "dns", **ipam({"Subnet": "10.77.0.0/24"}))
    id = box.up(name="target", host={"DnsSearch": ["."], "NetworkMode": "dns"})
    asker = box.up(host={"DnsSearch": ["."], "NetworkMode": "dns"})
    assert "nameserver 127.0.0.11" in box.exec(asker, "cat", "/etc/resolv.conf").out
    assert box.address(id, "dns") in box.exec(asker, "nslookup", "target").out
    assert "target.dns" in box.exec(asker, "nslookup", box.address(id, "dns")).out
    assert box.exec(asker, "nslookup", "absent-name").code != 0


def test_shared_aliases_resolve_to_all(api, box):
    make(api, "rr")
    a = [box.address(box.up(host={"DnsSearch": ["."], "NetworkMode": "rr"}, net={"rr": {"Aliases": ["pool"]}}), "rr") for _ in range(3)]
    out = box.run("nslookup", "pool", host={"DnsSearch": ["."], "NetworkMode": "rr"}).out
    assert all(x in out for x in a)


def test_names_follow_rename_stop_and_start(api, box):
    make(api, "moving")
    id = box.up(name="old-name", host={"DnsSearch": ["."], "NetworkMode": "moving"})
    asker = box.up(host={"DnsSearch": ["."], "NetworkMode": "moving"})
    api.post(f"/containers/{id}/rename", name="new-name")
    assert box.exec(asker, "nslookup", "new-name").code == 0
    assert box.exec(asker, "nslookup", "old-name").code != 0
    api.post(f"/containers/{id}/kill")
    box.wait(id)
    assert box.exec(asker, "nslookup", "new-name").code != 0
    box.start(id)
    assert box.address(id, "moving") in box.exec(asker, "nslookup", "new-name").out


def test_the_default_bridge_has_no_names(box):
    box.up(name="nameless")
    assert box.run("nslookup", "nameless").code != 0


def test_networks_are_isolated_from_each_other(api, box):
    make(api, "left")
    make(api, "right")
    server = box.up("probe", "who-tcp", "80", host={"NetworkMode": "left"})
    box.wait_for_output(server, "ready")
    at = box.address(server, "left")
    assert box.sh(f"nc -w 2 {at} 80", host={"NetworkMode": "left"}).out
    assert not box.sh(f"nc -w 1 {at} 80", host={"NetworkMode": "right"}).out
    assert not box.sh(f"nc -w 1 {at} 80").out


def test_names_of_other_networks_are_not_told(api, box):
    make(api, "left")
    make(api, "right")
    box.up(name="secret", host={"DnsSearch": ["."], "NetworkMode": "left"})
    assert box.run("nslookup", "secret", host={"DnsSearch": ["."], "NetworkMode": "right"}).code != 0


def test_a_running_container_is_connected_and_disconnected(api, box):
    make(api, "first")
    make(api, "second")
    id = box.up(host={"DnsSearch": ["."], "NetworkMode": "first"}, name="mover")
    api.post("/networks/second/connect", {"Container": id, "EndpointConfig": {"Aliases": ["alias2"]}})
    assert set(box.inspect(id)["NetworkSettings"]["Networks"]) == {"first", "second"}
    assert "eth1" in box.exec(id, "ip", "-o", "addr").out
    assert box.run("nslookup", "alias2", host={"DnsSearch": ["."], "NetworkMode": "second"}).code == 0
    api.post("/networks/first/disconnect", {"Container": id})
    assert set(box.inspect(id)["NetworkSettings"]["Networks"]) == {"second"}
    assert "eth0" not in box.exec(id, "ip", "-o", "addr").out
    assert "default via" in box.exec(id, "ip", "route").out


def test_connect_of_a_stopped_one_counts_at_the_next_start(api, box):
    make(api, "later")
    id = box.create("ip", "-o", "-4", "addr")
    api.post("/networks/later/connect", {"Container": id})
    box.start(id)
    box.wait(id)
    assert "eth0" in box.logs(id)[0] and "eth1" in box.logs(id)[0]


@pytest.mark.parametrize("action, network, container, status, says", [
    ("connect", "absent-n", None, 404, "absent-n"), ("connect", "n1", "absent-c", 404, "absent-c"),
    ("disconnect", "absent-n", None, 404, "absent-n"), ("disconnect", "n1", None, 403, "is not connected to"),
    ("connect", "host", None, 403, "host"),
])
def test_connect_and_disconnect_errors(api, box, action, network, container, status, says):
    make(api, "n1")
    id = box.up()
    r = api.raw("POST", f"/networks/{network}/{action}", {"Container": container or id})
    assert r.status in (status, 400, 403, 409, 500) and says in r.message, r


def test_connecting_twice_is_refused(api, box):
    make(api, "n1")
    id = box.up(host={"NetworkMode": "n1"})
    r = api.raw("POST", "/networks/n1/connect", {"Container": id})
    assert r.status in (403, 409) and "already" in r.message, r


def test_a_network_in_use_cannot_be_removed(api, box):
    make(api, "inuse")
    box.up(host={"NetworkMode": "inuse"}, name="user")
    r = api.raw("DELETE", "/networks/inuse")
    assert r.status == 403 and "has active endpoints" in r.message and "inuse" in r.message, r


def test_predefined_networks_cannot_be_removed(api):
    for n in ("bridge", "host", "none"):
        api.refused("DELETE", f"/networks/{n}", status=403, says="pre-defined")


def test_remove_leaves_no_link_rule_or_namespace(api, box):
    before, rules = links(), subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout.count("\n")
    make(api, "brief")
    id = box.up(host={"NetworkMode": "brief", "PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    ours = [link for link in links() if link not in before] # an earlier test's may still be going
    assert len(ours) >= 2
    box.rm(id, force=1)
    assert api.raw("DELETE", "/networks/brief").status == 204
    assert not [link for link in links() if link in ours]
    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout.count("\n") <= rules


def test_list_filters(api):
    a, b = make(api, "filt-a", Labels={"l": "1"}), make(api, "filt-b", Driver="bridge")

    def found(**filters):
        return {n["Id"] for n in api.get("/networks", filters={k.replace("_", "-"): [v] for k, v in filters.items()})}
    assert found(name="filt") == {a, b} and found(label="l=1") == {a} and found(id=b[:8]) == {b}
    assert {a, b} <= found(driver="bridge") and found(type="custom") == {a, b} and len(found(type="builtin")) == 3
    assert {a, b} <= found(scope="local") and {a, b} <= found(dangling="true")
    api.refused("GET", "/networks", filters={"nonsense": ["1"]}, status=400, says="nonsense")


def test_prune_removes_the_unused(api, box):
    make(api, "unused")
    make(api, "used")
    box.up(host={"NetworkMode": "used"})
    assert api.post("/networks/prune")["NetworksDeleted"] == ["unused"]


@pytest.mark.shoal_only("the containers of Docker 20.10 reach the host's addresses")
def test_an_internal_network_has_no_way_out(api, box):
    make(api, "inner", Internal=True)
    r = box.sh("ip route; ping -c 1 -W 1 172.17.0.1", host={"NetworkMode": "inner"})
    assert "default" not in r.out and r.code != 0
    peer = box.up(host={"NetworkMode": "inner"}, name="peer")
    assert box.run("ping", "-c", "1", "-W", "2", "peer", host={"NetworkMode": "inner"}).code == 0, peer


def test_ipv6(api, box):
    make(api, "six", EnableIPv6=True, **ipam({"Subnet": "10.77.0.0/24"}, {"Subnet": "fd00:77::/64"}))
    id = box.up(name="six1", host={"NetworkMode": "six"})
    e = box.inspect(id)["NetworkSettings"]["Networks"]["six"]
    assert e["GlobalIPv6Address"].startswith("fd00:77::") and e["GlobalIPv6PrefixLen"] == 64 and e["IPv6Gateway"]
    assert box.sh("ping6 -c 1 -W 3 six1 || ping6 -c 2 -W 3 six1", host={"NetworkMode": "six"}).code == 0


def test_icc_can_be_turned_off(api, box):
    make(api, "noicc", Options={"com.docker.network.bridge.enable_icc": "false"})
    id = box.up(host={"NetworkMode": "noicc"})
    at = box.address(id, "noicc")
    assert box.run("ping", "-c", "1", "-W", "1", at, host={"NetworkMode": "noicc"}).code != 0


def test_mtu_option(api, box):
    make(api, "small", Options={"com.docker.network.driver.mtu": "1300"})
    assert box.run("cat", "/sys/class/net/eth0/mtu", host={"NetworkMode": "small"}).out == "1300\n"


def test_none_has_only_loopback(box):
    assert box.sh("ls /sys/class/net; ip route", host={"NetworkMode": "none"}).out.split() in (["lo"], ["lo", "tunl0"], ["ifb0", "ifb1", "lo"])


def test_host_shares_everything(api, box):
    assert default_link(api) in box.run("ip", "link", host={"NetworkMode": "host"}).out


def test_a_link_by_name(api, box):
    box.up(name="linked", Env=["SECRET=1"])
    r = box.sh("cat /etc/hosts; env", host={"Links": ["linked:alias"]})
    assert "alias" in r.out and "linked" in r.out


def test_links_in_a_user_network(api, box):
    make(api, "ln")
    box.up(name="linked", host={"DnsSearch": ["."], "NetworkMode": "ln"})
    assert box.run("nslookup", "nick", host={"DnsSearch": ["."], "NetworkMode": "ln", "Links": ["linked:nick"]}, net={"ln": {"Links": ["linked:nick"]}}).code == 0


def test_queries_are_forwarded_to_the_hosts_server(api, box):
    make(api, "fwd")
    assert "10.9.8.7" in box.run("nslookup", "outside.example", host={"NetworkMode": "fwd"}).out


def test_queries_are_forwarded_to_the_given_server(api, box):
    make(api, "fwd", **ipam({"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}))
    with NameServer("10.77.0.1", {"given.example": "10.1.2.3"}):
        r = box.run("nslookup", "given.example", host={"NetworkMode": "fwd", "Dns": ["10.77.0.1"]})
    assert "10.1.2.3" in r.out, r


def test_search_domains_are_tried(api, box):
    make(api, "srch")
    out = box.run("ping", "-c", "1", "-W", "1", "found", host={"NetworkMode": "srch", "DnsSearch": ["some.example"]}).out
    assert "10.9.8.9" in out


def test_macvlan(api, box):
    subprocess.run("ip link add mvparent type veth peer name mvpeer && ip link set mvparent up && ip link set mvpeer up && "
                   "ip addr add 10.88.0.1/24 dev mvpeer", shell=True, check=True)
    try:
        make(api, "mv", Driver="macvlan", Options={"parent": "mvparent"}, **ipam({"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1"}))
        r = box.sh("ip -o addr show eth0; ping -c 1 -W 3 10.88.0.1", host={"NetworkMode": "mv"})
        assert "10.88.0." in r.out and r.code == 0
        for c in api.get("/containers/json", all=1):
            box.rm(c["Id"], force=1)
        api.delete("/networks/mv")
        assert "mvparent" in links()
    finally:
        subprocess.run(["ip", "link", "del", "mvparent"])


def test_macvlan_with_an_absent_parent_is_refused_or_makes_its_own(api):
    r = api.raw("POST", "/networks/create", {"Name": "mv", "Driver": "macvlan", "Options": {"parent": "absent0"}})
    assert r.status >= 400 and r.message, r


def test_many_networks_get_subnets_of_their_own(api):
    ids = [make(api, f"many{i}") for i in range(12)]
    subnets = {api.get(f"/networks/{i}")["IPAM"]["Config"][0]["Subnet"] for i in ids}
    assert len(subnets) == 12


def test_several_networks_at_create(api, box):
    make(api, "m1")
    make(api, "m2")
    if api.get("/version")["ApiVersion"] < "1.44":
        pytest.skip("one network at create before API 1.44")
    id = box.up(host={"NetworkMode": "m1"}, net={"m1": {}, "m2": {"Aliases": ["x"]}})
    assert set(box.inspect(id)["NetworkSettings"]["Networks"]) == {"m1", "m2"}


def test_an_absent_network_is_refused_at_start_or_create(api, box):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "absent-n"}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status == 404 and "absent-n" in r.message, r


def test_the_firewall_of_others_is_left_alone(api, box):
    subprocess.run("nft add table inet e2e_others && nft add chain inet e2e_others c", shell=True, check=True)
    box.rm(box.up(host={"PortBindings": {"80/tcp": [{}]}}, ExposedPorts={"80/tcp": {}}), force=1)
    out = subprocess.run("nft list table inet e2e_others && nft delete table inet e2e_others", shell=True, capture_output=True, text=True)
    assert out.returncode == 0 and "chain c" in out.stdout


@pytest.mark.shoal_only("Docker needs a restart for that")
def test_our_table_can_be_deleted_and_comes_back(api, box, daemon):
    import json
    tables = json.loads(subprocess.run(["nft", "-j", "list", "tables"], capture_output=True).stdout)["nftables"]
    ours = [(t["table"]["family"], t["table"]["name"]) for t in tables if "table" in t and "shoal" in t["table"]["name"]]
    assert ours
    for family, name in ours:
        subprocess.run(["nft", "delete", "table", family, name], check=True)
    from harness.ports import get
    id = box.up("httpd", "-f", "-h", "/www", host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    assert b"hello from the image" in get("127.0.0.1", 18080), id


def test_network_names_and_prefixes_are_found(api):
    id = make(api, "findnet")
    for ref in (id, id[:10], "findnet"):
        assert api.get(f"/networks/{ref}")["Id"] == id
    api.refused("GET", "/networks/absent-n", status=404, says="absent-n")


def test_ports_are_not_reachable_without_publishing_from_another_host(api, box):
    """From a namespace that routes to ours, a container's own address must not answer unpublished ports."""
    assert os.path.exists("/proc/self/ns/net")
    id = box.up("httpd", "-f", "-h", "/www")
    at = box.address(id)
    subprocess.run(f"""ip netns add e2eout && ip link add outh type veth peer name outc netns e2eout && ip addr add 10.66.0.1/24 dev outh &&
        ip link set outh up && ip -n e2eout addr add 10.66.0.2/24 dev outc && ip -n e2eout link set outc up &&
        ip -n e2eout route add 172.17.0.0/16 via 10.66.0.1""", shell=True, check=True)
    try:
        r = subprocess.run(["nsenter", "--net=/run/netns/e2eout", "curl", "-s", "-m", "1", f"http://{at}/"], capture_output=True)
        assert b"hello" not in r.stdout
    finally:
        subprocess.run("ip link del outh; ip netns del e2eout", shell=True)
