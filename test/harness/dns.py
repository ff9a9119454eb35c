"""A name server of a few names, so that no test depends on the world outside.

As a program: dns.py ADDRESS, prints every name that it is asked for.
"""
import socket
import sys
import threading

EXAMPLES = {"outside.example": "10.9.8.7", "found.some.example": "10.9.8.9"}


class NameServer:
    """Answers A queries for the given names, and says of every other name that it does not exist."""

    def __init__(self, address, names):
        self.address, self.names, self.socket = address, names, None

    def start(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which would keep the port otherwise
        except OSError:
            pass
        self.socket.close()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def asked(self, name):
        """For who wants to know."""

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self.answer(query), peer)
            except OSError:
                return
            except (IndexError, UnicodeDecodeError):
                pass  # not a query

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, kind = query[12:at + 5], query[at + 2]
        name = ".".join(labels).lower()
        self.asked(name)
        known = self.names.get(name)
        record = b""
        if known and kind == 1:
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(known)
        flags = b"\x81\x80" if known else b"\x81\x83"
        return query[:2] + flags + b"\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0" + question + record


class _Telling(NameServer):
    def asked(self, name):
        print(name, flush=True)


if __name__ == "__main__":
    with _Telling(sys.argv[1], EXAMPLES):
        threading.Event().wait()
