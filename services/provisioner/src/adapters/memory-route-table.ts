import { DomainError } from '@sandlot/kernel';
import type { RouteRecord } from '@sandlot/contracts';
import type { RouteTable } from '../ports.js';

/** The routes in a map, for tests of what stands on a table of routes. */
export class MemoryRouteTable implements RouteTable {
  private readonly routes = new Map<string, { route: RouteRecord; revision: number }>();
  private revision = 0;

  async find(key: string): Promise<{ route: RouteRecord; revision: number } | undefined> {
    return structuredClone(this.routes.get(key));
  }

  async put(key: string, route: RouteRecord, revision: number | undefined): Promise<void> {
    this.expect(key, revision);
    this.routes.set(key, { route: structuredClone(route), revision: ++this.revision });
  }

  async remove(key: string, revision: number): Promise<void> {
    this.expect(key, revision);
    this.routes.delete(key);
    this.revision += 1;
  }

  private expect(key: string, revision: number | undefined): void {
    if (this.routes.get(key)?.revision !== revision) throw new DomainError('CONFLICT', `the route ${key} was changed in between`);
  }
}
