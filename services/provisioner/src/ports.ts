import type { SandboxId, UserId } from '@sandlot/kernel';
import type { Quota, SandboxSpec } from '@sandlot/contracts';
import type { Seen } from './domain/sandbox/sandbox.js';

/** What the runtime holds under a sandbox's id. `uid` says which object: only that one may be touched. */
export type Found =
  | { exists: false }
  | {
      exists: true;
      uid: string;
      /** Whether it runs or is on its way there. */
      running: boolean;
      seen: Seen;
      /** Not to be started before, in ms since 1970: it has failed lately. */
      startableAt?: number;
    };

export interface SandboxPlace {
  owner: UserId;
  username: string;
  /** user-<username> */
  namespace: string;
  name: string;
  spec: SandboxSpec;
}

export type SandboxAction =
  | { do: 'create'; place: SandboxPlace; running: boolean }
  | { do: 'start'; uid: string }
  | { do: 'stop'; uid: string }
  | { do: 'delete'; uid: string };

export type FoundNamespace = { exists: false } | { exists: true; uid: string; ours: boolean; quota: Quota | undefined };

export type NamespaceAction =
  { do: 'create'; owner: UserId; username: string } | { do: 'set-quota'; uid: string; quota: Quota } | { do: 'delete'; uid: string };

/**
 * Where sandboxes run. Every action is a single step that may be repeated; an action on a uid that is no longer there does nothing.
 * Implemented in adapters/, each passing runtime.features.ts.
 */
export interface Runtime {
  readonly name: 'process' | 'memory';

  findNamespace(name: string, owner: UserId): Promise<FoundNamespace>;
  applyNamespace(name: string, action: NamespaceAction): Promise<void>;

  find(sandboxId: SandboxId): Promise<Found>;
  apply(sandboxId: SandboxId, action: SandboxAction): Promise<void>;

  /** Every sandbox that the runtime holds, wanted or not. */
  list(): Promise<SandboxId[]>;

  /** Calls back with the id of every sandbox that changes by itself; may call too often, never too seldom for long. */
  watch(changed: (sandboxId: SandboxId) => void): void;

  close(): Promise<void>;
}

export const RUNTIME = Symbol('Runtime');
