"""A server under test as a process: begun into a log, waited for, and asked how it ended. Daemons and registries are such."""
import signal
import subprocess
import time


class Server:
    kind = "server"

    def __init__(self, folder):
        self.folder, self.log, self.process = folder, folder + "/log", None
        self.end_is_known = True  # by the test: killed, expected, or told once

    def spawn(self, command, **kw):
        self.end_is_known = False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **kw)
        return self.process

    def wait_until(self, answers, seconds=30):
        """`answers()` may raise OSError for "not yet"."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.end_is_known = True
                raise AssertionError(f"{self.kind} ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                if answers():
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"{self.kind} did not answer in {seconds} s:\n{self.log_tail()}")

    def wait_end(self, seconds):
        """The code of an end that the test wants: it judges it."""
        code = self.process.wait(seconds)
        self.end_is_known = True
        return code

    def log_tail(self, size=4000):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()[-size:]
        except OSError:
            return ""

    def is_good_end(self, code):
        return code == 0

    def check_end(self):
        """Fails, once, when it has crashed or ended with an error that nobody asked for."""
        code = self.process.poll() if self.process else None
        if code is None or self.end_is_known or self.is_good_end(code):
            return
        self.end_is_known = True
        raise AssertionError(f"{self.kind} ended with {code}:\n{self.log_tail(8000)}")

    def stop(self, seconds=30):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.kind} did not stop in {seconds} s:\n{self.log_tail()}")
        self.check_end()
        return self.process.returncode if self.process else 0

    def kill(self):
        if self.process and self.process.poll() is None:
            self.end_is_known = True
            self.process.kill()
            self.process.wait()
        self.check_end()
