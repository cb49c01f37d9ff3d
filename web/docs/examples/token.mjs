// docs-test: no-broker
// [token]
import { createHmac } from 'node:crypto';

const secret = process.env.JWT_SECRET ?? 'a-secret-of-thirty-two-bytes-or-more';
const [name = 'bob', seconds = 3600] = process.argv.slice(2);
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const exp = Math.floor(Date.now() / 1000) + Number(seconds);
const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: name, exp, roles: [], team: 'blue' })}`;
console.log(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`);
// [/token]
