// docs-test: broker
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

// [main]
const client = new Client({ brokerURL });
client.onConnect = () => {
  const reject = (message) => message.nack({ requeue: 'false' });
  client.subscribe('/queue/jobs', reject, { ack: 'client-individual' });
  client.subscribe('/queue/dead.jobs', ({ headers, body }) => {
    console.log(headers['dead-reason'], headers['dead-origin'], headers['dead-deliveries'], body);
    client.deactivate();
  });
  client.publish({ destination: '/queue/jobs', body: 'resize 42.txt' });
};
client.activate();
// [/main]
