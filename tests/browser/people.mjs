// The broker's own page: who is in the room, and what is said to one person alone.

import assert from 'node:assert/strict';
import { scene } from './stage.mjs';
import { Visitor } from './visitor.mjs';

const CLIENT = ['--sockjs-client-url', '/sockjs.min.js'];
const USERS = ['--user', 'alice:a', '--user', 'bob:b', '--user', 'dave:d'];

const enter = (stage, name, choice = 'native', room = 'garden') =>
  Visitor.enter(stage, name, { passcode: name[0], choice, room });

/** Waits until these, and nobody else, are shown beside oneself. */
async function others(visitor, names) {
  await visitor.page.waitForFunction((expected) => {
    const shown = [...document.querySelectorAll('[data-testid="person"] bdi')].map(({ textContent }) => textContent);
    return JSON.stringify(shown.toSorted()) === JSON.stringify(expected);
  }, names.toSorted());
}

async function notes(visitor) {
  return visitor.page.getByTestId('note').allTextContents();
}

for (const choice of ['native', 'sockjs-xhr-polling']) {
  scene(`the demo page over ${choice}: who is there, and private messages`, async (stage) => {
    await stage.startBroker(...CLIENT, ...USERS);
    const alice = await enter(stage, 'alice', choice);
    await others(alice, []);
    const bob = await enter(stage, 'bob', choice);
    await Promise.all([others(alice, ['bob']), others(bob, ['alice'])]);
    assert.deepEqual([await notes(alice), await notes(bob)], [['bob joined'], []]);

    await alice.page.getByTestId('person').click();
    await alice.say('for you alone');
    await alice.sees(['for you alone']);
    await bob.page.getByTestId('unread').getByText('1').waitFor();
    await bob.sees([]);
    await bob.page.getByTestId('person').click();
    await bob.sees(['for you alone']);
    assert.equal(await bob.page.getByTestId('unread').count(), 0, 'it was looked at');
    await bob.say('and back');
    await alice.sees(['for you alone', 'and back']);

    await bob.leave();
    await alice.page.getByTestId('to-room').click();
    await alice.page.getByTestId('note').getByText('bob left').waitFor();
    await alice.page.getByTestId('person').click();
    await alice.say('too late');
    await alice.page.getByText('bob is not online: nobody got it').waitFor();
    await alice.discardUnsent();
    await alice.sees(['for you alone', 'and back']);
  });
}

scene('the demo page: who reloads has neither left nor joined, and windows of one user are one', async (stage) => {
  await stage.startBroker(...USERS);
  const alice = await enter(stage, 'alice');
  const bob = await enter(stage, 'bob');
  await others(alice, ['bob']);
  const second = await enter(stage, 'bob');
  await alice.page.locator('[data-testid="person"]', { hasText: '×2' }).waitFor();
  await others(second, ['alice']);
  await second.page.getByTestId('person').click();
  await second.say('from the second window');
  await alice.page.getByTestId('unread').waitFor();
  await bob.page.getByTestId('person').click();
  await bob.sees(['from the second window']);
  await second.leave();
  await bob.page.reload();
  await bob.isAsked();
  await bob.signIn('bob', { passcode: 'b' });
  await bob.is('connected');
  await others(bob, ['alice']);
  await alice.say('still nothing');
  await bob.sees(['still nothing']);
  // Whoever leaves now is told of after the grace, and so after anybody who had left before.
  const dave = await enter(stage, 'dave');
  await others(alice, ['bob', 'dave']);
  await dave.leave();
  await alice.page.getByTestId('note').getByText('dave left').waitFor();
  assert.deepEqual(await notes(alice), ['bob joined', 'dave joined', 'dave left']);
});

scene('the demo page: a draft stays with its conversation, and lines with their user', async (stage) => {
  await stage.startBroker(...USERS);
  const alice = await enter(stage, 'alice');
  await alice.page.getByTestId('write-to').fill('bob');
  await alice.page.getByTestId('write-to').press('Enter');
  await alice.page.getByTestId('composer').fill('for bob');
  await alice.page.getByTestId('to-room').click();
  assert.equal(await alice.page.getByTestId('composer').inputValue(), '');
  await alice.page.getByTestId('person').click();
  assert.equal(await alice.page.getByTestId('composer').inputValue(), 'for bob');
  await alice.page.getByTestId('send').click();
  await alice.page.getByText('bob is not online: nobody got it').waitFor();
  await alice.leave();
  await alice.signIn('dave', { passcode: 'd' });
  await alice.is('connected');
  await alice.sees([]);
  assert.equal(await alice.page.getByTestId('person').count(), 0);
});

scene('the demo page: guests are counted, and names are their own word', async (stage) => {
  await stage.startBroker();
  const anna = await Visitor.enter(stage, 'Anna');
  const ben = await Visitor.enter(stage, 'Ben');
  await anna.page.getByTestId('guests').getByText('2 guests, you among them').waitFor();
  assert.equal(await ben.page.getByTestId('person').count(), 0);
  assert.match(await ben.page.locator('header').textContent(), /as Ben, a guest/);
});

scene('the demo page: what is refused is told, and costs no connection', async (stage) => {
  const rules = ['--permissions', 'safe', '--permission', 'deny send anyone /topic/chat.locked'];
  await stage.startBroker(...USERS, ...rules, '--permission', 'deny subscribe anyone /presence/topic/chat.quiet');
  const alice = await enter(stage, 'alice', 'native', 'locked');
  await alice.say('may I?');
  await alice.page.getByText(/Not sent: This user may not send/).waitFor();
  await alice.is('connected');
  assert.equal(await alice.page.evaluate('window.losses'), 0);
  const bob = await enter(stage, 'bob', 'native', 'quiet');
  await bob.page.getByText('The broker does not tell who is here.').waitFor();
  await bob.say('all the same');
  await bob.sees(['all the same']);
});

scene('the demo page: a token signs in, a bad one is refused in words', async (stage) => {
  const { createHmac } = await import('node:crypto');
  const secret = 'a secret of thirty-two octets or more';
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part({ sub: 'carol', exp: Math.floor(Date.now() / 1000) + 600 })}`;
  const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  await stage.startBroker('--jwt-secret', secret);
  const carol = new Visitor(await stage.open('carol'));
  await carol.goTo(stage.broker);
  const signIn = async (token) => {
    const field = carol.page.getByTestId('token');
    if (!(await field.isVisible())) await carol.page.getByText('Sign in with a token').click();
    await field.fill(token);
    await carol.page.getByTestId('join').click();
  };
  await signIn(`${signed}.x`);
  await carol.alert.getByText('This token is not accepted here').waitFor();
  await signIn(token);
  await carol.is('connected');
  assert.match(await carol.page.locator('header').textContent(), /as carol/);
  const kept = await carol.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!kept.includes('eyJ'), kept);
});
