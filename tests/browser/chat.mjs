// Tests of the demo page: two windows in one room, over every transport that the page offers.

import assert from 'node:assert/strict';
import { test } from './environment.mjs';
import { TEXTS, long } from './texts.mjs';
import { TRANSPORTS, DemoUser } from './demo-user.mjs';

/** Number of messages that each of the two users sends. */
const MESSAGES = 25;

for (const { choice, inUse, logged, endpoints } of TRANSPORTS) {
  test(`the demo page over ${choice}: order of messages, special texts, 64 KiB, leaving`, async (env) => {
    const broker = await env.startBroker();
    const [anna, ben] = await Promise.all(['Anna', 'Ben'].map((name) => DemoUser.enter(env, name, { choice })));
    for (const { page, view } of [anna, ben]) {
      assert.equal(await page.getByTestId('transport-in-use').textContent(), inUse);
      for (const endpoint of endpoints) assert.ok(view.endpoints.has(endpoint), `${endpoint} of ${[...view.endpoints]}`);
    }

    const talk = async (user, name) => {
      const texts = Array.from({ length: MESSAGES }, (_, number) => `${name} ${number}`);
      for (const text of texts) await user.type(text);
      return texts;
    };
    const sent = await Promise.all([talk(anna, 'a'), talk(ben, 'b')]);
    const all = await anna.texts(2 * MESSAGES);
    for (const texts of sent) assert.deepEqual(all.filter((text) => texts.includes(text)), texts, 'order of the messages of one user');
    await ben.sees(all);

    for (const text of [...Object.values(TEXTS), long(64 * 1024)]) {
      await anna.say(text);
      all.push(text);
    }
    await ben.sees(all);
    await anna.sees(all);
    for (const { page } of [anna, ben]) {
      assert.equal(await page.evaluate('window.broken'), undefined, 'no message is executed as a script');
      const scrolls = 'document.documentElement.scrollHeight > innerHeight';
      assert.equal(await page.evaluate(scrolls), false, 'only the list of messages scrolls');
      const arabic = page.locator('.text', { hasText: TEXTS.Arabic });
      assert.equal(await arabic.evaluate((text) => getComputedStyle(text).direction), 'rtl');
    }

    await ben.leave();
    await broker.logged(new RegExp(`connection closed reason="disconnected".* transport="${logged}"`));
    await anna.say('alone now');
    await anna.sees([...all, 'alone now']);
    assert.deepEqual(otherEndpoints(anna, endpoints), [], 'endpoints of other transports');
  });
}

/** Returns the requested endpoints that the transport does not need. */
function otherEndpoints({ view }, endpoints) {
  return [...view.endpoints].filter((endpoint) => !endpoints.includes(endpoint));
}

test('the demo page: the transport can be changed in a room', async (env) => {
  await env.startBroker();
  const anna = await DemoUser.enter(env, 'Anna');
  const ben = await DemoUser.enter(env, 'Ben');
  const all = [];
  for (const { choice, inUse } of TRANSPORTS) {
    await anna.selectTransport(choice);
    await anna.page.getByTestId('transport-in-use').getByText(inUse, { exact: true }).waitFor();
    await anna.is('connected');
    await anna.say(`by ${choice}`);
    await ben.say(`to ${choice}`);
    all.push(`by ${choice}`, `to ${choice}`);
    await anna.texts(all.length);
  }
  await ben.sees(await anna.texts(all.length));
  assert.deepEqual((await ben.texts()).toSorted(), all.toSorted());
});

test('the demo page: a reload rejoins the room', async (env) => {
  await env.startBroker();
  for (const choice of ['native', 'sockjs-xhr-streaming', 'sockjs-eventsource', 'sockjs-xhr-polling']) {
    const room = `room-${choice}`;
    const [anna, ben] = await Promise.all(['Anna', 'Ben'].map((name) => DemoUser.enter(env, name, { choice, room })));
    await anna.say('before');
    await ben.sees(['before']);
    await anna.page.reload();
    await anna.is('connected');
    assert.equal(await anna.page.getByTestId('transport-select').inputValue(), choice);
    await ben.say('after');
    await anna.sees(['after']);
    await anna.say('back again');
    await ben.sees(['before', 'after', 'back again']);
  }
});

test('the demo page: passcodes are checked, and must be entered again after a reload', async (env) => {
  await env.startBroker('--user', 'anna:correct horse');
  const view = await env.open('Anna');
  const anna = new DemoUser(view);
  await anna.goTo(env.broker);
  await anna.signIn('anna', { passcode: 'wrong' });
  await anna.alert.waitFor();
  await anna.signIn('anna', { passcode: 'correct horse' });
  await anna.is('connected');
  await anna.page.reload();
  await anna.seesSignIn();
  await anna.signIn('anna', { passcode: 'correct horse', choice: 'sockjs-xhr-polling' });
  await anna.is('connected');
  const stored = await anna.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes('horse'), stored);
});
