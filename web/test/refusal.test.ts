import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOf } from '../src/refusal.ts';

test('a refusal says what it is about, and in a sentence why', () => {
  const frame = { headers: { message: 'access denied', 'receipt-id': 'r', refused: '/topic/a' }, body: ' You may not.\n' };
  assert.deepEqual(refusalOf(frame), { about: 'r', destination: '/topic/a', text: 'You may not.', signInAgain: false });
  assert.equal(refusalOf({ headers: { message: 'access denied' }, body: '' }).text, 'access denied');
});

test('some refusals one can only sign in again after', () => {
  for (const message of ['login failed', 'token expired', 'access revoked']) {
    assert.ok(refusalOf({ headers: { message }, body: '' }).signInAgain, message);
  }
  for (const message of ['login not checked', 'access denied', '']) {
    assert.ok(!refusalOf({ headers: { message }, body: '' }).signInAgain, message);
  }
});
