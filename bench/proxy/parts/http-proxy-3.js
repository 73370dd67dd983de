import { Agent, createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

process.on('uncaughtException', () => undefined); // a target that is no URL makes it throw
const { default: httpProxy } = createRequire(join(import.meta.dirname, '../../../.cache/peers/'))('http-proxy-3');
const agent = new Agent({ keepAlive: true, maxSockets: 4096 });
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${process.argv[2]}`, agent, xfwd: true, ws: true });
proxy.on('error', (error, request, response) => response.destroy());
const server = createServer((request, response) => proxy.web(request, response));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/hello', headers: {} }));
