import { milliOf, type Relaxation, type SandboxResources, type SandboxSettings, type SandboxSpec } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';

/** What an operator lets people ask for: patterns in which `*` stands for anything. Nothing listed, nothing allowed. */
export interface AllowedSettings {
  images: readonly string[];
  runtimeClasses: readonly string[];
  /** `key=value` of node selectors. */
  nodeLabels: readonly string[];
  /** `key=value` of tolerations. */
  taints: readonly string[];
  storageClasses: readonly string[];
  buckets: readonly string[];
  /** Secrets of users' namespaces that are not theirs to read: what images are pulled with. */
  notSecrets: readonly string[];
  /** Of the work folder and of each claim: storage is in no quota of the user's. */
  disk: string;
}

export interface SettingRules {
  allowed: AllowedSettings;
  /** For a sandbox that does not say. Without resources where the runtime holds sandboxes to none. */
  defaults: { image: string; runtimeClassName?: string | undefined; resources?: DefaultResources | undefined };
  /** Which images may have what, beyond restricted pods. */
  relaxed: readonly { images: string; relaxations: readonly Relaxation[] }[];
  /** What the runtime cannot give effect to. */
  unsupported: { by: string; settings: readonly (keyof SandboxSpec)[] };
}

export interface DefaultResources {
  requests: { cpu: string; memory: string };
  limits: { cpu: string; memory: string };
  disk: string;
}

interface Fault {
  pointer: string;
  in: 'body';
  detail: string;
  code: 'NOT_ALLOWED' | 'NOT_SUPPORTED';
}

/** What the sandbox will be made of, with nothing left to a default that may change. VALIDATION_FAILED for what must not or cannot be. */
export function specOf(asked: SandboxSettings, { username, name }: { username: string; name: string }, rules: SettingRules): SandboxSpec {
  const { defaults, relaxed } = rules;
  const faults = [unsupported, ownServer, notAllowed, tooLarge, platformSecrets].flatMap((check) => check(asked, rules));
  if (faults.length > 0) {
    const detail = faults.map((fault) => `${fault.pointer.slice(1)}: ${fault.detail}`).join('; ');
    throw new DomainError('VALIDATION_FAILED', detail, { errors: faults });
  }
  const image = asked.image ?? defaults.image;
  const { volumes, resources: _, ...settings } = asked;
  const resources = resourcesOf(asked.resources, defaults.resources);
  const runtimeClassName = asked.runtimeClassName ?? defaults.runtimeClassName;
  const relaxations = [...new Set(relaxed.filter(({ images }) => matches(images, image)).flatMap((each) => each.relaxations))];
  return present({
    ...settings,
    image,
    runtimeClassName,
    resources,
    volumes: volumes?.map(({ bucket, ...volume }) =>
      present({ ...volume, bucket: bucket && { ...bucket, prefix: `${username}/${name}` } }),
    ),
    relaxations: relaxations.length > 0 ? relaxations : undefined,
  });
}

function unsupported(asked: SandboxSettings, rules: SettingRules): Fault[] {
  const { by, settings } = rules.unsupported;
  return settings
    .filter((setting) => (asked as Partial<SandboxSpec>)[setting] !== undefined)
    .map((setting) => ({
      pointer: `/${setting}`,
      in: 'body',
      detail: `the ${by} runtime of this installation cannot do this; leave it out, or run on Kubernetes`,
      code: 'NOT_SUPPORTED',
    }));
}

/** A process has the sandbox runtime itself at its first port, and that speaks HTTP/1.1. */
function ownServer({ ports }: SandboxSettings, { unsupported: { by } }: SettingRules): Fault[] {
  if (by !== 'process' || ports[0]?.protocol !== 'h2c') return [];
  const detail =
    "the first port of a sandbox of the process runtime is the sandbox's own server, which speaks http; name another port first";
  return [{ pointer: '/ports/0/protocol', in: 'body', detail, code: 'NOT_SUPPORTED' }];
}

function notAllowed(asked: SandboxSettings, { allowed, defaults }: SettingRules): Fault[] {
  const faults: Fault[] = [];
  const check = (pointer: string, value: string, patterns: readonly string[], setting: string) => {
    if (patterns.some((pattern) => matches(pattern, value))) return;
    const which = patterns.length > 0 ? `; allowed is ${patterns.join(', ')}` : '';
    const detail = `${value} is not among what the operator allows (${setting})${which}`;
    faults.push({ pointer, in: 'body', detail, code: 'NOT_ALLOWED' });
  };
  const { image, runtimeClassName, nodeSelector = {}, tolerations = [], volumes = [] } = asked;
  if (image !== undefined && image !== defaults.image) check('/image', image, allowed.images, 'SANDLOT_ALLOWED_IMAGES');
  if (runtimeClassName !== undefined && runtimeClassName !== defaults.runtimeClassName)
    check('/runtimeClassName', runtimeClassName, allowed.runtimeClasses, 'SANDLOT_ALLOWED_RUNTIME_CLASSES');
  for (const [key, value] of Object.entries(nodeSelector))
    check(`/nodeSelector/${pointerPart(key)}`, `${key}=${value}`, allowed.nodeLabels, 'SANDLOT_ALLOWED_NODE_LABELS');
  for (const [index, { key, operator, value }] of tolerations.entries()) {
    // One that names no key tolerates every taint, one without a value every value: only a pattern for all of them lets it through.
    const taint = `${key ?? '*'}=${operator === 'Exists' ? '*' : (value ?? '')}`;
    check(`/tolerations/${index}`, taint, allowed.taints, 'SANDLOT_ALLOWED_TAINTS');
  }
  for (const [index, { claim, bucket }] of volumes.entries()) {
    const { storageClassName } = claim ?? {};
    if (storageClassName !== undefined)
      check(`/volumes/${index}/claim/storageClassName`, storageClassName, allowed.storageClasses, 'SANDLOT_ALLOWED_STORAGE_CLASSES');
    if (bucket) check(`/volumes/${index}/bucket/bucketName`, bucket.bucketName, allowed.buckets, 'SANDLOT_ALLOWED_BUCKETS');
  }
  return faults;
}

function tooLarge({ resources, volumes = [] }: SandboxSettings, { allowed }: SettingRules): Fault[] {
  const faults: Fault[] = [];
  const sizes = [
    { pointer: '/resources/disk', size: resources?.disk },
    ...volumes.map(({ claim }, index) => ({ pointer: `/volumes/${index}/claim/size`, size: claim?.size })),
  ];
  for (const { pointer, size } of sizes)
    if (size !== undefined && milliOf(size) > milliOf(allowed.disk))
      faults.push({
        pointer,
        in: 'body',
        detail: `${size} is more than the operator allows, ${allowed.disk} (SANDLOT_MAX_DISK)`,
        code: 'NOT_ALLOWED',
      });
  return faults;
}

function platformSecrets({ secrets = [] }: SandboxSettings, { allowed }: SettingRules): Fault[] {
  const faults: Fault[] = [];
  for (const [index, { secretName }] of secrets.entries())
    if (allowed.notSecrets.includes(secretName))
      faults.push({
        pointer: `/secrets/${index}/secretName`,
        in: 'body',
        detail: `${secretName} holds what images are pulled with; it is not for sandboxes`,
        code: 'NOT_ALLOWED',
      });
  return faults;
}

/** Whether the whole of the text is what the pattern says; `*` is any number of any characters. Linear, whatever the pattern. */
export function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop()!;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > text.length - last.length) return false;
    from = at + part.length;
  }
  return true;
}

/** A limit that is asked for below the default request takes the request down with it, and a request above the default limit raises that. */
function resourcesOf(asked: SandboxResources | undefined, defaults: DefaultResources | undefined): SandboxResources | undefined {
  if (!defaults) return asked;
  const requests: SandboxResources['requests'] = {};
  const limits: SandboxResources['limits'] = {};
  for (const resource of ['cpu', 'memory'] as const) {
    const [request, limit] = [asked?.requests?.[resource], asked?.limits?.[resource]];
    limits[resource] = limit ?? larger(request ?? '0', defaults.limits[resource]);
    requests[resource] = request ?? smaller(limits[resource], defaults.requests[resource]);
  }
  return { requests, limits, disk: asked?.disk ?? defaults.disk };
}

const larger = (one: string, other: string): string => (milliOf(one) > milliOf(other) ? one : other);
const smaller = (one: string, other: string): string => (milliOf(one) < milliOf(other) ? one : other);

const pointerPart = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** Without the members that are undefined. */
function present<Members extends object>(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Members;
}
