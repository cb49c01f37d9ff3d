# docs-test: broker --user alice:a --user backend:b
# [service]
import os
import threading

import stomp

PORT = int(os.environ.get("STOMPBOX_TCP_PORT", 61613))


class Service(stomp.ConnectionListener):
    def __init__(self, connection):
        self.connection = connection
        self.ready = threading.Event()

    def on_receipt(self, frame):
        self.ready.set()

    def on_error(self, frame):
        print(frame.headers["message"], frame.body)

    def on_message(self, frame):
        headers = frame.headers
        answer = f"{frame.body} for {headers['user-name']}: done"
        correlation = {"correlation-id": headers["correlation-id"]}
        self.connection.send(headers["reply-to"], answer, headers=correlation)


backend = stomp.Connection12([("127.0.0.1", PORT)])
service = Service(backend)
backend.set_listener("", service)
backend.connect("backend", "b", wait=True)
backend.subscribe("/app/orders", id="1", headers={"receipt": "ready"})
service.ready.wait(60)
# [/service]


class Client(stomp.ConnectionListener):
    def __init__(self):
        self.received = threading.Event()

    def on_message(self, frame):
        self.reply = frame
        self.received.set()


alice = stomp.Connection12([("127.0.0.1", PORT)])
client = Client()
alice.set_listener("", client)
alice.connect("alice", "a", wait=True)
alice.subscribe("/user/queue/replies", id="1")
alice.send("/app/orders", "three apples", headers={"correlation-id": "42"})
client.received.wait(60)
print(client.reply.headers["correlation-id"], client.reply.body)
alice.disconnect()
backend.disconnect()
