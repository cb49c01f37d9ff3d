// docs-test: broker --user alice:a --user backend:b
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

const open = (login, passcode) => new Promise((resolve) => {
  const client = new Client({ brokerURL, connectHeaders: { login, passcode } });
  client.onConnect = () => resolve(client);
  client.activate();
});

let receipts = 0;
/** Sends a frame with the header `receipt`. Resolves with the headers of the RECEIPT. */
const confirmed = (client, send) => new Promise((resolve) => {
  const receipt = `r${++receipts}`;
  client.watchForReceipt(receipt, ({ headers }) => resolve(headers));
  send({ receipt });
});

const [alice, backend] = [await open('alice', 'a'), await open('backend', 'b')];

// [service]
const answer = ({ headers, body }) => backend.publish({
  destination: headers['reply-to'],
  headers: { 'correlation-id': headers['correlation-id'] },
  body: `${body} for ${headers['user-name']}: done`,
});
// [/service]

// [client]
const pending = new Map(); // correlation-id -> function that takes the reply
alice.subscribe('/user/queue/replies', (reply) => pending.get(reply.headers['correlation-id'])(reply));

/** Sends a request. Prints the number of services that received it, and the reply. */
const order = async (id, body) => {
  const reply = new Promise((resolve) => pending.set(id, resolve));
  const receipt = await confirmed(alice, (headers) => alice.publish({
    destination: '/app/orders',
    headers: { ...headers, 'reply-to': '/user/queue/replies', 'correlation-id': id },
    body,
  }));
  console.log(`${id} delivered-services:${receipt['delivered-services']}`);
  const { headers, body: text } = await reply;
  console.log(id, headers.message ?? 'reply', '-', text);
};
// [/client]

await order('41', 'two pears');
await confirmed(backend, (headers) => backend.subscribe('/app/orders', answer, headers));
await order('42', 'three apples');
alice.deactivate();
backend.deactivate();
