// Runs nginx with the example of web/docs/reverse-proxies.md: STOMP over WebSocket and SockJS with TLS. The broker
// behind nginx has the options of that page. Usage: node nginx.mjs BROKER (the binary).
//
// The clients connect from 127.0.0.2, so that the broker can tell them from the proxy on 127.0.0.1.

import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import zlib from 'node:zlib';
import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { WebSocket } from 'ws';
import { HANG_TIMEOUT_MS, withTimeout, assertEqual } from './conversation.mjs';
import { start } from './program.mjs';

const EXAMPLE = new URL('../../web/docs/examples/nginx.conf', import.meta.url);
const HOST = 'chat.example.com';
const PROXY = '127.0.0.1';
const CLIENT = '127.0.0.2';
const FORGED = '203.0.113.9';
/** Heartbeat interval of clients that must detect a lost connection. They detect it after twice this time. */
const BEAT_MS = 2000;
const SOCKJS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const KINDS = ['native WebSocket', ...SOCKJS];
/** User and group of nginx if root starts the test: `nobody` and `nogroup` of Debian. */
const UNPRIVILEGED = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
/** The environment with /usr/sbin in PATH. Debian installs nginx there, but only root has it in PATH. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

// ---- setup: a directory, a certificate, a broker, nginx ----

const directory = mkdtempSync(join(tmpdir(), 'stompbox-nginx-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

async function startBroker() {
  const documentedOptions = ['--allowed-hosts', HOST, '--trusted-proxies', PROXY];
  const testOptions = [
    ...['--http', '127.0.0.1:0', '--tcp', 'off', '--heart-beat', `${BEAT_MS},${BEAT_MS}`],
    ...['--default-permissions', 'open'], // the clients are anonymous, and `safe` lets anonymous clients only subscribe
  ];
  const broker = start(process.argv[2], [...documentedOptions, ...testOptions]);
  const [, port] = await broker.out.find(/^listening http:.*:(\d+)$/);
  return { ...broker, port };
}

function makeCertificate() {
  const paths = { key: join(directory, 'key.pem'), certificate: join(directory, 'certificate.pem') };
  execFileSync('openssl', [
    ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2'],
    ...['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`],
    ...['-keyout', paths.key, '-out', paths.certificate],
  ], { stdio: ['ignore', 'ignore', 'pipe'], timeout: HANG_TIMEOUT_MS });
  return paths;
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, PROXY, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Returns the example with the changes for this test. Fails if the example does not contain a text to replace. */
function exampleSite(port, brokerPort, certificate) {
  let text = readFileSync(EXAMPLE, 'utf8');
  for (const [original, replacement] of [
    [/^ *listen \[::\]:443 .*\n/m, ''],
    [/listen 443 /, `listen ${PROXY}:${port} `],
    [/server 127\.0\.0\.1:8080;/, `server 127.0.0.1:${brokerPort};`],
    [/\/etc\S*fullchain\.pem/, certificate.certificate],
    [/\/etc\S*privkey\.pem/, certificate.key],
  ]) {
    assertEqual(`the example for nginx has ${original}`, original.test(text), true);
    text = text.replace(original, replacement);
  }
  return text;
}

async function startNginx(broker) {
  const certificate = makeCertificate();
  const [port, defaultPort, bufferedPort, noUpgradePort] = await Promise.all(Array.from({ length: 4 }, freePort));
  const site = exampleSite(port, broker.port, certificate);
  // Variants of the server: without the line about buffering, with buffering, and without the lines for `Upgrade`.
  const server = site.slice(site.indexOf('server {\n'));
  assertEqual('the example switches buffering off', /proxy_buffering off;/.test(server), true);
  writeFileSync(join(directory, 'site.conf'), site);
  const withDefault = server.replace('proxy_buffering off;', '');
  writeFileSync(join(directory, 'default-buffering.conf'), withDefault.replace(`:${port}`, `:${defaultPort}`));
  const buffered = server.replace('proxy_buffering off;', 'proxy_ignore_headers X-Accel-Buffering;');
  writeFileSync(join(directory, 'forced-buffering.conf'), buffered.replace(`:${port}`, `:${bufferedPort}`));
  const upgradeLines = /^ *proxy_set_header (Upgrade|Connection) .*\n/gm;
  assertEqual('the example passes on Upgrade and Connection', server.match(upgradeLines)?.length, 2);
  writeFileSync(join(directory, 'no-upgrade.conf'), server.replace(upgradeLines, '').replace(`:${port}`, `:${noUpgradePort}`));
  copyFileSync(new URL('nginx.conf', import.meta.url), join(directory, 'nginx.conf'));
  if (UNPRIVILEGED.uid) for (const path of [directory, certificate.key]) chownSync(path, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
  const args = ['-e', 'stderr', '-p', `${directory}/`, '-c', 'nginx.conf'];
  const nginx = start('nginx', args, { env, ...UNPRIVILEGED });
  await nginx.log.find(/start worker process \d+/);
  const reload = () =>
    execFileSync('nginx', [...args, '-s', 'reload'], { env, timeout: HANG_TIMEOUT_MS, stdio: 'pipe', ...UNPRIVILEGED });
  return { ...nginx, port, defaultPort, bufferedPort, noUpgradePort, reload, ca: readFileSync(certificate.certificate) };
}

// ---- clients through the proxy ----

const broker = await startBroker();
const nginx = await startNginx(broker);

/** Options of all connections: the address of the proxy, the address of the client, and the certificate to trust. */
const connectOptions = {
  ca: nginx.ca,
  servername: HOST,
  localAddress: CLIENT,
  lookup: (name, { all }, done) => (all ? done(null, [{ address: PROXY, family: 4 }]) : done(null, PROXY, 4)),
};
https.globalAgent = new https.Agent({ ...connectOptions, keepAlive: true });

function socket(kind, { port = nginx.port, ...options } = {}) {
  if (kind === KINDS[0]) return new WebSocket(`wss://${HOST}:${port}/ws`, ['v12.stomp'], { ...connectOptions, ...options });
  return new SockJS(`https://${HOST}:${port}/ws`, [], {
    transports: [kind].flat(),
    transportOptions: { websocket: { tls: { ...connectOptions } } },
  });
}

/** A stomp.js client that subscribes again after each reconnect. */
class Peer {
  static async connect(kind, destination, { beatMs, ...options } = {}) {
    const peer = new Peer();
    peer.kind = kind;
    peer.bodies = [];
    peer.client = new Client({
      reconnectDelay: 100,
      heartbeatIncoming: beatMs ?? 0,
      // The client sends no heartbeats. On a busy machine they could be late, so that the broker closes the connection.
      heartbeatOutgoing: 0,
      webSocketFactory: () => (peer.socket = socket(kind, options)),
      onConnect: (connected) => {
        peer.session = connected.headers.session;
        peer.client.watchForReceipt('ready', () => peer.ready());
        const headers = { ack: 'client-individual', receipt: 'ready' };
        peer.client.subscribe(destination, (message) => peer.put(message), headers);
      },
    });
    await peer.subscribed(kind, () => peer.client.activate());
    return peer;
  }

  /** Runs `action`. Resolves when the next SUBSCRIBE of the client is confirmed. */
  subscribed(what, action) {
    const ready = new Promise((resolve) => (this.ready = resolve));
    action?.();
    return withTimeout(`a subscription over ${what}`, ready);
  }

  put({ body, ack }) {
    ack();
    if (this.taker) this.taker(body);
    else this.bodies.push(body);
    this.taker = null;
  }

  take() {
    if (this.bodies.length) return Promise.resolve(this.bodies.shift());
    return withTimeout('a MESSAGE', new Promise((resolve) => (this.taker = resolve)));
  }

  send(destination, body) {
    this.client.publish({ destination, body });
  }

  leave() {
    return withTimeout('the end of a connection', this.client.deactivate());
  }
}

/** Sends a request to the proxy and resolves with the whole response. */
function request(path, headers = {}, method = 'GET', body = '') {
  const url = `https://${HOST}:${nginx.port}${path}`;
  return withTimeout(`a response to ${path}`, new Promise((resolve, reject) => {
    const call = https.request(url, { method, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    });
    call.on('error', reject);
    call.end(body);
  }));
}

/** Resolves with the status of a handshake: 101, or the status of the rejection. */
function shakeHands(headers) {
  const handshake = socket(KINDS[0], { headers });
  return withTimeout('a response to a handshake', new Promise((resolve, reject) => {
    handshake.on('open', () => (resolve(101), handshake.close()));
    handshake.on('unexpected-response', (_, response) => (resolve(response.statusCode), handshake.terminate()));
    handshake.on('error', reject);
  }));
}

/** Resolves with the response that rejects a handshake. */
function rejectionOf(options) {
  const handshake = socket(KINDS[0], options);
  return withTimeout('a rejection of a handshake', new Promise((resolve, reject) => {
    handshake.on('open', () => reject(new Error('the handshake is accepted')));
    handshake.on('unexpected-response', async (_, response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    });
    handshake.on('error', reject);
  }));
}

/** A streaming response, with the text received so far. */
class Stream {
  text = '';
  ended = false;

  constructor(readable, encoding) {
    const gunzip = () => readable.pipe(zlib.createGunzip({ flush: zlib.constants.Z_SYNC_FLUSH }));
    const plain = encoding === 'gzip' ? gunzip() : readable;
    plain.on('data', (chunk) => ((this.text += chunk), this.check?.()));
    plain.on('end', () => (this.ended = true));
    plain.on('error', () => (this.ended = true));
  }

  until(part) {
    return withTimeout(`${part} in a response that has not ended`, new Promise((resolve) => {
      this.check = () => this.text.includes(part) && resolve();
      this.check();
    }));
  }
}

/** Requests compression, as browsers do. The nginx of Debian compresses HTML. */
const ACCEPT = { 'accept-encoding': 'gzip' };

const versions = {
  'HTTP/1.1': (method, path) => new Promise((resolve, reject) => {
    const request = https.request(`https://${HOST}:${nginx.port}${path}`, { method, headers: ACCEPT }, (response) => {
      const stream = new Stream(response, response.headers['content-encoding']);
      resolve({ stream, close: () => request.destroy() });
    });
    request.on('error', reject);
    request.end();
  }),

  'HTTP/2': (method, path) => new Promise((resolve, reject) => {
    const createConnection = () => tls.connect({ ...connectOptions, host: HOST, port: nginx.port, ALPNProtocols: ['h2'] });
    const connection = http2.connect(`https://${HOST}`, { createConnection });
    connection.on('error', reject);
    const request = connection.request({ ':method': method, ':path': path, ...ACCEPT });
    request.on('response', (headers) => {
      const stream = new Stream(request, headers['content-encoding']);
      resolve({ stream, close: () => connection.destroy() });
    });
    request.end();
  }),
};

// ---- checks ----

/** Resolves with the address and the transport in the broker's log line about a closed session. */
async function logged(session) {
  const line = await broker.log.find(new RegExp(`connection closed.* address=(\\S+) transport="(\\S+)".*${session}`));
  return line.slice(1);
}

const checks = {
  async 'chat over every transport'() {
    for (const kind of KINDS) {
      const a = await Peer.connect(kind, '/topic/a');
      const b = await Peer.connect(KINDS[0], '/topic/b');
      if (kind !== KINDS[0]) assertEqual('transport', a.socket.transport, kind);
      // The last body is larger than 1 MiB, the default limit of nginx.
      for (const body of ['hello', 'grün, 緑, \u{1F7E2}', 'x'.repeat(3 << 19)]) {
        a.send('/topic/b', body);
        assertEqual(`from ${kind}`, await b.take(), body);
        b.send('/topic/a', body);
        assertEqual(`to ${kind}`, await a.take(), body);
      }
      await a.leave();
      await b.leave();
      const transport = kind === KINDS[0] ? 'websocket' : `sockjs-${kind}`;
      assertEqual('address and transport in the log', await logged(a.session), [CLIENT, transport]);
    }
  },

  async 'streamed messages arrive before the response ends'() {
    const b = await Peer.connect(KINDS[0], '/topic/b');
    for (const [version, get] of Object.entries(versions)) {
      for (const [method, path] of [['POST', 'xhr_streaming'], ['GET', 'eventsource'], ['GET', 'htmlfile?c=f']]) {
        const session = `/ws/000/${path.slice(0, 4)}${version.slice(-1)}`;
        const { stream, close } = await withTimeout(`a response to ${path}`, get(method, `${session}/${path}`));
        const send = async (frame) => {
          const { status } = await request(`${session}/xhr_send`, {}, 'POST', JSON.stringify([`${frame}\0`]));
          assertEqual('status of xhr_send', status, 204);
        };
        await send('CONNECT\naccept-version:1.2\nhost:any\n\n');
        await stream.until('CONNECTED');
        await send('SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:ready\n\n');
        await stream.until('receipt-id:ready');
        for (const body of ['message 1', 'message 2']) {
          b.send('/topic/a', body);
          await stream.until(body);
        }
        assertEqual(`${path} over ${version} has ended`, stream.ended, false);
        close();
      }
    }
    await b.leave();
  },

  async 'a client that disconnects during a response is removed'() {
    const { stream, close } = await versions['HTTP/1.1']('POST', '/ws/000/disconnects/xhr_streaming');
    const connect = JSON.stringify(['CONNECT\naccept-version:1.2\nhost:any\n\n\0']);
    await request('/ws/000/disconnects/xhr_send', {}, 'POST', connect);
    await stream.until('CONNECTED');
    const [, session] = /session:([0-9a-f]+)/.exec(stream.text);
    close();
    assertEqual('address and transport in the log', await logged(session), [CLIENT, 'sockjs-xhr-streaming']);
  },

  async 'clients cannot forge their address'() {
    for (const headers of [
      { 'x-forwarded-for': FORGED },
      { 'x-forwarded-for': `${FORGED}, ${PROXY}` },
      { forwarded: `for=${FORGED}` },
      { 'x-forwarded-for': FORGED, forwarded: `for=${FORGED}` },
    ]) {
      const peer = await Peer.connect(KINDS[0], '/topic/a', { headers });
      await peer.leave();
      assertEqual(`address after ${JSON.stringify(headers)}`, (await logged(peer.session))[0], CLIENT);
    }
  },

  async 'pages of the same origin are accepted, pages of other origins are rejected'() {
    for (const [origin, handshakeStatus, infoStatus] of [
      [`https://${HOST}`, 101, 200],
      ['https://evil.example', 403, 403],
      [`https://evil.${HOST}`, 403, 403],
      [`https://${HOST}:8443`, 403, 403],
      ['null', 403, 403],
    ]) {
      assertEqual(`handshake from ${origin}`, await shakeHands({ origin }), handshakeStatus);
      assertEqual(`info from ${origin}`, (await request('/ws/info', { origin })).status, infoStatus);
    }
  },

  async 'only public paths are reachable, under the name of the proxy'() {
    for (const [path, status] of [['/', 200], ['/health', 200], ['/metrics', 404], ['/%6detrics', 404]]) {
      assertEqual(`status of ${path}`, (await request(path)).status, status);
    }
    assertEqual('status by another name', (await request('/health', { host: 'evil.example' })).status, 403);
  },

  async 'clients reconnect after nginx -s reload'() {
    const peers = [];
    for (const kind of KINDS) peers.push(await Peer.connect(kind, `/queue/${peers.length}`, { beatMs: BEAT_MS }));
    // In Node, sockjs-client does not detect that a response was cut off, but stomp.js detects missing heartbeats. A
    // client that polls may be between two requests. It then keeps its connection.
    const disconnected = peers.filter((peer) => peer.kind !== 'xhr-polling');
    const back = disconnected.map((peer) => peer.subscribed(`${peer.kind} again`));
    const replaced = nginx.log.next(/worker process \d+ exited with code 0/);
    nginx.reload();
    await Promise.all([replaced, ...back]);
    for (const [number, peer] of peers.entries()) {
      disconnected[0].send(`/queue/${number}`, `to ${peer.kind}`);
      assertEqual(`to ${peer.kind}`, await peer.take(), `to ${peer.kind}`);
    }
    await Promise.all(peers.map((peer) => peer.leave()));
  },

  async 'without a line about buffering, the broker disables it with a header'() {
    const peer = await Peer.connect(['xhr-streaming'], '/topic/a', { port: nginx.defaultPort });
    for (const body of ['at once', 'and again']) {
      peer.send('/topic/a', body);
      assertEqual('body', await peer.take(), body);
    }
    assertEqual('transport', peer.socket.transport, 'xhr-streaming');
    await peer.leave();
  },

  async 'with buffering, streams stall and sockjs-client falls back to polling'() {
    const kinds = ['xhr-streaming', 'eventsource', 'xhr-polling'];
    const peer = await Peer.connect(kinds, '/topic/a', { port: nginx.bufferedPort });
    assertEqual('transport', peer.socket.transport, 'xhr-polling');
    peer.send('/topic/a', 'slowly');
    assertEqual('body', await peer.take(), 'slowly');
    await peer.leave();
  },

  async 'without the lines for Upgrade and Connection, the response and the log name them, and SockJS falls back'() {
    const remedy = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"';
    const { status, text } = await rejectionOf({ port: nginx.noUpgradePort });
    assertEqual('status of the handshake', status, 400);
    for (const part of ['The WebSocket handshake arrived without the header Upgrade. A proxy', remedy]) {
      assertEqual(`${part} in ${text}`, text.includes(part), true);
    }
    const line = /WARN.*rejected a WebSocket handshake that arrived without the header Upgrade\. A proxy.*proxy_set_header Upgrade.* address=(\S+)/;
    assertEqual('address in the log', (await broker.log.find(line))[1], CLIENT);
    const peer = await Peer.connect(SOCKJS, '/topic/a', { port: nginx.noUpgradePort });
    assertEqual('transport', peer.socket.transport, 'xhr-streaming');
    peer.send('/topic/a', 'by fallback');
    assertEqual('body', await peer.take(), 'by fallback');
    await peer.leave();
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok nginx: ${name}`);
  } catch (error) {
    console.log(`FAILED nginx: ${name}: ${error.stack}`);
    for (const [name, { log }] of Object.entries({ nginx, broker })) console.log(`\nlog of ${name}:\n${log.tail()}`);
    process.exit(1);
  }
}
process.exit(0);
