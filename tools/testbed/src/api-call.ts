export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request in the words of the Kubernetes API. */
export interface ApiCall {
  verb: Verb;
  /** With the query: `/api/v1/namespaces/a/pods?watch=true`. */
  path: string;
  /** `pods`, `statefulsets`; absent for what is no resource, such as `/readyz` and discovery. */
  resource?: string;
  /** `apps`; the core group is ''. */
  group?: string;
  namespace?: string;
  name?: string;
  subresource?: string;
}

/** What is left out matches everything. */
export interface CallMatch {
  verb?: Verb | readonly Verb[];
  resource?: string | readonly string[];
  namespace?: string;
  name?: string;
  path?: RegExp;
  /** A request for a subresource (`status`, `scale`) matches only when it is named. Default: both do. */
  subresource?: string;
}

export function apiCall(method: string, path: string): ApiCall {
  const { pathname, searchParams } = new URL(path, 'http://api');
  const [root, ...rest] = pathname.split('/').slice(1).map(decodeURIComponent);
  const where = root === 'api' ? resourcePath('', rest.slice(1)) : root === 'apis' ? resourcePath(rest[0] ?? '', rest.slice(2)) : {};
  const watches = /^(1|true)$/.test(searchParams.get('watch') ?? '');
  return { verb: verb(method, where, watches), path, ...where };
}

function resourcePath(group: string, parts: string[]): Omit<ApiCall, 'verb' | 'path'> {
  // /namespaces/a/pods is about pods; /namespaces/a/status and /namespaces/a/finalize are about the namespace.
  const inNamespace = parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status' && parts[2] !== 'finalize';
  const namespace = inNamespace ? parts[1] : undefined;
  const [resource, name, subresource] = inNamespace ? parts.slice(2) : parts;
  return {
    ...(resource && { resource, group }),
    ...(namespace && { namespace }),
    ...(name && { name }),
    ...(subresource && { subresource }),
  };
}

function verb(method: string, { resource, name }: Partial<ApiCall>, watches: boolean): Verb {
  if (method === 'POST') return 'create';
  if (method === 'PUT') return 'update';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return name ? 'delete' : 'deletecollection';
  if (watches) return 'watch';
  return resource && !name ? 'list' : 'get';
}

export function matches(call: ApiCall, match: CallMatch): boolean {
  const among = (wanted: string | readonly string[] | undefined, found: string | undefined) =>
    wanted === undefined || (found !== undefined && (typeof wanted === 'string' ? wanted === found : wanted.includes(found)));
  return (
    among(match.verb, call.verb) &&
    among(match.resource, call.resource) &&
    among(match.namespace, call.namespace) &&
    among(match.name, call.name) &&
    among(match.subresource, call.subresource) &&
    (match.path === undefined || match.path.test(call.path))
  );
}
