"""Starts a broker on free ports, for scripts that need a broker of their own, and stops it at the end."""

import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

# A deadline that only guards against a hang.
HANG_TIMEOUT_SECONDS = 60


class ExpectationFailed(Exception):
    """A failed expectation."""


def assert_equal(what, actual, expected):
    if actual != expected:
        raise ExpectationFailed(f"{what}: expected {str(expected)[:300]}, got {str(actual)[:300]}")


class Broker:
    def __init__(self, binary, directory, *flags):
        flags = ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", *flags]
        self.log = open(pathlib.Path(directory) / "log", "w+")
        self.process = subprocess.Popen([binary, *flags], stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.ports = {}
        while not {"tcp", "http"} <= self.ports.keys():
            line = self.process.stdout.readline()
            if not line:
                raise ExpectationFailed("the broker does not listen")
            scheme, _, rest = line.removeprefix("listening ").strip().partition("://")
            self.ports[scheme] = int(rest.split("/")[0].rpartition(":")[2])

    def metric(self, name):
        """Returns the value of a series without labels, or the sum over all labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}/metrics") as page:
            text = page.read().decode()
        values = re.findall(rf"^stompbox_{name}(?:\{{.*\}})? (\d+)$", text, re.M)
        return sum(map(int, values))

    def stop(self):
        """Stops the broker and returns its log."""
        self.process.terminate()
        self.process.wait(HANG_TIMEOUT_SECONDS)
        self.log.seek(0)
        return self.log.read()


def run(start, run_steps):
    """Starts a broker with `start(binary, directory)`, calls `run_steps(broker)`, and exits with its code.

    The binary is the argument of the script. Prints the end of the broker's log if the code is not 0.
    """
    with tempfile.TemporaryDirectory(prefix="stompbox-") as directory:
        broker = start(sys.argv[1], directory)
        try:
            code = run_steps(broker)
        finally:
            log = broker.stop()
        if code:
            print(f"the broker's log:\n{log[-4000:]}")
    sys.exit(code)
