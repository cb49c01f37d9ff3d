// Tests of the demo page while the broker stops and starts again: the page reconnects by itself.

import assert from 'node:assert/strict';
import { scene } from './stage.mjs';
import { Visitor } from './visitor.mjs';

const CHOICES = ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
/** Errors of Chromium about a stopped broker, and about a session of the previous one. */
const NETWORK_FAILURE = /net::ERR_|WebSocket connection to .* failed|status of 404 .*\/xhr_send/;

/**
 * How the broker ends, and the transports that do not detect it at once. sockjs-client keeps opening a broken
 * eventsource until the broker has restarted, and does not detect the end of an htmlfile. With these, the page detects
 * it by missing STOMP heartbeats, or when it sends a message.
 */
const ENDS = [
  { how: 'stopped', end: (broker) => broker.stop(), blind: [] },
  { how: 'killed', end: (broker) => broker.kill(), blind: ['sockjs-eventsource', 'sockjs-htmlfile'] },
];

for (const { how, end, blind } of ENDS) {
  scene(`the demo page connects again after the broker was ${how}, over every transport`, async (stage) => {
    const broker = await stage.startBroker();
    const choices = ['native', ...CHOICES.map((name) => `sockjs-${name}`)];
    const visitors = await Promise.all(choices.map((choice) => Visitor.enter(stage, choice, { choice })));
    for (const visitor of visitors) await visitor.say(`${visitor.view.name} is here`);
    const before = await visitors[0].texts(choices.length);
    for (const visitor of visitors) await visitor.sees(before);

    for (const { view } of visitors) view.expect(NETWORK_FAILURE);
    await end(broker);
    for (const visitor of visitors.filter(({ view }) => !blind.includes(view.name))) {
      await visitor.hasLostConnection();
      assert.equal(await visitor.transportInUse(), 'none');
      assert.ok(await visitor.page.getByTestId('send').isDisabled(), 'no message is taken');
    }
    await visitors[0].is('waiting');

    await broker.startAgain();
    const htmlfile = visitors.find(({ view }) => view.name === 'sockjs-htmlfile');
    if (blind.includes(htmlfile.view.name)) {
      await htmlfile.say('lost');
      await htmlfile.hasLostConnection();
      await htmlfile.discardUnsent();
    }
    for (const visitor of visitors) {
      await visitor.hasLostConnection();
      await visitor.is('connected');
    }
    for (const visitor of visitors) await visitor.say(`${visitor.view.name} is back`);
    const after = await visitors[0].texts(2 * choices.length);
    assert.deepEqual(after.slice(choices.length).toSorted(), choices.map((name) => `${name} is back`).toSorted());
    for (const visitor of visitors) await visitor.sees(after);
  });
}
