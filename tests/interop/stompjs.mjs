// @stomp/stompjs 7 over WebSocket: with default settings, in STOMP 1.1, and with binary or split WebSocket messages.

import { Client, Versions } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { run } from './conversation.mjs';

Object.assign(globalThis, { WebSocket });

class StompJs {
  static sendsBytes = true;
  static binary = {
    bytes: Buffer.from([...Array(256).keys(), 0, 0, 10, 255]),
    received: (message) => [...message.bytes],
  };

  static connect(url, { beatMs }) {
    const beats = { received: 0, sent: 0, changed: () => {} };
    return new Promise((resolve, reject) => {
      const client = new Client({
        brokerURL: url,
        reconnectDelay: 0,
        heartbeatIncoming: beatMs,
        heartbeatOutgoing: beatMs,
        ...this.settings,
        debug: (line) => {
          if (line === '>>> PING') beats.sent++;
          else if (line === '<<< PONG') beats.received++;
          else return;
          beats.changed();
        },
        onConnect: () => resolve(new StompJs(client, beats)),
        onWebSocketError: (event) => reject(new Error(`not connected: ${event.message}`)),
      });
      client.activate();
    });
  }

  constructor(client, beats) {
    this.client = client;
    this.beats = beats;
    this.version = client.connectedVersion;
    client.onUnhandledReceipt = (frame) => this.onReceipt(frame.headers['receipt-id']);
    client.onStompError = (frame) => this.onError(frame);
    client.onWebSocketClose = () => this.onClosed();
  }

  subscribe(destination, headers, onMessage) {
    const read = (message) => {
      onMessage({
        headers: message.headers,
        // A getter, because the library decodes the bytes only when `body` is read.
        get body() { return message.body; },
        bytes: message.binaryBody,
        ack: (more) => message.ack(more),
        nack: (more) => message.nack(more),
      });
    };
    return this.client.subscribe(destination, read, headers);
  }

  send(destination, headers, body) {
    const content = typeof body === 'string' ? { body } : { binaryBody: new Uint8Array(body) };
    this.client.publish({ destination, headers, ...content });
  }

  begin(id) {
    return this.client.begin(id);
  }

  disconnect(receipt) {
    this.client.disconnectHeaders = { receipt };
    this.client.onDisconnect = (frame) => this.onReceipt(frame.headers['receipt-id']);
    this.client.deactivate();
  }
}

const variant = (label, version, settings) =>
  class extends StompJs {
    static label = `stomp.js 7 ${label}`;
    static version = version;
    static settings = settings;
  };

await run([
  variant('in 1.2', '1.2', {}),
  variant('in 1.1', '1.1', { stompVersions: new Versions(['1.1']) }),
  variant('in binary messages', '1.2', { forceBinaryWSFrames: true }),
  variant('in split messages', '1.2', { splitLargeFrames: true, maxWebSocketChunkSize: 1024 }),
]);
