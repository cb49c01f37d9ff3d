// docs-test: broker
import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
const url = (process.env.STOMPBOX_HTTP_URL ?? 'http://127.0.0.1:8080') + '/ws';

const client = new Client({ webSocketFactory: () => new SockJS(url) });
client.onConnect = () => {
  client.subscribe('/topic/greetings', (message) => {
    console.log(message.body);
    client.deactivate();
  });
  client.publish({ destination: '/topic/greetings', body: 'hello over SockJS' });
};
client.activate();
