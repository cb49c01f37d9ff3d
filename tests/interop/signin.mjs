// Authentication with @stomp/stompjs 7 by every method that it supports, over native WebSocket and sockjs-client; token
// refresh, messages to users, and presence. Usage: node signin.mjs BROKER (the binary).

import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { WebSocket } from 'ws';
import { withTimeout, assertEqual } from './conversation.mjs';
import { start } from './program.mjs';

const BROKER = process.argv[2];
const SECRET = 'a-shared-secret-of-more-than-32-bytes';
/** Validity of tokens that expire during a check. It is long enough for a client to sign in on a busy machine. */
const TOKEN_SECONDS = 4;
const NATIVE = 'native WebSocket';
const KINDS = [NATIVE, 'websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
/** Kinds of sockets that accept request headers in Node. In a browser none of them does. */
const WITH_HEADERS = [NATIVE, 'websocket'];
const PASSCODE = 'sésame:\\ 50% 🔑';

// ---- setup: a users file, tokens, a broker ----

const directory = mkdtempSync(join(tmpdir(), 'stompbox-signin-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const users = join(directory, 'users');
for (const name of ['alice', 'bob', 'zoë/%:小']) {
  execFileSync(BROKER, ['passwd', users, name], { input: PASSCODE, stdio: ['pipe', 'ignore', 'inherit'] });
}

function token(sub, { secret = SECRET, seconds = 3600, ...claims } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Date.now() / 1000 + seconds;
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp, ...claims })}`;
  return `${message}.${createHmac('sha256', secret).update(message).digest('base64url')}`;
}

const broker = start(BROKER, [
  ...['--http', '127.0.0.1:0', '--tcp', 'off', '--heart-beat', '0,0', '--auth-failures-free', '1000000'],
  ...['--users-file', users, '--user', 'dave:daves-passcode', '--jwt-secret', SECRET, '--token-cookie', 'auth'],
  ...['--presence-grace', '100ms'],
]);
const [, port] = await broker.out.find(/^listening http:.*:(\d+)$/);

// ---- clients ----

function socket(kind, { query = '', headers }) {
  if (kind === NATIVE) return new WebSocket(`ws://127.0.0.1:${port}/ws${query}`, ['v12.stomp'], { headers });
  const transportOptions = headers && { websocket: { headers } };
  return new SockJS(`http://127.0.0.1:${port}/ws${query}`, [], { transports: [kind], transportOptions });
}

/** One client. `connected` resolves with CONNECTED, `error` with ERROR, and `closed` when the connection closes. */
class Peer {
  constructor(kind, credentials) {
    this.client = new Client({
      reconnectDelay: 0,
      connectHeaders: credentials.connect ?? {},
      webSocketFactory: () => socket(kind, credentials),
    });
    this.connected = new Promise((resolve) => (this.client.onConnect = resolve));
    this.error = new Promise((resolve) => (this.client.onStompError = resolve));
    this.closed = new Promise((resolve) => (this.client.onWebSocketClose = resolve));
    this.client.activate();
  }

  /** Signs in a client, which must become this user. Resolves with the client. */
  static async signIn(kind, credentials, user) {
    const peer = new Peer(kind, credentials);
    const first = Promise.race([peer.connected, peer.error]);
    const { command, headers } = await withTimeout(`CONNECTED over ${kind}`, first);
    assertEqual(`the first frame over ${kind}`, [command, headers['user-name']], ['CONNECTED', user]);
    peer.session = headers.session;
    return peer;
  }

  /** Subscribes and resolves with the inbox of the subscription. */
  async subscribe(destination) {
    const inbox = { messages: [], take: null };
    const receipt = `subscribe ${destination}`;
    const ready = this.receipt(receipt);
    inbox.subscription = this.client.subscribe(destination, (message) => {
      inbox.messages.push(message);
      inbox.take?.();
    }, { receipt });
    await ready;
    inbox.next = async () => {
      const some = new Promise((resolve) => (inbox.take = () => inbox.messages.length && resolve()));
      inbox.take();
      await withTimeout(`a MESSAGE of ${destination}`, some);
      return inbox.messages.shift();
    };
    return inbox;
  }

  receipt(id) {
    return withTimeout(`RECEIPT ${id}`, new Promise((resolve) => this.client.watchForReceipt(id, resolve)));
  }

  /** Sends a message and resolves with the headers of its RECEIPT. */
  async send(destination, body, headers = {}) {
    const receipt = `send ${(this.sent = (this.sent ?? 0) + 1)}`;
    const done = this.receipt(receipt);
    this.client.publish({ destination, body, headers: { ...headers, receipt } });
    return (await done).headers;
  }

  /** Resolves when the broker has sent an ERROR with this message and has closed the connection. */
  async expectError(message) {
    const { headers } = await withTimeout(`ERROR ${message}`, this.error);
    assertEqual('message', headers.message, message);
    await withTimeout('the end of the connection', this.closed);
  }

  leave() {
    return withTimeout('the end of a connection', this.client.deactivate());
  }
}

// ---- checks ----

const bearer = (text) => ({ Authorization: `Bearer ${text}` });
const basic = (login, passcode) => ({
  Authorization: `Basic ${Buffer.from(`${login}:${passcode}`).toString('base64')}`,
});

/** Methods to sign in: the user, valid credentials, and invalid ones. */
const methods = {
  'login and passcode (users-file)': {
    user: 'alice',
    right: () => ({ connect: { login: 'alice', passcode: PASSCODE } }),
    wrong: () => ({ connect: { login: 'alice', passcode: 'guessed' } }),
  },
  'login and passcode (user)': {
    user: 'dave',
    right: () => ({ connect: { login: 'dave', passcode: 'daves-passcode' } }),
    wrong: () => ({ connect: { login: 'nobody', passcode: 'daves-passcode' } }),
  },
  'Authorization of CONNECT': {
    user: 'erin',
    right: () => ({ connect: bearer(token('erin')) }),
    wrong: () => ({ connect: bearer(token('erin', { secret: 'x'.repeat(40) })) }),
  },
  'a token as passcode': {
    user: 'erin',
    right: () => ({ connect: { login: 'ignored', passcode: token('erin') } }),
    wrong: () => ({ connect: { login: 'ignored', passcode: token('erin', { seconds: -1 }) } }),
  },
  'access_token': {
    user: 'erin',
    right: () => ({ query: `?access_token=${token('erin')}` }),
    wrong: () => ({ query: `?access_token=${token('erin', { nbf: Date.now() / 1000 + 60 })}` }),
  },
  'accessToken': {
    user: 'erin',
    right: () => ({ query: `?accessToken=${token('erin')}` }),
    wrong: () => ({ query: '?accessToken=made-up' }),
  },
  'Authorization: Basic': {
    user: 'bob',
    needsHeaders: true,
    right: () => ({ headers: basic('bob', PASSCODE) }),
    wrong: () => ({ headers: basic('bob', 'guessed') }),
  },
  'Authorization: Bearer': {
    user: 'erin',
    needsHeaders: true,
    right: () => ({ headers: bearer(token('erin')) }),
    wrong: () => ({ headers: bearer(token('erin', { seconds: -1 })) }),
  },
  'a cookie': {
    user: 'erin',
    needsHeaders: true,
    right: () => ({ headers: { Cookie: `theme=dark; auth=${token('erin')}` } }),
    wrong: () => ({ headers: { Cookie: 'theme=dark; auth=made-up' } }),
  },
};

const signedIn = (kind, user, options) => Peer.signIn(kind, { connect: bearer(token(user, options)) }, user);

const checks = {
  async 'a login without credentials fails'(kind) {
    await new Peer(kind, {}).expectError('login failed');
  },

  async 'a session ends when its token expires'(kind) {
    const peer = await signedIn(kind, 'erin', { seconds: TOKEN_SECONDS });
    await peer.expectError('token expired');
  },

  async 'a renewed session outlives its first token'(kind) {
    const peer = await signedIn(kind, 'erin', { seconds: TOKEN_SECONDS });
    const end = Date.now() + 1000 * TOKEN_SECONDS;
    const inbox = await peer.subscribe('/user/queue/echo');
    await peer.send('/auth/refresh', token('erin'));
    for (let seen = 0; seen < end + 500;) {
      await peer.send('/user/queue/echo', String(Date.now()));
      seen = Number((await inbox.next()).body);
    }
    await peer.send('/auth/refresh', '', bearer(token('erin')));
    peer.client.publish({ destination: '/auth/refresh', body: token('mallory') });
    await peer.expectError('token refused');
  },

  async 'an invalid token ends the session'(kind) {
    const peer = await signedIn(kind, 'erin');
    peer.client.publish({ destination: '/auth/refresh', body: token('erin', { secret: 'x'.repeat(40) }) });
    await peer.expectError('login failed');
  },

  async 'messages to users'(kind) {
    const name = 'zoë/%:小';
    const [bob, bobToo, zoe] = [
      await signedIn(kind, 'bob'), await signedIn(NATIVE, 'bob'),
      await Peer.signIn(kind, { connect: { login: name, passcode: PASSCODE } }, name),
    ];
    const inboxes = [];
    for (const peer of [bob, bobToo, zoe]) inboxes.push(await peer.subscribe('/user/queue/inbox'));
    const expectFrom = async (inbox, body, sender) => {
      const message = await inbox.next();
      assertEqual('body', message.body, body);
      assertEqual('destination', message.headers.destination, '/user/queue/inbox');
      assertEqual('user-name', message.headers['user-name'], sender);
    };
    const sent = await zoe.send('/user/bob/queue/inbox', 'hello bob', { 'user-name': 'mallory' });
    assertEqual('delivered-sessions', sent['delivered-sessions'], '2');
    for (const inbox of inboxes.slice(0, 2)) await expectFrom(inbox, 'hello bob', name);
    const back = await bob.send(`/user/${encodeURIComponent(name)}/queue/inbox`, 'hello zoë');
    assertEqual('delivered-sessions', back['delivered-sessions'], '1');
    await expectFrom(inboxes[2], 'hello zoë', 'bob');
    // Sends to only one session of the user.
    await zoe.send('/user/bob/queue/inbox', 'you alone', { session: bobToo.session });
    await expectFrom(inboxes[1], 'you alone', name);
    const undelivered = await bob.send('/user/carol/queue/inbox', 'hello carol');
    assertEqual('delivered-sessions', undelivered['delivered-sessions'], '0');
    assertEqual('further messages', inboxes.map(({ messages }) => messages.length), [0, 0, 0]);
    bob.client.subscribe('/user/alice/queue/inbox', () => {});
    await bob.expectError('access denied');
    await Promise.all([bobToo.leave(), zoe.leave()]);
  },

  async 'presence'(kind) {
    const watcher = await signedIn(kind, 'alice');
    const [room, watched] = [`/topic/room-${KINDS.indexOf(kind)}`, `/presence/topic/room-${KINDS.indexOf(kind)}`];
    const inbox = await watcher.subscribe(watched);
    const nextEvent = async () => {
      const { headers, body } = await inbox.next();
      assertEqual('event', headers.event, JSON.parse(body).event);
      return JSON.parse(body);
    };
    const snapshot = await nextEvent();
    assertEqual('snapshot', [snapshot.event, snapshot.of, snapshot.members], ['snapshot', room, 0]);
    const bob = await signedIn(kind, 'bob');
    const membership = await bob.subscribe(room);
    const { event, members, changes, version } = await nextEvent();
    assertEqual('join', [event, members], ['changes', 1]);
    assertEqual('the change', [changes[0].event, changes[0].user, changes[0].sessions], ['join', 'bob', 1]);
    assertEqual('the next version', version > snapshot.version, true);
    membership.subscription.unsubscribe();
    const left = await nextEvent();
    assertEqual('leave', [left.members, left.changes], [0, [{ event: 'leave', user: 'bob' }]]);
    await Promise.all([watcher.leave(), bob.leave()]);
  },
};

async function check(name, act) {
  try {
    const reason = await act();
    console.log(`${reason ? 'n/a' : 'ok'} ${name}${reason ? ` (${reason})` : ''}`);
  } catch (error) {
    console.log(`FAILED ${name}: ${error.stack}\n\nthe broker's log:\n${broker.log.tail()}`);
    process.exit(1);
  }
}

for (const kind of KINDS) {
  for (const [name, { user, right, wrong, needsHeaders }] of Object.entries(methods)) {
    await check(`stomp.js over ${kind}: ${name}`, async () => {
      if (needsHeaders && !WITH_HEADERS.includes(kind)) return 'sockjs-client cannot send custom headers';
      await (await Peer.signIn(kind, right(), user)).leave();
      await new Peer(kind, wrong()).expectError('login failed');
    });
  }
  for (const [name, act] of Object.entries(checks)) await check(`stomp.js over ${kind}: ${name}`, () => act(kind));
}
process.exit(0);
