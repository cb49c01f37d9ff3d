import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGuests, joinNames, listPeople, privateDestination, segmentOf } from '../src/people.ts';

test('a name is encoded as one segment without special meaning', () => {
  const rows = [
    ['alice', 'alice'],
    ['john.doe', 'john.doe'],
    ['Jo Doe', 'Jo%20Doe'],
    ['a/b', 'a%2Fb'],
    ['100%', '100%25'],
    ['小', '%E5%B0%8F'],
    ['~s1', '%7Es1'],
    ['a~b', 'a~b'],
    ['queue', '%71ueue'],
    ['topic', '%74opic'],
    ['queues', 'queues'],
    ['*', '%2A'],
    ['**', '%2A%2A'],
    ['#', '%23'],
    ['>', '%3E'],
  ] as const;
  for (const [name, segment] of rows) {
    assert.equal(segmentOf(name), segment, name);
    assert.equal(decodeURIComponent(segment), name);
  }
  assert.equal(privateDestination('bob'), '/user/bob/queue/chat');
});

test('the user comes first, then others in the room, then private partners', () => {
  const users = new Map(['zoe', 'bob', 'me'].map((name) => [name, { name, sessions: 1 }]));
  const presence = { users, members: 3, guests: 0, pages: null };
  const order = (people: { name: string }[]) => people.map(({ name }) => name);
  assert.deepEqual(order(listPeople(presence, 'me', ['carol', 'bob'])), ['me', 'bob', 'zoe', 'carol']);
  assert.deepEqual(order(listPeople(null, null, ['bob'])), ['bob']);
  assert.equal(listPeople(presence, 'me', ['carol']).at(-1)?.sessions, 0);
});

test('at most three names are listed', () => {
  const rows: [string[], string][] = [
    [['a'], 'a'],
    [['a', 'b'], 'a and b'],
    [['a', 'b', 'c'], 'a, b and c'],
    [['a', 'b', 'c', 'd'], 'a, b and 2 others'],
  ];
  for (const [names, text] of rows) assert.equal(joinNames(names), text);
});

test('formatGuests states the number of guests', () => {
  assert.equal(formatGuests(0, 3, false), '');
  assert.equal(formatGuests(1, 3, false), 'and 1 guest');
  assert.equal(formatGuests(1, 0, true), '1 guest (you)');
  assert.equal(formatGuests(1234, 2, true), 'and 1,234 guests, including you');
});
