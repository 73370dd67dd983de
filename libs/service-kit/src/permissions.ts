/** What each role may do. The only place that says so; a route names the one permission that it needs. */

/** On what is one's own. Whose it is, the services check. */
const ownPermissions = [
  'me:read',
  'apikey:create',
  'apikey:read',
  'apikey:update',
  'apikey:revoke',
  'quota:read',
  'access:read',
  'usage:read',
  'sandbox:create',
  'sandbox:read',
  'sandbox:update',
  'sandbox:pause',
  'sandbox:resume',
  'sandbox:delete',
  'preview:open',
  'preview:read',
  'preview:revoke',
] as const;

/** On everybody's, and on the platform. */
const adminPermissions = [
  'user:create',
  'user:read',
  'user:update',
  'user:delete',
  'user:forget',
  'user-apikey:create',
  'user-apikey:read',
  'user-apikey:update',
  'user-apikey:revoke',
  'user-sandbox:read',
  'user-sandbox:pause',
  'user-sandbox:resume',
  'user-sandbox:delete',
  'quota:write',
  'user-quota:read',
  'namespace:read',
  'namespace:adopt',
  'audit:read',
  'audit:export',
  'user-limits:read',
  'user-limits:write',
  'user-access:read',
  'user-usage:read',
  'operations:read',
  'operations:write',
] as const;

export type PermissionName = (typeof ownPermissions)[number] | (typeof adminPermissions)[number];
export type Role = 'admin' | 'user';

const granted: Record<Role, ReadonlySet<string>> = {
  admin: new Set([...ownPermissions, ...adminPermissions]),
  user: new Set(ownPermissions),
};

export const permissions: readonly PermissionName[] = [...ownPermissions, ...adminPermissions];

export function may(role: Role, permission: PermissionName): boolean {
  return granted[role].has(permission);
}
