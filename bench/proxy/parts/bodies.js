/** An upstream for large bodies: `GET` is answered with 16 MiB (`/nothing` with 128 bytes), any other body is swallowed; and for WebSockets, whose frames it sends back. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const MiB = 1024 * 1024;
const chunk = Buffer.alloc(64 * 1024, 'sandlot');

const server = createServer({ noDelay: true }, (request, response) => {
  if (request.url === '/nothing') return response.end('x'.repeat(128));
  if (request.method !== 'GET') return request.resume().on('end', () => response.end('ok'));
  response.writeHead(200, { 'content-length': 16 * MiB });
  let left = (16 * MiB) / chunk.length;
  const more = () => {
    while (left-- > 0) if (!response.write(chunk)) return response.once('drain', more);
    response.end();
  };
  more();
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.setNoDelay().on('error', () => socket.destroy());
  // The client masks with zeros, so a frame differs from its answer only by the mask.
  socket.on('data', (bytes) => {
    for (let at = 0; at + 6 <= bytes.length; at += 6 + (bytes[at + 1] & 127)) {
      const length = bytes[at + 1] & 127;
      socket.write(Buffer.concat([Buffer.from([bytes[at], length]), bytes.subarray(at + 6, at + 6 + length)]));
    }
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => process.send({ port: server.address().port }));
