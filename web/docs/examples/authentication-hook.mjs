// docs-test: broker --hook-url http://127.0.0.1:19000/
// [service]
import { createServer } from 'node:http';

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { login, passcode, token, address } = JSON.parse(body);
  if (login !== 'carol' || passcode !== 'sesame') {
    response.writeHead(401).end();                      // The login fails. 404 would ask the next source.
    return;
  }
  const expires = Math.floor(Date.now() / 1000) + 3600; // the end of the session, or null
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ name: 'carol', roles: ['editor'], claims: { team: 'red' }, expires }));
});
server.listen(19000, '127.0.0.1');
// [/service]

// This part is only for the tests. It runs the client in another process, because this process runs the service.
import { execFile } from 'node:child_process';
import { once } from 'node:events';

await once(server, 'listening');
for (const passcode of ['sesame', 'wrong']) {
  const client = execFile('node', ['login.mjs', JSON.stringify({ login: 'carol', passcode })]);
  client.stdout.pipe(process.stdout);
  client.stderr.pipe(process.stderr);
  await once(client, 'close');
}
server.close();
server.closeAllConnections();
