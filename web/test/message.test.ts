import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveredOf, headersOf, incoming } from '../src/message.ts';

test('a received message contains the application headers that were sent', () => {
  assert.deepEqual(incoming({ headers: headersOf('1'), body: 'x' }), { id: '1', user: null, to: null, body: 'x' });
  const copy = { ...headersOf('1', 'bob'), 'user-name': 'alice' };
  assert.deepEqual(incoming({ headers: copy, body: 'x' }), { id: '1', user: 'alice', to: 'bob', body: 'x' });
});

test('deliveredOf returns the number in the receipt, or null', () => {
  assert.equal(deliveredOf({ 'delivered-sessions': '0' }), 0);
  assert.equal(deliveredOf({ 'delivered-sessions': '12' }), 12);
  for (const value of ['', '-1', 'x']) assert.equal(deliveredOf({ 'delivered-sessions': value }), null);
  assert.equal(deliveredOf({}), null);
});
