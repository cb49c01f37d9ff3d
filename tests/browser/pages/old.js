// sockjs-client 1.1.2 with stompjs 2.3.3. This sockjs-client waits 0.6 s for a transport to open, which is too short on
// a busy machine. It has no option for this time, so the function that computes it is replaced.

SockJS.prototype.countRTO = () => 5000;

window.peer = {
  received: [],
  beats: { sent: 0, received: 0 },

  /** Connects and subscribes. Returns the name of the transport in use. */
  open(broker, transport, destination) {
    this.destination = destination;
    return new Promise((resolve, reject) => {
      const socket = new SockJS(`${broker}/ws`, null, { transports: [transport] });
      this.client = Stomp.over(socket);
      this.client.heartbeat = { outgoing: 4000, incoming: 4000 };
      this.client.debug = (line) => {
        if (line === '>>> PING') this.beats.sent++;
        if (line === '<<< PONG') this.beats.received++;
      };
      this.client.onreceipt = () => resolve(socket.transport);
      const connected = () => {
        this.client.subscribe(destination, ({ body }) => this.received.push(body), { receipt: 'subscribed' });
      };
      this.client.connect({}, connected, (error) => reject(new Error(error.body || String(error))));
    });
  },

  send(body) {
    this.client.send(this.destination, {}, body);
  },

  close() {
    return new Promise((resolve) => this.client.disconnect(resolve));
  },
};
