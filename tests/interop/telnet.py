"""STOMP typed into a Telnet client: Return ends a line, and Ctrl-@ with Return ends a frame.

Usage: telnet.py TCP_PORT HTTP_PORT. Types into the real `telnet` on a pseudo-terminal and reads its screen. The
screen also shows the typed text. It shows a typed Ctrl-@ as `^@`, and a NUL from the broker as a NUL.
"""

import os
import pty
import re
import select
import sys
import time

from broker import HANG_TIMEOUT_SECONDS, ExpectationFailed

class Telnet:
    """A terminal that runs telnet."""

    def __init__(self, port):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.execvp("telnet", ["telnet", "127.0.0.1", str(port)])
        self.screen = ""
        self.wait_for("Escape character is")

    def type(self, *lines):
        os.write(self.terminal, "".join(line + "\r" for line in lines).encode())

    def frame(self, *lines):
        """Types a frame without a body: the lines, the blank line, and Ctrl-@."""
        self.type(*lines, "", "\0")

    def wait_for(self, pattern):
        """Reads until the pattern is on the screen. Removes the text up to the end of the match."""
        deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
        while True:
            found = re.search(pattern, self.screen)
            if found:
                self.screen = self.screen[found.end():]
                return found
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self.terminal], [], [], remaining)[0]:
                raise ExpectationFailed(f"expected {pattern!r} within {HANG_TIMEOUT_SECONDS} s; the screen shows {self.screen!r}")
            try:
                more = os.read(self.terminal, 65536)
            except OSError:
                raise ExpectationFailed(f"expected {pattern!r}, got the end; the screen shows {self.screen!r}") from None
            self.screen += more.decode(errors="replace").replace("\r", "")

    def receipt(self, id):
        self.wait_for(f"RECEIPT\n(.+\n)*receipt-id:{id}\n(.+\n)*\n\0")

    def message(self, body):
        """Waits for a MESSAGE with this body and returns its headers."""
        head = self.wait_for(f"MESSAGE\n((.+\n)+)\n{re.escape(body)}\0").group(1)
        return dict(line.split(":", 1) for line in head.splitlines())


def connects(a, b):
    for peer in (a, b):
        peer.frame("CONNECT", "accept-version:1.2", "host:localhost", "heart-beat:60000,500")
        peer.wait_for("CONNECTED\n(.+\n)*version:1.2\n(.+\n)*\n\0")


def exchanges_messages(a, b):
    a.frame("SUBSCRIBE", "id:1", "destination:/topic/a", "receipt:sub-a")
    a.receipt("sub-a")
    b.frame("SUBSCRIBE", "id:1", "destination:/topic/b", "receipt:sub-b")
    b.receipt("sub-b")
    for number in range(3):
        a.type("SEND", "destination:/topic/b", "", f"how are you, {number}?\0")
        b.message(f"how are you, {number}?")
        b.type("SEND", "destination:/topic/a", "", f"gut, schön {number}\0")
        a.message(f"gut, schön {number}")


def sends_many_lines(a, b):
    lines = [f"line {number}" for number in range(200)]
    a.type("SEND", "destination:/topic/b", "", *lines, "\0")
    b.message("\n".join(lines) + "\n")


def sends_nuls(a, b):
    a.type("SEND", "destination:/topic/b", "content-length:5", "", "a\0b\0c\0")
    b.message("a\0b\0c")


def acks_and_nacks(a, b):
    b.frame("SUBSCRIBE", "id:q", "destination:/queue/telnet", "ack:client-individual", "receipt:sub-q")
    b.receipt("sub-q")
    a.type("SEND", "destination:/queue/telnet", "", "hot\0")
    b.frame("NACK", "id:" + b.message("hot")["ack"])
    again = b.message("hot")
    if again.get("redelivered") != "true":
        raise ExpectationFailed(f"expected redelivered:true, got {again}")
    b.frame("ACK", "id:" + again["ack"], "receipt:settled")
    b.receipt("settled")


def commits_and_aborts(a, b):
    for transaction, end in (("t1", "ABORT"), ("t2", "COMMIT")):
        a.frame("BEGIN", f"transaction:{transaction}")
        a.type("SEND", "destination:/topic/b", f"transaction:{transaction}", "", f"message of {end}\0")
        a.frame(end, f"transaction:{transaction}", f"receipt:{end}")
        a.receipt(end)
    b.message("message of COMMIT")
    if "message of ABORT" in b.screen:
        raise ExpectationFailed("a message of the aborted transaction has arrived")


def heartbeats(a, b):
    # Waits for the line end after the last frame, and for three heartbeats of the broker.
    a.wait_for("\n\n\n\n")
    a.type("", "", "")
    a.frame("BEGIN", "transaction:t3", "receipt:connected")
    a.receipt("connected")


def closes_after_error(a, b):
    peer = Telnet(PORT)
    peer.frame("CONNECT", "accept-version:1.2", "host:localhost")
    peer.wait_for("CONNECTED")
    peer.frame("SUBSCRIBE", "id:1", "destination:/unknown/destination")
    peer.wait_for("ERROR\n(.+\n)*message:.+\n")
    peer.wait_for("Connection closed by foreign host")


def disconnects(a, b):
    for peer in (a, b):
        peer.frame("DISCONNECT", "receipt:bye")
        peer.receipt("bye")
        peer.wait_for("Connection closed by foreign host")


STEPS = {
    "CONNECT": connects,
    "two terminals exchange messages": exchanges_messages,
    "a body of many lines": sends_many_lines,
    "a body with NULs": sends_nuls,
    "a queue, NACK, ACK": acks_and_nacks,
    "transaction, ABORT, COMMIT": commits_and_aborts,
    "heartbeats": heartbeats,
    "ERROR and close": closes_after_error,
    "DISCONNECT with receipt": disconnects,
}

PORT = int(sys.argv[1])
step = "telnet"
try:
    terminals = Telnet(PORT), Telnet(PORT)
    for step, act in STEPS.items():
        act(*terminals)
        print(f"ok telnet: {step}", flush=True)
except ExpectationFailed as error:
    print(f"FAILED telnet: {step}: {error}", flush=True)
    sys.exit(1)
