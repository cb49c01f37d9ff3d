// The environment of a test: windows of a browser that all tests share, a broker, and the web server of another site.
// If a test fails, their logs are printed.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { Broker, HANG_TIMEOUT } from './broker.mjs';
import { Site } from './site.mjs';

/** Number of lines of each log that are printed when a test fails. */
const PRINTED_LINES = 40;
/** Number of tests that run at the same time. */
const PARALLEL_TESTS = 2;
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // The names that the tests use resolve to this machine. No other name resolves.
  '--host-resolver-rules=MAP *.example.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
];

const tests = [];

/** Defines a test. `run` receives its own environment. */
export function test(title, run) {
  tests.push({ title, run });
}

/** Runs the tests whose titles contain `titlePart`. Returns whether all have passed. */
export async function runTests(titlePart) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const waiting = tests.filter(({ title }) => title.includes(titlePart));
  const all = waiting.length;
  let failed = 0;
  const runWaiting = async () => {
    while (waiting.length > 0) {
      if (!(await runTest(browser, waiting.shift()))) failed++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_TESTS }, runWaiting));
  await browser.close();
  console.log(`${all - failed} of ${all} tests passed`);
  return all > 0 && failed === 0;
}

async function runTest(browser, { title, run }) {
  const env = new Environment(browser);
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  try {
    await run(env);
    for (const { name, errors } of env.views) assert.deepEqual(errors, [], `errors in the console of ${name}`);
    await env.end();
    console.log(`ok ${title} (${seconds()})`);
    return true;
  } catch (error) {
    console.log(`FAILED ${title} (${seconds()}): ${error.stack}\n${await env.logTails()}`);
    await env.end().catch((error) => console.log(error.message));
    return false;
  }
}

class Environment {
  views = [];
  broker;
  #browser;
  #site;

  constructor(browser) {
    this.#browser = browser;
  }

  /** Starts the broker of this test. */
  async startBroker(...flags) {
    this.broker = await Broker.start(flags);
    return this.broker;
  }

  async site() {
    this.#site ??= await Site.start();
    return this.#site;
  }

  /** Opens a window without cookies and stored data. */
  async open(name) {
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(HANG_TIMEOUT);
    const view = await View.open(name, context);
    this.views.push(view);
    return view;
  }

  /** Returns the last lines of all logs, for the report about a failed test. */
  async logTails() {
    const lines = [];
    for (const view of this.views) {
      lines.push(`-- ${view.name}`, ...view.console.slice(-PRINTED_LINES), ...view.requests.slice(-PRINTED_LINES));
      lines.push(await view.text());
    }
    if (this.broker) lines.push('-- the broker', this.broker.logTail);
    return lines.join('\n');
  }

  async end() {
    for (const view of this.views) await view.close();
    await this.#site?.stop();
    if (this.broker?.isRunning) await this.broker.stop();
  }
}

/** A page, with its console messages and its requests. */
class View {
  console = [];
  /** Errors in the console and violations of the content security policy, except errors that the test ignores. */
  errors = [];
  /** Requests such as `GET /ws/info 200`, and WebSockets such as `WS /ws`. Frames in the page are included. */
  requests = [];
  #ignored = [];

  static async open(name, context) {
    // This script runs in every frame before the scripts of the page.
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        console.error(`POLICY ${violatedDirective} ${blockedURI}`);
      });
    });
    return new View(name, context, await context.newPage());
  }

  constructor(name, context, page) {
    this.name = name;
    this.context = context;
    this.page = page;
    page.on('console', (message) => this.#record(message.type(), `${message.text()} ${message.location().url}`));
    page.on('pageerror', (error) => this.#record('error', error.stack ?? String(error)));
    page.on('response', (response) => {
      this.requests.push(`${response.request().method()} ${pathOf(response.url())} ${response.status()}`);
    });
    page.on('requestfailed', (request) => {
      this.requests.push(`${request.method()} ${pathOf(request.url())} ${request.failure()?.errorText}`);
    });
    page.on('websocket', (socket) => this.requests.push(`WS ${pathOf(socket.url())}`));
  }

  /** Ignores errors that match `pattern` from now on. */
  ignoreErrors(pattern) {
    this.#ignored.push(pattern);
  }

  /** The last segments of the requested paths below `/ws`, such as `info` and `xhr_send`; empty for `/ws` itself. */
  get endpoints() {
    const paths = this.requests.map((request) => request.split(' ')[1]).filter((path) => /^\/ws(\/|$)/.test(path));
    return new Set(paths.map((path) => path.split('/').slice(2).at(-1) ?? ''));
  }

  async text() {
    return this.page.innerText('body', { timeout: 1_000 }).catch(String).then((text) => text.slice(-1_000));
  }

  async close() {
    await this.context.close();
  }

  #record(type, text) {
    this.console.push(`${type}: ${text}`);
    if (type === 'error' && !this.#ignored.some((pattern) => pattern.test(text))) this.errors.push(text);
  }
}

function pathOf(url) {
  return new URL(url).pathname;
}
