// docs-test: broker --user alice:a --user bob:b
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

const [alice, bob] = [await open('alice', 'a'), await open('bob', 'b')];

const received = [];
let complete;
const bothReceived = new Promise((resolve) => { complete = resolve; });
const receive = ({ headers, body }) => {
  received.push(`bob received "${body}" from ${headers['user-name']} at ${headers.destination}`);
  if (received.length === 2) complete();
};
await confirmed(bob, (headers) => bob.subscribe('/user/queue/chat', receive, headers));

/** Sends a message from alice and prints how many sessions received it. */
const send = async (destination, body, more = {}) => {
  const receipt = await confirmed(alice, (headers) =>
    alice.publish({ destination, headers: { ...headers, ...more }, body }));
  console.log(`${destination} delivered-sessions:${receipt['delivered-sessions']}`);
};
for (const name of ['bob', 'zoe']) await send(`/user/${encodeURIComponent(name)}/queue/chat`, 'hello');
await send('/users/queue/chat', 'hello to all', { to: 'bob,zoe' });

await bothReceived;
console.log(received.join('\n'));
alice.deactivate();
bob.deactivate();
