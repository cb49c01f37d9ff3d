import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPresence, type Presence } from '../src/presence.ts';

const encode = (event: string, more: object) =>
  JSON.stringify({ event, of: '/topic/chat.x', version: 1, page: 1, pages: 1, members: 1, sessions: 1, anonymous: 0, ...more });
const user = (name: string, sessions = 1) => ({ user: name, since: 1, sessions });
const names = (presence: Presence | null) => (presence?.users ? [...presence.users.keys()] : null);

/** Applies several messages and returns the result of the last one. */
function applyAll(...bodies: string[]) {
  return bodies.reduce((before, body) => applyPresence(before.presence, body), applyPresence(null, '{}'));
}

test('a snapshot replaces the presence without joins or leaves', () => {
  const { presence, joined, left } = applyAll(encode('snapshot', { members: 2, anonymous: 3, users: [user('a'), user('b', 2)] }));
  assert.deepEqual(names(presence), ['a', 'b']);
  assert.equal(presence?.users?.get('b')?.sessions, 2);
  assert.deepEqual([presence?.members, presence?.guests, joined, left], [2, 3, [], []]);
});

test('a snapshot in pages replaces the presence when its last page arrives', () => {
  const old = encode('snapshot', { users: [user('z')] });
  const first = encode('snapshot', { pages: 2, users: [user('a')] });
  const second = encode('snapshot', { pages: 2, page: 2, users: [user('b')] });
  assert.deepEqual(names(applyAll(old, first).presence), ['z']);
  assert.deepEqual(names(applyAll(old, first, second).presence), ['a', 'b']);
  assert.deepEqual(names(applyAll(first, second).presence), ['a', 'b']);
});

test('changes: join, update, leave', () => {
  const before = encode('snapshot', { users: [user('a'), user('c')] });
  const changes = [
    { event: 'join', ...user('b') },
    { event: 'update', ...user('a', 2) },
    { event: 'leave', user: 'c' },
    { event: 'leave', user: 'nobody' },
  ];
  const { presence, joined, left } = applyAll(before, encode('changes', { members: 2, anonymous: 1, changes }));
  assert.deepEqual([names(presence), joined, left], [['a', 'b'], ['b'], ['c']]);
  assert.deepEqual([presence?.users?.get('a')?.sessions, presence?.guests], [2, 1]);
});

test('a join of a present user is not reported as a join', () => {
  const { joined } = applyAll(encode('snapshot', { users: [user('a')] }), encode('changes', { changes: [{ event: 'join', ...user('a', 2) }] }));
  assert.deepEqual(joined, []);
});

test('large rooms have only counts, and names return with a snapshot', () => {
  const many = applyAll(encode('snapshot', { users: [user('a')] }), encode('snapshot', { members: 5_000 }));
  assert.deepEqual([names(many.presence), many.presence?.members], [null, 5_000]);
  const more = applyPresence(many.presence, encode('changes', { members: 5_001 }));
  assert.deepEqual([names(more.presence), more.presence?.members, more.joined], [null, 5_001, []]);
  assert.deepEqual(names(applyPresence(more.presence, encode('snapshot', { users: [user('b')] })).presence), ['b']);
});

test('invalid messages change nothing', () => {
  const { presence } = applyAll(encode('snapshot', { users: [user('a')] }));
  for (const body of ['', '{', 'null', '[]', '{"event":"other"}']) assert.equal(applyPresence(presence, body).presence, presence, body);
  assert.deepEqual(names(applyPresence(presence, encode('changes', { changes: [null, 1, {}, { user: 2 }] })).presence), ['a']);
  assert.equal(applyPresence(null, encode('changes', { changes: [] })).presence, null);
});
