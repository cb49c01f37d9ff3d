// Starts programs for a test and reads their output. The programs are stopped when the test ends for any reason.

import { spawn } from 'node:child_process';
import readline from 'node:readline';
import { withTimeout } from './conversation.mjs';

const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

/**
 * Starts a program. Returns the lines of its standard output (`out`) and standard error (`log`). Prints a message if
 * the program ends before the test.
 */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.push(child);
  const log = new Lines(child.stderr);
  child.on('error', (error) => console.log(`${command} does not start: ${error.message}`));
  child.on('close', (code) => console.log(`${command} has exited with ${code}:\n${log.tail()}`));
  return { out: new Lines(child.stdout), log };
}

/** The lines that a program has printed. Tests can wait for a line. */
class Lines {
  #seen = [];
  #waiting = [];

  constructor(stream) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      this.#seen.push(line);
      this.#waiting = this.#waiting.filter((wait) => !wait(line));
    });
  }

  /**
   * Resolves with the match of `pattern` in the first matching line. Searches earlier lines and then waits for further
   * ones.
   */
  find(pattern) {
    for (const line of this.#seen) if (pattern.test(line)) return Promise.resolve(pattern.exec(line));
    return this.next(pattern);
  }

  /** Resolves with the match of `pattern` in the next matching line. Does not search earlier lines. */
  next(pattern) {
    const found = new Promise((resolve) => {
      this.#waiting.push((line) => pattern.test(line) && (resolve(pattern.exec(line)), true));
    });
    return withTimeout(`a line like ${pattern}`, found);
  }

  tail() {
    return this.#seen.slice(-20).join('\n');
  }
}
