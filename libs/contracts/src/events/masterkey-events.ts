import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';

// What was done with a master key of personal data: on `sandlot.auth.masterkey.<its id>`. Never the key.

/** So many users' data keys, which an older master key held, are held by this one now. */
export const MasterKeyDataKeysRewrapped = defineEvent('masterkey.data-keys-rewrapped.v1', z.object({ count: z.int().min(1) }));

export type MasterKeyEvent = EventOf<typeof MasterKeyDataKeysRewrapped>;
