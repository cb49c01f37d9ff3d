// Pages in a real browser that talk to the broker: node all.mjs PATH-OF-THE-BROKER [WORDS-OF-A-TITLE]

import './chat.mjs';
import { play } from './stage.mjs';

process.exit((await play(process.argv[3] ?? '')) ? 0 : 1);
