"""Short-lived workers with stomp.py, as cron starts them: each connects, takes one job, acknowledges it, and disconnects.

Every job is done once and no job is dead-lettered, no matter how a worker disconnects and how many jobs it received.

Usage: worker.py BROKER (the binary). Prints one line for each step. Exits with 1 after a failure.
"""

import itertools
import queue

import stomp

from broker import HANG_TIMEOUT_SECONDS, Broker, ExpectationFailed, run, assert_equal

JOBS = 100
# Versions of STOMP, which the workers use in turn.
VERSIONS = ("10", "11", "12")


class Client(stomp.ConnectionListener):
    """A connected client and the frames that it has received."""

    def __init__(self, version):
        self.version = version
        self.inboxes = {name: queue.Queue() for name in ("message", "receipt", "error", "end")}
        self.connection = getattr(stomp, f"StompConnection{version}")([("127.0.0.1", BROKER.ports["tcp"])])
        self.connection.set_listener("worker", self)
        self.connection.connect(wait=True)

    def on_message(self, frame):
        self.inboxes["message"].put(frame)

    def on_receipt(self, frame):
        self.inboxes["receipt"].put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.inboxes["error"].put(frame)

    def on_disconnected(self):
        self.inboxes["end"].put(True)

    def take(self, kind):
        try:
            return self.inboxes[kind].get(timeout=HANG_TIMEOUT_SECONDS)
        except queue.Empty:
            errors = list(self.inboxes["error"].queue)
            raise ExpectationFailed(f"expected {kind} within {HANG_TIMEOUT_SECONDS} s; errors: {errors}") from None

    def receipt(self, id):
        assert_equal("receipt-id", self.take("receipt"), id)

    def acknowledge(self, message):
        names = {"12": ["ack"], "11": ["message-id", "subscription"], "10": ["message-id"]}[self.version]
        self.connection.ack(*(message.headers[name] for name in names), receipt="acknowledged")
        self.receipt("acknowledged")

    def disconnect(self):
        self.connection.disconnect(receipt="bye")
        self.take("end")


def leave_by_disconnect(worker):
    worker.disconnect()


def leave_by_unsubscribe(worker):
    worker.connection.unsubscribe(id="job", receipt="unsubscribed")
    worker.receipt("unsubscribed")
    worker.connection.transport.disconnect_socket()


def leave_by_closing_the_socket(worker):
    worker.connection.transport.disconnect_socket()


def run_worker(destination, version, leave):
    """Runs one worker and returns the body of the job that it did."""
    worker = Client(version)
    worker.connection.subscribe(destination, id="job", ack="client-individual")
    job = worker.take("message")
    worker.acknowledge(job)
    leave(worker)
    return job.body


def run_workers(name, leave):
    destination = f"/queue/{name}"
    producer = Client("12")
    jobs = [f"job {number}" for number in range(JOBS)]
    for job in jobs:
        producer.connection.send(destination, job, receipt=job)
        producer.receipt(job)
    producer.disconnect()
    versions = itertools.cycle(VERSIONS)
    done = [run_worker(destination, next(versions), leave) for _ in jobs]
    assert_equal("jobs that were done", sorted(done), sorted(jobs))
    assert_equal("dead letters", BROKER.metric("dead_letters_total"), 0)
    assert_equal("messages in queues", BROKER.metric("queue_messages"), 0)


STEPS = {"DISCONNECT": leave_by_disconnect, "UNSUBSCRIBE": leave_by_unsubscribe, "a closed socket": leave_by_closing_the_socket}


def run_steps(broker):
    global BROKER
    BROKER = broker
    for number, (step, leave) in enumerate(STEPS.items()):
        label = f"stomp.py: {JOBS} workers that take one job and leave by {step}"
        try:
            run_workers(f"jobs.{number}", leave)
        except (ExpectationFailed, stomp.exception.StompException) as error:
            print(f"FAILED {label}: {error!r}", flush=True)
            return 1
        print(f"ok {label}", flush=True)
    return 0


run(Broker, run_steps)
