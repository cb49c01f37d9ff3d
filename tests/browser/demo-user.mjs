// A user of the broker's demo page.

import assert from 'node:assert/strict';
import { HANG_TIMEOUT } from './broker.mjs';

/**
 * Transports of the page: the value in the select box, the name that the page shows, the label in the log, and the
 * endpoints.
 */
export const TRANSPORTS = [
  { choice: 'native', inUse: 'WebSocket', logged: 'websocket', endpoints: [''] },
  ...[
    ['websocket', 'websocket', ['websocket']],
    ['xhr-streaming', 'xhr-streaming', ['xhr_streaming', 'xhr_send']],
    ['eventsource', 'eventsource', ['eventsource', 'xhr_send']],
    ['iframe-eventsource', 'eventsource', ['iframe.html', 'sockjs.min.js', 'eventsource', 'xhr_send']],
    ['htmlfile', 'htmlfile', ['htmlfile', 'xhr_send']],
    ['iframe-htmlfile', 'htmlfile', ['iframe.html', 'sockjs.min.js', 'htmlfile', 'xhr_send']],
    ['xhr-polling', 'xhr-polling', ['xhr', 'xhr_send']],
    ['iframe-xhr-polling', 'xhr-polling', ['iframe.html', 'sockjs.min.js', 'xhr', 'xhr_send']],
    ['jsonp-polling', 'jsonp-polling', ['jsonp', 'jsonp_send']],
  ].map(([name, logged, endpoints]) => ({
    choice: `sockjs-${name}`,
    inUse: `SockJS ${name}`,
    logged: `sockjs-${logged}`,
    endpoints: ['info', ...endpoints],
  })),
];

const MESSAGE = '[data-testid="message"]';

export class DemoUser {
  /** Opens the demo page of the broker in `env`, and joins a room over the given transport. */
  static async enter(env, name, { room = 'garden', choice = 'native', passcode = '', token = '' } = {}) {
    const user = new DemoUser(await env.open(name || 'token user'));
    await user.goTo(env.broker);
    await user.signIn(name, { room, choice, passcode, token });
    await user.is('connected');
    await user.page.evaluate(countConnectionLosses);
    return user;
  }

  constructor(view) {
    this.view = view;
    this.page = view.page;
  }

  async goTo(broker) {
    const response = await this.page.goto(`${broker.url}/`);
    assert.match(await response.text(), /stompbox-endpoint/, 'this broker was built without its page (npm is needed)');
  }

  /**
   * Returns a list of the WebSockets that the page opens after its next load. It is empty at first. Over these
   * WebSockets a test can send frames as if it were the page.
   */
  async interceptWebSockets() {
    const sockets = [];
    await this.page.routeWebSocket(/./, (socket) => void sockets.push(socket.connectToServer()));
    return sockets;
  }

  /** Fills in the sign-in form and submits it. */
  async signIn(name, { room = 'garden', choice = 'native', passcode = '', token = '' } = {}) {
    await this.#at('name').fill(name);
    await this.#at('room').fill(room);
    await this.#at('passcode').fill(passcode);
    await this.#at('transport-select').selectOption(choice);
    if (token) {
      // The field is visible already if the page asks for the token again.
      if (!(await this.#at('token').isVisible())) await this.page.getByText('Sign in with a token').click();
      await this.#at('token').fill(token);
    }
    await this.#at('join').click();
  }

  /** Waits until the page shows one of these connection states. */
  async is(...states) {
    await this.page.waitForFunction(
      (states) => states.includes(document.querySelector('[data-testid="state"]')?.textContent),
      states,
    );
  }

  /** Waits until the first connection of the page has been lost. The page may already have a new connection. */
  async hasLostConnection() {
    await this.page.waitForFunction(() => window.losses > 0);
  }

  async transportInUse() {
    return this.#at('transport-in-use').textContent();
  }

  async selectTransport(choice) {
    await this.#at('transport-select').selectOption(choice);
  }

  async say(text) {
    await this.#at('composer').fill(text);
    await this.#at('send').click();
  }

  /** Sends a message like `say`, but with the keyboard. */
  async type(text) {
    await this.#at('composer').fill(text);
    await this.#at('composer').press('Enter');
  }

  /**
   * Waits until this many messages are shown and the messages of this user are confirmed. Asserts that exactly these
   * texts are shown.
   */
  async sees(texts) {
    await this.#settled(texts.length);
    assert.deepEqual(await this.texts(), texts, `texts in the window of ${this.view.name}`);
  }

  /** Waits until `count` messages are shown and the messages of this user are confirmed. Returns all texts. */
  async texts(count = 0) {
    await this.#settled(count);
    return this.page.locator(`${MESSAGE} .text`).allTextContents();
  }

  /** Discards messages that could not be sent. */
  async discardUnsent() {
    await this.page.getByRole('button', { name: 'Discard' }).click();
  }

  async leave() {
    await this.#at('leave').click();
    await this.#at('join').waitFor();
  }

  /** Waits until the page shows the sign-in form. */
  async seesSignIn() {
    await this.#at('join').waitFor();
  }

  // ---- users ----

  /** Waits until the list of users shows exactly these texts, in this order. */
  async seesPeople(...people) {
    await this.#sees('[data-testid="people"] li bdi, [data-testid="people"] li .extra', people);
  }

  /** Waits until exactly these notices about joins and leaves are shown. */
  async seesNotices(...notices) {
    await this.#sees('[data-testid="notice"]', notices);
  }

  /** Waits until this text about guests is shown. */
  async seesGuests(text) {
    await this.#sees('[data-testid="guests"]', text ? [text] : []);
  }

  /** Waits until the page shows this as the user's own name. */
  async seesIdentity(text) {
    await this.#at('identity').getByText(text, { exact: true }).waitFor();
  }

  person(name) {
    return this.page.locator(`[data-testid="person"][data-name="${name}"]`);
  }

  /** Opens the private conversation with a user. */
  async openPrivate(name) {
    await this.person(name).getByRole('button').click();
    await this.#at('partner').getByText(name, { exact: true }).waitFor();
  }

  async backToRoom() {
    await this.#at('to-room').click();
    await this.#at('partner').waitFor({ state: 'detached' });
  }

  /** Waits until this number of unread messages of a user is shown. */
  async hasUnread(name, count) {
    await this.person(name).getByTestId('unread').getByText(String(count)).waitFor();
  }

  /** Waits until exactly these messages are shown, each with its text and its state, such as `['hello', 'Sent']`. */
  async seesOwn(...messages) {
    await this.#sees('[data-testid="message"] .text, [data-testid="message"] :is(.status, .unsent span)', messages.flat());
  }

  async #sees(selector, texts) {
    const read = () =>
      this.page.evaluate((selector) => {
        // Takes the visible text if there is another text for screen readers.
        const visibleText = (element) => element.querySelector('[aria-hidden]')?.textContent ?? element.textContent;
        return [...document.querySelectorAll(selector)].map((element) => visibleText(element).trim());
      }, selector);
    const deadline = Date.now() + HANG_TIMEOUT;
    for (;;) {
      const current = await read();
      if (JSON.stringify(current) === JSON.stringify(texts)) return;
      if (Date.now() > deadline) assert.deepEqual(current, texts, `texts in the window of ${this.view.name}`);
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  }

  get lastText() {
    return this.page.locator(`${MESSAGE} .text`).last();
  }

  get alert() {
    return this.page.getByRole('alert');
  }

  #at(id) {
    return this.page.getByTestId(id);
  }

  async #settled(count) {
    await this.page.waitForFunction(
      ([message, count]) => {
        const messages = [...document.querySelectorAll(message)];
        return messages.length >= count && messages.every(({ dataset }) => !['sending', 'unsent'].includes(dataset.status));
      },
      [MESSAGE, count],
    );
  }
}

/**
 * Makes `window.losses` greater than 0 when the connection is lost. Runs in the page, because states may change faster
 * than a test can poll them.
 */
function countConnectionLosses() {
  window.losses = 0;
  const count = () => {
    if (document.querySelector('[data-testid="state"]')?.textContent !== 'connected') window.losses++;
  };
  new MutationObserver(count).observe(document.body, { subtree: true, childList: true, characterData: true });
}
