import type { LimitsInForce, UserLimits } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { DirectoryUnavailable, type Directory } from './directory.js';
import type { Limits } from './limits.js';
import { BURST_SECONDS } from './token-bucket.js';

/** Tells what one user may ask of the proxies, and whether that is so for everybody. From what requests are measured by, and without counting. */
export class LimitsOfUsers {
  constructor(
    private readonly directory: Directory,
    private readonly limits: Limits,
    private readonly apiBodyLimit: number,
  ) {}

  /** @throws DomainError USER_NOT_FOUND; UNAVAILABLE when it cannot be looked up */
  async of(userId: string): Promise<LimitsInForce> {
    const user = await this.userOf(userId);
    if (!user || user.status === 'deleted') throw new DomainError('USER_NOT_FOUND', 'the proxies know no such user');
    const inForce = this.limits.inForce(user.limits);
    const limit = (name: keyof UserLimits) => ({
      value: inForce[name],
      source: user.limits?.[name] === undefined ? ('default' as const) : ('override' as const),
    });
    const rate = (name: keyof UserLimits) => ({ ...limit(name), burst: inForce[name] * BURST_SECONDS });
    return {
      requestsPerSecond: rate('requestsPerSecond'),
      requestsPerSecondPerKey: rate('requestsPerSecondPerKey'),
      requestsPerSecondPerSandbox: rate('requestsPerSecondPerSandbox'),
      requestsUnderWay: limit('requestsUnderWay'),
      connections: limit('connections'),
      bodyBytes: { api: this.apiBodyLimit, sandbox: null },
    };
  }

  private async userOf(userId: string) {
    try {
      return await this.directory.user(userId);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      throw new DomainError('UNAVAILABLE', 'users cannot be looked up right now', { retryAfterSeconds: 1 }, { cause: error });
    }
  }
}
