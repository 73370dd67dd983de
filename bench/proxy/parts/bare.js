// The least that a forwarder in Node can be: http.request with a keep-alive agent, headers and body piped as they come.
import { Agent, createServer, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 4096 });
const options = { host: '127.0.0.1', port: Number(process.argv[2]), agent };
const server = createServer({ noDelay: true }, (incoming, response) => {
  const outgoing = request({ ...options, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  incoming.pipe(outgoing);
});
server.on('upgrade', (incoming, socket, first) => {
  const outgoing = request({ ...options, agent: undefined, path: incoming.url, headers: incoming.headers });
  outgoing.on('upgrade', (answer, upstream, rest) => {
    const lines = answer.rawHeaders.reduce(
      (text, part, i) => text + part + (i % 2 ? '\r\n' : ': '),
      'HTTP/1.1 101 Switching Protocols\r\n',
    );
    socket.write(`${lines}\r\n`);
    if (rest.length) socket.write(rest);
    if (first.length) upstream.write(first);
    socket.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => socket.destroy()).pipe(socket);
  });
  outgoing.on('error', () => socket.destroy()).end();
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/hello', headers: {} }));
