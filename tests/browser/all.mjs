// Runs all tests of pages in a real browser that talk to the broker: node all.mjs PATH-OF-THE-BROKER [WORDS-OF-A-TITLE]

import './chat.mjs';
import './people.mjs';
import './restart.mjs';
import './origins.mjs';
import './old.mjs';
import { play } from './stage.mjs';

// The exit handlers end brokers and browsers.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

process.exit((await play(process.argv[3] ?? '')) ? 0 : 1);
