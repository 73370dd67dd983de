import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';

/**
 * The last position that each of the users who were active lately was told: what they list must show what they have done. Kept by this
 * instance alone; a client that talks to several sends the position itself.
 */
@Injectable()
export class RecentPositions {
  private readonly positions = new LRUCache<string, number>({ max: 10_000 });

  note(userId: string, position: number): void {
    if (position > (this.positions.get(userId) ?? 0)) this.positions.set(userId, position);
  }

  of(userId: string): number | undefined {
    return this.positions.get(userId);
  }
}
