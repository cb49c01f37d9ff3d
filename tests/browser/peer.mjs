// A page of another site with a client library. The scripts `pages/*.js` control the library through `window.peer`.

import assert from 'node:assert/strict';

export const DESTINATION = '/topic/elsewhere';

export class Peer {
  /** Opens the page. The page connects to the broker over the transport and subscribes. */
  static async connect(env, page, transport, name = transport) {
    const view = await env.open(name);
    await view.page.goto(page);
    const peer = new Peer(view);
    assert.equal(await peer.open(env.broker.url, transport), transport, 'the transport in use');
    return peer;
  }

  constructor(view) {
    this.view = view;
    this.page = view.page;
  }

  async open(broker, transport) {
    return this.page.evaluate(([broker, transport, to]) => window.peer.open(broker, transport, to), [
      broker,
      transport,
      DESTINATION,
    ]);
  }

  async send(body) {
    await this.page.evaluate((body) => window.peer.send(body), body);
  }

  async receives(bodies) {
    await this.page.waitForFunction((count) => window.peer.received.length >= count, bodies.length);
    assert.deepEqual(await this.page.evaluate('window.peer.received'), bodies, `messages that ${this.view.name} received`);
  }

  /** Waits until both sides have sent this many heartbeats. */
  async exchangesHeartbeats(count) {
    await this.page.waitForFunction((count) => Math.min(...Object.values(window.peer.beats)) >= count, count);
  }

  async close() {
    await this.page.evaluate(() => window.peer.close());
  }
}
