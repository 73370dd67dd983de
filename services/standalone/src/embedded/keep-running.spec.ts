import { waitFor } from '@sandlot/testing';
import type { Exit } from '@sandlot/embedded';
import { keepRunning } from './keep-running.js';

/** A server that ends when told to, and whose starts can be made to fail or to hang. */
function fakeServer() {
  let end!: (exit: Exit) => void;
  const server = {
    starts: 0,
    running: false,
    onStart: async () => undefined as void,
    exited: Promise.resolve({} as Exit),
    begin() {
      server.running = true;
      server.exited = new Promise<Exit>((resolve) => (end = resolve));
    },
    crash() {
      server.running = false;
      end({ code: 1, signal: null, wanted: false });
    },
    async restart() {
      server.starts++;
      await server.onStart();
      server.begin();
    },
    async stop() {
      server.running = false;
      end({ code: 0, signal: null, wanted: true });
    },
  };
  server.begin();
  return server;
}

describe('a server that is kept running', () => {
  it('is tried again until it starts', async () => {
    const server = fakeServer();
    const lines: string[] = [];
    const stop = keepRunning('it', server, (line) => lines.push(line));
    server.onStart = async () => {
      if (server.starts < 3) throw new Error('no space left');
    };
    server.crash();
    await waitFor(() => server.running);
    expect(server.starts).toBe(3);
    expect(lines).toContain('it could not be started again: no space left');
    await stop();
  });

  it('does not stay when it is stopped in the middle of being started again', async () => {
    const server = fakeServer();
    const stop = keepRunning('it', server, () => undefined);
    let go!: () => void;
    server.onStart = () => new Promise((resolve) => (go = resolve));
    server.crash();
    await waitFor(() => server.starts === 1);
    const stopped = stop();
    go();
    await stopped;
    expect(server.running).toBe(false);
    expect(server.starts).toBe(1);
  });

  it('is not waited for when it is stopped between two tries', async () => {
    const server = fakeServer();
    const stop = keepRunning('it', server, () => undefined);
    server.onStart = () => Promise.reject(new Error('no space left'));
    server.crash();
    await waitFor(() => server.starts >= 2);
    await stop();
    const { starts } = server;
    await stop();
    expect(server.starts).toBe(starts);
  });
});
