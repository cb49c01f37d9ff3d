// docs-test: broker --user alice:correct-horse
// [handshake]
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const url = process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080';
const [path = '/ws', headers = `{"Authorization":"Basic ${btoa('alice:correct-horse')}"}`] = process.argv.slice(2);
const options = { headers: JSON.parse(headers) };  // browsers cannot set headers of the request
const client = new Client({
  webSocketFactory: () => new WebSocket(url.replace('http', 'ws') + path, ['v12.stomp'], options),
  reconnectDelay: 0,
});
client.onConnect = (frame) => {
  console.log('CONNECTED as', frame.headers['user-name']);
  client.deactivate();
};
client.onStompError = (frame) => console.log('ERROR', frame.headers.message);
client.activate();
// [/handshake]
