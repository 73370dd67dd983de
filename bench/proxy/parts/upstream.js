// A server that does as little as a server can: 128 bytes for every request, without parsing more than where a head ends.
import { createServer } from 'node:net';

const body = 'x'.repeat(128);
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
const server = createServer({ noDelay: true }, (socket) => {
  let partial = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    const text = partial + bytes.toString('latin1');
    let at = 0;
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n', at)) {
      socket.write(answer);
      at = end + 4;
    }
    partial = text.slice(at);
  });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
