import type { SandboxId, UserId } from '@sandlot/kernel';
import type { NamespaceConcernName, SandboxSpec } from '@sandlot/contracts';
import type { NamespaceConcern, NamespaceMarks } from './domain/namespace/concern.js';
import type { ForeignSandbox } from './domain/discovery/foreign-sandbox.js';
import type { Seen } from './domain/sandbox/sandbox.js';

/** What the runtime holds under a sandbox's id. `uid` says which object: only that one may be touched. */
export type Found =
  | {
      exists: false;
      /** Of a sandbox that is gone, what has not gone yet or was left: its volume, a pod that is ending. Deleted by this uid. */
      remains?: { uid: string; underway?: 'delete'; obstacle?: Obstacle };
    }
  | {
      exists: true;
      uid: string;
      /** Whether it runs or is on its way there. */
      running: boolean;
      seen: Seen;
      /** Not to be started before, in ms since 1970: it has failed lately. */
      startableAt?: number;
      /** What was asked for already and takes its time: asking again is of no use, and its end is told by the watch. */
      underway?: 'stop' | 'delete';
      /** What holds up what is underway. */
      obstacle?: Obstacle;
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
  | { do: 'start'; uid: string; place: SandboxPlace }
  | { do: 'stop'; uid: string }
  | { do: 'delete'; uid: string };

/** The runtime will not do it as things are: this is what the sandbox looks like, until somebody changes something. */
export class ActionRefused extends Error {
  override readonly name = 'ActionRefused';

  constructor(
    /** A stable code of the runtime's, like those of `Seen`. */
    readonly reason: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A volume of a sandbox that is there; `work` is its own work folder. */
export interface FoundVolume {
  name: string;
}

/** Why it cannot be used as it is: a stable code, and words that say what to do. */
export interface Obstacle {
  reason: string;
  message: string;
}

export type FoundNamespace =
  | {
      exists: false;
      /** Why the runtime will not make it. */
      obstacle?: Obstacle;
    }
  | {
      exists: true;
      uid: string;
      /** Whether Sandlot has made it for this user, or was handed it. Only then may anything in it be touched. */
      ours: boolean;
      /** Why nothing can be made in it, for the time being. */
      obstacle?: Obstacle;
      /** An operator keeps it for this user: it is never deleted, only left. */
      kept?: boolean;
    };

export type NamespaceAction =
  | { do: 'create'; owner: UserId; username: string }
  | { do: 'apply'; uid: string; owner: UserId; concern: NamespaceConcern | NamespaceMarks }
  | { do: 'delete'; uid: string };

/** How a concern is found. */
export interface FoundConcern {
  asWanted: boolean;
  /** What somebody else has changed since it was applied, and what is missing. Empty when only what is wanted has changed. */
  drift: readonly FoundDrift[];
}

export interface FoundDrift {
  /** kind/name */
  object: string;
  /** Which state of the object that is, so that it is recorded once. */
  revision: string;
  /** It is not there; whether it ever was, the log knows. */
  missing: boolean;
  differences: { path: string; found?: string; wanted?: string }[];
  fieldManager?: string;
}

/**
 * Where sandboxes run. Every action is a single step that may be repeated; an action on a uid that is no longer there does nothing.
 * A step returns when it was asked for; where its effect takes time, `find` says what is underway.
 * Implemented in adapters/, each passing runtime.features.ts.
 */
export interface Runtime {
  readonly name: 'process' | 'memory' | 'statefulset' | 'agent-sandbox';

  /** What of a namespace this runtime can give. It has no such thing for the rest, and nobody may claim that it has. */
  readonly concerns: readonly NamespaceConcernName[];

  /** @param uid of the one that the log knows as this user's, whatever it is marked as */
  findNamespace(name: string, owner: UserId, uid?: string): Promise<FoundNamespace>;
  /** How one of its concerns is found, in a namespace that is ours. */
  findConcern(name: string, owner: UserId, wanted: NamespaceConcern | NamespaceMarks): Promise<FoundConcern>;
  applyNamespace(name: string, action: NamespaceAction): Promise<void>;

  find(sandboxId: SandboxId): Promise<Found>;
  apply(sandboxId: SandboxId, action: SandboxAction): Promise<void>;

  /**
   * The volumes that a sandbox would have again if it were created now. Without it, nobody can tell.
   * Buckets are not among them: they are outside of any runtime.
   */
  findVolumes?(sandboxId: SandboxId, place: SandboxPlace): Promise<readonly FoundVolume[]>;

  /** Every sandbox that the runtime holds, wanted or not. */
  list(): Promise<SandboxId[]>;

  /** Calls back with the id of every sandbox that changes by itself; may call too often, never too seldom for long. */
  watch(changed: (sandboxId: SandboxId) => void): void;

  /** Calls back with the owner of every namespace in which something changes by itself, and which concern it is of; without, all of it. */
  watchNamespaces(changed: (owner: UserId, concern?: NamespaceConcernName) => void): void;

  /** Why it cannot be worked with at the moment, as a whole. Without it, such a thing is not known. */
  trouble?(): Promise<string | undefined>;

  close(): Promise<void>;
}

export const RUNTIME = Symbol('Runtime');

/** Sandbox objects that somebody else made, where they may be read. Nothing of them is ever changed. */
export interface ForeignSandboxes {
  /** All of them, those that no path can name included. Throws UNAVAILABLE until it is known what there is. */
  all(): readonly ForeignSandbox[];
  /** Those that would be at an address (`addressOf`). Throws as `all` does. */
  at(address: string): readonly ForeignSandbox[];
  /** Why there may be more than it knows. */
  trouble(): string | undefined;
  /** Calls back with every address at which something has changed; may call too often, never too seldom for long. */
  watch(changed: (address: string) => void): void;
  close(): Promise<void>;
}

/** Where discovery is not switched on. */
export const nothingForeign: ForeignSandboxes = {
  all: () => [],
  at: () => [],
  trouble: () => undefined,
  watch: () => undefined,
  close: () => Promise.resolve(),
};
