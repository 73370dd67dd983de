import type { Operation } from './operation.js';

export interface Person {
  readonly id: string;
  readonly username: string;
  /** False from the moment that somebody asks to disable or delete the user, until the user is enabled again. */
  welcome: boolean;
  gone: boolean;
  readonly keys: { readonly id: string; readonly key: string; valid: boolean }[];
}

/** What the clients know of each other: who there is, with which keys. They learn it from answers alone. */
export class People {
  readonly all: Person[] = [];
  /** Since when a key that ought to be valid is refused. */
  readonly refusedSince = new Map<string, number>();
  private names = 0;

  constructor(
    readonly adminKey: string,
    private readonly most: number,
  ) {}

  get present(): Person[] {
    return this.all.filter(({ gone }) => !gone);
  }

  get full(): boolean {
    return this.present.length >= this.most;
  }

  newName(): string {
    this.names += 1;
    return `user-${this.names}`;
  }

  /** A name that others ask for at the same moment. */
  contestedName(): string {
    return `contested-${Math.floor(this.names / 3)}`;
  }

  validKey({ welcome, keys }: Person): string | undefined {
    return welcome ? keys.find(({ valid }) => valid)?.key : undefined;
  }

  /** Whether nobody has asked for this key to be refused. */
  letsIn(credential: string): boolean {
    if (credential === this.adminKey) return true;
    return this.all.some((person) => person.welcome && person.keys.some(({ key, valid }) => valid && key === credential));
  }

  learn({ kind, path, body, outcome, credential }: Operation): void {
    this.refusedSince.delete(credential);
    if (outcome?.is !== 'done') return;
    const made = outcome.body as { id: string; username: string; key: string; userId: string };
    if (kind === 'create-user') this.all.push({ id: made.id, username: made.username, welcome: true, gone: false, keys: [] });
    if (kind === 'create-key') this.all.find(({ id }) => id === made.userId)?.keys.push({ id: made.id, key: made.key, valid: true });
    const user = this.all.find(({ id }) => path.includes(id));
    if (kind === 'set-status' && user && !user.gone) user.welcome = (body as { status: string }).status === 'active';
  }
}
