import { describeUnless, missingS3, startTestS3, type TestS3 } from '@sandlot/testing';
import { S3Store } from './s3-store.js';
import { testBackupStore } from './store.features.js';

describeUnless(missingS3)('a bucket for backups', () => {
  let access: TestS3;
  beforeAll(async () => {
    access = await startTestS3();
  }, 180_000);

  testBackupStore(async () => new S3Store('s3://backups/of/sandlot/', access));

  it('says why it was refused, and not with which keys', async () => {
    const stranger = new S3Store('s3://backups/of', { ...access, secretAccessKey: 'a-wrong-secret' });
    const refusal = await stranger.put('one', Buffer.from('x')).catch((error: Error) => error.message);
    expect(refusal).toMatch(/s3:\/\/backups\/of: PUT was refused with 403/);
    expect(refusal).not.toContain('a-wrong-secret');
  });
});
