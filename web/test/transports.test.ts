import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTOMATIC, TRANSPORTS, isChoice, nextMethod, type ConnectMethod } from '../src/transports.ts';

const native: ConnectMethod = { kind: 'native' };
const sockjs: ConnectMethod = { kind: 'sockjs', transports: [] };

test('a chosen transport is the only one tried', () => {
  assert.deepEqual(nextMethod('native', { method: sockjs, opened: true }), native);
  for (const { id, sockJs } of TRANSPORTS.filter((transport) => transport.sockJs !== null)) {
    assert.deepEqual(nextMethod(id, { method: native, opened: false }), { kind: 'sockjs', transports: [sockJs] });
  }
});

test('automatic keeps a method that opened and changes one that did not', () => {
  assert.deepEqual(nextMethod(AUTOMATIC, null), native);
  assert.deepEqual(nextMethod(AUTOMATIC, { method: native, opened: false }), sockjs);
  assert.deepEqual(nextMethod(AUTOMATIC, { method: sockjs, opened: false }), native);
  assert.deepEqual(nextMethod(AUTOMATIC, { method: native, opened: true }), native);
  assert.deepEqual(nextMethod(AUTOMATIC, { method: sockjs, opened: true }), sockjs);
});

test('unknown stored names are not a choice', () => {
  assert.ok(isChoice(AUTOMATIC) && isChoice('sockjs-xhr-polling'));
  assert.ok(!isChoice('') && !isChoice('xhr-polling'));
});
