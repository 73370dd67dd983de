import { newId, type SandboxId } from '@sandlot/kernel';
import type { Quota, SandboxSpec } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { Found, Runtime, SandboxPlace } from '../../../ports.js';

export interface GivenSandbox {
  id: SandboxId;
  place: SandboxPlace;
  /** The whole of it, once it is seen like this. */
  seen(phase: 'running' | 'failed' | 'stopped', reason?: string): Promise<Extract<Found, { exists: true }>>;
  deleted(): Promise<void>;
  path(plural: string, name?: string): string;
}

export type GivenSandboxes = ReturnType<typeof givenSandboxes>;

/** Users with namespaces, and sandboxes in them, as the reconcilers would have made them. */
export function givenSandboxes(runtime: Runtime) {
  async function namespaceFor(quota: Quota = { sandboxes: 10, cpu: '4', memory: '8Gi' }) {
    const owner = newId('usr');
    const username = `u${owner.slice(-10)}`;
    const namespace = `user-${username}`;
    await runtime.applyNamespace(namespace, { do: 'create', owner, username });
    const found = await runtime.findNamespace(namespace, owner);
    const uid = found.exists ? found.uid : '';
    await runtime.applyNamespace(namespace, { do: 'apply', uid, owner, concern: { concern: 'quota', quota } });
    await runtime.applyNamespace(namespace, { do: 'apply', uid, owner, concern: { concern: 'service-account', annotations: {} } });
    return { owner, username, namespace };
  }

  async function given(
    spec: Partial<SandboxSpec> = {},
    { quota, home }: { quota?: Quota; home?: Awaited<ReturnType<typeof namespaceFor>> } = {},
  ): Promise<GivenSandbox> {
    const place: SandboxPlace = {
      ...(home ?? (await namespaceFor(quota))),
      name: 's1',
      spec: { image: 'runtime:1', ports: [{ port: 8888 }], ...spec },
    };
    const id = newId('sbx');
    // A quota counts a moment after it was made.
    await waitFor(() => runtime.apply(id, { do: 'create', place, running: true }).then(() => true), {
      describe: 'the sandbox to be created',
    });
    const find = async () => {
      const found = await runtime.find(id);
      if (!found.exists) throw new Error('there is no sandbox');
      return found;
    };
    return {
      id,
      place,
      seen: (phase, reason) =>
        waitFor(
          find,
          { describe: `it to be ${phase} ${reason ?? ''}` },
          ({ seen }) => seen.phase === phase && (reason === undefined || (seen.phase === 'failed' && seen.reason === reason)),
        ),
      async deleted() {
        await waitFor(
          async () => {
            const now = await runtime.find(id);
            const left = now.exists ? now : now.remains;
            if (left && left.underway !== 'delete') await runtime.apply(id, { do: 'delete', uid: left.uid });
            return now;
          },
          { describe: 'nothing to be left of it' },
          (now) => !now.exists && !now.remains,
        );
      },
      path: (plural, name = plural === 'pods' ? 's1-0' : 's1') => {
        const root = plural === 'statefulsets' ? '/apis/apps/v1' : '/api/v1';
        return `${root}/namespaces/${place.namespace}/${plural}/${name}`;
      },
    };
  }
  return { namespaceFor, given };
}
