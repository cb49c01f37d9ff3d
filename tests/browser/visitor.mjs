// Somebody who uses the broker's own page.

import assert from 'node:assert/strict';

/** How the names in the page's switch differ: its value, what is then in use, and the endpoints that this takes. */
export const TRANSPORTS = [
  { choice: 'native', inUse: 'WebSocket', logged: 'websocket', endpoints: [''] },
  ...[
    ['websocket', 'websocket', ['websocket']],
    ['xhr-streaming', 'xhr-streaming', ['xhr_streaming', 'xhr_send']],
    ['eventsource', 'eventsource', ['eventsource', 'xhr_send']],
    ['iframe-eventsource', 'eventsource', ['iframe.html', 'eventsource', 'xhr_send']],
    ['htmlfile', 'htmlfile', ['htmlfile', 'xhr_send']],
    ['iframe-htmlfile', 'htmlfile', ['iframe.html', 'htmlfile', 'xhr_send']],
    ['xhr-polling', 'xhr-polling', ['xhr', 'xhr_send']],
    ['iframe-xhr-polling', 'xhr-polling', ['iframe.html', 'xhr', 'xhr_send']],
    ['jsonp-polling', 'jsonp-polling', ['jsonp', 'jsonp_send']],
  ].map(([name, logged, endpoints]) => ({
    choice: `sockjs-${name}`,
    inUse: `SockJS ${name}`,
    logged: `sockjs-${logged}`,
    endpoints: ['info', ...endpoints],
  })),
];

const MESSAGE = '[data-testid="message"]';

export class Visitor {
  /** Opens the page of `stage`'s broker and goes into a room by the given transport. */
  static async enter(stage, name, { room = 'garden', choice = 'native', passcode = '' } = {}) {
    const visitor = new Visitor(await stage.open(name));
    await visitor.goTo(stage.broker);
    await visitor.signIn(name, { room, choice, passcode });
    await visitor.is('connected');
    await visitor.page.evaluate(noteLosses);
    return visitor;
  }

  constructor(view) {
    this.view = view;
    this.page = view.page;
  }

  async goTo(broker) {
    const response = await this.page.goto(`${broker.url}/`);
    assert.match(await response.text(), /stompbox-endpoint/, 'this broker was built without its page (npm is needed)');
  }

  async signIn(name, { room = 'garden', choice = 'native', passcode = '' } = {}) {
    await this.#at('name').fill(name);
    await this.#at('room').fill(room);
    await this.#at('passcode').fill(passcode);
    await this.#at('transport-select').selectOption(choice);
    await this.#at('join').click();
  }

  /** Waits for a state. */
  async is(...states) {
    await this.page.waitForFunction(
      (states) => states.includes(document.querySelector('[data-testid="state"]')?.textContent),
      states,
    );
  }

  /** Waits until the connection with which the visitor came in was lost, be there another one or not. */
  async hasLostConnection() {
    await this.page.waitForFunction(() => window.losses > 0);
  }

  async transportInUse() {
    return this.#at('transport-in-use').textContent();
  }

  async use(choice) {
    await this.#at('transport-select').selectOption(choice);
  }

  async say(text) {
    await this.#at('composer').fill(text);
    await this.#at('send').click();
  }

  /** The same by the keyboard. */
  async type(text) {
    await this.#at('composer').fill(text);
    await this.#at('composer').press('Enter');
  }

  /** Waits until exactly these texts stand in the room, its own confirmed, and nothing else. */
  async sees(texts) {
    await this.#settled(texts.length);
    assert.deepEqual(await this.texts(), texts, `what ${this.view.name} sees`);
  }

  /** Waits for so many messages. */
  async texts(count = 0) {
    await this.#settled(count);
    return this.page.locator(`${MESSAGE} .text`).allTextContents();
  }

  /** Gives up what could not be sent. */
  async discardUnsent() {
    await this.page.getByRole('button', { name: 'Discard' }).click();
  }

  async leave() {
    await this.#at('leave').click();
    await this.#at('join').waitFor();
  }

  /** Waits for the page to ask who one is. */
  async isAsked() {
    await this.#at('join').waitFor();
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

/** Runs in the page: states may follow each other faster than one can ask for them. */
function noteLosses() {
  window.losses = 0;
  const count = () => {
    if (document.querySelector('[data-testid="state"]')?.textContent !== 'connected') window.losses++;
  };
  new MutationObserver(count).observe(document.body, { subtree: true, childList: true, characterData: true });
}
