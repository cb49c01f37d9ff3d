// The web server of another site, with a few pages and the client libraries from npm.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

const FILES = {
  '/current.html': 'pages/current.html',
  '/current.js': 'pages/current.js',
  '/old.html': 'pages/old.html',
  '/old.js': 'pages/old.js',
  '/sockjs-client-1.6.1.js': 'node_modules/sockjs-client/dist/sockjs.min.js',
  '/sockjs-client-1.1.2.js': 'node_modules/sockjs-client-1.1.2/dist/sockjs.min.js',
  '/stompjs-7.5.0.js': 'node_modules/@stomp/stompjs/bundles/stomp.umd.min.js',
  '/stompjs-2.3.3.js': 'node_modules/stompjs/lib/stomp.min.js',
};
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };

export class Site {
  #server;

  static async start() {
    const server = createServer(answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Site(server);
  }

  constructor(server) {
    this.#server = server;
  }

  /**
   * Returns the origin of the site under this host name. In the browser every `*.example.test` resolves to this
   * machine.
   */
  origin(name = '127.0.0.1') {
    return `http://${name}:${this.#server.address().port}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function answer(request, response) {
  const path = new URL(request.url, 'http://site').pathname;
  const file = FILES[path];
  if (!file) {
    response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    return;
  }
  const body = await readFile(new URL(file, import.meta.url));
  response.writeHead(200, { 'content-type': TYPES[file.split('.').at(-1)] }).end(body);
}
