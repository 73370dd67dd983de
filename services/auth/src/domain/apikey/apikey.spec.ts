import { ApiKeyCreated, ApiKeyRenamed, ApiKeyRevoked } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { apiKeyDecider, type ApiKeyCommand } from './apikey.js';

const data = { userId: newId('usr'), name: 'laptop', hash: 'a'.repeat(64), lastFour: 'wxyz', expiresAt: null };
const created = ApiKeyCreated(data);
const key = given(apiKeyDecider);
const create = (expiresAt: string | null): ApiKeyCommand => ({ type: 'CreateApiKey', ...data, expiresAt, at: '2026-01-01T00:00:00.000Z' });

describe('an API key', () => {
  it('S0-19 is created for a user', () => key().when(create(null)).then(created));

  it('S0-02 may expire, but only in the future', () => {
    const later = '2026-01-01T00:00:00.001Z';
    key()
      .when(create(later))
      .then(ApiKeyCreated({ ...data, expiresAt: later }));
    key().when(create('2026-01-01T00:00:00.000Z')).thenRefused('VALIDATION_FAILED');
  });

  it('is renamed, and stays as it is when the name is the same', () => {
    key(created)
      .when({ type: 'RenameApiKey', name: 'desktop' })
      .then(ApiKeyRenamed({ name: 'desktop' }));
    key(created).when({ type: 'RenameApiKey', name: 'laptop' }).thenNothing();
    key(created, ApiKeyRevoked({})).when({ type: 'RenameApiKey', name: 'desktop' }).thenRefused('KEY_REVOKED');
  });

  it('S0-25 is revoked once and for ever', () => {
    key(created).when({ type: 'RevokeApiKey' }).then(ApiKeyRevoked({}));
    key(created, ApiKeyRevoked({})).when({ type: 'RevokeApiKey' }).thenNothing();
    key().when({ type: 'RevokeApiKey' }).thenRefused('KEY_NOT_FOUND');
  });
});
