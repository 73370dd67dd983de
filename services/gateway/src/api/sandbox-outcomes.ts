import { Injectable } from '@nestjs/common';
import { provisionerMessages as provisioner, type ReplyOf } from '@sandlot/contracts';
import { DomainError, type UserId } from '@sandlot/kernel';
import { RpcClient } from '@sandlot/service-kit';
import { accepted, at, changed, created, done, type Answer, type Versioned } from '../http/answer.js';

type Accepted = ReplyOf<typeof provisioner.PauseSandbox>;
const settled = new Set(['running', 'paused', 'failed', 'deleted']);

export interface OutcomeOptions {
  readonly location: string;
  /** For how many seconds the caller would rather wait than get 202. */
  readonly wait: number;
  readonly creates?: boolean;
  /** How the caller sees it. Default: as it is. */
  readonly shown?: (sandbox: Accepted['sandbox']) => Versioned;
}

const over = new Set<string>(['SANDBOX_NOT_FOUND', 'SANDBOX_GONE']);

/** What the caller is told of a sandbox that is on its way: 202, or what has become of it within the time that `Prefer: wait` gives. */
@Injectable()
export class SandboxOutcomes {
  constructor(private readonly rpc: RpcClient) {}

  async of({ position, sandbox }: Accepted, { location, wait, creates = false, shown = (as) => as }: OutcomeOptions): Promise<Answer> {
    const outcome = wait > 0 ? await this.waitFor(sandbox.owner, sandbox.name, wait) : undefined;
    if (outcome === undefined) return accepted(position, location, shown(sandbox));
    const applied = { 'preference-applied': `wait=${wait}` };
    if (outcome === 'gone') return done(position).with(applied);
    return (creates ? created(position, location, shown(outcome)) : changed(position, shown(outcome))).with({
      ...applied,
      ...at(position),
    });
  }

  /** Undefined when it has not settled in time, or nobody can say: it is accepted all the same. */
  private async waitFor(userId: UserId, name: string, seconds: number): Promise<Accepted['sandbox'] | 'gone' | undefined> {
    const settledWithinMs = seconds * 1_000;
    try {
      const sandbox = await this.rpc.call(provisioner.GetSandbox, { userId, name, settledWithinMs }, { withinMs: settledWithinMs + 5_000 });
      return settled.has(sandbox.state) ? sandbox : undefined;
    } catch (error) {
      return error instanceof DomainError && over.has(error.code) ? 'gone' : undefined;
    }
  }
}
