import type { Kind, Operation } from './operation.js';
import type { People, Person } from './people.js';
import type { Random } from './random.js';

type Asked = Pick<Operation, 'kind' | 'method' | 'path'> & { body?: unknown; credential?: string };

const sandboxNames = ['s1', 's2', 's3', 's4', 's5'];
/** How often each is done, roughly in percent. */
const weights: Record<Kind, number> = {
  'create-user': 3,
  'change-user': 4,
  'set-status': 4,
  'delete-user': 1.5,
  'forget-user': 0.5,
  'create-key': 5,
  'rename-key': 4,
  'revoke-key': 3,
  'set-quota': 5,
  'create-sandbox': 28,
  'pause-sandbox': 13,
  'resume-sandbox': 13,
  'delete-sandbox': 16,
};
const kinds = Object.keys(weights) as Kind[];
const total = kinds.reduce((sum, kind) => sum + weights[kind], 0);

/** What a client does next: anything that people can do, often to the same few things, so that they get into each other's way. */
export function chooseOperation(random: Random, people: People): Operation {
  const asked = ask(drawKind(random), random, people) ?? createUser(random, people);
  return { credential: people.adminKey, ...asked, idempotencyKey: random.hex(24), trace: random.hex(32), attempts: [] };
}

function drawKind(random: Random): Kind {
  let rest = random.next() * total;
  return kinds.find((kind) => (rest -= weights[kind]) < 0) ?? 'create-sandbox';
}

function ask(kind: Kind, random: Random, people: People): Asked | undefined {
  const person = random.pick(people.present);
  if (!person || (kind === 'create-user' && !people.full) || people.present.length < 2) return undefined;
  if (person.keys.every(({ valid }) => !valid)) return keyFor(person, random);
  if (kind.endsWith('-sandbox')) return aboutSandbox(kind, person, random, people);
  if (kind.endsWith('-key')) return aboutKey(kind, person, random);
  return aboutUser(kind, person, random);
}

function createUser(random: Random, people: People): Asked {
  const username = random.chance(0.3) ? people.contestedName() : people.newName();
  const personal = random.chance(0.5) ? { email: `${username}@example.com` } : {};
  return { kind: 'create-user', method: 'POST', path: '/api/v1/admin/users', body: { username, ...personal } };
}

const keyFor = ({ id }: Person, random: Random): Asked => ({
  kind: 'create-key',
  method: 'POST',
  path: `/api/v1/admin/users/${id}/apikeys`,
  body: { name: `key ${random.hex(4)}` },
});

function aboutKey(kind: Kind, person: Person, random: Random): Asked {
  const key = random.pick(person.keys.filter(({ valid }) => valid));
  if (kind === 'create-key' || !key) return keyFor(person, random);
  const path = `/api/v1/admin/apikeys/${key.id}`;
  if (kind === 'rename-key') return { kind, method: 'PATCH', path, body: { name: `renamed ${random.hex(4)}` } };
  key.valid = false;
  return { kind, method: 'DELETE', path };
}

function aboutUser(kind: Kind, person: Person, random: Random): Asked | undefined {
  const path = `/api/v1/admin/users/${person.id}`;
  switch (kind) {
    case 'change-user':
      return { kind, method: 'PATCH', path, body: { displayName: `Name ${random.hex(4)}` } };
    case 'set-status': {
      const status = person.welcome ? 'disabled' : 'active';
      if (status === 'disabled') person.welcome = false;
      return { kind, method: 'PATCH', path, body: { status } };
    }
    case 'set-quota':
      return { kind, method: 'PUT', path: `${path}/quota`, body: { sandboxes: random.between(2, 5) } };
    case 'delete-user':
    case 'forget-user':
      person.gone = true;
      person.welcome = false;
      return kind === 'delete-user' ? { kind, method: 'DELETE', path } : { kind, method: 'POST', path: `${path}/forget` };
    default:
      return undefined;
  }
}

function aboutSandbox(kind: Kind, person: Person, random: Random, people: People): Asked | undefined {
  const name = random.pick(sandboxNames)!;
  const credential = people.validKey(person);
  if (kind === 'create-sandbox')
    return credential ? { kind, method: 'POST', path: '/api/v1/sandboxes', body: { name }, credential } : undefined;
  const path = credential ? `/api/v1/sandboxes/${name}` : `/api/v1/sandboxes/${person.username}/${name}`;
  const verb = kind.split('-')[0]!;
  if (verb === 'delete') return { kind, method: 'DELETE', path, ...(credential && { credential }) };
  return { kind, method: 'POST', path: `${path}/${verb}`, ...(credential && { credential }) };
}
