"""Small clients for published ports."""
import socket

from .host import until


def connect(address, port, timeout=3, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, kind)
    s.settimeout(timeout)
    s.connect((address, int(port)))
    return s


def get(address, port, seconds=5):
    """A page from a server that may need a moment to listen."""
    def once():
        try:
            with connect(address, port) as s:
                s.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                data = b""
                while True:
                    more = s.recv(65536)
                    if not more:
                        return data
                    data += more
        except OSError:
            return None
    return until(once, seconds, what=f"http://{address}:{port}")


def closed(address, port):
    try:
        connect(address, port, timeout=1).close()
        return False
    except OSError:
        return True


def udp(address, port, data=b"ping", seconds=5):
    def once():
        try:
            with connect(address, port, 0.3, socket.SOCK_DGRAM) as s:
                s.send(data)
                return s.recv(65536)
        except OSError:
            return None
    return until(once, seconds, what=f"udp {address}:{port}")
