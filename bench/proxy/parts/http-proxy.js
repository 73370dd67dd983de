import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${process.argv[2]}`, agent, xfwd: true });
const server = createServer((request, response) => proxy.web(request, response, {}, () => response.writeHead(502).end()));
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/hello', headers: {} }));
