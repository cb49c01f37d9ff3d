// docs-test: broker
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

const client = new Client({ brokerURL });
client.onConnect = () => {
  client.subscribe('/topic/news.*', ({ headers, body }) => {
    console.log(headers.destination, body);
    if (body === 'last') client.deactivate();
  });
  client.publish({ destination: '/topic/news.sport', body: 'first' });
  client.publish({ destination: '/topic/weather', body: 'not delivered' });
  client.publish({ destination: '/topic/news.local', body: 'last' });
};
client.activate();
