import { aggregateRef, type PreviewFacts, type PreviewId } from '@sandlot/contracts';
import type { Commands, Work } from '@sandlot/event-store';
import { deriveId, DomainError, systemClock, type Clock, type CommandContext, type SandboxId, type UserId } from '@sandlot/kernel';
import { ledgerDecider, sandboxNamed } from './domain/ledger/ledger.js';
import { previewDecider, previewsAt, type OpenPreview } from './domain/preview/preview.js';
import { sandboxDecider } from './domain/sandbox/decide.js';

export interface OfSandbox {
  userId: UserId;
  /** Of the sandbox. */
  name: string;
}

/** Who is shown a sandbox's port, and until when. Names are found in the owner's ledger, as for every command. */
export class Previews {
  constructor(
    private readonly commands: Commands,
    private readonly clock: Clock = systemClock,
  ) {}

  async open({
    context,
    userId,
    name,
    port,
    ttlSeconds,
    public: isPublic,
  }: OfSandbox & { context: CommandContext; port?: number | string | undefined; ttlSeconds: number; public: boolean }): Promise<{
    position: number;
    sandboxId: SandboxId;
    preview: PreviewFacts;
  }> {
    const id = deriveId('prv', context.commandId, 'preview');
    const { position, result } = await this.commands.handle(context, async (work) => {
      const { sandboxId, declared } = await this.declaredPort(work, { userId, name }, port);
      const previews = await work.load(previewDecider, aggregateRef('preview', sandboxId));
      if (!work.applied) previews.decide({ type: 'OpenPreview', id, port: declared, public: isPublic, at: context.at, ttlSeconds });
      const preview = previews.state.open.get(id);
      if (!preview) throw new DomainError('PREVIEW_NOT_FOUND', 'This preview was opened, and has ended since');
      return { sandboxId, preview: factsOf(preview) };
    });
    return { position, ...result };
  }

  async revoke({ context, userId, name, previewId }: OfSandbox & { context: CommandContext; previewId: PreviewId }): Promise<{
    position: number;
    sandboxId: SandboxId;
  }> {
    const { position, result } = await this.commands.handle(context, async (work) => {
      const sandboxId = await this.sandboxOf(work, { userId, name });
      const previews = await work.load(previewDecider, aggregateRef('preview', sandboxId));
      if (!work.applied) previews.decide({ type: 'RevokePreview', id: previewId, at: context.at });
      return { sandboxId };
    });
    return { position, ...result };
  }

  async list({ userId, name }: OfSandbox): Promise<{ items: PreviewFacts[] }> {
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    const sandboxId = sandboxNamed(ledger, name);
    if (!sandboxId) throw notFound();
    const { state } = await this.commands.load(previewDecider, aggregateRef('preview', sandboxId));
    return { items: previewsAt(state, this.clock.now().toISOString()).map(factsOf) };
  }

  private async declaredPort(
    work: Work,
    of: OfSandbox,
    wanted: number | string | undefined,
  ): Promise<{ sandboxId: SandboxId; declared: number }> {
    const sandboxId = await this.sandboxOf(work, of);
    const { state: sandbox } = await work.load(sandboxDecider, aggregateRef('sandbox', sandboxId));
    if (sandbox.status !== 'live') throw notFound();
    const { ports } = sandbox.spec;
    const port = wanted === undefined ? ports[0] : ports.find((each) => each.port === wanted || each.name === wanted);
    if (!port) throw new DomainError('VALIDATION_FAILED', `the sandbox declares no port ${wanted}`, { errors: [notDeclared] });
    return { sandboxId, declared: port.port };
  }

  private async sandboxOf(work: Work, { userId, name }: OfSandbox): Promise<SandboxId> {
    const { state: ledger } = await work.load(ledgerDecider, aggregateRef('ledger', userId));
    const sandboxId = sandboxNamed(ledger, name);
    if (!sandboxId) throw notFound();
    return sandboxId;
  }
}

const notDeclared = { pointer: '/port', in: 'body', detail: 'must be a port that the sandbox declares', code: 'not_declared' };

const factsOf = ({ id, port, public: isPublic, openedAt, expiresAt }: OpenPreview): PreviewFacts => ({
  id, port, public: isPublic, openedAt, expiresAt,
}); // prettier-ignore

const notFound = (): DomainError => new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
