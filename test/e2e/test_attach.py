"""Attach: hijacked streams, replay of logs, detach keys, half close, terminals, web sockets."""
import base64
import os
import struct

import pytest

from harness.api import demux


def test_attach_before_start_sees_everything(api, box):
    id = box.create("sh", "-c", "echo first; cat; echo last >&2", OpenStdin=True, StdinOnce=True, AttachStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1, stderr=1) as h:
        assert h.status == 101
        assert h.headers["content-type"] == "application/vnd.docker.raw-stream" or "multiplexed" in h.headers["content-type"]
        box.start(id)
        h.write(b"typed\n")
        h.end_input()
        assert demux(h.read_all()) == ("first\ntyped\n", "last\n")


def test_logs_replays_what_was_written_before(api, box):
    id = box.up("sh", "-c", "echo early; read x; echo late $x", OpenStdin=True)
    box.wait_for_output(id, "early")
    with api.hijack(f"/containers/{id}/attach", logs=1, stream=1, stdin=1, stdout=1, stderr=1) as h:
        h.read_until(b"early\n")
        h.write(b"go\n")
        assert demux(h.read_all())[0] == "early\nlate go\n"


def test_logs_without_stream_ends_at_once(api, box):
    id = box.up("sh", "-c", "echo one; sleep 1000")
    box.wait_for_output(id, "one")
    with api.hijack(f"/containers/{id}/attach", logs=1, stdout=1) as h:
        assert demux(h.read_all())[0] == "one\n"


def test_only_the_asked_streams_come(api, box):
    id = box.create("sh", "-c", "echo o; echo e >&2")
    with api.hijack(f"/containers/{id}/attach", stream=1, stderr=1) as h:
        box.start(id)
        assert demux(h.read_all()) == ("", "e\n")


def test_two_clients_see_the_same(api, box):
    id = box.create("sh", "-c", "read x; echo both", OpenStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdout=1) as a, \
            api.hijack(f"/containers/{id}/attach", stream=1, stdout=1, stdin=1) as b:
        box.start(id)
        b.write(b"\n")
        assert demux(a.read_all())[0] == demux(b.read_all())[0] == "both\n"


def test_a_terminal_is_raw_and_detach_keys_leave_it(api, box):
    id = box.create("sh", Tty=True, OpenStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as h:
        box.start(id)
        h.write(b"echo $((40+2))\n")
        h.read_until(b"\r\n42\r\n")
        h.write(b"\x10\x11")
        h.read_all()
    assert box.state(id)["Running"]


def test_other_detach_keys(api, box):
    id = box.up("sh", Tty=True, OpenStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1, detachKeys="ctrl-x,d") as h:
        h.write(b"\x18d")
        h.read_all()
    assert box.state(id)["Running"]


def test_wrong_detach_keys_are_an_error(api, box):
    id = box.up("sh", Tty=True, OpenStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, detachKeys="nonsense") as h:
        assert h.status == 400 or b"nvalid" in h.read_all() or b"nonsense" in h.data


def test_resize(api, box):
    id = box.up("sh", Tty=True, OpenStdin=True)
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as h:
        api.post(f"/containers/{id}/resize", h=41, w=101)
        h.write(b"stty size\n")
        h.read_until(b"41 101")


def test_resize_needs_numbers_and_a_running_container(api, box):
    id = box.create(Tty=True)
    api.refused("POST", f"/containers/{id}/resize", h=1, w=1, status=409, says="is not running")
    id = box.up(Tty=True)
    r = api.raw("POST", f"/containers/{id}/resize", h="x", w=1)
    assert r.status == 400, r


@pytest.mark.min_api(142)
def test_the_console_size_at_create_is_used(box):
    assert box.run("stty", "size", Tty=True, OpenStdin=True, host={"ConsoleSize": [31, 91]}).out.strip() == "31 91"


def test_attach_to_an_absent_container_is_404(api):
    with api.hijack("/containers/absent-c/attach", stream=1) as h:
        assert h.status == 404


def test_attach_to_a_paused_container_is_409(api, box):
    id = box.up()
    api.post(f"/containers/{id}/pause")
    with api.hijack(f"/containers/{id}/attach", stream=1, stdout=1) as h:
        assert h.status == 409 or b"paused" in h.read_all()


def test_stdin_once_ends_the_process_when_its_client_goes(api, box):
    id = box.create("cat", OpenStdin=True, StdinOnce=True)
    h = api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1)
    box.start(id)
    h.write(b"x")
    h.read_until(b"x")
    h.close()
    assert box.wait(id, timeout=10) == 0


def test_without_stdin_once_input_stays_open_for_the_next_client(api, box):
    id = box.up("cat", OpenStdin=True)
    for word in (b"one\n", b"two\n"):
        with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as h:
            h.write(word)
            h.read_until(word)
    assert box.state(id)["Running"]
    assert box.logs(id)[0] == "one\ntwo\n"


def test_large_input_and_output_arrive_whole(api, box):
    id = box.create("md5sum", OpenStdin=True, StdinOnce=True)
    import hashlib
    data = os.urandom(1 << 20) * 5
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1) as h:
        box.start(id)
        h.write(data)
        h.end_input()
        assert demux(h.read_all())[0].split()[0] == hashlib.md5(data).hexdigest()


def test_a_client_that_reads_nothing_holds_up_nobody_else(api, box):
    id = box.create("sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' 'x' | fold -w 1000; echo finished >&2")
    with api.hijack(f"/containers/{id}/attach", stream=1, stdout=1, stderr=1):
        box.start(id)
        assert box.run("echo", "fine").out == "fine\n"
    box.wait(id, timeout=30)


def _websocket(api, path):
    c = api.connection()
    c.connect()
    key = base64.b64encode(os.urandom(16)).decode()
    c.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: d\r\nOrigin: http://d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += c.sock.recv(1)
    return c.sock, head


def _frame(data):
    mask = b"\1\2\3\4"
    return struct.pack(">BB4s", 0x82, 0x80 | len(data), mask) + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def test_attach_by_web_socket(api, box):
    id = box.create("sh", "-c", "read x; echo got $x; sleep 0.2", OpenStdin=True)
    sock, head = _websocket(api, f"/containers/{id}/attach/ws?stream=1&stdin=1&stdout=1")
    assert b" 101 " in head.split(b"\r\n")[0]
    box.start(id)
    sock.sendall(_frame(b"word\n"))
    data = b""
    while b"got word" not in data:
        more = sock.recv(4096)
        assert more, data
        data += more
    assert data[0] in (0x81, 0x82)  # a whole frame, never masked by a server
    sock.close()


def test_clients_that_leave_during_the_start_harm_nobody(api, box, daemon):
    import threading
    import time
    pid = daemon.pid
    for round in range(15):
        id = box.create("sh", "-c", "echo hello; sleep 1000")
        clients = [api.hijack(f"/containers/{id}/attach", stream=1, stdout=1, stdin=1) for _ in range(4)]
        start = threading.Thread(target=box.start, args=(id,))
        start.start()
        time.sleep(round * 0.004)
        for c in clients:
            c.close()
        start.join(30)
        assert box.state(id)["Running"]
        box.rm(id, force=1)
    assert daemon.pid == pid and daemon.process.poll() is None
