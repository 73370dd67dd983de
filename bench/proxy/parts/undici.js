// What undici would cost on the way out: node:http in, Pool.dispatch out, no checks, no hygiene, no records.
import { createServer } from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 512 });
const server = createServer({ noDelay: true }, (request, response) => {
  pool.dispatch(
    { path: request.url, method: request.method, headers: request.rawHeaders, body: null },
    {
      onRequestStart() {},
      onResponseStart(controller, status, headers) {
        response.writeHead(status, headers);
      },
      onResponseData(controller, data) {
        if (!response.write(data)) {
          controller.pause();
          response.once('drain', () => controller.resume());
        }
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        response.destroy();
      },
    },
  );
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/hello', headers: {} }));
