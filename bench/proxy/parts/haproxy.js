import { serveNative } from './native.js';

await serveNative(
  'haproxy',
  ({ port }) => `
global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096
  default_backend up
backend up
  server one 127.0.0.1:${process.argv[2]} pool-max-conn 512
`,
  ({ file }) => ['-db', '-f', file],
);
