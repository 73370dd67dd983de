import {
  aggregateRef,
  type NamespaceConcernName,
  type OwnedAggregate,
  type RebuildCount,
  type RebuildNamespace,
  type RebuildPlan,
  type RebuildSandbox,
  type RebuildStatus,
} from '@sandlot/contracts';
import type { ReconcileLoop } from '@sandlot/consumers';
import { serviceContext, type Commands } from '@sandlot/event-store';
import type { CommandContext, SandboxId, UserId } from '@sandlot/kernel';
import { ledgerDecider } from './domain/ledger/ledger.js';
import { namespaceDecider } from './domain/namespace/namespace.js';
import { runtimeDecider } from './domain/runtime/runtime.js';
import { sandboxDecider } from './domain/sandbox/decide.js';
import type { Runtime } from './ports.js';
import { noCount, placeOf, sayNamespace, saySandbox, sayStranger, type Said } from './reconcile/rebuild-plan.js';

export interface RebuildOptions {
  commands: Commands;
  runtime: Runtime;
  /** The id of every aggregate of a kind that the log knows. */
  idsOf: (aggregate: OwnedAggregate) => AsyncIterable<string>;
  /** By durable consumer. Those of sandboxes and routes come last: they need what the others make. */
  loops: Readonly<Record<string, Pick<ReconcileLoop, 'wakeAll'>>>;
  log?: { warn(fields: object, message: string): void };
}

/** Of each: an answer has to fit into a message. */
const listedAtMost = 500;
const atOnce = 16;
const lastLoops = ['provisioner-sandbox', 'provisioner-route'];

/**
 * What becomes of an empty or partly restored runtime. It adds no way of making things: the plan is told by the reconcilers' own plans, and
 * applying it is to have them look at everything now. So it may be stopped at any point, asked for twice, and asked of any process.
 */
export class Rebuild {
  constructor(private readonly options: RebuildOptions) {}

  async plan(): Promise<RebuildPlan> {
    const { runtime } = this.options;
    const namespaces = new Listing<RebuildNamespace>();
    const sandboxes = new Listing<RebuildSandbox>();
    await this.each('namespace', async (id) => namespaces.take(await this.namespace(id as UserId)));
    const strangers = new Set(await runtime.list());
    await this.each('sandbox', async (id) => {
      strangers.delete(id as SandboxId);
      sandboxes.take(await this.sandbox(id as SandboxId));
    });
    for (const id of strangers) sandboxes.take({ there: false, item: sayStranger(id) });
    return {
      runtime: runtime.name,
      counts: { namespaces: namespaces.count, sandboxes: sandboxes.count },
      namespaces: namespaces.items,
      sandboxes: sandboxes.items,
      omitted: namespaces.omitted + sandboxes.omitted,
    };
  }

  /** The fact comes first. What is done then goes on behind the answer, and `status` tells how far it is. */
  async start(context: CommandContext, reason: string): Promise<{ position: number; plan: RebuildPlan }> {
    const plan = await this.plan();
    const { position } = await this.options.commands.handle(context, async (work) => {
      const runtime = await work.load(runtimeDecider, this.ref);
      runtime.decide({ type: 'RequestRebuild', reason, comesBack: countOf(plan, 'comes-back'), cannot: countOf(plan, 'cannot') });
    });
    void this.run().catch((error: unknown) => this.options.log?.warn({ err: error }, 'a rebuild was not looked at to its end'));
    return { position, plan };
  }

  async status(): Promise<RebuildStatus> {
    const { state, revision } = await this.options.commands.load(runtimeDecider, this.ref);
    const plan = await this.plan();
    if (state.status === 'untouched') return { latest: null, plan };
    const { status, ...latest } = state;
    return { latest: { state: status, since: revision.time, ...latest }, plan };
  }

  /** Resolves when the reconcilers have looked at everything once. */
  private async run(): Promise<void> {
    const { commands, loops } = this.options;
    const names = Object.keys(loops);
    const first = names.filter((name) => !lastLoops.includes(name));
    const reports = await Promise.all(first.map((name) => loops[name]!.wakeAll()));
    for (const name of lastLoops.filter((each) => names.includes(each))) reports.push(await loops[name]!.wakeAll());
    const sum = (of: (report: (typeof reports)[number]) => number) => reports.reduce((total, report) => total + of(report), 0);
    const { revision } = await commands.load(runtimeDecider, this.ref);
    await commands.handle(serviceContext('provisioner', revision), async (work) => {
      (await work.load(runtimeDecider, this.ref)).decide({
        type: 'CompleteRebuild',
        looks: sum(({ reconciled, failed }) => reconciled + failed.length),
        changed: sum(({ changed }) => changed.length),
        failed: sum(({ failed }) => failed.length),
      });
    });
  }

  private async namespace(id: UserId): Promise<Said<RebuildNamespace>> {
    const { runtime, commands } = this.options;
    const { state: namespace } = await commands.load(namespaceDecider, aggregateRef('namespace', id));
    if (namespace.status === 'absent') return { there: false };
    const { state: ledger } = await commands.load(ledgerDecider, aggregateRef('ledger', id));
    const found = await runtime.findNamespace(namespace.name, id, namespace.uid);
    const missing: NamespaceConcernName[] = [];
    const usable = found.exists && found.ours && !found.obstacle;
    for (const concern of usable ? runtime.concerns : []) {
      const applied = namespace.applied[concern];
      if (applied && !(await runtime.findConcern(namespace.name, id, applied)).asWanted) missing.push(concern);
    }
    return sayNamespace({ namespace, ledger, found, missing });
  }

  private async sandbox(id: SandboxId): Promise<Said<RebuildSandbox>> {
    const { runtime, commands } = this.options;
    const { state: sandbox } = await commands.load(sandboxDecider, aggregateRef('sandbox', id));
    const found = await runtime.find(id);
    const look = { id, sandbox, found, concerns: runtime.concerns };
    const place = found.exists ? undefined : placeOf(sandbox);
    if (!place) return saySandbox({ ...look, namespace: { status: 'absent' }, foundNamespace: { exists: false }, volumes: undefined });
    const { state: namespace } = await commands.load(namespaceDecider, aggregateRef('namespace', place.owner));
    const uid = namespace.status === 'absent' ? undefined : namespace.uid;
    const foundNamespace = await runtime.findNamespace(place.namespace, place.owner, uid);
    return saySandbox({ ...look, namespace, foundNamespace, volumes: await runtime.findVolumes?.(id, place) });
  }

  private async each(aggregate: OwnedAggregate, look: (id: string) => Promise<void>): Promise<void> {
    const looking = new Set<Promise<void>>();
    const seen = new Set<string>();
    for await (const id of this.options.idsOf(aggregate)) {
      if (seen.has(id)) continue;
      seen.add(id);
      if (looking.size >= atOnce) await Promise.race(looking);
      const done: Promise<void> = look(id).finally(() => looking.delete(done));
      done.catch(() => undefined); // thrown by the race or at the end
      looking.add(done);
    }
    await Promise.all(looking);
  }

  private get ref() {
    return aggregateRef('runtime', this.options.runtime.name);
  }
}

class Listing<Item extends { outcome: Exclude<keyof RebuildCount, 'there'> }> {
  readonly count = noCount();
  readonly items: Item[] = [];
  omitted = 0;

  take({ there, item }: Said<Item>): void {
    if (there) this.count.there += 1;
    if (!item) return;
    this.count[item.outcome] += 1;
    if (this.items.length < listedAtMost) this.items.push(item);
    else this.omitted += 1;
  }
}

const countOf = ({ counts }: RebuildPlan, outcome: keyof RebuildCount) => ({
  namespaces: counts.namespaces[outcome],
  sandboxes: counts.sandboxes[outcome],
});
