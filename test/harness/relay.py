"""A way out of the tests' network namespaces: an HTTP proxy whose outward side is the machine's own network.

`Outside` joins the namespace of a daemon with the test's by a veth; the proxy listens at the test's end, so that what a build
fetches goes through the daemon's bridge and its masquerading. Run as a program it is the proxy itself, on an inherited socket.
"""
import os
import socket
import subprocess
import sys
import threading
import urllib.parse

HOST, DAEMON = "198.51.100.1", "198.51.100.2"


class Outside:
    def __init__(self, daemon, namespaces):
        """`namespaces`: descriptors of the machine's network and mount namespaces (config._host_namespaces)."""
        self.listener = socket.socket()
        for command in (["ip", "link", "add", "outside", "type", "veth", "peer", "name", "up0", "netns", daemon.netns],
                        ["ip", "addr", "add", HOST + "/30", "dev", "outside"], ["ip", "link", "set", "outside", "up"],
                        daemon.inside(["ip", "addr", "add", DAEMON + "/30", "dev", "up0"]), daemon.inside(["ip", "link", "set", "up0", "up"]),
                        daemon.inside(["ip", "route", "add", "default", "via", HOST])):
            subprocess.run(command, check=True, capture_output=True)
        self.listener.bind((HOST, 0))
        self.listener.listen(64)
        self.url = f"http://{HOST}:{self.listener.getsockname()[1]}"
        descriptors = (self.listener.fileno(), *namespaces)
        self.process = subprocess.Popen(outside_command(namespaces, [sys.executable, os.path.abspath(__file__), str(self.listener.fileno())]), pass_fds=descriptors)

    @property
    def args(self):
        """Predefined build arguments: no Dockerfile has to know them."""
        return {name: self.url for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.listener.close()
        subprocess.run(["ip", "link", "del", "outside"], capture_output=True)


def outside_command(namespaces, command):
    net, mnt = namespaces
    return ["nsenter", f"--net=/proc/self/fd/{net}", f"--mount=/proc/self/fd/{mnt}", *command]


# ---- the proxy ----

def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for s in (source, target):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def both(one, other):
    thread = threading.Thread(target=pump, args=(one, other), daemon=True)
    thread.start()
    pump(other, one)
    thread.join()


def upstream():
    """The machine's own proxy, where it needs one."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        if os.environ.get(name):
            address = urllib.parse.urlsplit(os.environ[name])
            return address.hostname, address.port or 80
    return None


def read_head(client):
    """A request up to the end of its head, and what came with that; nothing when the client left before."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return b""
        head += data
    return head


def serve(client):
    with client:
        client.settimeout(120)
        head = read_head(client)
        if not head:
            return
        try:
            answer(client, head)
        except OSError as e:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n" + str(e).encode())


def answer(client, head):
    if upstream():
        with socket.create_connection(upstream(), 30) as server:
            server.sendall(head)
            return both(client, server)
    line, _, rest = head.partition(b"\r\n")
    method, address, version = line.decode().split()
    if method == "CONNECT":
        host, _, port = address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), 30) as server:
            server.settimeout(120)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return both(client, server)
    parts = urllib.parse.urlsplit(address)
    fields, _, body = rest.partition(b"\r\n\r\n")
    kept = [x for x in fields.split(b"\r\n") if not x.lower().startswith((b"connection:", b"proxy-"))]
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    with socket.create_connection((parts.hostname, parts.port or 80), 30) as server:
        server.settimeout(120)
        server.sendall(f"{method} {path} {version}\r\n".encode() + b"\r\n".join(kept) + b"\r\nConnection: close\r\n\r\n" + body)
        pump(server, client)


def main():
    listener = socket.socket(fileno=int(sys.argv[1]))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
