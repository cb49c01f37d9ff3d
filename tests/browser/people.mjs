// Tests of the demo page: presence, private messages and permissions.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from './environment.mjs';
import { DemoUser } from './demo-user.mjs';

const USERS = ['--user', 'alice:a', '--user', 'bob:b', '--user', 'Jo/~ %:j', '--user-names', 'any'];
/** Options with which the broker soon reports that a user has left. */
const SHORT_GRACE = ['--presence-grace', '100ms'];
/**
 * Validity in seconds of the last token of a session. It is long enough for the broker to handle the frame with the
 * token.
 */
const EXPIRING_SECONDS = 5;
const SECRET = 'a secret of more than thirty-two bytes';

const signInAlice = (env, more) => DemoUser.enter(env, 'alice', { passcode: 'a', ...more });
const signInBob = (env, more) => DemoUser.enter(env, 'bob', { passcode: 'b', ...more });

for (const choice of ['native', 'sockjs-xhr-polling']) {
  test(`people over ${choice}: joins, leaves and private messages`, async (env) => {
    await env.startBroker(...USERS, ...SHORT_GRACE);
    const alice = await signInAlice(env, { choice });
    await alice.seesIdentity('as alice');
    await alice.seesPeople('alice', '(you)');
    const bob = await signInBob(env, { choice });
    await alice.seesNotices('bob joined');
    await alice.seesPeople('alice', '(you)', 'bob');
    await bob.seesPeople('bob', '(you)', 'alice');
    await bob.seesNotices();

    await alice.say('to all');
    await bob.sees(['to all']);
    await alice.openPrivate('bob');
    await alice.say('to you');
    await alice.seesOwn(['to you', 'Sent']);
    await alice.say('alone');
    await alice.seesOwn('to you', ['alone', 'Sent']);
    await bob.hasUnread('alice', 2);
    assert.match(await bob.page.title(), /^\(2\) #garden/);
    assert.deepEqual(await bob.texts(), ['to all'], 'private messages are not shown in the room');
    await bob.openPrivate('alice');
    await bob.sees(['to you', 'alone']);
    assert.equal(await bob.person('alice').getByTestId('unread').count(), 0);
    await bob.say('and to you');
    await alice.sees(['to you', 'alone', 'and to you']);

    await alice.backToRoom();
    await alice.sees(['to all']);
    await alice.openPrivate('bob');
    await alice.sees(['to you', 'alone', 'and to you']);

    await bob.leave();
    await alice.seesPeople('alice', '(you)', 'bob');
    await alice.page.getByRole('heading', { name: 'Not in this room' }).waitFor();
    await alice.say('still there?');
    await alice.seesOwn('to you', ['alone', 'Sent'], 'and to you', ['still there?', 'Not delivered: the user is offline']);
    await alice.backToRoom();
    await alice.seesNotices('bob joined', 'bob left');
    assert.equal(await alice.page.evaluate('window.losses'), 0);
  });
}

test('people: several windows of one user are one person and show the same messages', async (env) => {
  await env.startBroker(...USERS, ...SHORT_GRACE);
  const bob = await signInBob(env);
  const [one, two] = [await signInAlice(env), await signInAlice(env)];
  await bob.seesPeople('bob', '(you)', 'alice', '×2');
  await one.seesPeople('alice', '(you)', '×2', 'bob');
  await one.openPrivate('bob');
  await one.say('from the first');
  await bob.hasUnread('alice', 1);
  await two.openPrivate('bob');
  await two.seesOwn(['from the first', 'Sent']);
  await two.say('from the second');
  await one.seesOwn('from the first', ['from the second', 'Sent']);
  await bob.hasUnread('alice', 2);
  await two.leave();
  await bob.seesPeople('bob', '(you)', 'alice');
  await bob.seesNotices('alice joined');
  await one.page.reload();
  await one.seesSignIn();
});

test('people: private messages work with special characters in names', async (env) => {
  await env.startBroker(...USERS, '--user', 'queue:q', '--user', '~tilde:t');
  const alice = await signInAlice(env);
  for (const [name, passcode] of [['Jo/~ %', 'j'], ['queue', 'q'], ['~tilde', 't']]) {
    const other = await DemoUser.enter(env, name, { passcode });
    await alice.openPrivate(name);
    await alice.say(`hello ${name}`);
    await alice.seesOwn([`hello ${name}`, 'Sent']);
    await other.hasUnread('alice', 1);
    await other.openPrivate('alice');
    await other.sees([`hello ${name}`]);
  }
});

test('people: a wrong passcode shows the sign-in form with the reason', async (env) => {
  await env.startBroker(...USERS);
  const user = new DemoUser(await env.open('alice'));
  await user.goTo(env.broker);
  await user.signIn('alice', { passcode: 'wrong' });
  await user.alert.waitFor();
  assert.notEqual((await user.alert.textContent()).trim(), '');
  await user.signIn('alice', { passcode: 'a' });
  await user.is('connected');
  await user.seesIdentity('as alice');
});

test('people: guests are counted and not listed', async (env) => {
  await env.startBroker(...SHORT_GRACE);
  const anna = await DemoUser.enter(env, 'Anna');
  await anna.seesIdentity('as Anna (guest)');
  await anna.seesGuests('1 guest (you)');
  const ben = await DemoUser.enter(env, 'Ben');
  await anna.seesGuests('2 guests, including you');
  await anna.seesPeople();
  await ben.say('hello');
  await anna.sees(['hello']);
  await ben.leave();
  await anna.seesGuests('1 guest (you)');
  await anna.seesNotices();
});

test('people: a rejected message is shown with its reason, and the connection stays open', async (env) => {
  await env.startBroker(...USERS, '--default-permissions', 'safe', '--permission', 'deny send anyone /topic/chat.locked');
  const alice = await signInAlice(env, { room: 'locked' });
  const bob = await signInBob(env, { room: 'locked' });
  await alice.say('not this');
  await alice.page.getByText(/^Not sent: .*locked/).waitFor();
  await alice.openPrivate('bob');
  await alice.say('but this');
  await bob.hasUnread('alice', 1);
  await alice.backToRoom();
  await alice.page.getByText('not this', { exact: true }).waitFor();
  await alice.discardUnsent();
  await alice.sees([]);
  await bob.sees([]);
  assert.equal(await alice.page.evaluate('window.losses'), 0);
});

test('people: without permission for presence, messages still work', async (env) => {
  await env.startBroker(...USERS, '--permission', 'deny subscribe anyone /presence/**');
  const [alice, bob] = [await signInAlice(env), await signInBob(env)];
  for (const user of [alice, bob]) await user.page.getByTestId('people-unavailable').waitFor();
  await alice.say('hello');
  await bob.sees(['hello']);
  assert.equal(await alice.page.evaluate('window.losses'), 0);
});

test('people: a room without permission is rejected with the reason', async (env) => {
  await env.startBroker(...USERS, '--permission', 'deny subscribe anyone /topic/chat.secret');
  const alice = await signInAlice(env);
  await alice.page.evaluate(() => (location.hash = '#secret'));
  await alice.alert.getByText(/secret/).waitFor();
  await alice.page.evaluate(() => (location.hash = '#garden'));
  await alice.is('connected');
});

test('people: a token identifies the user, is not stored, and expires', async (env) => {
  await env.startBroker(...USERS, ...SHORT_GRACE, '--jwt-secret', SECRET);
  const bob = await signInBob(env);
  const carol = await DemoUser.enter(env, '', { token: tokenOf('carol', 3600) });
  await carol.seesIdentity('as carol');
  await bob.seesNotices('carol joined');
  await bob.openPrivate('carol');
  await bob.say('hello carol');
  await carol.hasUnread('bob', 1);
  const sockets = await carol.interceptWebSockets();
  await carol.page.reload();
  await carol.seesSignIn();
  const stored = await carol.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes('eyJ'), stored);
  await carol.signIn('', { token: tokenOf('carol', 3600) });
  await carol.is('connected');
  await bob.say('hello again');
  await carol.hasUnread('bob', 1);
  sockets.at(-1).send(`SEND\ndestination:/auth/refresh\n\n${tokenOf('carol', EXPIRING_SECONDS)}\0`);
  await carol.alert.getByText(/expired/i).waitFor();
  await carol.seesSignIn();
  await carol.signIn('', { token: 'no.such.token' });
  await carol.alert.getByText(/not accepted/i).waitFor();
  await carol.signIn('', { token: tokenOf('carol', 3600) });
  await carol.hasUnread('bob', 1);
  await carol.openPrivate('bob');
  await carol.sees(['hello again']);
  await carol.leave();
  await carol.signIn('', { token: tokenOf('dave', 3600) });
  await carol.seesIdentity('as dave');
  await carol.seesPeople('dave', '(you)', 'bob');
  assert.equal(await carol.page.getByTestId('unread').count(), 0);
});

test('people: on a narrow screen the list opens and closes with the keyboard', async (env) => {
  await env.startBroker(...USERS);
  const [alice, bob] = [await signInAlice(env), await signInBob(env)];
  const { page } = alice;
  await page.setViewportSize({ width: 360, height: 740 });
  const toggle = page.getByTestId('people-toggle');
  await bob.openPrivate('alice');
  await bob.say('psst');
  await toggle.getByTestId('unread').getByText('1').waitFor();
  await toggle.focus();
  await page.keyboard.press('Enter');
  await alice.person('bob').getByRole('button').waitFor();
  await page.keyboard.press('Escape');
  await alice.person('bob').waitFor({ state: 'hidden' });
  await page.keyboard.press('Enter');
  await alice.openPrivate('bob');
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
