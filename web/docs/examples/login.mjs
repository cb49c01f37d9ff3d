// docs-test: broker --config user-option.toml
// [login]
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket });          // Node.js before 22 has no WebSocket

const url = process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080';
const connectHeaders = JSON.parse(process.argv[2] ?? '{"login":"alice","passcode":"correct-horse"}');
const client = new Client({ brokerURL: `${url.replace('http', 'ws')}/ws`, connectHeaders, reconnectDelay: 0 });
client.onConnect = (frame) => {
  console.log('CONNECTED as', frame.headers['user-name']);
  client.deactivate();
};
client.onStompError = (frame) => console.log('ERROR', frame.headers.message, '-', frame.body);
client.activate();
// [/login]
