import { ConfigurableProxy } from 'configurable-http-proxy';

process.on('uncaughtException', () => undefined); // as its own program does: a hostile upstream makes it throw
const proxy = new ConfigurableProxy({
  defaultTarget: `http://127.0.0.1:${process.argv[2]}`,
  log: { info() {}, debug() {}, warn() {}, error() {} },
});
await proxy.addRoute('/user/alice', { target: `http://127.0.0.1:${process.argv[2]}` });
const server = proxy.proxyServer;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, path: '/user/alice/hello', headers: {} }));
