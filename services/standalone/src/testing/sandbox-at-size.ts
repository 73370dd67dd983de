/**
 * A program to stand for a sandbox with much at a time: an HTTP server on the port that it is given, which needs nothing but Node. `/down?bytes=N`
 * sends N bytes, `/up` says how many came and their CRC-32, `/events` sends events until its reader goes, and any WebSocket is opened and then
 * left alone. `/held` says how many connections besides the asking one are open, and how many bytes all downloads were sent so far.
 */
export const sandboxAtSize = `
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { crc32 } from 'node:zlib';
const piece = Buffer.from(Array.from({ length: 65521 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const sockets = new Set();
let sent = 0;
const server = createServer({ noDelay: true }, (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://sandbox');
  if (pathname === '/down') {
    let left = Number(searchParams.get('bytes'));
    response.writeHead(200, { 'content-length': left });
    const more = () => {
      while (left > 0 && !response.destroyed) {
        const next = left < piece.length ? piece.subarray(0, left) : piece;
        left -= next.length;
        sent += next.length;
        if (!response.write(next)) return response.once('drain', more);
      }
      response.end();
    };
    more();
  } else if (pathname === '/up') {
    let [bytes, crc] = [0, 0];
    request.on('data', (chunk) => { bytes += chunk.length; crc = crc32(chunk, crc); });
    request.on('end', () => response.end(JSON.stringify({ bytes, crc })));
  } else if (pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('data: tick\\n\\n'), 20);
    response.on('close', () => clearInterval(timer));
    response.write('data: first\\n\\n');
  } else {
    response.end(JSON.stringify({ open: sockets.size - 1, sent }));
  }
});
server.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('error', () => socket.destroy()).on('end', () => socket.end()).resume();
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
`;

/** What \`/down\` sends again and again, and what is sent to \`/up\`: of a length that no buffer has, so that a lost or doubled one shows. */
export const piece = Buffer.from(Array.from({ length: 65_521 }, (_, i) => (i * 31 + (i >> 8)) & 255));
