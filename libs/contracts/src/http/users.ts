import { z } from 'zod';
import { Role } from '../events/user-events.js';
import { KeyIdSchema, Timestamp, UserIdSchema, Username } from '../names.js';
import { pageOf, pageQuery } from './pagination.js';

const email = z.email().max(254);
const displayName = z.string().trim().min(1).max(100);

export const CreateUserBody = z
  .strictObject({ username: Username, email: email.optional(), displayName: displayName.optional(), role: Role.default('user') })
  .meta({ id: 'CreateUser' });

export const UpdateUserBody = z
  .strictObject({
    email: email.nullable().optional(),
    displayName: displayName.nullable().optional(),
    role: Role.optional(),
    status: z.enum(['active', 'disabled']).optional().describe('the keys of a disabled user are refused at once'),
  })
  .meta({ id: 'UpdateUser' });

export const User = z
  .object({
    id: UserIdSchema,
    username: z.string(),
    role: Role,
    status: z.enum(['active', 'disabled', 'deleted']),
    email: z.string().nullable().describe('null when not given, or forgotten'),
    displayName: z.string().nullable(),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    version: z.int().describe('of the ETag'),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

export const UserListQuery = z.object({ ...pageQuery, status: z.enum(['active', 'disabled', 'deleted']).optional() });
export const UserPage = pageOf(User, 'UserPage');

export const CreateApiKeyBody = z
  .strictObject({
    name: z.string().trim().min(1).max(100),
    expiresAt: Timestamp.optional().describe('in the future; without it the key does not expire'),
  })
  .meta({ id: 'CreateApiKey' });
export const UpdateApiKeyBody = z.strictObject({ name: z.string().trim().min(1).max(100) }).meta({ id: 'UpdateApiKey' });

export const ApiKey = z
  .object({
    id: KeyIdSchema,
    userId: UserIdSchema,
    name: z.string(),
    lastFour: z.string(),
    status: z.enum(['active', 'expired', 'revoked']),
    createdAt: Timestamp,
    expiresAt: Timestamp.nullable(),
    lastUsedAt: Timestamp.nullable().describe('to the minute'),
    version: z.int(),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

export const CreatedApiKey = ApiKey.extend({ key: z.string().describe('the key itself, shown only here') }).meta({ id: 'CreatedApiKey' });
export const ApiKeyListQuery = z.object(pageQuery);
export const ApiKeyPage = pageOf(ApiKey, 'ApiKeyPage');
