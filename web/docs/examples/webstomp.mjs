// docs-test: broker
import webstomp from 'webstomp-client';
import { WebSocket } from 'ws';
const url = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080').replace('http', 'ws') + '/ws';

const client = webstomp.over(new WebSocket(url, ['v12.stomp']), { debug: false });
client.connect({}, () => {
  client.subscribe('/topic/greetings', (message) => {
    console.log(message.body);
    client.disconnect();
  });
  client.send('/topic/greetings', 'hello from webstomp-client');
}, (error) => console.log('closed', error.body ?? error.reason));
