// docs-test: no-broker
// [key-pair]
import { createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
writeFileSync('public.pem', publicKey.export({ type: 'spki', format: 'pem' }));
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256' };
writeFileSync('keys.json', JSON.stringify({ keys: [jwk] }));

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const exp = Math.floor(Date.now() / 1000) + 3600;
const signed = `${part({ alg: 'ES256', kid: 'k1' })}.${part({ sub: process.argv[2] ?? 'bob', exp })}`;
const key = { key: privateKey, dsaEncoding: 'ieee-p1363' };
console.log(`${signed}.${createSign('SHA256').update(signed).sign(key, 'base64url')}`);
// [/key-pair]
