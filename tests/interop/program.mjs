// Programs that a test starts, and what they say. Whatever ends the test ends them.

import { spawn } from 'node:child_process';
import readline from 'node:readline';
import { expected } from './conversation.mjs';

const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

/** Starts a program; `out` and `log` are the lines of its two outputs. If it ends before the test, that is told. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.push(child);
  const log = new Lines(child.stderr);
  child.on('error', (error) => console.log(`${command} does not start: ${error.message}`));
  child.on('close', (code) => console.log(`${command} has ended with ${code}:\n${log.tail()}`));
  return { out: new Lines(child.stdout), log };
}

/** What a program says line by line, and what of it was waited for. */
class Lines {
  #seen = [];
  #waiting = [];

  constructor(stream) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      this.#seen.push(line);
      this.#waiting = this.#waiting.filter((wait) => !wait(line));
    });
  }

  /** What `pattern` found in the first line that it fits, of those that have come and those that will. */
  find(pattern) {
    for (const line of this.#seen) if (pattern.test(line)) return Promise.resolve(pattern.exec(line));
    return this.next(pattern);
  }

  /** The same, of those that will come. */
  next(pattern) {
    const found = new Promise((resolve) => {
      this.#waiting.push((line) => pattern.test(line) && (resolve(pattern.exec(line)), true));
    });
    return expected(`a line like ${pattern}`, found);
  }

  tail() {
    return this.#seen.slice(-20).join('\n');
  }
}
