import type { ForeignSandbox } from './foreign-sandbox.js';

/** A running one of alice's in the namespace `research`. */
export const aForeignSandbox = (changes: Partial<ForeignSandbox> = {}): ForeignSandbox => ({
  uid: `uid-${changes.namespace ?? 'research'}-${changes.name ?? 's1'}`,
  namespace: 'research',
  name: 's1',
  user: 'alice',
  tenant: undefined,
  state: 'running',
  ports: [{ port: 8888, address: '10.1.2.3:8888' }],
  onHostNetwork: false,
  ...changes,
});
