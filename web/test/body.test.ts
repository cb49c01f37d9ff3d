import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '../src/body.ts';

test('decode returns the encoded message', () => {
  const message = { from: 'Zoë', text: 'a\n"b" \u0000 😀 <b>', at: new Date('2026-11-20T10:00:00.000Z') };
  assert.deepEqual(decode(encode(message)), message);
});

test('a body that is not a chat message is plain text from unknown', () => {
  const bodies = ['', 'hello', '{', 'null', '[]', '"x"', '{"text":"x"}', '{"from":1,"text":"x"}', '{"from":"x","text":{}}'];
  for (const body of bodies) assert.deepEqual(decode(body), { from: 'unknown', text: body, at: null }, body);
});

test('a message with an empty name or an invalid date is decoded', () => {
  assert.deepEqual(decode('{"from":" ","text":"x","at":"never"}'), { from: 'unknown', text: 'x', at: null });
  assert.equal(decode('{"from":"a","text":"x","at":{}}').at, null);
  assert.equal(decode('{"from":"a","text":"x","at":8.65e15}').at, null);
});
