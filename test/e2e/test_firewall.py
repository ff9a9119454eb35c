"""Our own packet filter table: deleted and rebuilt, beside others, with rules of the operator, and not at all."""
import json
import subprocess

import pytest

from harness.host import until
from harness.ports import closed, get

pytestmark = pytest.mark.shoal_only("the table is Shoal's own")
HELLO = b"hello from the image"


def nft(*args, check=True):
    return subprocess.run(["nft", *args], capture_output=True, text=True, check=check).stdout


def tables():
    found = json.loads(nft("-j", "list", "tables"))["nftables"]
    return [t["table"]["name"] for t in found if "table" in t]


def our_table():
    (name,) = [t for t in tables() if t.startswith("shoal_")]
    return name


def web(box, **kw):
    host = {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}, **kw.pop("host", {})}
    id = box.up("httpd", "-f", "-h", "/www", host=host, ExposedPorts={"80/tcp": {}}, **kw)
    assert HELLO in get("127.0.0.1", 18080)
    return id


def answers():
    """One try: get() would wait until it comes back."""
    return not closed("127.0.0.1", 18080)


@pytest.mark.parametrize("harm", ["delete table inet {}", "flush table inet {}", "flush ruleset", "flush chain inet {} forward",
                                  "delete element inet {} pub_any {{ tcp . 18080 }}"])
def test_whatever_is_done_to_the_table_it_comes_back(api, box, harm):
    api.post("/networks/create", {"Name": "fw"})
    web(box, host={"NetworkMode": "fw"})
    before = nft("list", "table", "inet", our_table())
    nft(harm.format(our_table()))
    until(lambda: [t for t in tables() if t.startswith("shoal_")] and nft("list", "table", "inet", our_table()) == before,
          seconds=5, what="the table")
    assert answers()


def test_rules_of_the_operator_are_kept(box):
    web(box)
    nft("add", "rule", "inet", our_table(), "user", "ip saddr 192.0.2.77 counter drop comment \"mine\"")
    until(lambda: "mine" in nft("list", "chain", "inet", our_table(), "user"), what="the rule")
    nft("add", "rule", "inet", our_table(), "user", "ip saddr 192.0.2.78 drop comment \"second\"")
    # The daemon has to have seen it, and nothing but the table says so: a change of its own writes what it knows.
    for _ in range(3):
        nft("flush", "chain", "inet", our_table(), "forward")
        until(lambda: "ct state" in nft("list", "chain", "inet", our_table(), "forward"), what="the chain")
    listing = nft("list", "chain", "inet", our_table(), "user")
    assert "mine" in listing and "second" in listing
    nft("flush", "chain", "inet", our_table(), "user")


OUTSIDE = """ip netns add e2eout && ip link add outh type veth peer name outc netns e2eout && ip addr add 10.66.0.1/24 dev outh &&
    ip link set outh up && ip -n e2eout addr add 10.66.0.2/24 dev outc && ip -n e2eout link set outc up &&
    ip -n e2eout route add default via 10.66.0.1"""


@pytest.fixture
def outside():
    """fetch(url) from a neighbour of the host."""
    subprocess.run(OUTSIDE, shell=True, check=True)
    yield lambda url: subprocess.run(["nsenter", "--net=/run/netns/e2eout", "curl", "-s", "-m", "2", url], capture_output=True).stdout
    subprocess.run("ip link del outh; ip netns del e2eout", shell=True)


def test_the_operator_can_close_a_port_to_others(box, outside):
    web(box)
    assert HELLO in outside("http://10.66.0.1:18080/index.html")
    nft("add", "rule", "inet", our_table(), "user", "ip saddr 10.66.0.2 meta l4proto tcp ct original proto-dst 18080 drop")
    try:
        assert HELLO not in outside("http://10.66.0.1:18080/index.html")
        assert answers()
    finally:
        nft("flush", "chain", "inet", our_table(), "user")


def test_a_firewall_that_drops_forwarded_traffic_lets_ours_through(box, outside):
    nft("add", "table", "inet", "e2e_fw")
    nft("add", "chain", "inet", "e2e_fw", "fw_forward", "{ type filter hook forward priority 0; policy drop; }")
    try:
        until(lambda: "accepted" in nft("list", "chain", "inet", "e2e_fw", "fw_forward"), what="the rule in the other table")
        web(box)
        assert HELLO in outside("http://10.66.0.1:18080/index.html")
        nft("flush", "chain", "inet", "e2e_fw", "fw_forward")
        until(lambda: "accepted" in nft("list", "chain", "inet", "e2e_fw", "fw_forward"), what="the rule once more")
    finally:
        nft("delete", "table", "inet", "e2e_fw")


def test_the_host_does_not_become_a_router(box, outside):
    """A neighbour that sends through us to somewhere else is dropped, although forwarding is on for containers."""
    web(box)
    subprocess.run("""ip netns add e2efar && ip link add farh type veth peer name farc netns e2efar && ip addr add 10.67.0.1/24 dev farh &&
        ip link set farh up && ip -n e2efar addr add 10.67.0.2/24 dev farc && ip -n e2efar link set farc up &&
        ip -n e2efar route add default via 10.67.0.1""", shell=True, check=True)
    try:
        ping = ["nsenter", "--net=/run/netns/e2eout", "busybox", "ping", "-c", "1", "-W", "1"]
        assert subprocess.run([*ping, "10.67.0.1"], capture_output=True).returncode == 0
        assert subprocess.run([*ping, "10.67.0.2"], capture_output=True).returncode != 0
        assert box.run("ping", "-c", "1", "-W", "2", "10.67.0.2").code == 0
    finally:
        subprocess.run("ip link del farh; ip netns del e2efar", shell=True)


def test_the_source_of_what_containers_send_is_the_host(box, outside):
    """The neighbour has no route back to containers' addresses but by us: it must see ours."""
    p = subprocess.Popen(["nsenter", "--net=/run/netns/e2eout", "python3", "-c",
                          "import socket\ns=socket.create_server(('10.66.0.2', 7))\nprint('up', flush=True)\nc,a=s.accept()\nprint(a[0], flush=True)"],
                         stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "up\n"
        box.sh("echo | nc -w 2 10.66.0.2 7")
        assert p.stdout.readline() == "10.66.0.1\n"
    finally:
        p.kill()
        p.wait()


def test_without_a_firewall_ports_are_relayed(fresh):
    from harness.box import Box
    d = fresh({"iptables": False, "ip-forward": False})
    rules = subprocess.run(d.inside(["nft", "list", "ruleset"]), capture_output=True, text=True).stdout
    assert "shoal" not in rules
    box = Box(d.api)
    id = box.up("httpd", "-f", "-h", "/www", host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    for address in ("127.0.0.1", "[::1]"):
        status, body = until(lambda: (lambda r: r[0] == 200 and r)(d.curl(f"http://{address}:18080/index.html")), what=address)
        assert "hello from the image" in body
    forward = subprocess.run(d.inside(["sysctl", "-n", "net.ipv4.ip_forward"]), capture_output=True, text=True).stdout
    box.rm(id, force=1)
    assert d.curl("http://127.0.0.1:18080/")[0] == 0 and forward in ("0\n", "1\n")


def test_the_table_goes_with_the_daemon(fresh):
    d = fresh()
    seen = subprocess.run(d.inside(["nft", "list", "tables"]), capture_output=True, text=True).stdout
    assert "shoal_" in seen
    d.stop()
    assert "shoal_" not in subprocess.run(d.inside(["nft", "list", "tables"]), capture_output=True, text=True).stdout
