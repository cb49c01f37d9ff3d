// docs-test: broker --user alice:correct-horse --default-permissions safe
// [soft-errors]
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket });

const url = process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080';
const client = new Client({
  brokerURL: `${url.replace('http', 'ws')}/ws`,
  connectHeaders: { login: 'alice', passcode: 'correct-horse', 'soft-errors': 'true' },
});
client.onConnect = () => {
  client.subscribe('/user/queue/errors', ({ headers, body }) => {
    console.log(headers['receipt-id'], headers.message, headers.refused, '-', body);
    client.deactivate();
  });
  client.publish({ destination: '/topic/news', headers: { receipt: 'm1' }, body: 'breaking' });
};
client.activate();
// [/soft-errors]
