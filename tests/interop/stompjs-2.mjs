// stompjs 2.3.3, a library from 2014 that is still widely used. It speaks STOMP 1.1 and sends only text.

import stomp from 'stompjs';
import { WebSocket } from 'ws';
import { run } from './conversation.mjs';
import { Callbacks } from './callbacks.mjs';

class StompJs2 extends Callbacks {
  static label = 'stompjs 2.3.3';
  static version = '1.1';
  // The library sends only strings, ends a body at a NUL, and reads bytes as Latin-1.
  static binary = {
    bytes: Buffer.from([...Array(255).keys()].map((byte) => byte + 1)),
    received: (message) => [...message.body].map((letter) => letter.charCodeAt(0)),
  };

  static open(url, { beatMs }) {
    const client = stomp.over(new WebSocket(url, ['v10.stomp', 'v11.stomp']));
    Object.assign(client.heartbeat, { outgoing: beatMs, incoming: beatMs });
    return client;
  }

  send(destination, headers, body) {
    this.client.send(destination, { ...headers }, body);
  }
}

await run([StompJs2]);
