// docs-test: broker
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

// [main]
const client = new Client({ brokerURL });
client.onConnect = () => {
  client.subscribe('/queue/bookings', ({ body }) => {
    console.log(body);
    if (body === 'bob: +10') client.deactivate();
  });

  const aborted = client.begin();
  client.publish({ destination: '/queue/bookings', headers: { transaction: aborted.id }, body: 'never sent' });
  aborted.abort();

  const transaction = client.begin();
  const headers = { transaction: transaction.id };
  client.publish({ destination: '/queue/bookings', headers, body: 'alice: -10' });
  client.publish({ destination: '/queue/bookings', headers, body: 'bob: +10' });
  transaction.commit();
};
client.activate();
// [/main]
