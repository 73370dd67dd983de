import { z } from 'zod';
import {
  ApiKey,
  ApiKeyPage,
  CreateApiKeyBody,
  CreatedApiKey,
  CreateUserBody,
  UpdateUserBody,
  User,
  UserListQuery,
  UserPage,
} from '../http/users.js';
import { LimitsOfUser, UserLimits } from '../http/limits.js';
import { RewrapBody, Rewrapped } from '../http/master-keys.js';
import { KeyIdSchema, UserIdSchema } from '../names.js';
import { AtLeast, CommandContextSchema, defineCommand, defineQuery, Position } from './message.js';

const context = CommandContextSchema;
const expectedVersion = z.int().optional().describe('of If-Match');

export const CreateUser = defineCommand(
  'svc.auth.user.create',
  z.object({ context, ...CreateUserBody.shape }),
  z.object({ position: Position, user: User }),
);
export const UpdateUser = defineCommand(
  'svc.auth.user.update',
  z.object({ context, userId: UserIdSchema, expectedVersion, changes: UpdateUserBody }),
  z.object({ position: Position, user: User }),
);
export const DeleteUser = defineCommand(
  'svc.auth.user.delete',
  z.object({ context, userId: UserIdSchema, expectedVersion }),
  z.object({ position: Position }),
);
export const ForgetUser = defineCommand(
  'svc.auth.user.forget',
  z.object({ context, userId: UserIdSchema }),
  z.object({ position: Position }),
);
/** Which user has the name: from the log, so it needs no read model. USER_NOT_FOUND when nobody has. */
export const ResolveUsername = defineQuery(
  'svc.auth.username.resolve',
  z.object({ username: z.string().max(64) }),
  z.object({ userId: UserIdSchema }),
);
export const GetUser = defineQuery('svc.auth.user.get', z.object({ userId: UserIdSchema }), User);
export const ListUsers = defineQuery('svc.auth.user.list', z.object({ ...UserListQuery.shape, atLeast: AtLeast }), UserPage);

export const SetUserLimits = defineCommand(
  'svc.auth.user.set-limits',
  z.object({ context, userId: UserIdSchema, expectedVersion, limits: UserLimits }),
  z.object({ position: Position, limits: LimitsOfUser }),
);
export const GetUserLimits = defineQuery('svc.auth.user.limits', z.object({ userId: UserIdSchema }), LimitsOfUser);

export const CreateApiKey = defineCommand(
  'svc.auth.apikey.create',
  z.object({ context, userId: UserIdSchema, ...CreateApiKeyBody.shape }),
  z.object({ position: Position, key: CreatedApiKey }),
);
/** With `userId`, only a key of that user: anything else is KEY_NOT_FOUND. */
export const RenameApiKey = defineCommand(
  'svc.auth.apikey.rename',
  z.object({ context, keyId: KeyIdSchema, userId: UserIdSchema.optional(), expectedVersion, name: z.string() }),
  z.object({ position: Position, key: ApiKey }),
);
export const RevokeApiKey = defineCommand(
  'svc.auth.apikey.revoke',
  z.object({ context, keyId: KeyIdSchema, userId: UserIdSchema.optional(), expectedVersion }),
  z.object({ position: Position }),
);
export const ListApiKeys = defineQuery(
  'svc.auth.apikey.list',
  z.object({ userId: UserIdSchema, limit: z.int().min(1).max(200), cursor: z.string().optional(), atLeast: AtLeast }),
  ApiKeyPage,
);

/** Some users' data keys, from an older master key to the newest; the caller asks on until `next` is null. */
export const RewrapDataKeys = defineCommand(
  'svc.auth.masterkey.rewrap',
  z.object({ context, after: UserIdSchema.optional(), limit: RewrapBody.unwrap().shape.limit }),
  z.object({ position: Position, result: Rewrapped }),
);
