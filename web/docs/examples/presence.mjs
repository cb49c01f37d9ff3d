// docs-test: broker --user alice:a --user bob:b
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
Object.assign(globalThis, { WebSocket }); // Node.js before 22 has no WebSocket
const brokerURL = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

const open = (login, passcode) => new Promise((resolve) => {
  const client = new Client({ brokerURL, connectHeaders: { login, passcode } });
  client.onConnect = () => resolve(client);
  client.activate();
});

const [alice, bob] = [await open('alice', 'a'), await open('bob', 'b')];
const members = new Map(); // user name -> number of sessions

const update = ({ body }) => {
  const report = JSON.parse(body);
  if (report.event === 'snapshot' && report.page === 1) members.clear();
  for (const { user, sessions } of report.users ?? []) members.set(user, sessions);
  for (const { event, user, sessions } of report.changes ?? []) {
    if (event === 'leave') members.delete(user);
    else members.set(user, sessions);
  }
  const changes = (report.changes ?? []).map(({ event, user }) => `(${user}: ${event})`);
  console.log(report.event, [...members.keys()].join(', '), ...changes);

  if (report.event === 'snapshot') bob.subscribe('/topic/room', () => {});
  else if (members.has('bob')) bob.deactivate();
  else alice.deactivate();
};
alice.subscribe('/topic/room', () => {});
alice.subscribe('/presence/topic/room', update);
