import { createUser, fromSeed } from '@nats-io/nkeys';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsUser } from './nats-config.js';
import { natsPermissions, natsServices, type NatsService } from './nats-permissions.js';

export interface NatsIdentity {
  service: NatsService;
  /** Holds the private seed, mode 0600. */
  seedFile: string;
  publicKey: string;
}

/** The nkeys of all services: made at the first call, in `<dir>/<service>.nk`, and read ever after. */
export async function natsIdentities(dir: string): Promise<Record<NatsService, NatsIdentity>> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const identities = await Promise.all(natsServices.map(async (service) => [service, await identity(dir, service)] as const));
  return Object.fromEntries(identities) as Record<NatsService, NatsIdentity>;
}

/** For the server's configuration: each identity with its permissions. */
export function natsUsers(identities: Record<NatsService, NatsIdentity>): NatsUser[] {
  return natsServices.map((service) => ({ nkey: identities[service].publicKey, permissions: natsPermissions(service) }));
}

async function identity(dir: string, service: NatsService): Promise<NatsIdentity> {
  const seedFile = join(dir, `${service}.nk`);
  const seed = (await readSeed(seedFile)) ?? (await makeSeed(seedFile));
  try {
    return { service, seedFile, publicKey: fromSeed(seed).getPublicKey() };
  } catch (cause) {
    throw new Error(`${seedFile} holds no nkey seed; delete it and a new one is made`, { cause });
  }
}

async function readSeed(file: string): Promise<Uint8Array | undefined> {
  return readFile(file, 'utf8').then(
    (text) => Buffer.from(text.trim()),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
}

/** Whole or not at all; of two that make it at once, both get the first's. */
async function makeSeed(file: string): Promise<Uint8Array> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, createUser().getSeed(), { mode: 0o600 });
  await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(temporary);
  return (await readSeed(file)) as Uint8Array;
}
