import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTOMATIC, TRANSPORTS, isChoice, nextWay, type Way } from '../src/transports.ts';

const native: Way = { kind: 'native' };
const sockjs: Way = { kind: 'sockjs', transports: [] };

test('a chosen transport is the only one tried', () => {
  assert.deepEqual(nextWay('native', { way: sockjs, opened: true }), native);
  for (const { id, sockJs } of TRANSPORTS.filter((transport) => transport.sockJs !== null)) {
    assert.deepEqual(nextWay(id, { way: native, opened: false }), { kind: 'sockjs', transports: [sockJs] });
  }
});

test('automatic stays with what opened and changes over from what did not', () => {
  assert.deepEqual(nextWay(AUTOMATIC, null), native);
  assert.deepEqual(nextWay(AUTOMATIC, { way: native, opened: false }), sockjs);
  assert.deepEqual(nextWay(AUTOMATIC, { way: sockjs, opened: false }), native);
  assert.deepEqual(nextWay(AUTOMATIC, { way: native, opened: true }), native);
  assert.deepEqual(nextWay(AUTOMATIC, { way: sockjs, opened: true }), sockjs);
});

test('what was stored by another version of the page is no choice', () => {
  assert.ok(isChoice(AUTOMATIC) && isChoice('sockjs-xhr-polling'));
  assert.ok(!isChoice('') && !isChoice('xhr-polling'));
});
