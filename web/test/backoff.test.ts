import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../src/backoff.ts';

test('the longest wait doubles up to the maximum', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1000, 1e9].map((retry) => backoff(retry, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
});

test('the wait is a random share of the longest wait', () => {
  assert.equal(backoff(9, () => 0), 0);
  assert.equal(backoff(9, () => 0.25), 2500);
});
