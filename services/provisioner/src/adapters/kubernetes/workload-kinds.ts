import { DomainError } from '@sandlot/kernel';
import { agentSandbox, agentSandboxVersions, type AgentSandboxVersion } from './agent-sandbox.js';
import type { Cluster, KubernetesObject } from './cluster.js';
import { AGENT_SANDBOX_GROUP, agentSandboxes, SANDBOX_DEFINITION } from './sandbox-resources.js';
import { statefulSet } from './statefulset.js';
import type { Workload } from './workload.js';

export interface WorkloadKindsOptions {
  cluster: Cluster;
  /** What new sandboxes are made as. `auto`: agent-sandbox where the cluster serves it. */
  choice: 'statefulset' | 'agent-sandbox' | 'auto';
  changed: (object: KubernetesObject, event: 'present' | 'gone') => void;
  log?: WorkloadLog;
  /** How often the versions are asked for where the definition may not be watched, in ms. Default 60 s. */
  askEveryMs?: number;
}

export interface WorkloadLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * The kinds of workload that the cluster has. What was made as one kind stays it, so both are followed where both are to be had. The
 * version of the Sandbox API is found again when its definition is changed under us.
 */
export class WorkloadKinds {
  private agent: { version: AgentSandboxVersion; kind: Workload } | undefined;
  private looking: Promise<void> = Promise.resolve();
  private nextLook: Promise<void> | undefined;
  private chosen: Workload['name'];
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private statefulSets = false;

  constructor(private readonly options: WorkloadKindsOptions) {
    this.chosen = options.choice === 'statefulset' ? 'statefulset' : 'agent-sandbox';
  }

  get name(): Workload['name'] {
    return this.chosen;
  }

  /** Resolves when everything is in memory. Rejects when what was chosen is not to be had. */
  async open(): Promise<void> {
    const { cluster, changed, choice, log } = this.options;
    await this.look();
    if (choice === 'auto' && !this.agent) this.chosen = 'statefulset';
    if (choice === 'agent-sandbox' && !this.agent) throw this.missing();
    try {
      await cluster.follow(statefulSet.resource, changed);
      this.statefulSets = true;
    } catch (error) {
      if (this.chosen === 'statefulset') throw error;
      log?.warn({ error: String(error) }, 'StatefulSets may not be read: only sandboxes of agent-sandbox are known');
    }
    await cluster
      .follow(SANDBOX_DEFINITION, () => void this.lookAgain())
      .catch(() => {
        clearInterval(this.timer);
        this.timer = setInterval(() => void this.lookAgain(), this.options.askEveryMs ?? 60_000).unref();
      });
  }

  /** All that are there, the one for new sandboxes first. Throws UNAVAILABLE when that one has gone. */
  all(): readonly Workload[] {
    const both = [...(this.agent ? [this.agent.kind] : []), ...(this.statefulSets ? [statefulSet] : [])];
    const first = both.find(({ name }) => name === this.chosen);
    if (!first) throw this.missing();
    return [first, ...both.filter((kind) => kind !== first)];
  }

  /**
   * Asks for the versions anew. To be called whenever the API says that a version is not there. Never joins a look that is under way, which may
   * have asked before what it is called for.
   */
  lookAgain(): Promise<void> {
    this.nextLook ??= this.looking.then(() => {
      this.nextLook = undefined;
      this.looking = this.look().catch((error: unknown) =>
        this.options.log?.warn({ error: String(error) }, 'the versions of the Sandbox API could not be asked for'),
      );
      return this.looking;
    });
    return this.nextLook;
  }

  close(): void {
    this.closed = true;
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.closed) return;
    const { cluster, choice, changed, log } = this.options;
    const served = await cluster.served(AGENT_SANDBOX_GROUP, 'sandboxes');
    const version = agentSandboxVersions.find((known) => served.includes(known));
    const before = this.agent;
    if (version === before?.version) return;
    if (version) {
      const kind = agentSandbox(version);
      try {
        await cluster.follow(kind.resource, changed);
      } catch (error) {
        if (choice === 'agent-sandbox' || this.chosen === 'agent-sandbox') throw error;
        log?.warn({ version, error: String(error) }, 'Sandbox objects may not be read: only StatefulSets are known');
        return;
      }
      this.agent = { version, kind };
    } else this.agent = undefined;
    if (before) await cluster.leave(before.kind.resource);
    log?.info({ before: before?.version, version }, 'the version of the Sandbox API');
  }

  private missing(): DomainError {
    return new DomainError(
      'UNAVAILABLE',
      this.chosen === 'agent-sandbox'
        ? `the cluster serves no ${agentSandboxes('').plural}.${AGENT_SANDBOX_GROUP} in ${agentSandboxVersions.join(' or ')}: install agent-sandbox, or set SANDLOT_RUNTIME=statefulset`
        : 'StatefulSets are not in memory yet',
    );
  }
}
