// docs-test: broker --jwt-secret a-secret-of-thirty-two-bytes-or-more
// [refresh]
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { execFileSync } from 'node:child_process';
Object.assign(globalThis, { WebSocket });

const url = process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080';
const SECONDS = 12;                                // lifetime of a token; use minutes in practice
const RENEW_BEFORE_MS = 10_000;                    // time between the renewal and the expiry
// A page would request the token from your server.
const fetchToken = async () => execFileSync('node', ['token.mjs', 'bob', `${SECONDS}`]).toString().trim();
const expiryOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).exp * 1000;

let token;
let renewals = 0;
const client = new Client({
  brokerURL: `${url.replace('http', 'ws')}/ws`,
  beforeConnect: async () => {
    token = await fetchToken();
    client.connectHeaders = { Authorization: `Bearer ${token}` };
  },
});
const renewInTime = () => setTimeout(async () => {
  token = await fetchToken();
  const receipt = `renewal-${++renewals}`;
  client.watchForReceipt(receipt, () => {
    console.log('renewed');
    if (renewals < 2) renewInTime();
    else client.deactivate();                      // a page would stay connected
  });
  client.publish({ destination: '/auth/refresh', headers: { receipt }, body: token });
}, expiryOf(token) - Date.now() - RENEW_BEFORE_MS);
client.onConnect = renewInTime;
client.onStompError = (frame) => console.log('ERROR', frame.headers.message);
client.activate();
// [/refresh]
