// Tests of the demo page: two windows in one room, over every transport that the page offers.

import assert from 'node:assert/strict';
import { scene } from './stage.mjs';
import { TEXTS, long } from './texts.mjs';
import { TRANSPORTS, Visitor } from './visitor.mjs';

/** Number of messages that each of the two users sends. */
const MESSAGES = 25;

for (const { choice, inUse, logged, endpoints } of TRANSPORTS) {
  scene(`the demo page over ${choice}: order, every text, 64 KiB, leaving`, async (stage) => {
    const broker = await stage.startBroker();
    const [anna, ben] = await Promise.all(['Anna', 'Ben'].map((name) => Visitor.enter(stage, name, { choice })));
    for (const { page, view } of [anna, ben]) {
      assert.equal(await page.getByTestId('transport-in-use').textContent(), inUse);
      for (const endpoint of endpoints) assert.ok(view.endpoints.has(endpoint), `${endpoint} of ${[...view.endpoints]}`);
    }

    const talk = async (visitor, name) => {
      const texts = Array.from({ length: MESSAGES }, (_, number) => `${name} ${number}`);
      for (const text of texts) await visitor.type(text);
      return texts;
    };
    const said = await Promise.all([talk(anna, 'a'), talk(ben, 'b')]);
    const all = await anna.texts(2 * MESSAGES);
    for (const texts of said) assert.deepEqual(all.filter((text) => texts.includes(text)), texts, 'the order of one');
    await ben.sees(all);

    for (const text of [...Object.values(TEXTS), long(64 * 1024)]) {
      await anna.say(text);
      all.push(text);
    }
    await ben.sees(all);
    await anna.sees(all);
    for (const { page } of [anna, ben]) {
      assert.equal(await page.evaluate('window.broken'), undefined, 'nothing said is run');
      const scrolls = 'document.documentElement.scrollHeight > innerHeight';
      assert.equal(await page.evaluate(scrolls), false, 'messages scroll, the page does not');
      const arabic = page.locator('.text', { hasText: TEXTS.Arabic });
      assert.equal(await arabic.evaluate((text) => getComputedStyle(text).direction), 'rtl');
    }

    await ben.leave();
    await broker.logged(new RegExp(`connection closed reason="disconnected".* transport="${logged}"`));
    await anna.say('alone now');
    await anna.sees([...all, 'alone now']);
    assert.deepEqual(foreign(anna, endpoints), [], 'no other endpoint was used');
  });
}

/** Returns the requested endpoints that the transport does not need. */
function foreign({ view }, endpoints) {
  return [...view.endpoints].filter((endpoint) => !endpoints.includes(endpoint));
}

scene('the demo page changes its transport while one is in a room', async (stage) => {
  await stage.startBroker();
  const anna = await Visitor.enter(stage, 'Anna');
  const ben = await Visitor.enter(stage, 'Ben');
  const all = [];
  for (const { choice, inUse } of TRANSPORTS) {
    await anna.use(choice);
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

scene('the demo page: who reloads is in the room again', async (stage) => {
  await stage.startBroker();
  for (const choice of ['native', 'sockjs-xhr-streaming', 'sockjs-eventsource', 'sockjs-xhr-polling']) {
    const room = `room-${choice}`;
    const [anna, ben] = await Promise.all(['Anna', 'Ben'].map((name) => Visitor.enter(stage, name, { choice, room })));
    await anna.say('before');
    await ben.sees(['before']);
    await anna.page.reload();
    await anna.is('connected');
    assert.equal(await anna.page.getByTestId('transport-select').inputValue(), choice);
    await ben.say('after');
    await anna.sees(['after']);
    await anna.say('here again');
    await ben.sees(['before', 'after', 'here again']);
  }
});

scene('the demo page: passcodes are checked, and asked for again after a reload', async (stage) => {
  await stage.startBroker('--user', 'anna:correct horse');
  const view = await stage.open('Anna');
  const anna = new Visitor(view);
  await anna.goTo(stage.broker);
  await anna.signIn('anna', { passcode: 'wrong' });
  await anna.alert.waitFor();
  await anna.signIn('anna', { passcode: 'correct horse' });
  await anna.is('connected');
  await anna.page.reload();
  await anna.isAsked();
  await anna.signIn('anna', { passcode: 'correct horse', choice: 'sockjs-xhr-polling' });
  await anna.is('connected');
  const kept = await anna.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!kept.includes('horse'), kept);
});
