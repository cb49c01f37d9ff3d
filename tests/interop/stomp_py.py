"""stomp.py over TCP, in each version of the protocol.

Usage: stomp_py.py TCP_PORT HTTP_PORT. One line per step; exits with 1 at the first that fails.
"""

import queue
import sys
import threading

import stomp

from broker import HANG_TIMEOUT_SECONDS, Expected, same

# The scale makes stomp.py wait for ten missing heartbeats, so that a busy machine does not end a connection.
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
            raise Expected(f"{kind} was expected within {HANG_TIMEOUT_SECONDS} s") from None

    def message(self, body):
        message = self.take("message")
        same("body", message.body, body)
        return message

    def receipt(self, id):
        same("receipt-id", self.take("receipt").headers["receipt-id"], id)

    def subscribe(self, destination, ack="auto"):
        self.connection.subscribe(destination, id="s", ack=ack, receipt="subscribed")
        self.receipt("subscribed")

    def unsubscribe(self):
        self.connection.unsubscribe(id="s", receipt="unsubscribed")
        self.receipt("unsubscribed")

    def settle(self, verb, message, **more):
        name = {"1.2": ["ack"], "1.1": ["message-id", "subscription"], "1.0": ["message-id"]}[self.version]
        getattr(self.connection, verb)(*(message.headers[header] for header in name), **more)


def greets(a, b, name):
    same("version", a.connected.headers["version"], a.version)
    same("has a session", bool(a.connected.headers["session"]), True)


def talks(a, b, name):
    a.subscribe(f"/topic/{name}.a")
    b.subscribe(f"/topic/{name}.b")
    for turn in range(20):
        a.connection.send(f"/topic/{name}.b", f"ping {turn}", headers={"colour": "grün"})
        same("colour", b.message(b"ping %d" % turn).headers["colour"], "grün")
        b.connection.send(f"/topic/{name}.a", f"pong {turn}")
        a.message(b"pong %d" % turn)
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
    same("redelivered", first.headers.get("redelivered"), None)
    b.settle("nack", first)
    again = b.message(b"hot")
    same("redelivered", again.headers.get("redelivered"), "true")
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
    same("nothing before COMMIT", b.inboxes["message"].empty(), True)
    a.connection.commit(transaction)
    b.message(b"one")
    b.message(b"two")
    b.unsubscribe()


def aborts(a, b, name):
    b.subscribe(f"/topic/{name}")
    transaction = a.connection.begin()
    a.connection.send(f"/topic/{name}", "never", transaction=transaction)
    a.connection.abort(transaction)
    a.connection.send(f"/topic/{name}", "behind it")
    b.message(b"behind it")
    b.unsubscribe()


def binary(a, b, name):
    b.subscribe(f"/topic/{name}")
    body = bytes(range(256)) + b"\0\0\n\xff"
    a.connection.send(f"/topic/{name}", body, content_type="application/octet-stream")
    same("content-type", b.message(body).headers["content-type"], "application/octet-stream")
    b.unsubscribe()


def large(a, b, name):
    b.subscribe(f"/topic/{name}")
    body = (b"stomp" * 210_000)[: 1 << 20]
    a.connection.send(f"/topic/{name}", body)
    b.message(body)
    b.unsubscribe()


def beats(a, b, name):
    if a.version == "1.0":
        return "1.0 has no heart-beats"
    for _ in range(5):
        for what, seen in (("from", a.beats), ("to", a.sent_beats)):
            if not seen.acquire(timeout=HANG_TIMEOUT_SECONDS):
                raise Expected(f"a heart-beat {what} the broker was expected within {HANG_TIMEOUT_SECONDS} s")
    a.connection.send(f"/topic/{name}", "x", receipt="alive")
    a.receipt("alive")


def is_refused(a, b, name):
    peer = Peer(a.version.replace(".", ""), a.version, PORT)
    peer.connection.subscribe("/nowhere/at/all", id="s")
    error = peer.take("error")
    same("message says something", bool(error.headers["message"]), True)
    peer.take("end")


def leaves(a, b, name):
    for peer in (a, b):
        peer.connection.disconnect(receipt="bye")
        peer.receipt("bye")
        peer.take("end")


STEPS = {
    "connect": greets,
    "two clients talk to one another": talks,
    "a queue, ACK": acks,
    "NACK, redelivery": nacks,
    "receipt": receipts,
    "transaction, COMMIT": commits,
    "transaction, ABORT": aborts,
    "binary body": binary,
    "a body of 1 MiB": large,
    "heart-beats both ways": beats,
    "ERROR and close": is_refused,
    "DISCONNECT with receipt": leaves,
}


def play(connection, version):
    label = f"stomp.py in {version}:"
    step = "connect"
    try:
        a, b = (Peer(connection, version, PORT) for _ in range(2))
        for number, (step, act) in enumerate(STEPS.items()):
            why = act(a, b, f"py{connection}.{number}")
            print(f"n/a {label} {step} ({why})" if why else f"ok {label} {step}", flush=True)
    except (Expected, stomp.exception.StompException) as error:
        print(f"FAILED {label} {step}: {error!r}", flush=True)
        sys.exit(1)


PORT = int(sys.argv[1])
for number, spelled in (("12", "1.2"), ("11", "1.1"), ("10", "1.0")):
    play(number, spelled)
