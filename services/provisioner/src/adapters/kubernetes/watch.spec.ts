import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@sandlot/testing';
import type { ApiServer } from './api-server.js';
import { FieldSets } from './managed-fields.js';
import { RESOURCE_QUOTAS } from './resources.js';
import { ObjectStore } from './store.js';
import { Watch } from './watch.js';

/** A server that tells what it is told to, and remembers what it was asked. */
function given(tell: (round: number) => string[]) {
  const paths: string[] = [];
  const patience: number[] = [];
  const server = {
    request: async ({ path }: { path: string }) => {
      paths.push(path);
      return { metadata: { resourceVersion: '5' }, items: [] };
    },
    async *lines(path: string, { silentMs, signal }: { silentMs: () => number; signal: AbortSignal }) {
      paths.push(path);
      patience.push(silentMs());
      yield* tell(paths.filter((each) => each.includes('watch=true')).length);
      patience.push(silentMs());
      await pause(60_000, undefined, { signal, ref: false });
    },
  } as unknown as ApiServer;
  const store = new ObjectStore();
  const watch = new Watch(server, RESOURCE_QUOTAS, { namespace: 'n' }, store, new FieldSets(), { timeoutSeconds: 240 });
  return { watch, paths, patience, store };
}

const bookmark = JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } });
const gone = JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old' } });

describe('a watch', () => {
  it('asks for bookmarks and an end, of what was chosen alone', async () => {
    const { watch, paths } = given(() => []);
    await watch.start();
    await waitFor(() => paths.length === 2);
    const { pathname, searchParams } = new URL(paths[1]!, 'http://x');
    expect(pathname).toBe('/api/v1/namespaces/n/resourcequotas');
    expect(Object.fromEntries(searchParams)).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '5',
      timeoutSeconds: expect.stringMatching(/^2[0-4]\d$/),
      labelSelector: 'app.kubernetes.io/managed-by=sandlot',
    });
    await watch.stop();
  });

  it('gives a silent connection up sooner once it knows that bookmarks come', async () => {
    const { watch, patience } = given(() => [bookmark]);
    await watch.start();
    await waitFor(() => patience.length === 2);
    expect(patience[0]).toBeGreaterThan(200_000);
    expect(patience[1]).toBe(90_000);
    await watch.stop();
  });

  it('lists again after an error in the stream', async () => {
    const { watch, paths } = given((round) => (round === 1 ? [gone] : []));
    await watch.start();
    await waitFor(() => paths.length === 4);
    expect(paths.map((path) => path.includes('watch=true'))).toEqual([false, true, false, true]);
    await watch.stop();
  });
});
