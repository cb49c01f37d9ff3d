// webstomp-client: STOMP in the version of the chosen subprotocol, as text or as binary messages.

import webstomp from 'webstomp-client';
import { WebSocket } from 'ws';
import { run } from './conversation.mjs';
import { Callbacks } from './callbacks.mjs';

class Webstomp extends Callbacks {
  static version = '1.2';
  // `null` skips the test with bytes that are not UTF-8, for which the library throws an error.
  static binary = null;

  static open(url, { beatMs }) {
    const socket = new WebSocket(url, ['v10.stomp', 'v11.stomp', 'v12.stomp']);
    const heartbeat = { outgoing: beatMs, incoming: beatMs };
    return webstomp.over(socket, { heartbeat, binary: this.isBinary });
  }

  send(destination, headers, body) {
    this.client.send(destination, body, headers);
  }
}

class WebstompText extends Webstomp {
  static label = 'webstomp-client in text messages';
  static isBinary = false;
}

class WebstompBinary extends Webstomp {
  static label = 'webstomp-client in binary messages';
  static isBinary = true;
}

await run([WebstompText, WebstompBinary]);
