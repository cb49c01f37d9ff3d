# docs-test: broker
import os
import queue

import stomp

PORT = int(os.environ.get("STOMPBOX_TCP_PORT", 61613))
received = queue.Queue()


class Listener(stomp.ConnectionListener):
    def on_message(self, frame):
        received.put(frame)


connection = stomp.Connection12([("127.0.0.1", PORT)])
connection.set_listener("", Listener())
connection.connect(wait=True)
connection.subscribe("/queue/jobs", id="1", ack="client-individual")
connection.send("/queue/jobs", "resize 42.png", content_type="text/plain")

job = received.get(timeout=60)
print(job.headers["destination"], job.headers["content-type"], job.body)
connection.ack(job.headers["ack"])
connection.disconnect()
