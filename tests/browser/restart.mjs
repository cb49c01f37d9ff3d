// Tests of the demo page while the broker stops and starts again: the page reconnects automatically.

import assert from 'node:assert/strict';
import { test } from './environment.mjs';
import { DemoUser } from './demo-user.mjs';

const CHOICES = ['websocket', 'xhr-streaming', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
/**
 * Expected errors in the console of Chromium: about a stopped broker, about a SockJS session that no longer exists, and
 * from the page of an abandoned htmlfile request. On a busy machine, sockjs-client abandons such a request before the
 * page arrives. It then removes the object that the page calls. (The SockJS protocol defines the text of this page.)
 */
const EXPECTED_ERRORS = new RegExp(
  [
    /net::ERR_|WebSocket connection to .* failed|status of 404 .*\/xhr_send/,
    /Cannot read properties of undefined \(reading '(start|message|stop)'\)\n[^]*\/htmlfile\?c=_jp\./,
  ]
    .map(({ source }) => source)
    .join('|'),
);

/**
 * How the broker ends, and the transports that do not detect this at once. With eventsource, sockjs-client tries to
 * reopen the stream until the broker has restarted. With htmlfile, it does not detect the end of the stream. Over these
 * transports the page detects the end by missing STOMP heartbeats, or when it sends a message.
 */
const ENDS = [
  { how: 'stopped', end: (broker) => broker.stop(), undetectedBy: [] },
  { how: 'killed', end: (broker) => broker.kill(), undetectedBy: ['sockjs-eventsource', 'sockjs-htmlfile'] },
];

for (const { how, end, undetectedBy } of ENDS) {
  test(`the demo page: every transport reconnects after the broker was ${how}`, async (env) => {
    const broker = await env.startBroker();
    const choices = ['native', ...CHOICES.map((name) => `sockjs-${name}`)];
    const users = await Promise.all(choices.map((choice) => DemoUser.enter(env, choice, { choice })));
    for (const user of users) await user.say(`${user.view.name} before`);
    const before = await users[0].texts(choices.length);
    for (const user of users) await user.sees(before);

    for (const { view } of users) view.ignoreErrors(EXPECTED_ERRORS);
    await end(broker);
    for (const user of users.filter(({ view }) => !undetectedBy.includes(view.name))) {
      await user.hasLostConnection();
      assert.equal(await user.transportInUse(), 'none');
      assert.ok(await user.page.getByTestId('send').isDisabled(), 'the send button is disabled');
    }
    await users[0].is('waiting');

    await broker.startAgain();
    const htmlfile = users.find(({ view }) => view.name === 'sockjs-htmlfile');
    if (undetectedBy.includes(htmlfile.view.name)) {
      await htmlfile.say('lost');
      await htmlfile.hasLostConnection();
      await htmlfile.discardUnsent();
    }
    for (const user of users) {
      await user.hasLostConnection();
      await user.is('connected');
    }
    for (const user of users) await user.say(`${user.view.name} after`);
    const after = await users[0].texts(2 * choices.length);
    assert.deepEqual(after.slice(choices.length).toSorted(), choices.map((name) => `${name} after`).toSorted());
    for (const user of users) await user.sees(after);
  });
}
