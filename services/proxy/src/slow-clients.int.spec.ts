import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describeUnless, testTool, waitFor } from '@sandlot/testing';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const slowhttptest = testTool('slowhttptest');
const missing = slowhttptest ? undefined : 'slowhttptest is not installed; on Debian: apt-get install slowhttptest';

describeUnless(missing)('slowhttptest', () => {
  let proxy: ProxyUnderTest;
  let gateway: HttpServer;

  beforeAll(async () => {
    gateway = await httpUpstream((_, response) => response.end(Buffer.alloc(1024 * 1024, 'x')));
    proxy = await startProxy({ gatewayAddress: gateway.address, headersTimeoutMs: 2000, checkIntervalMs: 250 });
  });

  afterAll(async () => {
    await proxy.close();
    await gateway.close();
  });

  it('slows nobody else down: with slow headers, bodies, ranges and readers at once the service stays available, and all of them end', async () => {
    const attack = (...args: string[]) => run([...args, '-c', '150', '-r', '150', '-l', '6', '-p', '5', '-u', `${proxy.url}/docs`]);
    const outputs = await Promise.all([
      attack('-H', '-i', '1'),
      attack('-B', '-i', '1', '-s', '8192'),
      attack('-R', '-t', 'HEAD', '-a', '10', '-b', '3000'),
      attack('-X', '-w', '512', '-y', '1024', '-n', '2', '-z', '32', '-k', '3'),
    ]);
    for (const output of outputs) {
      expect(output).toMatch(/service available:\s+YES/);
      expect(output).not.toMatch(/service available:\s+NO/);
    }
    await waitFor(() => proxy.plane.held.clients === 0, { within: 10_000, describe: 'every slow connection to be gone' });
    expect(proxy.plane.held).toMatchObject({ openConnections: 0, places: 0 });
  }, 60_000);
});

async function run(args: string[]): Promise<string> {
  const child = spawn(slowhttptest!, args);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return output.replace(/\x1b\[[0-9;]*m/g, '');
}
