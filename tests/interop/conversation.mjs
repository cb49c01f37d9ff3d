// One conversation with the broker. It runs with every client library that has an adapter.
//
// An adapter is a class whose `connect(url, options)` resolves on CONNECTED to an object with
//   version                                   the version in CONNECTED
//   subscribe(destination, headers, onMessage) -> { unsubscribe() }
//   send(destination, headers, body)          body: a string, or bytes if the library can send them
//   begin(id) -> { commit(), abort() }
//   onReceipt, onError, onClosed              set by the conversation
//   beats                                     { received, sent }: number of heartbeats so far
//   disconnect(receipt)
// A message has headers, body (a string), bytes (if the library can receive them), ack() and nack().

import { sendBytes } from './raw.mjs';

/** A deadline that only guards against a hang. */
export const HANG_TIMEOUT_MS = 60_000;

/**
 * Interval of the heartbeats that the test counts. It is long, because client libraries close a connection after twice
 * this time without input, even if the machine was only busy.
 */
const BEAT_MS = 10_000;

class ExpectationFailed extends Error {}

/** Resolves as `promise` does, or fails after HANG_TIMEOUT_MS with an error that names `what`. */
export function withTimeout(what, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new ExpectationFailed(`expected ${what} within ${HANG_TIMEOUT_MS} ms`)), HANG_TIMEOUT_MS);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

export function assertEqual(what, actual, expected) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    const cut = (value) => String(JSON.stringify(value)).slice(0, 300);
    throw new ExpectationFailed(`${what}: expected ${cut(expected)}, got ${cut(actual)}`);
  }
}

/** A queue of received items that the test has not taken yet. */
class Inbox {
  #waiting = [];
  #takers = [];

  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#waiting.push(item);
  }

  take(what) {
    if (this.#waiting.length) return Promise.resolve(this.#waiting.shift());
    return withTimeout(what, new Promise((resolve) => this.#takers.push(resolve)));
  }

  get isEmpty() {
    return this.#waiting.length === 0;
  }
}

/** One connected client and its inboxes. */
class Peer {
  static async connect(Adapter, url, options) {
    const peer = new Peer();
    peer.receipts = new Inbox();
    peer.errors = new Inbox();
    peer.closed = new Inbox();
    peer.client = await withTimeout('CONNECTED', Adapter.connect(url, options));
    peer.client.onReceipt = (id) => peer.receipts.put(id);
    peer.client.onError = (frame) => peer.errors.put(frame);
    peer.client.onClosed = () => peer.closed.put('closed');
    return peer;
  }

  async receipt(id) {
    assertEqual('receipt-id', await this.receipts.take(`RECEIPT ${id}`), id);
  }

  async subscribe(destination, headers = {}) {
    const inbox = new Inbox();
    const receipt = `subscribe ${destination}`;
    inbox.subscription = this.client.subscribe(destination, { ...headers, receipt }, (message) => inbox.put(message));
    await this.receipt(receipt);
    return inbox;
  }

  send(destination, body, headers = {}) {
    this.client.send(destination, headers, body);
  }

  async disconnect() {
    this.client.disconnect('bye');
    await this.receipt('bye');
  }
}

const steps = {
  async 'connect'({ a, adapter }) {
    assertEqual('version', a.client.version, adapter.version);
  },

  async 'subscribe, send, receive'({ a, name }) {
    const inbox = await a.subscribe(`/topic/${name}`);
    a.send(`/topic/${name}`, 'hello', { 'content-type': 'text/plain', colour: 'green' });
    const message = await inbox.take('MESSAGE');
    assertEqual('body', message.body, 'hello');
    assertEqual('destination', message.headers.destination, `/topic/${name}`);
    assertEqual('colour', message.headers.colour, 'green');
    assertEqual('content-type', message.headers['content-type'], 'text/plain');
    inbox.subscription.unsubscribe();
    a.send(`/topic/${name}`, 'after UNSUBSCRIBE', { receipt: 'sent' });
    await a.receipt('sent');
    assertEqual('no message after UNSUBSCRIBE', inbox.isEmpty, true);
  },

  async 'text beyond ASCII'({ a, name }) {
    const inbox = await a.subscribe(`/topic/${name}.ü`);
    const text = 'grün, 緑, \u{1F7E2}, "quoted", back\\slash';
    a.send(`/topic/${name}.ü`, text, { note: 'schön' });
    const message = await inbox.take('MESSAGE');
    assertEqual('body', message.body, text);
    assertEqual('destination', message.headers.destination, `/topic/${name}.ü`);
    assertEqual('note', message.headers.note, 'schön');
    inbox.subscription.unsubscribe();
  },

  async 'two clients exchange messages'({ a, b, name }) {
    const toA = await a.subscribe(`/topic/${name}.a`);
    const toB = await b.subscribe(`/topic/${name}.b`);
    for (let number = 0; number < 20; number++) {
      a.send(`/topic/${name}.b`, `ping ${number}`);
      assertEqual('body', (await toB.take('ping')).body, `ping ${number}`);
      b.send(`/topic/${name}.a`, `pong ${number}`);
      assertEqual('body', (await toA.take('pong')).body, `pong ${number}`);
    }
    toA.subscription.unsubscribe();
    toB.subscription.unsubscribe();
  },

  async 'a queue, ACK'({ a, b, name }) {
    for (const body of ['one', 'two']) a.send(`/queue/${name}`, body);
    const inbox = await b.subscribe(`/queue/${name}`, { ack: 'client-individual' });
    for (const body of ['one', 'two']) {
      const message = await inbox.take('MESSAGE');
      assertEqual('body', message.body, body);
      message.ack({ receipt: body });
      await b.receipt(body);
    }
    inbox.subscription.unsubscribe();
  },

  async 'NACK, redelivery'({ a, b, name }) {
    const inbox = await b.subscribe(`/queue/${name}`, { ack: 'client-individual' });
    a.send(`/queue/${name}`, 'hot');
    const first = await inbox.take('MESSAGE');
    assertEqual('redelivered', first.headers.redelivered, undefined);
    first.nack();
    const second = await inbox.take('the MESSAGE again');
    assertEqual('body', second.body, 'hot');
    assertEqual('redelivered', second.headers.redelivered, 'true');
    assertEqual('message-id', second.headers['message-id'], first.headers['message-id']);
    second.ack({ receipt: 'settled' });
    await b.receipt('settled');
    inbox.subscription.unsubscribe();
  },

  async 'receipt'({ a, name }) {
    a.send(`/topic/${name}`, 'x', { receipt: 'r-1' });
    a.send(`/topic/${name}`, 'x', { receipt: 'r-2' });
    await a.receipt('r-1');
    await a.receipt('r-2');
  },

  async 'transaction, COMMIT'({ a, b, name }) {
    const inbox = await b.subscribe(`/topic/${name}`);
    const transaction = a.client.begin('t-commit');
    for (const body of ['one', 'two']) a.send(`/topic/${name}`, body, { transaction: 't-commit', receipt: body });
    await a.receipt('one');
    await a.receipt('two');
    assertEqual('no message before COMMIT', inbox.isEmpty, true);
    transaction.commit();
    for (const body of ['one', 'two']) assertEqual('body', (await inbox.take('MESSAGE')).body, body);
    inbox.subscription.unsubscribe();
  },

  async 'transaction, ABORT'({ a, b, name }) {
    const inbox = await b.subscribe(`/topic/${name}`);
    const transaction = a.client.begin('t-abort');
    a.send(`/topic/${name}`, 'never', { transaction: 't-abort' });
    transaction.abort();
    a.send(`/topic/${name}`, 'after ABORT');
    assertEqual('body', (await inbox.take('MESSAGE')).body, 'after ABORT');
    inbox.subscription.unsubscribe();
  },

  async 'binary body'({ a, adapter, name, url }) {
    if (!adapter.binary) return 'this library cannot read binary bodies';
    const inbox = await a.subscribe(`/topic/${name}`);
    const { bytes, received } = adapter.binary;
    if (adapter.sendsBytes) a.send(`/topic/${name}`, bytes, { 'content-type': 'application/octet-stream' });
    else await withTimeout('a SEND by another client', sendBytes(url, `/topic/${name}`, bytes));
    assertEqual('bytes', received(await inbox.take('MESSAGE')), [...bytes]);
    inbox.subscription.unsubscribe();
  },

  async 'a body of 1 MiB'({ a, b, name }) {
    const inbox = await b.subscribe(`/topic/${name}`);
    const body = 'stomp'.repeat(209_716).slice(0, 1 << 20);
    a.send(`/topic/${name}`, body);
    const message = await inbox.take('MESSAGE');
    assertEqual('length', message.body.length, body.length);
    assertEqual('the whole body', message.body === body, true);
    inbox.subscription.unsubscribe();
  },

  async 'heartbeats in both directions'({ beating }) {
    const peer = await beating;
    assertEqual('still connected', peer.closed.isEmpty, true);
    peer.send('/topic/after-beats', 'x', { receipt: 'connected' });
    await peer.receipt('connected');
    await peer.disconnect();
  },

  async 'ERROR and close'({ connect }) {
    const peer = await connect();
    peer.client.subscribe('/unknown/destination', {}, () => {});
    const error = await peer.errors.take('ERROR');
    assertEqual('ERROR has a message', Boolean(error.headers.message), true);
    await peer.closed.take('the end of the connection');
  },

  async 'DISCONNECT with receipt'({ a, b }) {
    await a.disconnect();
    await b.disconnect();
  },
};

/** Connects a client. Resolves with it after three heartbeats in each direction. */
async function exchangeHeartbeats(Adapter, url) {
  const peer = await Peer.connect(Adapter, url, { beatMs: BEAT_MS });
  const { beats } = peer.client;
  const exchanged = new Promise((resolve) => {
    beats.changed = () => beats.received >= 3 && beats.sent >= 3 && resolve();
  });
  await withTimeout('three heartbeats in each direction', exchanged);
  return peer;
}

/**
 * Runs all steps with each adapter. Exits with code 0 if all steps succeed, and with code 1 after the first failure.
 * Clients that count heartbeats connect at the start, and exchange heartbeats while the steps run.
 */
export async function run(adapters) {
  const url = `ws://127.0.0.1:${process.argv[3]}/ws`;
  const beating = adapters.map((adapter) => exchangeHeartbeats(adapter, url));
  // Prevents an unhandled rejection. The step that waits for the promise reports the failure.
  for (const peer of beating) peer.catch(() => {});
  for (const [index, adapter] of adapters.entries()) {
    const peers = [];
    const connect = async () => {
      const peer = await Peer.connect(adapter, url, { beatMs: 0 });
      peers.push(peer);
      return peer;
    };
    let number = 0;
    let step = 'connect';
    try {
      const context = { url, adapter, connect, beating: beating[index], a: await connect(), b: await connect() };
      for (step of Object.keys(steps)) {
        context.name = `${adapter.label.replace(/[^a-z0-9]+/gi, '-')}.${number++}`;
        const reason = await steps[step](context);
        console.log(`${reason ? 'n/a' : 'ok'} ${adapter.label}: ${step}${reason ? ` (${reason})` : ''}`);
      }
    } catch (error) {
      console.log(`FAILED ${adapter.label}: ${step}: ${error instanceof ExpectationFailed ? error.message : error.stack}`);
      for (const peer of peers) {
        while (!peer.errors.isEmpty) console.log(`  ERROR: ${JSON.stringify(await peer.errors.take(''))}`);
      }
      process.exit(1);
    }
  }
  process.exit(0);
}
