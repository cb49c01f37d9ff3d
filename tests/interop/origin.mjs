// WebSocket clients that send an `Origin` with the scheme ws or wss. The Go package golang.org/x/net/websocket sends
// the URL of the connection as `Origin`. If the host and port are those of the broker, this counts as the same origin.
// Otherwise it does not. Usage: node origin.mjs BROKER (the binary).

import { once } from 'node:events';
import net from 'node:net';
import { withTimeout, assertEqual } from './conversation.mjs';
import { start } from './program.mjs';

const broker = start(process.argv[2], ['--http', '127.0.0.1:0', '--tcp', 'off']);
const [, port] = await broker.out.find(/^listening http:.*:(\d+)$/);
const HOST = `127.0.0.1:${port}`;

/**
 * Opens a WebSocket with the request that the Go package writes. Resolves with the status, the socket and its reader.
 */
async function shakeHands(origin) {
  const socket = net.connect(Number(port), '127.0.0.1');
  await withTimeout('a connection', once(socket, 'connect'));
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: ${origin}\r\n` +
      'Sec-WebSocket-Protocol: v12.stomp\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  const reader = new Reader(socket);
  const head = await reader.until('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), socket, reader };
}

/** The bytes that a socket has received and that the test has not taken yet. */
class Reader {
  #bytes = Buffer.alloc(0);
  #check = () => {};

  constructor(socket) {
    socket.on('data', (data) => {
      this.#bytes = Buffer.concat([this.#bytes, data]);
      this.#check();
    });
  }

  /** Resolves with everything up to the end of `part`, and removes it. */
  until(part) {
    return withTimeout(JSON.stringify(part), new Promise((resolve) => {
      this.#check = () => {
        const at = this.#bytes.indexOf(part);
        if (at < 0) return;
        const taken = this.#bytes.subarray(0, at + part.length);
        this.#bytes = this.#bytes.subarray(at + part.length);
        this.#check = () => {};
        resolve(String(taken));
      };
      this.#check();
    }));
  }
}

/** Returns a masked WebSocket text message of at most 125 bytes. */
function message(text) {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = payload.map((byte, index) => byte ^ mask[index % mask.length]);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, masked]);
}

const steps = {
  async 'an Origin of scheme ws with the own host and port is accepted'() {
    for (const origin of [`ws://${HOST}`, `ws://${HOST}/`, `ws://${HOST}/ws`]) {
      const { status, socket, reader } = await shakeHands(origin);
      assertEqual(`status with Origin ${origin}`, status, 101);
      socket.write(message('CONNECT\naccept-version:1.2\nhost:localhost\n\n\0'));
      await reader.until('CONNECTED\n');
      socket.write(message('SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:subscribed\n\n\0'));
      await reader.until('receipt-id:subscribed\n');
      socket.write(message('SEND\ndestination:/topic/a\n\nhello from Go\0'));
      await reader.until('hello from Go\0');
      socket.destroy();
    }
  },

  async 'an Origin of scheme http with the own host and port is accepted'() {
    for (const origin of [`http://${HOST}`, `http://${HOST}/`]) {
      const { status, socket } = await shakeHands(origin);
      assertEqual(`status with Origin ${origin}`, status, 101);
      socket.destroy();
    }
  },

  async 'an Origin of scheme ws with another host is rejected'() {
    for (const origin of ['ws://evil.example', `ws://evil.example:${port}`, `wss://evil.example:${port}/`]) {
      const { status, socket } = await shakeHands(origin);
      assertEqual(`status with Origin ${origin}`, status, 403);
      socket.destroy();
    }
  },
};

for (const [step, act] of Object.entries(steps)) {
  try {
    await act();
    console.log(`ok Origin: ${step}`);
  } catch (error) {
    console.log(`FAILED Origin: ${step}: ${error.stack}\nthe broker's log:\n${broker.log.tail()}`);
    process.exit(1);
  }
}
process.exit(0);
