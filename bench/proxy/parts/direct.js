// The floor of the method: a node:http server that answers by itself.
import { createServer } from 'node:http';

const server = createServer((request, response) => response.end('x'.repeat(128)));
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/hello', headers: {} }));
