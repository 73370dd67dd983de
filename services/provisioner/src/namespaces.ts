import { aggregateRef, type NamespaceView } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import { DomainError, type CommandContext, type UserId } from '@sandlot/kernel';
import { namespaceDecider, type Namespace } from './domain/namespace/namespace.js';
import type { Runtime } from './ports.js';

/** What administrators ask of users' namespaces. */
export class Namespaces {
  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly prefix: string,
  ) {}

  async get(userId: UserId): Promise<NamespaceView> {
    return view((await this.commands.load(namespaceDecider, aggregateRef('namespace', userId))).state);
  }

  /**
   * Takes over the namespace of the user's that is there, whoever made it. What is handed over is this very one, by its uid: should another
   * take its place, that one is not ours again.
   */
  async adopt(
    { userId, username }: { userId: UserId; username: string },
    context: CommandContext,
  ): Promise<{ position: number; namespace: NamespaceView }> {
    const ref = aggregateRef('namespace', userId);
    const { state } = await this.commands.load(namespaceDecider, ref);
    const name = state.status === 'absent' ? `${this.prefix}${username}` : state.name;
    const found = await this.runtime.findNamespace(name, userId, state.status === 'absent' ? undefined : state.uid);
    if (!found.exists)
      throw new DomainError('NAMESPACE_NOT_FOUND', found.obstacle?.message ?? `there is no namespace ${name}: nothing to adopt`);
    if (found.obstacle) throw new DomainError('CONFLICT', found.obstacle.message, { reason: found.obstacle.reason });
    if (!this.runtime.concerns.includes('network-policy') && !found.ours)
      throw new DomainError(
        'FORBIDDEN',
        `the ${this.runtime.name} runtime cannot take over what it did not make; remove the folder of ${name}`,
      );
    const { position, result } = await this.commands.handle(context, async (work) => {
      const namespace = await work.load(namespaceDecider, ref);
      namespace.decide({ type: 'RequestNamespace', owner: userId, username, name });
      if (!found.ours) namespace.decide({ type: 'AdoptNamespace', uid: found.uid });
      return view(namespace.state);
    });
    return { position, namespace: result };
  }
}

function view(namespace: Namespace): NamespaceView {
  if (namespace.status === 'absent') throw new DomainError('NAMESPACE_NOT_FOUND', 'this user has no namespace yet');
  const { status, name, uid, failure, failures, applied } = namespace;
  const failed = [...(failure ? [failure] : []), ...Object.entries(failures).map(([concern, each]) => ({ concern, ...each }))];
  return {
    name,
    state: status,
    uid: uid ?? null,
    quota: applied.quota?.quota ?? null,
    egress: applied['network-policy']?.egress ?? null,
    failures: failed as NamespaceView['failures'],
  };
}
