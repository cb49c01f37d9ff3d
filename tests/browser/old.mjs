// Tests of the client libraries of many existing pages: sockjs-client 1.1.2 and stompjs 2.3.3, from another origin.

import { Peer } from './peer.mjs';
import { scene } from './stage.mjs';
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
/** Length of a message that stompjs 2 splits, which it does at 16 KiB. */
const LONG = 20 * 1024;
/**
 * Errors of a page that closes. stompjs 2 sends DISCONNECT and closes at once. The session may therefore have ended
 * before DISCONNECT arrives, and the last script of jsonp-polling calls a function that no longer exists.
 */
const HASTE = /status of 404 .*\/xhr_send|_jp\.\w+ is not a function/;

for (const transport of TRANSPORTS) {
  scene(`sockjs-client 1.1.2 with stompjs 2.3.3 over ${transport}`, async (stage) => {
    const site = await stage.site();
    const library = `${site.origin()}/sockjs-client-1.1.2.js`;
    const broker = await stage.startBroker('--heart-beat', '4000,4000', '--sockjs-client-url', library);
    const page = `${site.origin()}/old.html`;
    const [one, two] = await Promise.all(['one', 'two'].map((name) => Peer.connect(stage, page, transport, name)));
    const bodies = [];
    for (const body of [...Object.values(TEXTS), '汉'.repeat(LONG), long(LONG)]) {
      await one.send(body);
      bodies.push(body);
    }
    await two.receives(bodies);
    await two.send('an answer');
    await one.receives([...bodies, 'an answer']);
    await Promise.all([one.beats(1), two.beats(1)]);
    for (const peer of [one, two]) {
      peer.view.expect(HASTE);
      await peer.close();
    }
    await broker.logged(/connection closed reason=/, 2);
  });
}
