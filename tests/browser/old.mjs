// Tests of old client libraries that many existing pages use: sockjs-client 1.1.2 and stompjs 2.3.3, from another origin.

import { Peer } from './peer.mjs';
import { test } from './environment.mjs';
import { TEXTS, long } from './texts.mjs';

const TRANSPORTS = [
  'websocket',
  'xhr-streaming',
  'eventsource',
  'iframe-eventsource',
  'iframe-htmlfile',
  'xhr-polling',
  'iframe-xhr-polling',
  'jsonp-polling',
];
/** Length of a message that stompjs 2 splits, because it is longer than 16 KiB. */
const SPLIT_LENGTH = 20 * 1024;
/**
 * Expected errors of a page that disconnects. stompjs 2 sends DISCONNECT and closes the connection at once. Therefore
 * the session may have ended before DISCONNECT arrives, and the last script of jsonp-polling may call a function that
 * no longer exists.
 */
const CLOSE_ERRORS = /status of 404 .*\/xhr_send|_jp\.\w+ is not a function/;

for (const transport of TRANSPORTS) {
  test(`sockjs-client 1.1.2 with stompjs 2.3.3 over ${transport}`, async (env) => {
    const site = await env.site();
    const library = `${site.origin()}/sockjs-client-1.1.2.js`;
    const broker = await env.startBroker('--heart-beat', '4000,4000', '--sockjs-client-url', library);
    const page = `${site.origin()}/old.html`;
    const [one, two] = await Promise.all(['one', 'two'].map((name) => Peer.connect(env, page, transport, name)));
    const bodies = [];
    for (const body of [...Object.values(TEXTS), '汉'.repeat(SPLIT_LENGTH), long(SPLIT_LENGTH)]) {
      await one.send(body);
      bodies.push(body);
    }
    await two.receives(bodies);
    await two.send('an answer');
    await one.receives([...bodies, 'an answer']);
    await Promise.all([one.exchangesHeartbeats(1), two.exchangesHeartbeats(1)]);
    for (const peer of [one, two]) {
      peer.view.ignoreErrors(CLOSE_ERRORS);
      await peer.close();
    }
    await broker.logged(/connection closed reason=/, 2);
  });
}
