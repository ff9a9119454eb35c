"""The harness itself: what crashes must not stay silent."""
import signal

import pytest

from harness.process import Server
from harness.registry import ShoalRegistry

pytestmark = pytest.mark.shoal_only("nothing of a daemon is looked at")


class Script(Server):
    kind = "script"

    def start(self, text):
        self.spawn(["/bin/bash", "-c", text + "\necho ready\nwhile :; do sleep 0.01; done"])
        self.wait_until(lambda: "ready" in self.log_tail())
        return self


def test_an_orderly_end_is_good(tmp_path):
    s = Script(str(tmp_path)).start("trap 'exit 0' TERM")
    assert s.stop() == 0 and s.stop() == 0


@pytest.mark.parametrize("trap, code", [("kill -SEGV $$", -signal.SIGSEGV), ("echo a reason; exit 3", 3)])
def test_a_crash_while_it_stops_is_told_once_with_the_log(tmp_path, trap, code):
    s = Script(str(tmp_path)).start(f"echo words of the log; trap '{trap}' TERM")
    with pytest.raises(AssertionError, match=f"script ended with {code}:(.|\n)*words of the log"):
        s.stop()
    assert s.stop() == code


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_an_end_that_nobody_asked_for_is_told(tmp_path, end):
    s = Script(str(tmp_path)).start("trap 'exit 7' USR1")
    s.process.send_signal(signal.SIGUSR1)
    s.process.wait(20)
    with pytest.raises(AssertionError, match="script ended with 7"):
        end(s)


def test_what_the_test_has_killed_is_no_crash(tmp_path):
    s = Script(str(tmp_path)).start("")
    s.kill()
    s.kill()
    s.stop()


def test_a_daemon_that_dies_by_itself_is_told(fresh):
    d = fresh({"bridge": "none"}, image=False)
    d.process.send_signal(signal.SIGSEGV)
    d.process.wait(20)
    with pytest.raises(AssertionError, match="shoald ended with -11"):
        d.stop()


def test_registries_find_ports_of_their_own_and_keep_them(tmp_path):
    both = [ShoalRegistry(str(tmp_path / name)).start() for name in "ab"]
    ports = [r.port for r in both]
    assert len(set(ports)) == 2
    both[0].stop()
    assert both[0].start().port == ports[0]
    for r in both:
        assert r.stop() == 0
