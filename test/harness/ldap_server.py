"""A directory in a few lines, for what slapd cannot be: names of the form user@domain as Active Directory binds by them, and
slow answers. It knows simple binds, searches with and, or, equality and presence, and nothing of TLS (RFC 4511)."""
import socketserver
import threading
import time

SUCCESS, OPERATIONS_ERROR, NO_SUCH_OBJECT, INVALID_DN, INVALID_CREDENTIALS = 0, 1, 32, 34, 49


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def text(value, tag=4):
    return tlv(tag, value.encode())


def read_tlv(data, at=0):
    """(tag, body, where the next one begins)"""
    tag, size, at = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7f
        size, at = int.from_bytes(data[at:at + count], "big"), at + count
    return tag, data[at:at + size], at + size


def parts_of(data):
    at, parts = 0, []
    while at < len(data):
        tag, body, at = read_tlv(data, at)
        parts.append((tag, body))
    return parts


def matches(entry, tag, body):
    """`entry` has its attributes by lower-case name."""
    if tag == 0xa0:
        return all(matches(entry, *p) for p in parts_of(body))
    if tag == 0xa1:
        return any(matches(entry, *p) for p in parts_of(body))
    if tag == 0xa3:
        (_, name), (_, value) = parts_of(body)
        return value.decode().lower() in [v.lower() for v in entry.get(name.decode().lower(), [])]
    if tag == 0x87:
        return body.decode().lower() == "objectclass" or body.decode().lower() in entry
    raise AssertionError(f"filter {tag:#x} is not known here")


class Directory:
    """`entries`: DN -> {attribute: [values]}; `passwords`: DN or name -> password. `delay` in seconds comes before every answer; `asked`
    keeps what was asked: ("bind", name) and ("search", who, base)."""

    def __init__(self, entries, passwords, delay=0):
        self.entries = {dn: {k.lower(): v for k, v in attributes.items()} for dn, attributes in entries.items()}
        self.names = {dn: {k.lower(): k for k in attributes} for dn, attributes in entries.items()}
        self.passwords, self.delay, self.asked = passwords, delay, []
        directory = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.who = ""
                try:
                    while message := self.read():
                        (_, number), (tag, body) = parts_of(message)[:2]
                        if tag == 0x42:
                            return
                        time.sleep(directory.delay)
                        answers = directory.bind(self, body) if tag == 0x60 else directory.search(self.who, body)
                        self.request.sendall(b"".join(tlv(0x30, tlv(2, number), a) for a in answers))
                except OSError:
                    pass

            def take(self, size):
                data = b""
                while len(data) < size:
                    piece = self.request.recv(size - len(data))
                    if not piece:
                        return b""
                    data += piece
                return data

            def read(self):
                head = self.take(2)
                if not head:
                    return b""
                count = head[1] & 0x7f if head[1] & 0x80 else 0
                size = int.from_bytes(self.take(count), "big") if count else head[1]
                return self.take(size)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def result(tag, code):
        return tlv(tag, tlv(10, bytes([code])), text(""), text(""))

    def bind(self, connection, body):
        _, (_, name), (_, password) = parts_of(body)
        name, password = name.decode(), password.decode()
        self.asked.append(("bind", name))
        good = self.passwords.get(name) == password
        connection.who = name if good else ""
        return [self.result(0x61, SUCCESS if good else INVALID_CREDENTIALS)]

    def search(self, who, body):
        (_, base), (_, scope), _, _, _, _, condition, (_, wanted) = parts_of(body)
        base, wanted = base.decode(), [w.decode().lower() for _, w in parts_of(wanted)]
        self.asked.append(("search", who, base))
        if not who:
            return [self.result(0x65, OPERATIONS_ERROR)]
        if "=" not in base:
            return [self.result(0x65, INVALID_DN)]
        if not any(dn.lower() == base.lower() or dn.lower().endswith("," + base.lower()) for dn in self.entries):
            return [self.result(0x65, NO_SUCH_OBJECT)]
        answers = []
        for dn, attributes in self.entries.items():
            below = dn.lower() == base.lower() or (scope != b"\0" and dn.lower().endswith("," + base.lower()))
            if below and matches(attributes, *condition):
                shown = [tlv(0x30, text(self.names[dn][k]), tlv(0x31, *[text(v) for v in values])) for k, values in attributes.items() if k in wanted]
                answers.append(tlv(0x64, text(dn), tlv(0x30, *shown)))
        return [*answers, self.result(0x65, SUCCESS)]
