#!/usr/bin/env python3
"""Measures the time until all users have logged in again with name and passcode. Also measures the latency of an
established session during this time.

    cargo build --release && python3 tests/bench/sign_in_storm.py target/release/stompbox [USERS]

Runs twice. In the first run, the broker hashes every passcode (argon2id). In the second run, all logins are cached.
For the latency, the established session sends a message to itself every 5 ms.
"""
import asyncio
import os
import subprocess
import sys
import tempfile
import time

PASSCODE = "correct horse"


def users_file(binary, directory, count):
    path = os.path.join(directory, "users")
    subprocess.run([binary, "passwd", path, "pattern"], input=PASSCODE + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    with open(path) as file:
        record = next(line for line in file if line.startswith("pattern:")).rstrip("\n").split(":")[1]
    # All users have the same hash, because ten thousand hashes would take too long. The broker checks it for each name.
    with open(path, "a") as file:
        file.writelines(f"user{number}:{record}\n" for number in range(count))
    return path


def start(binary, users):
    broker = subprocess.Popen(
        [binary, "--tcp", "127.0.0.1:0", "--http", "off", "--users-file", users, "--default-permissions", "open"],
        stdout=subprocess.PIPE,
        stderr=open(os.environ.get("STORM_LOG", os.devnull), "w"),
        text=True,
    )
    return broker, int(broker.stdout.readline().rsplit(":", 1)[1])


async def sign_in(port, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"CONNECT\naccept-version:1.2\nhost:a\nheart-beat:0,0\nlogin:{name}\npasscode:{PASSCODE}\n\n\0".encode())
    answer = await reader.readuntil(b"\0")
    assert answer.startswith(b"CONNECTED\n"), answer
    return reader, writer


async def measure_latency(reader, writer, latencies, stop):
    writer.write(b"SUBSCRIBE\nid:1\ndestination:/topic/latency\n\n\0")
    while not stop.is_set():
        started = time.perf_counter()
        writer.write(b"SEND\ndestination:/topic/latency\n\nhi\0")
        await reader.readuntil(b"\0")
        latencies.append(time.perf_counter() - started)
        await asyncio.sleep(0.005)


def run_probe(port, pipe):
    """Measures the latency. Runs in its own process, so that the ten thousand clients do not slow it down."""

    async def run():
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_reader(pipe, stop.set)
        latencies = []
        reader, writer = await sign_in(port, "pattern")
        os.write(1, b"ready\n")
        await measure_latency(reader, writer, latencies, stop)
        latencies.sort()
        at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000
        print(f"latency of an established session: p50 {at(0.5):.2f} ms, p99 {at(0.99):.1f} ms, max {at(1):.1f} ms")

    asyncio.run(run())


async def storm(port, count, title):
    started = time.perf_counter()
    sessions = await asyncio.gather(*(sign_in(port, f"user{number}") for number in range(count)))
    took = time.perf_counter() - started
    print(f"{title}: {len(sessions)} of {count} users are logged in after {took:.1f} s ({took / count * 1000:.2f} ms each)", flush=True)
    for _, writer in sessions:
        writer.transport.abort()


def measured_storm(port, count, title):
    probe = subprocess.Popen(
        [sys.executable, __file__, "--probe", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert probe.stdout.readline() == "ready\n"
    asyncio.run(storm(port, count, title))
    out, _ = probe.communicate("stop\n")
    print("  " + out.strip(), flush=True)


def main():
    if sys.argv[1] == "--probe":
        return run_probe(int(sys.argv[2]), 0)
    binary, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        broker, port = start(binary, users_file(binary, directory, count))
        try:
            measured_storm(port, count, "first storm, every passcode hashed")
            measured_storm(port, count, "second storm, all logins cached")
            with open(f"/proc/{broker.pid}/status") as status:
                print(next(line for line in status if line.startswith("VmRSS")).strip())
        finally:
            broker.terminate()
            broker.wait()


main()
