// Runs programs for the documentation's examples: brokers, scripts, and checks of configurations.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';

/** A deadline that only guards against a hang. */
export const HANG_TIMEOUT_MS = 120_000;

/** The running process groups. Each program has a group of its own, because scripts may start other programs. */
const groups = new Set();
process.on('exit', () => groups.forEach((group) => signal(group, 'SIGKILL')));
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => process.exit(1));

/** Sends a signal to a process group, if it still has a process. */
function signal(group, name) {
  try {
    process.kill(-group, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function start(command, args, options) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
  if (child.pid) groups.add(child.pid);
  child.log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (child.log += text));
  child.exited = new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: `no start (${error.message})` }));
    child.on('exit', (code, name) => resolve({ code: code ?? name }));
  });
  return child;
}

/** Resolves as `promise` does, or with `undefined` when the deadline has passed. */
function inTime(promise, milliseconds = HANG_TIMEOUT_MS) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Runs a program to its end. Resolves with its exit code, its standard output and its standard error. Kills other
 * processes that the program has started.
 */
export async function run(command, args, options) {
  const child = start(command, args, options);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  const closed = child.pid && once(child, 'close');
  const { code } = (await inTime(child.exited)) ?? { code: `none: it still runs after ${HANG_TIMEOUT_MS} ms` };
  if (child.pid) {
    signal(child.pid, 'SIGKILL');
    await closed;
    groups.delete(child.pid);
  }
  return { code, out, log: child.log };
}

/** A broker on free ports. */
export class Broker {
  #child;
  ports = {};

  /** Starts a broker with `options`. Resolves with the broker when it listens. */
  static async start(binary, options, settings) {
    const broker = new Broker();
    const isGiven = (option) => options.some((word) => word === `--${option}` || word.startsWith(`--${option}=`));
    const listen = ['http', 'tcp'].filter((option) => !isGiven(option));
    const free = listen.flatMap((option) => [`--${option}`, '127.0.0.1:0']);
    broker.#child = start(binary, [...free, ...options], settings);
    const ended = broker.#child.exited.then(() => false);
    if (!(await inTime(Promise.race([broker.#listens(listen), ended])))) {
      const code = await broker.stop();
      const wanted = `a broker with the options ${[...free, ...options].join(' ')} that listens`;
      throw new Error(`expected ${wanted}, found exit code ${code}; its log was:\n${broker.log}`);
    }
    return broker;
  }

  /** Resolves when the broker listens for all of `schemes`. */
  #listens(schemes) {
    return new Promise((resolve) => {
      readline.createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const [, scheme, port] = /^listening (\w+):\/\/[^/]*:(\d+)/.exec(line) ?? [];
        if (scheme) this.ports[scheme] ??= port;
        if (schemes.every((scheme) => this.ports[scheme])) resolve(true);
      });
      if (!schemes.length) resolve(true);
    });
  }

  get log() {
    return this.#child.log.trimEnd().split('\n').slice(-20).join('\n');
  }

  /** Stops the broker and resolves with its exit code. */
  async stop() {
    const child = this.#child;
    if (!child.pid) return child.exited.then(({ code }) => code);
    signal(child.pid, 'SIGTERM');
    const end = await inTime(child.exited);
    signal(child.pid, 'SIGKILL');
    groups.delete(child.pid);
    return end?.code ?? 'none: it does not stop after SIGTERM';
  }
}
