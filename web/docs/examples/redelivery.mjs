// docs-test: broker
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

// [main]
const client = new Client({ brokerURL });
client.onConnect = () => {
  client.subscribe('/queue/jobs', (message) => {
    if (message.headers.redelivered !== 'true') {
      console.log('first delivery');
      message.nack(); // returns the job to the queue
      return;
    }
    console.log('next delivery, delivery-count:', message.headers['delivery-count']);
    message.ack();
    client.deactivate();
  }, { ack: 'client-individual' });
  client.publish({ destination: '/queue/jobs', body: 'resize 42.png' });
};
client.activate();
// [/main]
