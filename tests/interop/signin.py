"""Authentication with stomp.py by every method that it supports, over TCP in each version and over WebSocket.

Usage: signin.py BROKER (the binary). Prints one line for each step. Exits with 1 after a failure.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import queue
import subprocess
import time

import stomp

from broker import HANG_TIMEOUT_SECONDS, Broker, ExpectationFailed, run, assert_equal

# Validity of tokens that expire during a step. It is long enough for a client to sign in on a busy machine.
TOKEN_SECONDS = 4
SECRET = "a-shared-secret-of-more-than-32-bytes"
PASSCODE = "sésame:\\ 50% 🔑"
LOGIN_ERROR = "login failed"


def token(sub, secret=SECRET, seconds=3600):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {"sub": sub, "exp": time.time() + seconds}
    message = ".".join(part(json.dumps(one).encode()) for one in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{message}.{part(hmac.digest(secret.encode(), message.encode(), hashlib.sha256))}"


def basic(login, passcode):
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{passcode}".encode()).decode()}


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def start(binary, directory):
    """Starts a broker with users and tokens."""
    users = str(pathlib.Path(directory) / "users")
    for name in ("alice", "bob"):
        subprocess.run([binary, "passwd", users, name], input=PASSCODE.encode(), check=True, stdout=subprocess.DEVNULL)
    flags = ["--auth-failures-free", "1000000", "--users-file", users, "--user", "dave:daves-passcode"]
    flags += ["--jwt-secret", SECRET, "--token-cookie", "auth", "--heart-beat", "0,0"]
    return Broker(binary, directory, *flags)


class Peer(stomp.ConnectionListener):
    """A client and the frames that it has received."""

    def __init__(self, kind, connect=None, header=None, query="", **credentials):
        self.inboxes = {name: queue.Queue() for name in ("first", "message", "receipt", "error", "end")}
        if kind == "ws":
            address = [("127.0.0.1", BROKER.ports["http"])]
            self.connection = stomp.WSStompConnection(address, ws_path=f"/ws{query}", header=header)
        else:
            make = getattr(stomp, f"StompConnection{kind}")
            self.connection = make([("127.0.0.1", BROKER.ports["tcp"])])
        self.connection.set_listener("sign-in", self)
        self.connection.connect(headers=connect, **credentials)
        self.first = self.take("first")

    def on_connected(self, frame):
        self.inboxes["first"].put(frame)

    def on_error(self, frame):
        self.inboxes["first"].put(frame)
        self.inboxes["error"].put(frame)

    def on_message(self, frame):
        self.inboxes["message"].put(frame)

    def on_receipt(self, frame):
        self.inboxes["receipt"].put(frame)

    def on_disconnected(self):
        self.inboxes["end"].put(True)

    def take(self, kind):
        try:
            return self.inboxes[kind].get(timeout=HANG_TIMEOUT_SECONDS)
        except queue.Empty:
            raise ExpectationFailed(f"expected {kind} within {HANG_TIMEOUT_SECONDS} s") from None

    def expect_user(self, user):
        assert_equal("the answer", (self.first.cmd, self.first.headers.get("user-name")), ("CONNECTED", user))
        return self

    def expect_error(self, message):
        assert_equal("message", self.take("error").headers["message"], message)
        self.take("end")

    def send(self, destination, body, **headers):
        """Sends a message and returns the headers of its RECEIPT."""
        self.connection.send(destination, body, receipt="sent", **headers)
        return self.take("receipt").headers

    def leave(self):
        self.connection.disconnect(receipt="bye")
        self.take("end")


def check_method(user, right, wrong):
    """Returns a step that signs in as `user` with valid credentials and fails to sign in with invalid ones."""

    def act(kind):
        Peer(kind, **right()).expect_user(user).leave()
        Peer(kind, **wrong()).expect_error(LOGIN_ERROR)

    return act


def over_websocket(user, right, wrong):
    def act(kind):
        if kind != "ws":
            return "only WebSocket has a handshake"
        return check_method(user, right, wrong)(kind)

    return act


def rejects_missing_credentials(kind):
    Peer(kind).expect_error(LOGIN_ERROR)


def closes_expired_session(kind):
    peer = Peer(kind, connect=bearer(token("erin", seconds=TOKEN_SECONDS))).expect_user("erin")
    peer.expect_error("token expired")


def renews_session(kind):
    peer = Peer(kind, connect=bearer(token("erin", seconds=TOKEN_SECONDS))).expect_user("erin")
    end = time.time() + TOKEN_SECONDS
    peer.connection.subscribe("/user/queue/echo", id="1", receipt="subscribed")
    peer.take("receipt")
    peer.send("/auth/refresh", token("erin"))
    seen = 0
    while seen < end + 0.5:
        peer.send("/user/queue/echo", str(time.time()))
        seen = float(peer.take("message").body)
    peer.connection.send("/auth/refresh", token("mallory"))
    peer.expect_error("token refused")


def sends_to_users(kind):
    alice = Peer(kind, username="alice", passcode=PASSCODE).expect_user("alice")
    bob = Peer(kind, username="bob", passcode=PASSCODE).expect_user("bob")
    bob.connection.subscribe("/user/queue/inbox", id="1", receipt="subscribed")
    bob.take("receipt")
    assert_equal("delivered-sessions", alice.send("/user/bob/queue/inbox", "hello")["delivered-sessions"], "1")
    message = bob.take("message")
    assert_equal("body", message.body, "hello")
    assert_equal("destination", message.headers["destination"], "/user/queue/inbox")
    assert_equal("user-name", message.headers["user-name"], "alice")
    bob.leave()
    assert_equal("delivered-sessions", alice.send("/user/bob/queue/inbox", "hello")["delivered-sessions"], "0")
    alice.connection.subscribe("/user/bob/queue/inbox", id="1")
    alice.expect_error("access denied")


OTHER_SECRET = "x" * 40

STEPS = {
    "login and passcode (users-file)": check_method(
        "alice",
        lambda: {"username": "alice", "passcode": PASSCODE},
        lambda: {"username": "alice", "passcode": "guessed"},
    ),
    "login and passcode (user)": check_method(
        "dave",
        lambda: {"username": "dave", "passcode": "daves-passcode"},
        lambda: {"username": "nobody", "passcode": "daves-passcode"},
    ),
    "Authorization of CONNECT": check_method(
        "erin",
        lambda: {"connect": bearer(token("erin"))},
        lambda: {"connect": bearer(token("erin", secret=OTHER_SECRET))},
    ),
    "a token as passcode": check_method(
        "erin",
        lambda: {"username": "ignored", "passcode": token("erin")},
        lambda: {"username": "ignored", "passcode": token("erin", seconds=-1)},
    ),
    "access_token": over_websocket(
        "erin",
        lambda: {"query": f"?access_token={token('erin')}"},
        lambda: {"query": "?access_token=made-up"},
    ),
    "accessToken": over_websocket(
        "erin",
        lambda: {"query": f"?accessToken={token('erin')}"},
        lambda: {"query": f"?accessToken={token('erin', secret=OTHER_SECRET)}"},
    ),
    "Authorization: Basic": over_websocket(
        "bob",
        lambda: {"header": basic("bob", PASSCODE)},
        lambda: {"header": basic("bob", "guessed")},
    ),
    "Authorization: Bearer": over_websocket(
        "erin",
        lambda: {"header": bearer(token("erin"))},
        lambda: {"header": bearer(token("erin", seconds=-1))},
    ),
    "a cookie": over_websocket(
        "erin",
        lambda: {"header": {"Cookie": f"theme=dark; auth={token('erin')}"}},
        lambda: {"header": {"Cookie": "theme=dark; auth=made-up"}},
    ),
    "a login without credentials fails": rejects_missing_credentials,
    "a session ends when its token expires": closes_expired_session,
    "a renewed session outlives its first token": renews_session,
    "messages to users": sends_to_users,
}


def run_steps(broker):
    global BROKER
    BROKER = broker
    for kind, label in (("12", "TCP in 1.2"), ("11", "TCP in 1.1"), ("10", "TCP in 1.0"), ("ws", "WebSocket")):
        for step, act in STEPS.items():
            try:
                reason = act(kind)
            except (ExpectationFailed, stomp.exception.StompException) as error:
                print(f"FAILED stomp.py over {label}: {step}: {error!r}", flush=True)
                return 1
            title = f"stomp.py over {label}: {step}"
            print(f"n/a {title} ({reason})" if reason else f"ok {title}", flush=True)
    return 0


run(start, run_steps)
