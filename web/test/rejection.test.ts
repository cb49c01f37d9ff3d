import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejectionOf } from '../src/rejection.ts';

test('a rejection has the receipt id, the destination and a text', () => {
  const frame = { headers: { message: 'access denied', 'receipt-id': 'r', refused: '/topic/a' }, body: ' You may not.\n' };
  assert.deepEqual(rejectionOf(frame), { receiptId: 'r', destination: '/topic/a', text: 'You may not.', signInAgain: false });
  assert.equal(rejectionOf({ headers: { message: 'access denied' }, body: '' }).text, 'access denied');
});

test('some errors require a new sign-in', () => {
  for (const message of ['login failed', 'token expired', 'access revoked']) {
    assert.ok(rejectionOf({ headers: { message }, body: '' }).signInAgain, message);
  }
  for (const message of ['login not checked', 'access denied', '']) {
    assert.ok(!rejectionOf({ headers: { message }, body: '' }).signInAgain, message);
  }
});
