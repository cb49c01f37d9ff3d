import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationOf, hashOfRoom, roomNamed, roomOfHash } from '../src/room.ts';

test('a room is one segment of a destination', () => {
  const rows = [
    ['lobby', 'lobby'],
    ['  Team Blue ', 'Team-Blue'],
    ['a.b/c', 'a-b-c'],
    ['*', 'lobby'],
    ['#', 'lobby'],
    ['>x', 'x'],
    ['', 'lobby'],
    ['café_1', 'café_1'],
    ['غرفة', 'غرفة'],
    ['हिन्दी', 'हिन्दी'],
    ['😀', 'lobby'],
    ['x'.repeat(100), 'x'.repeat(64)],
  ] as const;
  for (const [text, room] of rows) assert.equal(roomNamed(text), room, text);
  assert.equal(destinationOf('lobby'), '/topic/chat.lobby');
});

test('roomOfHash reverses hashOfRoom', () => {
  for (const room of ['lobby', 'café', '房间', 'a_b-c']) assert.equal(roomOfHash(hashOfRoom(room)), room);
});

test('an empty hash is not a room, and a malformed one is taken literally', () => {
  assert.equal(roomOfHash(''), null);
  assert.equal(roomOfHash('#'), null);
  assert.equal(roomOfHash('#%E0%A4%A'), 'E0-A4-A');
});
