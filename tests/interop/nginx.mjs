// Runs nginx with the example of web/docs/reverse-proxies.md: STOMP over WebSocket and SockJS with TLS, to a broker
// that runs with the options that the page gives. Usage: node nginx.mjs BROKER (the binary).
//
// The clients connect from 127.0.0.2, which distinguishes them from the proxy on 127.0.0.1.

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
import { HANG_TIMEOUT_MS, expected, same } from './conversation.mjs';
import { start } from './program.mjs';

const EXAMPLE = new URL('../../web/docs/examples/nginx.conf', import.meta.url);
const HOST = 'chat.example.com';
const PROXY = '127.0.0.1';
const CLIENT = '127.0.0.2';
const FORGED = '203.0.113.9';
/** Heartbeat interval of clients that must detect a lost connection. They wait for twice as long. */
const BEAT_MS = 2000;
const SOCKJS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const KINDS = ['native WebSocket', ...SOCKJS];
/** An nginx that root starts would change its user. This one runs without privileges from the start. */
const NOBODY = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
/** Debian installs nginx in /usr/sbin, which is only in root's PATH. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

// ---- setup: a directory, a certificate, a broker, nginx ----

const directory = mkdtempSync(join(tmpdir(), 'stompbox-nginx-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

async function startBroker() {
  const documented = ['--allowed-hosts', HOST, '--trusted-proxies', PROXY];
  const ours = [
    ...['--http', '127.0.0.1:0', '--tcp', 'off', '--heart-beat', `${BEAT_MS},${BEAT_MS}`],
    ...['--default-permissions', 'open'], // the clients are anonymous, and `safe` lets anonymous clients only subscribe
  ];
  const broker = start(process.argv[2], [...documented, ...ours]);
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

/** Returns the example with the changes for this test. Each of the replaced texts must be in the example. */
function exampleSite(port, brokerPort, certificate) {
  let text = readFileSync(EXAMPLE, 'utf8');
  for (const [theirs, ours] of [
    [/^ *listen \[::\]:443 .*\n/m, ''],
    [/listen 443 /, `listen ${PROXY}:${port} `],
    [/server 127\.0\.0\.1:8080;/, `server 127.0.0.1:${brokerPort};`],
    [/\/etc\S*fullchain\.pem/, certificate.certificate],
    [/\/etc\S*privkey\.pem/, certificate.key],
  ]) {
    same(`the example for nginx has ${theirs}`, theirs.test(text), true);
    text = text.replace(theirs, ours);
  }
  return text;
}

async function startNginx(broker) {
  const certificate = makeCertificate();
  const [port, leftPort, bufferedPort, plainPort] = await Promise.all(Array.from({ length: 4 }, freePort));
  const site = exampleSite(port, broker.port, certificate);
  // The same server with one line of the example left out.
  const server = site.slice(site.indexOf('server {\n'));
  same('the example switches buffering off', /proxy_buffering off;/.test(server), true);
  writeFileSync(join(directory, 'site.conf'), site);
  const left = server.replace('proxy_buffering off;', '');
  writeFileSync(join(directory, 'left.conf'), left.replace(`:${port}`, `:${leftPort}`));
  const buffered = server.replace('proxy_buffering off;', 'proxy_ignore_headers X-Accel-Buffering;');
  writeFileSync(join(directory, 'buffered.conf'), buffered.replace(`:${port}`, `:${bufferedPort}`));
  const upgradeLines = /^ *proxy_set_header (Upgrade|Connection) .*\n/gm;
  same('the example passes on Upgrade and Connection', server.match(upgradeLines)?.length, 2);
  writeFileSync(join(directory, 'plain.conf'), server.replace(upgradeLines, '').replace(`:${port}`, `:${plainPort}`));
  copyFileSync(new URL('nginx.conf', import.meta.url), join(directory, 'nginx.conf'));
  if (NOBODY.uid) for (const path of [directory, certificate.key]) chownSync(path, NOBODY.uid, NOBODY.gid);
  const args = ['-e', 'stderr', '-p', `${directory}/`, '-c', 'nginx.conf'];
  const nginx = start('nginx', args, { env, ...NOBODY });
  await nginx.log.find(/start worker process \d+/);
  const reload = () =>
    execFileSync('nginx', [...args, '-s', 'reload'], { env, timeout: HANG_TIMEOUT_MS, stdio: 'pipe', ...NOBODY });
  return { ...nginx, port, leftPort, bufferedPort, plainPort, reload, ca: readFileSync(certificate.certificate) };
}

// ---- clients through the proxy ----

const broker = await startBroker();
const nginx = await startNginx(broker);

/** The connection options of all sockets: the proxy's address and the certificate to trust. */
const way = {
  ca: nginx.ca,
  servername: HOST,
  localAddress: CLIENT,
  lookup: (name, { all }, done) => (all ? done(null, [{ address: PROXY, family: 4 }]) : done(null, PROXY, 4)),
};
https.globalAgent = new https.Agent({ ...way, keepAlive: true });

function socket(kind, { port = nginx.port, ...options } = {}) {
  if (kind === KINDS[0]) return new WebSocket(`wss://${HOST}:${port}/ws`, ['v12.stomp'], { ...way, ...options });
  return new SockJS(`https://${HOST}:${port}/ws`, [], {
    transports: [kind].flat(),
    transportOptions: { websocket: { tls: { ...way } } },
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
      // On a busy machine heartbeats may be late. A client that the broker closes for it would miss topic messages.
      heartbeatOutgoing: 0,
      webSocketFactory: () => (peer.socket = socket(kind, options)),
      onConnect: ({ headers }) => {
        peer.session = headers.session;
        peer.client.watchForReceipt('ready', () => peer.ready());
        const how = { ack: 'client-individual', receipt: 'ready' };
        peer.client.subscribe(destination, (message) => peer.put(message), how);
      },
    });
    await peer.subscribed(kind, () => peer.client.activate());
    return peer;
  }

  /** Runs `action` and resolves when the client is subscribed (again). */
  subscribed(what, action) {
    const ready = new Promise((resolve) => (this.ready = resolve));
    action?.();
    return expected(`a subscription over ${what}`, ready);
  }

  put({ body, ack }) {
    ack();
    if (this.taker) this.taker(body);
    else this.bodies.push(body);
    this.taker = null;
  }

  take() {
    if (this.bodies.length) return Promise.resolve(this.bodies.shift());
    return expected('a MESSAGE', new Promise((resolve) => (this.taker = resolve)));
  }

  send(destination, body) {
    this.client.publish({ destination, body });
  }

  leave() {
    return expected('the end of a connection', this.client.deactivate());
  }
}

/** Sends a request and resolves with the whole response; `path` is below the proxy's root. */
function ask(path, headers = {}, method = 'GET', body = '') {
  const url = `https://${HOST}:${nginx.port}${path}`;
  return expected(`an answer to ${path}`, new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    });
    request.on('error', reject);
    request.end(body);
  }));
}

/** Resolves with the status of a handshake: 101, or the status of the refusal. */
function shakeHands(headers) {
  const handshake = socket(KINDS[0], { headers });
  return expected('an answer to a handshake', new Promise((resolve, reject) => {
    handshake.on('open', () => (resolve(101), handshake.close()));
    handshake.on('unexpected-response', (_, response) => (resolve(response.statusCode), handshake.terminate()));
    handshake.on('error', reject);
  }));
}

/** Resolves with the response that refuses a handshake. */
function refusal(options) {
  const handshake = socket(KINDS[0], options);
  return expected('a refusal of a handshake', new Promise((resolve, reject) => {
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
    return expected(`${part} in a response that goes on`, new Promise((resolve) => {
      this.check = () => this.text.includes(part) && resolve();
      this.check();
    }));
  }
}

/** Browsers ask for compression, and Debian's nginx compresses HTML. */
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
    const createConnection = () => tls.connect({ ...way, host: HOST, port: nginx.port, ALPNProtocols: ['h2'] });
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
      if (kind !== KINDS[0]) same('transport', a.socket.transport, kind);
      // The last body is above nginx's default limit of 1 MiB.
      for (const body of ['hello', 'grün, 緑, \u{1F7E2}', 'x'.repeat(3 << 19)]) {
        a.send('/topic/b', body);
        same(`from ${kind}`, await b.take(), body);
        b.send('/topic/a', body);
        same(`to ${kind}`, await a.take(), body);
      }
      await a.leave();
      await b.leave();
      const transport = kind === KINDS[0] ? 'websocket' : `sockjs-${kind}`;
      same('address and transport in the log', await logged(a.session), [CLIENT, transport]);
    }
  },

  async 'a message is there while the response that brings it goes on'() {
    const b = await Peer.connect(KINDS[0], '/topic/b');
    for (const [version, get] of Object.entries(versions)) {
      for (const [method, path] of [['POST', 'xhr_streaming'], ['GET', 'eventsource'], ['GET', 'htmlfile?c=f']]) {
        const session = `/ws/000/${path.slice(0, 4)}${version.slice(-1)}`;
        const { stream, close } = await expected(`a response to ${path}`, get(method, `${session}/${path}`));
        const send = async (frame) => {
          const { status } = await ask(`${session}/xhr_send`, {}, 'POST', JSON.stringify([`${frame}\0`]));
          same('status of xhr_send', status, 204);
        };
        await send('CONNECT\naccept-version:1.2\nhost:any\n\n');
        await stream.until('CONNECTED');
        await send('SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:ready\n\n');
        await stream.until('receipt-id:ready');
        for (const body of ['message 1', 'message 2']) {
          b.send('/topic/a', body);
          await stream.until(body);
        }
        same(`${path} over ${version} has ended`, stream.ended, false);
        close();
      }
    }
    await b.leave();
  },

  async 'a client that leaves in the middle of a response has left'() {
    const { stream, close } = await versions['HTTP/1.1']('POST', '/ws/000/leaver/xhr_streaming');
    const connect = JSON.stringify(['CONNECT\naccept-version:1.2\nhost:any\n\n\0']);
    await ask('/ws/000/leaver/xhr_send', {}, 'POST', connect);
    await stream.until('CONNECTED');
    const [, session] = /session:([0-9a-f]+)/.exec(stream.text);
    close();
    same('address and transport in the log', await logged(session), [CLIENT, 'sockjs-xhr-streaming']);
  },

  async 'nobody else can say who the client is'() {
    for (const headers of [
      { 'x-forwarded-for': FORGED },
      { 'x-forwarded-for': `${FORGED}, ${PROXY}` },
      { forwarded: `for=${FORGED}` },
      { 'x-forwarded-for': FORGED, forwarded: `for=${FORGED}` },
    ]) {
      const peer = await Peer.connect(KINDS[0], '/topic/a', { headers });
      await peer.leave();
      same(`address after ${JSON.stringify(headers)}`, (await logged(peer.session))[0], CLIENT);
    }
  },

  async 'pages of the same origin are let in, foreign ones are not'() {
    for (const [origin, shaken, asked] of [
      [`https://${HOST}`, 101, 200],
      ['https://evil.example', 403, 403],
      [`https://evil.${HOST}`, 403, 403],
      [`https://${HOST}:8443`, 403, 403],
      ['null', 403, 403],
    ]) {
      same(`handshake from ${origin}`, await shakeHands({ origin }), shaken);
      same(`info from ${origin}`, (await ask('/ws/info', { origin })).status, asked);
    }
  },

  async 'only what is public can be reached, by the name of the proxy'() {
    for (const [path, status] of [['/', 200], ['/health', 200], ['/metrics', 404], ['/%6detrics', 404]]) {
      same(`status of ${path}`, (await ask(path)).status, status);
    }
    same('status by another name', (await ask('/health', { host: 'evil.example' })).status, 403);
  },

  async 'clients go on after nginx -s reload'() {
    const peers = [];
    for (const kind of KINDS) peers.push(await Peer.connect(kind, `/queue/${peers.length}`, { beatMs: BEAT_MS }));
    // In Node, sockjs-client does not detect that a response was cut off, but stomp.js misses the heartbeats. A client
    // that polls may have been between two requests; then it has lost nothing.
    const cut = peers.filter((peer) => peer.kind !== 'xhr-polling');
    const back = cut.map((peer) => peer.subscribed(`${peer.kind}, again`));
    const replaced = nginx.log.next(/worker process \d+ exited with code 0/);
    nginx.reload();
    await Promise.all([replaced, ...back]);
    for (const [number, peer] of peers.entries()) {
      cut[0].send(`/queue/${number}`, `to ${peer.kind}`);
      same(`to ${peer.kind}`, await peer.take(), `to ${peer.kind}`);
    }
    await Promise.all(peers.map((peer) => peer.leave()));
  },

  async 'without a word about buffering, the broker itself switches it off'() {
    const peer = await Peer.connect(['xhr-streaming'], '/topic/a', { port: nginx.leftPort });
    for (const body of ['at once', 'and again']) {
      peer.send('/topic/a', body);
      same('body', await peer.take(), body);
    }
    same('transport', peer.socket.transport, 'xhr-streaming');
    await peer.leave();
  },

  async 'with buffering, streams hang and sockjs-client goes on to polling'() {
    const kinds = ['xhr-streaming', 'eventsource', 'xhr-polling'];
    const peer = await Peer.connect(kinds, '/topic/a', { port: nginx.bufferedPort });
    same('transport', peer.socket.transport, 'xhr-polling');
    peer.send('/topic/a', 'slowly');
    same('body', await peer.take(), 'slowly');
    await peer.leave();
  },

  async 'without the lines for Upgrade and Connection, the answer and the log name them, and SockJS falls back'() {
    const remedy = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"';
    const { status, text } = await refusal({ port: nginx.plainPort });
    same('status of the handshake', status, 400);
    for (const part of ['a WebSocket handshake without the header Upgrade: a proxy', remedy]) {
      same(`${part} in ${text}`, text.includes(part), true);
    }
    const line = /WARN.*rejected a WebSocket handshake without the header Upgrade: a proxy.*proxy_set_header Upgrade.* address=(\S+)/;
    same('address in the log', (await broker.log.find(line))[1], CLIENT);
    const peer = await Peer.connect(SOCKJS, '/topic/a', { port: nginx.plainPort });
    same('transport', peer.socket.transport, 'xhr-streaming');
    peer.send('/topic/a', 'by another way');
    same('body', await peer.take(), 'by another way');
    await peer.leave();
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok nginx: ${name}`);
  } catch (error) {
    console.log(`FAILED nginx: ${name}: ${error.stack}`);
    for (const [who, { log }] of Object.entries({ nginx, broker })) console.log(`\n${who} says:\n${log.tail()}`);
    process.exit(1);
  }
}
process.exit(0);
