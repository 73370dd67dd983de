/**
 * A program for inside a sandbox: an HTTP server on the port that it is given, which answers what its callers need to see. Needs nothing
 * but Node. WebSockets are echoed frame by frame, unmasked, as far as tests need it: text and binary frames below 64 KiB, and the close.
 */
export const sandboxServer = `
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://sandbox');
  if (pathname === '/echo') {
    const hash = createHash('sha256');
    let size = 0;
    request.on('data', (chunk) => { hash.update(chunk); size += chunk.length; });
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, size, sha256: hash.digest('hex') }));
    });
  } else if (pathname === '/binary') {
    response.end(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
  } else if (pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let n = 0;
    const timer = setInterval(() => { response.write('id: ' + ++n + '\\ndata: tick\\n\\n'); if (n === 3) { clearInterval(timer); response.end(); } }, 30);
  } else {
    response.writeHead(418, { 'x-from': 'sandbox' }).end('teapot');
  }
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  let kept = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk]);
    for (;;) {
      if (kept.length < 2) return;
      const long = (kept[1] & 127) === 126;
      const length = long ? kept.readUInt16BE(2) : kept[1] & 127;
      const start = long ? 8 : 6;
      if (kept.length < start + length) return;
      const mask = kept.subarray(start - 4, start);
      const payload = Buffer.from(kept.subarray(start, start + length).map((byte, i) => byte ^ mask[i % 4]));
      socket.write(Buffer.concat([long ? Buffer.from([kept[0], 126, length >> 8, length & 255]) : Buffer.from([kept[0], length]), payload]));
      if ((kept[0] & 15) === 8) socket.end();
      kept = kept.subarray(start + length);
    }
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
`;
