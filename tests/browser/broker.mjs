// A broker that runs as a process of its own, on its own port.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const BINARY = process.argv[2];
/** Deadline in milliseconds that only guards against a hang. */
export const HANG_TIMEOUT = 60_000;
/** Number of lines of the log that are printed when a test fails. */
const PRINTED_LINES = 40;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Broker {
  /** All lines of the log so far. */
  log = [];
  #child;
  #port = 0;
  #flags;
  #exited;
  #watchers = new Set();

  /** Starts the broker with `flags` and waits until it listens. */
  static async start(flags = []) {
    const broker = new Broker(flags);
    await broker.#start();
    return broker;
  }

  constructor(flags) {
    this.#flags = flags;
  }

  get host() {
    return `127.0.0.1:${this.#port}`;
  }

  /** The URL of the broker's pages, without a slash at the end. */
  get url() {
    return `http://${this.host}`;
  }

  get port() {
    return this.#port;
  }

  /** Stops the broker, which must exit with code 0. */
  async stop() {
    assert.deepEqual(await this.#terminate('SIGTERM'), [0, null], 'exit code and signal of the broker');
  }

  async kill() {
    assert.deepEqual(await this.#terminate('SIGKILL'), [null, 'SIGKILL'], 'exit code and signal of the broker');
  }

  /** Starts the broker again on the same port, after it was stopped or killed. */
  async startAgain() {
    await this.#start();
  }

  get isRunning() {
    return this.#child !== undefined;
  }

  /** Waits until `count` lines of the log match `pattern`. Earlier lines count, too. */
  async logged(pattern, count = 1) {
    const hasEnough = () => this.log.filter((line) => pattern.test(line)).length >= count;
    if (hasEnough()) return;
    const { promise, resolve, reject } = withResolvers();
    const watch = () => hasEnough() && resolve();
    const timer = setTimeout(() => reject(new Error(`the broker did not log ${pattern} (${count})`)), HANG_TIMEOUT);
    this.#watchers.add(watch);
    await promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(watch);
    });
  }

  get logTail() {
    return this.log.slice(-PRINTED_LINES).join('\n');
  }

  async #start() {
    const flags = ['--tcp', 'off', '--http', this.host, ...this.#flags];
    const child = spawn(BINARY, flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    this.#exited = once(child, 'exit').finally(() => running.delete(child));
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.log.push(line);
      this.#watchers.forEach((watch) => watch());
    });
    await this.#listening(child);
  }

  async #listening(child) {
    const { promise, resolve, reject } = withResolvers();
    const timer = setTimeout(() => reject(new Error(`the broker does not listen:\n${this.logTail}`)), HANG_TIMEOUT);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /^listening http:\/\/.*:(\d+)$/.exec(line)?.[1];
      if (port) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`the broker exited:\n${this.logTail}`)));
    this.#port = await promise.finally(() => clearTimeout(timer));
  }

  async #terminate(signal) {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), HANG_TIMEOUT);
    const exit = await this.#exited;
    clearTimeout(timer);
    this.#child = undefined;
    return exit;
  }
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...functions) => ([resolve, reject] = functions));
  return { promise, resolve, reject };
}
