import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOBODY, tell, type People } from '../src/presence.ts';

const snapshot = (page: number, users?: [string, number][]) =>
  JSON.stringify({ event: 'snapshot', page, members: 2, anonymous: 1, users: users?.map(([user, sessions]) => ({ user, sessions })) });
const changes = (list?: [string, string][]) =>
  JSON.stringify({ event: 'changes', page: 1, members: 3, anonymous: 0, changes: list?.map(([event, user]) => ({ event, user, sessions: 1 })) });
const names = ({ names }: People) => [...(names?.keys() ?? ['?'])];

test('a snapshot is everybody, page by page, and nobody joins by it', () => {
  const first = tell(NOBODY, snapshot(1, [['alice', 2]]));
  assert.deepEqual([names(first.people), first.people.guests, first.joined], [['alice'], 1, []]);
  assert.deepEqual(names(tell(first.people, snapshot(2, [['bob', 1]])).people), ['alice', 'bob']);
  assert.deepEqual(names(tell(first.people, snapshot(1, [['carol', 1]])).people), ['carol']);
});

test('changes are joins, leaves, and numbers of sessions', () => {
  const { people } = tell(NOBODY, snapshot(1, [['alice', 1]]));
  const told = tell(people, changes([['join', 'bob'], ['update', 'alice'], ['leave', 'alice']]));
  assert.deepEqual([names(told.people), told.joined, told.left], [['bob'], ['bob'], ['alice']]);
  assert.deepEqual(tell(people, changes([['leave', 'zoe']])).left, [], 'who was not there');
});

test('of a crowd only the number is known', () => {
  for (const body of [snapshot(1), changes()]) assert.deepEqual(names(tell(NOBODY, body).people), ['?']);
});

test('what is no presence changes nothing', () => {
  for (const body of ['', 'null', '{}', '[]', '{"event":"else"}']) assert.equal(tell(NOBODY, body).people, NOBODY, body);
});
