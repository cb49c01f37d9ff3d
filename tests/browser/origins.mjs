// Tests of pages of other origins: accepted origins over every transport, and rejected origins.

import assert from 'node:assert/strict';
import { Peer } from './peer.mjs';
import { test } from './environment.mjs';
import { TEXTS, long } from './texts.mjs';

/**
 * Transports that sockjs-client 1.6.1 offers to a page of another origin in a current browser, with their endpoints.
 */
const TRANSPORTS = {
  websocket: ['websocket'],
  'xhr-streaming': ['xhr_streaming', 'xhr_send'],
  eventsource: ['eventsource', 'xhr_send'],
  'iframe-eventsource': ['iframe.html', 'sockjs.min.js', 'eventsource', 'xhr_send'],
  'iframe-htmlfile': ['iframe.html', 'sockjs.min.js', 'htmlfile', 'xhr_send'],
  'xhr-polling': ['xhr', 'xhr_send'],
  'iframe-xhr-polling': ['iframe.html', 'sockjs.min.js', 'xhr', 'xhr_send'],
  'jsonp-polling': ['jsonp', 'jsonp_send'],
};
const REJECTED = /rejected a request \(403\).*option="allowed-origins"/;

/** Accepted origins, and the options with which the broker accepts them. */
const ACCEPTED = [
  { what: 'a page from another port of this machine', name: '127.0.0.1', flags: () => [] },
  { what: 'a listed page', name: 'app.example.test', flags: (origin) => ['--allowed-origins', origin] },
];

for (const { what, name, flags } of ACCEPTED) {
  for (const [transport, endpoints] of Object.entries(TRANSPORTS)) {
    test(`${what} is accepted over ${transport}`, async (env) => {
      const site = await env.site();
      const origin = site.origin(name);
      await env.startBroker('--sockjs-cookie', ...flags(origin));
      const page = `${origin}/current.html`;
      const [one, two] = await Promise.all(['one', 'two'].map((name) => Peer.connect(env, page, transport, name)));
      const bodies = [...Object.values(TEXTS), long(64 * 1024)];
      for (const body of bodies) await one.send(body);
      await two.receives(bodies);
      await two.send('an answer');
      await one.receives([...bodies, 'an answer']);
      await one.close();
      await two.close();
      assert.deepEqual([...one.view.endpoints].toSorted(), ['info', ...endpoints].toSorted());
      await env.broker.logged(/connection closed reason="disconnected"/, 2);
      assert.ok(!env.broker.log.some((line) => REJECTED.test(line)), 'no request is rejected');
    });
  }
}

test('requests of another origin contain their cookies, and only that origin can read the responses', async (env) => {
  const site = await env.site();
  const broker = await env.startBroker('--sockjs-cookie');
  const view = await env.open('other origin');
  const session = { name: 'JSESSIONID', value: 'seen', url: broker.url };
  await view.context.addCookies([session]);
  await view.page.goto(`${site.origin()}/current.html`);
  const peer = new Peer(view);
  const sent = view.page.waitForResponse(/xhr_send/);
  await peer.open(broker.url, 'xhr-streaming');
  const response = await sent;
  assert.match((await response.request().allHeaders()).cookie, /JSESSIONID=seen/);
  const headers = await response.allHeaders();
  assert.equal(headers['access-control-allow-origin'], site.origin());
  assert.equal(headers['access-control-allow-credentials'], 'true');
  await peer.close();
});

test('a page of an unlisted origin is rejected at every endpoint, and the log names the option', async (env) => {
  const site = await env.site();
  const broker = await env.startBroker('--allowed-origins', site.origin('app.example.test'));
  const view = await env.open('evil');
  view.ignoreErrors(/blocked by CORS policy|net::ERR_FAILED|status of 403|Unexpected response code: 403/);
  const origin = site.origin('evil.example.test');
  await view.page.goto(`${origin}/current.html`);
  let requestCount = 0;
  view.page.on('request', (request) => (requestCount += request.url().startsWith(broker.url) ? 1 : 0));
  view.page.on('websocket', () => requestCount++);

  assert.equal(await view.page.evaluate(tryWebSocket, `ws://${broker.host}/ws`), 'rejected');
  for (const transport of Object.keys(TRANSPORTS)) {
    await assert.rejects(new Peer(view).open(broker.url, transport), /closed with 1002/, transport);
  }
  assert.deepEqual(await view.page.evaluate(tryEndpoints, `${broker.url}/ws`), {
    eventsource: 'rejected',
    xhr: 'rejected',
    jsonp: 'rejected',
    'jsonp without Referer': 'rejected',
    received: [],
  });

  const metrics = await (await fetch(`${broker.url}/metrics`)).text();
  const rejected = /^stompbox_requests_refused_total\{option="allowed-origins"\} (\d+)$/m.exec(metrics)?.[1];
  assert.equal(Number(rejected), requestCount, `number of rejected requests, out of:\n${view.requests.join('\n')}`);
  for (const endpoint of ['jsonp', 'htmlfile', 'iframe.html', 'jsonp_send']) {
    assert.ok(view.requests.some((request) => request.endsWith(`/${endpoint} 403`)), endpoint);
  }
  await broker.logged(REJECTED);
  assert.ok(broker.log.some((line) => REJECTED.test(line) && line.includes(origin)), 'the log names the origin');
});

test('a page of an unlisted origin without a referrer cannot frame the page for iframes', async (env) => {
  const site = await env.site();
  const broker = await env.startBroker();
  for (const [name, isAllowed] of [['127.0.0.1', true], ['evil.example.test', false]]) {
    const view = await env.open(name);
    if (!isAllowed) view.ignoreErrors(/frame-ancestors/);
    await view.page.goto(`${site.origin(name)}/current.html`);
    const blocked = view.page.waitForEvent('console', (message) => /frame-ancestors/.test(message.text())).then(() => false);
    const framed = view.page.evaluate(frame, `${broker.url}/ws/iframe.html#0123`).then(() => true);
    // Ignores the later rejection of the promise that loses the race.
    framed.catch(() => {});
    blocked.catch(() => {});
    assert.equal(await Promise.race([blocked, framed]), isAllowed, name);
  }
});

test('a rebound name (DNS rebinding) is rejected by its Host', async (env) => {
  const broker = await env.startBroker();
  const view = await env.open('evil');
  view.ignoreErrors(/status of 403/);
  const response = await view.page.goto(`http://rebound.example.test:${broker.port}/`);
  assert.equal(response.status(), 403);
  assert.match(await response.text(), /allowed-hosts/);
  await broker.logged(/rejected a request \(403\).*option="allowed-hosts"/);
});

// ---- functions that run in the page ----

function tryWebSocket(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve('open');
    socket.onclose = () => resolve('rejected');
  });
}

/** Requests all endpoints without requesting `/info` first, as an attacker could. */
async function tryEndpoints(base) {
  const session = `${base}/000/0123456789`;
  const received = [];
  const receive = (data) => received.push(data);
  window.callback = Object.assign(receive, { start: receive, stop: receive, message: receive });
  window.addEventListener('message', ({ data }) => receive(data));
  const load = (name, attributes) => {
    const element = Object.assign(document.createElement(name), attributes);
    const end = new Promise((resolve) => {
      element.onload = () => resolve('loaded');
      element.onerror = () => resolve('rejected');
    });
    document.body.append(element);
    return end;
  };

  const eventsource = await new Promise((resolve) => {
    const source = new EventSource(`${session}/eventsource`);
    source.onopen = () => resolve('open');
    source.onerror = () => resolve('rejected');
  });
  const post = { method: 'POST', credentials: 'include' };
  const xhr = await fetch(`${session}/xhr_streaming`, post).then(String, () => 'rejected');
  const src = `${session}/jsonp?c=callback`;
  const jsonp = await load('script', { src });
  const withoutReferer = await load('script', { src: `${src}&hidden`, referrerPolicy: 'no-referrer' });
  await load('iframe', { src: `${session}/htmlfile?c=callback` });
  await load('iframe', { src: `${base}/iframe.html#0123` });
  await load('iframe', { name: 'answer' });
  const answered = new Promise((resolve) => (document.querySelector('[name=answer]').onload = resolve));
  const form = { method: 'POST', action: `${session}/jsonp_send`, target: 'answer' };
  document.body.append(Object.assign(document.createElement('form'), form));
  document.forms[0].submit();
  await answered;
  return { eventsource, xhr, jsonp, 'jsonp without Referer': withoutReferer, received };
}

/** Opens the page for iframes and waits for its first message. */
function frame(src) {
  return new Promise((resolve) => {
    window.addEventListener('message', () => resolve());
    document.body.append(Object.assign(document.createElement('iframe'), { src, referrerPolicy: 'no-referrer' }));
  });
}
