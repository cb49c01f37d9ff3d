// sockjs-client 1.6.1 with stomp.js 7. By default sockjs-client waits 0.6 s for a transport to open, which is too short
// on a busy machine.

window.peer = {
  received: [],
  beats: { sent: 0, received: 0 },

  /** Connects and subscribes. Returns the name of the transport in use. */
  open(broker, transport, destination) {
    this.destination = destination;
    return new Promise((resolve, reject) => {
      const socket = () => (this.socket = new SockJS(`${broker}/ws`, null, { transports: [transport], timeout: 10000 }));
      this.client = new StompJs.Client({ webSocketFactory: socket, reconnectDelay: 0 });
      this.client.configure({
        heartbeatOutgoing: 500,
        heartbeatIncoming: 500,
        debug: (line) => {
          if (line === '>>> PING') this.beats.sent++;
          if (line === '<<< PONG') this.beats.received++;
        },
        onConnect: () => {
          this.client.watchForReceipt('subscribed', () => resolve(this.socket.transport));
          this.client.subscribe(destination, ({ body }) => this.received.push(body), { receipt: 'subscribed' });
        },
        onStompError: ({ body }) => reject(new Error(body)),
        onWebSocketClose: ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`)),
      });
      this.client.activate();
    });
  },

  send(body) {
    this.client.publish({ destination: this.destination, body });
  },

  close() {
    return this.client.deactivate();
  },
};
