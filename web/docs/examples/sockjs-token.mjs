// docs-test: broker --jwt-secret a-secret-of-thirty-two-bytes-or-more
import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { execFileSync } from 'node:child_process';
const url = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080') + '/ws';
const token = execFileSync('node', ['token.mjs', 'bob']).toString().trim();

// [client]
const connectHeaders = { Authorization: `Bearer ${token}` };
const client = new Client({ webSocketFactory: () => new SockJS(url), connectHeaders });
// [/client]
client.onConnect = (frame) => {
  console.log('CONNECTED as', frame.headers['user-name']);
  client.deactivate();
};
client.onStompError = (frame) => console.log('ERROR', frame.headers.message);
client.activate();
