import { commonSettings, defineConfig, loadConfig, natsSettings, runOnce, secret } from '@sandlot/service-kit';
import { z } from 'zod';
import { prepareDatabase, prepareNats } from './schemas.js';

const config = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    SANDLOT_DATABASE_URL: secret(z.string().regex(/^postgres(ql)?:\/\//)).describe(
      "the database, as its owner; the services' roles are made with it",
    ),
  }),
);

/** Brings streams, buckets, schemas and roles up to date before the services start, when they run as processes of their own. */
await runOnce('migrate', process.env, async () => {
  const { values } = loadConfig(config, process.env);
  await Promise.all([prepareNats(values), prepareDatabase(values.SANDLOT_DATABASE_URL)]);
});
