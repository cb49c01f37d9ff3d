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

// [main]
const responder = await open();
responder.subscribe('/queue/questions', ({ headers, body }) => {
  responder.publish({ destination: headers['reply-to'], body: `${body} = 4` });
});

const requester = await open();
requester.subscribe('/temp-queue/answers', ({ body }) => {
  console.log(body);
  requester.deactivate();
  responder.deactivate();
});
requester.publish({
  destination: '/queue/questions',
  headers: { 'reply-to': '/temp-queue/answers' },
  body: '2 + 2',
});
// [/main]
