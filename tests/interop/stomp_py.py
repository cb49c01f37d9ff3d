"""stomp.py over TCP, in each version of the protocol.

Usage: stomp_py.py TCP_PORT HTTP_PORT. Prints one line for each step. Exits with 1 after a failure.
"""

import queue
import sys
import threading

import stomp

from broker import HANG_TIMEOUT_SECONDS, ExpectationFailed, assert_equal

# With this scale, stomp.py closes a connection only after ten missing heartbeats, because a busy machine may delay
# some.
BEATS = {"heartbeats": (1000, 1000), "heart_beat_receive_scale": 10}


class Peer(stomp.ConnectionListener):
    """A connected client and the frames that it has received."""

    def __init__(self, connection, version, port):
        kind = getattr(stomp, f"StompConnection{connection}")
        beats = {} if connection == "10" else BEATS
        self.version = version
        self.connection = kind([("127.0.0.1", port)], auto_decode=False, **beats)
        self.inboxes = {name: queue.Queue() for name in ("connected", "message", "receipt", "error", "end")}
        self.beats = threading.Semaphore(0)
        self.sent_beats = threading.Semaphore(0)
        self.connection.set_listener("conversation", self)
        self.connection.connect(wait=True)
        self.connected = self.take("connected")

    def on_connected(self, frame):
        self.inboxes["connected"].put(frame)

    def on_message(self, frame):
        self.inboxes["message"].put(frame)

    def on_receipt(self, frame):
        self.inboxes["receipt"].put(frame)

    def on_error(self, frame):
        self.inboxes["error"].put(frame)

    def on_disconnected(self):
        self.inboxes["end"].put(True)

    def on_heartbeat(self):
        self.beats.release()

    def on_send(self, frame):
        if frame.cmd is None:
            self.sent_beats.release()

    def take(self, kind):
        try:
            return self.inboxes[kind].get(timeout=HANG_TIMEOUT_SECONDS)
        except queue.Empty:
            raise ExpectationFailed(f"expected {kind} within {HANG_TIMEOUT_SECONDS} s") from None

    def message(self, body):
        message = self.take("message")
        assert_equal("body", message.body, body)
        return message

    def receipt(self, id):
        assert_equal("receipt-id", self.take("receipt").headers["receipt-id"], id)

    def subscribe(self, destination, ack="auto"):
        self.connection.subscribe(destination, id="s", ack=ack, receipt="subscribed")
        self.receipt("subscribed")

    def unsubscribe(self):
        self.connection.unsubscribe(id="s", receipt="unsubscribed")
        self.receipt("unsubscribed")

    def settle(self, verb, message, **more):
        name = {"1.2": ["ack"], "1.1": ["message-id", "subscription"], "1.0": ["message-id"]}[self.version]
        getattr(self.connection, verb)(*(message.headers[header] for header in name), **more)


def connects(a, b, name):
    assert_equal("version", a.connected.headers["version"], a.version)
    assert_equal("has a session", bool(a.connected.headers["session"]), True)


def exchanges_messages(a, b, name):
    a.subscribe(f"/topic/{name}.a")
    b.subscribe(f"/topic/{name}.b")
    for number in range(20):
        a.connection.send(f"/topic/{name}.b", f"ping {number}", headers={"colour": "grün"})
        assert_equal("colour", b.message(b"ping %d" % number).headers["colour"], "grün")
        b.connection.send(f"/topic/{name}.a", f"pong {number}")
        a.message(b"pong %d" % number)
    a.unsubscribe()
    b.unsubscribe()


def acks(a, b, name):
    for body in ("one", "two"):
        a.connection.send(f"/queue/{name}", body)
    b.subscribe(f"/queue/{name}", ack="client")
    for body in (b"one", b"two"):
        b.settle("ack", b.message(body), receipt="settled")
        b.receipt("settled")
    b.unsubscribe()


def nacks(a, b, name):
    if a.version == "1.0":
        return "1.0 has no NACK"
    b.subscribe(f"/queue/{name}", ack="client-individual")
    a.connection.send(f"/queue/{name}", "hot")
    first = b.message(b"hot")
    assert_equal("redelivered", first.headers.get("redelivered"), None)
    b.settle("nack", first)
    again = b.message(b"hot")
    assert_equal("redelivered", again.headers.get("redelivered"), "true")
    b.settle("ack", again, receipt="settled")
    b.receipt("settled")
    b.unsubscribe()


def receipts(a, b, name):
    for id in ("r-1", "r-2"):
        a.connection.send(f"/topic/{name}", "x", receipt=id)
    a.receipt("r-1")
    a.receipt("r-2")


def commits(a, b, name):
    b.subscribe(f"/topic/{name}")
    transaction = a.connection.begin()
    for body in ("one", "two"):
        a.connection.send(f"/topic/{name}", body, transaction=transaction, receipt=body)
        a.receipt(body)
    assert_equal("nothing before COMMIT", b.inboxes["message"].empty(), True)
    a.connection.commit(transaction)
    b.message(b"one")
    b.message(b"two")
    b.unsubscribe()


def aborts(a, b, name):
    b.subscribe(f"/topic/{name}")
    transaction = a.connection.begin()
    a.connection.send(f"/topic/{name}", "never", transaction=transaction)
    a.connection.abort(transaction)
    a.connection.send(f"/topic/{name}", "after ABORT")
    b.message(b"after ABORT")
    b.unsubscribe()


def binary(a, b, name):
    b.subscribe(f"/topic/{name}")
    body = bytes(range(256)) + b"\0\0\n\xff"
    a.connection.send(f"/topic/{name}", body, content_type="application/octet-stream")
    assert_equal("content-type", b.message(body).headers["content-type"], "application/octet-stream")
    b.unsubscribe()


def large(a, b, name):
    b.subscribe(f"/topic/{name}")
    body = (b"stomp" * 210_000)[: 1 << 20]
    a.connection.send(f"/topic/{name}", body)
    b.message(body)
    b.unsubscribe()


def heartbeats(a, b, name):
    if a.version == "1.0":
        return "1.0 has no heartbeats"
    for _ in range(5):
        for direction, seen in (("from", a.beats), ("to", a.sent_beats)):
            if not seen.acquire(timeout=HANG_TIMEOUT_SECONDS):
                raise ExpectationFailed(f"expected a heartbeat {direction} the broker within {HANG_TIMEOUT_SECONDS} s")
    a.connection.send(f"/topic/{name}", "x", receipt="connected")
    a.receipt("connected")


def closes_after_error(a, b, name):
    peer = Peer(a.version.replace(".", ""), a.version, PORT)
    peer.connection.subscribe("/unknown/destination", id="s")
    error = peer.take("error")
    assert_equal("ERROR has a message", bool(error.headers["message"]), True)
    peer.take("end")


def disconnects(a, b, name):
    for peer in (a, b):
        peer.connection.disconnect(receipt="bye")
        peer.receipt("bye")
        peer.take("end")


STEPS = {
    "connect": connects,
    "two clients exchange messages": exchanges_messages,
    "a queue, ACK": acks,
    "NACK, redelivery": nacks,
    "receipt": receipts,
    "transaction, COMMIT": commits,
    "transaction, ABORT": aborts,
    "binary body": binary,
    "a body of 1 MiB": large,
    "heartbeats in both directions": heartbeats,
    "ERROR and close": closes_after_error,
    "DISCONNECT with receipt": disconnects,
}


def run_steps(connection, version):
    label = f"stomp.py in {version}:"
    step = "connect"
    try:
        a, b = (Peer(connection, version, PORT) for _ in range(2))
        for number, (step, act) in enumerate(STEPS.items()):
            reason = act(a, b, f"py{connection}.{number}")
            print(f"n/a {label} {step} ({reason})" if reason else f"ok {label} {step}", flush=True)
    except (ExpectationFailed, stomp.exception.StompException) as error:
        print(f"FAILED {label} {step}: {error!r}", flush=True)
        sys.exit(1)


PORT = int(sys.argv[1])
for connection, version in (("12", "1.2"), ("11", "1.1"), ("10", "1.0")):
    run_steps(connection, version)
