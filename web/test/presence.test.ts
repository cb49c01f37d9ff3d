import assert from 'node:assert/strict';
import { test } from 'node:test';
import { step, type Presence } from '../src/presence.ts';

const told = (event: string, more: object) =>
  JSON.stringify({ event, of: '/topic/chat.x', version: 1, page: 1, pages: 1, members: 1, sessions: 1, anonymous: 0, ...more });
const user = (name: string, sessions = 1) => ({ user: name, since: 1, sessions });
const names = (presence: Presence | null) => (presence?.users ? [...presence.users.keys()] : null);

/** What comes of several messages, and who was seen to come and go by the last one. */
function steps(...bodies: string[]) {
  return bodies.reduce((before, body) => step(before.presence, body), step(null, '{}'));
}

test('a snapshot is who is there, and nobody is seen to come by it', () => {
  const { presence, joined, left } = steps(told('snapshot', { members: 2, anonymous: 3, users: [user('a'), user('b', 2)] }));
  assert.deepEqual(names(presence), ['a', 'b']);
  assert.equal(presence?.users?.get('b')?.sessions, 2);
  assert.deepEqual([presence?.members, presence?.guests, joined, left], [2, 3, [], []]);
});

test('pages are one snapshot, which replaces what was known when the last has come', () => {
  const old = told('snapshot', { users: [user('z')] });
  const first = told('snapshot', { pages: 2, users: [user('a')] });
  const second = told('snapshot', { pages: 2, page: 2, users: [user('b')] });
  assert.deepEqual(names(steps(old, first).presence), ['z']);
  assert.deepEqual(names(steps(old, first, second).presence), ['a', 'b']);
  assert.deepEqual(names(steps(first, second).presence), ['a', 'b']);
});

test('changes: join, update, leave', () => {
  const before = told('snapshot', { users: [user('a'), user('c')] });
  const changes = [
    { event: 'join', ...user('b') },
    { event: 'update', ...user('a', 2) },
    { event: 'leave', user: 'c' },
    { event: 'leave', user: 'nobody' },
  ];
  const { presence, joined, left } = steps(before, told('changes', { members: 2, anonymous: 1, changes }));
  assert.deepEqual([names(presence), joined, left], [['a', 'b'], ['b'], ['c']]);
  assert.deepEqual([presence?.users?.get('a')?.sessions, presence?.guests], [2, 1]);
});

test('a join of one who is there is no join', () => {
  const { joined } = steps(told('snapshot', { users: [user('a')] }), told('changes', { changes: [{ event: 'join', ...user('a', 2) }] }));
  assert.deepEqual(joined, []);
});

test('counts alone where there are many, names again where there are few', () => {
  const many = steps(told('snapshot', { users: [user('a')] }), told('snapshot', { members: 5_000 }));
  assert.deepEqual([names(many.presence), many.presence?.members], [null, 5_000]);
  const more = step(many.presence, told('changes', { members: 5_001 }));
  assert.deepEqual([names(more.presence), more.presence?.members, more.joined], [null, 5_001, []]);
  assert.deepEqual(names(step(more.presence, told('snapshot', { users: [user('b')] })).presence), ['b']);
});

test('what is no presence changes nothing', () => {
  const { presence } = steps(told('snapshot', { users: [user('a')] }));
  for (const body of ['', '{', 'null', '[]', '{"event":"other"}']) assert.equal(step(presence, body).presence, presence, body);
  assert.deepEqual(names(step(presence, told('changes', { changes: [null, 1, {}, { user: 2 }] })).presence), ['a']);
  assert.equal(step(null, told('changes', { changes: [] })).presence, null);
});
