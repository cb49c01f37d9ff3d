// docs-test: broker
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

const open = () => new Promise((resolve) => {
  const client = new Client({ brokerURL });
  client.onConnect = () => resolve(client);
  client.activate();
});

const producer = await open();
for (const job of ['resize 1.png', 'resize 2.png', 'resize 3.png']) {
  producer.publish({ destination: '/queue/jobs', body: job });
}

const worker = await open();
let remaining = 3;
const work = (message) => {
  console.log('done:', message.body);
  message.ack(); // removes the job from the queue
  if (--remaining === 0) {
    producer.deactivate();
    worker.deactivate();
  }
};
worker.subscribe('/queue/jobs', work, { ack: 'client-individual', 'prefetch-count': '1' });
