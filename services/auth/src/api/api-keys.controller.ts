import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { authMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { ApiKeys } from '../api-keys.js';
import { KeyDirectoryLoop } from '../consumers/key-directory.consumer.js';
import { UserList } from '../user-list.js';

type Request<Name extends keyof typeof messages> = z.output<(typeof messages)[Name]['request']>;

@Controller()
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeys,
    private readonly list: UserList,
    private readonly directory: KeyDirectoryLoop,
  ) {}

  @Handles(messages.CreateApiKey)
  async create(@Payload() request: Request<'CreateApiKey'>) {
    const created = await this.keys.create(request);
    await this.directory.published(created.key.id);
    return created;
  }

  @Handles(messages.RenameApiKey)
  rename(@Payload() { name, ...request }: Request<'RenameApiKey'>) {
    return this.keys.rename(request, name);
  }

  @Handles(messages.RevokeApiKey)
  async revoke(@Payload() request: Request<'RevokeApiKey'>) {
    const { position } = await this.keys.revoke(request);
    await this.directory.published(request.keyId);
    return { position };
  }

  @Handles(messages.ListApiKeys)
  all(@Payload() request: Request<'ListApiKeys'>) {
    return this.list.keys(request);
  }
}
