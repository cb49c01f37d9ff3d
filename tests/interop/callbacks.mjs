// Base class of the adapters for stompjs 2 and its fork webstomp-client. Both libraries report errors and the end of
// the connection to the same callback.

export class Callbacks {
  static connect(url, options) {
    const client = this.open(url, options);
    const beats = { received: 0, sent: 0, changed: () => {} };
    client.debug = (line) => {
      if (line === '>>> PING') beats.sent++;
      else if (line === '<<< PONG') beats.received++;
      else return;
      beats.changed();
    };
    return new Promise((resolve, reject) => {
      let peer;
      const onConnect = (frame) => resolve((peer = new this(client, beats, frame)));
      const onError = (error) => {
        if (!peer) reject(new Error(`not connected: ${error}`));
        else if (error?.command === 'ERROR') peer.onError(error);
        else peer.onClosed();
      };
      client.ws.onerror = (event) => reject(new Error(`not connected: ${event.message}`));
      client.connect({}, onConnect, onError);
    });
  }

  constructor(client, beats, connected) {
    this.client = client;
    this.beats = beats;
    this.version = connected.headers.version;
    client.onreceipt = (frame) => this.onReceipt(frame.headers['receipt-id']);
  }

  subscribe(destination, headers, onMessage) {
    return this.client.subscribe(destination, onMessage, { ...headers });
  }

  begin(id) {
    return this.client.begin(id);
  }

  disconnect(receipt) {
    this.client.disconnect(() => {}, { receipt });
  }
}
