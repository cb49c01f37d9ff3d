// Tests of the demo page: presence, private messages and permissions.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { scene } from './stage.mjs';
import { Visitor } from './visitor.mjs';

const USERS = ['--user', 'alice:a', '--user', 'bob:b', '--user', 'Jo/~ %:j', '--user-names', 'any'];
/** Makes the broker report a leave soon. */
const SOON = ['--presence-grace', '100ms'];
/** Validity of the last token of a session, long enough for the broker to handle the frame with the token. */
const EXPIRING_SECONDS = 5;
const SECRET = 'a secret of more than thirty-two octets';

const alicia = (stage, more) => Visitor.enter(stage, 'alice', { passcode: 'a', ...more });
const robert = (stage, more) => Visitor.enter(stage, 'bob', { passcode: 'b', ...more });

for (const choice of ['native', 'sockjs-xhr-polling']) {
  scene(`people over ${choice}: who comes and goes, and what is for one alone`, async (stage) => {
    await stage.startBroker(...USERS, ...SOON);
    const alice = await alicia(stage, { choice });
    await alice.isShownAs('as alice');
    await alice.seesPeople('alice', '(you)');
    const bob = await robert(stage, { choice });
    await alice.isTold('bob joined');
    await alice.seesPeople('alice', '(you)', 'bob');
    await bob.seesPeople('bob', '(you)', 'alice');
    await bob.isTold();

    await alice.say('to all');
    await bob.sees(['to all']);
    await alice.writeTo('bob');
    await alice.say('to you');
    await alice.seesOwn(['to you', 'Sent']);
    await alice.say('alone');
    await alice.seesOwn('to you', ['alone', 'Sent']);
    await bob.hasUnread('alice', 2);
    assert.match(await bob.page.title(), /^\(2\) #garden/);
    assert.deepEqual(await bob.texts(), ['to all'], 'what is private is not in the room');
    await bob.writeTo('alice');
    await bob.sees(['to you', 'alone']);
    assert.equal(await bob.person('alice').getByTestId('unread').count(), 0);
    await bob.say('and to you');
    await alice.sees(['to you', 'alone', 'and to you']);

    await alice.backToRoom();
    await alice.sees(['to all']);
    await alice.writeTo('bob');
    await alice.sees(['to you', 'alone', 'and to you']);

    await bob.leave();
    await alice.seesPeople('alice', '(you)', 'bob');
    await alice.page.getByRole('heading', { name: 'Not in this room' }).waitFor();
    await alice.say('still there?');
    await alice.seesOwn('to you', ['alone', 'Sent'], 'and to you', ['still there?', 'Not online: nobody got it']);
    await alice.backToRoom();
    await alice.isTold('bob joined', 'bob left');
    assert.equal(await alice.page.evaluate('window.losses'), 0);
  });
}

scene('people: several windows of one user are one person, and see what each of them says', async (stage) => {
  await stage.startBroker(...USERS, ...SOON);
  const bob = await robert(stage);
  const [one, two] = [await alicia(stage), await alicia(stage)];
  await bob.seesPeople('bob', '(you)', 'alice', '×2');
  await one.seesPeople('alice', '(you)', '×2', 'bob');
  await one.writeTo('bob');
  await one.say('from the first');
  await bob.hasUnread('alice', 1);
  await two.writeTo('bob');
  await two.seesOwn(['from the first', 'Sent']);
  await two.say('from the second');
  await one.seesOwn('from the first', ['from the second', 'Sent']);
  await bob.hasUnread('alice', 2);
  await two.leave();
  await bob.seesPeople('bob', '(you)', 'alice');
  await bob.isTold('alice joined');
  await one.page.reload();
  await one.isAsked();
});

scene('people: a name is written to whatever is in it', async (stage) => {
  await stage.startBroker(...USERS, '--user', 'queue:q', '--user', '~tilde:t');
  const alice = await alicia(stage);
  for (const [name, passcode] of [['Jo/~ %', 'j'], ['queue', 'q'], ['~tilde', 't']]) {
    const other = await Visitor.enter(stage, name, { passcode });
    await alice.writeTo(name);
    await alice.say(`hello ${name}`);
    await alice.seesOwn([`hello ${name}`, 'Sent']);
    await other.hasUnread('alice', 1);
    await other.writeTo('alice');
    await other.sees([`hello ${name}`]);
  }
});

scene('people: the wrong passcode leads back, with why', async (stage) => {
  await stage.startBroker(...USERS);
  const visitor = new Visitor(await stage.open('alice'));
  await visitor.goTo(stage.broker);
  await visitor.signIn('alice', { passcode: 'wrong' });
  await visitor.alert.waitFor();
  assert.notEqual((await visitor.alert.textContent()).trim(), '');
  await visitor.signIn('alice', { passcode: 'a' });
  await visitor.is('connected');
  await visitor.isShownAs('as alice');
});

scene('people: guests are counted, and nobody writes to them', async (stage) => {
  await stage.startBroker(...SOON);
  const anna = await Visitor.enter(stage, 'Anna');
  await anna.isShownAs('as Anna (guest)');
  await anna.seesGuests('1 guest (you)');
  const ben = await Visitor.enter(stage, 'Ben');
  await anna.seesGuests('2 guests, you among them');
  await anna.seesPeople();
  await ben.say('hello');
  await anna.sees(['hello']);
  await ben.leave();
  await anna.seesGuests('1 guest (you)');
  await anna.isTold();
});

scene('people: what is refused stays as refused, and the connection lives', async (stage) => {
  await stage.startBroker(...USERS, '--default-permissions', 'safe', '--permission', 'deny send anyone /topic/chat.locked');
  const alice = await alicia(stage, { room: 'locked' });
  const bob = await robert(stage, { room: 'locked' });
  await alice.say('not this');
  await alice.page.getByText(/^Not sent: .*locked/).waitFor();
  await alice.writeTo('bob');
  await alice.say('but this');
  await bob.hasUnread('alice', 1);
  await alice.backToRoom();
  await alice.page.getByText('not this', { exact: true }).waitFor();
  await alice.discardUnsent();
  await alice.sees([]);
  await bob.sees([]);
  assert.equal(await alice.page.evaluate('window.losses'), 0);
});

scene('people: where nobody may see who is there, all else works', async (stage) => {
  await stage.startBroker(...USERS, '--permission', 'deny subscribe anyone /presence/**');
  const [alice, bob] = [await alicia(stage), await robert(stage)];
  for (const visitor of [alice, bob]) await visitor.page.getByTestId('people-trouble').waitFor();
  await alice.say('hello');
  await bob.sees(['hello']);
  assert.equal(await alice.page.evaluate('window.losses'), 0);
});

scene('people: a room that one may not see is refused, with why', async (stage) => {
  await stage.startBroker(...USERS, '--permission', 'deny subscribe anyone /topic/chat.secret');
  const alice = await alicia(stage);
  await alice.page.evaluate(() => (location.hash = '#secret'));
  await alice.alert.getByText(/secret/).waitFor();
  await alice.page.evaluate(() => (location.hash = '#garden'));
  await alice.is('connected');
});

scene('people: a token says who one is, is not stored, and ends', async (stage) => {
  await stage.startBroker(...USERS, ...SOON, '--jwt-secret', SECRET);
  const bob = await robert(stage);
  const carol = await Visitor.enter(stage, '', { token: tokenOf('carol', 3600) });
  await carol.isShownAs('as carol');
  await bob.isTold('carol joined');
  await bob.writeTo('carol');
  await bob.say('hello carol');
  await carol.hasUnread('bob', 1);
  const wires = await carol.interceptWires();
  await carol.page.reload();
  await carol.isAsked();
  const kept = await carol.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!kept.includes('eyJ'), kept);
  await carol.signIn('', { token: tokenOf('carol', 3600) });
  await carol.is('connected');
  await bob.say('hello again');
  await carol.hasUnread('bob', 1);
  wires.at(-1).send(`SEND\ndestination:/auth/refresh\n\n${tokenOf('carol', EXPIRING_SECONDS)}\0`);
  await carol.alert.getByText(/expired/i).waitFor();
  await carol.isAsked();
  await carol.signIn('', { token: 'no.such.token' });
  await carol.alert.getByText(/not accepted/i).waitFor();
  await carol.signIn('', { token: tokenOf('carol', 3600) });
  await carol.hasUnread('bob', 1);
  await carol.writeTo('bob');
  await carol.sees(['hello again']);
  await carol.leave();
  await carol.signIn('', { token: tokenOf('dave', 3600) });
  await carol.isShownAs('as dave');
  await carol.seesPeople('dave', '(you)', 'bob');
  assert.equal(await carol.page.getByTestId('unread').count(), 0);
});

scene('people: on a narrow screen the list opens and closes by the keyboard, too', async (stage) => {
  await stage.startBroker(...USERS);
  const [alice, bob] = [await alicia(stage), await robert(stage)];
  const { page } = alice;
  await page.setViewportSize({ width: 360, height: 740 });
  const toggle = page.getByTestId('people-toggle');
  await bob.writeTo('alice');
  await bob.say('psst');
  await toggle.getByTestId('unread').getByText('1').waitFor();
  await toggle.focus();
  await page.keyboard.press('Enter');
  await alice.person('bob').getByRole('button').waitFor();
  await page.keyboard.press('Escape');
  await alice.person('bob').waitFor({ state: 'hidden' });
  await page.keyboard.press('Enter');
  await alice.writeTo('bob');
  await alice.person('bob').waitFor({ state: 'hidden' });
  await alice.sees(['psst']);
  const scrolls = 'document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight';
  assert.equal(await page.evaluate(scrolls), false, 'the page does not scroll');
});

function tokenOf(sub, seconds) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, exp })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
