// Runs the tests of web pages in a real browser against the broker: node all.mjs BROKER [TITLE-PART]
//
// BROKER is the path of the binary. If TITLE-PART is given, only tests whose titles contain it run.

import './chat.mjs';
import './people.mjs';
import './restart.mjs';
import './origins.mjs';
import './old.mjs';
import { runTests } from './environment.mjs';

// The exit handlers stop brokers and browsers.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

process.exit((await runTests(process.argv[3] ?? '')) ? 0 : 1);
