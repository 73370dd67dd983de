import type { RecordedEvent } from '@sandlot/event-store';

/*
 * What the log says, folded by rules of our own: were they the services' rules, a mistake in those would agree with itself. Breaking a rule
 * that holds over several aggregates is a finding.
 */

export interface KnownUser {
  readonly username: string;
  readonly role: string;
  status: 'active' | 'disabled' | 'deleted';
  version: number;
}

export interface KnownKey {
  readonly userId: string;
  readonly hash: string;
  name: string;
  status: 'active' | 'revoked';
  version: number;
}

export interface KnownSandbox {
  readonly owner: string;
  readonly username: string;
  readonly name: string;
  wanted: 'running' | 'paused' | 'gone';
  seen: 'pending' | 'running' | 'stopped' | 'failed' | 'gone';
  version: number;
}

export interface Ledger {
  limit: number;
  readonly sandboxes: Map<string, string>;
}

/** Of all the facts together: each has some of it. */
interface Data {
  userId: string;
  username: string;
  owner: string;
  role: string;
  name: string;
  hash: string;
  sandboxId: string;
  quota: { sandboxes: number };
  limits: object;
}

export class LogModel {
  readonly users = new Map<string, KnownUser>();
  /** Of users for whom they are not as for everybody. */
  readonly limits = new Map<string, object>();
  readonly usernames = new Map<string, string>();
  readonly keys = new Map<string, KnownKey>();
  readonly sandboxes = new Map<string, KnownSandbox>();
  readonly ledgers = new Map<string, Ledger>();
  readonly namespaces = new Map<string, 'live' | 'deleting' | 'deleted'>();
  readonly findings: string[] = [];

  constructor(
    events: readonly RecordedEvent[],
    private readonly defaultLimit = 10,
  ) {
    const ids = new Set<string>();
    for (const event of events) {
      if (ids.has(event.id)) this.findings.push(`the event ${event.id} stands twice in the log, the second time at ${event.position}`);
      ids.add(event.id);
      this.take(event);
    }
    this.compareWholes();
  }

  private take(event: RecordedEvent): void {
    const { id, aggregate } = event.aggregate;
    const data = event.fact.data as Data;
    if (aggregate === 'username') this.take1('username', id, this.usernames, data.userId);
    else if (aggregate === 'user') this.takeUser(id, event, data);
    else if (aggregate === 'apikey') this.takeKey(id, event, data);
    else if (aggregate === 'ledger') this.takeLedger(id, event, data);
    else if (aggregate === 'sandbox') this.takeSandbox(id, event, data);
    else if (aggregate === 'namespace') this.takeNamespace(id, event.type);
  }

  private take1<Value>(what: string, id: string, into: Map<string, Value>, value: Value): void {
    if (into.has(id)) this.findings.push(`the ${what} ${id} was made twice`);
    into.set(id, value);
  }

  private takeUser(id: string, { type, version }: RecordedEvent, data: Data): void {
    if (type === 'user.created.v1')
      this.take1('user', id, this.users, { username: data.username, role: data.role, status: 'active', version });
    const user = this.users.get(id)!;
    user.version = version;
    if (type === 'user.limits-changed.v1') this.limits.set(id, data.limits);
    if (type === 'user.deleted.v1') user.status = 'deleted';
    if (type === 'user.disabled.v1') user.status = 'disabled';
    if (type === 'user.enabled.v1') user.status = 'active';
  }

  private takeKey(id: string, { type, version }: RecordedEvent, data: Data): void {
    if (type === 'apikey.created.v1')
      this.take1('key', id, this.keys, { userId: data.userId, hash: data.hash, name: data.name, status: 'active', version });
    const key = this.keys.get(id)!;
    key.version = version;
    if (type === 'apikey.renamed.v1') key.name = data.name;
    if (type === 'apikey.revoked.v1') key.status = 'revoked';
  }

  private takeLedger(userId: string, { type, position }: RecordedEvent, data: Data): void {
    const ledger = this.ledgers.get(userId) ?? { limit: this.defaultLimit, sandboxes: new Map<string, string>() };
    this.ledgers.set(userId, ledger);
    if (type === 'ledger.quota-set.v1') ledger.limit = data.quota.sandboxes;
    if (type === 'ledger.sandbox-released.v1' && !ledger.sandboxes.delete(data.sandboxId))
      this.findings.push(`position ${position} releases ${data.sandboxId}, which ${userId} does not hold`);
    if (type !== 'ledger.sandbox-admitted.v1') return;
    if ([...ledger.sandboxes.values()].includes(data.name))
      this.findings.push(`position ${position}: two sandboxes ${data.name} of ${userId}`);
    ledger.sandboxes.set(data.sandboxId, data.name);
    if (ledger.sandboxes.size > ledger.limit) this.findings.push(`position ${position}: ${userId} holds more than ${ledger.limit}`);
  }

  private takeSandbox(id: string, { type, version }: RecordedEvent, data: Data): void {
    if (type === 'sandbox.requested.v1') {
      const { owner, username, name } = data;
      this.take1('sandbox', id, this.sandboxes, { owner, username, name, wanted: 'running', seen: 'pending', version });
    }
    const sandbox = this.sandboxes.get(id)!;
    sandbox.version = version;
    const verb = type.split('.')[1]!;
    const wanted = {
      'pause-requested': 'paused',
      'resume-requested': 'running',
      'deletion-requested': 'gone',
      expired: 'gone',
      'idle-expired': 'gone',
    } as const;
    const seen = { started: 'running', stopped: 'stopped', failed: 'failed', deleted: 'gone' } as const;
    if (verb in wanted) sandbox.wanted = wanted[verb as keyof typeof wanted];
    if (verb in seen) sandbox.seen = seen[verb as keyof typeof seen];
  }

  private takeNamespace(id: string, type: string): void {
    if (type === 'namespace.requested.v1') this.namespaces.set(id, 'live');
    if (type === 'namespace.deletion-requested.v1') this.namespaces.set(id, 'deleting');
    if (type === 'namespace.deleted.v1') this.namespaces.set(id, 'deleted');
  }

  /** None half done: what was made by one command is there on every aggregate that it touched. */
  private compareWholes(): void {
    for (const [username, userId] of this.usernames)
      if (this.users.get(userId)?.username !== username)
        this.findings.push(`${username} is reserved for ${userId}, who was not created with it`);
    for (const [id, { username }] of this.users)
      if (this.usernames.get(username) !== id) this.findings.push(`${id} was created as ${username}, which is reserved for somebody else`);
    for (const { userId } of this.keys.values())
      if (!this.users.has(userId)) this.findings.push(`there is a key of ${userId}, who does not exist`);
    for (const [userId, { sandboxes }] of this.ledgers)
      for (const id of sandboxes.keys())
        if (!this.sandboxes.has(id)) this.findings.push(`${userId} holds ${id}, which was never requested`);
    for (const [id, { owner, seen }] of this.sandboxes)
      if (this.ledgers.get(owner)?.sandboxes.has(id) !== (seen !== 'gone'))
        this.findings.push(`${id} is ${seen}, and its owner's ledger says otherwise`);
  }
}
