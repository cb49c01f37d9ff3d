import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { Chat } from './chat.svelte.ts';
import { endpointOf } from './endpoint.ts';

const target = document.getElementById('app');
if (target) mount(App, { target, props: { chat: new Chat(endpointOf(document)) } });
