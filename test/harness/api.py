"""The Engine API over its Unix socket, byte for byte: exact status codes, headers, streams and upgrades."""
import http.client
import json
import os
import socket
import struct
import urllib.parse


# Debian's dockerd 20.10 answers 500 to some bad input for which later ones, and we, answer 400.
OLD_DOCKER = os.environ.get("E2E_DAEMON") == "dockerd"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def json_stream(self):
        """The objects of a progress stream, one after the other."""
        text, found, decoder = self.body.decode(), [], json.JSONDecoder()
        at = 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            value, at = decoder.raw_decode(text, at)
            found.append(value)
        return found

    @property
    def message(self):
        return json.loads(self.body)["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class ApiError(Exception):
    def __init__(self, method, path, response):
        super().__init__(f"{method} {path}: {response!r}")
        self.response, self.status = response, response.status


def target(path, query):
    def text(value):
        if isinstance(value, bool):
            return "1" if value else "0"
        if isinstance(value, (dict, list)):
            return json.dumps(value)
        return str(value)
    pairs = []
    for key, value in query.items():
        key = key.rstrip("_").replace("__", "-")
        if isinstance(value, tuple):
            pairs += [(key, text(v)) for v in value]
        elif value is not None:
            pairs.append((key, text(value)))
    return path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


class Api:
    def __init__(self, socket_path, timeout=60):
        self.socket_path, self.timeout = socket_path, timeout

    def connection(self, timeout=None):
        return _UnixConnection(self.socket_path, timeout or self.timeout)

    def raw(self, method, path, /, body=None, headers=None, timeout=None, **query):
        """One request; any status is an answer. A body that is not bytes is sent as JSON."""
        c, headers = self.connection(timeout), dict(headers or {})
        if body is not None and not isinstance(body, bytes) and not hasattr(body, "read"):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            try:
                c.request(method, target(path, query), body, headers)
            except BrokenPipeError:
                pass  # refused while we were still sending: the answer is there to be read
            r = c.getresponse()
            return Response(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        finally:
            c.close()

    def call(self, method, path, /, body=None, **kw):
        r = self.raw(method, path, body, **kw)
        if r.status >= 400:
            raise ApiError(method, path, r)
        if not r.body or not r.headers.get("content-type", "").startswith("application/json"):
            return r.body
        values = r.json_stream()
        return values[0] if len(values) == 1 else values

    def get(self, path, /, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, /, body=None, **kw):
        return self.call("POST", path, body, **kw)

    def delete(self, path, /, **kw):
        return self.call("DELETE", path, **kw)

    def put(self, path, /, body=None, **kw):
        return self.call("PUT", path, body, **kw)

    def refused(self, method, path, /, body=None, status=400, says="", **kw):
        """Asserts that the request is refused with this status and a JSON message containing `says`."""
        r = self.raw(method, path, body, **kw)
        if OLD_DOCKER and status == 400 and r.status == 500:
            status = 500
        assert r.status == status, f"{method} {path}: expected {status}, got {r!r}"
        assert r.headers["content-type"].startswith("application/json"), r.headers
        assert list(r.json()) == ["message"] and r.message, r
        for part in [says] if isinstance(says, str) else says:
            assert part.lower() in r.message.lower(), f"{part!r} not in {r.message!r}"
        return r.message

    def stream(self, method, path, /, body=None, headers=None, timeout=None, **query):
        """An answer that is read while it is written."""
        c, headers = self.connection(timeout), dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        c.request(method, target(path, query), body, headers)
        return Stream(c, c.getresponse())

    def hijack(self, path, /, body=None, upgrade=True, timeout=None, **query):
        """POST that turns the connection into a raw two-way stream."""
        payload = json.dumps(body).encode() if body is not None else b""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout or self.timeout)
        s.connect(self.socket_path)
        head = f"POST {target(path, query)} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        if upgrade:
            head += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        s.sendall((head + f"Content-Length: {len(payload)}\r\n\r\n").encode() + payload)
        return Hijacked(s)


class Stream:
    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.sock = connection.sock
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.pending = b""

    def objects(self):
        """JSON objects as they arrive."""
        decoder = json.JSONDecoder()
        text = ""
        while True:
            data = self.response.read1(65536)
            if not data:
                return
            text += data.decode()
            while text.strip():
                text = text.lstrip()
                try:
                    value, at = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[at:]
                yield value

    def read_some(self):
        return self.response.read1(65536)

    def read_until(self, what):
        while what not in self.pending:
            data = self.read_some()
            assert data, f"the stream ended before {what!r}: {self.pending!r}"
            self.pending += data
        return self.pending

    def read(self):
        self.pending += self.response.read()
        return self.pending

    def close(self):
        self.response.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Hijacked:
    def __init__(self, sock):
        self.sock, self.data = sock, b""
        while b"\r\n\r\n" not in self.data:
            more = sock.recv(65536)
            if not more:
                break
            self.data += more
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}

    def write(self, data):
        self.sock.sendall(data)

    def end_input(self):
        self.sock.shutdown(socket.SHUT_WR)

    def read_until(self, what):
        while what not in self.data:
            more = self.sock.recv(65536)
            assert more, f"the stream ended before {what!r}: {self.data!r}"
            self.data += more
        return self.data

    def read_all(self):
        while True:
            more = self.sock.recv(65536)
            if not more:
                return self.data
            self.data += more

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frames(data):
    """[(stream number, payload)] of a multiplexed stream."""
    found, at = [], 0
    while at < len(data):
        kind, zero, size = struct.unpack(">B3sI", data[at:at + 8])
        assert zero == b"\0\0\0" and kind in (0, 1, 2, 3), f"not a frame at {at}: {data[at:at + 8]!r}"
        found.append((kind, data[at + 8:at + 8 + size]))
        at += 8 + size
    assert at == len(data), "the last frame is cut short"
    return found


def demux(data):
    parts = frames(data)
    return tuple(b"".join(p for kind, p in parts if kind == want).decode(errors="replace") for want in (1, 2))
