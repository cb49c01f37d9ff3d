#!/usr/bin/env python3
"""Measures, second by second, the delay of 999 subscribers of a topic while another one stops reading.

    cargo build --release && python3 tests/bench/stalled.py target/release/stompbox [SECONDS]

A publisher sends 50 messages a second, even if the broker does not keep up. The delay of a message is the time from its
schedule until the last of the 999 subscribers has received it. The exit code is 1 if a subscriber misses a message, if
messages are late for longer than one `slow-consumer-grace`, or if the broker does not disconnect the stalled client.
"""
import selectors
import socket
import subprocess
import sys
import time

OTHERS = 999
RATE = 50
BODY = b"x" * 2048
GRACE_SECONDS = 1.0
SUBSCRIBE = b"SUBSCRIBE\nid:1\ndestination:/topic/crowd\nreceipt:in\n\n\0"
SEND = b"SEND\ndestination:/topic/crowd\n\n" + BODY + b"\0"


def start(binary):
    # The limit of the outbound queue is small, so that the stalled client reaches it within seconds. The socket buffers
    # hold some hundred kilobytes in addition.
    limits = ["--outbound-queue-bytes-max", "512KiB", "--slow-consumer-grace", f"{int(GRACE_SECONDS)}s"]
    limits += ["--frame-bytes-max", "64KiB", "--heart-beat", "0,0"]
    listen = ["--tcp", "127.0.0.1:0", "--http", "off", "--log", "warn"]
    broker = subprocess.Popen([binary, *listen, *limits], stdout=subprocess.PIPE, text=True)
    return broker, int(broker.stdout.readline().rsplit(":", 1)[1])


def connect(port, subscribes, window=None):
    client = socket.socket()
    if window:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.connect(("127.0.0.1", port))
    client.sendall(b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,0\n\n\0" + (SUBSCRIBE if subscribes else b""))
    answer = b""
    while answer.count(b"\0") < 1 + subscribes:
        answer += client.recv(4096)
    client.setblocking(False)
    return client


class OtherSubscribers:
    """The subscribers that read, and for each message the number of subscribers that have not received it yet."""

    def __init__(self, clients):
        self.selector = selectors.EpollSelector()
        for client in clients:
            self.selector.register(client, selectors.EVENT_READ, [0])
        self.missing, self.due, self.delays = [], [], []

    def expect(self, due):
        self.missing.append(OTHERS)
        self.due.append(due)
        self.delays.append(None)

    def read(self, until):
        for key, _ in self.selector.select(max(0, until - time.monotonic())):
            data = key.fileobj.recv(1 << 18)
            if not data:
                sys.exit("the broker disconnected a subscriber that reads")
            for _ in range(data.count(b"\0")):
                number = key.data[0]
                key.data[0] += 1
                self.missing[number] -= 1
                if self.missing[number] == 0:
                    self.delays[number] = time.monotonic() - self.due[number]


def publish(publisher, others, seconds):
    start_time, waiting = time.monotonic(), b""
    for number in range(seconds * RATE):
        due = start_time + number / RATE
        while time.monotonic() < due:
            others.read(due)
        others.expect(due)
        waiting += SEND
        try:
            waiting = waiting[publisher.send(waiting):]
        except BlockingIOError:
            pass
    publisher.setblocking(True)
    publisher.sendall(waiting)
    end = time.monotonic() + 10
    while None in others.delays and time.monotonic() < end:
        others.read(end)


def is_disconnected(stalled):
    """Reads all data. Returns whether the connection then ends."""
    stalled.settimeout(5)
    try:
        while stalled.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def main(binary, seconds="30"):
    seconds = int(seconds)
    broker, port = start(binary)
    try:
        others = OtherSubscribers([connect(port, True) for _ in range(OTHERS)])
        stalled, publisher = connect(port, True, window=4096), connect(port, False)
        publish(publisher, others, seconds)
        disconnected = is_disconnected(stalled)
    finally:
        broker.kill()
    print("second  median delay  longest delay")
    slow = []
    for second in range(seconds):
        delays = sorted(delay or 10.0 for delay in others.delays[second * RATE:(second + 1) * RATE])
        slow += [second] if delays[-1] > GRACE_SECONDS / 2 else []
        print(f"{second:>6}  {delays[RATE // 2] * 1000:>9.1f} ms  {delays[-1] * 1000:>10.1f} ms")
    print(f"{len(slow)} of {seconds} seconds were slow. The stalled client was {'' if disconnected else 'not '}disconnected")
    # One grace period may make two consecutive seconds slow.
    once = len(slow) <= 2 and (not slow or slow[-1] - slow[0] <= 1)
    sys.exit(0 if once and disconnected and None not in others.delays else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
