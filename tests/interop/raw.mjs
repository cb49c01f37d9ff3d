// Sends a SEND whose body has arbitrary bytes. Some libraries can receive such a body, but not send it.

import { WebSocket } from 'ws';

export function sendBytes(url, destination, bytes) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ['v12.stomp']);
    const head = `SEND\ndestination:${destination}\ncontent-length:${bytes.length}\nreceipt:sent\n\n`;
    socket.on('error', reject);
    socket.on('open', () => socket.send('CONNECT\naccept-version:1.2\nhost:localhost\n\n\0'));
    socket.on('message', (data) => {
      const command = String(data).split('\n', 1)[0];
      if (command === 'CONNECTED') socket.send(Buffer.concat([Buffer.from(head), bytes, Buffer.from([0])]));
      else if (command === 'RECEIPT') socket.close();
      else reject(new Error(`unexpected frame: ${data}`));
    });
    socket.on('close', resolve);
  });
}
